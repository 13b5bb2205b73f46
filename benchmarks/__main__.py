"""Runs the benchmarks one after another, prints a table and writes `benchmarks/results.json`."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import (
    ask_latency,
    asking,
    backup_drill,
    calls_per_second,
    catalogue_sizes,
    edge_load,
    engine_overhead,
    ingest_events,
    ingest_kafka,
    ingest_rows,
    native_encoder,
    query_overhead,
    rollups,
    streaming_ingest,
)
from benchmarks.machine import machine
from benchmarks.mesh_fixture import running_mesh
from benchmarks.results import Row

RESULTS = Path(__file__).with_name("results.json")
ALONE = ("engine_overhead", "rollups", "native_encoder", "backup_drill", "ingest_kafka", "catalogue_sizes")
"""Benchmarks that need no mesh; a full run leaves out the one of Kafka where Java and Maven are missing."""
BENCHMARKS = (
    *ALONE,
    "ask_latency",
    "asking",
    "query_overhead",
    "calls_per_second",
    "edge_load",
    "ingest_rows",
    "streaming_ingest",
)
"""Every benchmark in its order; all but the first ones share one mesh."""

_COLUMNS = ("name", "value", "unit", "peer", "peer_value", "ratio", "goal")
_NUMBERS = ("value", "peer_value", "ratio")

_console = Console(width=None if sys.stdout.isatty() else 160)


def main() -> None:
    """Runs what the command line names. Exits with a traceback, and no results, when anything failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=BENCHMARKS, help="run this one alone")
    parser.add_argument("--rows", type=_row_count, help="rows to ingest, to read (rollups) or to drill")
    seconds = streaming_ingest.DEFAULT_SECONDS
    parser.add_argument("--seconds", type=float, default=seconds, help="of each way of streaming ingest")
    arguments = parser.parse_args()
    names = (arguments.only,) if arguments.only else _those_that_can_run()
    alone: dict[str, Callable[[], list[Row]]] = {
        "engine_overhead": engine_overhead.run,
        "rollups": lambda: rollups.run(arguments.rows or rollups.DEFAULT_ROWS),
        "native_encoder": native_encoder.run,
        "catalogue_sizes": catalogue_sizes.run,
        "ingest_kafka": lambda: ingest_kafka.run(min(arguments.seconds, ingest_kafka.DEFAULT_SECONDS)),
        "backup_drill": lambda: backup_drill.run(arguments.rows or backup_drill.DEFAULT_ROWS),
    }
    rows: list[Row] = []
    for name in names:
        if name in alone:
            begun = time.monotonic()
            rows += _timed(name, begun, alone[name]())
    if in_mesh := [name for name in names if name not in ALONE]:
        if (arguments.rows or 0) > ingest_rows.MOST_ROWS:
            parser.error(f"ingest_rows has {ingest_rows.MOST_ROWS} rows at most, those of the flights table")
        rows += asyncio.run(_in_mesh(in_mesh, arguments.rows or ingest_rows.DEFAULT_ROWS, arguments.seconds))
    about = machine()
    RESULTS.write_text(json.dumps([found | {"machine": about} for found in rows], indent=1) + "\n")
    _print(rows, about)


def _those_that_can_run() -> tuple[str, ...]:
    why = ingest_kafka.hindrance()
    if not why:
        return BENCHMARKS
    _console.print(f"[dim]ingest_kafka is left out: {why}[/]")
    return tuple(name for name in BENCHMARKS if name != "ingest_kafka")


async def _in_mesh(names: list[str], row_count: int, seconds: float) -> list[Row]:
    task = asyncio.current_task()
    assert task is not None
    # Ended from outside, the mesh is stopped as well.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    rows: list[Row] = []
    begun = time.monotonic()
    async with running_mesh() as mesh:
        _timed("mesh and demo data", begun, rows)
        for name in names:
            begun = time.monotonic()
            if name == "ask_latency":
                found = await ask_latency.run(mesh)
            elif name == "asking":
                found = await asking.run(mesh)
            elif name == "query_overhead":
                found = await query_overhead.run(mesh)
            elif name == "calls_per_second":
                found = await calls_per_second.run(mesh)
            elif name == "edge_load":
                found = await edge_load.run(mesh)
            elif name == "ingest_rows":
                found = await ingest_rows.run(mesh, row_count) + await ingest_events.run(mesh)
            else:
                found = await streaming_ingest.run(mesh, seconds)
            rows += _timed(name, begun, found)
    return rows


def _timed(name: str, begun: float, rows: list[Row]) -> list[Row]:
    _console.print(f"[dim]{name}: {time.monotonic() - begun:.0f} s[/]")
    return rows


def _row_count(text: str) -> int:
    number = int(float(text))
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _print(rows: list[Row], about: dict[str, object]) -> None:
    table = Table(title=f"{about['cpu']}, {about['cores']} cores, {about['memory_gib']} GiB")
    for key in _COLUMNS:
        table.add_column(key.replace("_", " "), justify="right" if key in _NUMBERS else "left")
    for found in rows:
        table.add_row(*(_text(found[key]) for key in _COLUMNS))
    _console.print(table)
    _console.print(f"[dim]written to {RESULTS}[/]")


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, (int, float)) else str(value)


if __name__ == "__main__":
    main()
