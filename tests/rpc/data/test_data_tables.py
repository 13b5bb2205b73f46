"""Tables: made from typed descriptions on a real engine, listed, dropped; the standard ones stay."""

from __future__ import annotations

import pytest

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import table_pb2
from tests.rpc.data.conftest import DEMO, OTHER, STRANGER, VIEWER, Data

pytestmark = pytest.mark.asyncio(loop_scope="module")


def table(
    name: str, *columns: tuple[str, str] | tuple[str, str, str], **rest: object
) -> pb.CreateTableRequest:
    described = table_pb2.Table(
        name=name,
        columns=[table_pb2.Column(name=each[0], type=each[1], comment=(*each, "")[2]) for each in columns],
    )
    for key, value in rest.items():
        if key == "order_by":
            described.order_by.extend(value)  # type: ignore[arg-type]
        else:
            setattr(described, key, value)
    return pb.CreateTableRequest(platform=DEMO, table=described)


async def test_provisioning_makes_events_and_its_roll_up(data: Data) -> None:
    listed = await data.call("ListTables", pb.ListTablesRequest(platform=DEMO))
    names = [each.name for each in listed.tables]
    assert names[:3] == ["dead_letters", "events", "events_hourly"]
    assert "events_hourly_mv" not in names
    events = await data.call("GetTable", pb.GetTableRequest(platform=DEMO, table="events"))
    assert [(each.name, each.type) for each in events.columns] == [
        ("timestamp", "DateTime64(3)"),
        ("event_type", "LowCardinality(String)"),
        ("user_id", "UInt64"),
        ("properties", "JSON"),
        ("value", "Float64"),
    ]
    assert list(events.order_by) == ["timestamp", "event_type"]
    assert events.partition_by == "toYYYYMM(timestamp)"


async def test_provisioning_twice_keeps_the_rows(data: Data) -> None:
    uid = await data.uid()
    line = b'{"timestamp":"2026-03-01T00:10:00Z","event_type":"kept","value":2}\n'
    for token in ("kept-1", "kept-1", "kept-2"):
        await data.warehouse.insert_block(
            uid, "events", ["timestamp", "event_type", "value"], line, format_name="JSONEachRow", token=token
        )
    await data.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=DEMO))
    assert await data.rows("SELECT count() FROM events WHERE event_type = 'kept'") == [[2]]
    rolled = (
        "SELECT hour, sum(events), sum(total_value) FROM events_hourly WHERE event_type = 'kept' GROUP BY 1"
    )
    assert await data.rows(rolled) == [["2026-03-01T00:00:00Z", 2, 4]]


async def test_create_table_keeps_every_part_of_its_description(data: Data) -> None:
    request = table(
        "orders",
        ("order_id", "UInt64"),
        ("placed", "DateTime64(6, 'Europe/Rome')", "when it's placed \\ 'here'"),
        ("state", "Enum8('new' = 1, 'it\\'s done' = 2)"),
        ("price", "Decimal(10,2)"),
        ("note", "LowCardinality(Nullable(String))"),
        ("tags", "Array(Map(String, Tuple(a Int8, b Nullable(Date))))"),
        order_by=["placed", "order_id"],
        partition_by="toMonday( placed )",
        ttl="placed + interval 10 years",
        comment="orders; `x` ' \"\n second line",
    )
    made = await data.call("CreateTable", request)
    assert [each.type for each in made.columns] == [
        "UInt64",
        "DateTime64(6, 'Europe/Rome')",
        "Enum8('new' = 1, 'it\\'s done' = 2)",
        "Decimal(10, 2)",
        "LowCardinality(Nullable(String))",
        "Array(Map(String, Tuple(a Int8, b Nullable(Date))))",
    ]
    assert made.columns[1].comment == "when it's placed \\ 'here'"
    assert (made.partition_by, made.ttl) == ("toMonday(placed)", "placed + INTERVAL 10 YEAR")
    assert made.comment == "orders; `x` ' \"\n second line"
    assert list(made.order_by) == ["placed", "order_id"]
    assert await data.call("CreateTable", request) == made


async def test_create_table_again_with_other_columns_is_refused(data: Data) -> None:
    await data.call("CreateTable", table("twice", ("a", "Int32")))
    refused = await data.refusal("CreateTable", table("twice", ("a", "Int64")))
    assert (refused.code.name, refused.reason) == ("ALREADY_EXISTS", "TABLE_ALREADY_EXISTS")
    assert refused.metadata["table"] == "twice"


