"""What a roll-up keeps: its table, time column, grain, dimensions and measures, checked against the table."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.errors import RollupInvalid, TypeNotAllowed
from aidatalabs_services.data.native.json_type import parse_column_type
from aidatalabs_services.data.schema import TableSchema
from aidatalabs_services.data.standard_tables import EVENTS, EVENTS_HOURLY, is_dead_letters
from aidatalabs_services.runtime.errors import FieldViolation

NAME = re.compile(r"[a-z]([a-z0-9_]{0,46}[a-z0-9])?")
MAX_DIMENSIONS = 8
MAX_MEASURES = 24
BLOCK = "_block_number"
"""The engine's column for the number of the block that a row came with."""
_PATH = re.compile(r"([a-zA-Z_][a-zA-Z0-9_]*)((?:\.[a-zA-Z_][a-zA-Z0-9_]*)+)(\.:String)?")
_OURS = re.compile(r"_[sdb][0-9]*|_epoch")
_UTC = ("", "'UTC'")


class Grain(enum.Enum):
    """Width of a bucket of time, always in UTC."""

    HOUR = "hour"
    DAY = "day"

    @property
    def seconds(self) -> int:
        """The same width in seconds."""
        return 3600 if self is Grain.HOUR else 86_400


class Kind(enum.Enum):
    """What is kept of a column per bucket; rows are always counted.

    SUM serves sum and avg. UNIQ, UNIQ_COMBINED64 and UNIQ_EXACT keep the state of the function of that name.
    QUANTILES keeps a sketch with 1 % relative error.
    """

    COUNT = "count"
    SUM = "sum"
    MIN = "min"
    MAX = "max"
    UNIQ = "uniq"
    UNIQ_COMBINED64 = "uniqCombined64"
    UNIQ_EXACT = "uniqExact"
    QUANTILES = "quantiles"


class Maintenance(enum.Enum):
    """Who fills a roll-up: each insert by itself, or a worker that follows the table at a distance."""

    SYNCHRONOUS = "synchronous"
    ASYNCHRONOUS = "asynchronous"


@dataclass(frozen=True)
class Measure:
    """One column and what is kept of it."""

    column: str
    kind: Kind


@dataclass(frozen=True)
class Declaration:
    """A roll-up as it was asked for. `dimensions` are columns, or text paths into a JSON column."""

    name: str
    table: str
    time_column: str
    grain: Grain
    dimensions: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()
    maintenance: Maintenance = Maintenance.SYNCHRONOUS

    @property
    def is_asynchronous(self) -> bool:
        """Whether a worker fills it."""
        return self.maintenance is Maintenance.ASYNCHRONOUS


@dataclass(frozen=True)
class Dimension:
    """A dimension bound to its table: `column` in the hidden table, `path` words inside a JSON column.

    `typed` is a path declared as `….:String`: texts only; a plain path stands for any value's text.
    """

    text: str
    column: str
    root: str
    path: tuple[str, ...] = ()
    typed: bool = False


_EVENT_MEASURES = (
    Measure("value", Kind.SUM),
    Measure("value", Kind.MIN),
    Measure("value", Kind.MAX),
    Measure("user_id", Kind.UNIQ),
    Measure("value", Kind.QUANTILES),
)
STANDARD = tuple(
    Declaration(name, EVENTS.name, "timestamp", grain, dimensions, _EVENT_MEASURES)
    for name, grain, dimensions in (
        ("events_by_hour", Grain.HOUR, ("event_type",)),
        ("events_by_day", Grain.DAY, ("event_type",)),
        ("events_per_day", Grain.DAY, ()),
    )
)
# Made of another one's states, so that an event is looked at once however many roll-ups there are.
BASES = {"events_by_day": "events_by_hour", "events_per_day": "events_by_day"}
STANDARD_NAMES = frozenset(each.name for each in STANDARD)


def bound_dimensions(declaration: Declaration) -> tuple[Dimension, ...]:
    """The dimensions with the columns that hold them: a column's own name, `_d0`, `_d1` … for paths."""
    bound = []
    for index, text in enumerate(declaration.dimensions):
        found = _PATH.fullmatch(text)
        if found is None:
            bound.append(Dimension(text, text, text))
        else:
            words = tuple(found[2].lstrip(".").split("."))
            bound.append(Dimension(text, f"_d{index}", found[1], words, bool(found[3])))
    return tuple(bound)


