"""A platform's other doors: receipts, deletions, pages, roll-ups, tables, asked by others and other names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import deletion_pb2
from aidatalabs_services.runtime.errors import ServiceError
from tests.rpc.data import isolation_pairs
from tests.rpc.data.conftest import DEMO, OTHER, VIEWER, Data

AMBER = replace(isolation_pairs.AMBER, events=413, orders=613)
BIRCH = replace(isolation_pairs.BIRCH, events=517, orders=717)
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def filled(data: Data) -> None:
    for side in (AMBER, BIRCH):
        await isolation_pairs.fill(data, side)


def asked(platform: str) -> dict[str, Any]:
    """One call of each method that reads, for a platform."""
    sql = "SELECT * FROM events"
    return {
        "Query": pb.QueryRequest(platform=platform, sql=sql),
        "ExplainQuery": pb.ExplainQueryRequest(platform=platform, sql=sql),
        "DescribeSchema": pb.DescribeSchemaRequest(platform=platform),
        "ListTables": pb.ListTablesRequest(platform=platform),
        "GetTable": pb.GetTableRequest(platform=platform, table="orders"),
        "ListRollups": pb.ListRollupsRequest(platform=platform),
        "GetRollup": pb.GetRollupRequest(platform=platform, rollup="orders_by_day"),
        "GetReceipt": pb.GetReceiptRequest(platform=platform, request_id="same-on-both"),
        "ListDeletions": deletion_pb2.ListDeletionsRequest(platform=platform),
    }


def told(refusal: ServiceError) -> str:
    """All that a refusal says, but for the ids of its call."""
    of_the_call = ("trace_id", "request_id")
    facts = {key: value for key, value in refusal.metadata.items() if key not in of_the_call}
    return f"{refusal.reason} {refusal.message} {facts}"


async def test_anothers_platform_is_refused_as_one_that_is_not_there(data: Data) -> None:
    """Under its name, under its uid, and under a name that nobody has: the same words, by every method."""
    uid = await data.uid(OTHER)
    names = {OTHER: "other", "platforms/missing": "missing", f"platforms/x{uid}": f"x{uid}"}
    for method in asked(OTHER):
        refusals = []
        for name, short in names.items():
            refused = await data.refusal(method, asked(name)[method], user=VIEWER)
            assert not BIRCH.traces(told(refused)), method
            refusals.append(told(refused).replace(name, "NAME").replace(short, "NAME"))
        assert len(set(refusals)) == 1, refusals


@pytest.mark.parametrize("table", ["birchowl_private", "analytics.orders", "system.tables"])
async def test_anothers_table_is_one_that_is_not_there(data: Data, table: str) -> None:
    refused = await data.refusal("Query", pb.QueryRequest(platform=DEMO, sql=f"SELECT * FROM {table}"))
    assert refused.reason == "TABLE_NOT_KNOWN"
    assert not BIRCH.traces(told(refused).replace(table, ""))


async def test_a_database_of_another_is_named_in_no_way(data: Data) -> None:
    """Also by the names that databases have on a server that platforms share."""
    for uid in (await data.uid(OTHER), await data.uid(DEMO)):
        for prefix in ("aidatalabs_", "p_", ""):
            sql = f"SELECT * FROM `{prefix}{uid.replace('-', '')}`.events"
            assert (
                await data.refusal("Query", pb.QueryRequest(platform=DEMO, sql=sql))
            ).reason == "TABLE_NOT_KNOWN"


async def test_a_page_token_of_another_platform_opens_nothing(data: Data) -> None:
    first = await data.call("ListTables", pb.ListTablesRequest(platform=OTHER, page_size=1))
    assert first.next_page_token
    request = pb.ListTablesRequest(platform=DEMO, page_size=1, page_token=first.next_page_token)
    refused = await data.refusal("ListTables", request)
    assert refused.code.name == "INVALID_ARGUMENT"
    assert not BIRCH.traces(told(refused))


async def test_a_deletion_of_another_platform_is_not_found(data: Data) -> None:
    request = deletion_pb2.DeleteUserDataRequest(
        platform=OTHER, user_id=str(BIRCH.base + 9), request_id="same-id"
    )
    made = await data.call("DeleteUserData", request)
    short = made.name.rpartition("/")[2]
    for name in (made.name, short):
        refused = await data.refusal(
            "GetDeletion", deletion_pb2.GetDeletionRequest(platform=DEMO, deletion=name)
        )
        assert refused.code.name in ("NOT_FOUND", "INVALID_ARGUMENT")
        assert not BIRCH.traces(told(refused))
    mine = deletion_pb2.DeleteUserDataRequest(
        platform=DEMO, user_id=str(AMBER.base + 9), request_id="same-id"
    )
    other = await data.call("DeleteUserData", mine)
    assert other.name != made.name
    listed = await data.call("ListDeletions", deletion_pb2.ListDeletionsRequest(platform=DEMO))
    assert not BIRCH.traces(str(listed))


async def test_a_known_version_of_another_platform_spares_no_description(data: Data) -> None:
    theirs = await data.call("DescribeSchema", pb.DescribeSchemaRequest(platform=OTHER))
    request = pb.DescribeSchemaRequest(platform=DEMO, known_data_version=theirs.data_version)
    mine = await data.call("DescribeSchema", request)
    assert mine.data_version != theirs.data_version
    assert {table.name for table in mine.tables} >= {"events", "amberfox_private"}
    assert not BIRCH.traces(str(mine))


async def test_a_request_id_of_another_platform_is_free(data: Data) -> None:
    """Who repeats another's request id learns nothing of it, and stores what it sends."""
    before = await data.rows("SELECT count() FROM orders")
    row = {"city": "amberfox-new", "cents": "1", "at": "2026-01-01T00:00:00Z"}
    await data.call("Ingest", _rows(OTHER, "taken-there", {**row, "city": "birchowl-new"}))
    receipt = (await data.call("Ingest", _rows(DEMO, "taken-there", row))).receipt
    assert (receipt.accepted_count, receipt.duplicate_count) == (1, 0)
    missing = pb.GetReceiptRequest(platform=DEMO, request_id="only-there", table="orders")
    await data.call("Ingest", _rows(OTHER, "only-there", {**row, "city": "birchowl-more"}))
    assert (await data.refusal("GetReceipt", missing)).code.name == "NOT_FOUND"
    assert await data.rows("SELECT count() FROM orders") == [[before[0][0] + 1]]


def _rows(platform: str, request_id: str, row: dict[str, str]) -> pb.IngestRequest:
    request = pb.IngestRequest(platform=platform, table="orders", request_id=request_id)
    request.rows.add().update(row)
    return request
