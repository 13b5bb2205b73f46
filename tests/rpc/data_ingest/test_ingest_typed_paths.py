"""Rows and events for tables that declare paths: what is acknowledged is stored, and as the rules read it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import ingest_pb2, typed_path_pb2
from aidatalabs_services.data import judged_batches
from tests.rpc.data.conftest import DEMO, Data
from tests.rpc.data_ingest.test_ingest_rows import CELLS, create, request_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Every spelling that the rules take, by type.
SPELLINGS: dict[str, list[Any]] = {
    "Int8": [5, "5", "-5", "007"],
    "UInt256": ["115792089237316195423570985008687907853269984665640564039457584007913129639935", 7],
    "Float32": [1.5, "1.5", "1e3", ".5", "+1.5", "5."],
    "Float64": ["1e3", 3, ".5", 0.1],
    "Decimal(18, 4)": [1.5, "0001.50", "-0.0001", 3],
    "Bool": [True, False],
    "Date": ["2026-01-02"],
    "Date32": ["1950-01-02"],
    "DateTime": [
        "2026-01-02T03:04:05Z",
        "2026-01-02 03:04:05",
        "2026-01-02T03:04:05+02:00",
        "2026-01-02t03:04:05.5z",
    ],
    "DateTime(\\'Europe/Rome\\')": ["2026-07-02T03:04:05Z", "2026-07-02 03:04:05"],
    "DateTime64(3)": [
        "2026-01-02T03:04:05.6789Z",
        "1950-01-01 00:00:00.001",
        "2026-01-02T03:04:05.678-05:30",
    ],
    "DateTime64(3, \\'Asia/Tokyo\\')": ["2026-01-02T03:04:05.6789Z", "2026-01-02 03:04:05"],
    "DateTime64(9)": ["2026-01-02T03:04:05.123456789Z", "1970-01-01T00:00:00Z"],
    "UUID": ["6F1C1A52-0C3E-4C1E-9D1C-0123456789AB"],
    "IPv4": ["192.0.2.1"],
    "IPv6": ["::1", "2001:DB8::1"],
    "Enum8(\\'a\\' = 1, \\'b c\\' = 2)": ["a", "b c"],
    "String": ["x", "", "2026-01-02"],
}


async def stored(data: Data, request: pb.IngestRequest) -> ingest_pb2.Receipt:
    """The receipt of a call whose rows are in their table."""
    receipt: ingest_pb2.Receipt = (await data.call("Ingest", request, timeout=60.0)).receipt
    named = pb.GetReceiptRequest(platform=DEMO, table=request.table, request_id=request.request_id)
    async with asyncio.timeout(30.0):
        while receipt.state != ingest_pb2.Receipt.STORED:
            await asyncio.sleep(0.05)
            receipt = await data.call("GetReceipt", named)
    return receipt


async def test_a_value_is_the_same_at_a_declared_path_as_in_a_column_however_it_is_spelled(
    data: Data,
) -> None:
    kinds = {f"c{place}": kind.replace("\\", "") for place, kind in enumerate(SPELLINGS)}
    declared = ", ".join(f"{name} Nullable({kind})" for name, kind in kinds.items())
    columns = {name: f"Nullable({kind})" for name, kind in kinds.items()}
    await create(data, "spelled", {"id": "UInt32", "p": f"JSON({declared})"} | columns)
    cells = [
        (name, value) for name, values in zip(kinds, SPELLINGS.values(), strict=True) for value in values
    ]
    for number, (name, value) in enumerate(cells):
        row = {"id": number, "p": {name: value, "free": "x"}, name: value}
        receipt = await stored(data, request_of("spelled", [row], f"spelled-{number}"))
        assert list(receipt.rejected) == [], (name, value)
    both = ", ".join(f"toString(p.{name}) = toString({name})" for name in kinds)
    found = await data.rows(f"SELECT id, arrayFilter(x -> isNotNull(x), [{both}]) FROM spelled ORDER BY id")
    assert found == [[number, [True]] for number in range(len(cells))]


async def test_columns_of_every_type_go_beside_one_with_declared_paths(data: Data) -> None:
    columns = {f"c{place}": kind for place, (kind, _, _) in enumerate(CELLS)}
    row = {name: sent for name, (_, sent, _) in zip(columns, CELLS, strict=True)}
    await create(data, "beside", {"id": "UInt32", "p": "JSON(at DateTime64(3))"} | columns)
    rows = [{"id": 1, "p": {"at": "2026-01-02T03:04:05Z"}} | row, {"id": 2, "p": {"at": 7}} | row]
    receipt = await stored(data, request_of("beside", rows, "beside-1"))
    assert (receipt.accepted_count, [each.index for each in receipt.rejected]) == (1, [1])
    (row_stored,) = await data.rows(f"SELECT p.at, {', '.join(columns)} FROM beside")
    assert row_stored[0] == "2026-01-02T03:04:05.000Z"
    for (kind, sent, back), found in zip(CELLS, row_stored[1:], strict=True):
        assert found == (sent if isinstance(sent, dict) else back), kind


async def test_a_row_with_more_paths_than_a_block_may_have_is_refused_where_a_path_has_a_zone(
    data: Data,
) -> None:
    """The engine would read its moments in the column's zone; without one it is given the text as it is."""
    row: dict[str, Any] = {"p": {f"k{number}": 1 for number in range(4_200)} | {"at": "2026-01-02 03:04:05"}}
    for table, kind in (("wide", "DateTime64(3)"), ("wide_zoned", "DateTime64(3, 'Asia/Tokyo')")):
        await create(data, table, {"p": f"JSON(at Nullable({kind}))"})
    assert (await stored(data, request_of("wide", [row], "wide-1"))).accepted_count == 1
    refused = await data.refusal("Ingest", request_of("wide_zoned", [row]))
    assert (refused.reason, refused.metadata["most"]) == ("INGEST_TOO_LARGE", "4096")


