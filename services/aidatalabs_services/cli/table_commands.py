"""Commands about tables."""

from __future__ import annotations

from typing import Annotated

import typer

from aidatalabs.data.v1 import data_service_pb2, table_pb2
from aidatalabs_services.cli.connection import connect
from aidatalabs_services.cli.data_commands import Form, Platform, platform_or_default
from aidatalabs_services.cli.failures import run
from aidatalabs_services.cli.screen import Output, console, print_json, print_table

app = typer.Typer(help="Tables of a platform.", no_args_is_help=True)


@app.command("list")
def list_tables(platform: Platform = "", output: Form = Output.TABLE) -> None:
    """List tables with their rows and size.

    Example: aidatalabs tables list
    """

    async def work() -> None:
        async with await connect() as client:
            tables = await client.list_tables(platform_or_default(platform))
        if output is Output.JSON:
            print_json(data_service_pb2.ListTablesResponse(tables=tables))
            return
        rows = [
            [one.name, f"{one.row_count:,}", f"{one.size_bytes / 1e6:,.1f}", str(len(one.columns))]
            for one in tables
        ]
        print_table(["table", "rows", "MB", "columns"], rows)

    run(work())


@app.command()
def get(table: str, platform: Platform = "", output: Form = Output.TABLE) -> None:
    """Show a table's columns.

    Example: aidatalabs tables get flights
    """

    async def work() -> None:
        async with await connect() as client:
            found = await client.get_table(platform_or_default(platform), table)
        if output is Output.JSON:
            print_json(found)
            return
        ordered = f" · ordered by {', '.join(found.order_by)}" if found.order_by else ""
        console.print(f"[bold]{found.name}[/] {found.row_count:,} rows{ordered}")
        print_table(
            ["column", "type", "comment"],
            [[column.name, column.type, column.comment] for column in found.columns],
        )

    run(work())


@app.command()
def create(
    table: str,
    column: Annotated[list[str], typer.Option("--column", help="name:type, once for each column.")],
    order_by: Annotated[list[str] | None, typer.Option(help="A sorting column, repeatable.")] = None,
    platform: Platform = "",
) -> None:
    """Create a table.

    Example: aidatalabs tables create orders --column id:UInt64 --column total:Float64 --order-by id
    """
    pairs = [one.partition(":") for one in column]
    if any(not name or not kind for name, _, kind in pairs):
        raise typer.BadParameter("write name:type", param_hint="--column")
    described = table_pb2.Table(
        name=table,
        columns=[table_pb2.Column(name=name, type=kind) for name, _, kind in pairs],
        order_by=order_by or [],
    )

    async def work() -> None:
        async with await connect() as client:
            made = await client.create_table(platform_or_default(platform), described)
        console.print(f"[bold]{made.name}[/] has {len(made.columns)} columns")

    run(work())


@app.command()
def drop(table: str, platform: Platform = "") -> None:
    """Drop a table with all its rows.

    Example: aidatalabs tables drop orders
    """

    async def work() -> None:
        async with await connect() as client:
            await client.drop_table(platform_or_default(platform), table)
        console.print(f"{table} is dropped")

    run(work())
