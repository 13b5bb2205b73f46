"""Subjects followed over their rows, as a model asks for them: what each kind needs, and what it shows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aidatalabs_services.agent.models.misfit import Misfit
from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.naming import Names
from aidatalabs_services.agent.planner.plan import Cohort, Dimension, Measure

_MOST_STEPS = 8
_STEPS = {"span": (2, 2), "retention": (2, 2), "sessions": (0, 0), "funnel": (2, _MOST_STEPS)}
_FOLDS = {
    "span": ("avg", "median", "min", "max"),
    "sessions": ("count", "avg_rows", "avg_seconds", "avg_minutes", "per_subject"),
}
_UNITS = ("second", "minute", "hour", "day", "week", "month")


@dataclass(frozen=True)
class Followed:
    """A cohort with the columns that its kind shows."""

    cohort: Cohort
    form: str
    measures: tuple[Measure, ...]
    dimensions: tuple[Dimension, ...]


def followed(cohort: Cohort, table: str, index: CatalogueIndex) -> Followed:
    """A cohort as its kind needs it. Raises Misfit."""
    _check(cohort)
    if cohort.within_seconds and cohort.kind != "sessions":
        cohort = replace(cohort, ordered=True)  # a length of time is counted from the first step on
    names = Names(index, table)
    kind, who = cohort.kind, cohort.subject.column.rsplit(".", 1)[-1].replace("_", " ")
    if kind == "member_list":
        shown = Dimension(cohort.subject, names.fresh(f"the {who}"), who)
        return Followed(cohort, "list", (), (shown,))
    if kind == "funnel":
        steps = (
            Dimension(cohort.subject, names.fresh("step"), "step number"),
            Dimension(cohort.subject, names.fresh("step name"), "step"),
        )
        reached = Measure("count_distinct", cohort.subject, names.fresh(f"{who} count"), who)
        part = Measure("percent", None, names.fresh("percent of first"), "part of the first step", "percent")
        return Followed(cohort, "table", (reached, part), steps)
    if kind == "retention":
        return _retention(cohort, names, who)
    grained = kind == "sessions" and cohort.grain
    step = (Dimension(cohort.time, names.grain(cohort.grain), cohort.grain, cohort.grain),) if grained else ()
    return Followed(cohort, "series" if step else "scalar", (_number(cohort, names, who),), step)


def _retention(cohort: Cohort, names: Names, who: str) -> Followed:
    grain, subject, time = cohort.grain, cohort.subject, cohort.time
    dimensions = (
        Dimension(time, names.fresh(f"cohort {grain}"), f"{grain} of the first time", grain=grain),
        Dimension(time, names.fresh(f"{grain}s later"), f"{grain}s later"),
    )
    measures = (
        Measure("count_distinct", subject, names.fresh("cohort size"), f"{who} in the cohort"),
        Measure("count_distinct", subject, names.fresh("returned"), f"{who} that returned"),
        Measure("percent", None, names.fresh("retention percent"), "retention", "percent"),
    )
    return Followed(cohort, "table", measures, dimensions)


def _number(cohort: Cohort, names: Names, who: str) -> Measure:
    """The one number of a cohort."""
    title, unit = {
        "members": (f"number of {who}", ""),
        "member_share": (f"share of {who}", "percent"),
        "span": (f"{cohort.fold} {cohort.unit}s between", f"{cohort.unit}s"),
        "sessions": {
            "count": ("number of sessions", ""),
            "avg_rows": ("average rows of a session", ""),
            "avg_seconds": ("average seconds of a session", "seconds"),
            "avg_minutes": ("average minutes of a session", "minutes"),
            "per_subject": (f"sessions per {who}", ""),
        }.get(cohort.fold, ("", "")),
    }[cohort.kind]
    return Measure("count", None, names.fresh(title), title, unit)


def _check(cohort: Cohort) -> None:
    kind = cohort.kind
    least, most = _STEPS.get(kind, (1, _MOST_STEPS))
    if not least <= len(cohort.steps) <= most:
        number = str(least) if least == most else f"{least} to {most}"
        raise Misfit(f"{kind} takes {number} steps, not {len(cohort.steps)}")
    if cohort.subject.calendar or cohort.time.calendar or not column_type(cohort.time.type).temporal:
        raise Misfit("cohort.time is a time column, and cohort.subject the column that tells who it was")
    if kind == "sessions" and (
        column_type(cohort.time.type).kind != "datetime" or not cohort.within_seconds > 0
    ):
        raise Misfit("sessions need a time with hours, and within_seconds: the longest gap inside of one")
    folds = _FOLDS.get(kind, ())
    if (folds or cohort.fold) and cohort.fold not in folds:
        raise Misfit(f"the fold of {kind} is one of {', '.join(folds)}" if folds else f"{kind} takes no fold")
    if (kind == "span" or cohort.unit) and (kind != "span" or cohort.unit not in _UNITS):
        raise Misfit(f"span takes a unit, one of {', '.join(_UNITS)}; no other kind does")
    if kind == "retention" and not cohort.grain:
        raise Misfit("retention needs a grain")
    if cohort.grain and kind not in ("retention", "sessions"):
        raise Misfit(f"{kind} takes no grain")
    if cohort.within_seconds and kind in ("span", "retention"):
        raise Misfit(f"{kind} takes no within_seconds")
    wholes = ("member_share", "retention")
    if cohort.whole and (kind not in wholes or cohort.whole >= len(cohort.steps)):
        raise Misfit("whole is for member_share: how many of its steps make the whole, fewer than all")
    _check_steps(cohort)


def _check_steps(cohort: Cohort) -> None:
    """Where steps follow each other it is their first time that counts, not how often."""
    placed = cohort.ordered or cohort.within_seconds or cohort.kind in ("span", "retention")
    for step in cohort.steps:
        if placed and (step.operator, step.times, step.grain) != ("ge", 1, ""):
            raise Misfit(f"the steps of this {cohort.kind} are told by their first time: leave out how often")
        if step.operator == "lt" and step.times < 1:
            raise Misfit("a step is done 0 times or more")