def checked(
    declaration: Declaration,
    table: TableSchema,
    *,
    reserved: frozenset[str] = frozenset(),
    may_follow: bool = True,
) -> Declaration:
    """The same declaration, found to be one that can be kept over `table`.

    `reserved` are names that it may not have, `may_follow` says whether there is a worker here. Raises
    RollupInvalid naming every field that breaks a rule.
    """
    wrong = [*_name_faults(declaration), *_time_faults(declaration, table)]
    if declaration.is_asynchronous:
        wrong += _following_faults(table, may_follow=may_follow)
    if declaration.name in reserved:
        wrong.append(FieldViolation("rollup.name", "is a standard roll-up's, and those are turned off here"))
    wrong += _dimension_faults(declaration, table)
    wrong += _measure_faults(declaration, table)
    if wrong:
        first = wrong[0]
        raise RollupInvalid(
            f"The roll-up cannot be made: {first.field} {first.description}.",
            metadata={"rollup": declaration.name[:64]},
            violations=wrong,
        )
    return declaration


def _name_faults(declaration: Declaration) -> list[FieldViolation]:
    wrong = []
    if not NAME.fullmatch(declaration.name):
        wrong.append(FieldViolation("rollup.name", "must match [a-z][a-z0-9_]*[a-z0-9], 48 at most"))
    if len(declaration.dimensions) > MAX_DIMENSIONS:
        wrong.append(FieldViolation("rollup.dimensions", f"must be at most {MAX_DIMENSIONS}"))
    if len(declaration.measures) > MAX_MEASURES:
        wrong.append(FieldViolation("rollup.measures", f"must be at most {MAX_MEASURES}"))
    return wrong


def _following_faults(table: TableSchema, *, may_follow: bool) -> list[FieldViolation]:
    """A worker knows rows by the number of the block they came with: nothing may change them later."""
    fault = ""
    if not may_follow:
        fault = "must be SYNCHRONOUS: on a server of its own nobody follows the tables"
    elif table.column(BLOCK) is not None:
        fault = f"must be SYNCHRONOUS: the table has a column {BLOCK}, the engine's own name for blocks"
    elif is_dead_letters(table) or table.name == EVENTS_HOURLY.name:
        fault = f"must be SYNCHRONOUS: rows of {table.name} change after they came"
    return [FieldViolation("rollup.maintenance", fault)] if fault else []


def column_type(table: TableSchema, name: str) -> ColumnType | None:
    """The type of a column of `table`; None where there is no such column or its type is none of ours."""
    column = table.column(name)
    try:
        return parse_column_type(column.type) if column else None
    except TypeNotAllowed:
        return None


def _time_faults(declaration: Declaration, table: TableSchema) -> list[FieldViolation]:
    kind = column_type(table, declaration.time_column)
    if kind is None or not kind.is_time or _OURS.fullmatch(declaration.time_column):
        return [FieldViolation("rollup.time_column", "must be a column of days or times that is never NULL")]
    if kind.name.startswith("DateTime") and any("'" in each and each not in _UTC for each in kind.parameters):
        return [FieldViolation("rollup.time_column", "must be in UTC")]
    if kind.name.startswith("Date") and "Time" not in kind.name and declaration.grain is Grain.HOUR:
        return [FieldViolation("rollup.grain", "must be DAY: the column has days without hours")]
    return []


def _dimension_faults(declaration: Declaration, table: TableSchema) -> list[FieldViolation]:
    wrong = []
    for index, dimension in enumerate(bound_dimensions(declaration)):
        field = f"rollup.dimensions[{index}]"
        kind = column_type(table, dimension.root)
        if dimension.text in declaration.dimensions[:index]:
            wrong.append(FieldViolation(field, "is there twice"))
        elif dimension.path:
            if kind is None or kind.base.name != "JSON":
                wrong.append(FieldViolation(field, "must be a path into a JSON column, or a column"))
        elif kind is None or dimension.text == declaration.time_column or _OURS.fullmatch(dimension.text):
            wrong.append(FieldViolation(field, "must be a column of the table other than the time column"))
        elif not _is_key(kind.base):
            wrong.append(FieldViolation(field, "must be text, a whole number, a day, a UUID or an address"))
    return wrong


def _is_key(kind: ColumnType) -> bool:
    # Numbers with a fraction have two zeros and values that equal nothing: no keys.
    return not kind.inner and not kind.name.startswith("Float") and kind.name != "JSON"


def _measure_faults(declaration: Declaration, table: TableSchema) -> list[FieldViolation]:
    wrong = []
    for index, measure in enumerate(declaration.measures):
        field = f"rollup.measures[{index}]"
        kind = column_type(table, measure.column)
        if kind is None or kind.base.inner or kind.base.name == "JSON":
            wrong.append(FieldViolation(f"{field}.column", "must be a column of the table with plain values"))
        elif measure.kind is Kind.SUM and not kind.is_number:
            wrong.append(FieldViolation(f"{field}.kind", "SUM needs a column of numbers"))
        elif measure.kind is Kind.QUANTILES and (not kind.is_number or kind.nullable):
            wrong.append(FieldViolation(f"{field}.kind", "QUANTILES needs a column of numbers, never NULL"))
        elif measure in declaration.measures[:index]:
            wrong.append(FieldViolation(field, "is there twice"))
    return wrong
