"""Ten queries of a dashboard over `events`, answered from roll-ups and from the rows, through the data
service.

The engine makes the rows itself (30 days up to now, eight types, 100,000 users) and the roll-ups' views take
them in as they come; the same rows into a table without views are the peer of that. Every query runs in turns
with roll-ups and without, over gRPC, with the relative error that dashboards allow.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.servers import EmbeddedServers
from aidatalabs_services.data.bootstrap import bootstrap, engine_pool
from aidatalabs_services.data.settings import DataSettings
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.testing import ALICE, StaticRoles, TokenMint, running
from benchmarks.results import Row, percentile, row

DEFAULT_ROWS = 10_000_000
_PLATFORM = "platforms/bench"
_ROUNDS = 5
_MANY_ROWS = 200_000_000
_PIECE = 2_000_000
_ERROR = 0.01
_TIMEOUT_SECONDS = 60.0
Query = Callable[[pb.QueryRequest], Awaitable[pb.QueryResponse]]
QUERIES = {
    "events per hour, 24 h": "SELECT toStartOfHour(timestamp) AS h, count() FROM events "
    "WHERE timestamp >= now() - INTERVAL 24 HOUR GROUP BY h ORDER BY h",
    "events by type, 7 d": "SELECT event_type, count() AS n FROM events "
    "WHERE timestamp >= now() - INTERVAL 7 DAY GROUP BY event_type ORDER BY n DESC",
    "users per day": "SELECT toDate(timestamp) AS d, uniq(user_id) FROM events GROUP BY d ORDER BY d",
    "value per day and type": "SELECT toDate(timestamp) AS d, event_type, sum(value) FROM events "
    "GROUP BY d, event_type ORDER BY d, event_type",
    "mean value by type": "SELECT event_type, avg(value) FROM events GROUP BY event_type ORDER BY event_type",
    "p95 by type, 7 d": "SELECT event_type, quantile(0.95)(value) FROM events "
    "WHERE timestamp >= now() - INTERVAL 7 DAY GROUP BY event_type ORDER BY event_type",
    "this month's figures": "SELECT count(), uniq(user_id), max(timestamp) FROM events "
    "WHERE timestamp >= toStartOfMonth(now())",
    "top types by value": "SELECT event_type, sum(value) AS v FROM events "
    "GROUP BY event_type ORDER BY v DESC LIMIT 5",
    "weekday and hour": "SELECT toDayOfWeek(timestamp) AS w, toHour(timestamp) AS h, count() FROM events "
    "GROUP BY w, h ORDER BY w, h",
    "share that buys, 14 d": "SELECT toDate(timestamp) AS d, countIf(event_type = 'buy') / count() "
    "FROM events WHERE timestamp >= today() - INTERVAL 14 DAY GROUP BY d ORDER BY d",
}


def run(row_count: int = DEFAULT_ROWS) -> list[Row]:
    """Milliseconds with and without roll-ups, rows read, and what the views cost an insert."""
    return asyncio.run(_run(row_count))


async def _run(row_count: int) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="aidatalabs-rollups-") as folder:
        settings = DataSettings(
            listen_address="127.0.0.1:0",
            jwks_url="http://127.0.0.1:9",
            directory=Path(folder),
            query_seconds=_TIMEOUT_SECONDS,
            cache_entry_bytes=0,  # every query is run, none answered from a kept result
        )
        warehouse = ClickHouseWarehouse(EmbeddedServers(engine_pool(settings)))
        roles = StaticRoles(platforms={(_PLATFORM, ALICE): Role.ADMIN})
        mint = TokenMint()
        async with running(bootstrap(settings, warehouse=warehouse), mint=mint, roles=roles) as channel:
            ready: grpc.aio.Channel = channel
            stub = pb_grpc.DataServiceStub(ready)
            await stub.ProvisionPlatform(
                pb.ProvisionPlatformRequest(platform=_PLATFORM),
                metadata=mint.metadata(ALICE),
                timeout=_TIMEOUT_SECONDS,
            )
            uid = (await roles.resolve("", ALICE, _PLATFORM)).platform_uid
            rows = await _fill(warehouse, uid, row_count)
            call: grpc.aio.UnaryUnaryMultiCallable[pb.QueryRequest, pb.QueryResponse] = ready.unary_unary(
                "/aidatalabs.data.v1.DataService/Query",
                request_serializer=pb.QueryRequest.SerializeToString,
                response_deserializer=pb.QueryResponse.FromString,
            )

            async def query(request: pb.QueryRequest) -> pb.QueryResponse:
                # A token of its own each: a billion rows take longer than one lasts.
                return await call(request, metadata=mint.metadata(ALICE), timeout=_TIMEOUT_SECONDS)

            return rows + await _measure(query, row_count)


async def _fill(warehouse: ClickHouseWarehouse, uid: str, row_count: int) -> list[Row]:
    """Fills the table, and begins with a few pieces into one without views, in turns."""
    await warehouse.execute(uid, "CREATE TABLE _plain AS events", table="_plain")
    with_views = plain = 0.0
    compared = 0
    for first in range(0, row_count, _PIECE):
        last = min(first + _PIECE, row_count)
        if first < 3 * _PIECE:
            plain += await _insert(warehouse, uid, "_plain", first, last, row_count)
            compared = last
        seconds = await _insert(warehouse, uid, "events", first, last, row_count)
        with_views += seconds if first < 3 * _PIECE else 0.0
    await warehouse.execute(uid, "DROP TABLE _plain SYNC", table="_plain")
    return [
        row(
            "roll-ups: insert with hourly and daily views",
            compared / with_views,
            "rows/s",
            peer="the same rows without views",
            peer_value=compared / plain,
        )
    ]


async def _insert(
    warehouse: ClickHouseWarehouse, uid: str, table: str, first: int, last: int, row_count: int
) -> float:
    types = "['view', 'view', 'view', 'click', 'click', 'search', 'buy', 'share']"
    begun = time.perf_counter()
    await warehouse.execute(
        uid,
        f"INSERT INTO {table} (timestamp, event_type, user_id, value) SELECT "
        f"now64(3) - toIntervalMillisecond(toInt64(({row_count} - number) * {30 * 86_400_000 / row_count})), "
        f"{types}[1 + cityHash64(number) % 8], cityHash64(number, 1) % 100000, "
        f"(cityHash64(number, 2) % 100000) / 100 FROM numbers({first}, {last - first})",
        table=table,
    )
    return time.perf_counter() - begun


async def _measure(query: Query, row_count: int) -> list[Row]:
    label = f"{row_count / 1e6:g} M rows"
    samples: dict[bool, list[float]] = {True: [], False: []}
    rows: list[Row] = []
    for name, sql in QUERIES.items():
        own: dict[bool, list[float]] = {True: [], False: []}
        read: dict[bool, int] = {True: 0, False: 0}
        for number in range(_ROUNDS):
            for excluded in (True, False):
                if excluded and number and row_count >= _MANY_ROWS:
                    continue  # once is long enough
                request = pb.QueryRequest(
                    platform=_PLATFORM, sql=sql, max_relative_error=_ERROR, exclude_rollups=excluded
                )
                begun = time.perf_counter()
                answer = await _in_time(query, request)
                own[excluded].append((time.perf_counter() - begun) * 1000)
                if answer is None:
                    continue
                read[excluded] = answer.statistics.read_rows
                if bool(answer.statistics.rollup) == excluded:
                    raise RuntimeError(f"{name}: {answer.statistics.rollup_reason}")
        for excluded, taken in own.items():
            samples[excluded] += taken
        of_rows = f"{read[True]:,} rows read" if read[True] else "stopped from rows"
        rows.append(
            row(
                f"roll-ups: {name}, p50 ({read[False]:,} of {of_rows})",
                percentile(own[False], 0.5),
                "ms",
                peer="from rows",
                peer_value=percentile(own[True], 0.5),
            )
        )
    for share, word in ((0.5, "p50"), (0.95, "p95")):
        goal = "< 100 ms at 100 M, < 1 s at 1,000 M" if word == "p95" else None
        rows.append(
            row(
                f"roll-ups: ten dashboard queries, {label}, {word}",
                percentile(samples[False], share),
                "ms",
                peer="from rows",
                peer_value=percentile(samples[True], share),
                goal=goal,
            )
        )
    return rows


async def _in_time(query: Query, request: pb.QueryRequest) -> pb.QueryResponse | None:
    """The answer; None where reading the rows themselves takes longer than a query may."""
    try:
        return await query(request)
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and request.exclude_rollups:
            return None
        raise