async def test_keys_that_no_query_can_name_are_in_nobodys_way(data: Data) -> None:
    """Their values are looked at like all others: a Float64 without a fraction would become an Int64."""
    await create(data, "unnamed", {"p": "JSON"})
    keys = ["", "a..b", ".c", "d.", "page"]
    rows: list[dict[str, Any]] = [{"p": {key: 1.5 if key != "page" else "/a"}} for key in keys]
    assert (await stored(data, request_of("unnamed", rows, "unnamed-1"))).accepted_count == len(keys)
    paths = [typed_path_pb2.TypedPath(path="page", type="String")]
    asked = typed_path_pb2.TypePathsRequest(platform=DEMO, table="unnamed", column="p", paths=paths)
    assert (await data.call("TypePaths", asked)).changed
    assert await data.rows("SELECT count(), any(p.page) FROM unnamed") == [[len(keys), "/a"]]


async def test_many_events_are_taken_by_column_where_paths_are_declared(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    types = {"page": "LowCardinality(String)", "n": "Int8", "share": "Float64", "at": "DateTime64(3)"}
    paths = [typed_path_pb2.TypedPath(path=path, type=kind) for path, kind in types.items()]
    asked = typed_path_pb2.TypePathsRequest(platform=DEMO, table="events", column="properties", paths=paths)
    await data.call("TypePaths", asked)
    # One by one would hide that the columns are not read.
    monkeypatch.setattr(judged_batches, "judge_events", None)
    request = pb.IngestRequest(platform=DEMO, request_id="by-column")
    for number in range(200):
        event = request.events.add(event_type="typed", user_id=number)
        event.timestamp.FromSeconds(1_767_225_600 + number)
        event.properties.update({"page": f"/{number % 3}", "n": number, "share": number / 2, "free": "x"})
        event.properties.update({"at": "2026-01-02T03:04:05+01:00"})
    receipt = await stored(data, request)
    assert [each.index for each in receipt.rejected] == list(range(128, 200))
    assert {(each.reason, each.message) for each in receipt.rejected} == {
        ("PROPERTIES_INVALID", "column properties at path n is out of range for Int8: -128 to 127")
    }
    found = await data.rows(
        "SELECT count(), sum(properties.n), sum(properties.share), uniqExact(properties.page), "
        "any(toString(properties.at)), any(properties.free.:String) FROM events WHERE event_type = 'typed'"
    )
    assert found == [[128, sum(range(128)), sum(range(128)) / 2, 3, "2026-01-02 02:04:05.000", "x"]]
