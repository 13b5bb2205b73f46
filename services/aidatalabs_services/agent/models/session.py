"""One question put to one model: it looks around, submits a query, and mends what the door refuses.

Everything it may cause goes through two narrow places: the catalogue, which is read here, and the platform's
data, which is asked with the caller's own authority and refuses a model what it refuses anybody.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from aidatalabs_services.agent.doors import Door
from aidatalabs_services.agent.models import prompts, tools
from aidatalabs_services.agent.models.conversation import (
    Asked,
    Entry,
    ModelFailed,
    Problem,
    Results,
    ToolCall,
    ToolResult,
)
from aidatalabs_services.agent.models.drafts import plan_of
from aidatalabs_services.agent.models.misfit import Misfit
from aidatalabs_services.agent.models.requests import Requests, Tally
from aidatalabs_services.agent.models.teaching import NOTHING, Teaching
from aidatalabs_services.agent.models.wording import one_line, told
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.plan import QueryPlan
from aidatalabs_services.agent.planner.sql import emit
from aidatalabs_services.agent.ports import Explanation, Rows
from aidatalabs_services.runtime.errors import ServiceError

_MOST_CALLS = 4
_MOST_SQL_BYTES = 16 * 1024
_REFUSAL_CHARACTERS = 600
_RESULT_CHARACTERS = 20_000
MENDABLE = frozenset(
    [
        "QUERY_NOT_READ_ONLY",
        "QUERY_SYNTAX_INVALID",
        "QUERY_TOO_LARGE",
        "QUERY_CONSTRUCT_NOT_ALLOWED",
        "FUNCTION_NOT_ALLOWED",
        "TABLE_NOT_KNOWN",
        "COLUMN_NOT_KNOWN",
        "QUERY_FAILED",
        "QUERY_TIMEOUT",
        "QUERY_MEMORY_EXCEEDED",
        "QUERY_READS_TOO_MUCH",
        "QUERY_BUDGET_EXCEEDED",
        "RESULT_TOO_LARGE",
    ]
)
"""Refusals that another query may not meet; every other one ends the question."""


@dataclass(frozen=True)
class ModelQuery:
    """A query of the model that ran: its plan, None where it wrote SQL, and how it read the question."""

    sql: str
    plan: QueryPlan | None
    reading: tuple[str, ...]
    explanation: Explanation
    rows: Rows


@dataclass(frozen=True)
class ModelChoices:
    """The model asks back: choices are (label, question)."""

    question: str
    choices: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ModelDecline:
    """The model says that the data cannot answer, and why."""

    reason: str


Verdict = ModelQuery | ModelChoices | ModelDecline


@dataclass(frozen=True)
class Bounds:
    """How far one question may go."""

    most_steps: int
    most_repairs: int
    most_estimated_rows: int
    view: prompts.View


class ModelSession:
    """The conversation about one question."""

    def __init__(
        self, requests: Requests, tally: Tally, door: Door, index: CatalogueIndex, bounds: Bounds
    ) -> None:
        self._requests = requests
        self._tally = tally
        self._door = door
        self._index = index
        self._bounds = bounds
        self._tools = tools.offered(values=bounds.view.most_values > 0)

    async def verdict(self, question: str, now: datetime, taught: Teaching = NOTHING) -> Verdict:
        """What the model makes of the question. Raises ModelFailed, and refusals that no query can avoid."""
        # A catalogue of a thousand tables takes a while to write; the loop serves others meanwhile.
        view = self._bounds.view
        first = await asyncio.to_thread(prompts.question_text, question, self._index, view, now, taught)
        entries: list[Entry] = [Asked(first)]
        while True:
            if self._tally.steps >= self._bounds.most_steps:
                raise ModelFailed(Problem.TOO_MANY_STEPS)
            reply = await self._requests.reply(prompts.SYSTEM, entries, self._tools)
            self._tally.steps += 1
            if reply.ended == "declined":
                raise ModelFailed(Problem.DECLINED)
            entries.append(reply)
            if not reply.calls:
                entries.append(Asked("Answer by calling one of the tools, and write it whole."))
                continue
            results = []
            for place, call in enumerate(reply.calls):
                done = (
                    self._refused(call, "too many calls at once")
                    if place >= _MOST_CALLS
                    else await self._do(call)
                )
                if not isinstance(done, ToolResult):
                    return done
                results.append(done)
            if self._tally.repairs > self._bounds.most_repairs:
                raise ModelFailed(Problem.NO_VALID_QUERY)
            entries.append(Results(tuple(results)))

    async def _do(self, call: ToolCall) -> ToolResult | Verdict:
        """Carries a call out; what is wrong with it goes back to the model."""
        try:
            arguments = _arguments(call)
            match call.name:
                case tools.SUBMIT_PLAN:
                    plan = plan_of(arguments, self._index)
                    return await self._tried(emit(plan), plan, arguments)
                case tools.SUBMIT_SQL:
                    return await self._tried(_sql(arguments), None, arguments)
                case tools.ASK_BACK:
                    return _choices(arguments)
                case tools.DECLINE:
                    return ModelDecline(told(arguments.get("reason")) or "it gave no reason")
                case tools.DESCRIBE_TABLES | tools.FIND_VALUES:
                    text = self._looked_up(call.name, arguments)
                    return ToolResult(call.id, text[:_RESULT_CHARACTERS], failed=False)
                case _:
                    raise Misfit(f"there is no tool {call.name[:40]!r}")
        except Misfit as misfit:
            if call.name in (tools.SUBMIT_PLAN, tools.SUBMIT_SQL):
                self._tally.repairs += 1
            return self._refused(call, misfit.message)

    @staticmethod
    def _refused(call: ToolCall, why: str) -> ToolResult:
        return ToolResult(call.id, one_line(f"Refused: {why}", _REFUSAL_CHARACTERS), failed=True)

    async def _tried(self, sql: str, plan: QueryPlan | None, arguments: Mapping[str, object]) -> ModelQuery:
        """The query once it ran. Raises Misfit where another one may do better."""
        try:
            explanation = await self._door.explain(sql)
            self._check_estimate(explanation)
            explanation, rows = await self._door.rows(sql, explanation)
        except ServiceError as error:
            if error.reason not in MENDABLE:
                raise
            raise Misfit(_why(error)) from None
        return ModelQuery(sql, plan, _reading(arguments), explanation, rows)

    def _check_estimate(self, explanation: Explanation) -> None:
        most, left = self._bounds.most_estimated_rows, explanation.budget_left_rows
        if most and explanation.estimated_rows > most:
            raise Misfit(f"it would read {explanation.estimated_rows:,} rows, at most {most:,} may be read")
        if left is not None and explanation.estimated_rows > left:
            raise Misfit(f"it would read {explanation.estimated_rows:,} rows; {left:,} are left for today")

    def _looked_up(self, tool: str, arguments: Mapping[str, object]) -> str:
        view = self._bounds.view
        if tool == tools.DESCRIBE_TABLES:
            names = arguments.get("tables")
            if not isinstance(names, list) or not names:
                raise Misfit("tables is a list of names")
            return prompts.described(names, self._index, view)
        if not view.most_values:
            raise Misfit(f"there is no tool {tool!r}")
        name, letters = arguments.get("column"), arguments.get("letters")
        found = [
            column for (table, _), column in self._index.columns.items() if f"{table}.{column.name}" == name
        ]
        if not found or not isinstance(letters, str) or not letters.strip():
            raise Misfit("column is `table.column` of the catalogue, letters are one or more of a value")
        return prompts.found_values(found[0], letters.strip())


def _arguments(call: ToolCall) -> dict[str, object]:
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        raise Misfit("the arguments are not JSON; write them again") from None
    if not isinstance(arguments, dict):
        raise Misfit("the arguments are not a JSON object")
    return arguments


def _sql(arguments: Mapping[str, object]) -> str:
    sql = arguments.get("sql")
    if not isinstance(sql, str) or not sql.strip():
        raise Misfit("sql is missing or no text")
    if len(sql.encode("utf-8", "replace")) > _MOST_SQL_BYTES:
        raise Misfit(f"sql is longer than {_MOST_SQL_BYTES:,} bytes")
    if any(0xD800 <= ord(char) <= 0xDFFF for char in sql):
        raise Misfit("sql holds half of a character")
    return sql


def _reading(arguments: Mapping[str, object]) -> tuple[str, ...]:
    given = arguments.get("reading")
    words = given[:3] if isinstance(given, list) else []
    return tuple(filter(None, (told(each) for each in words)))


def _choices(arguments: Mapping[str, object]) -> ModelChoices:
    given = arguments.get("choices")
    parts = [part for part in given[:4] if isinstance(part, dict)] if isinstance(given, list) else []
    choices = tuple((told(part.get("label"), 80), told(part.get("question"), 500)) for part in parts)
    question = told(arguments.get("question"))
    if not question or len(choices) < 2 or not all(label and text for label, text in choices):
        raise Misfit("ask_back needs a question and 2 to 4 choices, each with a label and a whole question")
    return ModelChoices(question, choices)


def _why(error: ServiceError) -> str:
    facts = ", ".join(f"{name} {value}" for name, value in sorted(error.metadata.items()) if name not in _IDS)
    return f"{error.reason}: {error.message}{f' ({facts})' if facts else ''}"


_IDS = ("request_id", "trace_id")
