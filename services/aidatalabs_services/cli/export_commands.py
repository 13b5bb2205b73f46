"""The command that writes a query's whole result to a file: export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aidatalabs_services.cli.failures import CommandFailed, run
from aidatalabs_services.cli.forms import Output, as_it_is
from aidatalabs_services.cli.options import Form, Platform, platform_or_default
from aidatalabs_services.cli.screen import console, notes, print_data

_FORMATS = {".csv": "CSV", ".jsonl": "JSONL", ".ndjson": "JSONL", ".parquet": "PARQUET", ".arrow": "ARROW"}


def add_to(app: typer.Typer) -> None:
    """Adds this command to the program."""
    app.command()(export)


def export(
    sql: str,
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Ends in .csv, .jsonl, .parquet or .arrow.")],
    platform: Platform = "",
    output: Form = Output.TABLE,
) -> None:
    """Write all rows of one SELECT to a file; its ending says the format.

    Example: aidatalabs export "SELECT * FROM flights WHERE month = 7" july.parquet
    """

    async def work() -> None:
        form = _FORMATS.get(file.suffix.lower())
        if form is None:
            raise CommandFailed(
                f"{as_it_is(file.name)} has no ending that says its format.",
                f"Use one of {', '.join(_FORMATS)}.",
            )
        byte_count = await _write(platform_or_default(platform), sql, form, file)
        if output is Output.JSON:
            print_data({"file": str(file), "format": form, "byte_count": byte_count})
        else:
            console.print(f"{byte_count:,} bytes written to {as_it_is(str(file))}")

    run(work())


async def _write(platform: str, sql: str, form: str, file: Path) -> int:
    """Writes the file and returns its bytes; told as they arrive, since nobody knows how many will come."""
    from rich.progress import FileSizeColumn, Progress, SpinnerColumn, TextColumn, TransferSpeedColumn

    from aidatalabs_services.cli.connection import connect
    from aidatalabs_services.cli.whole_files import whole_file

    byte_count = 0
    columns = (SpinnerColumn(), TextColumn("{task.description}"), FileSizeColumn(), TransferSpeedColumn())
    # Complete or not at all: a file that is half there would pass for the whole.
    with whole_file(file) as target:
        async with await connect() as client:
            with Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as progress:
                task = progress.add_task(as_it_is(file.name), total=None)
                async for piece in client.export(platform, sql, form):
                    byte_count += target.write(piece)
                    progress.update(task, completed=byte_count)
    return byte_count
