"""What each column is for: key, label, measure, time, dimension, flag or clock reading, and its unit."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .catalogue import Column, Table
from .columntypes import column_type
from .flags import is_text_flag
from .lexicon import ADDITIVE_WORDS
from .names import word_cost
from .units import UNIT_WORDS
from .words import lemma, split_name, spoken_name

_KEY_WORDS = frozenset(
    (
        "id",
        "uuid",
        "guid",
        "key",
        "code",
        "number",
        "no",
        "nr",
        "num",
        "zip",
        "postcode",
        "pk",
        "fk",
    )
)
_NEARLY_ALL = 0.9
"""A name that fewer rows share is that of something else: the customer_name of an order."""
_NO_THINGS = frozenset(("score", "rating", "point", "mark", "grade", "degree", "rank", "stat", "sale"))
_LABEL_WORDS = frozenset(("name", "title", "label", "fullname"))
_NOT_MEASURED = frozenset(
    (
        "year",
        "month",
        "day",
        "hour",
        "week",
        "weekday",
        "quarter",
        "version",
    )
)
_SPANS = frozenset(("seconds", "minutes", "days", "weeks", "months", "quarters", "years", "hours"))
_LASTING = frozenset(
    (
        "wait",
        "waiting",
        "run",
        "response",
        "travel",
        "review",
        "processing",
        "process",
        "lead",
        "load",
        "cook",
        "prep",
        "elapsed",
        "cycle",
        "idle",
        "handling",
        "queue",
        "total",
        "air",
        "spent",
    )
)
_POSITIONS = frozenset(("lat", "lon", "lng", "latitude", "longitude", "tz"))
_CALENDAR_RANGES = {"year": (1900, 2299), "month": (1, 12), "day": (1, 31), "hour": (0, 24)}
_BOOKKEEPING = frozenset(
    (
        "created",
        "inserted",
        "loaded",
        "updated",
        "modified",
        "ingested",
        "imported",
        "synced",
        "etl",
    )
)
_COMMENT_UNIT = re.compile(r"\b(?:in|unit:?)\s+(?:US\s+|whole\s+|local\s+)?([A-Za-z%]+)\b|\(([A-Za-z%]+)\)")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


@dataclass(frozen=True)
class Role:
    """The part a column plays.

    `kind` is key, label, measure, time, calendar, clock (HHMM readings stored as numbers), flag,
    dimension or other. `additive` says that summing is the plain reading; `unit` is text such as minutes,
    or empty.
    """

    kind: str
    unit: str = ""
    additive: bool = False


@dataclass(frozen=True)
class Calendar:
    """A date spread over whole number columns of one table; empty names are missing parts."""

    year: str
    month: str = ""
    day: str = ""
    hour: str = ""

    @property
    def names(self) -> tuple[str, str, str, str]:
        """The column names from year to hour."""
        return (self.year, self.month, self.day, self.hour)

    @property
    def finest(self) -> str:
        """The finest step it can tell apart: hour, day, month or year."""
        return "hour" if self.hour else "day" if self.day else "month" if self.month else "year"


def whole(text: str | None) -> int | None:
    """A printed number as a whole number, or None."""
    try:
        return int(float(text)) if text is not None else None
    except (ValueError, OverflowError):
        return None


def calendar_of(table: Table) -> Calendar | None:
    """The table's own calendar columns: numbers named year, month, day, hour whose ranges fit a calendar.

    Month counts only beside a year, day only beside a month, hour only beside a day.
    """
    found: dict[str, str] = {}
    for column in table.columns:
        part = column.name.casefold()
        part = "day" if part in ("day_of_month", "dayofmonth", "mday") else part
        if part not in _CALENDAR_RANGES or part in found or not _fits_calendar(column, part):
            continue
        found[part] = column.name
    if "year" not in found:
        return None
    month = found.get("month", "")
    day = found.get("day", "") if month else ""
    return Calendar(found["year"], month, day, found.get("hour", "") if day else "")


def _fits_calendar(column: Column, part: str) -> bool:
    if not column_type(column.type).numeric:
        return False
    low, high = _CALENDAR_RANGES[part]
    smallest, largest = whole(column.minimum), whole(column.maximum)
    if smallest is None or largest is None:
        return True
    return low <= smallest and largest <= high


def unit_of(column: Column) -> str:
    """The unit that the name's last part or the comment (`in minutes`, `(km)`) states, or an empty text."""
    for match in _COMMENT_UNIT.finditer(column.comment):
        word = lemma((match.group(1) or match.group(2)).casefold())
        if word in UNIT_WORDS:
            return UNIT_WORDS[word]
    parts = split_name(column.name)
    if spans(column):
        return parts[-1] + "s"
    if len(parts) > 1 and parts[-1] in UNIT_WORDS and parts[-1] not in ("min", "second", "pound"):
        return UNIT_WORDS[parts[-1]]
    return ""


