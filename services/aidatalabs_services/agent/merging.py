"""Two plans made one: what the new words ask put into the plan of the answer before, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from aidatalabs_services.agent.continuing import (
    ADDED_UP,
    NotMergeable,
    check_conditions,
    check_numbers_replaced,
    continued,
    followed_by,
    plain,
    regrouped_cohort,
    sources_of,
    step_of_rows,
)
from aidatalabs_services.agent.openings import Mode
from aidatalabs_services.agent.planner.plan import (
    Cohort,
    Dimension,
    Filter,
    Having,
    Join,
    Measure,
    Order,
    Post,
    QueryPlan,
    Source,
    Step,
    Window,
)

_UNDERSTOOD = {
    QueryPlan: frozenset(
        (
            *("form", "table", "joins", "measures", "dimensions", "filters", "windows", "having", "order"),
            *("limit", "distinct", "tied", "outer", "timezone", "limit_by", "post", "cohort"),
            *("inner", "filled"),
        )
    ),
    Source: frozenset(("table", "column", "type", "path", "calendar", "declared", "span")),
    Join: frozenset(("table", "alias", "left", "left_column", "right_column", "kind")),
    Filter: frozenset(("source", "operator", "values", "numeric", "query", "options", "part")),
    Measure: frozenset(
        (
            *("function", "source", "alias", "title", "unit", "conditions", "skips_empty"),
            *("windows", "parts", "level", "grain", "since"),
        )
    ),
    Dimension: frozenset(("source", "alias", "title", "grain", "part", "label", "bucket")),
    Window: frozenset(("source", "start", "end", "timezone", "words")),
    Having: frozenset(("measure", "operator", "values")),
    Order: frozenset(("alias", "descending")),
    Post: frozenset(("function", "measure", "alias", "title", "unit", "size", "per", "filled", "zero")),
    Step: frozenset(("title", "filters", "windows", "operator", "times", "grain")),
    Cohort: frozenset(
        (
            *("kind", "subject", "time", "steps", "ordered", "within_seconds", "whole"),
            *("grain", "groups", "session", "start", "later"),
        )
    ),
}
"""The fields whose meaning is known here; a plan that uses another one is not merged."""
_PICKS = frozenset(("eq", "in", "is_true", "is_false", "is_null", "not_null"))
_APART = frozenset(("ne", "not_in", "any", "all", "in_query", "not_in_query"))
"""Conditions that stand beside others on their column."""


@dataclass(frozen=True)
class Addition:
    """What the new words were read as: `measured` where its numbers are the words' own, `ranked` where they
    ask for the first of its groups."""

    plan: QueryPlan
    measured: bool = False
    ranked: bool = False


def merged(earlier: QueryPlan, addition: Addition, mode: Mode) -> list[tuple[str, QueryPlan]]:
    """The one plan of both, or two where new groups may join the earlier ones or replace them, each with a
    label. Raises NotMergeable."""
    for plan in (earlier, addition.plan):
        _check_understood(plan)
    new = addition.plan
    asked = new.outer or new.having or new.distinct or new.post or new.cohort or new.limit_by or new.inner
    if asked or (new.limit and not addition.ranked):
        raise NotMergeable("These words ask more than can be put into the answer before.")
    if earlier.inner is not None:
        return [("", _of_rows(earlier, earlier.inner, addition, mode))]
    base = _conditioned(earlier, new, mode)
    if addition.measured:
        base = _measured(base, new, mode)
    if not new.dimensions:
        return [("", _checked(continued(base, earlier)))]
    if base.cohort is not None:
        if addition.ranked:
            raise NotMergeable(f"{followed_by(base.cohort)} has no first groups.")
        joined = mode is Mode.JOIN
        return [("", _checked(regrouped_cohort(base, base.cohort, new.dimensions, joined=joined)))]
    _check_groups(base, new)
    if base.outer or base.form == "list":
        raise NotMergeable("The answer before has no groups that these words could change.")
    if addition.ranked:
        ranked = continued(_grouped(base, new.dimensions), earlier)
        return [("", _checked(limited(ranked, new.limit, new.order[0].descending if new.order else True)))]
    both = _regrouped(base, new.dimensions, mode)
    return [(label, _checked(continued(plan, earlier))) for label, plan in both]


def _of_rows(earlier: QueryPlan, inner: QueryPlan, addition: Addition, mode: Mode) -> QueryPlan:
    """A plan over the rows that subjects make, such as sessions: what is asked is about the rows inside."""
    new = addition.plan
    if addition.measured or addition.ranked or inner.cohort is None:
        raise NotMergeable("The answer before is about a number that these words would take away.")
    changed = replace(earlier, inner=_checked(_conditioned(inner, new, mode)))
    if not new.dimensions:
        return changed
    step = step_of_rows(inner.cohort, new.dimensions)
    old = [d for d in earlier.dimensions if d.grain]
    if len(old) > 1 or (earlier.dimensions and not old):
        raise NotMergeable("The answer before has other groups than steps of time.")
    held = tuple(step if d.grain else d for d in earlier.dimensions) or (step,)
    return _checked(_grouped(changed, held))


def _check_groups(base: QueryPlan, new: QueryPlan) -> None:
    """That other groups drop no part of what was asked before."""
    if base.limit_by:
        raise NotMergeable("The answer before ranks the rows of each of its groups; other groups end that.")
    timed = any(d.grain or d.part for d in new.dimensions)
    if timed and any(m.windows or any(part.windows for part in m.parts) for m in base.measures):
        raise NotMergeable("The answer before compares times, which steps of time would take apart.")


def _regrouped(base: QueryPlan, new: tuple[Dimension, ...], mode: Mode) -> Iterator[tuple[str, QueryPlan]]:
    """A step of time replaces a step of time; other groups join or replace as the words say, or both."""
    timed = all(d.grain or d.part for d in new)
    others = tuple(d for d in base.dimensions if not (timed and (d.grain or d.part)))
    fresh = tuple(d for d in new if _place(d) not in {_place(other) for other in others})
    steps = [d for d in base.dimensions if d not in others]
    if steps and len(new) == 1 and len(steps) == 1:
        yield "", _grouped(base, tuple(new[0] if d is steps[0] else d for d in base.dimensions))
        return
    if not others or not fresh:
        yield "", _grouped(base, (*others, *fresh) if others else new)
        return
    if base.post and mode is Mode.UNSAID and not timed:
        mode = Mode.JOIN  # numbers over steps of time need those
    names = " and ".join(d.title for d in fresh if not d.label)
    held = " and ".join(d.title for d in others if not d.label)
    if mode is not Mode.REPLACE:
        if base.limit:
            raise NotMergeable(
                f"The answer before shows only the first {base.limit}, which cannot be divided further: "
                "say 'instead', or 'all of them' first."
            )
        yield f"{names} for each {held}", _grouped(base, (*others, *fresh))
    if mode is not Mode.JOIN:
        yield f"{names} instead of {held}", _grouped(base, new)


def _place(dimension: Dimension) -> tuple[Source, str, str, str]:
    return dimension.source, dimension.grain, dimension.part, dimension.bucket


def _conditioned(earlier: QueryPlan, new: QueryPlan, mode: Mode) -> QueryPlan:
    """The earlier plan with the new conditions, times and lookups."""
    conditions = tuple(plain(condition, new.table) for condition in new.filters)
    check_conditions(earlier, conditions, timed=bool(new.windows))
    kept = list(earlier.filters)
    for condition in conditions:
        same = [held for held in kept if held.source == condition.source and _replaces(condition, held)]
        if mode is Mode.JOIN and same and {condition.operator, *(f.operator for f in same)} <= {"eq", "in"}:
            values = dict.fromkeys([*(v for held in same for v in held.values), *condition.values])
            condition = replace(condition, operator="in", values=tuple(values))
        place = kept.index(same[0]) if same else len(kept)
        kept = [held for held in kept if held not in same]
        kept.insert(place, condition)
    if mode is Mode.JOIN and new.windows and earlier.windows and new.windows != earlier.windows:
        raise NotMergeable("The answer before is of one time, and another one cannot stand beside it.")
    windows = new.windows or earlier.windows
    return replace(earlier, filters=tuple(kept), windows=windows, joins=_joined(earlier.joins, new.joins))


def _replaces(new: Filter, held: Filter) -> bool:
    """Whether a condition on the same column takes the place of another: a value that of a value, a bound
    that of a bound."""
    if new.part != held.part or (new.query is None) != (held.query is None):
        return False
    apart = new.operator in _APART or held.operator in _APART
    return (new.operator in _PICKS) == (held.operator in _PICKS) and not apart


def _joined(held: tuple[Join, ...], new: tuple[Join, ...]) -> tuple[Join, ...]:
    found = {join.alias: join for join in held}
    for join in new:
        there = found.get(join.alias)
        if there is None:
            found[join.alias] = join
        elif replace(there, kind="") != replace(join, kind=""):
            raise NotMergeable("These words look something up in another way than the answer before.")
        elif join.kind == "inner":
            found[join.alias] = join
    return tuple(found.values())


def _measured(base: QueryPlan, new: QueryPlan, mode: Mode) -> QueryPlan:
    """The numbers of the words instead of the earlier ones, or beside them."""
    if base.outer or base.having or base.cohort is not None:
        raise NotMergeable("The answer before is about a number that these words would take away.")
    if mode is not Mode.JOIN:
        check_numbers_replaced(base)
    if base.form == "list":
        return replace(
            base, form="scalar", dimensions=(), order=(), limit=0, distinct=False, measures=new.measures
        )
    held = base.measures if mode is Mode.JOIN else ()
    measures = (*held, *(m for m in new.measures if m not in held))
    plan = replace(base, measures=measures, tied=False)
    same = {m.alias for m in plan.measures} | {d.alias for d in plan.dimensions} | _over(plan)
    if any(order.alias not in same for order in plan.order):
        first = base.order[0]
        ranked = first.alias in {m.alias for m in base.measures}
        keys = tuple(Order(d.alias, False) for d in plan.dimensions)
        plan = replace(plan, order=(Order(measures[0].alias, first.descending), *keys) if ranked else keys)
    return plan


def _grouped(base: QueryPlan, dimensions: tuple[Dimension, ...]) -> QueryPlan:
    """The plan with these groups, ordered as groups are where nobody says how."""
    timed = any(d.grain for d in dimensions)
    natural = timed or any(d.part for d in dimensions)
    last = sorted(dimensions, key=lambda d: bool(base.post) and bool(d.grain))
    keys = tuple(Order(d.alias, False) for d in last)
    first = base.measures[0]
    ranked = base.limit and base.order and base.order[0].alias in {m.alias for m in base.measures}
    if ranked:
        order = (base.order[0], *keys)
    else:
        order = keys if natural else (Order(first.alias, first.function != "min"), *keys)
    form = "series" if timed else "table" if dimensions else "scalar"
    filled = base.filled and timed
    order = order if dimensions else ()
    return replace(base, form=form, dimensions=dimensions, order=order, tied=False, filled=filled)


def ordered(plan: QueryPlan, way: str) -> QueryPlan:
    """The groups of a plan by their number, highest or lowest first, or the other way round.

    Raises NotMergeable where there is nothing to be put in order, or its first are no more the first.
    """
    _check_understood(plan)
    if plan.cohort is not None or plan.outer or not plan.dimensions or plan.limit_by:
        raise NotMergeable("The answer before has no groups to put in another order.")
    if plan.limit:
        raise NotMergeable(
            f"The answer before is the first {plan.limit}: say 'bottom {plan.limit}', or 'all of them' first."
        )
    if way == "reverse":
        if not plan.order:
            raise NotMergeable("The rows of the answer before have no order.")
        return replace(plan, order=tuple(replace(one, descending=not one.descending) for one in plan.order))
    if not plan.measures:
        raise NotMergeable("The rows of the answer before have no number to be ordered by.")
    keys = tuple(Order(d.alias, False) for d in plan.dimensions)
    return replace(plan, order=(Order(plan.numbers[-1].alias, way == "highest"), *keys))


def limited(plan: QueryPlan, limit: int, descending: bool, *, placed: bool = False) -> QueryPlan:
    """The first so many groups or rows of a plan; 0 shows all. With `placed` the first or last in time, where
    its groups are steps of time. Raises NotMergeable where none is first.
    """
    _check_understood(plan)
    if plan.cohort is not None and plan.cohort.kind == "member_list":
        return replace(plan, limit=limit)
    if plan.cohort is not None:
        raise NotMergeable(f"{followed_by(plan.cohort)} has no first groups.")
    if plan.outer or not plan.dimensions:
        raise NotMergeable("The answer before is one number, of which there is no first.")
    if plan.form == "list":
        if limit and not plan.order:
            raise NotMergeable("The rows of the answer before have no order that says which come first.")
        return replace(plan, limit=limit, tied=False)
    ranks = [order for order in plan.order if order.alias in {n.alias for n in plan.numbers}]
    if plan.limit_by:
        order = tuple(replace(o, descending=descending) if o in ranks else o for o in plan.order)
        return replace(plan, limit=limit, limit_by=plan.limit_by if limit else (), order=order)
    steps = [d for d in plan.dimensions if d.grain]
    if placed and steps and limit:
        if len(plan.dimensions) > 1:
            raise NotMergeable("The answer before has other groups beside its steps of time.")
        return replace(plan, limit=limit, tied=False, order=(Order(steps[0].alias, not descending),))
    number = plan.post[-1].alias if plan.post else plan.measures[0].alias
    first = replace(ranks[0], descending=descending) if ranks else Order(number, descending)
    keys = tuple(Order(d.alias, False) for d in plan.dimensions)
    return replace(plan, limit=limit, tied=False, order=(first, *keys) if limit else plan.order)


def as_share(plan: QueryPlan) -> QueryPlan:
    """Counts and sums as parts of the whole, in percent: of all groups, or of the rows before its conditions.

    Raises NotMergeable where there is no whole.
    """
    _check_understood(plan)
    several = plan.outer or plan.form == "list" or len(plan.measures) != 1 or plan.having or plan.limit
    if several or plan.post or plan.cohort is not None or plan.inner is not None:
        raise NotMergeable("The answer before is not one number of which there is a whole.")
    measure = plan.measures[0]
    if measure.function not in ADDED_UP or measure.conditions or measure.windows:
        raise NotMergeable(f"A share of {measure.title} makes no sense: shares are of counts and of sums.")
    alias, title = f"share_of_{measure.alias}", f"share of {measure.title}"
    if plan.dimensions:
        share = replace(measure, function="share", alias=alias, title=title, unit="percent")
        order = tuple(replace(o, alias=alias) if o.alias == measure.alias else o for o in plan.order)
        return replace(plan, measures=(share,), order=order)
    if (
        not plan.filters
        or measure.function != "count"
        or any(f.source.table != plan.table for f in plan.filters)
    ):
        raise NotMergeable("Say of what it should be a share.")
    percent = Measure("percent", None, alias, title, "percent", plan.filters)
    return replace(plan, measures=(percent,), filters=())


def overall(plan: QueryPlan) -> QueryPlan:
    """The numbers of a plan over all its rows, not by group. Raises NotMergeable where there are none."""
    _check_understood(plan)
    if plan.outer or plan.having or plan.form == "list" or not plan.dimensions or plan.cohort:
        raise NotMergeable("The answer before has no groups to put together.")
    if plan.post:
        raise NotMergeable(f"The {plan.post[-1].title} needs its steps of time.")
    if any(m.function == "share" for m in plan.measures):
        raise NotMergeable("All shares together are the whole.")
    alone = replace(plan, form="scalar", dimensions=(), order=(), limit=0, limit_by=(), tied=False)
    return _checked(replace(alone, filled=False))


def ungrouped_by_time(plan: QueryPlan) -> QueryPlan:
    """The plan without its windows of time. Raises NotMergeable where it has none."""
    _check_understood(plan)
    if plan.inner is not None:
        return replace(plan, inner=ungrouped_by_time(plan.inner))
    check_conditions(plan, (), timed=True)
    if not plan.windows:
        raise NotMergeable("The answer before is of all times already.")
    return replace(plan, windows=())


def _checked(plan: QueryPlan) -> QueryPlan:
    """The plan without lookups that nothing needs any more; its columns have names of their own."""
    names = [d.alias for d in plan.dimensions] + [n.alias for n in plan.numbers]
    if len(set(names)) != len(names):
        raise NotMergeable("Two columns of the answer would have the same name.")
    if any(having.measure not in names for having in plan.having):
        raise NotMergeable("The answer before limits its groups by a number that would be gone.")
    needed = {source.table for source in sources_of(plan)}
    for join in reversed(plan.joins):
        if join.alias in needed or join.kind == "inner":
            needed |= {join.alias, join.left}
    return replace(plan, joins=tuple(join for join in plan.joins if join.alias in needed))


def _over(plan: QueryPlan) -> set[str]:
    return {post.alias for post in plan.post}


def _check_understood(record: object) -> None:
    """Raises NotMergeable where a field is in use that nothing here knows."""
    known = _UNDERSTOOD.get(type(record))
    if known is None:
        return
    for field in fields(record):  # type: ignore[arg-type]
        value = getattr(record, field.name)
        if field.name not in known and value != field.default:
            raise NotMergeable("What was asked before is of a kind that follow-ups cannot change yet.")
        for one in value if isinstance(value, tuple) else (value,):
            _check_understood(one)
