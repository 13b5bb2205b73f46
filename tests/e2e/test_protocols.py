"""Tools people have at hand, against the mesh's one port: grpcurl, curl on a stream, a file by export."""

from __future__ import annotations

import http.client
import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from tests.e2e.conftest import Mesh

pytestmark = pytest.mark.mesh
GRPCURL = Path(sys.executable).with_name("grpcurl")
QUESTION = "how many flights were there to LAX in July?"


def grpcurl(mesh: Mesh, token: str, *words: str, data: Any = None) -> subprocess.CompletedProcess[str]:
    body = [] if data is None else ["-d", json.dumps(data)]
    return subprocess.run(
        [
            GRPCURL,
            "-plaintext",
            "-H",
            f"authorization: Bearer {token}",
            *body,
            f"127.0.0.1:{mesh.port}",
            *words,
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_grpcurl_lists_every_service_and_describes_a_method(mesh: Mesh, admin: str) -> None:
    listed = grpcurl(mesh, admin, "list").stdout.split()
    for service in ("agent.v1.AgentService", "data.v1.DataService", "platform.v1.PlatformService"):
        assert f"aidatalabs.{service}" in listed
    described = grpcurl(mesh, admin, "describe", "aidatalabs.data.v1.DataService.Query").stdout
    assert "rpc Query ( .aidatalabs.data.v1.QueryRequest )" in described


def test_grpcurl_calls_and_streams(mesh: Mesh, admin: str) -> None:
    asked = {"platform": "platforms/demo", "question": QUESTION}
    answer = json.loads(grpcurl(mesh, admin, "aidatalabs.agent.v1.AgentService/Query", data=asked).stdout)
    assert answer["result"]["rows"] == [[1500]]
    told = grpcurl(mesh, admin, "aidatalabs.agent.v1.AgentService/StreamAnswer", data=asked).stdout
    assert [line.split('"')[3] for line in told.splitlines() if line.startswith('  "event"')][-1] == "done"


@pytest.mark.parametrize(
    "service", ["aidatalabs.agent.v1.AgentService", "aidatalabs.data.v1.DataService", ""]
)
def test_health_is_told_by_name_through_the_edge(mesh: Mesh, admin: str, service: str) -> None:
    done = grpcurl(mesh, admin, "grpc.health.v1.Health/Check", data={"service": service})
    assert json.loads(done.stdout) == {"status": "SERVING"}, done.stderr


def sse(mesh: Mesh, token: str, question: str) -> list[tuple[float, dict[str, Any]]]:
    """The events of a streamed answer, each with the second of its arrival."""
    connection = http.client.HTTPConnection("127.0.0.1", mesh.port, timeout=30)
    begun = time.monotonic()
    connection.request(
        "POST",
        "/api/v1/agents/query:stream",
        json.dumps({"platform": "platforms/demo", "question": question}),
        {"content-type": "application/json", "authorization": f"Bearer {token}"},
    )
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.getheader("content-type", "").startswith("text/event-stream")
    events = []
    while line := answer.readline():
        if line.startswith(b"data:"):
            events.append((time.monotonic() - begun, json.loads(line[5:])))
    connection.close()
    return events


def test_an_answer_streams_as_events_and_ends_with_done(mesh: Mesh, admin: str) -> None:
    events = sse(mesh, admin, QUESTION)
    names = [event["event"] for _, event in events]
    assert names == [
        "understood",
        "sql",
        "running",
        "rows",
        "chart",
        "answer",
        "proof",
        "conversation",
        "done",
    ]
    assert events[3][1]["data"]["result"]["rows"] == [[1500]]


def test_a_question_that_is_refused_ends_its_stream_with_the_refusal(mesh: Mesh, admin: str) -> None:
    ((_, event),) = sse(mesh, admin, "what is the weather on Mars?")
    assert event["event"] == "error"
    assert event["error"]["details"][0]["reason"] == "QUESTION_NOT_ANSWERABLE"
    assert event["error"]["details"][0]["metadata"]["request_id"]


@pytest.mark.parametrize("form", ["CSV", "JSONL", "PARQUET", "ARROW"])
def test_an_export_is_the_whole_result_as_a_file(mesh: Mesh, admin: str, form: str) -> None:
    sql = "SELECT carrier, name FROM airlines ORDER BY carrier"
    connection = http.client.HTTPConnection("127.0.0.1", mesh.port, timeout=30)
    connection.request(
        "POST",
        "/api/v1/data/export",
        json.dumps({"platform": "platforms/demo", "sql": sql, "format": form}),
        {"content-type": "application/json", "authorization": f"Bearer {admin}"},
    )
    answer = connection.getresponse()
    raw = answer.read()
    assert answer.status == 200, raw
    assert "attachment; filename=" in answer.getheader("content-disposition", "")
    readers = {
        "CSV": lambda: pd.read_csv(io.BytesIO(raw)),
        "JSONL": lambda: pd.read_json(io.BytesIO(raw), lines=True),
        "PARQUET": lambda: pd.read_parquet(io.BytesIO(raw)),
        "ARROW": lambda: pa.ipc.open_stream(raw).read_pandas(),
    }
    read = readers[form]()
    assert read.astype(str).to_numpy().tolist() == mesh.rows(sql)
    connection.close()
