"""What the data service tells of itself beside its calls: engines, journal, ingest and the hour's queries."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sized
from pathlib import Path

import psutil

from aidatalabs_services.data.budgets import RowBudget
from aidatalabs_services.data.engine.pool import EnginePool
from aidatalabs_services.data.ingest import Ingestor
from aidatalabs_services.data.receipts import Receipt
from aidatalabs_services.data.rollups.followers import Followers
from aidatalabs_services.runtime.metrics import CallOutcome, Metrics, Reading
from aidatalabs_services.runtime.metrics_windows import LastHour

_QUERIES = frozenset(f"/aidatalabs.data.v1.DataService/{name}" for name in ("Query", "StreamQuery", "Export"))
_SOURCES = ("run", "shared", "kept", "aged")
_SIZES_SECONDS = 60.0


class IngestMeter:
    """Rows by what became of them; a row of a repeated call counts as `duplicate` alone."""

    def __init__(self, metrics: Metrics, ingestor: Ingestor) -> None:
        self._rows = metrics.counter(
            "aidatalabs_ingest_rows_total", "Rows of ingest calls, by verdict.", ("verdict",)
        )
        metrics.reading(
            "aidatalabs_journal_waiting_groups",
            "Journalled groups that the engines have not confirmed.",
            ingestor.waiting_groups_of_all,
        )
        metrics.reading(
            "aidatalabs_ingest_backlog_seconds",
            "Seconds until what is acknowledged is stored, in the table that is the furthest behind.",
            ingestor.backlog_seconds,
        )

    def note(self, receipt: Receipt) -> None:
        """Counts the rows of one answered call."""
        self._rows.labels("accepted").inc(receipt.accepted_count - receipt.duplicate_count)
        self._rows.labels("duplicate").inc(receipt.duplicate_count)
        self._rows.labels("rejected").inc(receipt.rejected_count)


def rows_written(metrics: Metrics) -> Callable[[int], None]:
    """Counts rows that the engine has confirmed."""
    return metrics.total("clickhouse_rows_written", "Rows that the engine has confirmed.").add


def measure_queries(metrics: Metrics) -> None:
    """`platform_queries_per_hour`: answered queries, streams and exports of the last hour, all platforms."""
    answered = LastHour()

    def observe(outcome: CallOutcome) -> None:
        if outcome.code == "OK" and outcome.method in _QUERIES:
            answered.add()

    metrics.observers.append(observe)
    metrics.reading(
        "platform_queries_per_hour", "Queries answered in the last hour, all platforms.", answered.count
    )


def measure_results(metrics: Metrics, served: Mapping[str, int]) -> None:
    """Where the rows of answers came from."""
    metrics.reading(
        "aidatalabs_query_results",
        "Answers since the start: run, shared with another call, kept (checked), aged (kept, not checked).",
        lambda: {source: served.get(source, 0) for source in _SOURCES},
        label="source",
    )


def measure_kept_results(metrics: Metrics, kept: Sized, kept_bytes: Reading) -> None:
    """How many results are kept in memory, and their bytes."""
    metrics.reading("aidatalabs_result_cache_bytes", "Bytes of results kept in memory.", kept_bytes)
    metrics.reading("aidatalabs_result_cache_entries", "Results kept in memory.", lambda: len(kept))


def measure_budget(metrics: Metrics, budget: RowBudget) -> None:
    """How many platforms have used how much of today's budget of rows, where there is one."""

    def by_share() -> Mapping[str, float] | None:
        if not budget.is_set:
            return None
        shares = budget.used_by_platform()
        return {
            "below_half": sum(share < 0.5 for share in shares),
            "above_half": sum(0.5 <= share < 1.0 for share in shares),
            "spent": sum(share >= 1.0 for share in shares),
        }

    metrics.reading(
        "aidatalabs_query_budget_platforms",
        "Platforms that read rows today, by the share of their budget that they used.",
        by_share,
        label="used",
    )


def measure_rollups(metrics: Metrics, followers: Followers) -> None:
    """How far asynchronous roll-ups are behind their tables."""
    metrics.reading(
        "aidatalabs_rollup_lag_seconds",
        "Age of the oldest row that an asynchronous roll-up may lack, the longest of all platforms'.",
        followers.longest_lag_seconds,
    )


def measure_engines(metrics: Metrics, pool: EnginePool, engine_count: int) -> None:
    """The embedded engines: how many run, and the memory that their processes hold."""
    metrics.reading("aidatalabs_engines_running", "Engine processes that run.", lambda: len(pool.running()))
    metrics.reading("aidatalabs_engines_most", "Most engine processes at a time.", lambda: engine_count)
    metrics.reading(
        "clickhouse_memory_usage",
        "Bytes of memory that the engine processes hold.",
        lambda: sum(_resident_bytes(process.pid) for process in pool.running().values()),
    )


def measure_storage(metrics: Metrics, engines: Path, journal: Path) -> None:
    """Bytes on disk of the embedded engines and of the journal, looked at once a minute at most."""
    sizes: dict[str, float] = {}
    looked = -_SIZES_SECONDS

    async def refresh() -> None:
        nonlocal looked
        if time.monotonic() - looked >= _SIZES_SECONDS:
            looked = time.monotonic()
            sizes["engines"] = await asyncio.to_thread(_folder_bytes, engines)
            sizes["journal"] = await asyncio.to_thread(_folder_bytes, journal)

    metrics.before_reading(refresh)
    metrics.reading(
        "platform_storage_usage_bytes",
        "Bytes on disk of the tables of all platforms.",
        lambda: sizes.get("engines"),
    )
    metrics.reading(
        "aidatalabs_journal_bytes", "Bytes on disk of the ingest journal.", lambda: sizes.get("journal")
    )


def _resident_bytes(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0  # it has ended between the two


def _folder_bytes(folder: Path) -> int:
    """Bytes that the files below a folder take on the disk; a file that goes meanwhile counts nothing."""
    found, folders = 0, [os.fspath(folder)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        found += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:
            continue
    return found
