"""Rows go for good by a condition or by person, with evidence; nothing else goes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import deletion_pb2 as dpb
from aidatalabs.data.v1 import ingest_pb2, table_pb2
from aidatalabs_services.runtime.errors import ServiceError
from tests.rpc.data.conftest import DEMO, VIEWER, Data

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def make(data: Data, name: str, *columns: tuple[str, str], **more: Any) -> None:
    """A table; `more` are fields of the contract's Table."""
    made = table_pb2.Table(
        name=name, columns=[table_pb2.Column(name=each, type=kind) for each, kind in columns], **more
    )
    await data.call("CreateTable", pb.CreateTableRequest(platform=DEMO, table=made))


async def put(data: Data, table: str, *rows: dict[str, Any], request_id: str = "") -> ingest_pb2.Receipt:
    """Ingests rows."""
    request = pb.IngestRequest(platform=DEMO, table=table, request_id=request_id)
    for row in rows:
        request.rows.add().update(row)
    answer: pb.IngestResponse = await data.call("Ingest", request)
    return answer.receipt


async def delete(data: Data, table: str, condition: str, **more: Any) -> dpb.Deletion:
    """DeleteRows."""
    request = dpb.DeleteRowsRequest(platform=DEMO, table=table, filter=condition, **more)
    deletion: dpb.Deletion = await data.call("DeleteRows", request, timeout=60.0)
    return deletion


async def refused(data: Data, table: str, condition: str, **more: Any) -> ServiceError:
    """The refusal of a DeleteRows."""
    request = dpb.DeleteRowsRequest(platform=DEMO, table=table, filter=condition, **more)
    return await data.refusal("DeleteRows", request)


def event(second: int, kind: str, user: int, value: float) -> dict[str, Any]:
    """A row of `events` that many seconds into January 2026."""
    day, rest = divmod(second, 86_400)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    when = f"2026-01-{day + 1:02}T{clock}Z" if day < 31 else f"2026-02-{day - 30:02}T{clock}Z"
    return {"timestamp": when, "event_type": kind, "user_id": str(user), "value": value, "properties": {}}


SUMS = "SELECT hour, event_type, sum(events), sum(total_value) FROM events_hourly GROUP BY hour, event_type"
ANEW = (
    "SELECT toStartOfHour(timestamp) AS hour, event_type, count(), sum(value) FROM events "
    "GROUP BY hour, event_type"
)


async def hourly_is_true(data: Data) -> bool:
    """Whether the roll-up is what the events give."""
    order = " ORDER BY hour, event_type"
    kept = await data.rows(SUMS + order, max_rows=10_000)
    return kept == await data.rows(ANEW + order, max_rows=10_000)


async def test_rows_that_match_go_with_evidence_and_no_others(data: Data) -> None:
    await make(data, "orders", ("id", "UInt32"), ("note", "Nullable(String)"))
    await put(
        data, "orders", *({"id": each, "note": f"n{each}" if each % 3 else None} for each in range(100))
    )
    done = await delete(data, "orders", "id < 10 OR note = 'n50' -- test rows")
    (table,) = done.tables
    assert done.state == dpb.Deletion.DONE
    assert (table.matched_count, table.deleted_count, table.remaining_count) == (11, 11, 0)
    assert table.filter == "id < 10 OR note = 'n50'"
    assert len(table.filter_sha256) == 64
    assert table.data_version_before != table.data_version_after
    assert table.physically_removed
    assert done.user.startswith("users/")
    assert done.end_time.ToNanoseconds() >= done.create_time.ToNanoseconds() > 0
    left = await data.rows("SELECT id FROM orders ORDER BY id", max_rows=200)
    assert [row[0] for row in left] == [each for each in range(10, 100) if each != 50]
    found = await data.call("GetDeletion", dpb.GetDeletionRequest(platform=DEMO, deletion=done.name[-22:]))
    assert found == done
    # NULL is no match, so these stay.
    assert (await delete(data, "orders", "NOT (note = 'n11')")).tables[0].matched_count == 58


async def test_the_rows_are_in_no_file_any_more(data: Data) -> None:
    await make(data, "letters", ("id", "UInt32"), ("body", "String"))
    word = "zuckerwattenmaschine"
    await put(data, "letters", {"id": 1, "body": word}, {"id": 2, "body": "kept"})
    root = data.directory
    assert word.encode() in everything(root)
    done = await delete(data, "letters", "id = 1")
    assert done.tables[0].physically_removed
    assert word.encode() not in everything(root)
    assert await data.rows("SELECT body FROM letters") == [["kept"]]


def everything(root: Path) -> bytes:
    """The bytes of every file below."""
    return b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())


