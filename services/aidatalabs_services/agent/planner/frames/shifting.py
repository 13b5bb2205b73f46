"""The time before a window: as long, just before it, or a year earlier."""

from __future__ import annotations

import calendar
from dataclasses import replace
from datetime import datetime

from aidatalabs_services.agent.planner.moments import UNITS, floor, iso, shift
from aidatalabs_services.agent.planner.plan import Window

_UNLIKE = 1.6


def alike(*windows: Window) -> bool:
    """True for two times of about one length, such as two months; an open one is compared with anything."""
    if len(windows) != 2 or not all(window.start and window.end for window in windows):
        return True
    lengths = [
        (datetime.fromisoformat(w.end) - datetime.fromisoformat(w.start)).total_seconds() for w in windows
    ]
    return max(lengths) <= _UNLIKE * min(lengths)


def before(window: Window, unit: str) -> Window | None:
    """The window just before: the calendar unit before where the window is one, else as long a time.

    `unit` is how it was called (month, period …); None where the window is no such unit.
    """
    low, high = (datetime.fromisoformat(bound) for bound in (window.start, window.end))
    for step in reversed(UNITS):
        if low == floor(low, step) and shift(low, step, 1) == high:
            if unit not in ("", "period", "one", step):
                return None
            return _moved(window, shift(low, step, -1), low)
    if unit not in ("", "period", "one"):
        return None
    return _moved(window, low - (high - low), low)


def until_now(window: Window, now: datetime) -> Window:
    """A window that is not over yet, up to the end of today: what is compared with it is cut there, too."""
    high, today = datetime.fromisoformat(window.end), shift(floor(now, "day"), "day", 1)
    if high <= today or datetime.fromisoformat(window.start) >= today:
        return window
    return replace(window, end=iso(today), words=f"{window.start} up to today")


def year_before(window: Window) -> Window:
    """The same dates of the year before; a 29 February becomes the 28th."""
    low, high = (datetime.fromisoformat(bound) for bound in (window.start, window.end))
    return _moved(window, _year_back(low), _year_back(high))


def _year_back(moment: datetime) -> datetime:
    year = moment.year - 1
    day = min(moment.day, calendar.monthrange(year, moment.month)[1])
    return moment.replace(year=year, day=day)


def _moved(window: Window, low: datetime, high: datetime) -> Window:
    return replace(
        window, start=iso(low), end=iso(high), words=f"{iso(low)} up to {iso(high)} (not included)"
    )
