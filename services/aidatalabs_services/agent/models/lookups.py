"""Conditions that look a value up among those of another plan, or compare it with that plan's one number."""

from __future__ import annotations

from collections.abc import Mapping

from aidatalabs_services.agent.models.misfit import Misfit
from aidatalabs_services.agent.planner.plan import Filter

QUERIES = ("in_query", "not_in_query")


def looked_up(made: Filter, part: Mapping[str, object]) -> Filter:
    """The condition where its query gives what its operator takes. Raises Misfit."""
    query, operator = made.query, made.operator
    if query is None or part.get("values") or made.part:
        raise Misfit(f"{operator} with a query takes that alone: no values and no part")
    if operator in QUERIES:
        if len(query.dimensions) != 1 or query.outer or query.post or query.cohort is not None:
            raise Misfit(f"the query of {operator} is a list of one dimension")
    elif operator not in ("eq", "ne", "lt", "le", "gt", "ge"):
        raise Misfit(f"{operator} takes values; a query is compared by eq, ne, lt, le, gt or ge")
    elif len(query.measures) != 1 or (query.dimensions and not query.outer) or query.cohort is not None:
        raise Misfit("a query to compare with gives one number: one measure and no dimensions, or outer")
    return made
