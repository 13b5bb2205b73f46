"""Roll-ups through the service: declared, kept up to date, served from, rebuilt, dropped."""

from __future__ import annotations

from typing import Any

import pytest

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import ingest_pb2, rollup_pb2, table_pb2
from aidatalabs_services.data import errors
from aidatalabs_services.runtime.errors import InvalidRequest, PermissionDenied, ServiceError
from tests.rpc.data.conftest import DEMO, VIEWER, Data, python

pytestmark = pytest.mark.asyncio(loop_scope="module")
BY_TYPE = "SELECT event_type, count(), uniq(user_id) FROM events GROUP BY event_type ORDER BY event_type"


async def send(data: Data, first: int, count: int, *, table: str = "events", request_id: str = "") -> None:
    """Events of two types over two days, one a minute."""
    events = [
        ingest_pb2.Event(event_type="ab"[number % 2], user_id=number % 7, value=number / 4)
        for number in range(first, first + count)
    ]
    for number, event in enumerate(events, first):
        event.timestamp.FromSeconds(1_767_225_600 + number * 60)
    await data.call("Ingest", pb.IngestRequest(platform=DEMO, request_id=request_id, events=events))


async def ask(data: Data, sql: str, **fields: Any) -> tuple[list[Any], Any]:
    """(rows, statistics) of a query."""
    answer = await data.call("Query", pb.QueryRequest(platform=DEMO, sql=sql, **fields))
    return [python(row) for row in answer.result.rows], answer.statistics


async def test_a_dashboards_query_is_served_from_the_standard_roll_up_and_says_so(data: Data) -> None:
    await send(data, 0, 3000)
    rows, served = await ask(data, BY_TYPE)
    wanted, raw = await ask(data, BY_TYPE, exclude_rollups=True)
    assert rows == wanted
    assert served.rollup == "events_by_day"
    assert "the same as from the rows" in served.rollup_reason
    assert raw.rollup == ""
    assert "as asked" in raw.rollup_reason
    assert served.read_rows < 20 < 3000 <= raw.read_rows


async def test_ragged_ends_are_read_from_rows(data: Data) -> None:
    sql = (
        "SELECT toStartOfHour(timestamp) AS h, count() AS n, max(timestamp) FROM events "
        "WHERE timestamp >= '2026-01-01 03:04:05' AND timestamp < '2026-01-02 07:08:09' GROUP BY h ORDER BY h"
    )
    rows, served = await ask(data, sql)
    assert served.rollup == "events_by_hour"
    assert "ends of the range" in served.rollup_reason
    assert rows == (await ask(data, sql, exclude_rollups=True))[0]


async def test_sums_of_fractions_need_leave(data: Data) -> None:
    sql = "SELECT sum(value), avg(value) FROM events"
    _, strict = await ask(data, sql)
    assert strict.rollup == ""
    assert "1e-06" in strict.rollup_reason
    rows, served = await ask(data, sql, max_relative_error=1e-6)
    assert served.rollup == "events_per_day"
    assert served.max_relative_error == 1e-6
    assert rows == (await ask(data, sql, exclude_rollups=True))[0]


async def test_explain_says_which_roll_up_would_serve(data: Data) -> None:
    explained = await data.call("ExplainQuery", pb.ExplainQueryRequest(platform=DEMO, sql=BY_TYPE))
    assert explained.rollup == "events_by_day"
    assert "`_rollup" not in explained.sql
    none = await data.call(
        "ExplainQuery", pb.ExplainQueryRequest(platform=DEMO, sql="SELECT user_id FROM events")
    )
    assert none.rollup == ""
    assert none.rollup_reason == "Read from the rows: it asks for rows, not for aggregates."


async def test_a_roll_up_declared_over_rows_that_are_there_counts_them_once(data: Data) -> None:
    await make_orders(data)
    declared = rollup_pb2.Rollup(
        name="orders_by_day",
        table="orders",
        time_column="at",
        grain=rollup_pb2.Rollup.DAY,
        dimensions=["city"],
        measures=[rollup_pb2.RollupMeasure(column="cents", kind=rollup_pb2.RollupMeasure.SUM)],
    )
    made = await data.call("CreateRollup", pb.CreateRollupRequest(platform=DEMO, rollup=declared))
    assert made.state == rollup_pb2.Rollup.READY
    assert made.row_count == 6
    again = await data.call("CreateRollup", pb.CreateRollupRequest(platform=DEMO, rollup=declared))
    assert again.name == "orders_by_day"
    await add_orders(data, 30, 60)
    sql = "SELECT city, toMonth(at) AS m, sum(cents), count() FROM orders GROUP BY city, m ORDER BY city, m"
    rows, served = await ask(data, sql)
    assert served.rollup == "orders_by_day"
    assert rows == (await ask(data, sql, exclude_rollups=True))[0]
    assert sum(row[3] for row in rows) == 60


