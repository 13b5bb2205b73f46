"""A lesson used: its query through the SQL door, in the form that every answer has."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from aidatalabs_services.agent.doors import Door
from aidatalabs_services.agent.lessons import Lesson
from aidatalabs_services.agent.models.verdicts import shape_of
from aidatalabs_services.agent.planner.catalogue import Catalogue
from aidatalabs_services.agent.planner.explain import explain
from aidatalabs_services.agent.planner.linking import Linked
from aidatalabs_services.agent.planner.outcomes import Planned
from aidatalabs_services.agent.planner.plan import QueryPlan
from aidatalabs_services.agent.planner.planner import index_of
from aidatalabs_services.agent.plans import PlanNotReadable, plan_of
from aidatalabs_services.agent.ports import Explanation, Rows
from aidatalabs_services.agent.provenance import Part, parts_by
from aidatalabs_services.agent.refusals import OF_THE_QUERY
from aidatalabs_services.runtime.errors import ServiceError


@dataclass(frozen=True)
class Recalled:
    """A lesson's query with its rows; `plan` is None where somebody gave the SQL."""

    planned: Planned
    plan: QueryPlan | None
    explanation: Explanation
    rows: Rows
    maker: str
    parts: tuple[Part, ...]


async def recalled(lesson: Lesson, door: Door, catalogue: Catalogue) -> Recalled | None:
    """The rows of a lesson's query; None where it no longer fits the tables.

    Raises the data's refusals that are none of the query itself.
    """
    try:
        explanation = await door.explain(lesson.sql)
        explanation, rows = await door.rows(lesson.sql, explanation)
    except ServiceError as error:
        if error.reason not in OF_THE_QUERY:
            raise
        structlog.get_logger().warning("lesson does not fit", lesson=lesson.lesson, reason=error.reason)
        return None
    maker = f"lesson {lesson.lesson}"
    taught = f"This question was {lesson.origin} on {lesson.created_at:%d %B %Y} (lesson {lesson.lesson})."
    plan = _plan(lesson, catalogue)
    if plan is not None:
        lines = explain(plan, index_of(catalogue), Linked("", [], []), {})
        parts = parts_by(maker, plan)
    else:
        lines = [f"Reads {', '.join(explanation.tables)}."] if explanation.tables else []
        parts = (Part("query", "the whole query", maker, ""),)
    shown = plan if plan is not None else shape_of(rows)
    planned = Planned(shown, lesson.sql, (taught, *lines), 1.0)
    return Recalled(planned, plan, explanation, rows, maker, parts)


def _plan(lesson: Lesson, catalogue: Catalogue) -> QueryPlan | None:
    try:
        plan = plan_of(lesson.plan) if lesson.plan is not None else None
    except PlanNotReadable:
        return None
    there = plan is not None and all(catalogue.table(name) for name in plan.tables.values())
    return plan if there else None
