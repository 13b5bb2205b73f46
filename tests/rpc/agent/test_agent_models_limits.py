"""Models inside their bounds: time, repeats, budgets and keys, and callers that go away."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf import json_format

from aidatalabs.agent.v1 import agent_service_pb2 as pb
from aidatalabs_services.runtime.testing import ALICE, TokenMint
from tests.rpc.agent.models_world import Asking, asking, model_settings
from tests.rpc.agent.providers import Cut, Hang, Provider, Status, Turn, call, provider
from tests.rpc.agent.world import SHOP, ScriptedPlatformData, result

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUESTION = "How many orders were there?"
COUNT = call("submit_plan", table="orders", measures=[{"function": "count", "name": "number_of_orders"}])
Opened = Callable[..., AbstractAsyncContextManager[Asking]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened() -> AsyncIterator[Opened]:
    """Opens agents of different settings over one platform whose data follows a script."""
    mint = TokenMint()
    async with provider() as made:

        def open_agent(**settings: Any) -> AbstractAsyncContextManager[Asking]:
            data = ScriptedPlatformData(rows={SHOP: result([("number_of_orders", "UInt64")], (24,))})
            settings = {"model_backoff_seconds": 0.02, "model_failures_count": 99, **settings}
            return asking(data, mint, made, **settings)

        open_agent.provider = made  # type: ignore[attr-defined]
        yield open_agent


def rows(answer: pb.QueryResponse) -> list[Any]:
    return [json_format.MessageToDict(row) for row in answer.result.rows]


async def test_retry_after_is_waited_for_where_its_time_comes(opened: Opened) -> None:
    async with opened() as agent:
        agent.provider.plays(Status(429, {"retry-after": "1"}), COUNT)
        begun = time.monotonic()
        answer = await agent.put(QUESTION)
        assert (rows(answer), answer.model.answered) == ([[24]], True)
        assert 1.0 <= time.monotonic() - begun < 5.0
        agent.provider.plays(Status(503, {"retry-after-ms": "30"}), COUNT)
        assert (await agent.put(QUESTION)).model.answered


async def test_the_planner_answers_inside_of_the_callers_own_time(opened: Opened) -> None:
    async with opened(model_request_seconds=30.0) as agent:
        agent.provider.plays(then=Hang())
        request = pb.QueryRequest(platform=SHOP, question=QUESTION, model="claude")
        begun = time.monotonic()
        answer = await agent.stub.Query(request, metadata=agent.mint.metadata(ALICE), timeout=3.0)
        assert time.monotonic() - begun < 3.0
        assert (rows(answer), answer.model.problem) == ([[24]], "TIMEOUT")


@pytest.mark.parametrize("model", ["claude", "gpt4", "glm5"])
async def test_a_caller_that_goes_away_takes_the_request_along(opened: Opened, model: str) -> None:
    async with opened() as agent:
        agent.provider.plays(then=Hang())
        request = pb.QueryRequest(platform=SHOP, question=QUESTION, model=model)
        waiting = agent.stub.Query(request, metadata=agent.mint.metadata(ALICE), timeout=20.0)
        while not agent.provider.asked:
            await asyncio.sleep(0.01)
        waiting.cancel()
        for _ in range(200):
            if agent.provider.gone:
                break
            await asyncio.sleep(0.01)
        assert agent.provider.gone == 1


async def test_a_budget_of_tokens_ends_and_the_planner_goes_on(opened: Opened) -> None:
    async with opened(model_tokens_a_day=18_000) as agent:
        agent.provider.plays(then=Turn(calls=COUNT.calls, tokens=(3000, 100)))
        answers = [await agent.put(QUESTION) for _ in range(4)]
    assert [rows(answer) for answer in answers] == [[[24]]] * 4
    assert answers[0].model.answered
    assert (answers[-1].model.answered, answers[-1].model.problem) == (False, "BUDGET_EXCEEDED")
    assert "until midnight UTC" in answers[-1].explanation[0]
    assert sum(answer.model.answered for answer in answers) == len(agent.provider.asked)


async def test_a_budget_of_money_is_one_of_its_own(opened: Opened) -> None:
    async with opened(model_usd_a_day=0.045) as agent:
        agent.provider.plays(then=COUNT)
        # 4,096 tokens of output alone may be $0.041, the catalogue and the tools come on top.
        assert (await agent.put(QUESTION)).model.problem == "BUDGET_EXCEEDED"
        assert agent.provider.asked == []


async def test_many_at_once_cannot_pass_the_budget_together(opened: Opened) -> None:
    used = 2_000
    async with opened(model_tokens_a_day=40_000) as agent:
        agent.provider.plays(then=Turn(calls=COUNT.calls, tokens=(used - 100, 100)))
        answers = await asyncio.gather(*(agent.put(QUESTION) for _ in range(20)))
    answered = sum(answer.model.answered for answer in answers)
    assert 0 < answered < 20
    assert answered * used <= 40_000
    assert all(rows(answer) == [[24]] for answer in answers)


async def test_more_questions_than_may_be_with_models_are_the_planners_at_once(opened: Opened) -> None:
    async with opened(model_running_calls=2, model_request_seconds=1.0) as agent:
        agent.provider.plays(then=Hang())
        answers = await asyncio.gather(*(agent.put(QUESTION) for _ in range(5)))
        assert sorted(answer.model.problem for answer in answers) == ["BUSY"] * 3 + ["TIMEOUT"] * 2
        agent.provider.plays(then=COUNT)
        assert (await agent.put(QUESTION)).model.answered


async def test_a_provider_that_keeps_failing_is_left_alone_and_tried_again(opened: Opened) -> None:
    async with opened(model_failures_count=3, model_pause_seconds=0.5, model_attempts=1) as agent:
        agent.provider.plays(then=Status(500))
        problems = [(await agent.put(QUESTION)).model.problem for _ in range(5)]
        assert problems == ["UNAVAILABLE"] * 3 + ["PAUSED"] * 2
        assert len(agent.provider.asked) == 3
        agent.provider.plays(then=COUNT)
        assert (await agent.put(QUESTION, "glm5")).model.answered  # another model is not meant
        await asyncio.sleep(0.5)
        assert (await agent.put(QUESTION)).model.answered


async def test_callers_in_a_hurry_do_not_close_a_model_for_others(opened: Opened) -> None:
    async with opened(model_failures_count=1, model_request_seconds=20.0) as agent:
        agent.provider.plays(then=Hang())
        request = pb.QueryRequest(platform=SHOP, question=QUESTION, model="claude")
        answer = await agent.stub.Query(request, metadata=agent.mint.metadata(ALICE), timeout=1.5)
        assert answer.model.problem == "TIMEOUT"
        agent.provider.plays(then=COUNT)
        assert (await agent.put(QUESTION)).model.answered


async def test_the_budget_survives_a_restart_and_a_damaged_file_makes_no_new_one(
    opened: Opened, tmp_path: Path
) -> None:
    file = tmp_path / "spending.json"
    settings = {"model_tokens_a_day": 18_000, "model_spending_file": file}
    turn = Turn(calls=COUNT.calls, tokens=(12_000, 0))
    async with opened(**settings) as agent:
        agent.provider.plays(then=turn)
        assert (await agent.put(QUESTION)).model.answered
    async with opened(**settings) as agent:
        assert (await agent.put(QUESTION)).model.problem == "BUDGET_EXCEEDED"
    file.write_text("{")
    async with opened(**settings) as agent:
        answer = await agent.put(QUESTION)
        assert (rows(answer), answer.model.problem) == ([[24]], "BUDGET_NOT_KEPT")


async def test_what_was_turned_away_costs_nothing_and_what_broke_off_stays_held(opened: Opened) -> None:
    async with opened() as agent:
        agent.provider.plays(then=Status(500))
        assert (await agent.put(QUESTION)).model.cost_microusd == 0
        agent.provider.plays(Cut(COUNT), COUNT)
        answer = await agent.put(QUESTION)
        assert answer.model.answered
        assert answer.model.output_tokens == 4096 + 50
        agent.provider.plays(Turn(calls=COUNT.calls, counted=False))
        assert (await agent.put(QUESTION, "gpt4")).model.output_tokens == 4096


async def test_nobody_at_the_address_costs_nothing(opened: Opened) -> None:
    made: Provider = opened.provider  # type: ignore[attr-defined]
    models = model_settings(made)
    for model in models.values():
        model["base_url"] = "http://127.0.0.1:9"
    async with opened(models=models) as agent:
        for alias in models:
            answer = await agent.put(QUESTION, alias)
            assert (rows(answer), answer.model.problem) == ([[24]], "UNAVAILABLE")
            assert answer.model.cost_microusd == 0


async def test_a_key_is_read_from_its_file_each_time(opened: Opened, tmp_path: Path) -> None:
    file = tmp_path / "key"
    models = model_settings(opened.provider)  # type: ignore[attr-defined]
    models["claude"]["key_file"] = file
    async with opened(models=models) as agent:
        agent.provider.plays(then=COUNT)
        assert (await agent.put(QUESTION)).model.problem == "KEY_REFUSED"
        assert agent.provider.asked == []
        for key in ("first-key", "second-key"):
            file.write_text(f"{key}\n")
            assert (await agent.put(QUESTION)).model.answered
            assert (
                key in agent.provider.headers[-1].values()
                or f"Bearer {key}" in agent.provider.headers[-1].values()
            )


async def test_the_operator_may_make_a_model_the_default(opened: Opened) -> None:
    async with opened(model_default="glm5") as agent:
        agent.provider.plays(then=COUNT)
        assert (await agent.put(QUESTION, "")).proof.produced_by == "glm5"
        assert (await agent.put(QUESTION, "offline")).proof.produced_by == "planner"


async def test_no_values_are_shown_where_the_operator_says_so(opened: Opened) -> None:
    async with opened(model_values_count=0) as agent:
        agent.provider.plays(call("find_values", column="orders.city", letters="Gra"), COUNT)
        assert (await agent.put(QUESTION)).model.answered
        said = str(agent.provider.asked)
        assert "Graz" not in said
        assert "find_values" not in [tool["name"] for tool in agent.provider.asked[0]["tools"]]


async def test_the_wire_is_what_each_provider_documents(opened: Opened) -> None:
    async with opened() as agent:
        agent.provider.plays(then=COUNT)
        for model in ("claude", "gpt4", "glm5"):
            await agent.put(QUESTION, model)
        claude, gpt4, glm5 = agent.provider.asked
        assert (claude["stream"], gpt4["stream"], glm5.get("stream")) == (True, True, None)
        assert (claude["max_tokens"], gpt4["max_tokens"], glm5["max_tokens"]) == (4096,) * 3
        assert gpt4["stream_options"] == {"include_usage": True}
        assert {tool["name"] for tool in claude["tools"]} == {
            tool["function"]["name"] for tool in gpt4["tools"]
        }
        assert agent.provider.headers[0]["anthropic-version"]
        assert agent.provider.headers[1]["authorization"].startswith("Bearer ")


async def test_what_is_sent_back_has_the_fields_of_the_wire_alone(opened: Opened) -> None:
    async with opened() as agent:
        look = Turn(text="Let me look.", calls=(("find_values", {"column": "orders.city", "letters": "a"}),))
        for model in ("claude", "gpt4", "glm5"):
            agent.provider.plays(look, COUNT)
            await agent.put(QUESTION, model)
            said, back = [one for one in agent.provider.asked[1]["messages"] if one["role"] != "system"][1:]
            if model == "claude":
                assert [sorted(block) for block in said["content"]] == [
                    ["text", "type"],
                    ["id", "input", "name", "type"],
                ]
                assert [sorted(block) for block in back["content"]] == [
                    ["content", "is_error", "tool_use_id", "type"]
                ]
            else:
                assert sorted(said) == ["content", "role", "tool_calls"]
                assert sorted(back) == ["content", "role", "tool_call_id"]


async def test_replies_in_one_piece_and_other_names_of_the_limit_are_settings(opened: Opened) -> None:
    models = model_settings(opened.provider)  # type: ignore[attr-defined]
    models["claude"]["stream"] = False
    models["gpt4"] |= {"output_limit": "max_completion_tokens", "most_output_tokens": 1000, "name": "mine"}
    async with opened(models=models) as agent:
        agent.provider.plays(call("find_values", column="orders.city", letters="a"), COUNT, then=COUNT)
        answer = await agent.put(QUESTION)
        assert (rows(answer), answer.model.steps) == ([[24]], 2)
        answer = await agent.put(QUESTION, "gpt4")
        assert (rows(answer), answer.model.model) == ([[24]], "mine")
        claude, _, gpt4 = agent.provider.asked
        assert (claude.get("stream"), gpt4["max_completion_tokens"], "max_tokens" in gpt4) == (
            None,
            1000,
            False,
        )


async def test_a_service_without_models_loads_no_sdk() -> None:
    code = (
        "import asyncio, sys\n"
        "from aidatalabs_services.agent.bootstrap import bootstrap\n"
        "from aidatalabs_services.agent.settings import AgentSettings\n"
        "async def main():\n"
        "    made = AgentSettings(listen_address='127.0.0.1:0', jwks_url='http://127.0.0.1:9',\n"
        "                         data_address='127.0.0.1:9')\n"
        "    await bootstrap(made).close()\n"
        "asyncio.run(main())\n"
        "print([name for name in ('anthropic', 'openai', 'httpx2') if name in sys.modules])\n"
    )
    done = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await asyncio.wait_for(done.communicate(), 60)
    assert (done.returncode, out.decode().strip()) == (0, "[]")
