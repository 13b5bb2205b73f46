"""What becomes of numbers over steps of time, of numbers with conditions of their own, and of subjects that
are followed, when a plan is changed by what was asked after it: they go on, or it is said why they cannot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from aidatalabs_services.agent.planner.plan import (
    Cohort,
    Dimension,
    Filter,
    Measure,
    Order,
    Post,
    QueryPlan,
    Source,
)

ADDED_UP = frozenset(("count", "sum"))
_OVER_TIME = frozenset(("cumulate", "moving", "moving_sum", "lag", "change", "growth"))
_ADDING = frozenset(("cumulate", "moving_sum", "share"))
_GROUPED = ("funnel", "members", "member_share")
_STARTS = {
    "session_list": "start_",
    "follow_list": "start_",
    "gap_list": "moment_",
    "row_list": "moment_",
}
"""The time that rows of subjects are told by."""
_KINDS = {
    "funnel": "A funnel",
    "members": "A number of those who did something",
    "member_share": "A share of those who did something",
    "member_list": "A list of those who did something",
    "retention": "Retention",
}


class NotMergeable(Exception):
    """These two plans do not make one; the text is a sentence that says why."""


def followed_by(cohort: Cohort) -> str:
    """What a cohort is, as the beginning of a sentence."""
    return _KINDS.get(cohort.kind, "What was asked before")


def check_conditions(plan: QueryPlan, conditions: tuple[Filter, ...], *, timed: bool) -> None:
    """That new conditions, and a new time where `timed`, say nothing against those that single numbers or
    steps of the plan have. Raises NotMergeable."""
    own = list(_own_conditions(plan))
    for condition in conditions:
        clash = next((held for held in own if held.source == condition.source), None)
        if clash is not None:
            raise NotMergeable(
                f"The answer before is about values of {clash.source.column or 'its date'} already, each "
                "number or step for one of them."
            )
    if timed and any(_windowed(plan)):
        raise NotMergeable("The answer before compares times of its own.")
    looked_up = [held for held in plan.filters if held.query is not None]
    same_rows = [held for held in looked_up if held.query is not None and held.query.table == plan.table]
    if (timed and looked_up) or (conditions and same_rows):
        raise NotMergeable(
            "The answer before looks up other rows: the words do not say whether they are about those too."
        )


def plain(condition: Filter, table: str) -> Filter:
    """A condition that looks a value up in its own table, as the plain one that it is: `without Lyon`.

    Raises NotMergeable where rows, or whole groups that have such rows, may be meant.
    """
    query = condition.query
    if query is None or query.table != table or condition.operator not in ("in_query", "not_in_query"):
        return condition
    held = query.filters[0] if len(query.filters) == 1 else None
    others = query.windows or query.having or query.joins or query.measures
    if held is None or others or held.source != condition.source or held.operator not in ("eq", "in"):
        raise NotMergeable("The words do not say whether such rows are meant, or all that have such rows.")
    if condition.operator == "in_query":
        return held
    return replace(held, operator={"eq": "ne", "in": "not_in"}[held.operator])


def _own_conditions(plan: QueryPlan) -> Iterator[Filter]:
    for measure in plan.measures:
        yield from measure.all_conditions
    if plan.cohort is not None:
        for step in plan.cohort.steps:
            yield from step.filters


def _windowed(plan: QueryPlan) -> Iterator[bool]:
    for measure in plan.measures:
        yield bool(measure.windows) or any(part.windows for part in measure.parts)
    if plan.cohort is not None:
        yield any(step.windows for step in plan.cohort.steps)


def check_numbers_replaced(plan: QueryPlan) -> None:
    """That a plan's numbers can give way to others without a part of the question going with them."""
    if any(m.conditions or m.windows or m.parts for m in plan.measures):
        raise NotMergeable("The numbers before are compared, or each have conditions of their own.")
    if plan.limit_by:
        raise NotMergeable("The answer before ranks the rows of each group by the number before.")


def regrouped_cohort(
    plan: QueryPlan, cohort: Cohort, new: tuple[Dimension, ...], *, joined: bool
) -> QueryPlan:
    """The plan of a cohort by other steps of time, or for each of some groups, beside those that there are
    where they are `joined`. Raises NotMergeable where it has none.
    """
    timed = [dimension for dimension in new if dimension.grain or dimension.part or dimension.bucket]
    if cohort.kind == "retention" and len(new) == 1 and new[0].grain and new[0].source == cohort.time:
        grain = new[0].grain
        held = tuple(_renamed(dimension, cohort.grain, grain) for dimension in plan.dimensions)
        held = tuple(replace(d, grain=grain) if d.grain else d for d in held)
        return replace(plan, cohort=replace(cohort, grain=grain), dimensions=held)
    if cohort.kind not in _GROUPED or timed or (cohort.groups and not joined):
        raise NotMergeable(f"{followed_by(cohort)} cannot be divided into such groups yet.")
    groups = (*cohort.groups, *(d for d in new if d not in cohort.groups))
    own = plan.dimensions[len(cohort.groups) :]
    form = plan.form if cohort.kind == "funnel" else "table"
    keys = tuple(Order(group.alias, False) for group in groups)
    order = () if cohort.kind == "funnel" else (Order(plan.measures[0].alias, True), *keys)
    made = replace(cohort, groups=groups)
    return replace(plan, form=form, cohort=made, dimensions=(*groups, *own), order=order)


