"""Rows of every type over gRPC into the real engine and back; engines that are killed meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import ingest_pb2, table_pb2
from tests.rpc.data.conftest import DEMO, VIEWER, Data

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Type, what is sent, what the query gives back where that is not the same.
CELLS: list[tuple[str, Any, Any]] = [
    ("UInt8", 255, 255),
    ("Int16", "-32768", -32768),
    ("UInt64", "18446744073709551615", "18446744073709551615"),
    ("Int256", "-12345678901234567890123456789012345678", "-12345678901234567890123456789012345678"),
    ("Float32", 0.5, 0.5),
    ("Float64", 1.25e300, 1.25e300),
    (
        "Decimal(38, 4)",
        "-1234567890123456789012345678901234.5678",
        "-1234567890123456789012345678901234.5678",
    ),
    ("Decimal(76, 2)", "99.5", "99.5"),
    ("Bool", True, True),
    ("String", "\N{PARTY POPPER}\x00\u05d0", "\N{PARTY POPPER}\x00\u05d0"),
    ("LowCardinality(String)", "low", "low"),
    ("UUID", "6f1c1a52-0c3e-4c1e-9d1c-0123456789ab", "6f1c1a52-0c3e-4c1e-9d1c-0123456789ab"),
    ("Date", "2149-06-06", "2149-06-06"),
    ("Date32", "1900-01-01", "1900-01-01"),
    ("DateTime", "2013-07-04T12:00:00+02:00", "2013-07-04T10:00:00Z"),
    ("DateTime64(3)", "2013-07-04 12:00:00.1239", "2013-07-04T12:00:00.123Z"),
    ("DateTime64(9)", "2013-07-04T12:00:00.123456789Z", "2013-07-04T12:00:00.123456789Z"),
    ("IPv4", "192.0.2.1", "192.0.2.1"),
    ("IPv6", "2001:db8::1", "2001:db8::1"),
    ("Enum8('a' = 1, 'it\\'s' = -2)", "it's", "it's"),
    ("JSON", {"a": 1, "b": {"c": ["x", None]}, "when": "2026-01-02T03:04:05Z"}, None),
    ("Nullable(Int32)", None, None),
    ("LowCardinality(Nullable(String))", None, None),
    ("Array(Nullable(UInt8))", [1, None], [1, None]),
    ("Array(Array(String))", [["x"], []], [["x"], []]),
    ("Map(String, Array(UInt8))", {"k": [1, 2]}, {"k": [1, 2]}),
    ("Tuple(x Int8, y String)", {"x": 1, "y": "s"}, {"x": 1, "y": "s"}),
]


def request_of(table: str, rows: list[dict[str, Any]], request_id: str = "") -> pb.IngestRequest:
    request = pb.IngestRequest(platform=DEMO, table=table, request_id=request_id)
    for row in rows:
        request.rows.add().update(row)
    return request


async def create(data: Data, name: str, columns: dict[str, str], **more: Any) -> None:
    table = table_pb2.Table(
        name=name, columns=[table_pb2.Column(name=key, type=kind) for key, kind in columns.items()], **more
    )
    await data.call("CreateTable", pb.CreateTableRequest(platform=DEMO, table=table))


async def test_every_type_goes_in_and_comes_back(data: Data) -> None:
    names = [f"c{place}" for place in range(len(CELLS))]
    await create(data, "types", {name: kind for name, (kind, _, _) in zip(names, CELLS, strict=True)})
    row = {name: sent for name, (_, sent, _) in zip(names, CELLS, strict=True)}
    receipt = (await data.call("Ingest", request_of("types", [row]))).receipt
    assert (list(receipt.rejected), receipt.accepted_count) == ([], 1)
    assert receipt.state == ingest_pb2.Receipt.STORED
    (stored,) = await data.rows(f"SELECT {', '.join(names)} FROM types")
    wanted = [sent if isinstance(sent, dict) else back for _, sent, back in CELLS]
    named = [kind for kind, _, _ in CELLS]
    assert dict(zip(named, stored, strict=True)) == dict(zip(named, wanted, strict=True))


async def test_ten_thousand_rows_of_many_months_are_exact(data: Data) -> None:
    columns = {
        "id": "UInt32",
        "at": "DateTime",
        "word": "LowCardinality(String)",
        "part": "Nullable(Float64)",
    }
    await create(data, "many", columns, order_by=["id"], partition_by="toYYYYMM(at)")
    rows = [
        {
            "id": number,
            "at": f"{2013 + number % 3}-{number % 12 + 1:02}-03T04:05:06Z",
            "word": f"w{number % 7}",
            **({"part": number / 8} if number % 3 else {}),
        }
        for number in range(10_000)
    ]
    receipt = (await data.call("Ingest", request_of("many", rows, "many-1"))).receipt
    assert receipt.accepted_count == 10_000
    again = (await data.call("Ingest", request_of("many", rows, "many-1"))).receipt
    assert again.duplicate_count == 10_000
    sql = (
        "SELECT count(), sum(id), count(part), sum(part), uniqExact(toYYYYMM(at)), countIf(word = 'w3')"
        " FROM many"
    )
    expected = [
        10_000,
        sum(range(10_000)),
        sum(number % 3 > 0 for number in range(10_000)),
        sum(number / 8 for number in range(10_000) if number % 3),
        len({(number % 3, number % 12) for number in range(10_000)}),
        sum(number % 7 == 3 for number in range(10_000)),
    ]
    assert await data.rows(sql) == [expected]


async def test_calls_while_the_engine_is_killed_again_and_again_are_stored_once(data: Data) -> None:
    await create(data, "killed", {"id": "UInt32"})
    uid = await data.uid()

    async def caller(first: int) -> None:
        for number in range(first, first + 40):
            for _ in range(20):
                try:
                    await data.call("Ingest", request_of("killed", [{"id": number}], f"k-{number}"))
                    break
                except Exception:  # noqa: BLE001 - the engine is down: the client tries again
                    await asyncio.sleep(0.2)

    callers = [asyncio.create_task(caller(first)) for first in range(0, 400, 40)]
    kills = 0
    while not all(each.done() for each in callers) and kills < 4:
        await asyncio.sleep(0.4)
        for process in data.pool.running().values():
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
    await asyncio.gather(*callers)
    assert kills >= 2
    assert uid in data.pool.running() or await data.rows("SELECT 1") == [[1]]
    for _ in range(150):
        try:
            rows = await data.rows("SELECT count(), uniqExact(id) FROM killed")
        except Exception:  # noqa: BLE001 - the engine is on its way back
            rows = []
        if rows == [[400, 400]]:
            break
        await asyncio.sleep(0.2)
    assert rows == [[400, 400]]


async def test_a_viewer_may_not_ingest(data: Data) -> None:
    refused = await data.refusal("Ingest", request_of("events", [{"event_type": "a"}]), user=VIEWER)
    assert refused.reason == "PERMISSION_DENIED"


async def test_events_and_rows_in_one_call_are_refused(data: Data) -> None:
    request = request_of("events", [{"event_type": "a"}])
    request.events.add()
    assert (await data.refusal("Ingest", request)).reason == "INVALID_REQUEST"
