"""Several numbers over the same rows put into one plan: what they share holds for all, the rest for each."""

from __future__ import annotations

from dataclasses import replace

from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.naming import Names
from aidatalabs_services.agent.planner.plan import Dimension, Filter, Join, Measure, QueryPlan, Source, Window

from .inner import refused


def merged(
    plans: tuple[QueryPlan, ...],
    names: tuple[str, ...],
    index: CatalogueIndex,
    head: tuple[Filter, ...] | None = None,
) -> QueryPlan:
    """One plan with one measure for each of `plans`, titled by `names`.

    Groups and windows that only the last plan has stand behind all of them (`views to sales by country in
    May`), and so do its conditions beside those of its own words, `head`. Raises Stopped where the
    numbers are not of the same rows.
    """
    first, last = plans[0], plans[-1]
    if any(plan.table != first.table for plan in plans):
        tables = " and ".join(dict.fromkeys(plan.table for plan in plans))
        raise refused(f"The numbers are of two tables ({tables}), which I cannot bring together yet.")
    if any(plan.having or plan.limit or plan.distinct or plan.outer or plan.post for plan in plans):
        raise refused("Each of the two numbers has to be a plain one, without a limit or groups of its own.")
    shared, own = _filters(plans, plans[-1].filters if head is None else head)
    windows = _windows(plans)
    made = tuple(
        _measured(plan.measures[0], name, filters, () if windows == plan.windows else plan.windows)
        for plan, name, filters in zip(plans, names, own, strict=True)
    )
    dimensions = _dimensions(plans)
    fresh = Names(index, first.table)
    for dimension in dimensions:
        fresh.taken(dimension.alias)
    aliased = tuple(replace(m, alias=fresh.fresh(m.title)) for m in made)
    return replace(
        last,
        form="series" if any(d.grain for d in dimensions) else "table" if dimensions else "scalar",
        joins=_joins(plans, own),
        measures=aliased,
        dimensions=dimensions,
        filters=shared,
        windows=windows,
        order=(),
        tied=False,
    )


def _measured(
    measure: Measure, name: str, filters: tuple[Filter, ...], windows: tuple[Window, ...]
) -> Measure:
    if measure.function in ("percent", "share") and (filters or windows):
        raise refused("A share cannot be compared under conditions of its own yet.")
    if measure.parts:
        parts = tuple(_measured(part, part.title, filters, windows) for part in measure.parts)
        return replace(measure, title=name, parts=parts)
    return replace(
        measure,
        title=name,
        conditions=(*measure.conditions, *filters),
        windows=(*measure.windows, *windows),
    )


def _filters(
    plans: tuple[QueryPlan, ...], head: tuple[Filter, ...]
) -> tuple[tuple[Filter, ...], list[tuple[Filter, ...]]]:
    """The conditions that hold for all numbers, and those of each: what only stands behind the last one's
    own words (`head`) holds for all, unless another number has a condition on the same column."""
    common = [f for f in plans[0].filters if all(f in plan.filters for plan in plans)]
    before: set[Source] = {f.source for plan in plans[:-1] for f in plan.filters}
    behind = [f for f in plans[-1].filters if f not in common and f not in head and f.source not in before]
    shared = [*common, *behind]
    own = [tuple(f for f in plan.filters if f not in shared) for plan in plans]
    return tuple(shared), own


def _windows(plans: tuple[QueryPlan, ...]) -> tuple[Window, ...]:
    """The windows that hold for all: those that all have, or those of the last where the others have none."""
    last = plans[-1].windows
    others = [plan.windows for plan in plans[:-1]]
    return last if all(windows in ((), last) for windows in others) else ()


def _dimensions(plans: tuple[QueryPlan, ...]) -> tuple[Dimension, ...]:
    last = plans[-1].dimensions
    found = [plan.dimensions for plan in plans if plan.dimensions]
    keys = {tuple((d.source, d.grain, d.part) for d in dimensions) for dimensions in found}
    if len(keys) > 1 or (found and not last):
        raise refused("The two numbers are grouped differently: say once, at the end, by what to group.")
    return last


def _joins(plans: tuple[QueryPlan, ...], own: list[tuple[Filter, ...]]) -> tuple[Join, ...]:
    """All joins; one that only some of the numbers need must not leave out rows of the others."""
    kept: dict[str, Join] = {}
    for join in (join for plan in plans for join in plan.joins):
        held = kept.get(join.alias)
        if held is not None and replace(held, kind="left") != replace(join, kind="left"):
            raise refused("The two numbers look up different tables under one name.")
        everywhere = all(any(j.alias == join.alias for j in plan.joins) for plan in plans)
        kept[join.alias] = join if everywhere else replace(join, kind="left")
        absent = {"ne", "not_in", "is_null", "is_false"}
        if not everywhere and any(
            f.source.table == join.alias and f.operator in absent for filters in own for f in filters
        ):
            raise refused("A condition that leaves something out cannot be said of one of two numbers yet.")
    return tuple(kept.values())


def joined(first: QueryPlan, second: QueryPlan) -> tuple[Join, ...]:
    """The joins of two plans over the same rows; raises Stopped where one name stands for two tables."""
    kept = {join.alias: join for join in first.joins}
    for join in second.joins:
        held = kept.get(join.alias)
        if held is not None and replace(held, kind="left") != replace(join, kind="left"):
            raise refused("The question looks up different tables under one name.")
        kept[join.alias] = held if held is not None and held.kind == "inner" else join
    return tuple(kept.values())
