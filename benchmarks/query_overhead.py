"""What the whole path of a query costs over chdb alone: SDK, edge, service and engine beside chdb in here.

One caller, turns taken. The peer has a copy of the flights, sorted as the product's are, and takes a fresh
connection a query, as the engine does. Each query has a number of its own: no answer is a kept one.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp

from aidatalabs_services.cli.demo import PLATFORM
from benchmarks.mesh_fixture import Mesh
from benchmarks.results import Row, percentile, row

_TURNS = 100
_WARM_UP = 10
_QUERIES = {
    "one row": "SELECT {turn} AS n",
    "1,000 rows x 3 columns": "SELECT carrier, dest, distance FROM flights "
    "WHERE distance > {turn} LIMIT 1000",
    "336,776 rows grouped": "SELECT carrier, count() AS flights, avg(dep_delay) AS delay FROM flights "
    "WHERE distance > {turn} GROUP BY carrier ORDER BY carrier",
}
_PEER = "chdb in process, fresh connection"


async def run(mesh: Mesh) -> list[Row]:
    """p50 and p95 in milliseconds of the whole path and of chdb alone, and what lies between."""
    with tempfile.TemporaryDirectory() as folder:
        content = Path(folder) / "flights.native"
        sorting = await _copied(mesh, content)
        return await _measure(mesh, Path(folder) / "plain", content, sorting)


async def _copied(mesh: Mesh, file: Path) -> str:
    """Writes the product's flights into a file in Native format; their sorting key."""
    keys = f"SELECT sorting_key FROM system.tables WHERE database = '{mesh.database}' AND name = 'flights'"
    async with aiohttp.ClientSession(headers=mesh.engine_headers) as session:
        async with session.post(mesh.engine_url, data=f"{keys} FORMAT TSVRaw") as answer:
            sorting = (await answer.text()).strip()
        async with session.post(mesh.engine_url, data="SELECT * FROM flights FORMAT Native") as answer:
            answer.raise_for_status()
            await asyncio.to_thread(file.write_bytes, await answer.read())
    return sorting


async def _measure(mesh: Mesh, folder: Path, content: Path, sorting: str) -> list[Row]:
    from chdb import state

    root = state.connect(str(folder))  # keeps the engine open, as the engine process does

    def alone(sql: str) -> None:
        connection = state.connect(str(folder))
        try:
            connection.query(sql, "Native").bytes()
        finally:
            connection.close()

    try:
        table = f"CREATE TABLE flights ENGINE = MergeTree ORDER BY ({sorting})"
        await asyncio.to_thread(alone, f"{table} AS SELECT * FROM file('{content}', 'Native')")
        rows: list[Row] = []
        for name, sql in _QUERIES.items():
            rows += _rows(name, *await _in_turns(mesh, alone, sql))
        return rows
    finally:
        root.close()


async def _in_turns(mesh: Mesh, alone: Callable[[str], None], sql: str) -> tuple[list[float], list[float]]:
    """Milliseconds of each query through the product, and by chdb."""
    through: list[float] = []
    by_itself: list[float] = []
    for turn in range(_WARM_UP + _TURNS):
        text = sql.format(turn=turn)
        begun = time.perf_counter()
        await mesh.client.query(PLATFORM, text)
        between = time.perf_counter()
        await asyncio.to_thread(alone, text)
        ended = time.perf_counter()
        if turn >= _WARM_UP:
            through.append((between - begun) * 1000)
            by_itself.append((ended - between) * 1000)
    return through, by_itself


def _rows(name: str, through: list[float], by_itself: list[float]) -> list[Row]:
    rows = []
    for label, share in (("p50", 0.50), ("p95", 0.95)):
        value, peer_value = percentile(through, share), percentile(by_itself, share)
        rows.append(
            row(f"query, whole path: {name}, {label}", value, "ms", peer=_PEER, peer_value=peer_value)
        )
    added = statistics.median(through) - statistics.median(by_itself)
    return [*rows, row(f"query, whole path: {name}, added", added, "ms")]
