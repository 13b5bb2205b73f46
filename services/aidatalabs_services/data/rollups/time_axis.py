"""Time in queries: which functions say the same of a moment and of its bucket, and which bounds lie between
two buckets.

Everything is in UTC: a function with a time zone as its last argument is not one of these.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from sqlglot import exp

from aidatalabs_services.data.rollups.declarations import Grain

# Of a DateTime64 before 1970 with a fraction, the engine says the wrong hour in the last second of an hour.
_HOURS_OF_DAY = frozenset({"tohour", "hour"})
_HOURS = "toStartOfHour toHour hour toRelativeHourNum"
_DAYS = """toStartOfDay toDate toDate32 date toMonday toLastDayOfMonth last_day toLastDayOfWeek
toStartOfMonth toStartOfQuarter toStartOfYear toStartOfISOYear toYYYYMM toYYYYMMDD toYear year toQuarter
quarter toMonth month toDayOfMonth day dayOfMonth toDayOfYear dayOfYear toISOWeek toISOYear toRelativeDayNum
toRelativeWeekNum toRelativeMonthNum toRelativeQuarterNum toRelativeYearNum toMonthNumSinceEpoch
toYearNumSinceEpoch toDaysSinceYearZero monthName toDaysInMonth"""
# With a mode as second argument.
_WEEKS = "toStartOfWeek toDayOfWeek dayOfWeek toWeek week toYearWeek yearweek toLastDayOfWeek"
_HOUR_FUNCTIONS = frozenset(_HOURS.casefold().split())
_DAY_FUNCTIONS = frozenset(_DAYS.casefold().split())
_WEEK_FUNCTIONS = frozenset(_WEEKS.casefold().split())
_TRUNCATIONS = frozenset({"datetrunc", "date_trunc"})
_UNITS = {"hour": Grain.HOUR} | dict.fromkeys(("day", "week", "month", "quarter", "year"), Grain.DAY)

_DAY_TEXT = re.compile(r"\d{4}-\d\d-\d\d(?: 00:00:00(?:\.0{1,9})?)?")
_HOUR_TEXT = re.compile(r"\d{4}-\d\d-\d\d(?: \d\d:00:00(?:\.0{1,9})?)?")
# What these give is a day, whatever zone they find it in; `toStartOfDay` and `toStartOfHour` give a moment.
_DAY_NAMES = "tostartofweek tomonday tostartofmonth tostartofquarter tostartofyear todate"
_DAYS_GIVEN = frozenset(_DAY_NAMES.split())
_CONVERSIONS = frozenset({"todatetime", "todatetime64", "todate"})
_CALENDAR = frozenset(
    f"{verb}{unit}"
    for verb in ("add", "subtract")
    for unit in ("days", "weeks", "months", "quarters", "years")
)
_CLOCKS = frozenset({"now", "today", "yesterday", "now64"})
_DIGITS = re.compile(r"[0-9]+")

Call = exp.AnonymousAggFunc | exp.Anonymous


def call_of(node: exp.Expr) -> tuple[str, list[exp.Expr]] | None:
    """(name without case, arguments) of a plain call; None for anything else."""
    if isinstance(node, Call):
        return str(node.this).casefold(), list(node.expressions)
    return None


def is_whole(node: exp.Expr) -> bool:
    """Whether `node` is a whole number written as such."""
    return isinstance(node, exp.Literal) and not node.is_string and bool(_DIGITS.fullmatch(node.name))


def cuts(node: exp.Expr, grain: Grain, *, old_times: bool) -> exp.Expr | None:
    """The moment that `node` is a function of, where it says the same of all moments of a bucket of `grain`.

    `old_times` says that fractions of seconds before 1970 can occur.
    """
    called = call_of(node)
    if called is not None:
        return None if old_times and called[0] in _HOURS_OF_DAY else _cut_call(*called, grain)
    if isinstance(node, exp.Cast) or type(node).__name__ == "ColonCast":
        to = node.args["to"]
        is_day = isinstance(to, exp.DataType) and str(to.this.name) in ("DATE", "DATE32")
        return node.this if is_day and not to.args.get("nullable") else None
    if isinstance(node, exp.Extract):
        unit = _UNITS.get(node.name.casefold())
        serves = unit is not None and _serves(grain, unit) and not (old_times and unit is Grain.HOUR)
        return node.expression if serves else None
    return None


def _cut_call(name: str, arguments: list[exp.Expr], grain: Grain) -> exp.Expr | None:
    if not arguments:
        return None
    first, rest = arguments[0], arguments[1:]
    if not rest and (name in _DAY_FUNCTIONS or (name in _HOUR_FUNCTIONS and grain is Grain.HOUR)):
        return first
    if name in _WEEK_FUNCTIONS and (not rest or (len(rest) == 1 and is_whole(rest[0]))):
        return first
    if name in _TRUNCATIONS and len(rest) == 1 and isinstance(first, exp.Literal):
        unit = _UNITS.get(first.name.casefold())
        return rest[0] if unit is not None and _serves(grain, unit) else None
    if name == "tostartofinterval" and len(rest) == 1 and isinstance(rest[0], exp.Interval):
        amount = rest[0].this
        unit = _UNITS.get(rest[0].args["unit"].name.casefold().removesuffix("s"))
        plain = isinstance(amount, exp.Literal) and _DIGITS.fullmatch(amount.name) and int(amount.name) > 0
        return first if plain and unit is not None and _serves(grain, unit) else None
    return None


def _serves(grain: Grain, unit: Grain) -> bool:
    return unit is Grain.DAY or grain is Grain.HOUR


def is_aligned(bound: exp.Expr, grain: Grain) -> bool:
    """Whether the constant `bound` is known to be the first moment of a bucket; False where in doubt."""
    if isinstance(bound, exp.Paren):
        return is_aligned(bound.this, grain)
    if isinstance(bound, exp.Literal):
        if bound.is_string:
            return bool((_HOUR_TEXT if grain is Grain.HOUR else _DAY_TEXT).fullmatch(bound.name))
        return is_whole(bound) and int(bound.name) % grain.seconds == 0
    if isinstance(bound, exp.Add | exp.Sub) and isinstance(bound.expression, exp.Interval):
        unit = _UNITS.get(bound.expression.args["unit"].name.casefold().removesuffix("s"))
        amount = bound.expression.this
        whole = isinstance(amount, exp.Literal) and bool(_DIGITS.fullmatch(amount.name))
        return whole and unit is not None and _serves(grain, unit) and is_aligned(bound.this, grain)
    called = call_of(bound)
    if called is None:
        return False
    name, arguments = called
    if name in _CALENDAR and len(arguments) == 2:
        return is_whole(arguments[1]) and is_aligned(arguments[0], grain)
    if name in _CONVERSIONS and arguments and isinstance(arguments[0], exp.Literal):
        precise = len(arguments) == 1 or (name == "todatetime64" and is_whole(arguments[1]))
        return precise and len(arguments) <= 2 and is_aligned(arguments[0], grain)
    if len(arguments) != 1:
        return False
    start = name == "tostartofday" or (name == "tostartofhour" and grain is Grain.HOUR)
    return name in _DAYS_GIVEN or (start and _is_utc(arguments[0]))


def _is_utc(node: exp.Expr) -> bool:
    """Whether a constant is known to carry no time zone of its own: a day or an hour begins in UTC there."""
    if isinstance(node, exp.Paren):
        return _is_utc(node.this)
    if isinstance(node, exp.Add | exp.Sub):
        return isinstance(node.expression, exp.Interval) and _is_utc(node.this)
    if isinstance(node, exp.Literal):
        return True
    called = call_of(node)
    if called is None:
        return False
    name, arguments = called
    if name in _CONVERSIONS:
        precise = len(arguments) == 1 or (
            name == "todatetime64" and len(arguments) == 2 and is_whole(arguments[1])
        )
        return precise and _is_utc(arguments[0])
    if name in _CALENDAR:
        return len(arguments) == 2 and is_whole(arguments[1]) and _is_utc(arguments[0])
    return (
        len(arguments) == 1
        and name in _DAYS_GIVEN | {"tostartofday", "tostartofhour"}
        and _is_utc(arguments[0])
    )


def with_clock(node: exp.Expr, now: datetime) -> exp.Expr:
    """A copy of `node` with every reading of the clock replaced by what the clock says at `now`.

    Written twice, two readings of the engine's clock can differ, and a moment between them would be counted
    twice or not at all.
    """
    return node.copy().transform(lambda each: _reading(each, now.astimezone(UTC)), copy=False)


def reads_clock(node: exp.Expr) -> bool:
    """Whether a reading of the clock that `with_clock` knows stands in `node`."""
    return any((called := call_of(each)) is not None and called[0] in _CLOCKS for each in node.walk())


def is_clock(name: str, arguments: list[exp.Expr]) -> bool:
    """Whether a call is a reading of the clock that `with_clock` replaces."""
    return name in _CLOCKS and (
        not arguments or (name == "now64" and len(arguments) == 1 and is_whole(arguments[0]))
    )


def _reading(node: exp.Expr, now: datetime) -> exp.Expr:
    called = call_of(node)
    if called is None or not is_clock(*called):
        return node
    name, arguments = called
    if name == "now":
        return _call("toDateTime", _text(f"{now:%Y-%m-%d %H:%M:%S}"))
    if name == "now64":
        digits = int(arguments[0].name) if arguments else 3
        text = f"{now:%Y-%m-%d %H:%M:%S.%f}"
        return _call("toDateTime64", _text(text), exp.Literal.number(digits))
    days = 86_400 if name == "yesterday" else 0
    day = datetime.fromtimestamp(now.timestamp() - days, UTC)
    return _call("toDate", _text(f"{day:%Y-%m-%d}"))


def _text(text: str) -> exp.Expr:
    return exp.Literal.string(text)


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.AnonymousAggFunc(this=name, expressions=list(arguments))
