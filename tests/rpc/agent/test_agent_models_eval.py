"""A pack put to a model by the evaluation: its SQL, or the planner's and why the model failed."""

from __future__ import annotations

from typing import Any

from aidatalabs.platform.v1 import platform_pb2
from aidatalabs_services.agent.adapters.configured_models import configured_models
from aidatalabs_services.agent.query_agent import QueryAgent
from aidatalabs_services.cli.evaluation import Asker
from aidatalabs_services.cli.question_packs import PackQuestion
from aidatalabs_services.runtime.caller import Caller, set_current_call
from tests.rpc.agent.models_world import NOW, agent_settings
from tests.rpc.agent.providers import Status, call, provider
from tests.rpc.agent.world import SHOP, ScriptedPlatformData, result

COUNT = call("submit_plan", table="orders", measures=[{"function": "count", "name": "how_many"}])


async def lines(*questions: str, **acts: Any) -> list[dict[str, Any]]:
    data = ScriptedPlatformData(rows={SHOP: result([("how_many", "UInt64")], (6,))})
    async with provider() as made:
        made.plays(**acts)
        models = configured_models(agent_settings(made, model_attempts=1), lambda: NOW)
        agent = QueryAgent(data, clock=lambda: NOW, models=models)
        platform = platform_pb2.Platform(name=SHOP, uid="u")
        asker = Asker(agent, Caller(user="users/x", token="t"), platform, "claude")
        try:
            return [(await asker.ask(PackQuestion("q", "shop", text))).line for text in questions]
        finally:
            set_current_call(None)
            await models.close()


async def test_a_line_has_the_models_sql() -> None:
    (line,) = await lines("How many orders were there?", then=COUNT)
    assert line["sql"].startswith("SELECT count() AS how_many FROM orders")
    assert "model_problem" not in line


async def test_a_line_says_when_the_planner_answered_instead() -> None:
    answered, refused, asked = await lines(
        "How many orders were there?", "total weather by city", "top cities", then=Status(500)
    )
    assert answered["sql"].startswith("SELECT count()")
    assert (refused["refused"], refused["reason"]) == (True, "QUESTION_NOT_ANSWERABLE")
    assert asked["reason"] == "CLARIFICATION"
    assert [line["model_problem"] for line in (answered, refused, asked)] == ["UNAVAILABLE"] * 3
