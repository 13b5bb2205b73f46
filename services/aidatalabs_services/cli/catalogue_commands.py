"""Commands about a platform's catalogue: shown, written to a file, brought back, restored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aidatalabs_services.cli.confirming import Yes, confirm, somebody_can_confirm
from aidatalabs_services.cli.failures import CommandFailed, run
from aidatalabs_services.cli.forms import Output, RowsOutput, as_it_is
from aidatalabs_services.cli.options import Form, Platform, RowsForm, platform_or_default
from aidatalabs_services.cli.screen import console, notes, print_csv, print_json, print_table

if TYPE_CHECKING:
    from aidatalabs.agent.v1 import agent_service_pb2, catalogue_pb2

app = typer.Typer(
    help="What agents know of a platform's data, and what people say of it.\n\n"
    "Example: aidatalabs catalogue show",
    no_args_is_help=True,
)
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would change.")]
_MOST_BYTES = 4 * 1024 * 1024


@app.command()
def show(
    table: Annotated[str, typer.Argument(metavar="[TABLE]", help="Only this table.")] = "",
    platform: Platform = "",
    output: Form = Output.TABLE,
) -> None:
    """Show tables with roles, units and other words, then metrics and dimensions.

    Example: aidatalabs catalogue show flights
    """

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            found = await client.catalogue(platform_or_default(platform), table=table, page_size=1000)
        if output is Output.JSON:
            print_json(found)
            return
        rows = [_column(one, column) for one in found.tables for column in one.columns]
        print_table(["table", "column", "type", "role", "unit", "other words", "description"], rows)
        for one in found.definitions.metrics:
            console.print(f"metric [bold]{as_it_is(one.name)}[/] {as_it_is(one.description)}")
        for dimension in found.definitions.dimensions:
            place = f"{dimension.table}.{dimension.column}"
            console.print(f"dimension [bold]{as_it_is(dimension.name)}[/] {as_it_is(place)}")
        for stale in found.stale:
            notes.print(f"[yellow]left out:[/] {as_it_is(stale.field)} {as_it_is(stale.message)}")

    run(work())


def _column(table: catalogue_pb2.CatalogueTable, column: catalogue_pb2.CatalogueColumn) -> list[str]:
    from aidatalabs.agent.v1 import catalogue_pb2

    role = catalogue_pb2.ColumnDefinition.Role.Name(column.role).lower() if column.role else ""
    hidden = " (hidden)" if column.hidden else ""
    return [
        as_it_is(table.name),
        as_it_is(column.name) + hidden,
        column.type,
        role,
        as_it_is(column.unit),
        as_it_is(", ".join(column.synonyms)),
        as_it_is(column.description),
    ]


@app.command()
def export(
    file: Annotated[str, typer.Option("-o", "--out", metavar="FILE", help="Write it here.")] = "",
    platform: Platform = "",
) -> None:
    """Write what people say of the data as YAML, to the standard output or a file.

    Example: aidatalabs catalogue export -o catalogue.yaml
    """

    async def work() -> None:
        from aidatalabs_services.cli.catalogue_files import write_catalogue
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            found = await client.catalogue(platform_or_default(platform), view="DEFINITIONS")
        text = write_catalogue(found.definitions)
        if not file:
            typer.echo(text, nl=False)
            return
        _write(file, text)
        notes.print(f"{as_it_is(file)}: version {found.definitions_version}")

    run(work())


def _write(file: str, text: str) -> None:
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError:
        raise CommandFailed(f"{file} cannot be written.", "Name a file in a folder of yours.") from None


@app.command("import")
def import_file(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A YAML file; - reads the standard input.")],
    platform: Platform = "",
    merge: Annotated[
        bool, typer.Option("--merge", help="Leave what the file does not name as it is.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    output: Form = Output.TABLE,
) -> None:
    """Make a file what people say of the data: tells what changes, and asks where somebody can answer.

    Example: aidatalabs catalogue import catalogue.yaml
    """

    async def work() -> None:
        from aidatalabs_services.cli.catalogue_files import FileNotReadable, read_catalogue
        from aidatalabs_services.cli.connection import connect

        try:
            definitions = read_catalogue(_text_of(file))
        except FileNotReadable as error:
            raise CommandFailed(
                f"{file} is no catalogue: {error}.", "The format stands in docs/catalogue.md."
            ) from None
        name = platform_or_default(platform)
        async with await connect() as client:
            plan = await client.update_catalogue(name, definitions, merge=merge, validate_only=True)
            if not _agreed(plan, name, dry_run=dry_run, yes=yes, output=output):
                return
            made = await client.update_catalogue(name, definitions, merge=merge, etag=plan.etag)
        _told(made, output)

    run(work())


def _text_of(file: str) -> str:
    try:
        if file == "-":
            content = typer.get_binary_stream("stdin").read(_MOST_BYTES + 1)
        else:
            with Path(file).open("rb") as stream:
                content = stream.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise CommandFailed(f"{file} is larger than {_MOST_BYTES // 2**20} MiB.", "Bring a smaller file.")
        return content.decode("utf-8")
    except (OSError, UnicodeDecodeError):
        raise typer.BadParameter(f"{file} cannot be read as text", param_hint="FILE") from None


def _agreed(
    plan: agent_service_pb2.UpdateCatalogueResponse, name: str, *, dry_run: bool, yes: bool, output: Output
) -> bool:
    """Tells what would change; whether it shall."""
    if output is Output.JSON and (dry_run or not plan.changes):
        print_json(plan)
    elif output is not Output.JSON:
        for line in plan.changes:
            console.print(as_it_is(line))
        if not plan.changes:
            console.print(f"Nothing changes; version {plan.definitions_version} stays.")
    if dry_run or not plan.changes:
        return False
    if not yes and somebody_can_confirm():
        confirm(f"Change the catalogue of {name} so?")
    return True


def _told(made: agent_service_pb2.UpdateCatalogueResponse, output: Output) -> None:
    if output is Output.JSON:
        print_json(made)
        return
    console.print(f"version [bold]{made.definitions_version}[/]")
    for stale in made.stale:
        notes.print(f"[yellow]left out:[/] {as_it_is(stale.field)} {as_it_is(stale.message)}")


@app.command()
def history(platform: Platform = "", output: RowsForm = RowsOutput.TABLE) -> None:
    """List the versions: who changed what, and when.

    Example: aidatalabs catalogue history
    """

    async def work() -> None:
        from aidatalabs.agent.v1 import agent_service_pb2
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            found = [one async for one in client.catalogue_versions(platform_or_default(platform))]
        if output is RowsOutput.JSON:
            print_json(agent_service_pb2.ListCatalogueVersionsResponse(versions=found))
            return
        rows = [
            [
                str(one.version),
                one.changed_by,
                one.change_time.ToJsonString(),
                as_it_is(" ".join(one.changes)),
            ]
            for one in found
        ]
        show_rows = print_csv if output is RowsOutput.CSV else print_table
        show_rows(["version", "changed by", "changed", "changes"], rows)

    run(work())


@app.command()
def restore(
    version: Annotated[
        int, typer.Argument(metavar="VERSION", min=0, help="Its number; 0: before anything was defined.")
    ],
    platform: Platform = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    output: Form = Output.TABLE,
) -> None:
    """Make what people say of the data what it was in a version, as a new version.

    Example: aidatalabs catalogue restore 3
    """

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        name = platform_or_default(platform)
        async with await connect() as client:
            plan = await client.restore_catalogue_version(name, version, validate_only=True)
            if not _agreed(plan, name, dry_run=dry_run, yes=yes, output=output):
                return
            made = await client.restore_catalogue_version(name, version, etag=plan.etag)
        _told(made, output)

    run(work())
