"""Every RPC once through the Python client, async and sync, on the real mesh; its README and examples too."""

from __future__ import annotations

import asyncio
import datetime
import inspect
import io
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from aidatalabs.common.v1.access_service_pb2 import ROLE_VIEWER
from aidatalabs.data.v1.table_pb2 import Column, Table
from aidatalabs.platform.v1.platform_pb2 import Member, Platform
from aidatalabs_client import Client, SyncClient, errors
from tests.e2e.conftest import Mesh
from tests.e2e.sdk_backup_steps import BACKUP_STEPS
from tests.e2e.sdk_steps import PICTURE_STEPS, ROLLUP_STEPS, Step
from tests.e2e.sdk_talk_steps import TALK_STEPS
from tests.e2e.test_conformance import INTERNAL, METHODS, NOT_BUILT

pytestmark = pytest.mark.mesh
PYTHON = Path(__file__).resolve().parents[2] / "clients" / "python"
README = (PYTHON / "README.md").read_text()
SELECT = "SELECT id, price, moment, note, tags FROM boxes ORDER BY id"
MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5, 678_901, datetime.UTC)
ROWS = [
    {"id": 2**53 + 1, "price": Decimal("0.10"), "moment": MOMENT, "note": None, "tags": ["é", "b"]},
    {"id": 2**64 - 1, "price": Decimal("-12345.67"), "moment": MOMENT, "note": 1.5, "tags": []},
]
BOXES = Table(
    name="boxes",
    columns=[
        Column(name="id", type="UInt64"),
        Column(name="price", type="Decimal(18, 2)"),
        Column(name="moment", type="DateTime64(6)"),
        Column(name="note", type="Nullable(Float64)"),
        Column(name="tags", type="Array(String)"),
    ],
)

EVENTS = pyarrow.table(
    {
        "timestamp": pyarrow.array([MOMENT, None, MOMENT]),
        "event_type": ["click", "click", "view"],
        "properties": [{"page": "/a"}, None, {"page": "/b", "depth": 2}],
    }
)


def latest_deletion(client: Any, platform: str) -> Any:
    """GetDeletion of the one that ListDeletions names first."""
    if isinstance(client, SyncClient):
        return client.get_deletion(platform, client.list_deletions(platform)[0].name)

    async def found() -> Any:
        return await client.get_deletion(platform, (await client.list_deletions(platform))[0].name)

    return found()


