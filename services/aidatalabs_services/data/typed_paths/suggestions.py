"""Which paths of a JSON column are worth a type of their own, learnt from the rows.

A typed path is stored as a column of its own and costs no byte per row for its type; it is encoded, read and
merged about twice as quickly as a dynamic one. A path is proposed where its values are of one plain type and
enough rows have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.ports import Json, QueryLimits, Warehouse
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.data.schema import TableSchema
from aidatalabs_services.data.table_ddl import quoted
from aidatalabs_services.data.typed_paths.declared import declared_paths, is_declarable
from aidatalabs_services.data.typed_paths.fitting import base_of, value_of

MOST_PATHS = 256
_LEAST_SHARE = 0.1
_FEW_VALUES = 10_000
_REPEATED = 10
_AT_ONCE = 32
_GRANULE = 8192
_NUMBERS = frozenset(["Int64", "Float64"])
_SCALARS = frozenset(["Int64", "UInt64", "Float64", "Bool", "String", "Date", "Date32", "DateTime", "UUID"])


@dataclass(frozen=True)
class Suggestion:
    """A path with what was seen at it: (type, rows) in `seen`, the most common first.

    `declared` is its type in the table, `suggested` the one to declare; both are empty where there is none.
    """

    path: str
    share: float
    seen: tuple[tuple[str, int], ...]
    declared: str
    suggested: str
    explanation: str


@dataclass(frozen=True)
class Suggestions:
    """The paths of a column; `row_count` were looked at, `unlisted_count` paths are not listed."""

    type: str
    paths: Sequence[Suggestion]
    row_count: int
    sampled: bool
    unlisted_count: int


@dataclass(frozen=True)
class _Seen:
    """Rows and distinct values of each type at a path."""

    counts: Mapping[str, tuple[int, int]]


class PathSuggestions:
    """Looks at most at about `sample_rows` rows of a table, picked evenly."""

    def __init__(self, warehouse: Warehouse, limits: QueryLimits, *, sample_rows: int) -> None:
        self._warehouse = warehouse
        self._limits = replace(limits, max_rows=1000)
        self._sample_rows = sample_rows

    async def suggest(self, uid: str, table: TableSchema, column: str, kind: ColumnType) -> Suggestions:
        """The paths of a JSON column of the type `kind`. Raises as `Warehouse.query` does."""
        rows = (await self._warehouse.sizes(uid))[table.name].row_count
        source = _source(table.name, rows, self._sample_rows)
        asked = f"SELECT count(), distinctJSONPathsAndTypes({quoted(column)}) FROM {source}"  # noqa: S608
        looked, types = await self._row(uid, asked)
        declared = declared_paths(kind)
        found: dict[str, Sequence[str]] = {
            path: [str(each) for each in kinds] for path, kinds in types.items() if _can_be_asked(path)
        }
        found.update({path: [text] for path, text in declared.items()})
        listed = sorted(found, key=str.encode)
        seen: dict[str, _Seen] = {}
        for begin in range(0, len(listed), _AT_ONCE):
            some = {path: found[path] for path in listed[begin : begin + _AT_ONCE]}
            seen |= await self._seen(uid, column, some, declared, source)
        total = int(looked)
        paths = [_suggestion(path, each, total, declared.get(path, "")) for path, each in seen.items()]
        paths = [path for path in paths if path.seen or path.declared]
        paths.sort(key=lambda each: (-each.share, each.path.encode()))
        more = len(paths) - MOST_PATHS + len(types.keys() - found.keys())
        return Suggestions(
            table.types[column], paths[:MOST_PATHS], total, rows > self._sample_rows, max(0, more)
        )

    async def _seen(
        self,
        uid: str,
        column: str,
        found: Mapping[str, Sequence[str]],
        declared: Mapping[str, str],
        source: str,
    ) -> dict[str, _Seen]:
        asked = list(_asked(column, found, declared))
        row = await self._row(uid, f"SELECT {', '.join(sql for *_, sql in asked)} FROM {source}")  # noqa: S608
        counts: dict[str, dict[str, tuple[int, int]]] = {path: {} for path in found}
        cells = iter(row)
        for path, kind, _ in asked:
            rows, distinct = next(cells)
            if int(rows):
                counts[path][kind] = (int(rows), int(distinct))
        return {path: _Seen(each) for path, each in counts.items()}

    async def _row(self, uid: str, sql: str) -> Sequence[Json]:
        outcome = await self._warehouse.query(uid, sql, limits=self._limits, query_id=new_query_id())
        return outcome.rows[0]


def _asked(
    column: str, found: Mapping[str, Sequence[str]], declared: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    """(path, type, aggregates) of each type of each path."""
    for path, kinds in found.items():
        for kind in kinds:
            value = value_of(column, path, kind, declared=path in declared)
            base = base_of(kind)
            distinct = f"uniq({value})" if base is not None and base.name == "String" else "0"
            yield path, kind, f"(count({value}), {distinct})"


def _suggestion(path: str, seen: _Seen, total: int, declared: str) -> Suggestion:
    ranked = tuple(
        sorted(
            ((kind, rows) for kind, (rows, _) in seen.counts.items()), key=lambda each: (-each[1], each[0])
        )
    )
    rows = sum(count for _, count in ranked)
    share = rows / total if total else 0.0
    suggested, why = ("", "It is declared already.") if declared else _proposal(path, seen, rows, share)
    return Suggestion(path, share, ranked, declared, suggested, why)


def _proposal(path: str, seen: _Seen, rows: int, share: float) -> tuple[str, str]:
    """The type to declare, empty for none, and why."""
    kinds = set(seen.counts)
    if not is_declarable(path):
        return "", "The path cannot be written in a type."
    if len(kinds) > 1 and kinds != _NUMBERS:
        return "", f"Its values are of {len(kinds)} types: a typed path has one."
    kind = "Float64" if kinds == _NUMBERS else next(iter(kinds))
    if kind not in _SCALARS and not kind.startswith(("DateTime64(", "Decimal(")):
        return (
            "",
            "Lists and objects stay dynamic: a row that lacks them could not be told from an empty one.",
        )
    if share < _LEAST_SHARE:
        return "", f"{_percent(share)} of the rows have it; a typed path pays from {_percent(_LEAST_SHARE)}."
    if kinds == _NUMBERS:
        return "Nullable(Float64)", "Numbers with and without a fraction; Float64 holds both."
    if kind == "String" and seen.counts[kind][1] <= min(_FEW_VALUES, rows // _REPEATED):
        distinct = seen.counts[kind][1]
        return "LowCardinality(Nullable(String))", f"Text of about {distinct:,} different values."
    return f"Nullable({kind})", f"{_percent(share)} of the rows have it, always as {kind}."


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 or not share else f"{share:.2%}"


def _can_be_asked(path: str) -> bool:
    return all(path.split(".")) and len(path) <= 256


def _source(table: str, rows: int, sample_rows: int) -> str:
    """What stands after FROM: the whole table, or granules picked evenly so that the rest is not read."""
    if rows <= sample_rows:
        return quoted(table)
    share = -(-rows // sample_rows)
    return f"{quoted(table)} PREWHERE cityHash64(_part, intDiv(_part_offset, {_GRANULE})) % {share} = 0"
