"""Commands that tell a platform what its answers are worth, and show what it learnt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aidatalabs_services.cli.failures import run
from aidatalabs_services.cli.forms import Output, RowsOutput, as_it_is
from aidatalabs_services.cli.options import Form, Platform, RowsForm, platform_or_default
from aidatalabs_services.cli.screen import console, print_csv, print_json, print_table

if TYPE_CHECKING:
    from aidatalabs.agent.v1 import lesson_pb2

app = typer.Typer(
    help="What a platform was taught.\n\nExample: aidatalabs lessons list", no_args_is_help=True
)


def add_to(program: typer.Typer) -> None:
    """Adds the command about one answer to the program."""
    program.command()(feedback)


def feedback(
    conversation: Annotated[str, typer.Argument(metavar="ID", help="Id of the conversation.")],
    turn: Annotated[int, typer.Argument(min=1, help="Number of the answer in it.")],
    right: Annotated[bool, typer.Option("--right", help="It answers the question.")] = False,
    wrong: Annotated[bool, typer.Option("--wrong", help="It does not.")] = False,
    sql: Annotated[str, typer.Option(metavar="SELECT", help="The query that does; @FILE reads it.")] = "",
    comment: Annotated[str, typer.Option(help="In your own words.")] = "",
    platform: Platform = "",
    output: Form = Output.TABLE,
) -> None:
    """Say what an answer is worth; an editor's word teaches the platform.

    Example: aidatalabs feedback 5c1f8a5e-0c1d-4e8e-9d54-3a7e6d0a9b11 1 --right
    """
    if right + wrong + bool(sql) != 1:
        raise typer.BadParameter("say one of --right, --wrong, --sql", param_hint="--right")
    verdict = "RIGHT" if right else "WRONG" if wrong else "CORRECTED"
    query = _read(sql)

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            name = platform_or_default(platform)
            came = await client.give_feedback(name, conversation, turn, verdict, sql=query, comment=comment)
        if output is Output.JSON:
            print_json(came)
        else:
            console.print(as_it_is(came.note))

    run(work())


def _read(sql: str) -> str:
    if not sql.startswith("@"):
        return sql
    try:
        return Path(sql[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise typer.BadParameter(f"{sql[1:]} cannot be read as text", param_hint="--sql") from None


@app.command("list")
def list_lessons(
    platform: Platform = "",
    everything: Annotated[bool, typer.Option("--all", help="Also what was forgotten again.")] = False,
    output: RowsForm = RowsOutput.TABLE,
) -> None:
    """List what a platform was taught: by whom, when, and who had it forgotten.

    Example: aidatalabs lessons list --all
    """

    async def work() -> None:
        from aidatalabs.agent.v1 import agent_service_pb2
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            found = await client.lessons(platform_or_default(platform), show_forgotten=everything)
        if output is RowsOutput.JSON:
            print_json(agent_service_pb2.ListLessonsResponse(lessons=found))
            return
        show = print_csv if output is RowsOutput.CSV else print_table
        show(
            ["lesson", "question", "origin", "taught by", "taught", "forgotten by"],
            [_row(one) for one in found],
        )

    run(work())


def _row(one: lesson_pb2.Lesson) -> list[str]:
    return [
        one.name,
        as_it_is(one.question),
        one.origin,
        one.taught_by,
        one.create_time.ToJsonString(),
        one.forgotten_by,
    ]


@app.command()
def forget(
    lesson: Annotated[str, typer.Argument(metavar="ID", help="Id of the lesson.")],
    platform: Platform = "",
    output: Form = Output.TABLE,
) -> None:
    """Have a platform forget a lesson; its question is read as before it.

    Example: aidatalabs lessons forget 5c1f8a5e-0c1d-4e8e-9d54-3a7e6d0a9b11
    """

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            found = await client.forget_lesson(platform_or_default(platform), lesson)
        if output is Output.JSON:
            print_json(found)
        else:
            console.print(f"forgotten: {as_it_is(found.question)}")

    run(work())
