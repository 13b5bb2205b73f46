"""Questions put to models: plans and SQL through the one door, repairs, falling back, and what is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf import json_format

from aidatalabs.agent.v1 import agent_service_pb2 as pb
from aidatalabs_services.runtime.errors import ServiceError
from tests.rpc.agent.conftest import FilledData
from tests.rpc.agent.models_world import ALIASES, KEY, PLANTED, Asking, asking
from tests.rpc.agent.providers import (
    Act,
    Cut,
    Garbage,
    Hang,
    Status,
    StreamError,
    Turn,
    call,
    provider,
    raw_call,
)

pytestmark = pytest.mark.asyncio(loop_scope="package")

QUESTION = "How many orders were there?"
COUNT = call(
    "submit_plan",
    table="orders",
    measures=[{"function": "count", "name": "number_of_orders"}],
    reading=["All orders are counted."],
)
BY_CITY = call(
    "submit_plan",
    table="orders",
    measures=[{"function": "sum", "column": "orders.amount", "name": "total_amount"}],
    dimensions=[{"column": "customers.city", "name": "customer_city"}],
    filters=[{"column": "orders.status", "operator": "eq", "values": ["paid"]}],
    windows=[{"column": "orders.ordered_at", "start": "2026-01-01", "end": "2026-02-01"}],
)


def sql(text: str) -> Turn:
    return call("submit_sql", sql=text, reading=["As the SQL says."])


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def world(filled: FilledData) -> AsyncIterator[Asking]:
    async with (
        provider() as made,
        asking(
            filled.server,
            filled.mint,
            made,
            model_request_seconds=1.0,
            model_backoff_seconds=0.02,
            model_failures_count=999,
            model_usd_a_day=0,
        ) as agent,
    ):
        yield agent


def rows(answer: pb.QueryResponse) -> list[Any]:
    return [json_format.MessageToDict(row) for row in answer.result.rows]


async def refusal(world: Asking, question: str, model: str = "claude") -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await world.put(question, model)
    return caught.value


@pytest.mark.parametrize("model", ALIASES)
async def test_a_models_plan_is_answered_and_proven(world: Asking, model: str) -> None:
    world.provider.plays(BY_CITY)
    answer = await world.put("What did paid orders of January bring, by city of the customer?", model)
    assert "JOIN customers ON" in answer.sql
    assert {row[0] for row in rows(answer)} <= {"Graz", "Lyon", PLANTED}
    assert answer.proof.produced_by == model
    assert [join.table for join in answer.proof.plan.joins] == ["customers"]
    makers = {maker.part: maker.made_by for maker in answer.proof.makers}
    assert makers == {
        "plan": model,
        "sql": "rules",
        "text": "door",
        "rows": "engine",
        "answer": "rules",
        "chart": "rules",
    }
    assert (answer.model.alias, answer.model.answered, answer.model.problem) == (model, True, "")
    assert (answer.model.steps, answer.model.repairs) == (1, 0)
    assert (answer.model.input_tokens, answer.model.output_tokens) == (1000, 50)
    assert answer.model.cost_microusd == 2500
    assert answer.explanation[0].startswith(f"{model} (")
    assert any("customers" in line for line in answer.explanation)


@pytest.mark.parametrize("model", ALIASES)
async def test_a_models_sql_is_answered_where_no_plan_can_say_it(world: Asking, model: str) -> None:
    world.provider.plays(
        sql("SELECT status, count() AS c FROM orders GROUP BY status ORDER BY c DESC, status")
    )
    answer = await world.put("Which status is the most frequent?", model)
    assert rows(answer) == [["open", 8], ["paid", 8], ["sent back", 8]]
    assert not answer.proof.HasField("plan")
    assert {maker.part: maker.made_by for maker in answer.proof.makers}["sql"] == model
    assert answer.answer == "3 groups: c is highest for open with 8."
    assert "wrote this SQL itself" in answer.explanation[0]
    assert answer.explanation[-1] == f'{model} says: "As the SQL says."'


@pytest.mark.parametrize("model", ALIASES)
async def test_a_model_looks_around_before_it_submits(world: Asking, model: str) -> None:
    world.provider.plays(
        call("find_values", column="orders.status", letters="back"),
        call("describe_tables", tables=["orders", "nothing"]),
        COUNT,
    )
    answer = await world.put("How many orders came back?", model)
    assert rows(answer) == [[24]]
    assert answer.model.steps == 3
    told = json.dumps(world.provider.asked[-1]["messages"])
    assert "sent back" in told
    assert "no_such_table" in told


@pytest.mark.parametrize("model", ALIASES)
async def test_a_wrong_plan_and_refused_sql_are_put_right(world: Asking, model: str) -> None:
    world.provider.plays(
        call(
            "submit_plan",
            table="orders",
            measures=[{"function": "sum", "column": "orders.weight", "name": "w"}],
        ),
        sql("SELECT sum(weight) FROM orders"),
        COUNT,
    )
    answer = await world.put(QUESTION, model)
    assert rows(answer) == [[24]]
    assert (answer.model.steps, answer.model.repairs) == (3, 2)
    told = json.dumps(world.provider.asked[-1]["messages"])
    assert "orders has no column 'weight'" in told
    assert "COLUMN_NOT_KNOWN" in told


@pytest.mark.parametrize("model", ALIASES)
async def test_the_planner_answers_once_no_repair_is_left(world: Asking, model: str) -> None:
    world.provider.plays(then=sql("SELECT sum(weight) FROM orders"))
    answer = await world.put(QUESTION, model)
    assert rows(answer) == [[24]]
    assert answer.proof.produced_by == "planner"
    assert (answer.model.answered, answer.model.problem) == (False, "NO_VALID_QUERY")
    assert answer.model.repairs == 4
    assert len(world.provider.asked) == 4
    assert answer.explanation[0].startswith(f"{model} gave no answer: none of its queries could be run.")
    assert "planner" in answer.explanation[0]


@pytest.mark.parametrize("model", ALIASES)
async def test_a_model_that_never_submits_is_stopped_after_eight_steps(world: Asking, model: str) -> None:
    world.provider.plays(then=call("find_values", column="orders.status", letters="a"))
    answer = await world.put(QUESTION, model)
    assert answer.model.problem == "TOO_MANY_STEPS"
    assert (answer.model.steps, len(world.provider.asked)) == (8, 8)
    assert (rows(answer), answer.proof.produced_by) == ([[24]], "planner")


FAILURES: list[tuple[str, Act, str, int]] = [
    ("overloaded", Status(529), "UNAVAILABLE", 3),
    ("broken", Status(500), "UNAVAILABLE", 3),
    ("busy", Status(429, {"retry-after": "0"}), "RATE_LIMITED", 3),
    ("busy for long", Status(429, {"retry-after": "600"}), "RATE_LIMITED", 1),
    ("wrong key", Status(401), "KEY_REFUSED", 1),
    ("no such model", Status(404), "REQUEST_REFUSED", 1),
    ("silent", Hang(), "TIMEOUT", 1),
    ("no answer at all", Garbage(), "GARBLED", 3),
    ("half JSON", Garbage(b'{"id": "x", "content": ['), "GARBLED", 3),
    ("cut", Cut(COUNT), "CUT", 3),
    ("declined", Turn(text="I will not.", stop="refusal"), "DECLINED", 1),
]


@pytest.mark.parametrize("model", ALIASES)
@pytest.mark.parametrize(
    ("act", "problem", "requests"), [one[1:] for one in FAILURES], ids=[one[0] for one in FAILURES]
)
async def test_the_planner_answers_where_a_provider_fails(
    world: Asking, model: str, act: Act, problem: str, requests: int
) -> None:
    world.provider.plays(then=act)
    answer = await world.put(QUESTION, model)
    assert (rows(answer), answer.proof.produced_by) == ([[24]], "planner")
    assert (answer.model.answered, answer.model.problem) == (False, problem)
    assert len(world.provider.asked) == requests
    assert answer.model.note in answer.explanation[0]
    assert KEY not in str(answer)


@pytest.mark.parametrize("model", ["claude", "gpt4"])
@pytest.mark.parametrize("act", [Cut(COUNT, polite=True), StreamError()], ids=["ends early", "gives up"])
async def test_a_stream_that_is_not_whole_is_no_answer(world: Asking, model: str, act: Act) -> None:
    world.provider.plays(act, COUNT)
    answer = await world.put(QUESTION, model)
    assert (rows(answer), answer.model.answered, answer.model.steps) == ([[24]], True, 1)
    assert len(world.provider.asked) == 2


async def test_a_question_to_no_model_is_the_planners(world: Asking) -> None:
    world.provider.plays(then=COUNT)
    for model in ("", "offline"):
        answer = await world.put(QUESTION, model)
        assert (rows(answer), answer.proof.produced_by) == ([[24]], "planner")
        assert not answer.HasField("model")
    assert world.provider.asked == []


async def test_a_model_that_is_not_configured_is_refused_with_those_that_are(world: Asking) -> None:
    found = await refusal(world, QUESTION, "gpt9")
    assert found.reason == "MODEL_NOT_CONFIGURED"
    assert found.metadata["configured"] == "claude, glm5, gpt4"
    assert "Ask one of claude, glm5, gpt4" in found.message
    bad = await refusal(world, QUESTION, "Not An Alias!")
    assert bad.reason == "INVALID_REQUEST"


@pytest.mark.parametrize("model", ALIASES)
async def test_a_model_asks_back_and_declines(world: Asking, model: str) -> None:
    choices = [
        {"label": "by amount", "question": "Top customers by amount"},
        {"label": "by orders", "question": "Top customers by number of orders"},
    ]
    world.provider.plays(call("ask_back", question="Top by what?", choices=choices))
    answer = await world.put("Who are the top customers?", model)
    assert [choice.question for choice in answer.clarification.choices] == [
        one["question"] for one in choices
    ]
    assert (answer.model.answered, answer.sql) == (True, "")
    world.provider.plays(call("decline", reason="There is no weather here"))
    found = await refusal(world, "What was the weather?", model)
    assert (found.reason, found.metadata["model"]) == ("QUESTION_NOT_ANSWERABLE", model)
    assert "There is no weather here" in found.message


async def test_a_refusal_of_the_planner_tells_that_the_model_failed_first(world: Asking) -> None:
    world.provider.plays(then=Status(500))
    found = await refusal(world, "total weather by city")
    assert found.reason == "QUESTION_NOT_ANSWERABLE"
    assert (found.metadata["model"], found.metadata["model_problem"]) == ("claude", "UNAVAILABLE")
    assert "claude gave no answer" in found.message


async def test_the_events_tell_of_the_model_before_the_answer(world: Asking) -> None:
    world.provider.plays(COUNT)
    events = await world.events(QUESTION)
    assert [event.event for event in events][:4] == ["model", "model", "understood", "sql"]
    assert not events[0].data.model.answered
    assert events[1].data.model.answered
    world.provider.plays(then=Status(401))
    names = [event.event for event in await world.events(QUESTION)]
    assert names[:5] == ["model", "model", "understood", "sql", "running"]
    assert names[-1] == "done"


@pytest.mark.parametrize("model", ALIASES)
async def test_arguments_that_are_no_json_are_asked_for_again(world: Asking, model: str) -> None:
    broken = raw_call("submit_sql", '{"sql": "SELECT 1')
    # Anthropic's SDK reads the input itself, so there it is a reply that cannot be read.
    world.provider.plays(broken, COUNT)
    answer = await world.put(QUESTION, model)
    assert (rows(answer), answer.model.answered) == ([[24]], True)
    assert len(world.provider.asked) == 2
