"""MeasureLayouts under attack: the SQL door, roles, hostile names, endless queries, and others at work."""

from __future__ import annotations

import asyncio
import time

import pytest

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import deletion_pb2, layout_pb2, table_pb2
from aidatalabs_services.runtime.access import Scope
from aidatalabs_services.runtime.access_table import TABLE
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.errors import ServiceError
from aidatalabs_services.runtime.testing import ALICE, BOB
from tests.attacks.outcomes import read, text_of
from tests.rpc.data.conftest import DEMO, OTHER, STRANGER
from tests.rpc.data_layouts.conftest import EDITOR, Layouts, index, key, retyped

pytestmark = pytest.mark.asyncio(loop_scope="session")

SQL = "SELECT count() FROM visits WHERE user_id = 42"
ENDLESS = "SELECT count() FROM visits AS a CROSS JOIN visits AS b WHERE a.pages + b.pages + a.user_id > 7"
# Written so that it does not find itself.
MEASURED = """
SELECT count() FROM system.processes
WHERE query_kind = 'Select' AND position(query, concat('_scra', 'tch_')) > 0
"""


async def refusal(layouts: Layouts, sql: str, *changes: layout_pb2.LayoutChange, **more: str) -> ServiceError:
    user, table = more.pop("user", ALICE), more.pop("table", "visits")
    request = pb.MeasureLayoutsRequest(
        platform=more.pop("platform", DEMO), sql=sql, table=table, changes=changes or [key("user_id")]
    )
    return await layouts.refusal("MeasureLayouts", request, user=user)


async def test_who_may_only_look_may_not_copy(layouts: Layouts) -> None:
    assert (await refusal(layouts, SQL, user=BOB)).reason == "PERMISSION_DENIED"
    assert (await layouts.measured(SQL, key("user_id"), user=EDITOR)).trials[0].same_result


async def test_only_the_agent_may_call_it_and_only_for_an_editor() -> None:
    (row,) = [one for one in TABLE if one.method.endswith("/MeasureLayouts")]
    assert (row.peers, row.least_role, row.scope) == (("agent",), Role.EDITOR, Scope.PLATFORM)


@pytest.mark.parametrize(
    ("platform", "user"), [(DEMO, STRANGER), (OTHER, ALICE), ("platforms/nowhere", ALICE)]
)
async def test_another_platform_looks_like_none(layouts: Layouts, platform: str, user: str) -> None:
    assert (await refusal(layouts, SQL, platform=platform, user=user)).reason == "PLATFORM_NOT_FOUND"


@pytest.mark.parametrize(
    "table",
    [
        "visits`; DROP TABLE visits; --",
        "system.tables",
        "analytics.visits",
        "../visits",
        "",
        "visits\n",
        "a" * 64,
    ],
)
async def test_a_hostile_table_name_is_no_table_name(layouts: Layouts, table: str) -> None:
    assert (await refusal(layouts, SQL, table=table)).reason == "INVALID_REQUEST"


@pytest.mark.parametrize(
    "table", ["nowhere", "_scratch_1_base", "_rollup_events_by_day_1", "events_hourly_mv"]
)
async def test_a_table_that_nobody_sees_is_not_found(layouts: Layouts, table: str) -> None:
    assert (await refusal(layouts, SQL, table=table)).reason == "TABLE_NOT_FOUND"


async def test_a_table_that_the_query_does_not_read_is_refused(layouts: Layouts) -> None:
    assert (await refusal(layouts, SQL, table="events")).reason == "INVALID_REQUEST"


@pytest.mark.parametrize(
    "change",
    [
        key("nope"),
        key("user_id` DESC) --"),
        key("at"),
        key("user_id", "user_id"),
        key(),
        index("nope", "MINMAX"),
        index("pages", "NGRAM"),
        retyped("town", "LowCardinality(UInt64)"),
        retyped("amount", "Float32"),
        retyped("pages", "String"),
        retyped("user_id", "UInt64 DEFAULT sleep(3)"),
        retyped("user_id", "AggregateFunction(sum, UInt64)"),
        layout_pb2.LayoutChange(),
        layout_pb2.LayoutChange(projection=layout_pb2.Projection()),
        layout_pb2.LayoutChange(
            projection=layout_pb2.Projection(
                figures=[layout_pb2.ProjectionFigure(function="file", column="town")]
            )
        ),
        layout_pb2.LayoutChange(
            projection=layout_pb2.Projection(
                group_by=[layout_pb2.ProjectionKey(column="at", function="sleep")],
                figures=[layout_pb2.ProjectionFigure(function="count")],
            )
        ),
    ],
)
async def test_a_change_that_is_none_is_refused_before_anything_is_copied(
    layouts: Layouts, change: layout_pb2.LayoutChange
) -> None:
    refused = await refusal(layouts, SQL, change)
    assert refused.reason in ("INVALID_REQUEST", "TYPE_NOT_ALLOWED")
    assert refused.violations or refused.reason == "TYPE_NOT_ALLOWED"


async def test_every_sql_attack_gets_the_answer_that_query_gives(layouts: Layouts) -> None:
    attacks = [row for row in read("sql_attacks.json") if "layer" not in row and "reason" in row["outcome"]]
    assert len(attacks) > 50
    for row in attacks:
        sql = text_of(row)
        expected = await layouts.refusal("Query", pb.QueryRequest(platform=DEMO, sql=sql))
        assert (await refusal(layouts, sql)).reason == expected.reason, row["id"]


