"""Commands about the local mesh itself: up, down, status, token."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from aidatalabs_services.cli.connection import ConnectionSettings, connect, local_token
from aidatalabs_services.cli.demo import PLATFORM, QUESTION, load_demo
from aidatalabs_services.cli.durations import seconds_of
from aidatalabs_services.cli.failures import run
from aidatalabs_services.cli.identity_commands import first_admin_link
from aidatalabs_services.cli.screen import as_it_is, console, print_answer, print_table
from aidatalabs_services.mesh.control import start_detached, stop_mesh
from aidatalabs_services.mesh.errors import AlreadyUp
from aidatalabs_services.mesh.events import EventKind, MeshEvent
from aidatalabs_services.mesh.home import MeshHome
from aidatalabs_services.mesh.settings import MeshSettings
from aidatalabs_services.mesh.state import MeshRecord
from aidatalabs_services.mesh.status import mesh_status
from aidatalabs_services.mesh.supervisor import run_mesh
from aidatalabs_services.mesh.topology import local_plan
from aidatalabs_services.runtime.caller import Role

_QUIET = {EventKind.PROCESS_STARTING, EventKind.PROCESS_STOPPED}


def add_to(app: typer.Typer) -> None:
    """Adds these commands to the program."""
    for command in (up, down, status, token):
        app.command()(command)


def up(
    detach: Annotated[bool, typer.Option("--detach", help="Return once every service is SERVING.")] = False,
    no_demo: Annotated[bool, typer.Option("--no-demo", help="Without the demo data.")] = False,
) -> None:
    """Start the local mesh and load the demo data.

    Example: aidatalabs up --detach
    """
    run(_up_detached(no_demo) if detach else _up(no_demo))


async def _up(no_demo: bool) -> None:
    async def on_ready(record: MeshRecord) -> None:
        await _greet(record, no_demo)
        console.print("\n[dim]Ctrl-C stops the mesh.[/]")

    try:
        await run_mesh(MeshSettings(), _show, plan=local_plan, on_ready=on_ready)
    except AlreadyUp as found:
        # What was asked for is so; the one who started it stops it.
        console.print(f"{as_it_is(found.message)} [dim]{as_it_is(found.hint)}[/]")


async def _up_detached(no_demo: bool) -> None:
    record = await start_detached(MeshSettings(), _show)
    await _greet(record, no_demo)


async def _greet(record: MeshRecord, no_demo: bool) -> None:
    """Says where the mesh is and how to talk to it; with the demo, asks it a question."""
    email = ConnectionSettings().operator_email
    async with await connect() as client:
        if not no_demo:
            await load_demo(client)
        console.print(f"\n[bold]The mesh is up[/] at [link={record.url}]{record.url}[/link]")
        console.print(f"  sign in    {await first_admin_link(record)}", soft_wrap=True)
        console.print(f"  a token    aidatalabs token --email {email}")
        if no_demo:
            console.print("  a platform aidatalabs platforms create shop\n")
        else:
            console.print('  a question aidatalabs ask "flights per month"\n')
            console.print(f"[dim]{PLATFORM} · {QUESTION}[/]")
            print_answer(await client.ask(PLATFORM, QUESTION))


def _show(event: MeshEvent) -> None:
    if event.kind in _QUIET:
        return
    mark = "[red]✗[/]" if event.kind is EventKind.PROCESS_FAILED else "[green]✓[/]"
    console.print(f"{mark} {as_it_is(event.text)}")


def down() -> None:
    """Stop the mesh of this HOME and everything it started.

    Example: aidatalabs down
    """
    run(stop_mesh(MeshSettings(), _show))


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every process of the mesh: health, memory, restarts and why. Exits with 1 unless all are SERVING.

    Example: aidatalabs status --json
    """
    found = run(mesh_status(MeshHome.at(MeshSettings().home)))
    if as_json:
        console.print_json(json.dumps(found.to_dict()))
    else:
        console.print(f"[bold]{found.phase}[/] {found.url}")
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
        print_table(["process", "state", "pid", "memory MB", "restarts", "last end"], rows)
    raise typer.Exit(0 if found.serving else 1)


def _status_row(name: str, state: str, pid: int, rss_bytes: int) -> list[str]:
    return [name, state, str(pid or ""), f"{rss_bytes / 1e6:.0f}"]


def token(
    email: Annotated[str, typer.Option(help="Whose token; the user is created where missing.")],
    role: Annotated[str, typer.Option(help="admin, editor or viewer: sets the mesh role.")] = "",
    ttl: Annotated[str, typer.Option(help="How long it lasts: 30m, 1h, at most 24h.")] = "1h",
) -> None:
    """Print a token of the local mesh; it is the last word of the output.

    Example: aidatalabs token --email ana@example.com --role editor
    """
    roles = {"": None, "admin": Role.ADMIN, "editor": Role.EDITOR, "viewer": Role.VIEWER}
    if role not in roles:
        raise typer.BadParameter("should be admin, editor or viewer", param_hint="--role")
    made = run(local_token(email, roles[role], seconds_of(ttl)))
    print(made)  # noqa: T201 - bare, so that $(aidatalabs token …) is the token
