"""Rows that are kept, shared and never stale; limits that a caller lowers; the budget of a day."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
import pytest_asyncio

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import deletion_pb2, table_pb2
from aidatalabs_services.data import functions
from aidatalabs_services.runtime.channels import peer_errors
from aidatalabs_services.runtime.errors import ServiceError
from aidatalabs_services.runtime.testing import ALICE
from tests.rpc.data.conftest import DEMO, VIEWER, Data, python
from tests.rpc.data.test_data_queries import SLOW, create, query, until_quiet

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROWS = 30_000


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def tables(data: Data) -> None:
    await create(data, "numbered", [table_pb2.Column(name="n", type="UInt64")], order_by=["n"])
    fill = f"INSERT INTO numbered SELECT number FROM numbers({ROWS})"
    await data.warehouse.execute(await data.uid(), fill, table="numbered")
    await create(data, "growing", [table_pb2.Column(name="n", type="UInt64")], order_by=["n"])


async def add(data: Data, number: int, table: str = "growing") -> None:
    await data.warehouse.insert_block(
        await data.uid(),
        table,
        ["n"],
        f'{{"n":{number}}}'.encode(),
        format_name="JSONEachRow",
        token=f"r{number}",
    )


async def ask(
    data: Data, sql: str, staleness: float = 0.0, user: str = ALICE, **rest: Any
) -> pb.QueryResponse:
    request = query(sql, **rest)
    if staleness:
        request.max_staleness.FromMilliseconds(round(staleness * 1000))
    answer: pb.QueryResponse = await data.call("Query", request, user=user)
    return answer


async def drained(data: Data, method: str, request: Any) -> None:
    """Reads a stream to its end; raises the ServiceError that its status carries."""
    with peer_errors("data"):
        async for _ in getattr(data.stub, method)(request, metadata=data.mint.metadata(), timeout=20):
            pass


async def test_an_engine_that_counts_anew_after_all_rows_expired_gives_new_rows(data: Data) -> None:
    uid = await data.uid()
    await data.warehouse.execute(
        uid,
        "CREATE TABLE fleeting (n UInt64, t DateTime) ENGINE = MergeTree ORDER BY n TTL t + INTERVAL 1 DAY "
        "SETTINGS merge_with_ttl_timeout = 0, old_parts_lifetime = 0",
        table="fleeting",
    )
    insert = "INSERT INTO fleeting SELECT {0}, now() - INTERVAL {1} SECOND"
    await data.warehouse.execute(uid, insert.format(1, 86_398), table="fleeting")
    before = (await data.warehouse.fingerprints(uid))["fleeting"]
    async with asyncio.timeout(20):
        while (await data.warehouse._rows(uid, "SELECT count() FROM fleeting"))[0][0]:
            await asyncio.sleep(0.5)
            await data.warehouse.execute(uid, "OPTIMIZE TABLE fleeting FINAL", table="fleeting")
        parts = "SELECT count() FROM system.parts WHERE table = 'fleeting'"
        while (await data.warehouse._rows(uid, parts))[0][0]:
            await asyncio.sleep(0.2)
            gone = "ALTER TABLE fleeting DROP PARTITION ID 'none'"
            await data.warehouse.execute(uid, gone, table="fleeting")
    # An engine that starts reads the table from its files, and none says how far it had counted.
    assert await data.pool._stop_unleased(data.pool._slot(uid))
    await data.warehouse.execute(uid, insert.format(2, 0), table="fleeting")
    blocks = "SELECT max_block_number FROM system.parts WHERE table = 'fleeting' AND active"
    assert (await data.warehouse._rows(uid, blocks)) == [[1]]
    assert (await data.warehouse.fingerprints(uid))["fleeting"] != before
    await data.warehouse.execute(uid, "DROP TABLE fleeting SYNC", table="fleeting")


async def test_a_query_over_tables_that_nobody_writes_to_reads_their_version_once(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = await ask(data, "SELECT count() FROM numbered WHERE n < 101")
    real, readings = data.warehouse.fingerprints, 0

    async def fingerprints(uid: str) -> Any:
        nonlocal readings
        readings += 1
        return await real(uid)

    monkeypatch.setattr(data.warehouse, "fingerprints", fingerprints)
    for number in range(3):
        await asyncio.sleep(0.3)
        answer = await ask(data, f"SELECT count() FROM numbered WHERE n < {200 + number}")
        assert (answer.statistics.cached, answer.data_version) == (False, known.data_version)
    assert readings == 3


async def test_what_was_read_before_a_deletion_is_given_to_nobody_after(data: Data) -> None:
    await add(data, 7_000_001)
    sql = "SELECT count() FROM growing WHERE n = 7000001"
    first = await ask(data, sql)
    assert python(first.result.rows[0]) == [1]
    wanted = deletion_pb2.DeleteRowsRequest(platform=DEMO, table="growing", filter="n = 7000001")
    done = await data.call("DeleteRows", wanted, timeout=60.0)
    assert done.state == deletion_pb2.Deletion.DONE
    aged = await ask(data, sql, staleness=3600)
    assert (aged.statistics.cached, python(aged.result.rows[0])) == (False, [0])


async def test_a_repeated_query_is_served_from_kept_rows_until_a_row_comes(data: Data) -> None:
    sql = "SELECT count() AS c, sum(n) AS s FROM growing WHERE n >= 0"
    first = await ask(data, sql)
    again = await ask(data, "select COUNT() as c,  sum(n) AS s from growing where n>=0")
    assert (first.statistics.cached, again.statistics.cached) == (False, False)  # COUNT is written otherwise
    again = await ask(data, "select  count() as c,  sum(n) AS s from growing where n>=0", user=VIEWER)
    assert again.statistics.cached
    assert (again.result, again.data_version) == (first.result, first.data_version)
    assert again.statistics.age_seconds == 0
    assert again.statistics.read_rows == first.statistics.read_rows
    assert (again.statistics.cost_rows, first.statistics.cost_rows) == (0, first.statistics.read_rows)
    assert again.statistics.result_rows == 1
    assert again.statistics.result_bytes == first.result.ByteSize()
    await add(data, 1)
    after = await ask(data, sql)
    assert not after.statistics.cached
    assert python(after.result.rows[0]) == [1, 1]
    assert after.data_version not in ("", first.data_version)


async def test_rows_acknowledged_before_a_query_are_always_in_its_answer(data: Data) -> None:
    """Many readers of one text while rows come in: nobody is ever given fewer than were acknowledged."""
    sql = "SELECT count() FROM growing WHERE n >= 1000"
    acknowledged, sources = 0, set()
    stop = False

    async def writer() -> None:
        nonlocal acknowledged, stop
        for number in range(1000, 1012):
            await add(data, number)
            acknowledged += 1
            await asyncio.sleep(0.02)
        stop = True

    async def reader() -> None:
        while not stop:
            known = acknowledged
            answer = await ask(data, sql)
            sources.add(answer.statistics.cached)
            assert python(answer.result.rows[0])[0] >= known

    await asyncio.gather(writer(), *(reader() for _ in range(6)))
    assert sources == {True, False}


async def test_max_rows_is_part_of_what_is_kept(data: Data) -> None:
    sql = "SELECT n FROM numbered ORDER BY n"
    counts = [(await ask(data, sql, max_rows=rows)).result.row_count for rows in (2, 3, 2, 1000, 0)]
    assert counts == [2, 3, 2, 1000, 1000]


async def test_an_accepted_age_spares_the_engine_and_says_how_old_the_rows_are(data: Data) -> None:
    sql = "SELECT max(n) + 0 FROM growing"
    first = await ask(data, sql)
    await add(data, 2_000)
    old = await ask(data, sql, staleness=60)
    assert (old.result, old.data_version) == (first.result, first.data_version)
    assert old.statistics.cached
    assert 0 < old.statistics.age_seconds < 60
    await asyncio.sleep(0.05)
    newer = await ask(data, sql, staleness=0.04)
    assert python(newer.result.rows[0]) == [2_000]
    assert not newer.statistics.cached
    assert (await ask(data, sql)).statistics.cached


@pytest.mark.parametrize("seconds", [-1, 86_401])
async def test_an_age_that_nobody_may_accept_is_refused(data: Data, seconds: int) -> None:
    request = query("SELECT 1")
    request.max_staleness.seconds = seconds
    refused = await data.refusal("Query", request)
    assert (refused.reason, refused.violations[0].field) == ("INVALID_REQUEST", "max_staleness")


async def test_what_depends_on_the_time_is_kept_for_those_who_accept_an_age_alone(data: Data) -> None:
    sql = "SELECT now64(6) AS t FROM numbered LIMIT 1"
    first, second = await ask(data, sql), await ask(data, sql)
    assert first.result != second.result
    assert first.data_version == second.data_version != ""
    third, fourth = await ask(data, sql, staleness=60), await ask(data, sql, staleness=60)
    assert third.result == fourth.result
    assert fourth.statistics.cached
    fifth = await ask(data, sql)
    assert fifth.result not in (first.result, third.result)


async def test_what_depends_on_chance_is_never_kept(data: Data) -> None:
    sql = "SELECT generateUUIDv4() FROM numbered LIMIT 1"
    answers = [await ask(data, sql, staleness=60) for _ in range(3)]
    assert len({str(answer.result) for answer in answers}) == 3
    assert not any(answer.statistics.cached for answer in answers)


async def test_a_column_named_like_a_function_costs_only_the_cache(data: Data) -> None:
    answers = [await ask(data, "SELECT n AS today FROM numbered LIMIT 1") for _ in range(2)]
    assert not answers[1].statistics.cached
    answers = [await ask(data, "SELECT 'now()' AS x, n FROM numbered LIMIT 1") for _ in range(2)]
    assert answers[1].statistics.cached


async def test_every_allowed_function_that_the_engine_calls_not_deterministic_is_known(data: Data) -> None:
    found = await data.warehouse._rows(
        await data.uid(), "SELECT name FROM system.functions WHERE deterministic = 0"
    )
    known = functions.TIME_FUNCTIONS | functions.CHANCE_FUNCTIONS
    unknown = {name for (name,) in found if functions.is_allowed(name) and name.casefold() not in known}
    # Settled by the rows, the types and the session's settings, which are the same for every query.
    settled = {"timezone", "totypename", "tocolumntypename", "bytesize", "ignore", "identity", "materialize"}
    # Called so by the engine because they make rows, or leave the order of some elements open.
    settled |= {
        "arrayjoin",
        "arraypartialsort",
        "arraypartialreversesort",
        "financialnetpresentvalueextended",
    }
    assert {name.casefold() for name in unknown} <= settled, unknown


async def test_a_table_made_anew_is_not_answered_from_the_old_one(data: Data) -> None:
    seen = []
    for number in (5, 6):
        await create(data, "renewed", [table_pb2.Column(name="n", type="UInt64")], order_by=["n"])
        await add(data, number, "renewed")
        answer = await ask(data, "SELECT n FROM renewed")
        seen.append((answer.statistics.cached, python(answer.result.rows[0])))
        await data.call("DropTable", pb.DropTableRequest(platform=DEMO, table="renewed"))
    assert seen == [(False, [5]), (False, [6])]
    refused = await data.refusal("Query", query("SELECT n FROM renewed"))
    assert refused.reason == "TABLE_NOT_KNOWN"


async def test_callers_at_the_same_time_share_one_run_in_the_engine(data: Data) -> None:
    sql = "SELECT sum(cityHash64(a.n, b.n)) FROM numbered AS a, numbered AS b WHERE b.n < 300"
    answers = await asyncio.gather(*(ask(data, sql, user=user) for user in (ALICE, VIEWER) for _ in range(8)))
    assert len({answer.SerializeToString(deterministic=True) for answer in answers}) <= 3
    run = [answer for answer in answers if not answer.statistics.cached]
    assert len(run) == 1
    assert sum(answer.statistics.cost_rows for answer in answers) == run[0].statistics.read_rows


async def processes(data: Data) -> int:
    """Slow queries that the engine itself lists."""
    rows = await data.warehouse._rows(
        await data.uid(),
        "SELECT count() FROM system.processes WHERE query LIKE '%Hash64(%a%b%c%' AND query NOT LIKE '%sses%'",
    )
    return int(rows[0][0])


async def until(data: Data, count: int) -> None:
    begun = time.monotonic()
    while await processes(data) != count:
        assert time.monotonic() - begun < 2, f"the engine lists {await processes(data)} queries"
        await asyncio.sleep(0.02)


async def test_a_shared_run_goes_on_for_who_stays_and_is_killed_when_the_last_one_leaves(data: Data) -> None:
    calls = [asyncio.create_task(data.call("Query", query(SLOW))) for _ in range(3)]
    await until(data, 1)
    for call in calls[:2]:
        call.cancel()
    await asyncio.sleep(0.3)
    assert await processes(data) == 1
    calls[2].cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await until(data, 0)
    await until_quiet(data)


async def test_a_caller_lowers_the_time_of_a_query_and_never_raises_it(data: Data) -> None:
    begun = time.monotonic()
    refused = await data.refusal("Query", query(SLOW, max_seconds=0.4))
    assert (refused.code.name, refused.reason) == ("DEADLINE_EXCEEDED", "QUERY_TIMEOUT")
    assert refused.metadata["limit_seconds"] == "0.4"
    assert time.monotonic() - begun < 2
    await until(data, 0)
    refused = await data.refusal("Query", query(SLOW, max_seconds=3000))
    assert (refused.reason, refused.metadata["limit_seconds"]) == ("QUERY_TIMEOUT", "3")
    refused = await data.refusal("Query", query(SLOW, max_seconds=-1))
    assert refused.reason == "INVALID_REQUEST"
    refused = await data.refusal("Query", query(SLOW, max_seconds=float("nan")))
    assert refused.reason == "INVALID_REQUEST"


async def test_a_caller_with_little_time_leaves_the_others_their_run(data: Data) -> None:
    patient = asyncio.create_task(data.refusal("Query", query(SLOW)))
    await until(data, 1)
    refused = await data.refusal("Query", query(SLOW, max_seconds=0.2))
    assert refused.metadata["limit_seconds"] == "0.2"
    assert await processes(data) == 1
    assert (await patient).metadata["limit_seconds"] == "3"
    await until(data, 0)


async def test_a_stream_and_an_export_have_the_time_that_the_caller_gives(data: Data) -> None:
    request = pb.ExportRequest(platform=DEMO, sql=SLOW, format=pb.ExportRequest.CSV, max_seconds=0.3)
    for method, asked in (
        ("Export", request),
        ("StreamQuery", pb.StreamQueryRequest(platform=DEMO, sql=SLOW, max_seconds=0.3)),
    ):
        begun = time.monotonic()
        with pytest.raises(ServiceError) as caught:
            await drained(data, method, asked)
        assert caught.value.code.name == "DEADLINE_EXCEEDED"
        assert time.monotonic() - begun < 2.5
    await until_quiet(data)


async def test_explain_says_what_a_query_will_read_and_take(data: Data) -> None:
    sql = "SELECT sum(n) FROM numbered"
    request = pb.ExplainQueryRequest(platform=DEMO, sql=sql)
    before = await data.call("ExplainQuery", request)
    assert (before.estimated_rows, before.estimated_bytes) == (ROWS, 8 * ROWS)
    assert before.estimated_parts >= 1
    assert before.estimated_marks >= 4
    assert 0 < before.estimated_seconds < 5
    assert not before.HasField("budget_left_rows")
    answer = await ask(data, sql)
    assert (answer.statistics.read_rows, answer.statistics.read_bytes) == (ROWS, 8 * ROWS)
    assert not answer.statistics.HasField("budget_left_rows")
    nothing = await data.call("ExplainQuery", pb.ExplainQueryRequest(platform=DEMO, sql="SELECT 1"))
    assert (nothing.estimated_rows, nothing.estimated_bytes, nothing.estimated_marks) == (0, 0, 0)