async def under_way(layouts: Layouts) -> asyncio.Task[pb.MeasureLayoutsResponse]:
    """A measurement whose query runs in the engine now."""
    task = asyncio.create_task(layouts.measured(ENDLESS, key("user_id")))
    until = time.monotonic() + 10
    while time.monotonic() < until and not task.done():
        if (await layouts.own(MEASURED))[0][0]:
            return task
        await asyncio.sleep(0.02)
    raise AssertionError("it never ran")


async def gone(layouts: Layouts, seconds: float = 5.0) -> None:
    """Waits until nothing of a measurement is left, in the engine or in notes."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        notes = list((layouts.directory / "scratches").iterdir())
        if not (await layouts.own(MEASURED))[0][0] and not await layouts.copies() and not notes:
            return
        await asyncio.sleep(0.05)
    raise AssertionError([await layouts.copies(), await layouts.own(MEASURED)])


async def test_a_query_that_never_ends_is_stopped_in_the_engine(layouts: Layouts) -> None:
    task = await under_way(layouts)
    with pytest.raises(ServiceError) as caught:
        await task
    assert caught.value.reason == "QUERY_TIMEOUT"
    assert await layouts.copies() == []
    assert (await layouts.own(MEASURED))[0][0] == 0


async def test_a_call_that_is_cancelled_in_the_middle_leaves_nothing(layouts: Layouts) -> None:
    task = await under_way(layouts)
    assert await layouts.copies()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await gone(layouts)


async def test_nobody_sees_or_reads_a_copy_and_only_one_is_measured_at_a_time(layouts: Layouts) -> None:
    task = await under_way(layouts)
    (name,) = await layouts.copies()
    busy = await refusal(layouts, SQL)
    assert (busy.reason, busy.retry_after_seconds) == ("OVERLOADED", 10.0)
    for sql in (f"SELECT * FROM {name}", f"SELECT * FROM `{name}`", f"SELECT * FROM analytics.{name}"):
        refused = await layouts.refusal("Query", pb.QueryRequest(platform=DEMO, sql=sql))
        assert refused.reason == "TABLE_NOT_KNOWN"
    listed = await layouts.call("ListTables", pb.ListTablesRequest(platform=DEMO, show_dropped=True))
    described = await layouts.call("DescribeSchema", pb.DescribeSchemaRequest(platform=DEMO))
    assert name not in {one.name for one in (*listed.tables, *described.tables)}
    assert (await layouts.refusal("GetTable", pb.GetTableRequest(platform=DEMO, table=name))).reason in (
        "TABLE_NOT_FOUND",
        "INVALID_REQUEST",
    )
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await gone(layouts)


async def test_a_deletion_ends_what_is_measured_and_is_over_without_a_copy(layouts: Layouts) -> None:
    table = table_pb2.Table(name="fleeting", columns=[table_pb2.Column(name="a", type="UInt64")])
    await layouts.call("CreateTable", pb.CreateTableRequest(platform=DEMO, table=table))
    rows = pb.IngestRequest(
        platform=DEMO, table="fleeting", request_id="00000000-0000-4000-8000-000000000076"
    )
    rows.rows.add().update({"a": 1})
    await layouts.call("Ingest", rows)
    request = deletion_pb2.DeleteRowsRequest(
        platform=DEMO, table="fleeting", filter="a = 1", request_id="00000000-0000-4000-8000-000000000077"
    )
    task = await under_way(layouts)
    begun = await layouts.call("DeleteRows", request)
    with pytest.raises(ServiceError) as caught:
        await task
    assert caught.value.reason in ("OVERLOADED", "QUERY_TIMEOUT")
    for _ in range(100):
        found = await layouts.call(
            "GetDeletion",
            deletion_pb2.GetDeletionRequest(platform=DEMO, deletion=begun.name.rpartition("/")[2]),
        )
        if found.state == deletion_pb2.Deletion.DONE:
            break
        await asyncio.sleep(0.05)
    assert await layouts.copies() == []


async def test_a_table_that_is_dropped_and_rows_that_come_meanwhile_harm_nothing(layouts: Layouts) -> None:
    columns = [table_pb2.Column(name=name, type="UInt64") for name in ("a", "b")]
    table = table_pb2.Table(name="brief", columns=columns, order_by=["a"])
    await layouts.call("CreateTable", pb.CreateTableRequest(platform=DEMO, table=table))
    rows = [{"a": n, "b": n % 7} for n in range(500)]

    async def ingest(number: int) -> None:
        request = pb.IngestRequest(
            platform=DEMO, table="brief", request_id=f"00000000-0000-4000-8000-0000000001{number:02}"
        )
        for row in rows:
            request.rows.add().update(row)
        await layouts.call("Ingest", request)

    await ingest(0)
    sql = "SELECT b, count() FROM brief WHERE b = 3 GROUP BY b"
    writing = asyncio.gather(*(ingest(number) for number in range(1, 4)))
    measured = await layouts.measured(sql, key("b", "a"), table="brief")
    await writing
    assert measured.trials[0].same_result
    assert measured.sample.row_count % 500 == 0
    task = asyncio.create_task(layouts.measured(sql, key("b", "a"), table="brief"))
    await asyncio.sleep(0.05)
    await layouts.call("DropTable", pb.DropTableRequest(platform=DEMO, table="brief"))
    outcome = (await asyncio.gather(task, return_exceptions=True))[0]
    assert not isinstance(outcome, BaseException) or isinstance(outcome, ServiceError), outcome
    await gone(layouts)
