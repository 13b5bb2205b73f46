"""Commands about the local mesh itself: up, down, status, token."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aidatalabs_services.cli.durations import seconds_of
from aidatalabs_services.cli.failures import run
from aidatalabs_services.cli.forms import Output, RowsOutput, as_it_is
from aidatalabs_services.cli.identity_commands import first_admin_link, mesh_role
from aidatalabs_services.cli.options import Form, RowsForm
from aidatalabs_services.cli.screen import console, notes, print_csv, print_data, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from aidatalabs_services.mesh.events import MeshEvent
    from aidatalabs_services.mesh.state import MeshRecord
    from aidatalabs_services.mesh.status import MeshStatus


def add_to(app: typer.Typer) -> None:
    """Adds these commands to the program."""
    for command in (up, down, status, token):
        app.command()(command)


def up(
    detach: Annotated[bool, typer.Option("--detach", help="Return once every service is SERVING.")] = False,
    no_demo: Annotated[bool, typer.Option("--no-demo", help="Without the demo data.")] = False,
    output: Form = Output.TABLE,
) -> None:
    """Start the local mesh and load the demo data.

    Example: aidatalabs up --detach
    """
    run(_up_detached(no_demo, output) if detach else _up(no_demo, output))


async def _up(no_demo: bool, output: Output) -> None:
    from aidatalabs_services.mesh.errors import AlreadyUp
    from aidatalabs_services.mesh.settings import MeshSettings
    from aidatalabs_services.mesh.supervisor import run_mesh
    from aidatalabs_services.mesh.topology import local_plan

    async def on_ready(record: MeshRecord) -> None:
        await _greet(record, no_demo, output)
        _teller(output).print("\n[dim]Ctrl-C stops the mesh.[/]")

    try:
        await run_mesh(MeshSettings(), show_event(_teller(output)), plan=local_plan, on_ready=on_ready)
    except AlreadyUp as found:
        # What was asked for is so; the one who started it stops it.
        _teller(output).print(f"{as_it_is(found.message)} [dim]{as_it_is(found.hint)}[/]")


async def _up_detached(no_demo: bool, output: Output) -> None:
    from aidatalabs_services.mesh.control import start_detached
    from aidatalabs_services.mesh.settings import MeshSettings

    record = await start_detached(MeshSettings(), show_event(_teller(output)))
    await _greet(record, no_demo, output)


def _teller(output: Output) -> Console:
    """Where a start is told: beside the one object that `--output json` is, else as the answer."""
    return notes if output is Output.JSON else console


async def _greet(record: MeshRecord, no_demo: bool, output: Output) -> None:
    """Says where the mesh is and how to talk to it; with the demo, asks it a question."""
    from aidatalabs_services.cli.answers import print_answer
    from aidatalabs_services.cli.connection import ConnectionSettings, connect
    from aidatalabs_services.cli.demo import PLATFORM, QUESTION, load_demo

    async with await connect() as client:
        if not no_demo:
            await load_demo(client, quietly=output is Output.JSON)
        link = await first_admin_link(record)
        if output is Output.JSON:
            print_data({"url": record.url, "home": record.home, "sign_in_link": link})
            return
        console.print(f"\n[bold]The mesh is up[/] at [link={record.url}]{record.url}[/link]")
        console.print(f"  sign in    {link}", soft_wrap=True)
        typed = as_it_is(program())
        console.print(f"  a token    {typed} token --email {ConnectionSettings().operator_email}")
        if no_demo:
            console.print(f"  a platform {typed} platforms create shop\n")
        else:
            console.print(f'  a question {typed} ask "flights per month"\n')
            console.print(f"[dim]{PLATFORM} · {QUESTION}[/]")
            print_answer((await client.ask(PLATFORM, QUESTION)).message)


def program() -> str:
    """How this program is called from here: by its name where the shell finds it, else by its path."""
    called = Path(sys.argv[0])
    if called.name != "aidatalabs":
        return "aidatalabs"
    found = shutil.which(called.name)
    if found is not None and Path(found).resolve() == called.resolve():
        return called.name
    with contextlib.suppress(ValueError):
        return str(called.absolute().relative_to(Path.cwd()))
    return str(called)


def show_event(told_to: Console) -> Callable[[MeshEvent], None]:
    """A listener that prints what the mesh says of its start and its end."""
    from aidatalabs_services.mesh.events import EventKind

    quiet = {EventKind.PROCESS_STARTING, EventKind.PROCESS_STOPPED}

    def show(event: MeshEvent) -> None:
        if event.kind not in quiet:
            mark = "[red]✗[/]" if event.kind is EventKind.PROCESS_FAILED else "[green]✓[/]"
            told_to.print(f"{mark} {as_it_is(event.text)}")

    return show


def down(output: Form = Output.TABLE) -> None:
    """Stop the mesh of this HOME and everything it started.

    Example: aidatalabs down
    """

    async def work() -> None:
        from aidatalabs_services.mesh.control import stop_mesh
        from aidatalabs_services.mesh.settings import MeshSettings

        stopped = await stop_mesh(MeshSettings(), show_event(_teller(output)))
        if output is Output.JSON:
            print_data({"was_running": stopped.was_running, "stray_count": stopped.stray_count})

    run(work())


def status(
    as_json: Annotated[bool, typer.Option("--json", help="The same as --output json.")] = False,
    output: RowsForm = RowsOutput.TABLE,
) -> None:
    """Show every process of the mesh: health, memory, restarts and why. Exits with 1 unless all are SERVING.

    Example: aidatalabs status --json
    """

    async def work() -> MeshStatus:
        from aidatalabs_services.mesh.home import MeshHome
        from aidatalabs_services.mesh.settings import MeshSettings
        from aidatalabs_services.mesh.status import mesh_status

        return await mesh_status(MeshHome.at(MeshSettings().home))

    found = run(work())
    if as_json or output is RowsOutput.JSON:
        print_data(found.to_dict())
    else:
        names = ["process", "state", "pid", "memory MB", "restarts", "last end"]
        if output is RowsOutput.CSV:
            print_csv(names, _status_rows(found))
        else:
            console.print(f"[bold]{found.phase}[/] {found.url}")
            print_table(names, _status_rows(found))
    raise typer.Exit(0 if found.serving else 1)


def _status_rows(found: MeshStatus) -> list[list[str]]:
    """A row a process, the processes it started below it."""
    rows = []
    for process in found.processes:
        state = process.state if process.message or not process.health else process.health
        end = f"{process.last_end_time} {process.last_end}".strip()
        told = " · ".join(filter(None, (process.message, end)))
        row = _status_row(process.name, state, process.pid, process.rss_bytes)
        rows.append([*row, str(process.restart_count), told])
        rows += [
            [*_status_row(f"  {child.name}", child.health, child.pid, child.rss_bytes), "", ""]
            for child in process.children
        ]
    return rows


def _status_row(name: str, state: str, pid: int, rss_bytes: int) -> list[str]:
    return [name, state, str(pid or ""), f"{rss_bytes / 1e6:.0f}"]


def token(
    email: Annotated[str, typer.Option(help="Whose token; the user is created where missing.")],
    role: Annotated[str, typer.Option(help="admin, editor or viewer: sets the mesh role.")] = "",
    ttl: Annotated[str, typer.Option(help="How long it lasts: 30m, 1h, at most 24h.")] = "1h",
    output: Form = Output.TABLE,
) -> None:
    """Print a token of the local mesh; it is the last word of the output.

    Example: aidatalabs token --email ana@example.com --role editor
    """
    given, seconds = mesh_role(role), seconds_of(ttl)

    async def work() -> str:
        from aidatalabs_services.cli.connection import local_token

        return await local_token(email, given, seconds)

    made = run(work())
    if output is Output.JSON:
        print_data({"token": made, "email": email, "expires_in_seconds": int(seconds)})
    else:
        print(made)  # noqa: T201 - bare, so that $(aidatalabs token …) is the token
