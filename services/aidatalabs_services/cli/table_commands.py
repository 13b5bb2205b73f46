"""Commands about tables."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from aidatalabs_services.cli import path_commands, retention_commands
from aidatalabs_services.cli.confirming import Yes, confirm, somebody_can_confirm
from aidatalabs_services.cli.failures import CommandFailed, run
from aidatalabs_services.cli.forms import Output, RowsOutput, as_it_is, platform_option
from aidatalabs_services.cli.options import Form, Platform, RowsForm, TableName, platform_or_default
from aidatalabs_services.cli.screen import console, print_csv, print_data, print_json, print_table

if TYPE_CHECKING:
    from aidatalabs.data.v1 import table_pb2
    from aidatalabs_client import Client

_NOT_FOUND_EXIT = 5  # the number of that gRPC code

app = typer.Typer(
    help="Tables of a platform.\n\nExample: aidatalabs tables list --platform shop", no_args_is_help=True
)


@app.command("list")
def list_tables(platform: Platform = "", output: RowsForm = RowsOutput.TABLE) -> None:
    """List tables with their rows and size.

    Example: aidatalabs tables list
    """

    async def work() -> None:
        from aidatalabs.data.v1 import data_service_pb2
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            tables = await client.list_tables(platform_or_default(platform))
        if output is RowsOutput.JSON:
            print_json(data_service_pb2.ListTablesResponse(tables=tables))
        elif output is RowsOutput.CSV:
            print_csv(
                ["table", "row_count", "size_bytes", "column_count"],
                [[one.name, *map(str, (one.row_count, one.size_bytes, len(one.columns)))] for one in tables],
            )
        else:
            rows = [
                [one.name, f"{one.row_count:,}", f"{one.size_bytes / 1e6:,.1f}", str(len(one.columns))]
                for one in tables
            ]
            print_table(["table", "rows", "MB", "columns"], rows)

    run(work())


@app.command()
def get(table: TableName, platform: Platform = "", output: RowsForm = RowsOutput.TABLE) -> None:
    """Show a table's columns.

    Example: aidatalabs tables get flights
    """

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            found = await _table(client, platform_or_default(platform), table)
        headings = ["column", "type", "comment"]
        rows = [[column.name, column.type, column.comment] for column in found.columns]
        if output is RowsOutput.JSON:
            print_json(found)
        elif output is RowsOutput.CSV:
            print_csv(headings, rows)
        else:
            ordered = f" · ordered by {', '.join(found.order_by)}" if found.order_by else ""
            console.print(f"[bold]{found.name}[/] {found.row_count:,} rows{ordered}")
            print_table(headings, rows)

    run(work())


@app.command()
def create(
    table: str,
    column: Annotated[list[str], typer.Option("--column", help="name:type, once for each column.")],
    order_by: Annotated[list[str] | None, typer.Option(help="A sorting column, repeatable.")] = None,
    platform: Platform = "",
    output: Form = Output.TABLE,
) -> None:
    """Create a table.

    Example: aidatalabs tables create orders --column id:UInt64 --column total:Float64 --order-by id
    """
    pairs = [one.partition(":") for one in column]
    if any(not name or not kind for name, _, kind in pairs):
        raise typer.BadParameter("write name:type", param_hint="--column")

    async def work() -> None:
        from aidatalabs.data.v1 import table_pb2
        from aidatalabs_services.cli.connection import connect

        columns = [table_pb2.Column(name=name, type=kind) for name, _, kind in pairs]
        described = table_pb2.Table(name=table, columns=columns, order_by=order_by or [])
        async with await connect() as client:
            made = await client.create_table(platform_or_default(platform), described)
        if output is Output.JSON:
            print_json(made)
        else:
            console.print(f"[bold]{made.name}[/] has {len(made.columns)} columns")

    run(work())


@app.command()
def drop(table: TableName, platform: Platform = "", yes: Yes = False, output: Form = Output.TABLE) -> None:
    """Drop a table with all its rows; `undrop` brings it back for a while.

    It asks first where somebody can answer; a script is not asked.

    Example: aidatalabs tables drop orders --yes
    """

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        place = platform_or_default(platform)
        if not yes and somebody_can_confirm():
            confirm(f"Drop {table} of {place} with all its rows?")
        async with await connect() as client:
            await client.drop_table(place, table)
        if output is Output.JSON:
            print_data({"platform": place, "table": table, "dropped": True})
        else:
            console.print(f"{as_it_is(table)} is dropped")

    run(work())


async def _table(client: Client, platform: str, name: str) -> table_pb2.Table:
    """One table. Raises CommandFailed where it is missing and another has nearly its name."""
    import difflib

    from aidatalabs_client.errors import TableNotFound

    try:
        return await client.get_table(platform, name)
    except TableNotFound as missing:
        known = [table.name for table in await client.list_tables(platform)]
        near = difflib.get_close_matches(name, known, 1)
        if not near:
            raise
        command = shlex.join(["aidatalabs", "tables", "get", near[0], *platform_option()])
        raise CommandFailed(
            f"There is no table {name} in {platform}. Did you mean {near[0]}?",
            f"`{command}` shows that one.",
            _NOT_FOUND_EXIT,
            code=missing.code,
            reason=missing.reason,
        ) from missing


retention_commands.register(app)
path_commands.register(app)
