"""Thirty questions through the scripted claude, gpt4 and glm5, in every way a provider may behave.

python -m tests.questions.model_table > docs/model-answers.md
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from google.protobuf import json_format

from aidatalabs.data.v1 import data_service_pb2 as data_pb
from aidatalabs_services.runtime.errors import ServiceError
from aidatalabs_services.runtime.testing import ALICE, TokenMint
from tests.rpc.agent.model_questions import QUESTIONS, WAYS, Asked, Way
from tests.rpc.agent.models_world import ALIASES, KEY, SHOP, Asking, asking, filled_data
from tests.rpc.agent.providers import Provider, Status, provider

_PLACES: dict[str, dict[str, Any]] = {
    "open": {"model_failures_count": 9_999},
    "spent": {"model_tokens_a_day": 1},
    "failed": {"model_failures_count": 1, "model_pause_seconds": 3_600, "model_attempts": 1},
}
_SETTINGS: dict[str, Any] = {
    "model_backoff_seconds": 0.01,
    "model_request_seconds": 1.0,
    "model_usd_a_day": 0,
    "model_tokens_a_day": 0,
}


@dataclass(frozen=True)
class Seen:
    """What one user saw: who answered, what became of the model, the answer, and whether it is right."""

    model: str
    way: Way
    question: str
    by: str
    problem: str
    told: str
    note: str
    right: bool
    seconds: float


async def _rows_of(agent: Asking, sql: str) -> list[Any]:
    request = data_pb.QueryRequest(platform=SHOP, sql=sql)
    answer = await agent.data.Query(request, metadata=agent.mint.metadata(ALICE), timeout=20)
    return [json_format.MessageToDict(row) for row in answer.result.rows]


def holds(found: Sequence[Any], wanted: Sequence[Any], *, exactly: bool) -> bool:
    """Whether rows are those wanted; the planner may show more columns beside them, and rows in any order."""
    if exactly:
        return found == wanted
    left = list(found)
    for those in wanted:
        place = next((n for n, row in enumerate(left) if all(value in row for value in those)), None)
        if place is None:
            return False
        left.pop(place)
    return not left


async def ask(agent: Asking, model: str, way: Way, asked: Asked, wanted: Sequence[Any]) -> Seen:
    """Asks one question of one model that behaves in one way."""
    agent.provider.plays(
        *way.acts, *(() if way.never else (asked.turn,)), then=way.acts[-1] if way.acts else None
    )
    begun = time.monotonic()

    def seen(by: str, problem: str, told: str, note: str, *, right: bool = True) -> Seen:
        took = time.monotonic() - begun
        return Seen(model, way, asked.question, by, problem, told, note, right, took)

    try:
        answer = await agent.put(asked.question, model)
    except ServiceError as error:
        return seen("refused", error.metadata.get("model_problem", ""), error.message, error.message)
    if KEY in str(answer) or "top secret" in str(answer):
        raise AssertionError(f"{way.name}: the answer holds what nobody may see")
    problem = answer.model.problem
    if answer.HasField("clarification"):
        return seen("asked back", problem, answer.clarification.question, answer.model.note)
    found = [json_format.MessageToDict(row) for row in answer.result.rows]
    right = holds(found, wanted, exactly=answer.model.answered)
    note = answer.explanation[0] if problem else ""
    return seen(answer.proof.produced_by, problem, answer.answer, note, right=right)


@contextlib.asynccontextmanager
async def _places(server: Any, mint: TokenMint, made: Provider) -> AsyncIterator[Mapping[str, Asking]]:
    async with contextlib.AsyncExitStack() as stack:
        agents = {}
        for name, settings in _PLACES.items():
            agents[name] = await stack.enter_async_context(
                asking(server, mint, made, **{**_SETTINGS, **settings})
            )
        for model in ALIASES:
            made.plays(then=Status(500))
            await agents["failed"].put(QUESTIONS[0].question, model)
        yield agents


async def everything(folder: Path, *, models: Sequence[str] = ALIASES, questions: int = 30) -> list[Seen]:
    """All of it, over the real data service and its engine."""
    mint = TokenMint()
    async with (
        provider() as made,
        filled_data(folder, mint) as server,
        _places(server, mint, made) as agents,
    ):
        wanted = [await _rows_of(agents["open"], asked.sql) for asked in QUESTIONS[:questions]]
        return [
            await ask(agents[way.place], model, way, asked, rows)
            for way in WAYS
            for model in models
            for asked, rows in zip(QUESTIONS, wanted, strict=False)
        ]


def page(seen: Sequence[Seen]) -> str:
    """The tables as markdown."""
    return "\n".join([*_HEAD, *_by_way(seen), *_QUESTIONS_HEAD, *_by_question(seen), ""])


def _by_way(seen: Sequence[Seen]) -> list[str]:
    lines = ["| the provider | " + " | ".join(ALIASES) + " | what the user read first |", "|---" * 5 + "|"]
    for way in WAYS:
        here = [one for one in seen if one.way == way]
        cells = [_cell([one for one in here if one.model == model]) for model in ALIASES]
        first = next((one.note for one in here if one.note and one.by != "refused"), here[0].told)
        lines.append(f"| {way.name} | {' | '.join(cells)} | {_text(first)} |")
    return lines


def _cell(seen: Sequence[Seen]) -> str:
    counts = Counter(one.by for one in seen)
    said = ", ".join(f"{count} {'model' if by == seen[0].model else by}" for by, count in counts.items())
    problems = ", ".join(sorted({f"`{one.problem}`" for one in seen if one.problem}))
    wrong = sum(not one.right for one in seen)
    return f"{said}{f', {wrong} wrong' if wrong else ''}{f'; {problems}' if problems else ''}"


def _by_question(seen: Sequence[Seen]) -> list[str]:
    """Each question: what all three models told, and what the planner told in their place."""
    lines = ["| question | the models, when they answer | the planner in their place |", "|---|---|---|"]
    for asked in QUESTIONS:
        here = [one for one in seen if one.question == asked.question]
        told = dict.fromkeys(one.told for one in here if one.by == one.model)
        instead = dict.fromkeys(_instead(one) for one in here if one.by != one.model)
        shown = " / ".join(_text(text) for text in told)
        lines.append(f"| {asked.question} | {shown} | {' / '.join(_text(text) for text in instead)} |")
    return lines


def _instead(one: Seen) -> str:
    if one.by == "refused":
        return f"refused: {one.told.partition(' gave no answer')[0].rpartition('. ')[0]}."
    return f"asks: {one.told}" if one.by == "asked back" else one.told


def _text(text: str) -> str:
    plain = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
    return plain if len(plain) <= 150 else f"{plain[:149]}…"


_HEAD = (
    "# Models that fail: what people saw",
    "",
    f"Written by `python -m tests.questions.model_table`: {len(QUESTIONS)} questions about a small shop",
    "through `claude` (Anthropic's format, streamed), `gpt4` (OpenAI's, streamed) and `glm5` (OpenAI's, in",
    "one piece), each with its real SDK against a server that follows a script. The rows of each answer are",
    "compared with those of SQL written by hand; where none is called wrong, all were right. See",
    "[models](models.md).",
    "",
)
_QUESTIONS_HEAD = ("", "## The questions", "")


def main() -> int:
    """Writes the page; 1 where an answer was wrong."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory(prefix="aidatalabs-models-") as folder:
        seen = asyncio.run(everything(Path(folder)))
    sys.stdout.write(page(seen))
    wrong = [one for one in seen if not one.right]
    for one in wrong:
        sys.stderr.write(f"wrong: {one}\n")
    sys.stderr.write(f"{len(seen)} questions, {len(wrong)} wrong\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