async def test_declarations_that_cannot_be_kept_are_refused_by_field(data: Data) -> None:
    await make_orders(data)
    good = rollup_pb2.Rollup(name="x", table="orders", time_column="at", grain=rollup_pb2.Rollup.DAY)
    refusals: list[tuple[dict[str, Any], Any, str]] = [
        ({"time_column": "city"}, errors.RollupInvalid, "time_column"),
        ({"dimensions": ["cents", "cents"]}, errors.RollupInvalid, "dimensions[1]"),
        ({"dimensions": ["city.name"]}, errors.RollupInvalid, "dimensions[0]"),
        ({"dimensions": ["nothing"]}, errors.RollupInvalid, "dimensions[0]"),
        ({"table": "nothing"}, errors.TableNotFound, ""),
        ({"name": "Bad Name"}, InvalidRequest, "name"),
        ({"grain": 0}, InvalidRequest, "grain"),
    ]
    for change, kind, field in refusals:
        fields: dict[str, Any] = {
            "name": "x",
            "table": "orders",
            "time_column": "at",
            "grain": good.grain,
        } | change
        refused = await data.refusal(
            "CreateRollup", pb.CreateRollupRequest(platform=DEMO, rollup=rollup_pb2.Rollup(**fields))
        )
        assert refused.reason == kind.reason, (change, refused)
        assert field in "".join(each.field for each in refused.violations), change
    other = rollup_pb2.Rollup(
        name="events_by_day", table="orders", time_column="at", grain=rollup_pb2.Rollup.DAY
    )
    assert (await refused_create(data, other)).reason == errors.RollupAlreadyExists.reason


async def refused_create(data: Data, rollup: rollup_pb2.Rollup) -> ServiceError:
    """The refusal of a declaration."""
    return await data.refusal("CreateRollup", pb.CreateRollupRequest(platform=DEMO, rollup=rollup))


async def test_a_viewer_sees_roll_ups_and_drops_none(data: Data) -> None:
    found = await data.call("ListRollups", pb.ListRollupsRequest(platform=DEMO), user=VIEWER)
    names = [each.name for each in found.rollups]
    assert names == sorted(names)
    assert {"events_by_day", "events_by_hour", "events_per_day"} <= set(names)
    refused = await data.refusal(
        "DropRollup", pb.DropRollupRequest(platform=DEMO, rollup="events_by_day"), user=VIEWER
    )
    assert refused.reason == PermissionDenied.reason


async def test_standard_roll_ups_stay_and_unknown_ones_are_not_found(data: Data) -> None:
    kept = await data.refusal("DropRollup", pb.DropRollupRequest(platform=DEMO, rollup="events_by_day"))
    assert kept.reason == errors.RollupProtected.reason
    for method, request in (("GetRollup", pb.GetRollupRequest), ("DropRollup", pb.DropRollupRequest)):
        unknown = await data.refusal(method, request(platform=DEMO, rollup="nothing"))
        assert unknown.reason == errors.RollupNotFound.reason


async def test_a_dropped_table_takes_its_roll_ups_along(data: Data) -> None:
    await make_orders(data, name="parcels")
    declared = rollup_pb2.Rollup(
        name="parcels_by_day", table="parcels", time_column="at", grain=rollup_pb2.Rollup.DAY
    )
    await data.call("CreateRollup", pb.CreateRollupRequest(platform=DEMO, rollup=declared))
    await data.call("DropTable", pb.DropTableRequest(platform=DEMO, table="parcels"))
    gone = await data.refusal("GetRollup", pb.GetRollupRequest(platform=DEMO, rollup="parcels_by_day"))
    assert gone.reason == errors.RollupNotFound.reason
    await data.call("UndropTable", pb.UndropTableRequest(platform=DEMO, table="parcels"))
    rows, served = await ask(data, "SELECT count() FROM parcels")
    assert (rows, served.rollup) == ([[30]], "")
    await data.call("CreateRollup", pb.CreateRollupRequest(platform=DEMO, rollup=declared))
    await add_orders(data, 30, 40, name="parcels")
    rows, served = await ask(data, "SELECT count() FROM parcels")
    assert (rows, served.rollup) == ([[40]], "parcels_by_day")


async def test_hidden_tables_are_no_tables_of_the_platform(data: Data) -> None:
    described = await data.call("DescribeSchema", pb.DescribeSchemaRequest(platform=DEMO))
    assert not [table.name for table in described.tables if table.name.startswith("_")]
    refused = await data.refusal(
        "Query", pb.QueryRequest(platform=DEMO, sql="SELECT count() FROM _rollup_events_by_day_1")
    )
    assert refused.reason == errors.TableNotKnown.reason


async def make_orders(data: Data, *, name: str = "orders") -> None:
    """A table of a platform's own with 30 rows, where it is missing."""
    table = table_pb2.Table(
        name=name,
        columns=[
            table_pb2.Column(name="at", type="DateTime"),
            table_pb2.Column(name="city", type="String"),
            table_pb2.Column(name="cents", type="Int64"),
        ],
        order_by=["at"],
    )
    made = await data.call("CreateTable", pb.CreateTableRequest(platform=DEMO, table=table))
    if not made.row_count:
        await add_orders(data, 0, 30, name=name)


async def add_orders(data: Data, first: int, last: int, *, name: str = "orders") -> None:
    """Rows by number."""
    request = pb.IngestRequest(platform=DEMO, table=name)
    for number in range(first, last):
        request.rows.add().update(
            {"at": f"2026-0{1 + number % 3}-05T06:07:08Z", "city": "xy"[number % 2], "cents": number}
        )
    await data.call("Ingest", request)
