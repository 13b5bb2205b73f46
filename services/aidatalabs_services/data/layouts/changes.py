"""The ways in which a table can be laid out otherwise: checked, written as a copy with the change, and as the
statement that an administrator would run.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.native.json_type import parse_column_type, type_text
from aidatalabs_services.data.rollups.declarations import Declaration
from aidatalabs_services.data.rollups.declarations import checked as checked_declaration
from aidatalabs_services.data.schema import ColumnSchema, TableSchema
from aidatalabs_services.data.table_ddl import quoted
from aidatalabs_services.runtime.errors import FieldViolation, InvalidRequest

_FIGURES = frozenset(("count", "sum", "min", "max", "avg", "uniq", "uniqExact"))
_TIME_WORDS = """toDate toStartOfHour toStartOfDay toStartOfWeek toMonday toStartOfMonth toStartOfQuarter
toStartOfYear toYear toMonth toYYYYMM toHour toDayOfWeek"""
_TIME_PARTS = frozenset(_TIME_WORDS.split())
_WHOLE = re.compile(r"(U?)Int(8|16|32|64)")


class IndexKind(enum.Enum):
    """What an index keeps of each granule, as the engine writes it."""

    MINMAX = "minmax"
    SET = "set(100)"
    BLOOM_FILTER = "bloom_filter(0.01)"
    NGRAM = "ngrambf_v1(4, 8192, 3, 0)"


@dataclass(frozen=True)
class OrderChange:
    """Another sorting key."""

    columns: tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """An aggregate of a column; `count` of rows has none."""

    function: str
    column: str = ""

    def __str__(self) -> str:
        return f"{self.function}({quoted(self.column) if self.column else ''})"


@dataclass(frozen=True)
class Key:
    """A column, or a part of its time."""

    column: str
    function: str = ""

    def __str__(self) -> str:
        return f"{self.function}({quoted(self.column)})" if self.function else quoted(self.column)


@dataclass(frozen=True)
class ProjectionChange:
    """Columns of the rows sorted once more (none named: all), or figures of groups."""

    columns: tuple[str, ...] = ()
    order_by: tuple[str, ...] = ()
    group_by: tuple[Key, ...] = ()
    figures: tuple[Figure, ...] = ()

    @property
    def takes_all(self) -> bool:
        """Whether it holds every column."""
        return not self.columns and not self.figures


@dataclass(frozen=True)
class IndexChange:
    """An index that skips granules."""

    column: str
    kind: IndexKind


@dataclass(frozen=True)
class TypeChange:
    """Another type of a column."""

    column: str
    type: str


@dataclass(frozen=True)
class RollupChange:
    """A roll-up over the table."""

    declaration: Declaration


Change = OrderChange | ProjectionChange | IndexChange | TypeChange | RollupChange


def checked(changes: Sequence[Change], table: TableSchema) -> tuple[Change, ...]:
    """The same changes with types in canonical form. Raises InvalidRequest naming every field that is wrong,
    TypeNotAllowed or RollupInvalid.
    """
    found: list[Change] = []
    wrong: list[FieldViolation] = []
    for index, change in enumerate(changes):
        if isinstance(change, RollupChange):
            checked_declaration(change.declaration, table)
        elif isinstance(change, TypeChange):
            change = replace(change, type=type_text(parse_column_type(change.type)))
        wrong += (FieldViolation(f"changes[{index}].{field}", why) for field, why in _faults(change, table))
        found.append(change)
    if wrong:
        raise InvalidRequest("A layout cannot be tried; see the violations.", violations=wrong)
    return tuple(found)


def named_columns(change: Change) -> frozenset[str]:
    """Columns of the table that the copy must have for a change."""
    match change:
        case OrderChange(columns):
            return frozenset(columns)
        case ProjectionChange():
            keys = [each.column for each in change.group_by]
            figures = [each.column for each in change.figures if each.column]
            return frozenset((*change.columns, *change.order_by, *keys, *figures))
        case IndexChange() | TypeChange():
            return frozenset((change.column,))
        case RollupChange(declared):
            roots = [each.partition(".")[0] for each in declared.dimensions]
            return frozenset((declared.time_column, *roots, *(each.column for each in declared.measures)))


def changed(change: Change, table: TableSchema) -> tuple[TableSchema, tuple[str, ...]]:
    """The description of a copy with the change, and what stands beside its columns."""
    match change:
        case OrderChange(columns):
            return replace(table, order_by=columns), ()
        case ProjectionChange():
            return table, (f"PROJECTION `faster` ({_selected(change)})",)
        case IndexChange(column, kind):
            return table, (f"INDEX `faster` {quoted(column)} TYPE {kind.value} GRANULARITY 1",)
        case TypeChange(name, kind_text):
            retyped = tuple(
                ColumnSchema(each.name, kind_text, each.comment) if each.name == name else each
                for each in table.columns
            )
            return replace(table, columns=retyped), ()
        case RollupChange():
            return table, ()


def statement(change: Change, table: TableSchema) -> str:
    """The change as SQL over the table's own name; of another key what differs in CREATE TABLE."""
    name = quoted(table.name)
    match change:
        case OrderChange(columns):
            return f"ORDER BY ({', '.join(map(quoted, columns))})"
        case ProjectionChange():
            called = quoted("by_" + "_".join((*change.order_by, *(each.column for each in change.group_by))))
            return f"ALTER TABLE {name} ADD PROJECTION {called} ({_selected(change)})"
        case IndexChange(column, kind):
            called = quoted(f"{column}_{kind.name.lower()}")
            return f"ALTER TABLE {name} ADD INDEX {called} {quoted(column)} TYPE {kind.value} GRANULARITY 1"
        case TypeChange(column, kind_text):
            return f"ALTER TABLE {name} MODIFY COLUMN {quoted(column)} {kind_text}"
        case RollupChange(declared):
            parts = [f"by {declared.grain.value} of {declared.time_column}"]
            parts += [f"and {', '.join(declared.dimensions)}"] if declared.dimensions else []
            kept = ["count()", *(f"{each.kind.value}({each.column})" for each in declared.measures)]
            return f"roll-up {declared.name} over {table.name} {' '.join(parts)}: {', '.join(kept)}"


