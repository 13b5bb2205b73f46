"""Rejected rows: kept with their reason in a table, found with SQL, replayed when the table was mended."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import field_mask_pb2, timestamp_pb2

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import deletion_pb2, table_pb2
from tests.rpc.data.conftest import DEMO, OTHER, VIEWER, Data
from tests.rpc.data_ingest.test_ingest_rows import create, request_of
from tests.rpc.data_ingest.test_ingest_stream import ipc, message, sent

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def letters(data: Data, condition: str, columns: str = "reason, row_json") -> list[list[Any]]:
    return await data.rows(f"SELECT {columns} FROM dead_letters WHERE {condition} ORDER BY row_index")


async def replayed(data: Data, **choice: Any) -> pb.ReplayDeadLettersResponse:
    answer: pb.ReplayDeadLettersResponse = await data.call(
        "ReplayDeadLetters", pb.ReplayDeadLettersRequest(platform=DEMO, **choice)
    )
    return answer


async def test_rejected_rows_are_kept_with_their_reason_and_replayed_once_when_the_table_is_mended(
    data: Data,
) -> None:
    await create(data, "orders", {"id": "UInt32", "note": "Nullable(String)"})
    rows: list[dict[str, Any]] = [
        {"id": 1},
        {"id": 2, "country": "NO"},
        {"id": 3, "country": "PT", "note": "é"},
        {"id": "x"},
    ]
    receipt = (await data.call("Ingest", request_of("orders", rows, "orders-1"))).receipt
    assert (receipt.accepted_count, receipt.rejected_count, receipt.dead_letter_count) == (1, 3, 3)
    again = (await data.call("Ingest", request_of("orders", rows, "orders-1"))).receipt
    assert (again.duplicate_count, again.dead_letter_count) == (1, 3)
    kept = await letters(data, "table_name = 'orders'", "reason, column_name, source, request_id, row_json")
    assert [row[:4] for row in kept] == [
        ["COLUMN_NOT_KNOWN", "country", "rows", "orders-1"],
        ["COLUMN_NOT_KNOWN", "country", "rows", "orders-1"],
        ["VALUE_INVALID", "id", "rows", "orders-1"],
    ]
    assert [json.loads(row[4]) for row in kept] == rows[1:]
    first = await replayed(data, table="orders")
    assert (first.accepted_count, first.rejected_count) == (0, 3)
    assert [each.reason for each in first.rejected] == [row[0] for row in kept]
    column = table_pb2.Column(name="country", type="Nullable(String)")
    await data.call("AddColumn", pb.AddColumnRequest(platform=DEMO, table="orders", column=column))
    second = await replayed(data, table="orders", reason="COLUMN_NOT_KNOWN")
    assert (second.accepted_count, second.rejected_count, second.remaining_count) == (2, 0, 0)
    stored = "SELECT id, country FROM orders ORDER BY id"
    assert await data.rows(stored) == [[1, None], [2, "NO"], [3, "PT"]]
    third = await replayed(data, table="orders")
    assert (third.accepted_count, third.rejected_count) == (0, 1)
    assert await data.rows(stored) == [[1, None], [2, "NO"], [3, "PT"]]
    marked = await letters(data, "table_name = 'orders'", "replayed_at IS NULL")
    assert marked == [[False], [False], [True]]


async def test_a_call_that_is_wholly_rejected_keeps_its_rows_with_and_without_an_id(data: Data) -> None:
    bad = {"timestamp": "2026-01-02T03:04:05.678Z", "event_type": "", "user_id": "77", "value": 1.5}
    for request_id in ("", "whole-1", "whole-1"):
        receipt = (await data.call("Ingest", request_of("events", [bad], request_id))).receipt
        assert (receipt.accepted_count, receipt.dead_letter_count) == (0, 1)
    assert await letters(data, "user_id = '77'", "reason") == [["EVENT_TYPE_EMPTY"]] * 2


async def test_events_come_back_from_their_letter_as_they_were_sent(data: Data) -> None:
    request = pb.IngestRequest(platform=DEMO, request_id="future")
    event = request.events.add(event_type="late", user_id=2**63, value=0.25)
    event.properties.update({"page": "/p", "n": 3, "deep": {"a": [1, None, "x"]}})
    receipt = (await data.call("Ingest", request)).receipt
    assert receipt.rejected[0].reason == "TIMESTAMP_MISSING"
    (kept,) = await letters(data, "request_id = 'future'", "row_json, source, user_id, is_cut")
    assert kept[1:] == ["events", str(2**63), False]
    assert '"properties":{' in kept[0]
    assert '"user_id":"9223372036854775808"' in kept[0]


async def test_rows_of_a_stream_are_kept_and_replayed_too(data: Data) -> None:
    await create(
        data, "streamed", {"id": "Int8", "at": "DateTime64(3)", "props": "JSON", "m": "Map(String, Int8)"}
    )
    batch = pa.RecordBatch.from_pydict(
        {
            "id": pa.array([1, 2, 3], pa.int64()),
            "at": pa.array([0, 1_767_225_600_123, 2], pa.timestamp("ms", tz="UTC")),
            "props": pa.array(["{}", '{"a": {"b": 1}}', None]),
            "m": pa.array([[("k", 1)], [("k", 300)], []], pa.map_(pa.string(), pa.int64())),
        }
    )
    answer = (await sent(data, [message("s-1", ipc(batch), table="streamed")]))["s-1"]
    assert (answer.receipt.rejected_count, answer.receipt.dead_letter_count) == (1, 1)
    (kept,) = await letters(data, "request_id = 's-1'", "source, row_index, row_json")
    assert kept[:2] == ["stream", 1]
    assert (
        kept[2] == '{"id":2,"at":"2026-01-01T00:00:00.123Z","props":"{\\"a\\": {\\"b\\": 1}}","m":{"k":300}}'
    )
    await data.call("DropTable", pb.DropTableRequest(platform=DEMO, table="streamed"))
    gone = await replayed(data, table="streamed")
    assert [each.reason for each in gone.rejected] == ["TABLE_NOT_FOUND"]
    await create(
        data, "streamed", {"id": "Int8", "at": "DateTime64(3)", "props": "JSON", "m": "Map(String, Int16)"}
    )
    assert (await replayed(data, table="streamed")).accepted_count == 1
    rows = await data.rows("SELECT id, at, props, m FROM streamed")
    assert rows == [[2, "2026-01-01T00:00:00.123Z", {"a": {"b": 1}}, {"k": 300}]]


async def test_replay_goes_page_by_page_by_ids_and_by_time(data: Data) -> None:
    await create(data, "paged", {"id": "UInt8"})
    rows = [{"id": 300 + number} for number in range(7)]
    await data.call("Ingest", request_of("paged", rows, "paged-1"))
    found = await letters(data, "request_id = 'paged-1'", "id")
    await data.call("DropTable", pb.DropTableRequest(platform=DEMO, table="paged"))
    await create(data, "paged", {"id": "UInt16"})
    ids = [row[0] for row in found]
    by_id = await replayed(data, ids=[*ids[:2], "no-such-letter", ids[0]])
    assert (by_id.accepted_count, by_id.gone_count, by_id.remaining_count) == (2, 1, 0)
    moment = timestamp_pb2.Timestamp(seconds=1)
    assert (await replayed(data, table="paged", end_time=moment)).accepted_count == 0
    token, taken, left = "", 0, []
    while True:
        page = await replayed(data, table="paged", page_size=2, page_token=token, start_time=moment)
        taken, token = taken + page.accepted_count, page.next_page_token
        left.append(page.remaining_count)
        if not token:
            break
    assert (taken, left) == (5, [3, 1, 0])
    assert await data.rows("SELECT count(), uniqExact(id) FROM paged") == [[7, 7]]
    other = pb.ReplayDeadLettersRequest(platform=DEMO, table="orders", page_token="bm90LWEtdG9rZW4")
    assert (await data.refusal("ReplayDeadLetters", other)).reason == "PAGE_TOKEN_INVALID"


async def test_replays_at_the_same_time_store_each_row_once(data: Data) -> None:
    await create(data, "raced", {"id": "UInt8"})
    await data.call("Ingest", request_of("raced", [{"id": 256 + number} for number in range(40)]))
    await data.call("DropTable", pb.DropTableRequest(platform=DEMO, table="raced"))
    await create(data, "raced", {"id": "UInt16"})
    answers = await asyncio.gather(*(replayed(data, table="raced") for _ in range(4)))
    assert sum(each.accepted_count for each in answers) == 40
    assert await data.rows("SELECT count(), uniqExact(id) FROM raced") == [[40, 40]]


async def test_a_row_that_is_too_large_is_cut_and_says_so(data: Data) -> None:
    await create(data, "large", {"id": "UInt8", "word": "String"})
    await data.call("Ingest", request_of("large", [{"id": 999, "word": "é" * 100_000}], "large-1"))
    (kept,) = await letters(data, "request_id = 'large-1'", "is_cut, row_bytes, length(row_json)")
    assert kept[0] is True
    assert kept[1] > 200_000
    assert kept[2] <= 65_536
    answer = await replayed(data, table="large")
    assert [each.reason for each in answer.rejected] == ["ROW_CUT"]


async def test_the_table_of_rejected_rows_is_protected_and_its_ttl_can_change(data: Data) -> None:
    refused = [
        ("Ingest", request_of("dead_letters", [{"id": "x"}])),
        ("DropTable", pb.DropTableRequest(platform=DEMO, table="dead_letters")),
        (
            "AddColumn",
            pb.AddColumnRequest(
                platform=DEMO, table="dead_letters", column=table_pb2.Column(name="x", type="Int8")
            ),
        ),
    ]
    for method, request in refused:
        assert (await data.refusal(method, request)).reason == "TABLE_PROTECTED"
    change = pb.UpdateTableRequest(
        platform=DEMO,
        table="dead_letters",
        ttl="rejected_at + INTERVAL 7 DAY",
        update_mask=field_mask_pb2.FieldMask(paths=["ttl"]),
    )
    assert (await data.call("UpdateTable", change)).ttl == "rejected_at + INTERVAL 7 DAY"
    described = await data.call("DescribeSchema", pb.DescribeSchemaRequest(platform=DEMO))
    assert "dead_letters" not in [table.name for table in described.tables]


async def test_a_persons_rejected_rows_go_with_their_data(data: Data) -> None:
    whole = {"timestamp": "2026-01-02T03:04:05Z", "event_type": "ok", "user_id": "4242"}
    await data.call("Ingest", request_of("events", [whole, whole | {"event_type": ""}], "person"))
    assert await letters(data, "user_id = '4242'", "reason") == [["EVENT_TYPE_EMPTY"]]
    request = deletion_pb2.DeleteUserDataRequest(platform=DEMO, user_id="4242", request_id="forget")
    deletion = await data.call("DeleteUserData", request, timeout=60)
    counts = {entry.table: (entry.deleted_count, entry.remaining_count) for entry in deletion.tables}
    assert (counts["dead_letters"], counts["events"]) == ((1, 0), (1, 0))
    assert deletion.tables[0].table == "dead_letters"
    assert await letters(data, "user_id = '4242'") == []


async def test_who_may_not_write_replays_nothing_and_strange_ids_are_refused(data: Data) -> None:
    request = pb.ReplayDeadLettersRequest(platform=DEMO)
    assert (await data.refusal("ReplayDeadLetters", request, user=VIEWER)).reason == "PERMISSION_DENIED"
    strange = pb.ReplayDeadLettersRequest(platform=DEMO, ids=["') OR 1 --"])
    assert (await data.refusal("ReplayDeadLetters", strange)).reason == "INVALID_REQUEST"
    odd = pb.ReplayDeadLettersRequest(platform=DEMO, reason="x' OR 1")
    assert (await data.refusal("ReplayDeadLetters", odd)).reason == "INVALID_REQUEST"
    early = timestamp_pb2.Timestamp(seconds=-1)
    before = pb.ReplayDeadLettersRequest(platform=DEMO, start_time=early)
    assert (await data.refusal("ReplayDeadLetters", before)).reason == "INVALID_REQUEST"


async def test_a_platform_made_before_has_the_table_as_soon_as_it_is_used(data: Data) -> None:
    await data.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=OTHER))
    uid = await data.uid(OTHER)
    await data.warehouse.execute(uid, "DROP TABLE dead_letters SYNC", table="dead_letters")
    await data.call("CreateTable", _table_of(OTHER, "t"))  # reads the tables anew
    bad = pb.IngestRequest(platform=OTHER, table="t")
    bad.rows.add().update({"id": "x"})
    assert (await data.call("Ingest", bad)).receipt.dead_letter_count == 1
    assert await data.rows("SELECT count() FROM dead_letters", platform=OTHER) == [[1]]


def _table_of(platform: str, name: str) -> pb.CreateTableRequest:
    columns = [table_pb2.Column(name="id", type="UInt8")]
    return pb.CreateTableRequest(platform=platform, table=table_pb2.Table(name=name, columns=columns))
