"""The command that prints what the mesh's processes measure."""

from __future__ import annotations

from typing import Annotated

import typer

from aidatalabs_services.cli.failures import CommandFailed, run
from aidatalabs_services.cli.forms import Output
from aidatalabs_services.cli.options import Form
from aidatalabs_services.cli.screen import print_data


def add_to(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command()(metrics)


def metrics(
    process: Annotated[str, typer.Argument(help="One process: data, edge, …; left out, all of them.")] = "",
    output: Form = Output.TABLE,
) -> None:
    """Print what the mesh's processes measure, in Prometheus's text format; each is asked on its own socket.

    Example: aidatalabs metrics data
    """
    found = run(_read(process))
    if output is Output.JSON:
        print_data(found)
        return
    for name, text in found.items():
        heading = "" if process else f"# process {name}\n"
        print(heading + text.rstrip())  # noqa: T201 - as it is, for programs that read it


async def _read(process: str) -> dict[str, str]:
    from aidatalabs_services.mesh.home import MeshHome
    from aidatalabs_services.mesh.metrics import read_metrics
    from aidatalabs_services.mesh.settings import MeshSettings
    from aidatalabs_services.mesh.state import read_record

    record = read_record(MeshHome.at(MeshSettings().home))
    if record is None:
        raise CommandFailed("No mesh runs in this HOME.", "Start one with `aidatalabs up`.")
    places = record.metrics_places()
    chosen = [(name, place) for name, place in places if process in ("", name)]
    if not chosen:
        known = ", ".join(name for name, _ in places)
        raise CommandFailed(f"No process `{process}` tells metrics.", f"These do: {known}.")
    found = await read_metrics(chosen)
    if not found:
        raise CommandFailed("No process answers.", "Look with `aidatalabs status`.")
    return found