@pytest.mark.parametrize(
    ("request_", "reason", "field"),
    [
        (table("Upper", ("a", "Int32")), "TABLE_INVALID", "table.name"),
        (table("_hidden", ("a", "Int32")), "TABLE_INVALID", "table.name"),
        (table("none"), "TABLE_INVALID", "table.columns"),
        (table("twin", ("a", "Int32"), ("a", "Int64")), "TABLE_INVALID", "table.columns[1].name"),
        (table("odd", ("a b", "Int32")), "TABLE_INVALID", "table.columns[0].name"),
        (table("rows_", ("_row_exists", "UInt8")), "TABLE_INVALID", "table.columns[0].name"),
        (table("o1", ("a", "Nullable(Int32)"), order_by=["a"]), "TABLE_INVALID", "table.order_by[0]"),
        (table("o2", ("a", "Int32"), order_by=["b"]), "TABLE_INVALID", "table.order_by[0]"),
        (table("o3", ("a", "JSON"), order_by=["a"]), "TABLE_INVALID", "table.order_by[0]"),
        (table("p1", ("a", "Int32"), partition_by="a % 10"), "TABLE_INVALID", "table.partition_by"),
        (table("p2", ("a", "Int32"), partition_by="toYYYYMM(a)"), "TABLE_INVALID", "table.partition_by"),
        (
            table("p3", ("a", "Date"), partition_by="toYYYYMM(a), rand()"),
            "TABLE_INVALID",
            "table.partition_by",
        ),
        (table("t1", ("a", "Date"), ttl="a + INTERVAL 1 SECOND"), "TABLE_INVALID", "table.ttl"),
        (table("t2", ("a", "Date"), ttl="a + INTERVAL 0 DAY"), "TABLE_INVALID", "table.ttl"),
        (table("t3", ("a", "Date"), ttl="a + INTERVAL 1 DAY DELETE WHERE 1"), "TABLE_INVALID", "table.ttl"),
        (table("y1", ("a", "AggregateFunction(sum, UInt64)")), "TYPE_NOT_ALLOWED", ""),
        (table("y2", ("a", "Int32) ENGINE = Memory --")), "TYPE_NOT_ALLOWED", ""),
        (table("y3", ("a", "String DEFAULT file('/etc/passwd')")), "TYPE_NOT_ALLOWED", ""),
    ],
)
async def test_create_table_refuses_what_breaks_a_rule(
    data: Data, request_: pb.CreateTableRequest, reason: str, field: str
) -> None:
    refused = await data.refusal("CreateTable", request_)
    assert (refused.code.name, refused.reason) == ("INVALID_ARGUMENT", reason)
    assert not field or field in [each.field for each in refused.violations]
    missing = await data.refusal("GetTable", pb.GetTableRequest(platform=DEMO, table=request_.table.name))
    assert missing.reason == "TABLE_NOT_FOUND"


async def test_list_tables_pages_in_order_of_names(data: Data) -> None:
    for name in ("page_c", "page_a", "page_b"):
        await data.call("CreateTable", table(name, ("a", "Int32")))
    names, token = [], ""
    while True:
        request = pb.ListTablesRequest(platform=DEMO, page_size=2, page_token=token)
        page = await data.call("ListTables", request)
        assert len(page.tables) <= 2
        names += [each.name for each in page.tables]
        token = page.next_page_token
        if not token:
            break
    assert names == sorted(names)
    assert {"page_a", "page_b", "page_c", "events"} <= set(names)
    refused = await data.refusal("ListTables", pb.ListTablesRequest(platform=DEMO, page_token="bm9wZQ"))
    assert refused.reason == "PAGE_TOKEN_INVALID"


async def test_dropped_table_is_gone_and_may_be_made_anew(data: Data) -> None:
    await data.call("CreateTable", table("short_lived", ("a", "Int32")))
    assert await data.rows("SELECT count() FROM short_lived") == [[0]]
    await data.call("DropTable", pb.DropTableRequest(platform=DEMO, table="short_lived"))
    query = pb.QueryRequest(platform=DEMO, sql="SELECT count() FROM short_lived")
    assert (await data.refusal("Query", query)).reason == "TABLE_NOT_KNOWN"
    drop = await data.refusal("DropTable", pb.DropTableRequest(platform=DEMO, table="short_lived"))
    assert (drop.code.name, drop.reason) == ("NOT_FOUND", "TABLE_NOT_FOUND")
    await data.call("CreateTable", table("short_lived", ("b", "String")))
    assert await data.rows("SELECT b FROM short_lived") == []


@pytest.mark.parametrize("name", ["dead_letters", "events", "events_hourly", "events_hourly_mv"])
async def test_standard_tables_cannot_be_dropped(data: Data, name: str) -> None:
    refused = await data.refusal("DropTable", pb.DropTableRequest(platform=DEMO, table=name))
    assert (refused.code.name, refused.reason) == ("FAILED_PRECONDITION", "TABLE_PROTECTED")


async def test_a_viewer_makes_no_table_and_a_stranger_sees_no_platform(data: Data) -> None:
    refused = await data.refusal("CreateTable", table("not_mine", ("a", "Int32")), user=VIEWER)
    assert refused.reason == "PERMISSION_DENIED"
    hidden = await data.refusal("ListTables", pb.ListTablesRequest(platform=DEMO), user=STRANGER)
    assert hidden.reason == "PLATFORM_NOT_FOUND"


async def test_one_platform_never_sees_anothers_table(data: Data) -> None:
    await data.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=OTHER))
    await data.call("CreateTable", table("only_here", ("a", "Int32")))
    request = pb.QueryRequest(platform=OTHER, sql="SELECT * FROM only_here")
    assert (await data.refusal("Query", request)).reason == "TABLE_NOT_KNOWN"
