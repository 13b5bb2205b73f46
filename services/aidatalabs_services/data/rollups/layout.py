"""How a roll-up lies in the engine: one hidden table of aggregate states and the view that keeps it.

Every state is the engine's own (`sumState(value)`, merged with `sumMerge`), so a merged state gives the type,
the NULLs and the value of an empty group that the plain function gives. Buckets are the time column cut to
the grain and keep its type: whatever is a function of the hour or day gives the same for row and bucket.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aidatalabs_services.data.column_types import ColumnType, quote_text
from aidatalabs_services.data.rollups.declarations import (
    BLOCK,
    Declaration,
    Dimension,
    Grain,
    Kind,
    Maintenance,
    Measure,
    bound_dimensions,
    column_type,
)
from aidatalabs_services.data.rollups.progress import Progress, progress_of
from aidatalabs_services.data.schema import TableSchema
from aidatalabs_services.data.standard_tables import EVENTS
from aidatalabs_services.data.table_ddl import quoted

PREFIX = "_rollup_"
EPOCH = "_epoch"
"""The column of an asynchronous roll-up that says which states count (see `progress`)."""
QUANTILE_ERROR = 0.01
# A sketch has one bin per 2 % of magnitude, so magnitudes are held between 2^-30 (smaller counts as zero) and
# 2^40. Scaled by 2^30 they lie above 1: below it the engine's bins are wider than the 1 % they stand for.
QUANTILE_SCALE = 2.0**30
_QUANTILE_TOP = 2.0**40


@dataclass(frozen=True)
class State:
    """One column of states: its name and the aggregate it is of; counted rows have no `column`."""

    name: str
    function: str
    column: str = ""


@dataclass(frozen=True)
class Layout:
    """A declaration bound to its table's columns."""

    declaration: Declaration
    table: TableSchema
    dimensions: tuple[Dimension, ...]
    states: tuple[State, ...]
    time_type: ColumnType

    def state(self, function: str, column: str = "") -> State | None:
        """The states of this aggregate, or None where they are not kept."""
        return next(
            (each for each in self.states if (each.function, each.column) == (function, column)), None
        )

    @property
    def has_hours(self) -> bool:
        """Whether the time column has more than days."""
        return self.time_type.name not in ("Date", "Date32")

    @property
    def old_times(self) -> bool:
        """Whether moments before 1970 with fractions of a second can be in the table."""
        return self.time_type.name == "DateTime64" and self.table.name != EVENTS.name


def layout_of(declaration: Declaration, table: TableSchema) -> Layout:
    """The layout of a declaration that passed `checked`."""
    time_type = _known_type(table, declaration.time_column)
    wanted = [("count", ""), ("min", declaration.time_column), ("max", declaration.time_column)]
    for measure in declaration.measures:
        wanted += ((function, measure.column) for function in _functions(measure))
    unique = list(dict.fromkeys(wanted))
    states = tuple(State(f"_s{index}", *each) for index, each in enumerate(unique))
    return Layout(declaration, table, bound_dimensions(declaration), states, time_type)


def _known_type(table: TableSchema, name: str) -> ColumnType:
    found = column_type(table, name)
    if found is None:
        raise LookupError(f"the table has no column {name} of a type of ours")
    return found


def _functions(measure: Measure) -> tuple[str, ...]:
    return ("sum", "avg") if measure.kind is Kind.SUM else (measure.kind.value,)


def bucket(layout: Layout, column: str) -> str:
    """The bucket of the time `column` (SQL), in the column's own type."""
    if not layout.has_hours:
        return column
    return f"CAST(dateTrunc('{layout.declaration.grain.value}', {column}, 'UTC') AS {layout.time_type})"


def last_tick(layout: Layout) -> str:
    """What leads from a bucket to the last moment in it, as SQL; empty where a bucket is one moment."""
    if not layout.has_hours:
        return ""
    digits = int(layout.time_type.parameters[0]) if layout.time_type.name == "DateTime64" else 0
    unit, scale = next(
        (unit, scale)
        for most, unit, scale in (
            (0, "Second", 1),
            (3, "Millisecond", 10**3),
            (6, "Microsecond", 10**6),
            (9, "Nanosecond", 10**9),
        )
        if digits <= most
    )
    return f"toInterval{unit}({layout.declaration.grain.seconds * scale - 1})"


def dimension_value(dimension: Dimension) -> str:
    """The dimension's value as SQL over the source table."""
    if not dimension.path:
        return quoted(dimension.root)
    path = ".".join(quoted(word) for word in (dimension.root, *dimension.path))
    return f"{path}.:String" if dimension.typed else f"CAST({path} AS Nullable(String))"


