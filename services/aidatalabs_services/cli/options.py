"""Options that several commands share, and the names they complete."""

from __future__ import annotations

from typing import Annotated

import typer

from aidatalabs_services.cli.completion import platform_ids, table_names
from aidatalabs_services.cli.forms import Output, RowsOutput, remember_form, remember_platform

Platform = Annotated[
    str,
    typer.Option(
        "--platform",
        help="platforms/{id}; default $AIDATALABS_PLATFORM.",
        autocompletion=platform_ids,
        callback=remember_platform,
    ),
]
PlatformName = Annotated[
    str, typer.Argument(metavar="PLATFORM", help="platforms/{id}, or the id.", autocompletion=platform_ids)
]
TableName = Annotated[
    str, typer.Argument(metavar="TABLE", help="Name of the table.", autocompletion=table_names)
]
Form = Annotated[Output, typer.Option("--output", help="table or json.", callback=remember_form)]
RowsForm = Annotated[RowsOutput, typer.Option("--output", help="table, json or csv.", callback=remember_form)]


def platform_or_default(name: str) -> str:
    """`platforms/{id}` of what was given: a name, a bare id, or nothing."""
    if not name:
        from aidatalabs_services.cli.connection import ConnectionSettings  # slow to import

        name = ConnectionSettings().platform
    return name if name.startswith("platforms/") else f"platforms/{name}"
