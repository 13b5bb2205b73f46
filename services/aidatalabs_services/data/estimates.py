"""What a query is expected to cost, by what the engine stores and how the platform's queries went lately.

    bytes   = sum over tables of  rows (EXPLAIN ESTIMATE) x bytes of a row of the columns that are read
    seconds = what a small query took + bytes / bytes a second at which larger ones were read

A row's bytes are those of the last query over the same columns of the same table; before there was one, the
sum of what each column stores for a value, uncompressed. Both figures of time are running averages in which
each query weighs a fifth.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from aidatalabs_services.data.ports import QueryOutcome, StoredWidths, TableRead
from aidatalabs_services.data.schema import Schema
from aidatalabs_services.data.statements import Statement

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_MIB = 1024 * 1024
_KEPT_PLATFORMS = 1000
_KEPT_ROWS = 10_000
_WEIGHT = 0.2
# Reading less than this takes no longer than planning: such a query says what every query takes at least.
_SMALL_BYTES = _MIB
# Before anything ran: an embedded engine on two cores.
_FIRST_SECONDS = 0.005
_FIRST_BYTES_PER_SECOND = 1024.0 * _MIB
_WIDTHS_SECONDS = 60.0
_TYPE = re.compile(r"(?:Nullable\(|LowCardinality\()*([A-Za-z0-9]+)")
_VALUE_BYTES = {
    **dict.fromkeys(("Int8", "UInt8", "Bool", "Enum8"), 1.0),
    **dict.fromkeys(("Int16", "UInt16", "Enum16", "Date"), 2.0),
    **dict.fromkeys(("Int32", "UInt32", "Float32", "DateTime", "Date32", "IPv4", "Decimal32"), 4.0),
    **dict.fromkeys(("Int64", "UInt64", "Float64", "DateTime64", "Decimal", "Decimal64"), 8.0),
    **dict.fromkeys(("Int128", "UInt128", "UUID", "IPv6", "Decimal128"), 16.0),
    **dict.fromkeys(("Int256", "UInt256", "Decimal256"), 32.0),
}
# A text of which nothing is known.
_OTHER_BYTES = 16.0


@dataclass(frozen=True)
class Cost:
    """What a query is expected to read and to take in the engine; bytes are uncompressed."""

    rows: int
    bytes: int
    seconds: float
    parts: int
    marks: int


@dataclass
class _Pace:
    """How fast a platform's queries went lately."""

    seconds: float = _FIRST_SECONDS
    bytes_per_second: float = _FIRST_BYTES_PER_SECOND

    def learn(self, outcome: QueryOutcome) -> None:
        """Takes one finished query into account."""
        if outcome.read_bytes < _SMALL_BYTES:
            self.seconds += _WEIGHT * (outcome.elapsed_seconds - self.seconds)
            return
        reading = max(outcome.elapsed_seconds - self.seconds, outcome.elapsed_seconds / 10, 1e-6)
        self.bytes_per_second += _WEIGHT * (outcome.read_bytes / reading - self.bytes_per_second)


class Estimates:
    """Estimates for every platform, by its uid. `widths` reads what the engine stores, once a minute."""

    def __init__(self, widths: Callable[[str], Awaitable[Mapping[str, StoredWidths]]]) -> None:
        self._read_widths = widths
        self._widths: OrderedDict[str, tuple[float, Mapping[str, StoredWidths]]] = OrderedDict()
        self._paces: OrderedDict[str, _Pace] = OrderedDict()
        self._row_bytes: OrderedDict[tuple[str, str, tuple[str, ...]], float] = OrderedDict()

    def learn(self, uid: str, statement: Statement, outcome: QueryOutcome, *, from_rows: bool = True) -> None:
        """Takes one finished query into account; what one over a roll-up read says nothing of the rows."""
        self._paces.setdefault(uid, _Pace()).learn(outcome)
        _bound(self._paces, uid, _KEPT_PLATFORMS)
        if from_rows and len(statement.tables) == 1 and outcome.read_rows > 1:
            key = (uid, statement.tables[0], _columns(statement, statement.tables[0]))
            self._row_bytes[key] = outcome.read_bytes / outcome.read_rows
            _bound(self._row_bytes, key, _KEPT_ROWS)

    async def cost(self, uid: str, statement: Statement, schema: Schema, reads: Sequence[TableRead]) -> Cost:
        """What a query that is expected to read so much will cost. Raises ServiceUnavailable."""
        widths = await self._stored(uid) if reads else {}
        read_bytes = sum(
            read.rows * self._width(uid, statement, schema, read.table, widths.get(read.table))
            for read in reads
        )
        pace = self._paces.get(uid, _Pace())
        return Cost(
            rows=sum(read.rows for read in reads),
            bytes=round(read_bytes),
            seconds=pace.seconds + read_bytes / pace.bytes_per_second,
            parts=sum(read.parts for read in reads),
            marks=sum(read.marks for read in reads),
        )

    def forget(self, uid: str) -> None:
        """Drops what is known of a platform."""
        self._widths.pop(uid, None)
        self._paces.pop(uid, None)

    async def _stored(self, uid: str) -> Mapping[str, StoredWidths]:
        moment, widths = self._widths.get(uid, (0.0, None))
        if widths is None or time.monotonic() - moment > _WIDTHS_SECONDS:
            widths = await self._read_widths(uid)
            self._widths[uid] = (time.monotonic(), widths)
            _bound(self._widths, uid, _KEPT_PLATFORMS)
        return widths

    def _width(
        self, uid: str, statement: Statement, schema: Schema, table: str, stored: StoredWidths | None
    ) -> float:
        """Bytes of one row of the columns that the query reads of this table."""
        columns = _columns(statement, table)
        learnt = self._row_bytes.get((uid, table, columns))
        if learnt is not None:
            return learnt
        if table not in schema:
            return stored.row_bytes if stored else 1.0  # a roll-up: few columns, most of them read
        types = schema[table].types
        each = {name: _value_bytes(name, kind, stored) for name, kind in types.items()}
        read = [each[name] for name in columns if name in each]
        # Where no column is named the engine reads the smallest, to count its rows.
        return sum(read) if read else min(each.values(), default=1.0)


def _columns(statement: Statement, table: str) -> tuple[str, ...]:
    """The columns that a query reads of a table; of a path in a JSON column, the column."""
    return tuple(sorted({name.partition(".")[0] for of, name in statement.columns if of == table}))


def _value_bytes(name: str, kind: str, stored: StoredWidths | None) -> float:
    known = stored.column_bytes.get(name, 0.0) if stored else 0.0
    found = _TYPE.match(kind)
    return known or _VALUE_BYTES.get(found[1] if found else "", _OTHER_BYTES)


def _bound(kept: OrderedDict[_Key, _Value], key: _Key, most: int) -> None:
    """Makes `key` the youngest and drops the oldest beyond `most`."""
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)