async def test_a_dry_run_and_a_count_too_large_delete_nothing(data: Data) -> None:
    await make(data, "kept", ("id", "UInt32"))
    await put(data, "kept", *({"id": each} for each in range(7)))
    counted = await delete(data, "kept", "id < 5", dry_run=True)
    assert (counted.name, counted.dry_run) == ("", True)
    assert (counted.tables[0].matched_count, counted.tables[0].deleted_count) == (5, 0)
    assert counted.tables[0].remaining_count == 5
    error = await refused(data, "kept", "id < 5", max_count=4)
    assert (error.code.name, error.reason) == ("FAILED_PRECONDITION", "DELETION_TOO_LARGE")
    assert error.metadata["matched_count"] == "5"
    assert (await refused(data, "kept", "id < 5", max_count=-1)).reason == "INVALID_REQUEST"
    assert await data.rows("SELECT count() FROM kept") == [[7]]
    assert (await delete(data, "kept", "id < 5", max_count=5)).tables[0].deleted_count == 5


async def test_the_same_request_gets_the_first_answer(data: Data) -> None:
    await make(data, "again", ("id", "UInt32"))
    await put(data, "again", {"id": 1}, {"id": 2})
    first = await delete(data, "again", "id = 1", request_id="del-1")
    await put(data, "again", {"id": 1})
    assert await delete(data, "again", "id = 1", request_id="del-1") == first
    assert await data.rows("SELECT count() FROM again") == [[2]]
    assert (await refused(data, "again", "id = 2", request_id="del-1")).reason == "IDEMPOTENCY_MISMATCH"
    together = await asyncio.gather(*(delete(data, "again", "id = 2", request_id="del-2") for _ in range(4)))
    assert len({each.name for each in together}) == 1
    assert together[0].tables[0].deleted_count == 1


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("id = 1) OR (1 = 1", "QUERY_SYNTAX_INVALID"),
        ("id IN (SELECT id FROM fences)", "QUERY_CONSTRUCT_NOT_ALLOWED"),
        ("id = 1; DROP TABLE fences", "QUERY_NOT_READ_ONLY"),
        ("arrayJoin([1, 2]) = id", "QUERY_CONSTRUCT_NOT_ALLOWED"),
        ("rand() % 2 = 0", "QUERY_CONSTRUCT_NOT_ALLOWED"),
        ("file('x') = 'a'", "FUNCTION_NOT_ALLOWED"),
        ("nope = 1", "COLUMN_NOT_KNOWN"),
        ("_part = 'all_1_1_0'", "COLUMN_NOT_KNOWN"),
        ("count() > 1", "QUERY_FAILED"),
        ("toUInt8(note) = 1", "QUERY_FAILED"),
        ("note", "QUERY_FAILED"),
        ("", "INVALID_REQUEST"),
    ],
)
async def test_a_filter_passes_the_door_or_is_refused(data: Data, condition: str, reason: str) -> None:
    await make(data, "fences", ("id", "UInt32"), ("note", "String"))
    if not (await data.rows("SELECT count() FROM fences"))[0][0]:
        await put(data, "fences", {"id": 1, "note": "a"}, {"id": 2, "note": "b"})
    assert (await refused(data, "fences", condition)).reason == reason
    assert await data.rows("SELECT count() FROM fences") == [[2]]


async def test_what_is_not_there_or_not_allowed_is_refused(data: Data) -> None:
    assert (await refused(data, "nowhere", "1")).reason == "TABLE_NOT_FOUND"
    assert (await refused(data, "events_hourly", "1")).reason == "TABLE_PROTECTED"
    request = dpb.DeleteRowsRequest(platform=DEMO, table="events", filter="1")
    assert (await data.refusal("DeleteRows", request, user=VIEWER)).reason == "PERMISSION_DENIED"
    missing = dpb.GetDeletionRequest(platform=DEMO, deletion="0")
    assert (await data.refusal("GetDeletion", missing)).reason == "DELETION_NOT_FOUND"


async def test_the_hourly_roll_up_follows_deleted_events(data: Data) -> None:
    rows = [
        event(each * 3600 * 7, f"t{each % 3}", each % 5, 0.25 * each) for each in range(130)
    ]  # 37 days, two months
    await put(data, "events", *rows)
    assert await hourly_is_true(data)
    done = await delete(data, "events", "user_id = 3 OR timestamp >= '2026-02-01'")
    assert done.tables[0].deleted_count == done.tables[0].matched_count > 40
    assert await hourly_is_true(data)
    await put(data, "events", event(5, "later", 1, 1.0))
    assert await hourly_is_true(data)