def spans(column: Column) -> bool:
    """True for names that count steps of time, such as review_days; `due_day` and `built_year` are points."""
    raw = [part for part in re.split(r"[\W_]+|(?<=[a-z0-9])(?=[A-Z])", column.name.split(".")[-1]) if part]
    return len(raw) > 1 and raw[-1].casefold() in _SPANS


def is_unique(column: Column, table: Table) -> bool:
    """True when every row has its own value, as far as was counted."""
    return table.row_count > 0 and column.distinct_count == table.row_count


def named_key(column: Column) -> bool:
    """True for names such as order_id and ticket_no, which say that they only tell rows apart."""
    return split_name(column.name)[-1] in _KEY_WORDS


def role_of(column: Column, table: Table, calendar: Calendar | None) -> Role:
    """The role of one column, from its type, its name, its range and how often values repeat."""
    kind = column_type(column.type)
    parts = split_name(column.name if column.path_of is None else column.name.split(".", 1)[-1])
    if calendar and column.name in calendar.names:
        return Role("calendar")
    if kind.temporal:
        return Role("time")
    if kind.kind == "bool" or (kind.kind == "integer" and _said_of_a_flag(parts) and _zero_or_one(column)):
        return Role("flag")
    if is_text_flag(column):
        return Role("flag")
    if kind.numeric:
        return _numeric_role(column, table, parts)
    if kind.kind != "text":
        return Role("other")
    if parts[-1] in _LABEL_WORDS:
        return Role("label")
    if is_unique(column, table) or parts[-1] in _KEY_WORDS:
        return Role("key")
    return Role("dimension")


def _numeric_role(column: Column, table: Table, parts: tuple[str, ...]) -> Role:
    smallest, largest = whole(column.minimum), whole(column.maximum)
    if parts[-1] in _KEY_WORDS and parts[0] not in ("number", "num"):
        return Role("key")
    if spans(column):
        return Role("measure", unit_of(column))
    if "".join(parts) == "".join(split_name(table.name)) or parts[-1] in _NOT_MEASURED:
        return Role("key" if parts[-1] not in _NOT_MEASURED else "dimension")
    if parts[-1] in ("minute", "second") and len(parts) == 1:
        return Role("clock")
    if parts[-1] in _POSITIONS:
        return Role("other")
    lasting = bool(_LASTING & set(parts)) or bool(unit_of(column))
    clock = "time" in parts and not lasting and smallest is not None and largest is not None
    if clock and smallest is not None and largest is not None and smallest >= 0 and 1300 < largest <= 2400:
        return Role("clock")
    unit = unit_of(column)
    adds_up = any(part in ADDITIVE_WORDS for part in parts) or (not unit and _number_of_things(column.name))
    return Role("measure", unit, adds_up and "unit" not in parts[:1])


def _number_of_things(name: str) -> bool:
    """`beds`, `visitors`, `people`: a plural says how many of them there are; scores are no things."""
    last = spoken_name(name).split(" ")[-1]
    return lemma(last) != last and lemma(last) not in _NO_THINGS


def _said_of_a_flag(parts: tuple[str, ...]) -> bool:
    """`is_new`, `paid_flag`, `owner_occupied`: names that only yes and no answer."""
    return parts[0] in ("is", "has", "was") or parts[-1] == "flag" or parts[-1].endswith("ed")


def _zero_or_one(column: Column) -> bool:
    return whole(column.minimum) in (0, 1) and whole(column.maximum) in (0, 1)


def label_columns(table: Table) -> tuple[Column, ...]:
    """The columns a reader knows a row by: its name or title, or first and last name together."""
    texts = [column for column in table.columns if column_type(column.type).kind == "text"]
    by_parts = {split_name(column.name): column for column in texts}
    owner = split_name(table.name)
    for wanted in (("name",), ("full", "name"), ("title",), ("label",), (*owner, "name"), (*owner, "title")):
        if wanted in by_parts:
            return (by_parts[wanted],)
    first, last = by_parts.get(("first", "name")), by_parts.get(("last", "name"))
    if first and last:
        return (first, last)
    named = [column for parts, column in by_parts.items() if parts[-1] in ("name", "title")]
    telling = [c for c in named if (c.distinct_count or 0) >= _NEARLY_ALL * table.row_count]
    return tuple(named) if len(named) == len(telling) == 1 else ()  # company_name of suppliers


def bookkeeping(column: Column) -> bool:
    """True for times that tell when a row was written, not when its event happened."""
    parts = split_name(column.name)
    return any(word_cost(word, part) is not None for word in sorted(_BOOKKEEPING) for part in parts)