# In this order: later calls need what earlier ones made.
STEPS = (
    Step(
        "platform.v1.PlatformService/CreatePlatform",
        lambda c, p: c.create_platform(p.partition("/")[2], "Made by the client"),
        lambda made: made.state == Platform.ACTIVE,
    ),
    Step(
        "platform.v1.PlatformService/GetPlatform",
        lambda c, p: c.get_platform(p),
        lambda found: found.display_name == "Made by the client",
    ),
    Step(
        "platform.v1.PlatformService/ListPlatforms",
        lambda c, p: c.platforms(filter=f'name = "{p}"', order_by="create_time desc", page_size=1),
        lambda found: len(found) == 1,
    ),
    Step(
        "platform.v1.PlatformService/UpdatePlatform",
        lambda c, p: c.update_platform(Platform(name=p, display_name="Renamed"), paths=["display_name"]),
        lambda changed: changed.display_name == "Renamed",
    ),
    Step(
        "platform.v1.PlatformService/SetMember",
        lambda c, p: c.set_member(p, Member(member="allUsers", role=ROLE_VIEWER)),
        lambda member: member.role == ROLE_VIEWER,
    ),
    Step(
        "platform.v1.PlatformService/ListMembers",
        lambda c, p: c.list_members(p),
        lambda members: "allUsers" in [one.member for one in members],
    ),
    Step(
        "platform.v1.PlatformService/RemoveMember",
        lambda c, p: c.remove_member(p, "allUsers"),
        lambda nothing: nothing is None,
    ),
    Step(
        "data.v1.DataService/CreateTable",
        lambda c, p: c.create_table(p, BOXES),
        lambda table: len(table.columns) == 5,
    ),
    Step(
        "data.v1.DataService/Ingest",
        lambda c, p: c.ingest_rows(p, "boxes", [*ROWS, {"id": "x"}]),
        lambda receipt: (receipt.accepted_count, receipt.rejected[0].index) == (2, 2),
    ),
    Step(
        "data.v1.DataService/IngestStream",
        lambda c, p: c.ingest_arrow(p, "events", EVENTS, request_id="load-1"),
        lambda ingested: (ingested.accepted_count, ingested.rejected[0].index) == (2, 1),
    ),
    Step(
        "data.v1.DataService/GetReceipt",
        lambda c, p: c.get_receipt(p, "load-1-0"),
        lambda receipt: (receipt.accepted_count, receipt.rejected_count) == (2, 1),
    ),
    Step(
        "data.v1.DataService/ReplayDeadLetters",
        lambda c, p: c.replay_dead_letters(p, table="boxes"),
        lambda replayed: (replayed.accepted_count, replayed.rejected[0].reason) == (0, "VALUE_INVALID"),
    ),
    Step(
        "data.v1.DataService/AddColumn",
        lambda c, p: c.add_column(p, "boxes", Column(name="weight", type="Nullable(Float64)")),
        lambda table: table.columns[-1].name == "weight",
    ),
    Step(
        "data.v1.DataService/SuggestPaths",
        lambda c, p: c.suggest_paths(p, "events"),
        lambda found: found.type.startswith("JSON"),
    ),
    Step(
        "data.v1.DataService/TypePaths",
        lambda c, p: c.type_paths(p, "events", {"never.sent": "Int64"}, allow_retyping=True),
        lambda plan: "`never.sent` Nullable(Int64)" in plan.type_after,
    ),
    Step(
        "data.v1.DataService/ListTables",
        lambda c, p: c.tables(p, order_by="name", page_size=1),
        lambda tables: [table.name for table in tables][:3] == ["boxes", "dead_letters", "events"],
    ),
    Step(
        "data.v1.DataService/GetTable",
        lambda c, p: c.get_table(p, "boxes"),
        lambda table: table.row_count == 2,
    ),
    Step(
        "data.v1.DataService/Query",
        lambda c, p: c.query(p, SELECT, max_rows=10),
        lambda result: result.rows() == ROWS and result.arrow().to_pylist() == ROWS,
    ),
    Step(
        "data.v1.DataService/StreamQuery",
        lambda c, p: c.query_arrow(p, SELECT),
        lambda table: table.to_pylist() == ROWS,
    ),
    Step(
        "data.v1.DataService/Export",
        lambda c, p: c.export(p, SELECT, "PARQUET"),
        lambda pieces: pyarrow.parquet.read_table(io.BytesIO(b"".join(pieces))).num_rows == 2,
    ),
    Step(
        "data.v1.DataService/ExplainQuery",
        lambda c, p: c.explain_query(p, SELECT),
        lambda explained: list(explained.tables) == ["boxes"] and explained.ordered,
    ),
    Step(
        "data.v1.DataService/DescribeSchema",
        lambda c, p: c.describe_schema(p),
        lambda schema: {table.name for table in schema.tables} >= {"boxes", "events"},
    ),
    *TALK_STEPS,
    *PICTURE_STEPS,
    Step("agent.v1.AgentService/Design", lambda c, p: c.design(p, "orders by day"), bool),
    Step("agent.v1.AgentService/Analyze", lambda c, p: c.analyze(p, "what are boxes?"), bool),
    Step("agent.v1.AgentService/Support", lambda c, p: c.support(p, "how do I ingest?"), bool),
    Step("monitoring.v1.MonitoringService/ListMetrics", lambda c, p: c.metrics(p), lambda _: True),
    Step("monitoring.v1.MonitoringService/ListAlerts", lambda c, p: c.alerts(p), lambda _: True),
    Step("monitoring.v1.MonitoringService/ListLogs", lambda c, p: c.logs(p), lambda _: True),
    *ROLLUP_STEPS,
    Step(
        "data.v1.DataService/UpdateTable",
        lambda c, p: c.update_table(p, "boxes", comment="of all sizes"),
        lambda table: table.comment == "of all sizes",
    ),
    Step(
        "data.v1.DataService/DropTable",
        lambda c, p: c.drop_table(p, "boxes"),
        lambda nothing: nothing is None,
    ),
    Step(
        "data.v1.DataService/UndropTable",
        lambda c, p: c.undrop_table(p, "boxes"),
        lambda table: table.name == "boxes",
    ),
    Step(
        "data.v1.DataService/DeleteRows",
        lambda c, p: c.delete_rows(p, "boxes", "1 = 1", max_count=1000),
        lambda deletion: deletion.tables[0].remaining_count == 0,
    ),
    Step(
        "data.v1.DataService/DeleteUserData",
        lambda c, p: c.delete_user_data(p, "42", dry_run=True),
        lambda deletion: [table.table for table in deletion.tables] == ["dead_letters", "events"],
    ),
    Step(
        "data.v1.DataService/ListDeletions",
        lambda c, p: c.deletions(p),
        lambda deletions: len(deletions) == 1,
    ),
    Step(
        "data.v1.DataService/GetDeletion",
        lambda c, p: latest_deletion(c, p),
        lambda deletion: deletion.tables[0].table == "boxes",
    ),
    *BACKUP_STEPS,
    Step(
        "platform.v1.PlatformService/DeletePlatform",
        lambda c, p: c.delete_platform(p),
        lambda nothing: nothing is None,
    ),
    Step(
        "platform.v1.PlatformService/UndeletePlatform",
        lambda c, p: c.undelete_platform(p),
        lambda platform: platform.state == Platform.ACTIVE,
    ),
    Step(
        "identity.v1.IdentityService/GetCurrentUser",
        lambda c, p: c.current_user(),
        lambda user: user.email == "admin@example.com",
    ),
    Step(
        "identity.v1.IdentityService/ListUsers",
        lambda c, p: c.users(filter='email = "admin@example.com"', order_by="email"),
        lambda users: [user.email for user in users] == ["admin@example.com"],
    ),
    Step(
        "identity.v1.IdentityService/RotateSigningKey",
        lambda c, p: c.rotate_signing_key(request_id=p.rpartition("/")[2]),
        lambda keys: len(keys) >= 2,
    ),
)


