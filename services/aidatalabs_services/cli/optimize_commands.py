"""The command that looks for a faster query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aidatalabs_services.cli.failures import run
from aidatalabs_services.cli.forms import Output, shown
from aidatalabs_services.cli.options import Form, Platform, platform_or_default
from aidatalabs_services.cli.screen import console, notes, print_json, print_sql

if TYPE_CHECKING:
    from aidatalabs.agent.v1 import agent_service_pb2 as agent_pb


def add_to(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command()(optimize)


def optimize(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT.")],
    platform: Platform = "",
    output: Form = Output.TABLE,
) -> None:
    """Look for a faster query with the same rows; each candidate is run beside yours before it is shown.

    Example: aidatalabs optimize "SELECT count() FROM flights WHERE toYear(time_hour) = 2013"
    """

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            with notes.status("the engine runs it beside what could be faster"):
                tuned = await client.optimize(platform_or_default(platform), sql)
        if output is Output.JSON:
            print_json(tuned)
        else:
            _print(tuned)

    run(work())


def _print(tuned: agent_pb.OptimizeResponse) -> None:
    console.print(shown(tuned.summary), markup=False, highlight=False)
    for one in tuned.recommendations:
        console.print()
        print_sql(one.sql)
        console.print(f"{one.kind}: {shown(one.rationale)}", markup=False, highlight=False)
    if tuned.tried:
        console.print("\nnot recommended", style="dim")
    for one in tuned.tried:
        console.print(f"  {one.kind}: {shown(one.rationale)}", style="dim", markup=False, highlight=False)