async def test_a_persons_rows_go_from_every_table_also_from_dropped_ones(data: Data) -> None:
    await delete(data, "events", "1 = 1")
    await make(data, "texts", ("user_id", "String"), ("x", "UInt8"))
    await make(data, "maybe", ("user_id", "Nullable(Int16)"), ("x", "UInt8"))
    await make(data, "lists", ("user_id", "Array(UInt8)"))
    await make(data, "gone_one", ("user_id", "LowCardinality(String)"))
    await put(data, "events", event(1, "a", 42, 1.0), event(2, "a", 43, 1.0))
    await put(data, "texts", {"user_id": "42", "x": 1}, {"user_id": "x'42", "x": 2})
    await put(data, "maybe", {"user_id": 42, "x": 1}, {"user_id": None, "x": 2})
    await put(data, "gone_one", {"user_id": "42"}, {"user_id": "7"})
    await data.call("DropTable", pb.DropTableRequest(platform=DEMO, table="gone_one"))
    request = dpb.DeleteUserDataRequest(platform=DEMO, user_id="42", request_id="person-42")
    done = await data.call("DeleteUserData", request, timeout=60.0)
    entries = {table.table: table for table in done.tables}
    assert {name: table.deleted_count for name, table in entries.items()} == {
        "dead_letters": 0, "events": 1, "texts": 1, "maybe": 1, "lists": 0, "gone_one": 1,
    }  # fmt: skip
    assert entries["gone_one"].dropped
    assert entries["lists"].state == dpb.TableDeletion.NOT_SEARCHED
    assert (done.user_id, done.state) == ("42", dpb.Deletion.DONE)
    assert all(table.remaining_count == 0 for name, table in entries.items() if name != "lists")
    assert await hourly_is_true(data)
    await data.call("UndropTable", pb.UndropTableRequest(platform=DEMO, table="gone_one"))
    assert await data.rows("SELECT user_id FROM gone_one") == [["7"]]
    quoted = dpb.DeleteUserDataRequest(platform=DEMO, user_id="x'42")
    done = await data.call("DeleteUserData", quoted, timeout=60.0)
    assert {table.table: table.deleted_count for table in done.tables}["texts"] == 1
    nobody = dpb.DeleteUserDataRequest(platform=DEMO, user_id="0")
    assert (await data.refusal("DeleteUserData", nobody)).reason == "INVALID_REQUEST"


async def test_a_table_whose_rows_are_being_deleted_is_not_dropped_and_a_short_call_learns_where_to_look(
    data: Data,
) -> None:
    await make(data, "busy", ("id", "UInt64"))
    await put(data, "busy", {"id": 1})
    uid = await data.uid()
    insert = "INSERT INTO busy SELECT number FROM numbers(1000000)"
    await data.warehouse.execute(uid, insert, table="busy")
    slow = "cityHash64(toString(sipHash64(toString(id)))) % 7 = 3 OR length(hex(SHA256(toString(id)))) = 0"
    request = dpb.DeleteRowsRequest(platform=DEMO, table="busy", filter=slow, request_id="slow")
    deleting = asyncio.create_task(data.call("DeleteRows", request, timeout=60.0))
    drop = pb.DropTableRequest(platform=DEMO, table="busy")
    listing = dpb.ListDeletionsRequest(platform=DEMO, page_size=1)
    async with asyncio.timeout(20):
        while [one.tables[0].table for one in (await data.call("ListDeletions", listing)).deletions] != [
            "busy"
        ]:
            await asyncio.sleep(0.01)
    refused_drop = await data.refusal("DropTable", drop)
    assert (refused_drop.code.name, refused_drop.reason) == ("ABORTED", "TABLE_BUSY")
    assert refused_drop.retry_after_seconds
    # The same request with little time: it joins, and answers with what is reached.
    running = await data.call("DeleteRows", request, timeout=0.7)
    assert running.state in (dpb.Deletion.RUNNING, dpb.Deletion.DONE)
    receipt = await put(data, "busy", {"id": 3})  # acknowledged meanwhile, stored when the deletion is over
    assert receipt.accepted_count == 1
    done = await deleting
    assert done.name == running.name
    assert done.tables[0].deleted_count == done.tables[0].matched_count > 100_000
    await data.call("DropTable", drop)


async def test_deletions_are_listed_the_latest_first(data: Data) -> None:
    seen, token = [], ""
    while True:
        request = dpb.ListDeletionsRequest(platform=DEMO, page_size=2, page_token=token)
        page = await data.call("ListDeletions", request)
        seen += [one.name for one in page.deletions]
        token = page.next_page_token
        if not token:
            break
    assert len(seen) == len(set(seen)) > 3
    assert seen == sorted(seen, reverse=True)


async def test_what_a_time_to_live_took_stays_in_the_roll_up(data: Data) -> None:
    await delete(data, "events", "1 = 1")
    await put(data, "events", *(event(each, "old", each, 1.0) for each in range(10)))
    # As a time to live does: rows go, the roll-up keeps its sums.
    uid = await data.uid()
    await data.warehouse.execute(uid, "ALTER TABLE events DELETE WHERE user_id < 4", table="events")
    while await data.rows("SELECT count() FROM events WHERE user_id < 4") != [[0]]:
        await asyncio.sleep(0.02)
    await delete(data, "events", "user_id = 9")
    assert await data.rows("SELECT sum(events), sum(total_value) FROM events_hourly") == [[9, 9.0]]
