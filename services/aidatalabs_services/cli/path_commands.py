"""The command about typed paths of JSON columns; it stands under `aidatalabs tables`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aidatalabs_services.cli.confirming import Yes, confirm, somebody_can_confirm
from aidatalabs_services.cli.failures import run
from aidatalabs_services.cli.forms import Output, as_it_is
from aidatalabs_services.cli.options import Form, Platform, TableName, platform_or_default
from aidatalabs_services.cli.screen import console, print_json, print_table

if TYPE_CHECKING:
    from aidatalabs.data.v1 import typed_path_pb2

_HEADINGS = ["path", "rows", "types seen", "declared", "suggested", "why"]


def paths(
    table: TableName,
    declare: Annotated[
        list[str] | None, typer.Option("--type", help="path=type to declare, repeatable: cart.total=Float64.")
    ] = None,
    untype: Annotated[
        list[str] | None, typer.Option(help="A path whose declaration is taken back, repeatable.")
    ] = None,
    column: Annotated[str, typer.Option(help="The JSON column.")] = "properties",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, change nothing.")] = False,
    allow_retyping: Annotated[
        bool, typer.Option("--allow-retyping", help="Accept that values get another dynamic type.")
    ] = False,
    platform: Platform = "",
    yes: Yes = False,
    output: Form = Output.TABLE,
) -> None:
    """Show which paths of a JSON column are worth a type, declare them, or take that back.

    Example: aidatalabs tables paths events --type cart.total=Float64 --type page=String
    """
    pairs = [one.rpartition("=") for one in declare or []]
    if any(not path or not kind for path, _, kind in pairs):
        raise typer.BadParameter("write path=type", param_hint="--type")
    types = {path: kind for path, _, kind in pairs}

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        place = platform_or_default(platform)
        async with await connect() as client:
            if not types and not untype:
                found = await client.suggest_paths(place, table, column)
                print_json(found) if output is Output.JSON else _print_suggestions(found)
                return
            if not dry_run and not yes and somebody_can_confirm():
                confirm(f"Change the declared paths of {column} in {table} of {place}?")
            plan = await client.type_paths(
                place,
                table,
                types,
                untype=untype or [],
                column=column,
                validate_only=dry_run,
                allow_retyping=allow_retyping,
            )
        print_json(plan) if output is Output.JSON else _print_plan(plan)

    run(work())


def register(app: typer.Typer) -> None:
    """Adds the command to `aidatalabs tables`."""
    app.command()(paths)


def _print_suggestions(found: typed_path_pb2.SuggestPathsResponse) -> None:
    looked = f"{found.row_count:,} rows{' (a sample)' if found.sampled else ''}"
    console.print(f"{as_it_is(found.type)} · {looked}")
    rows = [
        [
            each.path,
            f"{each.share:.0%}",
            ", ".join(seen.type for seen in each.seen),
            each.declared_type,
            each.suggested_type,
            each.explanation,
        ]
        for each in found.paths
    ]
    print_table(_HEADINGS, rows)


def _print_plan(plan: typed_path_pb2.TypePathsResponse) -> None:
    word = "is" if plan.changed else "stays" if plan.type_before == plan.type_after else "would be"
    console.print(f"the column {word} {as_it_is(plan.type_after)}; it was {as_it_is(plan.type_before)}")
    rows = [
        [each.path, f"{each.row_count:,}", each.type_before or "dynamic", each.type_after or "dynamic", ""]
        for each in plan.changes
    ]
    rows += [
        [each.path, f"{each.row_count:,}", each.type, "another type", each.example] for each in plan.retyped
    ]
    rows += [[each.path, f"{each.row_count:,}", "", "does not fit", each.example] for each in plan.misfits]
    if rows:
        print_table(["path", "rows", "before", "after", "example"], rows)
