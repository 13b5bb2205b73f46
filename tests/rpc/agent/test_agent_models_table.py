"""Thirty questions through the scripted claude, gpt4 and glm5, with every failure: what users saw.

make soak, or: pytest -m soak -s tests/rpc/agent/test_agent_models_table.py
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from aidatalabs.data.v1 import data_service_pb2 as data_pb
from aidatalabs_services.runtime.errors import ServiceError
from aidatalabs_services.runtime.testing import ALICE, TokenMint
from tests.rpc.agent.model_questions import QUESTIONS, WAYS, Asked, Way
from tests.rpc.agent.models_world import ALIASES, KEY, SHOP, Asking, asking, filled_data
from tests.rpc.agent.providers import provider


@dataclass(frozen=True)
class Seen:
    """What one user saw."""

    model: str
    way: str
    question: str
    by: str
    problem: str
    told: str
    right: bool
    seconds: float

    def line(self) -> str:
        told = self.told if len(self.told) <= 88 else f"{self.told[:87]}…"
        return (
            f"{self.model:6} | {self.way:28} | {self.question[:44]:44} | {self.by:8} | "
            f"{self.problem:15} | {self.seconds:5.2f} s | {told}"
        )


async def rows_of(agent: Asking, sql: str) -> list[Any]:
    request = data_pb.QueryRequest(platform=SHOP, sql=sql)
    answer = await agent.data.Query(request, metadata=agent.mint.metadata(ALICE), timeout=20)
    return [json_format.MessageToDict(row) for row in answer.result.rows]


def holds(found: list[Any], wanted: list[Any], *, exactly: bool) -> bool:
    """Whether rows are those wanted; the planner may show more columns beside them."""
    if exactly:
        return found == wanted
    return len(found) == len(wanted) and all(
        all(value in row for value in those) for row, those in zip(found, wanted, strict=True)
    )


async def ask(agent: Asking, model: str, way: Way, asked: Asked) -> Seen:
    agent.provider.plays(
        *way.acts, *(() if way.never else (asked.turn,)), then=way.acts[-1] if way.acts else None
    )
    begun = time.monotonic()
    try:
        answer = await agent.put(asked.question, model)
    except ServiceError as error:
        seconds = time.monotonic() - begun
        problem = error.metadata.get("model_problem", "")
        return Seen(model, way.name, asked.question, "refused", problem, error.message, True, seconds)
    seconds = time.monotonic() - begun
    assert KEY not in str(answer)
    assert "top secret" not in str(answer)
    problem, told = answer.model.problem, answer.answer
    if answer.HasField("clarification"):
        return Seen(
            model, way.name, asked.question, "asked", problem, answer.clarification.question, True, seconds
        )
    found = [json_format.MessageToDict(row) for row in answer.result.rows]
    right = holds(found, await rows_of(agent, asked.sql), exactly=answer.model.answered)
    return Seen(model, way.name, asked.question, answer.proof.produced_by, problem, told, right, seconds)


@pytest.mark.soak
async def test_what_users_saw_of_thirty_questions_to_three_models(tmp_path: Path) -> None:
    mint = TokenMint()
    seen: list[Seen] = []
    async with (
        provider() as made,
        filled_data(tmp_path, mint) as server,
        asking(
            server,
            mint,
            made,
            model_backoff_seconds=0.02,
            model_request_seconds=2.0,
            model_failures_count=9_999,
            model_usd_a_day=0,
            model_tokens_a_day=0,
        ) as agent,
    ):
        for model in ALIASES:
            for way in WAYS:
                for asked in QUESTIONS:
                    seen.append(await ask(agent, model, way, asked))
    for one in seen:
        sys.stdout.write(f"{one.line()}\n")
    counts = Counter((one.model, one.by) for one in seen)
    sys.stdout.write(f"{len(seen)} questions: {dict(counts)}\n")
    wrong = [one.line() for one in seen if not one.right]
    assert wrong == []
    by_model = [one for one in seen if not next(way.never for way in WAYS if way.name == one.way)]
    assert all(one.by == one.model for one in by_model)
    assert all(one.by != one.model and one.problem for one in seen if one not in by_model)