def state_call(state: State, value: str) -> str:
    """The aggregate that makes this state out of rows whose column is the SQL `value`."""
    if not state.column:
        return "countState()"
    if state.function != Kind.QUANTILES.value:
        return f"{state.function}State({value})"
    number = f"toFloat64({value})"
    held = (
        f"if(abs({number}) < {1 / QUANTILE_SCALE!r}, 0., "
        f"least(abs({number}), {_QUANTILE_TOP!r}) * {QUANTILE_SCALE!r} * sign({number}))"
    )
    return f"quantilesDDStateIf({QUANTILE_ERROR}, 0.5)({held}, isFinite({number}))"


def _state_type(state: State, layout: Layout) -> str:
    if not state.column:
        return "AggregateFunction(count)"
    if state.function == Kind.QUANTILES.value:
        return f"AggregateFunction(quantilesDD({QUANTILE_ERROR}, 0.5), Float64)"
    kind = _known_type(layout.table, state.column)
    return f"AggregateFunction({state.function}, {_without_dictionary(kind)})"


def _without_dictionary(kind: ColumnType) -> ColumnType:
    return kind.inner[0] if kind.name == "LowCardinality" else kind


def _dimension_type(dimension: Dimension, layout: Layout) -> str:
    return "Nullable(String)" if dimension.path else layout.table.types[dimension.root]


def select_states(
    layout: Layout,
    source: str,
    where: str = "",
    *,
    states: Sequence[State] | None = None,
    dimensions: Sequence[Dimension] | None = None,
) -> str:
    """SELECT of buckets, dimensions and states over `source` (SQL), rows restricted by `where` (SQL).

    `states` and `dimensions` where not all are needed.
    """
    time = quoted(layout.declaration.time_column)
    states = layout.states if states is None else states
    dimensions = layout.dimensions if dimensions is None else dimensions
    # The bucket takes the time column's name only outside, where no column of that name is in sight.
    values = {state.column: quoted(state.column) for state in states if state.column}
    if layout.declaration.time_column in values:
        values[layout.declaration.time_column] = "`_b1`"
    plain = {quoted(each.root) for each in dimensions if not each.path}
    plain |= {value for value in values.values() if value != "`_b1`"}
    inner = [
        f"{bucket(layout, time)} AS `_b`",
        *([f"{time} AS `_b1`"] if "`_b1`" in values.values() else []),
        *(f"{dimension_value(each)} AS {quoted(each.column)}" for each in dimensions if each.path),
        *sorted(plain),
    ]
    keys = ["`_b`", *(quoted(each.column) for each in dimensions)]
    outer = [
        f"`_b` AS {time}",
        *keys[1:],
        *(f"{state_call(each, values.get(each.column, ''))} AS {quoted(each.name)}" for each in states),
    ]
    condition = f" WHERE {where}" if where else ""
    rows = f"SELECT {', '.join(inner)} FROM {source}{condition}"  # noqa: S608 - quoted names, admitted SQL
    return f"SELECT {', '.join(outer)} FROM ({rows}) GROUP BY {', '.join(keys)}"  # noqa: S608


def select_merged(layout: Layout, base: Layout, source: str, where: str = "") -> str:
    """The same out of the states of a roll-up with finer buckets or more dimensions, `source` (SQL)."""
    time = quoted(layout.declaration.time_column)
    keys = ["`_b`", *(quoted(each.column) for each in layout.dimensions)]
    merged = [f"`_b` AS {time}", *keys[1:]]
    held = []
    for state in layout.states:
        kept = base.state(state.function, state.column)
        if kept is None:
            raise LookupError(f"the base has no state {state.function} of {state.column}")
        held.append(quoted(kept.name))
        merged.append(f"{_merge_function(state)}({quoted(kept.name)}) AS {quoted(f'_m{state.name}')}")
    inner = ", ".join([f"{bucket(layout, time)} AS `_b`", *keys[1:], *held])
    condition = f" WHERE {where}" if where else ""
    grouped = (
        f"SELECT {', '.join(merged)} FROM (SELECT {inner} FROM {source}{condition}) "  # noqa: S608
        f"GROUP BY {', '.join(keys)}"
    )
    named = ", ".join(f"{quoted(f'_m{state.name}')} AS {quoted(state.name)}" for state in layout.states)
    return f"SELECT {', '.join([time, *keys[1:], named])} FROM ({grouped})"  # noqa: S608


