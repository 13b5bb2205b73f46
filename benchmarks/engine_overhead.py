"""What the engine process costs over chdb itself: the same queries, one caller, interleaved in one run.

The peer is plain chdb in this process with a fresh connection a query, which is what the engine must do too
(a connection used twice can leak one result into the next). Both sides deliver the result as Native bytes.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from aidatalabs_services.data.engine.process import EngineProcess

_SAMPLES = 300
_WARM_UP = 30
_GOAL_MS = 3.0
_QUERIES = {
    "SELECT 1": "SELECT 1",
    "1000 rows x 3 columns": "SELECT number, toString(number) AS s, number / 3 AS f FROM numbers(1000)",
}


def run() -> list[dict[str, object]]:
    """Median milliseconds through the engine and through chdb alone, and the difference with its goal."""
    return asyncio.run(_run())


async def _run() -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory() as folder:
        engine = await EngineProcess.start(Path(folder) / "engine")
        try:
            return await asyncio.to_thread(_measure, engine, Path(folder) / "plain")
        finally:
            await engine.stop()


def _measure(engine: EngineProcess, plain: Path) -> list[dict[str, object]]:
    from chdb import state

    client = clickhouse_connect.get_client(
        host=engine.host,
        port=engine.port,
        password=engine.password,
        compress=False,
        autogenerate_session_id=False,
    )
    root = state.connect(str(plain))  # keeps the engine open, as the engine process does

    def alone(sql: str) -> None:
        connection = state.connect(str(plain))
        try:
            connection.query(sql, "Native").bytes()
        finally:
            connection.close()

    rows: list[dict[str, object]] = []
    for name, sql in _QUERIES.items():
        through, by_itself = _interleaved(client, alone, sql)
        rows.append(_row(f"engine: {name}", through, by_itself, None))
        rows.append(_row(f"engine overhead: {name}", through - by_itself, None, f"<= {_GOAL_MS:g} ms"))
    client.close()
    root.close()
    return rows


def _interleaved(client: Client, alone: Callable[[str], None], sql: str) -> tuple[float, float]:
    """Median milliseconds of the engine and of chdb alone, samples taken in turns."""
    through: list[float] = []
    by_itself: list[float] = []
    for turn in range(_WARM_UP + _SAMPLES):
        started = time.perf_counter()
        client.raw_query(sql, fmt="Native")
        between = time.perf_counter()
        alone(sql)
        ended = time.perf_counter()
        if turn >= _WARM_UP:
            through.append((between - started) * 1000)
            by_itself.append((ended - between) * 1000)
    return statistics.median(through), statistics.median(by_itself)


def _row(name: str, value: float, peer_value: float | None, goal: str | None) -> dict[str, object]:
    return {
        "name": name,
        "value": round(value, 3),
        "unit": "ms",
        "peer": "chdb in process, fresh connection" if peer_value is not None else None,
        "peer_value": round(peer_value, 3) if peer_value is not None else None,
        "ratio": round(value / peer_value, 2) if peer_value else None,
        "goal": goal,
    }


def main() -> None:
    """Prints the table."""
    for row in run():
        peer = (
            f"  {row['peer']} {row['peer_value']} ms, x{row['ratio']}"
            if row["peer"]
            else f"  goal {row['goal']}"
        )
        print(f"{row['name']:<42}{row['value']:>8} {row['unit']}{peer}")


if __name__ == "__main__":
    main()
