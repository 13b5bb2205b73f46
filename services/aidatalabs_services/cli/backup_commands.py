"""Commands about backups: `aidatalabs backup …` and `aidatalabs restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aidatalabs_services.cli.confirming import Yes, confirm, somebody_can_confirm
from aidatalabs_services.cli.failures import GENERAL_EXIT, CommandFailed, run
from aidatalabs_services.cli.forms import Output, RowsOutput, as_it_is
from aidatalabs_services.cli.options import Form, Platform, RowsForm, platform_or_default
from aidatalabs_services.cli.screen import console, notes, print_csv, print_data, print_json, print_table

if TYPE_CHECKING:
    from aidatalabs.data.v1 import backup_pb2

BackupName = Annotated[str, typer.Argument(metavar="BACKUP", help="Its id, or platforms/{id}/backups/{id}.")]

app = typer.Typer(
    help="Backups of a platform: made, verified, drilled.\n\nExample: aidatalabs backup create",
    no_args_is_help=True,
)


@app.command()
def create(platform: Platform = "", output: Form = Output.TABLE) -> None:
    """Back a platform up and wait for it. What the backup before holds already costs nothing.

    Example: aidatalabs backup create --platform demo
    """

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            made = await client.wait_for_backup(await client.create_backup(platform_or_default(platform)))
        if output is Output.JSON:
            print_json(made)
        _end_well(made.state, made.message)
        if output is not Output.JSON:
            console.print(
                f"[bold]{made.name}[/] holds {made.row_count:,} rows in {_size(made.size_bytes)}, "
                f"{_size(made.copied_bytes)} of them new; inserts waited "
                f"{made.pause_seconds * 1000:,.0f} ms"
            )

    run(work())


@app.command("list")
def list_backups(platform: Platform = "", output: RowsForm = RowsOutput.TABLE) -> None:
    """List a platform's backups, the latest first.

    Example: aidatalabs backup list --platform demo
    """

    async def work() -> None:
        from aidatalabs.data.v1 import backup_pb2
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            found = await client.list_backups(platform_or_default(platform))
        if output is RowsOutput.JSON:
            print_json(backup_pb2.ListBackupsResponse(backups=found))
            return
        rows = [
            [
                one.name.rpartition("/")[2],
                one.create_time.ToJsonString(),
                _state(one.state),
                f"{one.row_count:,}",
                _size(one.size_bytes),
                _size(one.copied_bytes),
                _state(one.verification.state) if one.HasField("verification") else "",
            ]
            for one in found
        ]
        show = print_csv if output is RowsOutput.CSV else print_table
        show(["backup", "time", "state", "rows", "size", "new", "verified"], rows)

    run(work())


@app.command()
def verify(backup: BackupName, platform: Platform = "", output: Form = Output.TABLE) -> None:
    """Read every file of a backup anew and compare its checksum.

    Example: aidatalabs backup verify 01a2087b5120fe2fc2a465 --platform demo
    """

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            begun = await client.verify_backup(_platform_of(backup, platform), backup)
            found = await client.wait_for_backup(begun)
        if output is Output.JSON:
            print_json(found)
        _end_well(found.verification.state, found.verification.message)
        if output is not Output.JSON:
            console.print(as_it_is(found.verification.message))

    run(work())


@app.command()
def drill(platform: Platform = "", output: Form = Output.TABLE) -> None:
    """Restore the newest backup aside, compare it, and measure what would be lost and the time to recover.

    Example: aidatalabs backup drill --platform demo
    """

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            found = await client.wait_for_restore(await client.drill_backup(platform_or_default(platform)))
        _show(found, output)
        if output is not Output.JSON:
            console.print(
                f"data loss (RPO) {_seconds(found.loss_seconds)}, {found.missing_count:,} rows · "
                f"time to recover (RTO) {_seconds(found.recovery_seconds)}"
            )

    run(work())


@app.command()
def drills(platform: Platform = "", output: RowsForm = RowsOutput.TABLE) -> None:
    """List the drills of a platform and the restores into it, the latest first.

    Example: aidatalabs backup drills --platform demo
    """

    async def work() -> None:
        from aidatalabs.data.v1 import backup_pb2
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            found = await client.list_restores(platform_or_default(platform))
        if output is RowsOutput.JSON:
            print_json(backup_pb2.ListRestoresResponse(restores=found))
            return
        rows = [
            [
                one.create_time.ToJsonString(),
                backup_pb2.Restore.Kind.Name(one.kind),
                _state(one.state),
                one.backup.rpartition("/")[2],
                f"{sum(table.row_count for table in one.tables):,}",
                _seconds(one.recovery_seconds),
                _seconds(one.loss_seconds) if one.kind == backup_pb2.Restore.DRILL else "",
            ]
            for one in found
        ]
        show = print_csv if output is RowsOutput.CSV else print_table
        show(["time", "kind", "state", "backup", "rows", "recovered in", "lost"], rows)

    run(work())


@app.command()
def delete(
    backup: BackupName, platform: Platform = "", yes: Yes = False, output: Form = Output.TABLE
) -> None:
    """Remove a backup; it asks first where somebody can answer.

    Example: aidatalabs backup delete 01a2087b5120fe2fc2a465 --platform demo --yes
    """

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        place = _platform_of(backup, platform)
        if not yes and somebody_can_confirm():
            confirm(f"Remove the backup {backup} of {place} for good?")
        async with await connect() as client:
            await client.delete_backup(place, backup)
        if output is Output.JSON:
            print_data({"platform": place, "backup": backup, "removed": True})
        else:
            console.print(f"{as_it_is(backup)} is removed")

    run(work())


@app.command()
def copy(
    backup: BackupName,
    to: Annotated[Path, typer.Option(help="A new folder, or a new file that ends in .tar.")],
    output: Form = Output.TABLE,
) -> None:
    """Copy a backup out of the mesh of this machine: to another disk, or for another mesh.

    Example: aidatalabs backup copy 01a2087b5120fe2fc2a465 --to demo.tar
    """

    async def work() -> None:
        from aidatalabs_services.cli.backup_folders import backup_directory, take_out

        take_out(backup.rpartition("/")[2], to, backup_directory())
        if output is Output.JSON:
            print_data({"backup": backup, "to": str(to)})
            return
        console.print(
            f"{as_it_is(str(to))} is a whole backup: `aidatalabs restore {as_it_is(str(to))}` takes it"
        )

    run(work())


def restore(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A backup's name, a folder or a .tar.")],
    platform_id: Annotated[str, typer.Option("--platform-id", help="Id of the new platform.")],
    output: Form = Output.TABLE,
) -> None:
    """Make a new platform from a backup, of this mesh or brought from another one.

    Example: aidatalabs restore platforms/demo/backups/01a2087b5120fe2fc2a465 --platform-id copy
    """

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            key = _brought(Path(source))
            if not key:
                key = (await client.get_backup(_platform_of(source, ""), source)).key
            made = await client.create_platform(platform_id, platform_id)
            notes.print(f"{made.name} is made and being filled")
            found = await client.wait_for_restore(await client.restore_backup(made.name, key))
        _show(found, output, f"{made.name} is empty: delete it, or restore another backup into it.")
        if output is not Output.JSON:
            console.print(f"[bold]{made.name}[/] could be queried after {_seconds(found.recovery_seconds)}")

    run(work())


def _brought(source: Path) -> str:
    """The key of a folder or file, once the mesh of this machine has a copy; empty where it is neither."""
    from aidatalabs_services.cli.backup_folders import backup_directory, bring

    return bring(source, backup_directory()) if source.exists() else ""


def add_to(program: typer.Typer) -> None:
    """Adds `backup …` and `restore` to the program."""
    program.add_typer(app, name="backup")
    program.command()(restore)


def _platform_of(backup: str, platform: str) -> str:
    """The platform that a backup's full name begins with, else the one that was named."""
    place, found, _ = backup.partition("/backups/")
    return place if found else platform_or_default(platform)


def _show(found: backup_pb2.Restore, output: Output, hint: str = "") -> None:
    if output is Output.JSON:
        print_json(found)
    else:
        rows = [
            [
                one.table,
                f"{one.row_count:,}",
                f"{one.restored_count:,}" if one.HasField("restored_count") else "",
                "yes" if one.equal else "no",
            ]
            for one in found.tables
        ]
        print_table(["table", "rows backed up", "rows restored", "equal"], rows)
    _end_well(found.state, found.message, hint)
    if found.message:
        notes.print(as_it_is(found.message))


def _end_well(state: int, message: str, hint: str = "") -> None:
    from aidatalabs.data.v1 import backup_pb2

    if state == backup_pb2.BACKUP_STATE_FAILED:
        hint = hint or "`aidatalabs backup list` shows the backups there are."
        raise CommandFailed(message, hint, GENERAL_EXIT)


def _state(state: int) -> str:
    from aidatalabs.data.v1 import backup_pb2

    return str(backup_pb2.BackupState.Name(state)).removeprefix("BACKUP_STATE_")  # type: ignore[arg-type]


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


def _seconds(seconds: float) -> str:
    return f"{seconds:,.2f} s"
