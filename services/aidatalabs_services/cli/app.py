"""The `aidatalabs` command.

aidatalabs up --detach            the local mesh
aidatalabs ask "flights per month"

Modules of commands import what their work needs when it begins: help and completion must not wait for it.
"""

from __future__ import annotations

from typing import Annotated

import typer

from aidatalabs_services.cli import (
    backup_commands,
    catalogue_commands,
    conversation_commands,
    dead_letter_commands,
    doctor_commands,
    evaluation_commands,
    export_commands,
    identity_commands,
    ingest_commands,
    lesson_commands,
    mesh_commands,
    metrics_commands,
    optimize_commands,
    platform_commands,
    proof_commands,
    question_commands,
    rollup_commands,
    table_commands,
)
from aidatalabs_services.cli.failures import EXIT_CODES, fail_with_settings
from aidatalabs_services.cli.screen import never_fail_on_a_sign

_HELP = """A self-hosted AI data platform: questions in plain words become verified rows.

Example: aidatalabs ask "flights per month"
"""


def _tell_version(wanted: bool) -> None:
    if wanted:
        import importlib.metadata

        print(f"aidatalabs {importlib.metadata.version('aidatalabs')}")  # noqa: T201 - bare, for scripts
        raise typer.Exit


def _exit_codes() -> str:
    told = " · ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())
    return f"Exit codes: {told}. `aidatalabs COMMAND --help` shows each command with an example."


app = typer.Typer(
    name="aidatalabs",
    help=_HELP,
    epilog=_exit_codes(),
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Print the version.")
    ] = False,
) -> None:
    """What is typed before a command."""


for _commands in (
    mesh_commands,
    doctor_commands,
    metrics_commands,
    question_commands,
    optimize_commands,
    proof_commands,
    lesson_commands,
    ingest_commands,
    export_commands,
    identity_commands,
    evaluation_commands,
    backup_commands,
):
    _commands.add_to(app)
app.add_typer(table_commands.app, name="tables")
app.add_typer(rollup_commands.app, name="rollups")
app.add_typer(dead_letter_commands.app, name="dead-letters")
app.add_typer(lesson_commands.app, name="lessons")
app.add_typer(catalogue_commands.app, name="catalogue")
app.add_typer(conversation_commands.app, name="conversations")
app.add_typer(platform_commands.app, name="platforms")


def main() -> None:
    """The entry point of the console script."""
    never_fail_on_a_sign()
    try:
        app()
    except Exception as error:
        from pydantic import ValidationError  # slow to import, and seldom needed

        if isinstance(error, ValidationError):
            fail_with_settings(error)
        raise
