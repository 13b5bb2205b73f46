"""A plan as a model wrote it, checked against the catalogue and made a typed plan.

Nothing of it is believed: tables, columns and keys have to exist, types come from the catalogue, numbers have
to be numbers, names of the answer must not capture columns. What cannot be said this way is left to SQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from aidatalabs_services.agent.models.joining import Joining
from aidatalabs_services.agent.models.misfit import Misfit
from aidatalabs_services.agent.models.tools import COMPARISONS, FUNCTIONS, GRAINS, OPERATORS, PARTS
from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.plan import (
    Dimension,
    Filter,
    Having,
    Measure,
    Order,
    QueryPlan,
    Source,
    Window,
)

_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_NUMBER = re.compile(r"-?\d{1,30}(\.\d{1,20})?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_MOST_LIMIT = 10_000
_VALUE_CHARACTERS = 500
_FIELDS = frozenset(
    (
        *("table", "joins", "measures", "dimensions", "filters", "windows"),
        *("having", "order", "limit", "distinct", "outer", "reading"),
    )
)
_WITHOUT_VALUES = ("is_null", "not_null", "is_true", "is_false")
_NUMERIC = ("sum", "avg", "median")

Part = TypeVar("Part")


def plan_of(draft: Mapping[str, object], index: CatalogueIndex) -> QueryPlan:
    """The typed plan of a draft. Raises Misfit with what is wrong and what would be right."""
    unknown = sorted(set(draft) - _FIELDS)
    if unknown:
        raise Misfit(f"a plan has no field {unknown[0]!r}; its fields are {', '.join(sorted(_FIELDS))}")
    return _Draft(draft, index).plan()


class _Draft:
    """One draft on its way."""

    def __init__(self, draft: Mapping[str, object], index: CatalogueIndex) -> None:
        self._draft = draft
        self._index = index
        self._joining = Joining(index, _text(draft, "table"))
        self._names: set[str] = set()
        self._columns = index.folded_names

    def plan(self) -> QueryPlan:
        for join in _parts(self._draft, "joins", 6, dict):
            self._joining.through(
                _text(join, "from"), _text(join, "to"), unmatched=_flag(join, "unmatched", True)
            )
        dimensions = self._each("dimensions", 8, self._dimension)
        measures = self._each("measures", 10, self._measure)
        if not dimensions and not measures:
            raise Misfit("a plan needs measures, dimensions or both")
        listed = not measures
        if listed and any(d.grain or d.part for d in dimensions):
            raise Misfit("a list shows times as they are stored; leave grain and part out, or add a measure")
        filters = self._each("filters", 20, self._filter)
        windows = self._each("windows", 4, self._window)
        having = self._each("having", 6, lambda part: self._having(part, measures))
        outer = self._outer(measures, dimensions)
        form = "list" if listed else "scalar" if not dimensions else self._grouped(dimensions)
        limit = self._limit()
        return QueryPlan(
            form=form,
            table=self._joining.table,
            joins=self._joining.joins(),
            measures=measures,
            dimensions=dimensions,
            filters=filters,
            windows=windows,
            having=having,
            order=self._order(form, measures, dimensions, limit),
            limit=limit,
            distinct=listed and _flag(self._draft, "distinct", False),
            outer=outer,
        )

    def _each(self, name: str, most: int, make: Callable[[Mapping[str, object]], Part]) -> tuple[Part, ...]:
        return tuple(make(part) for part in _parts(self._draft, name, most, dict))

    @staticmethod
    def _grouped(dimensions: tuple[Dimension, ...]) -> str:
        return "series" if any(d.grain for d in dimensions) else "table"

    def _name(self, part: Mapping[str, object], column: str = "") -> str:
        """The name of a column of the answer; only the very column it stands for may be called the same."""
        name = _text(part, "name")
        if not _NAME.fullmatch(name):
            raise Misfit(f"the name {name!r} is not lower case letters, digits and _ (at most 60)")
        if name in self._names:
            raise Misfit(f"two columns of the answer are named {name!r}")
        if name.casefold() in self._columns and name != column:
            raise Misfit(f"{name!r} is a column or table already; name the column of the answer differently")
        self._names.add(name)
        return name

    def _dimension(self, part: Mapping[str, object]) -> Dimension:
        source = self._joining.source(_text(part, "column"))
        grain, piece = _word(part, "grain", GRAINS), _word(part, "part", PARTS)
        if grain and piece:
            raise Misfit("a dimension has a grain or a part, not both")
        timed = bool(source.calendar) or column_type(source.type).temporal
        if (grain or piece) and not timed:
            raise Misfit(f"{_text(part, 'column')} is no time; grain and part are for times")
        if source.calendar and not (grain or piece):
            raise Misfit("a date spread over columns needs a grain or a part")
        if "hour" in (grain, piece) and not self._has_hours(source):
            raise Misfit(f"{_text(part, 'column')} has no hours")
        plain = "" if grain or piece or source.path or source.table != self._joining.table else source.column
        name = self._name(part, plain)
        return Dimension(source, name, name.replace("_", " "), grain, piece)

    @staticmethod
    def _has_hours(source: Source) -> bool:
        if source.calendar:
            return bool(source.calendar[3])
        return column_type(source.type).kind == "datetime" or source.path

    def _measure(self, part: Mapping[str, object]) -> Measure:
        function = _word(part, "function", FUNCTIONS, needed=True)
        name = self._name(part)
        column = part.get("column")
        source = self._joining.source(_text(part, "column")) if column not in (None, "") else None
        conditions = tuple(self._filter(each) for each in _parts(part, "conditions", 10, dict))
        if conditions and function != "percent":
            raise Misfit(f"only percent takes conditions, not {function}; put them into filters or write SQL")
        if function == "percent" and (not conditions or source is not None):
            raise Misfit("percent takes conditions and no column: the part of the rows that fulfil them")
        if function == "count" and source is not None:
            raise Misfit("count counts rows and takes no column; use count_distinct, or filter with not_null")
        if source is None and function not in ("count", "share", "percent"):
            raise Misfit(f"{function} needs a column")
        if source is not None:
            self._check_number(function, source, _text(part, "column"))
        unit = "percent" if function in ("share", "percent") else self._unit(function, source)
        return Measure(function, source, name, name.replace("_", " "), unit, conditions)

    def _check_number(self, function: str, source: Source, column: str) -> None:
        kind = column_type(source.type)
        if source.calendar:
            raise Misfit(f"{function} cannot be taken of a date spread over columns; write SQL")
        if not kind.numeric and (function in _NUMERIC or function == "share"):
            raise Misfit(f"{function} needs numbers; {column} is {source.type}")

    def _unit(self, function: str, source: Source | None) -> str:
        if source is None or source.calendar or function in ("count", "count_distinct"):
            return ""
        return self._index.role(self._joining.table_of(source.table), source.column).unit

    def _filter(self, part: Mapping[str, object]) -> Filter:
        column = _text(part, "column")
        source = self._joining.source(column)
        operator = _word(part, "operator", OPERATORS, needed=True)
        kind = column_type(source.type)
        if source.calendar or (kind.temporal and operator not in ("is_null", "not_null")):
            raise Misfit(f"{column} is a time: say when in windows, not in filters")
        if operator in ("is_true", "is_false") and kind.kind != "bool":
            raise Misfit(f"{column} is {source.type}, not Bool")
        values = _values(part, operator)
        if (
            kind.numeric
            and (wrong := next((v for v in values if not _NUMBER.fullmatch(v)), None)) is not None
        ):
            raise Misfit(f"{column} holds numbers; {wrong[:40]!r} is none")
        if kind.kind == "bool" and values:
            raise Misfit(f"{column} is Bool: use is_true or is_false")
        return Filter(source, operator, values, numeric=kind.numeric and bool(values))

    def _window(self, part: Mapping[str, object]) -> Window:
        column = _text(part, "column")
        source = self._joining.source(column)
        if not source.calendar and not column_type(source.type).temporal:
            raise Misfit(f"{column} is no time; windows are for times")
        start, end = _moment(part, "start"), _moment(part, "end")
        if not start and not end:
            raise Misfit("a window needs a start, an end or both")
        if start and end and _when(start) >= _when(end):
            raise Misfit(f"the window ends at {end}, which is not after its start {start}")
        words = ", ".join(filter(None, (f"from {start}" if start else "", f"before {end}" if end else "")))
        return Window(source, start, end, "UTC", words)

    @staticmethod
    def _having(part: Mapping[str, object], measures: tuple[Measure, ...]) -> Having:
        name = _text(part, "measure")
        if name not in {measure.alias for measure in measures}:
            raise Misfit(f"having speaks of {name!r}, which is none of the measures' names")
        operator = _word(part, "operator", COMPARISONS, needed=True)
        values = _values(part, operator)
        if any(not _NUMBER.fullmatch(value) for value in values):
            raise Misfit("having compares with numbers")
        return Having(name, operator, values)

    def _outer(self, measures: tuple[Measure, ...], dimensions: tuple[Dimension, ...]) -> str:
        outer = _word(self._draft, "outer", ("avg", "count"))
        if outer and (not dimensions or len(measures) != 1):
            raise Misfit("outer folds groups with exactly one measure")
        return outer

    def _limit(self) -> int:
        limit = self._draft.get("limit", 0)
        if isinstance(limit, bool) or not isinstance(limit, int) or not 0 <= limit <= _MOST_LIMIT:
            raise Misfit(f"limit is a whole number from 0 to {_MOST_LIMIT:,}")
        return limit

    def _order(
        self, form: str, measures: tuple[Measure, ...], dimensions: tuple[Dimension, ...], limit: int
    ) -> tuple[Order, ...]:
        """The order asked for, made whole by the other columns, so that the same rows come each time."""
        names = [d.alias for d in dimensions] + [m.alias for m in measures]
        asked = []
        for part in _parts(self._draft, "order", 6, dict):
            name = _text(part, "by")
            if name not in names:
                raise Misfit(f"order speaks of {name!r}, which is no column of the answer")
            asked.append(Order(name, _flag(part, "descending", False)))
        if form == "scalar":
            return ()
        if not asked and form == "series":
            asked = [Order(d.alias, False) for d in dimensions if d.grain]
        if not asked and measures:
            asked = [Order(measures[0].alias, True)]
        if not asked and not limit:
            return ()
        known = {order.alias for order in asked}
        return (*asked, *(Order(d.alias, False) for d in dimensions if d.alias not in known))


def _text(part: Mapping[str, object], name: str) -> str:
    value = part.get(name)
    if not isinstance(value, str) or not value:
        raise Misfit(f"{name} is missing or no text")
    return value


def _flag(part: Mapping[str, object], name: str, default: bool) -> bool:
    value = part.get(name, default)
    if not isinstance(value, bool):
        raise Misfit(f"{name} is true or false")
    return value


def _word(part: Mapping[str, object], name: str, words: tuple[str, ...], *, needed: bool = False) -> str:
    value = part.get(name)
    if value in (None, "") and not needed:
        return ""
    if not isinstance(value, str) or value not in words:
        raise Misfit(f"{name} is one of {', '.join(words)}")
    return value


def _parts(
    part: Mapping[str, object], name: str, most: int, kind: type[dict[str, object]]
) -> list[Mapping[str, object]]:
    value = part.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > most or not all(isinstance(each, kind) for each in value):
        raise Misfit(f"{name} is a list of at most {most} objects")
    return value


def _values(part: Mapping[str, object], operator: str) -> tuple[str, ...]:
    given = part.get("values", [])
    if not isinstance(given, list) or len(given) > 200:
        raise Misfit("values is a list of at most 200")
    values = tuple(_value(each) for each in given)
    if operator in _WITHOUT_VALUES:
        if values:
            raise Misfit(f"{operator} takes no values")
    elif operator == "between":
        if len(values) != 2:
            raise Misfit("between takes two values")
    elif operator in ("in", "not_in"):
        if not values:
            raise Misfit(f"{operator} takes at least one value")
    elif len(values) != 1:
        raise Misfit(f"{operator} takes one value")
    return values


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int):
        text = str(value)
    elif isinstance(value, float):
        text = f"{value:.15f}".rstrip("0").rstrip(".")
    elif isinstance(value, str):
        text = value
    else:
        raise Misfit("values are texts, numbers, true or false")
    if len(text) > _VALUE_CHARACTERS:
        raise Misfit(f"a value is longer than {_VALUE_CHARACTERS} characters")
    return text


def _moment(part: Mapping[str, object], name: str) -> str:
    value = part.get(name)
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or not (_DAY.fullmatch(value) or _MOMENT.fullmatch(value)):
        raise Misfit(f"{name} is written 2013-07-01 or 2013-07-01T14:00:00")
    _when(value)
    return value


def _when(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Misfit(f"there is no {text}") from None
