"""Time bound to data: which column tells it, and which July is meant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from .catalogue import Column
from .columntypes import column_type
from .draft import Ambiguous, Choice, Unread
from .index import CatalogueIndex
from .items import Item
from .kinship import same_stem
from .moments import Point, floor, iso, shift
from .names import word_cost
from .plan import Source, Window
from .roles import whole
from .windows import TimeMention
from .words import split_name

_STEPS = ("year", "quarter", "month", "week", "day", "hour")
_NEEDS = {"year": "year", "quarter": "month", "month": "month", "week": "day", "day": "day", "hour": "hour"}


def _of_rows(column: Column, rows: frozenset[str]) -> bool:
    """Whether a time is called after the rows: order_date and ordered_at of orders."""
    parts = split_name(column.name)
    return any(row == part or same_stem(row, part) for row in rows for part in parts)


@dataclass(frozen=True)
class TimeRange:
    """The half-open days a source covers, or None where nobody measured."""

    low: datetime
    high: datetime


def step_of(mention: TimeMention) -> str:
    """The calendar step a mention needs the data to tell apart."""
    if mention.kind in ("grain", "unit"):
        return "month" if mention.unit == "auto" else mention.unit
    if mention.kind == "part":
        needs = {"hour": "hour", "month": "month", "quarter": "month"}
        return needs.get(mention.unit, "day")
    if mention.mode == "clock":
        bounds = [bound for bound in (mention.low, mention.high) if bound]
        if mention.days or all(bound == floor(bound, "day") for bound in bounds):
            return "day"
        return "hour"
    finest = "year"
    for point in (mention.first, mention.last):
        if point is None:
            continue
        step = "day" if point.day else "month" if point.month else "quarter" if point.quarter else "year"
        finest = max(finest, step, key=_STEPS.index)
    return finest


class TimeBinder:
    """Finds the time of one table and reads windows against its range."""

    def __init__(self, index: CatalogueIndex, table: str, now: datetime, timezone: str) -> None:
        self._index = index
        self._table = table
        self._now = now
        self._timezone = timezone

    def source(
        self, step: str, item: Item, verbs: list[str], rows: frozenset[str] = frozenset(), told: bool = False
    ) -> Source:
        """The table's time for questions about `step`: its own calendar columns, else its time column.

        Of several the one that a verb speaks of, else the one that holds a word the `rows` were called by:
        the date of orders is order_date; else the one that every row has, where the others are still to come
        for some. `told` says that the question tells an event besides, which may have had a date of its own.

        Raises Ambiguous where several columns would do and Unread where none does.
        """
        calendar = self._index.calendars[self._table]
        times = self._index.time_columns(self._table)
        if calendar and _STEPS.index(calendar.finest) >= _STEPS.index(_NEEDS[step]):
            if calendar.finest == "year" and times:
                raise self._ambiguous(item, [*times, self._index.column(self._table, calendar.year)])
            if calendar.finest != "year" or step == "year":
                return Source(self._table, calendar=calendar.names)
        if not times:
            raise Unread(item, f"asks for a time, and {self._table} has no column that tells it")
        if len(times) == 1:
            return self.column_source(times[0])
        spoken = [c for c in times if _named_by(c, verbs)]
        if len(spoken) == 1:
            return self.column_source(spoken[0])
        default = self._index.defined.default_time(self._table)
        if default in times and not spoken and not told:
            return self.column_source(default)
        own = [c for c in times if _of_rows(c, rows)]
        if len(own) == 1 and not spoken:
            return self.column_source(own[0])
        always = [c for c in times if c.null_share == 0 or not column_type(c.type).nullable]
        later = [c for c in times if c not in always and c.null_share]
        thing = bool(self._index.keys.reaching(self._table))  # what others do, happens there
        known = len(always) == 1 and len(always) + len(later) == len(times)
        if known and not (spoken or told or thing):
            return self.column_source(always[0])  # the others had not happened yet for some rows
        raise self._ambiguous(item, times)

    def column_source(self, column: Column) -> Source:
        """A time column as a source."""
        return Source(self._table, column.name, column.type)

    def _ambiguous(self, item: Item, columns: list[Column]) -> Ambiguous:
        start, end = item_span(item)
        choices = [
            Choice(
                f"by {column.name}",
                f"`{self._table}.{column.name}` {item.text}",
                start,
                end,
            )
            for column in columns
        ]
        return Ambiguous(f"Which time of {self._table} does '{item.text}' mean?", choices)

    def zone(self, source: Source) -> str:
        """The zone the source is read in: the column's own, else the one asked in."""
        return column_type(source.type).zone or self._timezone if source.column else self._timezone

    def range(self, source: Source) -> TimeRange | None:
        """First and last day in the data, from the catalogue's minimum and maximum."""
        if source.calendar:
            return self._calendar_range(source)
        column = self._index.columns.get((source.table, source.column))
        if column is None:  # a table joined under another name
            return None
        low, high = _moment(column.minimum), _moment(column.maximum)
        if low is None or high is None:
            return None
        if column_type(column.type).kind == "datetime":
            zone = ZoneInfo(self.zone(source))
            low, high = (
                bound.replace(tzinfo=ZoneInfo("UTC")).astimezone(zone).replace(tzinfo=None)
                for bound in (low, high)
            )
        return TimeRange(floor(low, "day"), floor(high, "day") + timedelta(days=1))

    def _calendar_range(self, source: Source) -> TimeRange | None:
        year, month = (self._index.columns.get((self._table, name)) for name in source.calendar[:2])
        first, last = (whole(year.minimum), whole(year.maximum)) if year else (None, None)
        if first is None or last is None:
            return None
        start, end = 1, 12
        if month and first == last:
            start, end = whole(month.minimum) or 1, whole(month.maximum) or 12
        return TimeRange(datetime(first, start, 1), shift(datetime(last, end, 1), "month", 1))

    def window(self, mention: TimeMention, source: Source, item: Item, series: bool) -> Window:
        """The half-open window of a mention on this source, with words on how it was read."""
        zone = self.zone(source)
        if mention.mode == "clock":
            low, high = mention.low, mention.high
            whole_days = not source.column or column_type(source.type).kind == "date"
            if mention.days and (series or whole_days):
                today = floor(self._now, "day")
                low, high = shift(today, "day", 1 - mention.days), shift(today, "day", 1)
            elif whole_days and high is not None and high != floor(high, "day"):
                low, high = floor(low or high, "day"), shift(floor(high, "day"), "day", 1)
            return Window(
                source,
                iso(low) if low else "",
                iso(high) if high else "",
                zone,
                f"'{mention.words}' was read on the clock: {_bounds(low, high)}"
                + self._outside(source, low, high),
            )
        low, high, words = self._calendar_window(mention, source, item)
        return Window(
            source,
            iso(low) if low else "",
            iso(high) if high else "",
            zone,
            words + self._outside(source, low, high),
        )

    def _outside(self, source: Source, low: datetime | None, high: datetime | None) -> str:
        """A warning where the whole window lies outside the data."""
        known = self.range(source)
        if known is None or ((high is None or high > known.low) and (low is None or low < known.high)):
            return ""
        last = known.high - timedelta(days=1)
        return f"; nothing lies there, the data runs from {iso(known.low)} to {iso(last)}"

    def _calendar_window(
        self, mention: TimeMention, source: Source, item: Item
    ) -> tuple[datetime | None, datetime | None, str]:
        first, last = mention.first, mention.last
        if first is None:
            raise Unread(item, "is not a time I can read")
        if mention.mode == "from":
            raise _since_or_in(mention, item)
        if last is not None and first.year is None and last.year is not None:
            first = Point(last.year, first.quarter, first.month, first.day)
        year, note = self._year_of(first, source, item)
        bounds = first.interval(year)
        if bounds is None:
            raise Unread(item, "is no date of the calendar")
        low, high = bounds
        named = Point(year, first.quarter, first.month, first.day).name
        if mention.mode == "between" and last is not None:
            end = last.interval(year)
            if end is not None and end[1] <= low and last.year is None:
                end = last.interval(year + 1)
            if end is None or end[1] <= low:
                raise Unread(item, "ends before it begins")
            return low, end[1], f"'{mention.words}' was read as {_bounds(low, end[1])}{note}"
        if mention.mode == "since":
            return low, None, f"from {iso(low)} on{note}"
        if mention.mode == "after":
            return high, None, f"after {named}, so from {iso(high)} on{note}"
        if mention.mode == "before":
            return None, low, f"before {named}, so before {iso(low)}{note}"
        if mention.mode == "until":
            return None, high, f"up to and including {named}{note}"
        return low, high, f"{named}{note}"

    def _year_of(self, point: Point, source: Source, item: Item) -> tuple[int, str]:
        """The year of a point without one: its latest occurrence that is not in the future, if the data
        has it; else the data's own only one. Several are asked about."""
        if point.year is not None:
            return point.year, ""
        bounds = point.interval(self._now.year)
        year = self._now.year if bounds is None or bounds[0] <= self._now else self._now.year - 1
        known = self.range(source)
        if known is None:
            return year, f", the latest {point.name} before now"
        years = [
            candidate
            for candidate in range(known.low.year, known.high.year + 1)
            if (span := point.interval(candidate)) is not None
            and span[0] < known.high
            and span[1] > known.low
        ]
        if len(years) == 1:
            return years[0], f", the only {point.name} in the data"
        if year in years:
            return year, f", the latest {point.name} before now"
        if not years:
            last = known.high - timedelta(days=1)
            raise Unread(item, f"lies outside the data, which runs from {iso(known.low)} to {iso(last)}")
        start, end = item_span(item)
        choices = [
            Choice(f"{point.name} {at}", item.text.replace(point.name, f"{point.name} {at}"), start, end)
            for at in years[-4:]
        ]
        raise Ambiguous(f"Which year's {point.name}?", [c for c in choices if c.text != item.text])


