"""Other layouts of the largest table of a query: tried on copies of its rows, judged, told with their cost.

A layout is recommended when the query gave the same rows over it and read at least a tenth fewer rows, or a
fifth fewer bytes, or was faster in each run by a fifth and 2 ms in the median; without more of the other.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from aidatalabs_services.agent.planner.catalogue import Table
from aidatalabs_services.agent.ports import (
    GroupFigures,
    Layout,
    LayoutSample,
    LayoutSide,
    LayoutTrial,
    MeasuringData,
    NewRollup,
    OrderBy,
    OtherType,
    SkipIndex,
    SortedRows,
)
from aidatalabs_services.agent.tuning.layouts import layouts_of
from aidatalabs_services.agent.tuning.reads import reads_of
from aidatalabs_services.runtime.errors import DeadlineExceeded, ServiceError

LEAST_ROWS = 50_000
"""Below this a table is read whole in no time: nothing is worth its upkeep."""
_LEAST_READ_ROWS = 3 * 8192
_LEAST_SECONDS_LEFT = 8.0
_LESS_ROWS, _LESS_BYTES, _LESS_TIME, _MORE, _MUCH_MORE = 0.9, 0.8, 0.8, 1.1, 1.5
_LEAST_GAIN_SECONDS = 0.002
_KINDS = {
    OrderBy: "order_by",
    SortedRows: "projection",
    GroupFigures: "projection",
    SkipIndex: "skip_index",
    OtherType: "column_type",
    NewRollup: "new_rollup",
}


@dataclass(frozen=True)
class LaidOut:
    """A layout that was tried: what it is, what was measured, whether it helps, and what to do to have it."""

    kind: str
    table: str
    trial: LayoutTrial
    sample: LayoutSample
    helps: bool
    rationale: str
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Layouts:
    """What became of layouts: all that were tried, those that help first, and one sentence."""

    tried: tuple[LaidOut, ...]
    summary: str


NOT_TRIED = Layouts((), "Other layouts were not tried.")


async def laid_out(
    data: MeasuringData,
    platform: str,
    sql: str,
    tables: Sequence[Table],
    *,
    read_rows: int,
    until: float,
    with_rollups: bool,
) -> Layouts:
    """Tries layouts of the largest of `tables` for a query that read so many rows.

    All of it until the loop's time `until`. `with_rollups` is False where one serves the query already. What
    cannot be tried is told in the summary.
    """
    table = max(tables, key=lambda each: each.row_count, default=None)
    if table is None:
        return Layouts((), "The query reads no table, so that there is no layout to try.")
    if table.row_count < LEAST_ROWS:
        why = f"{table.name} has {table.row_count:,} rows: no other layout is worth its upkeep."
        return Layouts((), why)
    if read_rows <= _LEAST_READ_ROWS:
        why = f"The query reads {read_rows:,} of {table.row_count:,} rows already: no other layout was tried."
        return Layouts((), why)
    others = tuple(each for each in tables if each is not table)
    wanted = await asyncio.to_thread(lambda: layouts_of(reads_of(sql, table, others)))
    wanted = [each for each in wanted if with_rollups or not isinstance(each, NewRollup)]
    if not wanted:
        return Layouts((), f"No other layout of {table.name} is known that could help this query.")
    if until - asyncio.get_running_loop().time() < _LEAST_SECONDS_LEFT:
        return Layouts((), "Other layouts were not tried: the time of the call was nearly over.")
    try:
        sample, trials = await data.measure_layouts(platform, sql, table.name, wanted)
    except DeadlineExceeded:
        return Layouts((), "Other layouts were not measured: the time of the call was over before.")
    except ServiceError as error:
        return Layouts((), f"Other layouts were not measured: {error.message}")
    tried = [_judged(table, *each, sample) for each in zip(wanted, trials, strict=True)]
    tried.sort(key=lambda each: (not each.helps, _left(each.trial)))
    return Layouts(tuple(tried), _summary(table, tried, sample))


def _judged(table: Table, layout: Layout, trial: LayoutTrial, sample: LayoutSample) -> LaidOut:
    kind, steps = _KINDS[type(layout)], _steps(table, layout, trial)
    before, after = trial.before, trial.after
    if before is None or after is None:
        return LaidOut(kind, table.name, trial, sample, False, f"{_why(layout)} {trial.refusal}", ())
    told = _figures(before, after, sample)
    if not trial.same_result:
        rationale = f"{_why(layout)} It gave other rows than the table as it is, so it is not judged."
        return LaidOut(kind, table.name, trial, sample, False, rationale, ())
    helps = _better(before, after)
    if trial.same_but_rounding:
        told += " The rows are the same but for last digits of fractions: the order of adding is another."
    rationale = f"{_why(layout)} {'' if helps else 'It did not help: '}{told}"
    return LaidOut(kind, table.name, trial, sample, helps, rationale, steps if helps else ())


def _better(before: LayoutSide, after: LayoutSide) -> bool:
    """Less work without more of another kind; a time is less when every run took less than every other."""
    old, new = median(before.seconds), median(after.seconds)
    apart = max(after.seconds) < min(before.seconds)
    faster = apart and new <= old * _LESS_TIME and old - new >= _LEAST_GAIN_SECONDS
    # What else the machine does makes runs slower, never faster: of each the quickest tells the most.
    quickest = min(before.seconds), min(after.seconds)
    slower = new > old * _MORE and quickest[1] > max(before.seconds)
    slower = (slower or quickest[1] > quickest[0] * _MUCH_MORE) and new - old >= _LEAST_GAIN_SECONDS
    lighter = after.read_rows <= before.read_rows * _LESS_ROWS or (
        after.read_bytes <= before.read_bytes * _LESS_BYTES and after.read_rows <= before.read_rows
    )
    heavier = after.read_rows > before.read_rows * _MORE
    return (faster and not heavier) or (lighter and not slower)


def _left(trial: LayoutTrial) -> float:
    """What is left of the work, the least of its kinds; 1 where it was not run."""
    before, after = trial.before, trial.after
    if before is None or after is None:
        return 1.0
    rows = (after.read_rows + 1) / (before.read_rows + 1)
    size = (after.read_bytes + 1) / (before.read_bytes + 1)
    return min(rows, size, median(after.seconds) / (median(before.seconds) or 1.0))


def _figures(before: LayoutSide, after: LayoutSide, sample: LayoutSample) -> str:
    more = after.size_bytes - before.size_bytes
    share = more / before.size_bytes if before.size_bytes else 0.0
    words = "more" if more >= 0 else "less"
    parts = [
        f"{_ms(before)} before, {_ms(after)} after;",
        f"{before.read_rows:,} rows ({_size(before.read_bytes)}) read before,",
        f"{after.read_rows:,} ({_size(after.read_bytes)}) after;",
        f"{_size(abs(more))} {words} on disk ({share:+.0%}),",
        f"inserting once took {_times(before, after)}.",
        measured_on(sample),
    ]
    return " ".join(parts)


def measured_on(sample: LayoutSample) -> str:
    """What was measured on, in a sentence, and what that says of the whole table."""
    columns = f"{sample.column_count} of {sample.table_column_count} columns"
    if sample.granule_step == 1:
        return f"Measured on all {sample.row_count:,} rows ({columns}) on one thread."
    return (
        f"Measured on {sample.row_count:,} of {sample.table_row_count:,} rows (one granule in "
        f"{sample.granule_step}, {columns}) on one thread; the whole table was not measured."
    )


def _times(before: LayoutSide, after: LayoutSide) -> str:
    if not before.insert_seconds:
        return "no time that could be measured"
    return f"{after.insert_seconds / before.insert_seconds:.1f} times as long"


def _why(layout: Layout) -> str:
    match layout:
        case OrderBy(columns):
            told = (
                f"Sorted by {', '.join(columns)}, rows that the query looks for lie together; other queries"
            )
            return f"{told} of the table were not measured."
        case SortedRows(order_by, _):
            return f"A copy of these columns, sorted by {', '.join(order_by)}, serves the query."
        case GroupFigures():
            return "Figures of the groups are kept, so that rows need not be read."
        case SkipIndex(column, kind):
            return f"An index of {column} ({kind.lower()}) rules out granules."
        case OtherType(column, kind_text):
            numbers = "" if "String" in kind_text else " Later values must fit too: others would be refused."
            return f"{column} as {kind_text} takes fewer bytes.{numbers}"
        case NewRollup(name):
            return f"A roll-up {name} would hold these figures."


def _steps(table: Table, layout: Layout, trial: LayoutTrial) -> tuple[str, ...]:
    """What to do to have a layout, through what there is."""
    match layout:
        case NewRollup():
            words = ["aidatalabs", "rollups", "create", layout.name, "--table", table.name]
            words += ["--time", layout.time_column, "--per", layout.grain.lower()]
            for dimension in layout.dimensions:
                words += ["--dimension", dimension]
            for column, kind in layout.measures:
                words += ["--measure", f"{column}:{kind.lower()}"]
            return (shlex.join(words),)
        case OrderBy(columns):
            return _made_anew(table, columns, {})
        case OtherType(column, kind_text):
            own = f"On a ClickHouse of your own its administrator may run: {trial.statement}."
            return (*_made_anew(table, table.order_by, {column: kind_text}), own)
        case _:
            made = "PROJECTION" if isinstance(layout, SortedRows | GroupFigures) else "INDEX"
            return (
                f"On a ClickHouse of your own its administrator runs: {trial.statement}; then ALTER TABLE "
                f"{table.name} MATERIALIZE {made} for the rows that are there.",
                "There is no call for it, and an embedded engine cannot have it yet.",
            )


def _made_anew(table: Table, order_by: Sequence[str], types: dict[str, str]) -> tuple[str, ...]:
    """No call changes the key or a type of a table that is there: a new table, and a copy of the rows."""
    new = f"{table.name[:58]}_new"
    columns = [each for each in table.columns if not each.path_of]
    words = ["aidatalabs", "tables", "create", new]
    for each in columns:
        words += ["--column", f"{each.name}:{types.get(each.name, each.type)}"]
    for name in order_by:
        words += ["--order-by", name]
    rows = f"SELECT * FROM {table.name}"  # noqa: S608 - a text for people
    return (
        "No call changes this of a table that is there: make a new one and copy the rows. Partitions and a"
        " ttl go with POST /api/v1/data/tables.",
        shlex.join(words),
        shlex.join(("aidatalabs", "export", rows, f"{new}.parquet")),
        shlex.join(("aidatalabs", "ingest", f"{new}.parquet", "--table", new)),
    )


def _summary(table: Table, tried: Sequence[LaidOut], sample: LayoutSample) -> str:
    run = [each for each in tried if each.trial.before is not None]
    helpful = sum(each.helps for each in run)
    told = f"{helpful} of {len(run)} other layouts of {table.name} helped." if run else ""
    if run and not helpful:
        told = f"Of {len(run)} other layouts of {table.name} none helped."
    if not run:
        told = f"No other layout of {table.name} could be run."
    return f"{told} {measured_on(sample)}"


def _ms(side: LayoutSide) -> str:
    return f"{median(side.seconds) * 1000:,.1f} ms"


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"
