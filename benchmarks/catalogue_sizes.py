"""What catalogues of 10, 100 and 1,000 tables cost: memory, making the index, and planning a question.

Each size in a process of its own, which begins with the planner loaded. Memory is what the process grew by,
beside the plain text of all listed values; a changed table's index beside that of the whole catalogue; of 200
planning times, questions all different, the 95th percentile beside the limit. Times are those of the
processor: one thread does all of it.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from datetime import datetime

import psutil

from aidatalabs_services.agent.planner.catalogue import Catalogue
from aidatalabs_services.agent.planner.planner import Planner
from benchmarks.generated_catalogue import NOW_YEAR, generated_catalogue, generated_questions
from benchmarks.results import Row, percentile, row

SIZES = (10, 100, 1_000)
_QUESTIONS = 200
_LIMIT_MS = 300.0
_MIB = 1024 * 1024
_NOW = datetime(NOW_YEAR, 3, 4, 5, 6, 7)


@dataclass(frozen=True)
class Figures:
    """Of one size: MiB of memory and of plain text, seconds and milliseconds of CPU."""

    memory_mib: float
    text_mib: float
    whole_seconds: float
    changed_seconds: float
    planning_ms: list[float]


def run() -> list[Row]:
    """Memory, index and planning by number of tables. Raises CalledProcessError when a process fails."""
    return [made for size in SIZES for made in _rows(size, _measured_apart(size))]


def _rows(size: int, found: Figures) -> list[Row]:
    name = f"catalogue of {size:,} tables"
    text, whole = "text of its values", "the whole index"
    share, limit = percentile(found.planning_ms, 0.95), "limit"
    return [
        row(f"{name}: memory", found.memory_mib, "MiB", peer=text, peer_value=found.text_mib),
        row(f"{name}: index, CPU", found.whole_seconds, "s"),
        row(
            f"{name}: index after a change of one, CPU",
            found.changed_seconds,
            "s",
            peer=whole,
            peer_value=found.whole_seconds,
        ),
        row(f"{name}: planning p50", percentile(found.planning_ms, 0.5), "ms"),
        row(f"{name}: planning p95", share, "ms", peer=limit, peer_value=_LIMIT_MS, goal="ratio <= 1"),
    ]


def _measured_apart(size: int) -> Figures:
    command = [sys.executable, "-m", "benchmarks.catalogue_sizes", str(size)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return Figures(**json.loads(answer.stdout))


def measured(size: int) -> Figures:
    """The figures of one size, measured in this process."""
    gc.collect()
    before = psutil.Process().memory_info().rss
    catalogue = generated_catalogue(size)
    begun = time.process_time()
    planner = Planner(catalogue)
    whole = time.process_time() - begun
    gc.collect()
    memory = psutil.Process().memory_info().rss - before
    text = sum(len(v.encode()) for t in catalogue.tables for column in t.columns for v in column.values)
    changed = _with_one_changed(catalogue)
    begun = time.process_time()
    Planner(changed, planner)
    renewed = time.process_time() - begun
    gc.freeze()  # as the service does
    waits = []
    for question in generated_questions(catalogue, _QUESTIONS):
        asked = time.process_time()
        planner.plan(question, now=_NOW)
        waits.append((time.process_time() - asked) * 1e3)
    return Figures(memory / _MIB, text / _MIB, whole, renewed, waits)


def _with_one_changed(catalogue: Catalogue) -> Catalogue:
    """The catalogue after rows came into the table in its middle: other counts, another value first."""
    tables, place = list(catalogue.tables), len(catalogue.tables) // 2
    table = tables[place]
    columns = [
        replace(column, values=("zzyzx new", *column.values[1:])) if column.values else column
        for column in table.columns
    ]
    tables[place] = replace(table, columns=tuple(columns), row_count=table.row_count + 7)
    return Catalogue(tuple(tables), f"{catalogue.version}-changed")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(measured(int(sys.argv[1])))))