def _since_or_in(mention: TimeMention, item: Item) -> Ambiguous:
    """`from March 2023` may mean from then on, or that month alone."""
    point = mention.words.split(" ", 1)[-1]
    start, end = item_span(item)
    return Ambiguous(
        f"Does '{mention.words}' mean from then on, or only then?",
        [
            Choice(f"since {point}", f"since {point}", start, end),
            Choice(f"only {point}", f"in {point}", start, end),
        ],
    )


def _named_by(column: Column, verbs: list[str]) -> bool:
    parts = split_name(column.name)
    return any(word_cost(verb, part) is not None for verb in verbs for part in parts)


def item_span(item: Item) -> tuple[int, int]:
    """The token span of an item, which the planner turns into characters."""
    return item.start, item.end


def _bounds(low: datetime | None, high: datetime | None) -> str:
    if low is None or high is None:
        return f"before {iso(high)}" if high else f"from {iso(low)} on" if low else "all time"
    if low == floor(low, "day") and high == floor(high, "day"):
        last = high - timedelta(days=1)
        return iso(low) if last == low else f"{iso(low)} to {iso(last)}"
    return f"{low:%Y-%m-%d %H:%M} to {high:%Y-%m-%d %H:%M}"


def _moment(text: str | None) -> datetime | None:
    """A date or time as ClickHouse (or ISO 8601) prints it, taken as UTC."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text.replace("Z", "").replace("T", " ")[:19])
    except ValueError:
        return None


def grain_for(known: TimeRange | None) -> str:
    """The step that shows a development best: days up to three months, months up to six years, then years."""
    if known is None:
        return "month"
    days = (known.high - known.low).days
    return "day" if days <= 93 else "month" if days <= 2200 else "year"
