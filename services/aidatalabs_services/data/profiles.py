"""What the values of a column look like, measured by the engine in one statement for many columns.

A `Measure` is one column (or one type of one JSON path) with the expressions it asks for; `select` writes
the statement for several of them and `read` takes its single row apart again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.errors import TypeNotAllowed
from aidatalabs_services.data.native.json_type import parse_column_type
from aidatalabs_services.data.ports import Json
from aidatalabs_services.data.table_ddl import quoted

# Every value is kept where there are at most this many, else the most frequent ones.
ALL_VALUES = 2000
FREQUENT_VALUES = 200
VALUE_CHARACTERS = 100
# Columns measured by one statement: exact distinct counts of more could need too much memory at once.
MEASURES_AT_ONCE = 16

_UNORDERED = frozenset({"UUID", "IPv4", "IPv6"})
_CONTAINERS = frozenset({"Array", "Map", "Tuple", "JSON"})


@dataclass(frozen=True)
class Profile:
    """What one column or JSON path holds; None where it was not measured.

    `values` are the most frequent ones, most frequent first; `path_of` is the JSON column of a path, and
    `is_declared` says that the column's type names it.
    """

    name: str
    type: str
    comment: str = ""
    distinct_count: int | None = None
    null_share: float | None = None
    minimum: str | None = None
    maximum: str | None = None
    values: Sequence[str] = ()
    values_complete: bool = False
    path_of: str = ""
    is_declared: bool = False


@dataclass(frozen=True)
class Measure:
    """One thing to measure: `expression` is SQL written by us, `kind` its type, `name` as in `Profile`."""

    name: str
    expression: str
    type: str
    kind: ColumnType | None
    comment: str = ""
    path_of: str = ""
    is_declared: bool = False

    @property
    def ordered(self) -> bool:
        """Whether smallest and largest mean something."""
        return self.kind is not None and self.kind.base.name not in _UNORDERED

    @property
    def text(self) -> bool:
        """Whether its values are listed."""
        return self.kind is not None and self.kind.is_text

    def expressions(self, *, exact: bool) -> Iterator[str]:
        """The aggregates that measure it, in this order: count, distinct, smallest, largest, values."""
        yield f"count({self.expression})"
        yield f"{'uniqExact' if exact else 'uniqCombined64'}({self.expression})"
        if self.ordered:
            yield f"min({self.expression})"
            yield f"max({self.expression})"
        if self.text:
            # One character more than is kept tells a cut value from a whole one.
            short = f"leftUTF8(toString({self.expression}), {VALUE_CHARACTERS + 1})"
            yield f"topK({ALL_VALUES if exact else FREQUENT_VALUES}, 3, 'counts')({short})"


@dataclass
class Measured:
    """The figures of one measure over the sample."""

    measure: Measure
    count: int = 0
    profile: Profile = field(default_factory=lambda: Profile("", ""))


def column_measure(name: str, kind: str, comment: str) -> Measure | None:
    """The measure of a plain column; None for types that are not measured (lists, maps, tuples, JSON)."""
    parsed = _parsed(kind)
    if parsed is None or parsed.base.name in _CONTAINERS:
        return None
    return Measure(name, quoted(name), kind, parsed, comment)


def path_measures(
    column: str, column_type: str, paths: Mapping[str, Sequence[str]], *, most: int
) -> list[Measure]:
    """The measures of a JSON column's paths: one per path and plain type, of at most `most` paths.

    A declared path has one type and is read as it stands.
    """
    found = _parsed(column_type)
    declared = dict(zip(found.names, found.inner, strict=True)) if found is not None else {}
    measures = []
    for path in sorted(paths)[:most]:
        steps = path.split(".")
        if not all(steps) or len(path) > 256:
            continue
        place = ".".join(quoted(step) for step in (column, *steps))
        for kind in paths[path]:
            parsed = _parsed(kind)
            known = parsed is not None and parsed.base.name not in _CONTAINERS
            measures.append(
                Measure(
                    f"{column}.{path}",
                    place if path in declared else f"{place}.:{quoted(kind)}",
                    kind,
                    parsed if known else None,
                    path_of=column,
                    is_declared=path in declared,
                )
            )
    return measures


def select(measures: Sequence[Measure], source: str, *, exact: bool) -> str:
    """The statement that measures all of `measures` over `source` (what stands after FROM): one row."""
    asked = ["count()"]
    for measure in measures:
        asked += measure.expressions(exact=exact) if measure.kind else [f"count({measure.expression})"]
    return f"SELECT {', '.join(asked)} FROM {source}"  # noqa: S608 - quoted names only


def read(measures: Sequence[Measure], row: Sequence[Json]) -> list[Measured]:
    """The figures out of the row that `select` returned."""
    cells = iter(row)
    rows = int(next(cells))
    return [_measured(measure, rows, cells) for measure in measures]


def _measured(measure: Measure, rows: int, cells: Iterator[Json]) -> Measured:
    count = int(next(cells))
    share = 1.0 - count / rows if rows else None
    if measure.kind is None:
        return Measured(
            measure,
            count,
            Profile(
                measure.name,
                measure.type,
                null_share=share,
                path_of=measure.path_of,
                is_declared=measure.is_declared,
            ),
        )
    distinct = int(next(cells))
    smallest, largest = (next(cells), next(cells)) if measure.ordered else (None, None)
    values = next(cells) if measure.text else []
    ranked = [str(item) for item, _ in sorted(_counted(values), key=lambda pair: (-pair[1], pair[0]))]
    kept = ranked if distinct <= ALL_VALUES else ranked[:FREQUENT_VALUES]
    whole = all(len(value) <= VALUE_CHARACTERS for value in kept)
    profile = Profile(
        name=measure.name,
        type=measure.type,
        comment=measure.comment,
        distinct_count=distinct,
        null_share=share,
        minimum=_text(smallest) if count else None,
        maximum=_text(largest) if count else None,
        values=tuple(dict.fromkeys(value[:VALUE_CHARACTERS] for value in kept)),
        values_complete=measure.text and whole and len(kept) == distinct,
        path_of=measure.path_of,
        is_declared=measure.is_declared,
    )
    return Measured(measure, count, profile)


def _counted(values: Sequence[Json]) -> Iterator[tuple[str, int]]:
    for entry in values:
        yield str(entry["item"]), int(entry["count"])


def _text(value: Json) -> str | None:
    """A smallest or largest value as text; not-a-number says nothing about a range."""
    if value is None or value == "nan":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:VALUE_CHARACTERS]


def _parsed(kind: str) -> ColumnType | None:
    try:
        return parse_column_type(kind)
    except TypeNotAllowed:
        return None
