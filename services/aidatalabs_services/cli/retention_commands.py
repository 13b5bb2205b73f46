"""Commands about data that goes and comes back; they stand under `aidatalabs tables`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aidatalabs_services.cli.confirming import Yes, confirm, somebody_can_confirm
from aidatalabs_services.cli.failures import run
from aidatalabs_services.cli.forms import Output, RowsOutput, as_it_is
from aidatalabs_services.cli.options import Form, Platform, RowsForm, TableName, platform_or_default
from aidatalabs_services.cli.screen import console, print_csv, print_json, print_table

if TYPE_CHECKING:
    from aidatalabs.data.v1 import deletion_pb2

DryRun = Annotated[bool, typer.Option("--dry-run", help="Count only, delete nothing.")]
_HEADINGS = ["table", "state", "matched", "deleted", "left", "off the disk"]


def undrop(table: TableName, platform: Platform = "", output: Form = Output.TABLE) -> None:
    """Bring a dropped table back with its rows, within the grace period.

    Example: aidatalabs tables undrop orders
    """

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            found = await client.undrop_table(platform_or_default(platform), table)
        if output is Output.JSON:
            print_json(found)
        else:
            console.print(f"{as_it_is(found.name)} is back with {found.row_count:,} rows")

    run(work())


def update(
    table: TableName,
    ttl: Annotated[
        str | None, typer.Option(help="`day + INTERVAL 90 DAY`; empty keeps rows for good.")
    ] = None,
    comment: Annotated[str | None, typer.Option(help="What the table holds.")] = None,
    platform: Platform = "",
    yes: Yes = False,
    output: Form = Output.TABLE,
) -> None:
    """Change how long rows are kept, or the comment. Before a ttl it asks where somebody can answer.

    Example: aidatalabs tables update events --ttl "timestamp + INTERVAL 2 YEAR"
    """
    if ttl is None and comment is None:
        raise typer.BadParameter("name what to change", param_hint="--ttl or --comment")

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        place = platform_or_default(platform)
        if ttl and not yes and somebody_can_confirm():
            confirm(f"Keep rows of {table} of {place} for {ttl} only, and remove older ones for good?")
        async with await connect() as client:
            found = await client.update_table(place, table, ttl=ttl, comment=comment)
        if output is Output.JSON:
            print_json(found)
        else:
            kept = f"kept for {as_it_is(found.ttl)}" if found.ttl else "kept for good"
            console.print(f"{as_it_is(found.name)}: rows are {kept}")

    run(work())


def delete_rows(
    table: TableName,
    where: Annotated[str, typer.Option(help="A condition over the table's columns, as after WHERE.")],
    max_count: Annotated[
        int | None, typer.Option(help="The most rows that may match; with more nothing is deleted.", min=0)
    ] = None,
    dry_run: DryRun = False,
    platform: Platform = "",
    yes: Yes = False,
    output: Form = Output.TABLE,
) -> None:
    """Delete the rows a condition holds for, for good. It asks first where somebody can answer.

    Example: aidatalabs tables delete-rows orders --where "id < 10" --max-count 10 --yes
    """

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        place = platform_or_default(platform)
        async with await connect() as client:
            if not (dry_run or yes) and somebody_can_confirm():
                counted = await client.delete_rows(place, table, where, dry_run=True)
                confirm(f"Delete {counted.tables[0].matched_count:,} rows of {table} of {place} for good?")
            found = await client.delete_rows(place, table, where, max_count=max_count, dry_run=dry_run)
        _show(found, output)

    run(work())


def delete_user(
    user_id: Annotated[str, typer.Argument(metavar="USER_ID", help="Value of the user_id columns.")],
    dry_run: DryRun = False,
    platform: Platform = "",
    yes: Yes = False,
    output: Form = Output.TABLE,
) -> None:
    """Delete a person's rows from every table, for good. It asks first where somebody can answer.

    Example: aidatalabs tables delete-user 42 --yes
    """

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        place = platform_or_default(platform)
        if not (dry_run or yes) and somebody_can_confirm():
            confirm(f"Delete every row of user {user_id} in {place} for good?")
        async with await connect() as client:
            found = await client.delete_user_data(place, user_id, dry_run=dry_run)
        _show(found, output)

    run(work())


def deletions(platform: Platform = "", output: RowsForm = RowsOutput.TABLE) -> None:
    """List deletions with their evidence, the latest first.

    Example: aidatalabs tables deletions --output json
    """

    async def work() -> None:
        from aidatalabs.data.v1 import deletion_pb2
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            found = await client.list_deletions(platform_or_default(platform))
        rows = [
            [one.name.rpartition("/")[2], one.create_time.ToJsonString(), *cells]
            for one in found
            for cells in _cells(one)
        ]
        if output is RowsOutput.JSON:
            print_json(deletion_pb2.ListDeletionsResponse(deletions=found))
        elif output is RowsOutput.CSV:
            print_csv(["deletion", "time", *_HEADINGS], rows)
        else:
            print_table(["deletion", "time", *_HEADINGS], rows)

    run(work())


def _show(deletion: deletion_pb2.Deletion, output: Output) -> None:
    if output is Output.JSON:
        print_json(deletion)
        return
    print_table(_HEADINGS, _cells(deletion))
    if deletion.name:
        console.print(f"evidence: {as_it_is(deletion.name)}")


def _cells(deletion: deletion_pb2.Deletion) -> list[list[str]]:
    from aidatalabs.data.v1 import deletion_pb2

    return [
        [
            f"{one.table} (dropped)" if one.dropped else one.table,
            deletion_pb2.TableDeletion.State.Name(one.state),
            f"{one.matched_count:,}",
            f"{one.deleted_count:,}",
            f"{one.remaining_count:,}" if one.HasField("remaining_count") else "",
            "yes" if one.physically_removed else "not yet",
        ]
        for one in deletion.tables
    ]


def register(app: typer.Typer) -> None:
    """Adds these commands to `aidatalabs tables`."""
    app.command()(undrop)
    app.command()(update)
    app.command("delete-rows")(delete_rows)
    app.command("delete-user")(delete_user)
    app.command()(deletions)
