"""StreamQuery on a real engine: whole streams, types, limits, failures midway, slow and absent readers."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psutil
import pyarrow as pa
import pytest
import pytest_asyncio

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs.data.v1 import table_pb2
from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.arrow_results import END_MARK
from aidatalabs_services.data.bootstrap import bootstrap
from aidatalabs_services.data.query_parts import query_limits
from aidatalabs_services.runtime.channels import peer_errors
from aidatalabs_services.runtime.errors import ServiceError
from aidatalabs_services.runtime.testing import ALICE, running
from tests.rpc.data.conftest import DEMO, ROLES, VIEWER, Data, settings_in
from tests.rpc.data.test_data_queries import COLUMNS, ROW, create, insert, running_queries, until_quiet

pytestmark = pytest.mark.asyncio(loop_scope="module")

PIECE_BYTES = 1024 * 1024
SLOW = "SELECT cityHash64(a.n, b.n, c.n) AS x FROM numbered AS a, numbered AS b, numbered AS c WHERE x = 1"
# Much more than every buffer between the engine and a reader holds.
LARGE = "SELECT a.n, repeat('x', 100) AS t FROM numbered AS a, numbered AS b"


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def tables(data: Data) -> None:
    columns = [table_pb2.Column(name=name, type=kind) for name, kind in COLUMNS.items()]
    await create(data, "kinds", columns)
    await insert(data, "kinds", [ROW])
    await create(data, "numbered", [table_pb2.Column(name="n", type="UInt64")], order_by=["n"])
    await insert(data, "numbered", [{"n": number} for number in range(30_000)])
    await create(data, "others", [table_pb2.Column(name="n", type="UInt64")], order_by=["n"])


def started(data: Data, sql: str, *, user: str = ALICE, timeout: float = 20.0) -> Any:
    """A call of StreamQuery that is read by hand."""
    request = pb.StreamQueryRequest(platform=DEMO, sql=sql)
    return data.stub.StreamQuery(request, metadata=data.mint.metadata(user), timeout=timeout)


async def pieces_of(call: Any) -> AsyncIterator[bytes]:
    async for answer in call:
        yield answer.arrow_ipc


async def streamed(data: Data, sql: str, **how: Any) -> list[bytes]:
    """Every piece of a stream; raises the ServiceError it ended with."""
    with peer_errors("data"):
        return [piece async for piece in pieces_of(started(data, sql, **how))]


async def refusal(data: Data, sql: str, **how: Any) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await streamed(data, sql, **how)
    return caught.value


async def test_pieces_joined_are_one_complete_arrow_stream(data: Data) -> None:
    sql = "SELECT a.n AS n, toString(b.n) AS t FROM numbered AS a, numbered AS b WHERE b.n < 10 ORDER BY n, t"
    pieces = await streamed(data, sql, user=VIEWER)
    assert len(pieces) > 3
    assert max(map(len, pieces)) <= PIECE_BYTES
    assert b"".join(pieces).endswith(END_MARK)
    table = pa.ipc.open_stream(b"".join(pieces)).read_all()
    assert table.num_rows == 300_000
    assert table.column("n").to_pylist() == [number for number in range(30_000) for _ in range(10)]
    assert table.slice(0, 10).column("t").to_pylist() == [str(number) for number in range(10)]


async def test_one_row_larger_than_a_piece_is_cut(data: Data) -> None:
    pieces = await streamed(
        data, "SELECT repeat('ab', 500000) AS a, repeat('c', 1000000) AS b, repeat('d', 999999)"
    )
    assert [len(piece) <= PIECE_BYTES for piece in pieces] == [True] * len(pieces)
    (row,) = pa.ipc.open_stream(b"".join(pieces)).read_all().to_pylist()
    assert [set(value) for value in row.values()] == [{"a", "b"}, {"c"}, {"d"}]


async def test_a_result_without_rows_has_its_columns(data: Data) -> None:
    table = pa.ipc.open_stream(
        b"".join(await streamed(data, "SELECT n, toString(n) AS t FROM numbered WHERE n < 0"))
    )
    assert [(field.name, str(field.type)) for field in table.schema] == [("n", "uint64"), ("t", "string")]
    assert table.read_all().num_rows == 0


async def test_types_arrive_as_arrow_has_them_and_say_what_they_were(data: Data) -> None:
    table = pa.ipc.open_stream(b"".join(await streamed(data, "SELECT * FROM kinds"))).read_all()
    (row,) = table.to_pylist()
    told = {
        field.name: (field.metadata or {}).get(b"clickhouse_type", b"").decode() for field in table.schema
    }
    assert told == COLUMNS
    moment = datetime(2026, 7, 1, 12, 0, 0, 250_000, tzinfo=ZoneInfo("UTC"))
    assert row["at"] == moment
    assert str(table.schema.field("at").type) == "timestamp[ms, tz=America/New_York]"
    assert row["second"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=ZoneInfo("UTC"))
    wanted = {
        "id": 18446744073709551615,
        "price": Decimal("1.500"),
        "ratio": 1e20,
        "day": date(2026, 1, 2),
        "state": "done",
        "flag": True,
        "maybe": None,
        "list": [1, 1000000000000000],
        "doubles": [1e16, 2.5],
        "map": [("x", -1000000000000000)],
        "pair": {"a": 999999999999999, "b": "t"},
        "note": ROW["note"],
    }
    assert {name: row[name] for name in wanted} == wanted
    assert int.from_bytes(row["big"], "little", signed=True) == int(ROW["big"])
    assert str(row["uid"]) == ROW["uid"]


async def test_nullable_and_empty_enums_and_times_keep_their_nulls(data: Data) -> None:
    sql = (
        "SELECT if(n = 1, NULL, CAST(if(n = 0, 'a', 'it''s') AS Enum16('a' = -5, 'it''s' = 300))) AS e,"
        " if(n = 1, NULL, toDateTime(n, 'Asia/Tokyo')) AS t FROM numbered WHERE n < 3 ORDER BY n"
    )
    table = pa.ipc.open_stream(b"".join(await streamed(data, sql))).read_all()
    assert table.column("e").to_pylist() == ["a", None, "it's"]
    assert [None if value is None else value.timestamp() for value in table.column("t").to_pylist()] == [
        0,
        None,
        2,
    ]


async def test_a_type_that_arrow_cannot_carry_is_refused_with_its_column(data: Data) -> None:
    refused = await refusal(data, "SELECT n % 2 AS k, sumState(n) AS total FROM numbered GROUP BY k")
    assert (refused.code.name, refused.reason) == ("INVALID_ARGUMENT", "TYPE_NOT_ALLOWED")
    assert refused.metadata["column"] == "total"
    assert "AggregateFunction" in refused.metadata["type"]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("DROP TABLE numbered", "QUERY_NOT_READ_ONLY"),
        ("SELECT n FROM", "QUERY_SYNTAX_INVALID"),
        ("SELECT * FROM nowhere", "TABLE_NOT_KNOWN"),
        ("SELECT nothing FROM numbered", "COLUMN_NOT_KNOWN"),
        ("SELECT note + 1 FROM kinds", "QUERY_FAILED"),
        ("SELECT * FROM url('http://127.0.0.1')", "FUNCTION_NOT_ALLOWED"),
    ],
)
async def test_the_door_of_a_stream_is_that_of_a_query(data: Data, sql: str, reason: str) -> None:
    assert (await refusal(data, sql)).reason == reason


async def test_a_failure_midway_ends_the_stream_with_its_status_and_without_the_end_mark(data: Data) -> None:
    sql = (
        "SELECT repeat('secret', 20) AS s, intDiv(1, toInt64(a.n) - 29999) AS bad"
        " FROM numbered AS a, numbered AS b WHERE b.n < 100"
    )
    got: list[bytes] = []

    async def read() -> None:
        with peer_errors("data"):
            async for piece in pieces_of(started(data, sql)):
                got.append(piece)

    with pytest.raises(ServiceError) as caught:
        await read()
    assert (caught.value.reason, caught.value.metadata["engine_code"]) == ("QUERY_FAILED", "153")
    assert got, "nothing was sent before the failure: this test shows nothing"
    joined = b"".join(got)
    assert not joined.endswith(END_MARK)
    assert b"DB::Exception" not in joined
    assert b"__exception__" not in joined
    assert await data.rows("SELECT 'canary'") == [["canary"]]


async def processes(data: Data) -> list[str]:
    """The queries over `numbered` that the engine itself says it runs."""
    sql = "SELECT query FROM system.processes WHERE query LIKE '%numbered%' AND query NOT LIKE '%processes%'"
    limits = query_limits(settings_in(Path("unused")))
    outcome = await data.warehouse.query(await data.uid(), sql, limits=limits, query_id=uuid.uuid4().hex)
    return [str(row[0]) for row in outcome.rows]


async def until_stopped(data: Data) -> None:
    begun = time.monotonic()
    while found := await processes(data):
        assert time.monotonic() - begun < 3, found
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("sql", [LARGE, SLOW])
async def test_a_reader_who_goes_away_stops_the_query_in_the_engine(data: Data, sql: str) -> None:
    call = started(data, sql)
    if sql is LARGE:
        await call.read()
    else:
        await asyncio.sleep(0.7)
    assert len(await processes(data)) == 1
    call.cancel()
    await until_stopped(data)


async def test_a_stream_is_stopped_in_the_engine_at_the_calls_deadline(data: Data) -> None:
    begun = time.monotonic()
    refused = await refusal(data, SLOW, timeout=1.5)
    assert refused.reason in ("QUERY_TIMEOUT", "DEADLINE_EXCEEDED")
    assert time.monotonic() - begun < 3
    await until_stopped(data)


async def test_a_slow_reader_holds_the_engine_up_and_no_memory_grows(data: Data) -> None:
    here = psutil.Process()
    engines = [psutil.Process(engine.pid) for engine in data.pool.running().values()]
    call = started(data, LARGE)
    await call.read()
    await asyncio.sleep(0.5)
    before = [process.memory_info().rss for process in (here, *engines)]
    for _ in range(3):
        await asyncio.sleep(0.5)
        assert await running_queries(data) == 1
        await call.read()
    grown = [process.memory_info().rss - rss for process, rss in zip((here, *engines), before, strict=True)]
    assert max(grown) < 64 * 1024**2, grown
    call.cancel()
    await until_quiet(data)


async def test_a_stream_of_many_pieces_is_as_large_as_its_rows(data: Data) -> None:
    sql = "SELECT a.n AS n, b.n AS m FROM numbered AS a, numbered AS b WHERE b.n < 100"
    rows = 0
    reader = b"".join(await streamed(data, sql))
    for batch in pa.ipc.open_stream(reader):
        rows += batch.num_rows
    assert rows == 3_000_000
    assert await running_queries(data) == 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def impatient(data: Data, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Data]:
    """A second service on the same engine, which waits only 1.5 s for readers."""
    settings = settings_in(tmp_path_factory.mktemp("impatient"), stream_stall_seconds=1.5)
    async with running(
        bootstrap(settings, warehouse=Kept(data.warehouse)), mint=data.mint, roles=ROLES
    ) as channel:
        yield replace(data, stub=pb_grpc.DataServiceStub(channel))


class Kept:
    """The warehouse of somebody else, who closes it."""

    def __init__(self, warehouse: ClickHouseWarehouse) -> None:
        self._warehouse = warehouse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._warehouse, name)

    async def close(self) -> None:
        """Leaves it open."""


async def test_a_viewer_who_opens_streams_and_does_not_read_stops_nobody_else(data: Data) -> None:
    calls = [started(data, LARGE, user=VIEWER) for _ in range(16)]

    async def first(call: Any) -> None:
        with peer_errors("data"):
            assert (await call.read()).arrow_ipc

    begun = time.monotonic()
    got = await asyncio.gather(*map(first, calls), return_exceptions=True)
    assert time.monotonic() - begun < 5
    refused = [each for each in got if isinstance(each, ServiceError)]
    assert (got.count(None), len(refused)) == (5, 11)
    assert {(each.reason, each.retry_after_seconds) for each in refused} == {("OVERLOADED", 1.0)}
    assert {(each.metadata["limit"], each.metadata["most"]) for each in refused} == {
        ("queries of one user", "5")
    }
    assert len(await processes(data)) == 5
    begun = time.monotonic()
    assert await data.rows("SELECT 'owner'") == [["owner"]]
    await data.call("ListTables", pb.ListTablesRequest(platform=DEMO))
    await insert(data, "others", [{"n": 1}])
    assert await data.rows("SELECT count() > 0 FROM others") == [[True]]
    assert time.monotonic() - begun < 5
    for call in calls:
        call.cancel()
    await until_stopped(data)


async def test_a_stream_that_nobody_reads_is_ended_with_its_reason_and_stopped_in_the_engine(
    data: Data, impatient: Data
) -> None:
    call = started(impatient, LARGE)
    reading = aiter(pieces_of(call))
    pieces = [await anext(reading)]
    await asyncio.sleep(0.5)
    assert len(await processes(data)) == 1
    await asyncio.sleep(1.5)
    await until_stopped(data)

    async def rest() -> None:
        with peer_errors("data"):
            async for piece in reading:
                pieces.append(piece)

    with pytest.raises(ServiceError) as caught:
        await rest()
    assert (caught.value.reason, caught.value.metadata["stall_seconds"]) == ("DEADLINE_EXCEEDED", "1.5")
    assert not pieces[-1].endswith(END_MARK)


async def test_a_reader_who_pauses_for_less_than_the_stall_gets_the_whole_stream(impatient: Data) -> None:
    call = started(
        impatient, "SELECT a.n, repeat('x', 100) AS t FROM numbered AS a, numbered AS b WHERE b.n < 20"
    )
    pieces = []
    async for piece in pieces_of(call):
        pieces.append(piece)
        if len(pieces) in (1, 20, 40):
            await asyncio.sleep(1.0)
    assert b"".join(pieces).endswith(END_MARK)
