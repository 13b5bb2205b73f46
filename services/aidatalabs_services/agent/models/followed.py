"""Subjects followed over their rows, as a model asks for them: what each kind needs, and what it shows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aidatalabs_services.agent.models.misfit import Misfit
from aidatalabs_services.agent.models.shapes import ROWS
from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.naming import Names
from aidatalabs_services.agent.planner.plan import Cohort, Dimension, Measure, Order

_MOST_STEPS = 8
_STEPS = {
    "funnel": (2, _MOST_STEPS),
    "retention": (2, 2),
    "session_list": (0, _MOST_STEPS),
    "follow_list": (2, 2),
    "gap_list": (0, 0),
    "row_list": (0, 0),
}
_GROUPED = ("funnel", "members", "member_share", *ROWS)
_GRAINED = ("retention", "follow_list", "row_list")
_TIMED = ("funnel", "members", "member_share", "member_list", "session_list", "follow_list")


@dataclass(frozen=True)
class Followed:
    """A cohort with the columns that its kind shows, and their order."""

    cohort: Cohort
    form: str
    measures: tuple[Measure, ...] = ()
    dimensions: tuple[Dimension, ...] = ()
    order: tuple[Order, ...] = ()


def followed(cohort: Cohort, table: str, index: CatalogueIndex) -> Followed:
    """A cohort as its kind needs it. Raises Misfit."""
    _check(cohort)
    if cohort.kind in ROWS:
        return Followed(replace(cohort, ordered=cohort.kind == "follow_list"), "list")
    if cohort.within_seconds:
        cohort = replace(cohort, ordered=True)  # a length of time is counted from the first step on
    names = Names(index, table)
    names.taken(*(group.alias for group in cohort.groups))
    kind, who = cohort.kind, cohort.subject.column.rsplit(".", 1)[-1].replace("_", " ")
    if kind == "member_list":
        return Followed(cohort, "list", (), (Dimension(cohort.subject, names.fresh(f"the {who}"), who),))
    if kind == "funnel":
        steps = (
            Dimension(cohort.subject, names.fresh("step"), "step number"),
            Dimension(cohort.subject, names.fresh("step name"), "step"),
        )
        reached = Measure("count_distinct", cohort.subject, names.fresh(f"{who} count"), who)
        part = Measure("percent", None, names.fresh("percent of first"), "part of the first step", "percent")
        return Followed(cohort, "table", (reached, part), (*cohort.groups, *steps))
    if kind == "retention":
        return _retention(cohort, names, who)
    title, unit = (f"number of {who}", "") if kind == "members" else (f"share of {who}", "percent")
    measure = Measure("count", None, names.fresh(title), title, unit)
    keys = tuple(Order(group.alias, False) for group in cohort.groups)
    order = (Order(measure.alias, True), *keys) if keys else ()
    return Followed(cohort, "table" if keys else "scalar", (measure,), cohort.groups, order)


def rows_of(cohort: Cohort) -> dict[str, str]:
    """The columns of the rows that a cohort makes, with their types."""
    time = cohort.time.type
    backs = {f"back_{place}": "Bool" for place, _ in enumerate(cohort.later or cohort.steps[:1], 1)}
    if cohort.kind == "session_list":
        backs = {f"back_{place}": "Bool" for place, _ in enumerate(cohort.steps, 1)}
    backs = backs if cohort.later or cohort.within_seconds or cohort.kind == "session_list" else {}
    end = time if time.startswith("Nullable(") else f"Nullable({time})"
    first = cohort.start.type if cohort.start is not None else time
    made = {
        "session_list": {"start_": time, "end_": time, "rows_": "UInt64", **backs},
        "follow_list": {"start_": first, "end_": end, **backs},
        "gap_list": {"before_": time, "moment_": time},
        "row_list": {"moment_": time, "first_": time, **({"new_": "Bool"} if cohort.grain else {})},
    }[cohort.kind]
    groups = {group.alias: group.source.type for group in cohort.groups}
    return {"subject_": cohort.subject.type, **made, **groups}


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


def _check(cohort: Cohort) -> None:
    kind = cohort.kind
    least, most = _STEPS.get(kind, (1, _MOST_STEPS))
    if not least <= len(cohort.steps) <= most:
        number = str(least) if least == most else f"{least} to {most}"
        raise Misfit(f"{kind} takes {number} steps, not {len(cohort.steps)}")
    if cohort.subject.calendar or cohort.time.calendar or not column_type(cohort.time.type).temporal:
        raise Misfit("cohort.time is a time column, and cohort.subject the column that tells who it was")
    if kind == "retention" and not cohort.grain:
        raise Misfit("retention needs a grain")
    if cohort.grain and kind not in _GRAINED:
        raise Misfit(f"{kind} takes no grain")
    if cohort.groups and (kind not in _GROUPED or any(g.grain or g.part or g.bucket for g in cohort.groups)):
        raise Misfit("groups are plain columns that tell subjects apart, which retention and lists have not")
    if cohort.within_seconds and kind not in _TIMED:
        raise Misfit(f"{kind} takes no within_seconds")
    if cohort.whole and (kind not in ("member_share", "retention") or cohort.whole >= len(cohort.steps)):
        raise Misfit("whole is for member_share: how many of its steps make the whole, fewer than all")
    _check_rows(cohort)
    _check_steps(cohort)


def _check_rows(cohort: Cohort) -> None:
    """What only cohorts that make rows take."""
    kind = cohort.kind
    if cohort.session is not None and (kind != "session_list" or cohort.within_seconds):
        raise Misfit("session is for session_list, in place of within_seconds")
    dated = column_type(cohort.time.type).kind != "datetime"
    if kind == "session_list" and cohort.session is None and (dated or not cohort.within_seconds):
        raise Misfit("sessions need a time with hours, and within_seconds: the longest gap inside of one")
    if cohort.start is not None and (kind != "follow_list" or not column_type(cohort.start.type).temporal):
        raise Misfit("start is for follow_list: another time column that it counts from")
    if bool(cohort.later) != (kind == "follow_list" and bool(cohort.grain)):
        raise Misfit("later and grain are for follow_list together: how many steps of time after the start")
    if cohort.later and cohort.within_seconds:
        raise Misfit("follow_list takes within_seconds or later, not both")


def _check_steps(cohort: Cohort) -> None:
    """Where steps follow each other it is their first time that counts, not how often."""
    placed = cohort.ordered or cohort.within_seconds or cohort.kind in ("retention", *ROWS)
    for step in cohort.steps:
        if placed and (step.operator, step.times, step.grain) != ("ge", 1, ""):
            raise Misfit(f"the steps of this {cohort.kind} are told by their first time: leave out how often")
        if step.operator == "lt" and step.times < 1:
            raise Misfit("a step is done 0 times or more")
