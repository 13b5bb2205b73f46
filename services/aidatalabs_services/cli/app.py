"""The `aidatalabs` command.

aidatalabs up --detach            the local mesh
aidatalabs ask "flights per month"
"""

from __future__ import annotations

import logging

import structlog
import typer
from pydantic import ValidationError

from aidatalabs_services.cli import (
    data_commands,
    export_commands,
    identity_commands,
    mesh_commands,
    platform_commands,
    table_commands,
)
from aidatalabs_services.cli.failures import fail_with_settings

app = typer.Typer(
    name="aidatalabs",
    help="A self-hosted AI data platform: questions in plain words become verified rows.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
mesh_commands.add_to(app)
data_commands.add_to(app)
export_commands.add_to(app)
identity_commands.add_to(app)
app.add_typer(table_commands.app, name="tables")
app.add_typer(platform_commands.app, name="platforms")


def main() -> None:
    """The entry point of the console script."""
    _keep_logs_off_the_terminal()
    try:
        app()
    except ValidationError as error:
        fail_with_settings(error)


def _keep_logs_off_the_terminal() -> None:
    """Only a command's own words are printed; parts it shares with the services log to nowhere here."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), cache_logger_on_first_use=False)
    logging.getLogger().addHandler(logging.NullHandler())
