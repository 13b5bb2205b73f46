"""Asking a question: the steps told while it is answered, and the choice where it has several readings."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypedDict

import typer

from aidatalabs_services.cli.confirming import interruptible
from aidatalabs_services.cli.forms import as_it_is
from aidatalabs_services.cli.screen import console, notes

if TYPE_CHECKING:
    from aidatalabs.agent.v1 import agent_service_pb2 as agent_pb
    from aidatalabs.agent.v1 import answer_pb2
    from aidatalabs_client import Client

_MOST_CHOICES_IN_A_ROW = 5
_STEPS = {
    "model": "a model reads the question",
    "sql": "the SQL is written",
    "running": "the engine is running it",
}
"""What is told once an event of the answer has come; after `understood`, how the question was read."""


class _Options(TypedDict):
    """How a question is asked."""

    max_rows: int
    model: str
    conversation: str


async def answered(
    client: Client,
    platform: str,
    question: str,
    *,
    max_rows: int = 0,
    model: str = "",
    conversation: str = "",
    choosing: bool = False,
) -> agent_pb.QueryResponse:
    """The answer; with `choosing`, a question with several readings is asked again as the reader chooses.

    Whoever chooses none is left with the question back.
    """
    answer = await _asked(client, platform, question, max_rows, model, conversation)
    for _ in range(_MOST_CHOICES_IN_A_ROW):
        if not choosing or not answer.HasField("clarification"):
            break
        chosen = choose(answer.clarification)
        if not chosen:
            break
        console.print(f"[dim]{as_it_is(chosen)}[/]\n")
        answer = await _asked(client, platform, chosen, max_rows, model, answer.conversation)
    return answer


def somebody_can_choose() -> bool:
    """Whether a person reads the output and types the input."""
    return console.is_terminal and sys.stdin.isatty()


def choose(clarification: answer_pb2.Clarification) -> str:
    """The question of the reading that the reader chose by its number; empty for none of them."""
    choices = clarification.choices
    console.print(f"[bold]{as_it_is(clarification.question)}[/]")
    for number, choice in enumerate(choices, 1):
        console.print(f"  [cyan]{number}[/] {as_it_is(choice.label)}")
    numbers = "1" if len(choices) == 1 else f"1 to {len(choices)}"
    while True:
        with interruptible():
            word = typer.prompt(f"Which one? {numbers}, Enter for none", default="", show_default=False)
        if not word.strip():
            return ""
        if word.strip().isdecimal() and 1 <= int(word) <= len(choices):
            return str(choices[int(word) - 1].question)


async def _asked(
    client: Client, platform: str, question: str, max_rows: int, model: str, conversation: str
) -> agent_pb.QueryResponse:
    options: _Options = {"max_rows": max_rows, "model": model, "conversation": conversation}
    if not notes.is_terminal:
        return (await client.ask(platform, question, **options)).message
    return await _asked_with_steps(client, platform, question, options)


async def _asked_with_steps(
    client: Client, platform: str, question: str, options: _Options
) -> agent_pb.QueryResponse:
    """The same answer out of its stream, each step told on the standard error until the next one comes."""
    from aidatalabs.agent.v1 import agent_service_pb2 as agent_pb
    from aidatalabs_client import ApiError

    answer, begun = agent_pb.QueryResponse(), False
    with notes.status("reading the question") as told:
        try:
            async for event in client.stream_answer(platform, question, **options):
                begun = True
                answer.MergeFrom(event.data)
                told.update(_told(event.event, answer))
        except ApiError as error:
            # A refusal inside of a stream is not repeated by the client, that of a plain call is.
            if begun or error.code != "UNAVAILABLE":
                raise
            return (await client.ask(platform, question, **options)).message
    return answer


def _told(event: str, answer: agent_pb.QueryResponse) -> str:
    if event == "understood" and answer.explanation:
        return as_it_is(answer.explanation[0])
    return _STEPS.get(event, "the answer is coming")
