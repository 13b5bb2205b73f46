"""Steps of time on an axis: local times of the question's zone, gaps, and which steps get a label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_FIXED_STEPS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
_MONTHS_IN = {"month": 1, "quarter": 3, "year": 12}
MOST_STEPS = 5_000


@dataclass(frozen=True)
class Steps:
    """Moments as they stand on the wall of `zone` (empty where they have none), one for each row."""

    moments: tuple[datetime, ...]
    zone: str


def steps_of(values: Sequence[object], zone: str) -> Steps | None:
    """The moments of a result's column in local time; None where one of them is no time.

    Where the zone's clock shows a time twice (the hour that winter time repeats), all stay in UTC.
    """
    read = [_moment(value) for value in values]
    moments = [moment for moment in read if moment is not None]
    if len(moments) < len(read):
        return None
    if not moments or all(moment.tzinfo is None for moment in moments):
        return Steps(tuple(moment.replace(tzinfo=UTC) for moment in moments), "")
    aware = [moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in moments]
    try:
        local = [moment.astimezone(ZoneInfo(zone)).replace(tzinfo=UTC) for moment in aware]
    except (ZoneInfoNotFoundError, ValueError):
        zone, local = "UTC", aware
    if len(set(local)) < len(set(aware)):
        zone, local = "UTC", aware
    return Steps(tuple(moment.astimezone(UTC) for moment in local), zone)


def written(moment: datetime) -> str:
    """The moment as the spec holds it; renderers read it in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def missing(moments: Sequence[datetime], grain: str) -> list[datetime]:
    """The steps between the first and the last that have no row; a line must not run across them."""
    known = set(moments)
    if not known or not (grain in _FIXED_STEPS or grain in _MONTHS_IN):
        return []
    gaps: list[datetime] = []
    step, last = min(known), max(known)
    for _ in range(MOST_STEPS):
        step = _after(step, grain)
        if step >= last:
            return gaps
        if step not in known:
            gaps.append(step)
    return []


def labelled(moments: Sequence[datetime], most: int) -> list[datetime]:
    """At most `most` of the moments, evenly spread, for the labels of an axis."""
    distinct = sorted(set(moments))
    every = -(-len(distinct) // most)
    return distinct[::every]


def _after(moment: datetime, grain: str) -> datetime:
    if grain in _FIXED_STEPS:
        return moment + _FIXED_STEPS[grain]
    months = moment.month - 1 + _MONTHS_IN[grain]
    return moment.replace(year=moment.year + months // 12, month=months % 12 + 1)


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None
