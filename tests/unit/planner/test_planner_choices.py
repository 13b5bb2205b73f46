"""Conditions of which any or all must hold: told in the sentence of the answer and in its explanation."""

from __future__ import annotations

from aidatalabs_services.agent.planner.answers import sentence
from aidatalabs_services.agent.planner.explain import condition_said
from aidatalabs_services.agent.planner.outcomes import Planned
from aidatalabs_services.agent.planner.plan import Filter, Measure, QueryPlan, Source

_GRADE, _HEIGHT = Source("routes", "grade", "String"), Source("routes", "height_m", "UInt16")
_DAY = Source("routes", "opened_at", "DateTime")
_HARD = Filter(_GRADE, "eq", ("hard",))
_HIGH = Filter(_HEIGHT, "gt", ("40",), numeric=True)
_EARLY = Filter(_DAY, "lt", ("9",), numeric=True, part="hour")


def _sentence(condition: Filter) -> str:
    count = Measure("count", None, "row_count", "number of routes")
    plan = QueryPlan("scalar", "routes", measures=(count,), filters=(condition,))
    return sentence(Planned(plan, "", (), 1.0), [("row_count", "UInt64")], [[3]], truncated=False)


def test_the_sentence_of_an_answer_tells_all_conditions_of_which_any_holds() -> None:
    assert _sentence(Filter(_GRADE, "any", options=(_HARD, _HIGH))) == (
        "The number of routes is 3 (grade is hard or height_m is above 40)."
    )
    assert "(grade is hard and height_m is above 40)" in _sentence(
        Filter(_GRADE, "all", options=(_HARD, _HIGH))
    )


def test_a_part_of_a_time_among_conditions_is_told_as_that_part() -> None:
    choice = Filter(_GRADE, "any", options=(_HARD, _EARLY))
    assert condition_said(choice) == "routes.grade is hard or the hour of routes.opened_at is below 9"
    assert "(grade is hard or hour of opened_at is below 9)" in _sentence(choice)
