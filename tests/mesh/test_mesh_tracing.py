"""A small mesh with a collector: a question is one trace from the edge to the engine, and all is counted."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from aidatalabs_services.identity.local import issue_local_token
from aidatalabs_services.mesh.metrics import read_metrics
from aidatalabs_services.mesh.settings import MeshSettings
from aidatalabs_services.mesh.topology import local_plan
from aidatalabs_services.runtime.caller import Role
from tests.gateway.collector import Collector, Span, running_collector, tree
from tests.mesh.conftest import Foreground, foreground, free_port

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="module")]

EMAIL = "ana.private@example.com"
SERVICES = {"identity", "platform", "data", "agent", "monitoring"}
BODY = {"platform": "platforms/traced", "question": "how many events are there?"}


@dataclass
class Traced:
    """A mesh that tells a collector, with a platform and one event in it."""

    mesh: Foreground
    collector: Collector
    client: aiohttp.ClientSession
    token: str

    async def post(self, path: str, body: Any, **headers: str) -> tuple[Any, str]:
        """The answer's body and the trace it names."""
        async with self.client.post(path, json=body, headers=headers) as answer:
            return await answer.json(), answer.headers["traceresponse"].split("-")[1]

    def log(self, name: str) -> list[dict[str, Any]]:
        """The lines that a process has written."""
        lines = self.mesh.home.log(name).read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    async def written(self, log: str, text: str) -> None:
        """Waits until a log that is written with delay has the text."""
        async with asyncio.timeout(5):
            while text not in (self.mesh.home.logs / log).read_text():
                await asyncio.sleep(0.1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def traced(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Traced]:
    async with running_collector() as collector:
        settings = MeshSettings.model_validate(
            {
                "home": tmp_path_factory.mktemp("traced"),
                "port": free_port(),
                "telemetry_otlp_endpoint": collector.endpoint,
                "mesh_stop_timeout_seconds": 5.0,
            }
        )
        async with foreground(settings, local_plan) as mesh:
            postgres = next(one.check for one in mesh.record.processes if one.name == "postgres")
            assert postgres is not None
            token = await issue_local_token(postgres.address, mesh.home.keys, EMAIL, Role.ADMIN, 600)
            headers = {"authorization": f"Bearer {token}"}
            async with aiohttp.ClientSession(mesh.record.url, headers=headers) as client:
                found = Traced(mesh, collector, client, token)
                made, _ = await found.post("/api/v1/platforms?platform_id=traced", {"display_name": "T"})
                assert made["state"] == "ACTIVE", made
                event = {"timestamp": "2026-01-02T03:04:05Z", "event_type": "click", "user_id": "42"}
                body = {"platform": "platforms/traced", "table": "events", "events": [event]}
                stored, _ = await found.post("/api/v1/data/ingest", body)
                assert stored["receipt"]["accepted_count"] == "1", stored
                yield found


async def test_a_question_is_one_trace_from_the_edge_to_the_engine(traced: Traced) -> None:
    answer, trace_id = await traced.post("/api/v1/agents/query", BODY)
    assert answer["result"]["rows"] == [[1]], answer
    everybody = {"edge", "agent", "data", "platform"}
    spans = await traced.collector.wait_for(
        lambda found: (
            everybody <= {one.service for one in found if one.kind == "server"} and bool(_selects(found))
        ),
        trace_id,
    )
    assert len(tree(spans).splitlines()) == len(spans), "one tree, nothing beside it"
    by_id = {one.span_id: one for one in spans}
    (engine,) = _selects(spans)
    way = [engine]
    while way[-1].parent:
        way.append(by_id[way[-1].parent])
    assert [(one.service, one.name.rpartition(".")[2], one.kind) for one in reversed(way)] == [
        ("edge", "POST /api/v1/agents/query", "server"),
        ("edge", "agent", "client"),
        ("agent", "AgentService/Query", "server"),
        ("agent", "DataService/Query", "client"),
        ("data", "DataService/Query", "server"),
        ("data", "clickhouse SELECT", "client"),
    ]
    assert engine.attributes["db.system"] == "clickhouse"
    assert engine.attributes["db.clickhouse.query_id"].startswith(f"{trace_id}-")
    assert engine.attributes["db.response.returned_rows"] == 1
    assert all(by_id[one.parent].begin <= one.begin for one in spans if one.parent)
    # PostgreSQL's statements belong to it, where roles were looked up and the conversation is kept.
    statements = {one.attributes["db.operation.name"] for one in spans if one.name.startswith("postgres ")}
    assert statements <= {"SELECT", "WITH"}
    for name in ("agent", "data", "platform"):
        assert any(line.get("trace_id") == trace_id for line in traced.log(name)), name
    await traced.written("access.log", trace_id)


def _one(spans: list[Span], service: str, kind: str) -> Span | None:
    return next((one for one in spans if (one.service, one.kind) == (service, kind)), None)


def _selects(spans: Sequence[Span]) -> list[Span]:
    """What the engine ran for the data service's Query."""
    by_id = {one.span_id: one for one in spans}
    return [one for one in spans if one.name == "clickhouse SELECT" and _parent(by_id, one, "Query")]


def _parent(by_id: dict[str, Span], span: Span, method: str) -> bool:
    parent = by_id.get(span.parent)
    return parent is not None and parent.name.endswith(f"/{method}")


async def test_a_clients_own_trace_is_carried_on_and_told_in_its_refusal(traced: Traced) -> None:
    own = "5bd66ef5095369c7b0d1f8f4bd33716a"
    body = {"platform": "platforms/traced", "sql": "SELECT secretword FROM events"}
    refused, told = await traced.post("/api/v1/data/query", body, traceparent=f"00-{own}-c532cb4098ac3dd2-00")
    assert (told, refused["details"][0]["metadata"]["trace_id"]) == (own, own)
    both = {"edge", "data"}
    spans = await traced.collector.wait_for(
        lambda found: both <= {one.service for one in found if one.kind == "server"}, own
    )
    served = _one(spans, "data", "server")
    assert served is not None
    assert served.attributes["aidatalabs.reason"] == refused["details"][0]["reason"]
    assert not served.failed, "the fault is the caller's"


async def test_spans_tell_no_sql_no_token_and_nobody(traced: Traced) -> None:
    texts = ["secretword", "SELECT count", EMAIL, traced.token[:40], "how many events", "users/"]
    told = traced.collector.text()
    assert [text for text in texts if text in told] == []
    assert "postgres INSERT" in told, "there was something to look at"


async def test_every_process_tells_its_metrics_to_this_user_alone(traced: Traced) -> None:
    places = traced.mesh.record.metrics_places()
    found = await read_metrics(places)
    assert set(found) == SERVICES | {"edge"}
    for name, place in places:
        mode = Path(place.socket).stat().st_mode
        assert stat.S_IMODE(mode) == 0o600, name
    for name in SERVICES:
        assert "process_resident_memory_bytes" in found[name]
        assert 'grpc_server_handled_total{grpc_code="OK"' in found[name]
    assert "envoy_http_downstream_rq_total" in found["edge"]
    assert 'aidatalabs_postgres_connections{state="idle"}' in found["platform"]
    assert _value(found["agent"], 'ai_agent_requests_total{agent="query"}') >= 1
    assert _value(found["agent"], 'ai_agent_duration_seconds_count{agent="query"}') >= 1
    data = found["data"]
    assert _value(data, "clickhouse_query_duration_seconds_count") >= 1
    assert _value(data, "clickhouse_rows_read") >= 1
    assert _value(data, "clickhouse_rows_written") == 1
    assert _value(data, "clickhouse_memory_usage") > 10_000_000
    assert _value(data, "platform_queries_per_hour") >= 1
    assert _value(data, "platform_storage_usage_bytes") > 0
    assert _value(data, 'aidatalabs_ingest_rows_total{verdict="accepted"}') == 1
    assert _value(data, "aidatalabs_engines_running") == 1
    assert _value(found["platform"], "platform_active_users") == 1
    for path in ("/metrics", "/stats/prometheus", "/api/v1/metrics"):
        async with traced.client.get(path) as answer:
            assert answer.status == 404, path


def _value(text: str, sample: str) -> float:
    lines = [line for line in text.splitlines() if line.startswith(f"{sample} ")]
    assert lines, f"{sample} is not told"
    return float(lines[0].rpartition(" ")[2])
