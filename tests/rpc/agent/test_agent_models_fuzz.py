"""Replies that are nearly right: fields gone, of another type, doubled, cut. At worst a model has failed."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf import json_format

from aidatalabs_services.runtime.testing import TokenMint
from tests.rpc.agent.models_world import ALIASES, Asking, asking
from tests.rpc.agent.providers import Anthropic, Garbage, OpenAi, Turn, Wire, call, provider
from tests.rpc.agent.world import SHOP, ScriptedPlatformData, result

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUESTION = "How many orders were there?"
COUNT = call("submit_plan", table="orders", measures=[{"function": "count", "name": "number_of_orders"}])
TURNS = (
    COUNT,
    call("submit_sql", sql="SELECT count() FROM orders", reading=["x"]),
    call("find_values", column="orders.city", letters="a"),
    call(
        "ask_back",
        question="Which?",
        choices=[{"label": "a", "question": "b"}, {"label": "c", "question": "d"}],
    ),
    Turn(text="Hm.", calls=COUNT.calls),
)
STRANGE: tuple[Any, ...] = (None, 0, -1, 1e308, True, "", "x", "\x00", [], {}, [None], {"a": {}}, "\ud800")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def agent() -> AsyncIterator[Asking]:
    data = ScriptedPlatformData(rows={SHOP: result([("number_of_orders", "UInt64")], (24,))})
    bounds = {"model_backoff_seconds": 0.001, "model_failures_count": 9_999, "model_attempts": 1}
    budget = {"model_usd_a_day": 0, "model_tokens_a_day": 0}
    async with provider() as made, asking(data, TokenMint(), made, **bounds, **budget) as opened:
        yield opened


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, each in inside for found in places(each, (*path, key)))]


def changed(value: Any, chance: random.Random) -> Any:
    """The value with one thing in it gone, strange or doubled."""
    copied = json.loads(json.dumps(value))
    path = chance.choice(places(copied)[1:])
    inside = copied
    for key in path[:-1]:
        inside = inside[key]
    what = chance.random()
    if what < 0.4:
        del inside[path[-1]]
    elif what < 0.9 or not isinstance(inside, list):
        inside[path[-1]] = chance.choice(STRANGE)
    else:
        inside.append(inside[path[-1]])
    return copied


def spoilt(wire: Wire, turn: Turn, streamed: bool, chance: random.Random) -> Garbage:
    if not streamed:
        return Garbage(json.dumps(changed(wire.whole(turn), chance)).encode())
    pieces = wire.pieces(turn)
    place = chance.randrange(len(pieces))
    head, _, data = pieces[place].partition("data: ")
    what = chance.random()
    if what < 0.15:
        del pieces[place]
    elif what < 0.3:
        pieces.insert(chance.randrange(len(pieces)), pieces[place])
    elif what < 0.4:
        pieces[place] = pieces[place][: len(pieces[place]) // 2]
    elif "[DONE]" not in data:
        pieces[place] = f"{head}data: {json.dumps(changed(json.loads(data), chance))}\n\n"
    return Garbage("".join(pieces).encode(), "text/event-stream")


@pytest.mark.parametrize("model", ALIASES)
@pytest.mark.parametrize(
    "seeds", [range(60), pytest.param(range(60, 2_000), marks=pytest.mark.soak)], ids=str
)
async def test_a_reply_that_is_nearly_right_is_one_or_none(agent: Asking, model: str, seeds: range) -> None:
    wire: Wire = Anthropic() if model == "claude" else OpenAi()
    for seed in seeds:
        chance = random.Random(seed)
        act = spoilt(wire, chance.choice(TURNS), model != "glm5", chance)
        agent.provider.plays(act, then=COUNT)
        answer = await agent.put(QUESTION, model)  # raises what is no answer
        if not answer.HasField("clarification"):
            rows: list[Any] = [json_format.MessageToDict(row) for row in answer.result.rows]
            assert rows == [[24]], seed
        assert answer.model.problem in ("", "GARBLED", "CUT", "UNAVAILABLE", "RATE_LIMITED", "DECLINED"), seed