def _merge_function(state: State) -> str:
    if state.function == Kind.QUANTILES.value:
        return f"quantilesDDMergeState({QUANTILE_ERROR}, 0.5)"
    return f"{state.function}MergeState"


def create_target(layout: Layout, name: str, *, comment: str, fsync: bool) -> str:
    """CREATE TABLE of the states. Nothing is stored twice when a block comes again with its token.

    Of an asynchronous roll-up each epoch is a partition: it goes as a whole and is merged with no other.
    Blocks have no tokens there, and two with the same states both count.
    """
    follows = layout.declaration.is_asynchronous
    time = quoted(layout.declaration.time_column)
    columns = [
        f"{time} {layout.time_type}",
        *(f"{quoted(each.column)} {_dimension_type(each, layout)}" for each in layout.dimensions),
        *(f"{quoted(state.name)} {_state_type(state, layout)}" for state in layout.states),
        *([f"{quoted(EPOCH)} UInt64"] if follows else []),
    ]
    partition = quoted(EPOCH) if follows else f"toYYYYMM({time})"
    keys = ", ".join([time, *(quoted(each.column) for each in layout.dimensions)])
    window = 0 if follows else 1000
    settings = [f"non_replicated_deduplication_window = {window}", "allow_nullable_key = 1"]
    if fsync:
        settings += ["fsync_after_insert = 1", "fsync_part_directory = 1"]
    return (
        f"CREATE TABLE {quoted(name)} ({', '.join(columns)}) ENGINE = AggregatingMergeTree "
        f"PARTITION BY {partition} ORDER BY ({keys}) SETTINGS {', '.join(settings)} "
        f"COMMENT {quote_text(comment)}"
    )


def create_view(name: str, target: str, states: str) -> str:
    """The view that turns every inserted block into `states` (SQL)."""
    return f"CREATE MATERIALIZED VIEW {quoted(name)} TO {quoted(target)} AS {states}"


def epoch_condition(progress: Progress) -> str:
    """The states that count, as SQL over the hidden table of an asynchronous roll-up."""
    numbers = ", ".join(str(each.number) for each in progress.epochs)
    return f"{quoted(EPOCH)} IN ({numbers})" if numbers else "0"


def block_condition(above: int, upto: int | None = None) -> str:
    """Rows whose block is above one and not above another, as SQL over the source table.

    The name of a part ends with the blocks that it is made of (`202601_5_9_1`): those with none of them are
    not opened, whatever merges meanwhile.
    """
    block = quoted(BLOCK)
    held = [f"toUInt64(splitByChar('_', `_part`)[3]) > {above}", f"{block} > {above}"] if above else []
    if upto is not None:
        held.append(f"{block} <= {upto}")
    return " AND ".join(held) or "1"


def comment_of(
    declaration: Declaration,
    *,
    state: str,
    identity: str,
    over: str = "",
    progress: Progress | None = None,
) -> str:
    """The record of a roll-up as its table's comment keeps it: with the table it lives, moves and goes."""
    return json.dumps(
        {
            "version": 1,
            "state": state,
            "name": declaration.name,
            "table": declaration.table,
            "identity": identity,
            "over": over,
            "time_column": declaration.time_column,
            "grain": declaration.grain.value,
            "dimensions": declaration.dimensions,
            "measures": [[each.column, each.kind.value] for each in declaration.measures],
            "maintenance": declaration.maintenance.value,
            "progress": progress.document() if progress else None,
        }
    )


def read_comment(text: str) -> tuple[Declaration, str, str, str, Progress | None] | None:
    """(declaration, state, identity of its table, what it is made of, progress) of a record, or None."""
    try:
        record = json.loads(text)
        declaration = Declaration(
            record["name"],
            record["table"],
            record["time_column"],
            Grain(record["grain"]),
            tuple(record["dimensions"]),
            tuple(Measure(column, Kind(kind)) for column, kind in record["measures"]),
            Maintenance(record.get("maintenance", Maintenance.SYNCHRONOUS.value)),
        )
        progress = progress_of(record.get("progress"))
        return declaration, str(record["state"]), str(record["identity"]), str(record["over"]), progress
    except (ValueError, KeyError, TypeError):
        return None


def day_ranges(days: list[tuple[str, int]], most: int) -> Iterator[tuple[str, str]]:
    """(first, last) days that together hold about `most` rows, from (day, rows) in order."""
    first, held, last = "", 0, ""
    for day, rows in days:
        if first and held + rows > most:
            yield first, last
            first, held = "", 0
        first, last, held = first or day, day, held + rows
    if first:
        yield first, last
