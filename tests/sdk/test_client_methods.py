"""Every RPC that people may call is a method of the client; a new one fails here until it has one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import json_format

from aidatalabs.agent.v1 import agent_service_pb2 as agent_pb
from aidatalabs.agent.v1 import answer_pb2
from aidatalabs.agent.v1.catalogue_pb2 import Definitions, MetricDefinition
from aidatalabs.common.v1.access_service_pb2 import ROLE_VIEWER
from aidatalabs.data.v1 import data_service_pb2 as data_pb
from aidatalabs.data.v1 import rollup_pb2, table_pb2
from aidatalabs.identity.v1 import identity_service_pb2 as identity_pb
from aidatalabs.monitoring.v1 import monitoring_service_pb2 as monitoring_pb
from aidatalabs.platform.v1 import platform_pb2
from aidatalabs.platform.v1 import platform_service_pb2 as platform_pb
from aidatalabs_client import ApiError, SyncClient
from aidatalabs_client.testing import FakeServer
from aidatalabs_services.runtime.access import Idempotency
from aidatalabs_services.runtime.access_table import TABLE

P = "platforms/demo"
FRAME = pa.table({"id": [1]})
MEMBER = platform_pb2.Member(member="allUsers", role=ROLE_VIEWER)
CALLS: dict[str, Callable[[SyncClient], Any]] = {
    "agent.v1.AgentService/Query": lambda c: c.ask(
        P, "how many?", max_rows=7, model="claude", conversation="one"
    ),
    "agent.v1.AgentService/StreamAnswer": lambda c: list(
        c.stream_answer(P, "how many?", max_rows=7, model="claude", conversation="one")
    ),
    "agent.v1.AgentService/VerifyAnswer": lambda c: c.verify_answer(P, answer_pb2.Proof(sql="SELECT 1")),
    "agent.v1.AgentService/ListConversations": lambda c: list(c.conversations(P)),
    "agent.v1.AgentService/GetConversation": lambda c: c.get_conversation(P, "one"),
    "agent.v1.AgentService/DeleteConversation": lambda c: c.delete_conversation(P, "one"),
    "agent.v1.AgentService/DeleteConversations": lambda c: c.delete_conversations(P, user="-"),
    "agent.v1.AgentService/GiveFeedback": lambda c: c.give_feedback(
        P, "one", 1, "CORRECTED", sql="SELECT 1", comment="so"
    ),
    "agent.v1.AgentService/ListLessons": lambda c: c.lessons(P, show_forgotten=True),
    "agent.v1.AgentService/GetCatalogue": lambda c: c.catalogue(
        P, table="orders", view="TABLES", page_size=3, page_token="one"
    ),
    "agent.v1.AgentService/UpdateCatalogue": lambda c: c.update_catalogue(
        P,
        Definitions(metrics=[MetricDefinition(name="x")]),
        merge=True,
        etag="e",
        request_id="r",
        validate_only=True,
    ),
    "agent.v1.AgentService/ListCatalogueVersions": lambda c: list(c.catalogue_versions(P)),
    "agent.v1.AgentService/RestoreCatalogueVersion": lambda c: c.restore_catalogue_version(
        P, 3, etag="e", request_id="r", validate_only=True
    ),
    "agent.v1.AgentService/ForgetLesson": lambda c: c.forget_lesson(P, "one"),
    "agent.v1.AgentService/DrawAnswer": lambda c: c.draw_answer(
        P, "how many?", form="SVG", width=700, max_rows=9, model="claude", conversation="one"
    ),
    "agent.v1.AgentService/Design": lambda c: c.design(P, "orders", samples={"a.csv": b"x"}),
    "agent.v1.AgentService/Optimize": lambda c: c.optimize(P, "SELECT 1"),
    "agent.v1.AgentService/Analyze": lambda c: c.analyze(P, "why?", sql="SELECT 1"),
    "agent.v1.AgentService/Support": lambda c: c.support(P, "how?"),
    "data.v1.DataService/CreateTable": lambda c: c.create_table(P, table_pb2.Table(name="orders")),
    "data.v1.DataService/ListTables": lambda c: list(
        c.tables(P, filter="name = x", order_by="name", page_size=3, show_dropped=True)
    ),
    "data.v1.DataService/GetTable": lambda c: c.get_table(P, "orders"),
    "data.v1.DataService/DropTable": lambda c: c.drop_table(P, "orders"),
    "data.v1.DataService/UndropTable": lambda c: c.undrop_table(P, "orders"),
    "data.v1.DataService/UpdateTable": lambda c: c.update_table(P, "orders", ttl="d", comment="c"),
    "data.v1.DataService/DeleteRows": lambda c: c.delete_rows(
        P, "orders", "id = 1", max_count=7, dry_run=True, request_id="r"
    ),
    "data.v1.DataService/DeleteUserData": lambda c: c.delete_user_data(P, "42", dry_run=True, request_id="r"),
    "data.v1.DataService/GetDeletion": lambda c: c.get_deletion(P, f"{P}/deletions/0a"),
    "data.v1.DataService/ListDeletions": lambda c: list(c.deletions(P, page_size=3)),
    "data.v1.DataService/CreateBackup": lambda c: c.create_backup(P, request_id="r"),
    "data.v1.DataService/GetBackup": lambda c: c.get_backup(P, f"{P}/backups/0a"),
    "data.v1.DataService/ListBackups": lambda c: list(c.backups(P, page_size=3)),
    "data.v1.DataService/DeleteBackup": lambda c: c.delete_backup(P, f"{P}/backups/0a"),
    "data.v1.DataService/VerifyBackup": lambda c: c.verify_backup(P, "0a"),
    "data.v1.DataService/RestoreBackup": lambda c: c.restore_backup(P, "0" * 32, request_id="r"),
    "data.v1.DataService/DrillBackup": lambda c: c.drill_backup(P, request_id="r"),
    "data.v1.DataService/GetRestore": lambda c: c.get_restore(P, f"{P}/restores/0a"),
    "data.v1.DataService/ListRestores": lambda c: list(c.restores(P, page_size=3)),
    "data.v1.DataService/AddColumn": lambda c: c.add_column(P, "orders", table_pb2.Column(name="x")),
    "data.v1.DataService/SuggestPaths": lambda c: c.suggest_paths(P, "orders", "p"),
    "data.v1.DataService/TypePaths": lambda c: c.type_paths(
        P, "orders", {"a": "Int64"}, untype=["b"], column="p", validate_only=True, allow_retyping=True
    ),
    "data.v1.DataService/CreateRollup": lambda c: c.create_rollup(P, rollup_pb2.Rollup(name="by_day")),
    "data.v1.DataService/ListRollups": lambda c: c.rollups(P),
    "data.v1.DataService/GetRollup": lambda c: c.get_rollup(P, "by_day"),
    "data.v1.DataService/DropRollup": lambda c: c.drop_rollup(P, "by_day"),
    "data.v1.DataService/Ingest": lambda c: c.ingest_rows(P, "orders", [{"id": 1}], request_id="r-1"),
    "data.v1.DataService/IngestStream": lambda c: c.ingest_arrow(P, "orders", FRAME, request_id="r-1"),
    "data.v1.DataService/GetReceipt": lambda c: c.get_receipt(P, "r-1", table="orders"),
    "data.v1.DataService/ReplayDeadLetters": lambda c: c.replay_dead_letters(
        P,
        table="orders",
        reason="VALUE_INVALID",
        start_time=datetime(2026, 1, 1, tzinfo=UTC),
        end_time=datetime(2026, 1, 2, tzinfo=UTC),
        ids=["a"],
        page_size=7,
        page_token="t",
    ),
    "data.v1.DataService/Query": lambda c: c.query(
        P,
        "SELECT 1",
        max_rows=7,
        max_seconds=1.5,
        max_staleness=60,
        max_relative_error=0.01,
        exclude_rollups=True,
    ),
    "data.v1.DataService/StreamQuery": lambda c: list(c.stream_query(P, "SELECT 1", max_seconds=1.5)),
    "data.v1.DataService/Export": lambda c: list(c.export(P, "SELECT 1", "PARQUET", max_seconds=1.5)),
    "data.v1.DataService/ExplainQuery": lambda c: c.explain_query(
        P, "SELECT 1", max_relative_error=0.01, exclude_rollups=True
    ),
    "data.v1.DataService/DescribeSchema": lambda c: c.describe_schema(P, known_data_version="v"),
    "identity.v1.IdentityService/GetCurrentUser": lambda c: c.current_user(),
    "identity.v1.IdentityService/ListUsers": lambda c: list(
        c.users(filter="email = x", order_by="email", page_size=3)
    ),
    "identity.v1.IdentityService/RotateSigningKey": lambda c: c.rotate_signing_key(request_id="r-1"),
    "monitoring.v1.MonitoringService/ListMetrics": lambda c: list(c.metrics(P, filter="f", page_size=3)),
    "monitoring.v1.MonitoringService/ListAlerts": lambda c: list(c.alerts(P, filter="f", page_size=3)),
    "monitoring.v1.MonitoringService/ListLogs": lambda c: list(c.logs(P, filter="f", page_size=3)),
    "platform.v1.PlatformService/CreatePlatform": lambda c: c.create_platform("shop", "S", request_id="r"),
    "platform.v1.PlatformService/GetPlatform": lambda c: c.get_platform(P, show_deleted=True),
    "platform.v1.PlatformService/ListPlatforms": lambda c: list(
        c.platforms(filter="f", order_by="o", page_size=3, show_deleted=True)
    ),
    "platform.v1.PlatformService/UpdatePlatform": lambda c: c.update_platform(
        platform_pb2.Platform(name=P, display_name="D"), paths=["display_name"], request_id="r"
    ),
    "platform.v1.PlatformService/DeletePlatform": lambda c: c.delete_platform(
        P, etag="e", request_id="r", purge=True
    ),
    "platform.v1.PlatformService/UndeletePlatform": lambda c: c.undelete_platform(P),
    "platform.v1.PlatformService/SetMember": lambda c: c.set_member(P, MEMBER),
    "platform.v1.PlatformService/RemoveMember": lambda c: c.remove_member(P, "allUsers"),
    "platform.v1.PlatformService/ListMembers": lambda c: c.list_members(P),
}
"""One call of each, with every parameter there is."""

SERVICES = [
    service
    for file in (agent_pb, data_pb, identity_pb, monitoring_pb, platform_pb)
    for service in file.DESCRIPTOR.services_by_name.values()
]
INTERNAL = {row.method.removeprefix("/aidatalabs.") for row in TABLE if "edge" not in row.peers}
EACH_CALL_COUNTS = {
    row.method.removeprefix("/aidatalabs.") for row in TABLE if row.idempotency is Idempotency.NONE
}
METHODS = {
    f"{service.full_name.removeprefix('aidatalabs.')}/{method.name}": method
    for service in SERVICES
    for method in service.methods
}
# Fields that a method leaves to another of the client's, or that only the pages after the first have.
LEFT = {
    "Ingest": {"events"},
    "ListTables": {"page_token"},
    "ListDeletions": {"page_token"},
    "ListBackups": {"page_token"},
    "ListRestores": {"page_token"},
    "ListUsers": {"page_token"},
    "ListPlatforms": {"page_token"},
    "ListConversations": {"page_token"},
    "ListCatalogueVersions": {"page_token"},
    "ListMetrics": {"page_token", "start_time", "end_time"},
    "ListAlerts": {"page_token", "start_time", "end_time"},
    "ListLogs": {"page_token", "start_time", "end_time"},
}


def test_every_rpc_that_people_may_call_has_a_method() -> None:
    assert set(CALLS) == set(METHODS) - INTERNAL


@pytest.mark.parametrize("path", CALLS)
def test_a_method_calls_its_rpc_with_every_field_of_the_request(path: str) -> None:
    with FakeServer() as fake, SyncClient(fake.address, "a-token") as client:
        fake.fail("ABORTED", "", method=path.rpartition("/")[2])
        with pytest.raises(ApiError):
            CALLS[path](client)
    (call,) = fake.calls
    assert call.method == path.partition("v1.")[2]
    assert call.token == "a-token"
    sent = set(json_format.MessageToDict(call.request, preserving_proto_field_name=True))
    asked = {field.name for field in METHODS[path].input_type.fields}
    assert sent == asked - LEFT.get(path.rpartition("/")[2], set())


@pytest.mark.parametrize("path", CALLS)
def test_a_method_is_repeated_unless_the_access_table_says_that_each_call_counts(path: str) -> None:
    rpc = path.rpartition("/")[2]
    with FakeServer() as fake, SyncClient(fake.address, "a-token") as client:
        fake.fail(method=rpc, retry_after_seconds=0.01)
        fake.fail("ABORTED", "", method=rpc)
        with pytest.raises(ApiError) as caught:
            CALLS[path](client)
    counts = path in EACH_CALL_COUNTS
    assert (caught.value.code, len(fake.calls)) == (("UNAVAILABLE", 1) if counts else ("ABORTED", 2))
