"""The command that looks for what is wrong: doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from aidatalabs_services.cli.failures import GENERAL_EXIT, run
from aidatalabs_services.cli.forms import Output, as_it_is
from aidatalabs_services.cli.options import Form
from aidatalabs_services.cli.screen import console, notes, print_data

if TYPE_CHECKING:
    from aidatalabs_services.cli.findings import Finding

_MARKS = {"ok": "[green]✓[/]", "note": "[yellow]![/]", "wrong": "[red]✗[/]"}


def add_to(app: typer.Typer) -> None:
    """Adds this command to the program."""
    app.command()(doctor)


def doctor(output: Form = Output.TABLE) -> None:
    """Check this machine and the mesh; say what to do about each thing found. Exits with 1 if one is wrong.

    Example: aidatalabs doctor --output json
    """
    with notes.status("looking around"):
        found = run(_findings())
    is_wrong = any(finding.state == "wrong" for finding in found)
    if output is Output.JSON:
        print_data({"healthy": not is_wrong, "findings": [finding.to_dict() for finding in found]})
    else:
        _print(found)
    raise typer.Exit(GENERAL_EXIT if is_wrong else 0)


async def _findings() -> list[Finding]:
    import asyncio

    from aidatalabs_services.cli.connection import find_record
    from aidatalabs_services.cli.machine_checkups import machine_findings
    from aidatalabs_services.cli.mesh_checkups import mesh_findings
    from aidatalabs_services.mesh.home import MeshHome
    from aidatalabs_services.mesh.settings import MeshSettings

    settings = MeshSettings()
    home = MeshHome.at(settings.home)
    record = await asyncio.to_thread(find_record, home)
    found = await asyncio.to_thread(lambda: list(machine_findings(home, settings.port, record)))
    return found + [finding async for finding in mesh_findings(home)]


def _print(found: list[Finding]) -> None:
    width = max(len(finding.check) for finding in found)
    for finding in found:
        console.print(f"{_MARKS[finding.state]} {finding.check:<{width}}  {as_it_is(finding.told)}")
        if finding.next_step:
            console.print(f"  {'':<{width}}  [dim]→ {as_it_is(finding.next_step)}[/]")
    counts = [sum(finding.state == state for finding in found) for state in ("wrong", "note")]
    console.print(f"\n[bold]{counts[0]} wrong[/], {counts[1]} to know, {len(found)} looked at")