async def outcome(step: Step, client: Any, platform: str) -> Any:
    """The result of a step, all of it where it comes in parts, or the error it raised."""
    try:
        result = step.call(client, platform)
        if inspect.isawaitable(result):
            return await result
        if hasattr(result, "__aiter__"):
            return [item async for item in result]
        return list(result) if isinstance(result, Iterator) else result
    except errors.ApiError as error:
        return error


async def all_outcomes(client: Any, platform: str) -> dict[str, Any]:
    return {step.method: await outcome(step, client, platform) for step in STEPS}


@pytest.fixture(scope="module")
def outcomes(mesh: Mesh, admin: str) -> dict[str, dict[str, Any]]:
    """What every step came to, by the kind of client."""
    address = f"127.0.0.1:{mesh.port}"

    async def awaited() -> dict[str, Any]:
        async with Client(address, admin) as client:
            return await all_outcomes(client, "platforms/sdk-async")

    async def blocking() -> dict[str, Any]:
        with SyncClient(address, admin) as client:  # in a running loop, as in a notebook
            return await all_outcomes(client, "platforms/sdk-sync")

    return {"async": asyncio.run(awaited()), "sync": asyncio.run(blocking())}


def test_the_client_calls_every_rpc_that_people_may_call() -> None:
    assert {f"/aidatalabs.{step.method}" for step in STEPS} == set(METHODS) - INTERNAL
    assert len({step.method for step in STEPS}) == len(STEPS)


@pytest.mark.parametrize("way", ["async", "sync"])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.method.partition("v1.")[2])
def test_a_call_through_the_client_does_what_it_says(
    outcomes: dict[str, dict[str, Any]], step: Step, way: str
) -> None:
    found = outcomes[way][step.method]
    if f"/aidatalabs.{step.method}" in NOT_BUILT:
        assert isinstance(found, errors.NotBuiltYet)
    else:
        assert not isinstance(found, Exception), found
        assert step.holds(found), found


