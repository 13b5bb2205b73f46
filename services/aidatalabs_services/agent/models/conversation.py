"""A conversation with a model as the agents think of it, whatever wire format its provider speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Problem(Enum):
    """Why a model gave no answer; the value ends the sentence `claude gave no answer: …`."""

    UNAVAILABLE = "its provider cannot be reached or answers with errors"
    RATE_LIMITED = "its provider takes no more requests at the moment"
    TIMEOUT = "it took longer than it may"
    KEY_REFUSED = "its provider does not accept the operator's key"
    REQUEST_REFUSED = "its provider refused the request as the operator has configured it"
    CUT = "the connection to its provider broke off"
    GARBLED = "what its provider sent cannot be read"
    DECLINED = "it declined to answer"
    NO_VALID_QUERY = "none of its queries could be run"
    TOO_MANY_STEPS = "it came to no query within the steps it may take"
    PAUSED = "it failed several times in a row and is left alone for a while"
    BUSY = "as many questions as may be are with models already"
    BUDGET_EXCEEDED = "the platform's budget for models is used up until midnight UTC"
    BUDGET_NOT_KEPT = "what models cost cannot be written down at the moment"


@dataclass(frozen=True)
class Usage:
    """Tokens of one request, as its provider counted them."""

    input_tokens: int = 0
    output_tokens: int = 0


class ModelFailed(Exception):
    """A request that brought no reply.

    `retry_after_seconds` is what the provider asked for, None where it did not. `charged` is false where the
    request was turned away whole, so that it cost nothing.
    """

    def __init__(
        self, problem: Problem, *, retry_after_seconds: float | None = None, charged: bool = True
    ) -> None:
        super().__init__(problem.name)
        self.problem = problem
        self.retry_after_seconds = retry_after_seconds
        self.charged = charged

    @property
    def passing(self) -> bool:
        """Whether the same request may do better a little later."""
        return self.problem in (Problem.UNAVAILABLE, Problem.RATE_LIMITED, Problem.CUT, Problem.GARBLED)


@dataclass(frozen=True)
class Tool:
    """Something a model may call; `parameters` is the JSON schema of its arguments."""

    name: str
    description: str
    parameters: Mapping[str, object]


@dataclass(frozen=True)
class ToolCall:
    """A call as the model wrote it: `arguments` is the text of a JSON object, or what it wrote instead."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Asked:
    """What we say to the model."""

    text: str


@dataclass(frozen=True)
class Reply:
    """What the model said: `ended` is `tools`, `text`, `length` (cut by its own limit) or `declined`.

    `wire` is the same in its provider's format, to be sent back unchanged with the next request.
    """

    calls: tuple[ToolCall, ...]
    ended: str
    usage: Usage
    wire: object


@dataclass(frozen=True)
class ToolResult:
    """What a call led to; `failed` where it has to be put right."""

    call_id: str
    text: str
    failed: bool


@dataclass(frozen=True)
class Results:
    """The result of every call of the reply before."""

    results: tuple[ToolResult, ...]


Entry = Asked | Reply | Results
"""One part of a conversation; it begins with Asked, and Results follow each Reply that has calls."""


class ModelProvider(Protocol):
    """One model at one provider."""

    async def reply(
        self, system: str, entries: Sequence[Entry], tools: Sequence[Tool], *, seconds: float
    ) -> Reply:
        """One request, without repeating it. Raises ModelFailed; cancelled, it is cancelled there too."""

    async def close(self) -> None:
        """Gives up its connections."""
