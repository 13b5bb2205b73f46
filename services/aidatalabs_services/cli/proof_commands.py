"""The command that looks at an answer's proof again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aidatalabs_services.cli.failures import run
from aidatalabs_services.cli.forms import Output, as_it_is
from aidatalabs_services.cli.options import Form, Platform, platform_or_default
from aidatalabs_services.cli.screen import console, notes, print_json

if TYPE_CHECKING:
    from aidatalabs.agent.v1 import agent_service_pb2 as agent_pb
    from aidatalabs.agent.v1 import answer_pb2

_NOT_CONFIRMED_EXIT = 9
_LONGEST_FILE_BYTES = 8 * 1024 * 1024
_VERDICTS = {
    "confirmed": "[green]confirmed[/]: the proof is as it was made, and its query gives the same result",
    "changed": "[yellow]changed[/]: the proof is as it was made, but not what it stands on",
    "altered": "[red]altered[/]: the proof is not as this mesh made it for this platform",
    "unclear": "[yellow]unclear[/]: nothing speaks against it, but its rows cannot be compared",
}


def add_to(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command()(verify)


def verify(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What `ask --output json` printed, or its proof; -: stdin.")
    ],
    platform: Platform = "",
    output: Form = Output.TABLE,
) -> None:
    """Run the query of an answer's proof again and say what changed. Exit code 9 unless it is confirmed.

    Example: aidatalabs verify answer.json
    """
    proof = _proof_in(file)

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            with notes.status("the engine runs the query again"):
                found = await client.verify_answer(platform_or_default(platform), proof)
        if output is Output.JSON:
            print_json(found)
        else:
            _print(found)
        if found.verdict != "confirmed":
            raise typer.Exit(_NOT_CONFIRMED_EXIT)

    run(work())


def _print(found: agent_pb.VerifyAnswerResponse) -> None:
    console.print(_VERDICTS.get(found.verdict, as_it_is(found.verdict)))
    for change in found.changes:
        console.print(f"  [cyan]{as_it_is(change.kind)}[/] {as_it_is(change.message)}")


def _proof_in(file: Path) -> answer_pb2.Proof:
    """The proof in a file. Raises typer.BadParameter where there is none."""
    from google.protobuf import json_format

    from aidatalabs.agent.v1 import answer_pb2

    try:
        if str(file) == "-":
            content = sys.stdin.buffer.read(_LONGEST_FILE_BYTES + 1)
        else:
            with file.open("rb") as opened:
                content = opened.read(_LONGEST_FILE_BYTES + 1)
        found: Any = json.loads(content) if len(content) <= _LONGEST_FILE_BYTES else None
    except OSError as error:
        raise typer.BadParameter(f"{file.name}: {error.strerror}", param_hint="FILE") from None
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict) and isinstance(found.get("proof"), dict):
        found = found["proof"]
    if not isinstance(found, dict) or "sql" not in found:
        raise typer.BadParameter(f"{file.name} holds no answer with a proof, as JSON", param_hint="FILE")
    try:
        return json_format.ParseDict(found, answer_pb2.Proof(), ignore_unknown_fields=True)
    except json_format.ParseError:
        raise typer.BadParameter(f"the proof in {file.name} cannot be read", param_hint="FILE") from None
