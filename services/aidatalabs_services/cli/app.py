"""The `aidatalabs` command.

aidatalabs up --detach            the local mesh
aidatalabs ask "flights per month"
"""

from __future__ import annotations

import typer

from aidatalabs_services.cli import data_commands, mesh_commands, platform_commands, table_commands

app = typer.Typer(
    name="aidatalabs",
    help="A self-hosted AI data platform: questions in plain words become verified rows.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
mesh_commands.add_to(app)
data_commands.add_to(app)
app.add_typer(table_commands.app, name="tables")
app.add_typer(platform_commands.app, name="platforms")


def main() -> None:
    """The entry point of the console script."""
    app()
