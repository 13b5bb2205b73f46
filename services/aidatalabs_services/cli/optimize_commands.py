"""The command that looks for a faster query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aidatalabs_services.cli.failures import run
from aidatalabs_services.cli.forms import Output, shown
from aidatalabs_services.cli.options import Form, Platform, platform_or_default
from aidatalabs_services.cli.screen import console, notes, print_json, print_sql, print_table, size_text

if TYPE_CHECKING:
    from aidatalabs.agent.v1 import agent_service_pb2 as agent_pb

_WIDTH = 60


def add_to(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command()(optimize)


def optimize(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT.")],
    platform: Platform = "",
    output: Form = Output.TABLE,
) -> None:
    """Look for a faster query, and for editors a faster layout; each candidate is run beside yours first.

    Layouts are measured on copies of some rows, which are gone before the answer; nothing is changed.

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
    _line(tuned.summary)
    if tuned.layout_summary:
        _line(tuned.layout_summary)
    measured = [one for one in (*tuned.recommendations, *tuned.tried) if one.HasField("after")]
    if measured:
        console.print()
        helpful = len([one for one in tuned.recommendations if one.HasField("after")])
        print_table(_HEADINGS, [_row(one, number < helpful) for number, one in enumerate(measured)])
    for one in tuned.recommendations:
        console.print()
        print_sql(one.sql)
        _line(f"{one.kind}: {one.rationale}")
        for number, step in enumerate(one.steps, start=1):
            _line(f"  {number}. {step}")
    if tuned.tried:
        console.print("\nnot recommended", style="dim")
    for one in tuned.tried:
        _line(f"  {one.kind}: {one.rationale}", style="dim")


_HEADINGS = ("helps", "what", "ms before", "after", "rows before", "after", "read before", "after", "on disk")


def _row(one: agent_pb.Recommendation, helps: bool) -> tuple[str, ...]:
    """One candidate's figures; what a layout takes on disk is that of the copy it was measured on."""
    before, after = one.before, one.after
    what = one.sql if one.table else one.kind
    return (
        "yes" if helps else "no",
        what if len(what) <= _WIDTH else f"{what[: _WIDTH - 1]}…",
        f"{before.elapsed_seconds * 1000:,.1f}",
        f"{after.elapsed_seconds * 1000:,.1f}",
        f"{before.read_rows:,}",
        f"{after.read_rows:,}",
        size_text(before.read_bytes),
        size_text(after.read_bytes),
        f"{one.after_bytes / one.before_bytes - 1:+.0%}" if one.before_bytes else "",
    )


def _line(text: str, *, style: str = "") -> None:
    console.print(shown(text), style=style, markup=False, highlight=False)
