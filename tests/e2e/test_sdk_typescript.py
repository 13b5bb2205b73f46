"""The TypeScript client against the mesh: every built RPC over both its transports, and its examples."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, message_factory

from tests.e2e.conformance_cases import made_by, settled
from tests.e2e.conftest import Mesh
from tests.e2e.plain_outcomes import filled, plain
from tests.e2e.talk_cases import AGENT_EMPTY
from tests.e2e.test_conformance import BY_METHOD, EMPTY, HOLDS, METHODS, ask, prepared
from tests.e2e.transports import Outcome, Refused
from tests.sdk_typescript.package import build, run

pytestmark = pytest.mark.mesh
# Eight signing keys are published at most, and other tests of this mesh make some too.
ONCE = "/aidatalabs.identity.v1.IdentityService/RotateSigningKey"
WAYS = {"ts-web": "grpc-web", "ts-grpc": "grpc"}
# What `fetch` has no way to send.
LEFT = {("ts-grpc", ONCE), ("ts-web", "/aidatalabs.data.v1.DataService/IngestStream")}
CALLS = [(way, path) for way in WAYS for path in BY_METHOD if (way, path) not in LEFT]


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    build()


Outcomes = dict[tuple[str, str, str], Outcome]


@pytest.fixture(scope="module")
def outcomes(mesh: Mesh, admin: str) -> Outcomes:
    """By transport, method and `answered` or `refused`: what the client made of the call."""
    tokens = {"admin": admin, "stranger": mesh.token("stranger@example.com", "viewer"), "nobody": ""}
    found: Outcomes = {}
    for way in WAYS:
        names: dict[str, str] = {}
        paths = [path for one, path in CALLS if one == way]
        while paths:
            together = _together(paths)
            paths = paths[len(together) :]
            found |= _sent(mesh, tokens, way, together, names)
            for path in together:
                answer = found[way, path, "answered"]
                if not isinstance(answer, Refused):
                    names |= made_by(path, answer)
                    settled(path, answer, lambda path, fields: ask(mesh, admin, path, fields))
    return found


def _together(paths: list[str]) -> list[str]:
    """The first calls, up to one whose answer or end the next ones need: one process makes them."""
    begins = (
        "Query",
        "StreamAnswer",
        "GiveFeedback",
        "DeleteRows",
        "CreateBackup",
        "VerifyBackup",
        "DrillBackup",
        "RestoreBackup",
    )
    ends = [count for count, path in enumerate(paths, 1) if path.rpartition("/")[2] in begins]
    return paths[: ends[0]] if ends else paths


def _sent(mesh: Mesh, tokens: dict[str, str], way: str, paths: list[str], names: dict[str, str]) -> Outcomes:
    calls = []
    for path in paths:
        prepared(mesh, tokens["admin"], path, way)
        case = BY_METHOD[path]
        calls.append(((way, path, "answered"), filled(case.answered, way, names), tokens["admin"]))
        calls.append(((way, path, "refused"), filled(case.refused, way, names), tokens[case.refused_as]))
    asked = {
        "baseUrl": f"http://127.0.0.1:{mesh.port}",
        "transport": WAYS[way],
        "calls": [{"method": key[1], "fields": fields, "token": token} for key, fields, token in calls],
    }
    done = run("build/test/conformance.js", given=json.dumps(asked))
    assert done.returncode == 0, done.stderr
    told = zip(calls, json.loads(done.stdout), strict=True)
    return {key: outcome_of(key[1], one) for (key, _, _), one in told}


def outcome_of(path: str, told: Any) -> Outcome:
    """What the client told of a call, as this folder's other transports tell it."""
    if "messages" in told:
        kind = message_factory.GetMessageClass(METHODS[path].output_type)
        return [json_format.ParseDict(message, kind()) for message in told["messages"]]
    refused = told["refused"]
    return Refused(
        grpc.StatusCode[refused["code"]].value[0],
        refused.get("reason", ""),
        refused["message"],
        tuple(sorted(refused["metadata"].items())),
        tuple(violation["field"] for violation in refused["violations"]),
        bool(refused["requestId"]),
    )


@pytest.mark.parametrize(("way", "path"), CALLS)
def test_a_call_is_answered(outcomes: Outcomes, way: str, path: str) -> None:
    answer = plain(outcomes[way, path, "answered"], way)
    name = path.rpartition("/")[2]
    if path == "/aidatalabs.agent.v1.AgentService/Query":
        assert answer[0]["result"]["rows"] == [[2.0]], answer
    elif name in EMPTY | AGENT_EMPTY:
        assert answer == [{}]
    else:
        assert all(text in repr(answer) for text in HOLDS[name] if "{" not in text), answer


@pytest.mark.parametrize(("way", "path"), CALLS)
def test_a_call_is_refused_with_its_reason(outcomes: Outcomes, way: str, path: str) -> None:
    refused = outcomes[way, path, "refused"]
    assert isinstance(refused, Refused), refused
    assert (refused.reason, refused.has_request_id) == (BY_METHOD[path].reason, True)
    names_fields = ("INVALID_REQUEST", "ROLLUP_INVALID", "TABLE_INVALID")
    assert bool(refused.fields) == (refused.reason in names_fields), refused
    assert refused.message.endswith((".", "!", "?")), refused


def example(mesh: Mesh, token: str, name: str, *words: str) -> list[str]:
    done = run(
        f"build/examples/{name}.js",
        *words,
        AIDATALABS_ADDRESS=f"127.0.0.1:{mesh.port}",
        AIDATALABS_TOKEN=token,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_the_example_that_asks(mesh: Mesh, admin: str) -> None:
    told = example(mesh, admin, "ask")
    assert told[0] == "United Air Lines Inc. (UA) has the highest number of flights: 58,665."
    assert "number_of_flights: 58665" in "\n".join(told)
    refused = example(mesh, admin, "ask", "what colour were the planes painted?")
    assert refused[0].startswith("It cannot be answered: ")


def test_the_example_that_streams(mesh: Mesh, admin: str) -> None:
    told = example(mesh, admin, "stream")
    assert told[0].startswith("understood: ")
    assert "rows: 12" in told
    assert told[-1] == "done"


def test_the_example_with_a_platform_of_its_own(mesh: Mesh, admin: str) -> None:
    assert example(mesh, admin, "orders", "orders-typescript") == [
        "2n STORED",
        "row 2: VALUE_INVALID",
        "NO 99",
        "PT 12.5",
        '"country","total"',
        '"NO",99',
        '"PT",12.5',
        "dead_letters 1n",
        "events 0n",
        "events_hourly 0n",
        "orders 2n",
        "QUERY_NOT_READ_ONLY",
    ]
