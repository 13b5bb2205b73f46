"""AddColumn and the filters of ListTables on a real engine."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import ingest_pb2, table_pb2
from aidatalabs_services.runtime.errors import ServiceUnavailable
from tests.rpc.data.conftest import DEMO, VIEWER, Data
from tests.rpc.data.test_data_tables import table

pytestmark = pytest.mark.asyncio(loop_scope="module")


def added(name: str, column: str, kind: str, comment: str = "") -> pb.AddColumnRequest:
    return pb.AddColumnRequest(
        platform=DEMO, table=name, column=table_pb2.Column(name=column, type=kind, comment=comment)
    )


async def ingest(data: Data, name: str, rows: list[dict[str, Any]]) -> ingest_pb2.Receipt:
    request = pb.IngestRequest(platform=DEMO, table=name)
    for row in rows:
        request.rows.add().update(row)
    receipt: ingest_pb2.Receipt = (await data.call("Ingest", request)).receipt
    return receipt


async def test_a_column_is_added_at_the_end_and_old_rows_read_its_default(data: Data) -> None:
    await data.call("CreateTable", table("grows", ("a", "Int32")))
    await ingest(data, "grows", [{"a": 1}])
    answer = await data.call("AddColumn", added("grows", "b", "Nullable( String )", "what b means"))
    assert [(each.name, each.type, each.comment) for each in answer.columns] == [
        ("a", "Int32", ""),
        ("b", "Nullable(String)", "what b means"),
    ]
    assert answer.row_count == 1
    await data.call("AddColumn", added("grows", "c", "UInt8"))
    await ingest(data, "grows", [{"a": 2, "b": "x", "c": 7}])
    assert await data.rows("SELECT a, b, c FROM grows ORDER BY a") == [[1, None, 0], [2, "x", 7]]


async def test_the_same_column_again_changes_nothing(data: Data) -> None:
    await data.call("CreateTable", table("again", ("a", "Int32")))
    first = await data.call("AddColumn", added("again", "b", "Decimal(9, 2)", "c"))
    second = await data.call("AddColumn", added("again", "b", "Decimal32(2)", "c"))
    assert list(first.columns) == list(second.columns)
    at_once = [data.call("AddColumn", added("again", "d", "String")) for _ in range(4)]
    assert {len(each.columns) for each in await asyncio.gather(*at_once)} == {3}


@pytest.mark.parametrize(
    ("column", "kind", "comment", "reason", "field"),
    [
        ("a", "Int64", "", "TABLE_INVALID", "column.name"),
        ("a", "Int32", "another", "TABLE_INVALID", "column.name"),
        ("no space", "Int32", "", "TABLE_INVALID", "column.name"),
        ("_part", "Int32", "", "TABLE_INVALID", "column.name"),
        ("x", "Int32", "y" * 1000 + "\0", "INVALID_REQUEST", "column.comment"),
        ("x", "Int32", "\0", "TABLE_INVALID", "column.comment"),
        ("x", "AggregateFunction(sum, UInt8)", "", "TYPE_NOT_ALLOWED", ""),
        ("x", "String) , DROP COLUMN a", "", "TYPE_NOT_ALLOWED", ""),
        ("x` String, DROP COLUMN `a", "String", "", "TABLE_INVALID", "column.name"),
    ],
)
async def test_a_column_that_breaks_a_rule_is_refused(
    data: Data, column: str, kind: str, comment: str, reason: str, field: str
) -> None:
    await data.call("CreateTable", table("ruled", ("a", "Int32")))
    refused = await data.refusal("AddColumn", added("ruled", column, kind, comment))
    assert (refused.code.name, refused.reason) == ("INVALID_ARGUMENT", reason)
    assert not field or field in [each.field for each in refused.violations]
    found = await data.call("GetTable", pb.GetTableRequest(platform=DEMO, table="ruled"))
    assert [each.name for each in found.columns] == ["a"]


async def test_standard_tables_missing_tables_and_viewers_are_refused(data: Data) -> None:
    for name in ("events", "events_hourly"):
        assert (await data.refusal("AddColumn", added(name, "x", "String"))).reason == "TABLE_PROTECTED"
    assert (await data.refusal("AddColumn", added("nowhere", "x", "String"))).reason == "TABLE_NOT_FOUND"
    refused = await data.refusal("AddColumn", added("events", "x", "String"), user=VIEWER)
    assert refused.reason == "PERMISSION_DENIED"


async def test_a_table_full_of_columns_takes_no_more(data: Data) -> None:
    await data.call("CreateTable", table("full", *((f"c{number}", "UInt8") for number in range(1000))))
    assert (await data.refusal("AddColumn", added("full", "more", "UInt8"))).reason == "TABLE_INVALID"
    assert len((await data.call("AddColumn", added("full", "c999", "UInt8"))).columns) == 1000


async def test_rows_journalled_before_the_column_still_go_in(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    await data.call("CreateTable", table("journalled", ("a", "Int32")))
    insert, held = data.warehouse.insert_block, asyncio.Event()

    async def later(*arguments: Any, **more: Any) -> None:
        if not held.is_set():
            raise ServiceUnavailable("not yet")
        await insert(*arguments, **more)

    monkeypatch.setattr(data.warehouse, "insert_block", later)
    receipt = await ingest(data, "journalled", [{"a": number} for number in range(5)])
    assert receipt.state == ingest_pb2.Receipt.JOURNALLED
    await data.call("AddColumn", added("journalled", "b", "String"))
    held.set()
    for _ in range(100):
        rows = await data.rows("SELECT a, b FROM journalled ORDER BY a")
        if rows:
            break
        await asyncio.sleep(0.1)
    assert rows == [[number, ""] for number in range(5)]


async def names(data: Data, filter_: str = "", order_by: str = "", page_size: int = 100) -> list[str]:
    found, token = [], ""
    while True:
        request = pb.ListTablesRequest(
            platform=DEMO, filter=filter_, order_by=order_by, page_size=page_size, page_token=token
        )
        page = await data.call("ListTables", request)
        found += [each.name for each in page.tables]
        token = page.next_page_token
        if not token:
            return found


async def test_tables_are_filtered_and_ordered_on_every_page(data: Data) -> None:
    for name, comment in (("list_a", "Raw orders"), ("list_b", "raw clicks"), ("list_c", "daily orders")):
        await data.call("CreateTable", table(name, ("a", "Int32"), comment=comment))
    assert await names(data, 'name : "list_"') == ["list_a", "list_b", "list_c"]
    assert await names(data, 'name : "list_"', "name desc", 1) == ["list_c", "list_b", "list_a"]
    assert await names(data, 'name : "list_" AND comment : "raw"', "name desc") == ["list_b", "list_a"]
    assert await names(data, 'comment = "daily orders"') == ["list_c"]
    assert await names(data, 'name > "list_a" AND name < "list_c"') == ["list_b"]
    assert await names(data, 'name = "nothing"') == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("filter", "rows > 5"), ("filter", "name ="), ("order_by", "comment"), ("order_by", "name up")],
)
async def test_a_filter_or_order_that_cannot_be_read_is_refused(data: Data, field: str, value: str) -> None:
    refused = await data.refusal("ListTables", pb.ListTablesRequest(platform=DEMO, **{field: value}))  # type: ignore[arg-type]
    assert (refused.reason, [each.field for each in refused.violations]) == ("INVALID_REQUEST", [field])


async def test_a_page_token_belongs_to_its_filter_and_order(data: Data) -> None:
    first = await data.call("ListTables", pb.ListTablesRequest(platform=DEMO, page_size=1))
    other = pb.ListTablesRequest(
        platform=DEMO, page_size=1, page_token=first.next_page_token, order_by="name desc"
    )
    assert (await data.refusal("ListTables", other)).reason == "PAGE_TOKEN_INVALID"


async def test_totals_are_refused_instead_of_lost(data: Data) -> None:
    query = pb.QueryRequest(
        platform=DEMO, sql="SELECT event_type, count() FROM events GROUP BY event_type WITH TOTALS"
    )
    refused = await data.refusal("Query", query)
    assert (refused.reason, refused.metadata["construct"]) == ("QUERY_CONSTRUCT_NOT_ALLOWED", "WITH TOTALS")


async def test_a_text_that_is_too_long_to_make_is_told_as_such(data: Data) -> None:
    refused = await data.refusal("Query", pb.QueryRequest(platform=DEMO, sql="SELECT repeat('x', 2000000)"))
    assert (refused.reason, refused.metadata["engine_code"]) == ("QUERY_FAILED", "131")
    assert "longer text" in refused.message
