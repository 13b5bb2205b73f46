"""Things without any row: they have the fewest rows, and fewer than any number, and no row tells of them."""

from __future__ import annotations

from collections.abc import Mapping

from .draft import Ambiguous, Barred, Choice, Draft, Unread
from .index import CatalogueIndex
from .items import Candidate
from .plan import Dimension, Having, QueryPlan
from .words import split_name

PRESENT = "of those with any"
"""The words that leave out things without any row; they stand at the end of a question."""

_ZERO_OF_NOTHING = frozenset(("count", "count_distinct", "sum", "share"))


def check_absent(
    draft: Draft, chosen: Mapping[int, Candidate], plan: QueryPlan, index: CatalogueIndex
) -> None:
    """`which shop has the fewest orders`: the shops without any are in no row of the orders.

    Raises Ambiguous where such things would change the answer, unless the profile shows that there are none
    or the question leaves them out, and Barred where nothing else is asked for.
    """
    absent = _counts_nothing(plan) and any(_may_lack(d, chosen, plan, index) for d in plan.dimensions)
    if draft.present is not None:
        if not absent:
            raise Unread(draft.present, "says nothing here")
        return
    if not absent:
        return
    if plan.having and all(_only_nothing(having) for having in plan.having):
        raise Barred(
            draft.having[0][3] if draft.having else None,
            "asks for what has no rows at all, and I cannot look for missing rows yet",
        )
    label = next(d.title for d in plan.dimensions if not d.label)
    raise Ambiguous(
        f"Any {label} without such a row of {plan.table} is not seen. Are those with at least one meant?",
        [Choice("only those with at least one", PRESENT, 0, 0)],
    )


def _counts_nothing(plan: QueryPlan) -> bool:
    """True where a thing whose number is 0 belongs to the answer: few, the fewest, or an average."""
    zero = {measure.alias for measure in plan.measures if measure.function in _ZERO_OF_NOTHING}
    if plan.having:
        return all(having.measure in zero and _holds_at_nothing(having) for having in plan.having)
    if plan.outer == "avg":
        return plan.measures[0].alias in zero
    first = plan.order[0] if plan.order and plan.limit else None
    return first is not None and not first.descending and first.alias in zero


def _holds_at_nothing(having: Having) -> bool:
    numbers = [float(value) for value in having.values]
    if having.operator == "between":
        return numbers[0] <= 0 <= numbers[1]
    first = numbers[0]
    return {
        "lt": first > 0, "le": first >= 0, "gt": first < 0, "ge": first <= 0, "eq": first == 0,
        "ne": first != 0,
    }[having.operator]  # fmt: skip


def _only_nothing(having: Having) -> bool:
    """`exactly 0`, `fewer than 1`: no number of rows but none."""
    most = float(having.values[-1])
    return {"lt": most <= 1, "le": most < 1, "eq": True, "between": most < 1}.get(having.operator, False)


def _may_lack(
    dimension: Dimension, chosen: Mapping[int, Candidate], plan: QueryPlan, index: CatalogueIndex
) -> bool:
    """True unless every thing of that kind is sure to have a row; steps of time are not things."""
    source = dimension.source
    if dimension.label or dimension.grain or dimension.part:
        return False
    if plan.windows or any(not f.known or f.source != source for f in plan.filters):
        return True
    tables = plan.tables
    joins = {join.alias: join for join in plan.joins}
    keys = [
        (tables[source.table], source.column, edge.to_table)
        for edge in index.keys.of_column(tables[source.table], source.column)
        if (_named(edge.to_table, chosen) or set(split_name(edge.to_table)) <= set(split_name(edge.column)))
    ]
    alias = source.table
    while alias in joins:
        join = joins[alias]
        keys.append((tables[join.left], join.left_column, join.table))
        alias = join.left
    return any(not _covers(index, table, column, target) for table, column, target in keys)


def _named(table: str, chosen: Mapping[int, Candidate]) -> bool:
    return any(candidate.kind == "table" and candidate.table == table for candidate in chosen.values())


def _covers(index: CatalogueIndex, table: str, column: str, target: str) -> bool:
    """True where a key holds as many different values as the table it leads to has rows."""
    return index.column(table, column).distinct_count == index.tables[target].row_count