def step_of_rows(cohort: Cohort, new: tuple[Dimension, ...]) -> Dimension:
    """The step of time that rows of subjects are put into. Raises NotMergeable for all else."""
    start = _STARTS.get(cohort.kind, "")
    if len(new) != 1 or not new[0].grain or new[0].source != cohort.time or not start or cohort.start:
        raise NotMergeable("The rows before are made of several each; only steps of their time are told yet.")
    return replace(new[0], source=Source("", start, cohort.time.type))


def _renamed(dimension: Dimension, old: str, new: str) -> Dimension:
    if dimension.alias in ("date", "day", "on_date") and old == "day":
        return replace(dimension, alias=f"{new}_start", title=new)
    alias, title = _said(dimension.alias, old, new), _said(dimension.title, old, new)
    return replace(dimension, alias=alias, title=title)


def _said(text: str, old: str, new: str) -> str:
    """The text with one step of time in place of another: `weeks_later`, `week of the first visit`."""
    return re.sub(rf"(?<![a-z]){old}(?=s?(?![a-z]))", new, text) if old else text


def continued(plan: QueryPlan, before: QueryPlan) -> QueryPlan:
    """The plan with its numbers over rows made for the groups and the number that it has now.

    Raises NotMergeable where they cannot be.
    """
    if not plan.post:
        return plan
    held, now = before.measures[0], plan.measures[0]
    if len(plan.measures) != 1 or len(before.measures) != 1:
        raise NotMergeable("The number over steps of time before is of one number alone.")
    steps = [dimension for dimension in plan.dimensions if dimension.grain or dimension.part]
    old = next((d.grain or d.part for d in before.dimensions if d.grain or d.part), "")
    made = []
    for post in plan.post:
        if post.function in _OVER_TIME and len(steps) != 1:
            raise NotMergeable(f"The {post.title} needs steps of time, and one kind of them.")
        if post.function in _ADDING and now.function not in ADDED_UP:
            raise NotMergeable(f"A total of {now.title} over the steps makes no sense: it does not add up.")
        made.append(_post(post, plan, steps, old, (held, now)))
    renamed = {post.alias: fresh.alias for post, fresh in zip(plan.post, made, strict=True)}
    order = tuple(replace(o, alias=renamed.get(o.alias, o.alias)) for o in plan.order)
    return replace(plan, post=tuple(made), order=order)


def _post(
    post: Post, plan: QueryPlan, steps: list[Dimension], old: str, numbers: tuple[Measure, Measure]
) -> Post:
    held, now = numbers
    step = steps[0].grain or steps[0].part if steps else ""
    title = _said(post.title, old, step).replace(held.title, now.title)
    alias = _said(post.alias, old, step).replace(held.alias, now.alias)
    added = now.function in ADDED_UP
    per = tuple(d.alias for d in plan.dimensions if d not in steps)
    percent = post.function in ("growth", "share")
    return replace(
        post,
        measure=now.alias,
        title=title,
        alias=alias,
        unit="percent" if percent else now.unit,
        per=per if post.function in _OVER_TIME else (),
        filled=post.filled and (added or not post.function.startswith("moving")),
        zero=added and post.function in _OVER_TIME,
    )


def over_time(plan: QueryPlan, function: str) -> QueryPlan:
    """The plan with its number added up from step to step, or against the step before.

    Raises NotMergeable where it has no one number for each step of time.
    """
    steps = [dimension for dimension in plan.dimensions if dimension.grain]
    if len(steps) != 1 or len(plan.measures) != 1 or plan.limit or plan.having or plan.outer or plan.cohort:
        raise NotMergeable("The answer before is not one number for each step of time, such as 'by month'.")
    measure = plan.measures[0]
    added = measure.function in ADDED_UP
    if function == "cumulate" and not added:
        raise NotMergeable(f"The {measure.title} of each step cannot be added up.")
    told = {"cumulate": "running total of", "growth": "growth of", "change": "change of"}[function]
    title = f"{told} {measure.title}"
    alias = f"{title.replace(' ', '_')}"[:60]
    if any(post.function == function for post in plan.post):
        raise NotMergeable("The answer before shows that already.")
    per = tuple(d.alias for d in plan.dimensions if d is not steps[0])
    unit = "percent" if function == "growth" else measure.unit
    post = Post(function, measure.alias, alias, title, unit, 1, per, function != "cumulate", added)
    order = tuple(Order(d.alias, False) for d in sorted(plan.dimensions, key=lambda d: bool(d.grain)))
    return replace(plan, form="series", post=(*plan.post, post), order=order, tied=False)


def sources_of(plan: QueryPlan) -> Iterator[Source]:
    """Every column that a plan reads."""
    yield from (dimension.source for dimension in plan.dimensions)
    yield from _compared(plan.filters)
    yield from (window.source for window in plan.windows)
    for measure in plan.measures:
        yield from measure.sources
        yield from _compared(measure.all_conditions)
    if plan.cohort is not None:
        yield plan.cohort.subject
        yield plan.cohort.time
        yield from (group.source for group in plan.cohort.groups)
        yield from (one for one in (plan.cohort.session, plan.cohort.start) if one is not None)
        for step in plan.cohort.steps:
            yield from _compared(step.filters)
            yield from (window.source for window in step.windows)


def _compared(filters: tuple[Filter, ...]) -> Iterator[Source]:
    for one in filters:
        yield one.source
        yield from _compared(one.options)
