"""Rows and events for tables that declare paths: what is acknowledged is stored, and as the rules read it."""

from __future__ import annotations

from typing import Any

import pytest

from aidatalabs.data.v1 import ingest_pb2
from tests.rpc.data.conftest import Data
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
        receipt = (await data.call("Ingest", request_of("spelled", [row], f"spelled-{number}"))).receipt
        assert (receipt.state, list(receipt.rejected)) == (ingest_pb2.Receipt.STORED, []), (name, value)
    both = ", ".join(f"toString(p.{name}) = toString({name})" for name in kinds)
    found = await data.rows(f"SELECT id, arrayFilter(x -> isNotNull(x), [{both}]) FROM spelled ORDER BY id")
    assert found == [[number, [True]] for number in range(len(cells))]


async def test_columns_of_every_type_go_beside_one_with_declared_paths(data: Data) -> None:
    columns = {f"c{place}": kind for place, (kind, _, _) in enumerate(CELLS)}
    row = {name: sent for name, (_, sent, _) in zip(columns, CELLS, strict=True)}
    await create(data, "beside", {"id": "UInt32", "p": "JSON(at DateTime64(3))"} | columns)
    rows = [{"id": 1, "p": {"at": "2026-01-02T03:04:05Z"}} | row, {"id": 2, "p": {"at": 7}} | row]
    receipt = (await data.call("Ingest", request_of("beside", rows, "beside-1"))).receipt
    assert (receipt.accepted_count, [each.index for each in receipt.rejected]) == (1, [1])
    (stored,) = await data.rows(f"SELECT p.at, {', '.join(columns)} FROM beside")
    assert stored[0] == "2026-01-02T03:04:05.000Z"
    for (kind, sent, back), found in zip(CELLS, stored[1:], strict=True):
        assert found == (sent if isinstance(sent, dict) else back), kind


async def test_a_row_with_more_paths_than_a_block_may_have_is_rejected_alone(data: Data) -> None:
    await create(data, "wide", {"id": "UInt32", "p": "JSON(at Nullable(DateTime64(3)))"})
    many = {f"k{number}": 1 for number in range(4_200)}
    rows: list[dict[str, Any]] = [
        {"id": number, "p": {"at": "2026-01-02T03:04:05Z"}} for number in range(100)
    ]
    rows[7]["p"] = many
    rows[50]["p"] = {"at": "yesterday"}
    receipt = (await data.call("Ingest", request_of("wide", rows, "wide-1"))).receipt
    assert receipt.state == ingest_pb2.Receipt.STORED
    assert [(each.index, each.reason) for each in receipt.rejected] == [
        (7, "VALUE_INVALID"),
        (50, "VALUE_INVALID"),
    ]
    assert "column p has more than 4,096 different paths" in receipt.rejected[0].message
    assert await data.rows("SELECT count(), min(p.at) = max(p.at) FROM wide") == [[98, True]]