def _selected(change: ProjectionChange) -> str:
    if change.figures:
        keys = ", ".join(map(str, change.group_by))
        shown = ", ".join(part for part in (keys, ", ".join(map(str, change.figures))) if part)
        return f"SELECT {shown}" + (f" GROUP BY {keys}" if keys else "")
    columns = ", ".join(map(quoted, change.columns)) or "*"
    return f"SELECT {columns} ORDER BY {', '.join(map(quoted, change.order_by))}"


def _faults(change: Change, table: TableSchema) -> Iterator[tuple[str, str]]:
    if isinstance(change, RollupChange):
        if change.declaration.table != table.name:
            yield "rollup.table", "must be the table that is measured"
        return
    unknown = sorted(name for name in named_columns(change) if name not in table.types)
    if unknown:
        yield _FIELD[type(change)], f"names {unknown[0]}, which the table does not have"
        return
    match change:
        case OrderChange(columns):
            yield from (("order_by.columns", why) for why in _key_faults(columns, table))
            if columns == table.order_by:
                yield "order_by.columns", "is the key that the table has"
        case ProjectionChange():
            yield from _projection_faults(change, table)
        case IndexChange(column, kind):
            base = parse_column_type(table.types[column]).base
            if base.inner or base.name == "JSON":
                yield "skip_index.column", "must be a column with plain values"
            elif kind is IndexKind.NGRAM and base.name != "String":
                yield "skip_index.kind", "NGRAM needs a column of text"
        case TypeChange(column, kind_text):
            before, after = parse_column_type(table.types[column]), parse_column_type(kind_text)
            if not _holds_the_same(before, after):
                yield "column_type.type", "must be LowCardinality of the same text, or a smaller whole number"


def _projection_faults(change: ProjectionChange, table: TableSchema) -> Iterator[tuple[str, str]]:
    if bool(change.order_by) == bool(change.figures):
        yield "projection", "must have order_by or figures, one of the two"
    if change.figures and change.columns:
        yield "projection.columns", "must be empty where there are figures"
    if change.group_by and not change.figures:
        yield "projection.group_by", "must be empty where there are no figures"
    yield from (("projection.order_by", why) for why in _key_faults(change.order_by, table))
    for key in change.group_by:
        kind = parse_column_type(table.types[key.column])
        if key.function and (key.function not in _TIME_PARTS or not kind.is_time):
            yield "projection.group_by", "a function must be one of times, over a column of days or times"
        elif kind.base.inner or kind.base.name == "JSON":
            yield "projection.group_by", "must be columns with plain values"
    for figure in change.figures:
        if figure.function not in _FIGURES:
            yield "projection.figures", f"must be one of {', '.join(sorted(_FIGURES))}"
        elif not figure.column:
            if figure.function != "count":
                yield "projection.figures", "only count may have no column"
        elif (
            figure.function in ("sum", "avg") and not parse_column_type(table.types[figure.column]).is_number
        ):
            yield "projection.figures", f"{figure.function} needs a column of numbers"
    if any(name not in (*change.columns, "") for name in change.order_by) and change.columns:
        yield "projection.order_by", "must be among its columns"


def _is_number(table: TableSchema, column: str) -> bool:
    return parse_column_type(table.types[column]).is_number


def _key_faults(columns: Sequence[str], table: TableSchema) -> Iterator[str]:
    for index, name in enumerate(columns):
        if not parse_column_type(table.types[name]).sortable:
            yield f"{name} must have a plain type that is never NULL"
        elif name in columns[:index]:
            yield f"{name} is there twice"


def _holds_the_same(before: ColumnType, after: ColumnType) -> bool:
    """Whether the new type can hold values of the old one as they are; of numbers the rows decide."""
    if after.name == "LowCardinality":
        return before.name != "LowCardinality" and before.base.name == "String" and before == after.inner[0]
    old, new = _WHOLE.fullmatch(before.base.name), _WHOLE.fullmatch(after.base.name)
    same_shell = before.nullable == after.nullable and "LowCardinality" not in (before.name, after.name)
    return bool(old and new and same_shell and int(new[2]) < int(old[2]))


def number_range(kind_text: str) -> tuple[int, int] | None:
    """The least and the greatest whole number of a type; None for other types, which hold everything."""
    found = _WHOLE.fullmatch(parse_column_type(kind_text).base.name)
    if found is None:
        return None
    bits = int(found[2])
    return (0, 2**bits - 1) if found[1] else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


_FIELD = {
    OrderChange: "order_by.columns",
    ProjectionChange: "projection",
    IndexChange: "skip_index.column",
    TypeChange: "column_type.column",
}
