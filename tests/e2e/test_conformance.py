"""Every built RPC, once answered and once refused, the same over native gRPC, gRPC-Web and REST."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from aidatalabs_services.runtime.access_table import TABLE
from aidatalabs_services.runtime.contract import load_contract
from tests.e2e.conformance_cases import (
    BACKUP_CASES,
    OURS,
    PATH_CASES,
    RETENTION_CASES,
    ROLLUP_CASES,
    SHOP,
    Case,
    made_by,
    settled,
)
from tests.e2e.conftest import Mesh
from tests.e2e.plain_outcomes import filled, plain
from tests.e2e.talk_cases import AGENT_CASES, AGENT_EMPTY, AGENT_HOLDS
from tests.e2e.transports import (
    Outcome,
    Refused,
    has_rest,
    over_grpc,
    over_grpc_web,
    over_rest,
    path_of,
    request_of,
)

pytestmark = pytest.mark.mesh
SELECT = "SELECT id, label FROM boxes ORDER BY id"


def _one_event() -> bytes:
    # Refused by a verdict: over REST there is no such call, and later answers count what is stored.
    batch = pa.record_batch({"timestamp": pa.array([None], pa.timestamp("ms")), "event_type": ["click"]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


ONE_EVENT = _one_event()


# In this order: later calls need what earlier ones made.
CASES = (
    Case(
        "platform.v1.PlatformService/CreatePlatform",
        {"platform_id": "conf-{way}", "platform": {"display_name": "Conformance"}, "request_id": "c-{way}"},
        {"platform_id": "Not An Id", "platform": {}},
        "INVALID_REQUEST",
    ),
    Case(
        "platform.v1.PlatformService/GetPlatform",
        {"name": OURS},
        {"name": OURS},
        "PLATFORM_NOT_FOUND",
        "stranger",
    ),
    Case(
        "platform.v1.PlatformService/ListPlatforms",
        {"filter": 'name = "platforms/conf-{way}"', "order_by": "create_time desc", "page_size": 5},
        {"filter": "colour = red"},
        "INVALID_REQUEST",
    ),
    Case(
        "platform.v1.PlatformService/UpdatePlatform",
        {"platform": {"name": OURS, "display_name": "Renamed", "config": {"team": "data"}}},
        {"platform": {"name": OURS, "display_name": "Stale", "etag": "stale"}},
        "ETAG_MISMATCH",
    ),
    Case(
        "platform.v1.PlatformService/SetMember",
        SHOP | {"member": {"member": "allUsers", "role": "ROLE_VIEWER"}},
        SHOP | {"member": {"member": "everybody", "role": "ROLE_VIEWER"}},
        "INVALID_REQUEST",
    ),
    Case(
        "platform.v1.PlatformService/ListMembers",
        SHOP,
        {"platform": "platforms/there-is-none"},
        "PLATFORM_NOT_FOUND",
    ),
    Case(
        "platform.v1.PlatformService/RemoveMember",
        SHOP | {"member": "allUsers"},
        SHOP | {"member": "allUsers"},
        "PLATFORM_NOT_FOUND",
        "stranger",
    ),
    Case(
        "data.v1.DataService/CreateTable",
        SHOP
        | {
            "table": {
                "name": "boxes",
                "columns": [{"name": "id", "type": "UInt64"}, {"name": "label", "type": "String"}],
            }
        },
        SHOP | {"table": {"name": "boxes", "columns": [{"name": "id", "type": "Nothing"}]}},
        "TYPE_NOT_ALLOWED",
    ),
    Case(
        "data.v1.DataService/Ingest",
        SHOP
        | {
            "table": "boxes",
            "request_id": "r-1",
            "rows": [{"id": "1", "label": "oné"}, {"id": "2", "label": "two"}, {"id": "x", "label": "bad"}],
        },
        SHOP | {"table": "boxes", "request_id": "r-1", "rows": [{"id": "3", "label": "other"}]},
        "IDEMPOTENCY_MISMATCH",
    ),
    Case(
        "data.v1.DataService/IngestStream",
        SHOP | {"batch_id": "b-1", "arrow_ipc": base64.b64encode(ONE_EVENT).decode()},
        SHOP | {"table": "bins", "batch_id": "b-1", "arrow_ipc": base64.b64encode(ONE_EVENT).decode()},
        "TABLE_NOT_FOUND",
    ),
    Case(
        "data.v1.DataService/GetReceipt",
        SHOP | {"table": "boxes", "request_id": "r-1"},
        SHOP | {"table": "boxes", "request_id": "r-none"},
        "RECEIPT_NOT_FOUND",
    ),
    Case(
        "data.v1.DataService/ReplayDeadLetters",
        SHOP | {"table": "boxes"},
        SHOP | {"page_token": "no token of ours"},
        "PAGE_TOKEN_INVALID",
    ),
    Case(
        "data.v1.DataService/AddColumn",
        SHOP | {"table": "boxes", "column": {"name": "weight", "type": "Float64"}},
        SHOP | {"table": "events", "column": {"name": "weight", "type": "Float64"}},
        "TABLE_PROTECTED",
    ),
    *PATH_CASES,
    Case(
        "data.v1.DataService/ListTables",
        SHOP | {"filter": 'name : "box"'},
        SHOP | {"page_token": "no token of ours"},
        "PAGE_TOKEN_INVALID",
    ),
    Case(
        "data.v1.DataService/GetTable", SHOP | {"table": "boxes"}, SHOP | {"table": "bins"}, "TABLE_NOT_FOUND"
    ),
    Case(
        "data.v1.DataService/Query",
        SHOP | {"sql": SELECT, "max_rows": 10},
        SHOP | {"sql": "DROP TABLE boxes"},
        "QUERY_NOT_READ_ONLY",
    ),
    Case(
        "data.v1.DataService/StreamQuery",
        SHOP | {"sql": SELECT},
        SHOP | {"sql": "SELECT nope FROM boxes"},
        "COLUMN_NOT_KNOWN",
    ),
    Case(
        "data.v1.DataService/Export",
        SHOP | {"sql": SELECT, "format": "CSV"},
        SHOP | {"sql": "SELECT * FROM file('/etc/passwd')", "format": "CSV"},
        "FUNCTION_NOT_ALLOWED",
    ),
    Case(
        "data.v1.DataService/ExplainQuery",
        SHOP | {"sql": SELECT},
        SHOP | {"sql": "SELECT 1 FROM nowhere"},
        "TABLE_NOT_KNOWN",
    ),
    Case("data.v1.DataService/DescribeSchema", SHOP, SHOP, "TOKEN_MISSING", "nobody"),
    Case(
        "agent.v1.AgentService/Query",
        SHOP | {"question": "how many boxes are there?"},
        SHOP | {"question": "delete all boxes"},
        "QUESTION_NOT_READ_ONLY",
    ),
    Case(
        "agent.v1.AgentService/StreamAnswer",
        SHOP | {"question": "how many boxes are there?"},
        SHOP | {"question": "how many boxes are there?"},
        "PLATFORM_NOT_FOUND",
        "stranger",
    ),
    *AGENT_CASES,
    *ROLLUP_CASES,
    *RETENTION_CASES,
    *BACKUP_CASES,
    Case(
        "platform.v1.PlatformService/DeletePlatform",
        {"name": OURS},
        {"name": "platforms/there-is-none"},
        "PLATFORM_NOT_FOUND",
    ),
    Case(
        "platform.v1.PlatformService/UndeletePlatform",
        {"name": OURS},
        {"name": "platforms/there-is-none"},
        "PLATFORM_NOT_FOUND",
    ),
    Case("identity.v1.IdentityService/GetCurrentUser", {}, {}, "TOKEN_MISSING", "nobody"),
    Case(
        "identity.v1.IdentityService/ListUsers",
        {"filter": 'email = "admin@example.com"'},
        {},
        "PERMISSION_DENIED",
        "stranger",
    ),
    Case(
        "identity.v1.IdentityService/RotateSigningKey",
        {"request_id": "k-1"},
        {},
        "PERMISSION_DENIED",
        "stranger",
    ),
)
# RotateSigningKey answers with keys, which are left out as another thing each time.
EMPTY = {"DropTable", "DropRollup", "DeleteBackup", "DeletePlatform", "RemoveMember", "RotateSigningKey"}
HOLDS = {
    "CreatePlatform": ("'display_name': 'Conformance'", "'state': 'ACTIVE'"),
    "GetPlatform": ("'name': 'platforms/conf-{way}'", "'state': 'ACTIVE'"),
    "ListPlatforms": ("'platforms': [{'name': 'platforms/conf-{way}'",),
    "UpdatePlatform": ("'display_name': 'Renamed'", "'config': {'team': 'data'}"),
    "SetMember": ("'member': 'allUsers'", "'role': 'ROLE_VIEWER'"),
    "ListMembers": ("'role': 'ROLE_ADMIN'", "'member': 'allUsers'"),
    "CreateTable": ("'name': 'boxes'", "'type': 'UInt64'"),
    "Ingest": ("'state': 'STORED'", "'accepted_count': '2'", "'index': 2"),
    "IngestStream": ("'batch_id': 'b-1'", "'state': 'STORED'", "TIMESTAMP_MISSING"),
    "GetReceipt": ("'state': 'STORED'", "'accepted_count': '2'", "'rejected_count': '1'"),
    "ReplayDeadLetters": ("'rejected_count': '1'", "VALUE_INVALID"),
    "AddColumn": ("'name': 'weight'",),
    "SuggestPaths": ("'type': 'JSON",),
    "TypePaths": ("'type_after': 'JSON(`cart.total` Nullable(Float64))'",),
    "CreateRollup": ("'name': 'views_by_day'", "'state': 'READY'"),
    "ListRollups": ("'name': 'events_by_day'", "'name': 'views_by_day'"),
    "GetRollup": ("'time_column': 'timestamp'", "'kind': 'MAX'", "'maintenance': 'ASYNCHRONOUS'"),
    "ListTables": ("'tables': [{'name': 'boxes'",),
    "GetTable": ("'row_count': '2'",),
    "UpdateTable": ("'comment': 'of all sizes'",),
    "UndropTable": ("'name': 'boxes'",),
    "DeleteRows": ("'filter': 'id = 1'", "'deleted_count': '1'", "'remaining_count': '0'"),
    "DeleteUserData": ("'dry_run': True", "'filter': 'user_id = 42'"),
    "GetDeletion": ("'deleted_count': '1'",),
    "ListDeletions": ("'deletions': [{'name'", "{deletion}"),
    "CreateBackup": ("'state': 'BACKUP_STATE_RUNNING'", "'user': 'users/"),
    "GetBackup": ("/backups/{backup}'", "'state': 'BACKUP_STATE_DONE'"),
    "ListBackups": ("'backups': [{'name'", "{backup}"),
    "VerifyBackup": ("/backups/{backup}'",),
    "DrillBackup": ("'kind': 'DRILL'",),
    "RestoreBackup": ("'kind': 'RESTORE'",),
    "GetRestore": ("/restores/{restore}'",),
    "ListRestores": ("'restores': [{'name'", "{restore}"),
    "UndeletePlatform": ("'state': 'ACTIVE'",),
    "Query": ("oné", "two"),
    "StreamQuery": ("{'id': [1, 2], 'label': ['oné', 'two']}",),
    "Export": ("text/csv", "two"),
    "ExplainQuery": ("'tables': ['boxes']", "'ordered': True"),
    "DescribeSchema": ("'boxes'", "'events'"),
    "StreamAnswer": ("'event': 'understood'", "'event': 'done'"),
    **AGENT_HOLDS,
    "GetCurrentUser": ("'email': 'admin@example.com'",),
    "ListUsers": ("'email': 'admin@example.com'",),
}
"""Texts of each answer, as Python writes it: three equal wrong answers would be no conformance."""

BY_METHOD = {f"/aidatalabs.{case.method}": case for case in CASES}
INTERNAL = {row.method for row in TABLE if "edge" not in row.peers}
NOT_BUILT = {
    "/aidatalabs.agent.v1.AgentService/Design": SHOP | {"requirements": "orders by day"},
    "/aidatalabs.agent.v1.AgentService/Analyze": SHOP | {"question": "what happened?"},
    "/aidatalabs.agent.v1.AgentService/Support": SHOP | {"question": "how do I ingest?"},
    "/aidatalabs.monitoring.v1.MonitoringService/ListMetrics": {},
    "/aidatalabs.monitoring.v1.MonitoringService/ListAlerts": {},
    "/aidatalabs.monitoring.v1.MonitoringService/ListLogs": {},
}
WAYS: dict[str, Callable[[int, MethodDescriptor, Message, str], Outcome]] = {
    "grpc": over_grpc,
    "web": over_grpc_web,
    "rest": over_rest,
}
CREATE_PLATFORM = "/aidatalabs.platform.v1.PlatformService/CreatePlatform"
METHODS = {path_of(method): method for service in load_contract() for method in service.methods}


@dataclass
class Run:
    """What one transport saw: an answer and a refusal by method, in the order of the cases."""

    answers: dict[str, Any] = field(default_factory=dict)
    refusals: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def tokens(mesh: Mesh, admin: str) -> dict[str, str]:
    return {"admin": admin, "stranger": mesh.token("stranger@example.com", "viewer"), "nobody": ""}


@pytest.fixture(scope="module")
def runs(mesh: Mesh, tokens: dict[str, str]) -> dict[str, Run]:
    """Every case over every transport, one transport after the other."""
    made = {}
    for way, send in WAYS.items():
        run = made[way] = Run()
        names: dict[str, str] = {}
        for path, case in BY_METHOD.items():
            method = METHODS[path]
            if way == "rest" and not has_rest(method):
                continue
            prepared(mesh, tokens["admin"], path, way)
            asked = request_of(method, filled(case.answered, way, names))
            answer = send(mesh.port, method, asked, tokens["admin"])
            if not isinstance(answer, Refused):
                names |= made_by(path, answer)
                settled(path, answer, lambda path, fields: ask(mesh, tokens["admin"], path, fields))
            run.answers[path] = plain(answer, way, names)
            refused = request_of(method, filled(case.refused, way, names))
            run.refusals[path] = plain(send(mesh.port, method, refused, tokens[case.refused_as]), way)
    return made


def ask(mesh: Mesh, token: str, path: str, fields: Mapping[str, Any]) -> Any:
    """The answer of one call over gRPC that must be answered."""
    outcome = over_grpc(mesh.port, METHODS[path], request_of(METHODS[path], fields), token)
    assert not isinstance(outcome, Refused), outcome
    return outcome[0]


def prepared(mesh: Mesh, token: str, path: str, way: str) -> None:
    """Makes what a call needs beside what other calls made: an empty platform to restore into."""
    if path.endswith("/RestoreBackup"):
        ask(mesh, token, CREATE_PLATFORM, {"platform_id": f"back-{way}", "platform": {}})


def test_every_method_of_the_contract_has_a_fixture_or_is_known_not_to_be_reached() -> None:
    assert set(METHODS) == set(BY_METHOD) | INTERNAL | set(NOT_BUILT)
    assert len(BY_METHOD) == len(CASES)


@pytest.mark.parametrize("path", BY_METHOD)
def test_a_call_is_answered_alike_over_every_transport(runs: dict[str, Run], path: str) -> None:
    answers = {way: run.answers[path] for way, run in runs.items() if path in run.answers}
    expected = answers["grpc"]
    assert not (isinstance(expected, list) and expected and isinstance(expected[0], int)), expected
    assert all(answer == expected for answer in answers.values()), answers
    name = path.rpartition("/")[2]
    if path == "/aidatalabs.agent.v1.AgentService/Query":
        assert expected[0]["result"]["rows"] == [[2.0]], expected
    elif name in EMPTY | AGENT_EMPTY:
        assert expected == [{}]
    else:
        assert all(text in repr(expected) for text in HOLDS[name]), expected
    assert len(answers) == (3 if has_rest(METHODS[path]) else 2)


@pytest.mark.parametrize("path", BY_METHOD)
def test_a_call_is_refused_alike_over_every_transport(runs: dict[str, Run], path: str) -> None:
    refusals = {way: run.refusals[path] for way, run in runs.items() if path in run.refusals}
    assert refusals["grpc"][1] == BY_METHOD[path].reason, refusals
    assert all(refusal == refusals["grpc"] for refusal in refusals.values()), refusals


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", sorted(INTERNAL))
def test_what_is_for_peers_only_is_not_there_from_outside(
    mesh: Mesh, admin: str, path: str, way: str
) -> None:
    if way == "rest":
        reply = mesh.rest(path, {}, token=admin)
        assert (reply.status, reply.reason) == (404, "ROUTE_NOT_FOUND")
        return
    refused = WAYS[way](mesh.port, METHODS[path], request_of(METHODS[path], {}), admin)
    assert isinstance(refused, Refused)
    assert refused.reason == "METHOD_NOT_FOUND"


@pytest.mark.parametrize("path", NOT_BUILT)
def test_what_is_not_built_says_so_over_every_transport(mesh: Mesh, admin: str, path: str) -> None:
    method = METHODS[path]
    fields = NOT_BUILT[path]
    request = request_of(method, fields | ({"platform": "platforms/demo"} if fields else {}))
    for send in WAYS.values():
        refused = send(mesh.port, method, request, admin)
        assert isinstance(refused, Refused)
        assert refused.reason == "NOT_BUILT_YET"
