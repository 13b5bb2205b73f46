"""Two plans made one: what the new words ask put into the plan of the answer before, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from aidatalabs_services.agent.openings import Mode
from aidatalabs_services.agent.planner.plan import (
    Dimension,
    Filter,
    Having,
    Join,
    Measure,
    Order,
    QueryPlan,
    Source,
    Window,
)

_UNDERSTOOD = {
    QueryPlan: frozenset(
        (
            *("form", "table", "joins", "measures", "dimensions", "filters", "windows", "having", "order"),
            *("limit", "distinct", "tied", "outer", "timezone"),
        )
    ),
    Source: frozenset(("table", "column", "type", "path", "calendar", "declared")),
    Join: frozenset(("table", "alias", "left", "left_column", "right_column", "kind")),
    Filter: frozenset(("source", "operator", "values", "numeric")),
    Measure: frozenset(("function", "source", "alias", "title", "unit", "conditions", "skips_empty")),
    Dimension: frozenset(("source", "alias", "title", "grain", "part", "label")),
    Window: frozenset(("source", "start", "end", "timezone", "words")),
    Having: frozenset(("measure", "operator", "values")),
    Order: frozenset(("alias", "descending")),
}
"""The fields whose meaning is known here; a plan that uses another one is not merged."""
_PICKS = frozenset(("eq", "in", "is_true", "is_false", "is_null", "not_null"))
_ADDED_UP = frozenset(("count", "sum"))


class NotMergeable(Exception):
    """These two plans do not make one; the text is a sentence that says why."""


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
    if new.outer or new.having or new.distinct or (new.limit and not addition.ranked):
        raise NotMergeable("These words ask more than can be put into the answer before.")
    base = _conditioned(earlier, new, mode)
    if addition.measured:
        base = _measured(base, new, mode)
    if not new.dimensions:
        return [("", _checked(base))]
    if base.outer or base.form == "list":
        raise NotMergeable("The answer before has no groups that these words could change.")
    if addition.ranked:
        ranked = _grouped(base, new.dimensions)
        return [("", _checked(limited(ranked, new.limit, new.order[0].descending if new.order else True)))]
    return [(label, _checked(plan)) for label, plan in _regrouped(base, new.dimensions, mode)]


def _regrouped(base: QueryPlan, new: tuple[Dimension, ...], mode: Mode) -> Iterator[tuple[str, QueryPlan]]:
    """A step of time replaces a step of time; other groups join or replace as the words say, or both."""
    timed = all(d.grain or d.part for d in new)
    others = tuple(d for d in base.dimensions if not (timed and (d.grain or d.part)))
    fresh = tuple(d for d in new if _place(d) not in {_place(other) for other in others})
    if not others or not fresh:
        yield "", _grouped(base, (*others, *fresh) if others else new)
        return
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


def _place(dimension: Dimension) -> tuple[Source, str, str]:
    return dimension.source, dimension.grain, dimension.part


def _conditioned(earlier: QueryPlan, new: QueryPlan, mode: Mode) -> QueryPlan:
    """The earlier plan with the new conditions, times and lookups."""
    kept = list(earlier.filters)
    for condition in new.filters:
        same = [held for held in kept if held.source == condition.source and _replaces(condition, held)]
        if mode is Mode.JOIN and same and {condition.operator, *(f.operator for f in same)} <= {"eq", "in"}:
            values = dict.fromkeys([*(v for held in same for v in held.values), *condition.values])
            condition = replace(condition, operator="in", values=tuple(values))
        place = kept.index(same[0]) if same else len(kept)
        kept = [held for held in kept if held not in same]
        kept.insert(place, condition)
    windows = new.windows or earlier.windows
    return replace(earlier, filters=tuple(kept), windows=windows, joins=_joined(earlier.joins, new.joins))


def _replaces(new: Filter, held: Filter) -> bool:
    """Whether a condition on the same column takes the place of another: a value that of a value, a bound
    that of a bound."""
    return (new.operator in _PICKS) == (held.operator in _PICKS) and not (
        new.operator in ("ne", "not_in") or held.operator in ("ne", "not_in")
    )


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
    if base.outer or base.having:
        raise NotMergeable("The answer before is about a number that these words would take away.")
    if base.form == "list":
        return replace(
            base, form="scalar", dimensions=(), order=(), limit=0, distinct=False, measures=new.measures
        )
    held = base.measures if mode is Mode.JOIN else ()
    measures = (*held, *(m for m in new.measures if m not in held))
    plan = replace(base, measures=measures, tied=False)
    same = {m.alias for m in plan.measures} | {d.alias for d in plan.dimensions}
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
    keys = tuple(Order(d.alias, False) for d in dimensions)
    first = base.measures[0]
    ranked = base.limit and base.order and base.order[0].alias in {m.alias for m in base.measures}
    if ranked:
        order = (base.order[0], *keys)
    else:
        order = keys if natural else (Order(first.alias, first.function != "min"), *keys)
    form = "series" if timed else "table" if dimensions else "scalar"
    return replace(base, form=form, dimensions=dimensions, order=order if dimensions else (), tied=False)


def limited(plan: QueryPlan, limit: int, descending: bool) -> QueryPlan:
    """The first so many groups or rows of a plan; 0 shows all. Raises NotMergeable where none is first."""
    _check_understood(plan)
    if plan.outer or not plan.dimensions:
        raise NotMergeable("The answer before is one number, of which there is no first.")
    if plan.form == "list":
        if limit and not plan.order:
            raise NotMergeable("The rows of the answer before have no order that says which come first.")
        return replace(plan, limit=limit, tied=False)
    ranks = [order for order in plan.order if order.alias in {m.alias for m in plan.measures}]
    first = replace(ranks[0], descending=descending) if ranks else Order(plan.measures[0].alias, descending)
    keys = tuple(Order(d.alias, False) for d in plan.dimensions)
    return replace(plan, limit=limit, tied=False, order=(first, *keys) if limit else plan.order)


def as_share(plan: QueryPlan) -> QueryPlan:
    """Counts and sums as parts of the whole, in percent: of all groups, or of the rows before its conditions.

    Raises NotMergeable where there is no whole.
    """
    _check_understood(plan)
    if plan.outer or plan.form == "list" or len(plan.measures) != 1 or plan.having or plan.limit:
        raise NotMergeable("The answer before is not one number of which there is a whole.")
    measure = plan.measures[0]
    if measure.function not in _ADDED_UP or measure.conditions:
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
    if plan.outer or plan.having or plan.form == "list" or not plan.dimensions:
        raise NotMergeable("The answer before has no groups to put together.")
    if any(m.function == "share" for m in plan.measures):
        raise NotMergeable("All shares together are the whole.")
    return _checked(replace(plan, form="scalar", dimensions=(), order=(), limit=0, tied=False))


def ungrouped_by_time(plan: QueryPlan) -> QueryPlan:
    """The plan without its windows of time. Raises NotMergeable where it has none."""
    _check_understood(plan)
    if not plan.windows:
        raise NotMergeable("The answer before is of all times already.")
    return replace(plan, windows=())


def _checked(plan: QueryPlan) -> QueryPlan:
    """The plan without lookups that nothing needs any more; its columns have names of their own."""
    names = [d.alias for d in plan.dimensions] + [m.alias for m in plan.measures]
    if len(set(names)) != len(names):
        raise NotMergeable("Two columns of the answer would have the same name.")
    if any(having.measure not in names for having in plan.having):
        raise NotMergeable("The answer before limits its groups by a number that would be gone.")
    needed = {source.table for source in _sources(plan)}
    for join in reversed(plan.joins):
        if join.alias in needed or join.kind == "inner":
            needed |= {join.alias, join.left}
    return replace(plan, joins=tuple(join for join in plan.joins if join.alias in needed))


def _sources(plan: QueryPlan) -> Iterator[Source]:
    yield from (d.source for d in plan.dimensions)
    yield from (f.source for f in plan.filters)
    yield from (w.source for w in plan.windows)
    for measure in plan.measures:
        if measure.source is not None:
            yield measure.source
        yield from (f.source for f in measure.conditions)


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