def test_refusals_of_the_mesh_are_their_own_classes_with_what_to_do(mesh: Mesh, admin: str) -> None:
    demo = "platforms/demo"
    with SyncClient(f"127.0.0.1:{mesh.port}", admin) as client:
        with pytest.raises(errors.QueryNotReadOnly) as caught:
            client.query(demo, "DROP TABLE flights")
        assert caught.value.request_id
        assert "ingest_rows" in caught.value.next_step
        with pytest.raises(errors.QuestionNotReadOnly):
            client.ask(demo, "delete all flights")
        with pytest.raises(errors.QuestionNotReadOnly):
            list(client.stream_answer(demo, "delete all flights"))
        with pytest.raises(errors.ColumnNotKnown):
            client.query_arrow(demo, "SELECT nope FROM flights")
        with pytest.raises(errors.InvalidRequest) as invalid:
            client.get_table("no platform", "t")
        assert [field for field, _ in invalid.value.violations] == ["platform"]
    with SyncClient(f"127.0.0.1:{mesh.port}", "no.token.of-ours") as client:
        with pytest.raises(errors.TokenInvalid):
            client.current_user()


def test_a_result_beyond_what_json_carries_comes_whole_by_arrow(mesh: Mesh, admin: str) -> None:
    sql = "SELECT flight, dep_delay FROM flights WHERE month = 7"
    with SyncClient(f"127.0.0.1:{mesh.port}", admin) as client:
        capped = client.query("platforms/demo", sql, max_rows=10_000)
        table = client.query_arrow("platforms/demo", sql)
    assert (capped.row_count, capped.truncated) == (10_000, True)
    assert table.num_rows == 29_425


EXAMPLES = {
    "ask.py": ["SELECT", "'origin': 'EWR'", "QUESTION_NOT_ANSWERABLE"],
    "ingest_and_ask.py": ["2 orders stored", "row 2: ", "2 countries stored", "Kenya", "Decimal('5.10')"],
    "stream.py": ["understood", "SELECT", "done", "bytes of Arrow"],
    "frames_and_charts.py": ["month_start", "chart in flights.svg", "29,425 rows", "rows in july.parquet"],
}


@pytest.fixture
def environment(mesh: Mesh, admin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIDATALABS_ADDRESS", f"127.0.0.1:{mesh.port}")
    monkeypatch.setenv("AIDATALABS_TOKEN", admin)


def test_every_example_is_run() -> None:
    assert {path.name for path in (PYTHON / "examples").glob("*.py")} == set(EXAMPLES)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_and_prints_what_it_is_about(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [name, str(tmp_path)])
    runpy.run_path(str(PYTHON / "examples" / name))
    printed = capsys.readouterr().out
    assert [text for text in EXAMPLES[name] if text not in printed] == [], printed
    if name == "frames_and_charts.py":
        assert (tmp_path / "flights.svg").read_text().startswith("<svg")
        assert pyarrow.parquet.read_table(tmp_path / "july.parquet").num_rows == 29_425


@pytest.mark.usefixtures("environment")
def test_the_readmes_programs_run_as_they_stand(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, Any] = {}
    exec(first, names)
    assert "SELECT" in capsys.readouterr().out
    assert names["table"].num_rows == 12
    exec(second, names)


@pytest.mark.parametrize("tool", ["curl", "grpcurl"])
def test_the_readmes_lines_for_other_tools_give_the_same_answer(mesh: Mesh, admin: str, tool: str) -> None:
    (line,) = re.findall(rf"^\| {tool} \| `(.*)` \|$", README, re.MULTILINE)
    folder = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-c", line.replace("127.0.0.1:8080", f"127.0.0.1:{mesh.port}")],
        env={"PATH": f"{folder}:/usr/bin:/bin", "TOKEN": admin, "HOME": str(mesh.home)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    with SyncClient(f"127.0.0.1:{mesh.port}", admin) as client:
        assert client.ask("platforms/demo", "flights per month").answer in done.stdout, done.stderr
