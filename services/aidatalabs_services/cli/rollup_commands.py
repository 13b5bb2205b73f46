"""Commands about roll-ups: which there are and how far behind, declare one, drop one."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from aidatalabs_services.cli.failures import run
from aidatalabs_services.cli.forms import Output, RowsOutput, as_it_is
from aidatalabs_services.cli.options import Form, Platform, RowsForm, platform_or_default
from aidatalabs_services.cli.screen import console, print_csv, print_data, print_json, print_table

if TYPE_CHECKING:
    from aidatalabs.data.v1 import rollup_pb2

app = typer.Typer(
    help="Roll-ups of a platform's tables.\n\nExample: aidatalabs rollups list", no_args_is_help=True
)
_HEADINGS = ["roll-up", "table", "per", "dimensions", "filled by", "state", "rows", "rows behind", "seconds"]
_CSV_HEADINGS = [
    *("rollup", "table", "grain", "dimensions", "maintenance", "state"),
    *("row_count", "behind_rows", "lag_seconds"),
]
RollupName = Annotated[str, typer.Argument(metavar="ROLLUP", help="Name of the roll-up.")]


class Grain(Enum):
    """Width of a bucket."""

    HOUR = "hour"
    DAY = "day"


@app.command("list")
def list_rollups(platform: Platform = "", output: RowsForm = RowsOutput.TABLE) -> None:
    """List roll-ups with their state, and how far asynchronous ones are behind their tables.

    Example: aidatalabs rollups list
    """

    async def work() -> None:
        from aidatalabs.data.v1 import data_service_pb2, rollup_pb2
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            found = await client.rollups(platform_or_default(platform))
        if output is RowsOutput.JSON:
            print_json(data_service_pb2.ListRollupsResponse(rollups=found))
            return
        words = [
            [
                one.name,
                one.table,
                rollup_pb2.Rollup.Grain.Name(one.grain).lower(),
                ", ".join(one.dimensions),
                _filler(one),
                rollup_pb2.Rollup.State.Name(one.state).lower(),
            ]
            for one in found
        ]
        if output is RowsOutput.CSV:
            figures = [[str(one.row_count), str(one.behind_rows), f"{one.lag_seconds:.3f}"] for one in found]
            print_csv(_CSV_HEADINGS, [[*row, *more] for row, more in zip(words, figures, strict=True)])
        else:
            figures = [
                [f"{one.row_count:,}", f"{one.behind_rows:,}", f"{one.lag_seconds:.1f}"] for one in found
            ]
            print_table(_HEADINGS, [[*row, *more] for row, more in zip(words, figures, strict=True)])

    run(work())


@app.command()
def create(
    rollup: RollupName,
    table: Annotated[str, typer.Option(help="The table it is over.")],
    time: Annotated[str, typer.Option("--time", help="The table's column of days or times.")],
    grain: Annotated[Grain, typer.Option("--per", help="Width of a bucket.")] = Grain.DAY,
    dimension: Annotated[
        list[str] | None, typer.Option(help="A column, or a path as properties.page; repeatable.")
    ] = None,
    measure: Annotated[
        list[str] | None,
        typer.Option(help="column:kind, repeatable: value:sum, user_id:uniq, value:quantiles."),
    ] = None,
    asynchronous: Annotated[
        bool, typer.Option("--async", help="Filled by a worker at a distance, not by each insert.")
    ] = False,
    platform: Platform = "",
    output: Form = Output.TABLE,
) -> None:
    """Declare a roll-up; it is built in the background, and queries use it once it is ready.

    Example: aidatalabs rollups create by_user --table events --time timestamp --measure user_id:uniq --async
    """

    async def work() -> None:
        from aidatalabs.data.v1 import rollup_pb2
        from aidatalabs_services.cli.connection import connect

        declared = rollup_pb2.Rollup(
            name=rollup,
            table=table,
            time_column=time,
            grain=rollup_pb2.Rollup.Grain.Value(grain.name),
            dimensions=dimension or [],
            measures=[_measure(one) for one in measure or []],
            maintenance=rollup_pb2.Rollup.ASYNCHRONOUS if asynchronous else rollup_pb2.Rollup.SYNCHRONOUS,
        )
        async with await connect() as client:
            made = await client.create_rollup(platform_or_default(platform), declared)
        if output is Output.JSON:
            print_json(made)
        else:
            state = rollup_pb2.Rollup.State.Name(made.state).lower()
            console.print(f"[bold]{made.name}[/] over {made.table} is {state}, filled by {_filler(made)}")

    run(work())


@app.command()
def drop(rollup: RollupName, platform: Platform = "", output: Form = Output.TABLE) -> None:
    """Drop a roll-up; queries read the rows again, and it can be declared anew at any time.

    Example: aidatalabs rollups drop users_by_day
    """

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        place = platform_or_default(platform)
        async with await connect() as client:
            await client.drop_rollup(place, rollup)
        if output is Output.JSON:
            print_data({"platform": place, "rollup": rollup, "dropped": True})
        else:
            console.print(f"{as_it_is(rollup)} is dropped")

    run(work())


def _filler(rollup: rollup_pb2.Rollup) -> str:
    from aidatalabs.data.v1 import rollup_pb2

    return "a worker" if rollup.maintenance == rollup_pb2.Rollup.ASYNCHRONOUS else "inserts"


def _measure(text: str) -> rollup_pb2.RollupMeasure:
    """`column:kind` as a message. Raises typer.BadParameter."""
    from aidatalabs.data.v1 import rollup_pb2

    column, _, kind = text.partition(":")
    name = kind.strip().upper()
    if not column or name not in rollup_pb2.RollupMeasure.Kind.keys()[1:]:
        kinds = ", ".join(each.lower() for each in rollup_pb2.RollupMeasure.Kind.keys()[1:])
        raise typer.BadParameter(f"write column:kind, kind one of {kinds}", param_hint="--measure")
    return rollup_pb2.RollupMeasure(column=column, kind=rollup_pb2.RollupMeasure.Kind.Value(name))
