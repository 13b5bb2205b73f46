"""The command that stores files: ingest, and how rows are sent."""

from __future__ import annotations

import csv
import gzip
import zipfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from aidatalabs_services.cli.failures import CommandFailed, run
from aidatalabs_services.cli.forms import Output, as_it_is
from aidatalabs_services.cli.options import Form, Platform, platform_or_default
from aidatalabs_services.cli.screen import console, notes, print_data

if TYPE_CHECKING:
    from aidatalabs_client import Client, DataFile

_SHOWN_REJECTED = 10
_SHOWN_RENAMED = 8


def add_to(app: typer.Typer) -> None:
    """Adds this command to the program."""
    app.command()(ingest)


def ingest(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help=".csv(.zip|.gz) .jsonl .parquet")],
    table: Annotated[str, typer.Option(help="Name of the table; default: the file's.")] = "",
    create: Annotated[
        bool, typer.Option("--create", help="Create the table from the file's columns.")
    ] = False,
    platform: Platform = "",
    output: Form = Output.TABLE,
) -> None:
    """Store the rows of a file. Running it again with the same file stores nothing twice.

    Example: aidatalabs ingest orders.csv --create
    """

    async def work() -> None:
        from aidatalabs_client.files import table_name  # slow to import, see the client

        name = table or table_name(file)
        place = platform_or_default(platform)
        renamed, sent = await _ingest(file, name, create, place)
        if output is Output.JSON:
            print_data({"platform": place, "table": name} | sent.to_dict())
        else:
            if renamed:
                tell_renamed(file, renamed)
            _tell_sent(sent, name, place)
        if sent.rejected:
            told = f"{len(sent.rejected):,} rows were rejected."
            raise CommandFailed(told, "Mend them and ingest them again.")

    run(work())


async def _ingest(path: Path, table: str, create: bool, platform: str) -> tuple[list[str], Sent]:
    """The names of the columns stored, and what became of the rows."""
    from aidatalabs.data.v1 import table_pb2
    from aidatalabs_client.files import content_key, read_file
    from aidatalabs_services.cli.connection import connect

    with notes.status(f"reading {as_it_is(path.name)}"):
        content = read_file(path)
    described = content.columns()
    async with await connect() as client:
        if create:
            columns = [table_pb2.Column(name=name, type=kind) for name, kind in described]
            await client.create_table(platform, table_pb2.Table(name=table, columns=columns))
        sent = await send_rows(client, platform, table, content, content_key(path))
    return [name for name, _ in described], sent


def _tell_sent(sent: Sent, table: str, platform: str) -> None:
    known = f", {sent.repeated_count:,} had been stored before" if sent.repeated_count else ""
    stored_count = sent.accepted_count - sent.repeated_count
    console.print(f"[bold]{stored_count:,}[/] rows stored in {as_it_is(table)} of {platform}{known}")
    for line in sent.rejected[:_SHOWN_REJECTED]:
        console.print(f"  {as_it_is(line)}")


def tell_renamed(path: Path, names: list[str]) -> None:
    """Says which headers of the file are called otherwise in the table."""
    pairs = zip(_headers(path), names, strict=False)
    renamed = [f"{old} is {new}" for old, new in pairs if old != new]
    if renamed:
        more = f" and {len(renamed) - _SHOWN_RENAMED} more" if len(renamed) > _SHOWN_RENAMED else ""
        told = ", ".join(renamed[:_SHOWN_RENAMED])
        console.print(f"[dim]columns were renamed: {as_it_is(told)}{more}[/]")


def _headers(path: Path) -> list[str]:
    """The header row of a file of text, packed or not; none for files that are not rows of text."""
    endings = [suffix.lower() for suffix in path.suffixes]
    if ".csv" not in endings and endings[-1:] != [".tsv"]:
        return []
    delimiter = "\t" if endings[-1:] == [".tsv"] else ","
    with ExitStack() as opened:
        packed: IO[bytes] = opened.enter_context(path.open("rb"))
        raw: IO[bytes] | gzip.GzipFile = packed
        if endings[-1:] == [".zip"]:
            archive = opened.enter_context(zipfile.ZipFile(packed))
            member = next(name for name in archive.namelist() if name.lower().endswith(".csv"))
            raw = opened.enter_context(archive.open(member))
        elif endings[-1:] == [".gz"]:
            raw = opened.enter_context(gzip.GzipFile(fileobj=packed))
        lines = TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="")
        return next(csv.reader(lines, delimiter=delimiter), [])


@dataclass
class Sent:
    """What became of the rows sent: those accepted, among them those that had come before, a line for each
    rejected one.
    """

    accepted_count: int = 0
    repeated_count: int = 0
    rejected: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, object]:
        """The same as a receipt has it; counts of rows."""
        return {
            "accepted_count": self.accepted_count,
            "duplicate_count": self.repeated_count,
            "rejected": self.rejected,
        }


async def send_rows(client: Client, platform: str, table: str, content: DataFile, key: str) -> Sent:
    """Sends all rows with a progress bar where there is a terminal; `key` makes each batch's request id."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    sent, first = Sent(), 1
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notes, disable=not notes.is_terminal) as progress:
        task = progress.add_task(as_it_is(table), total=content.row_count)
        for number, rows in enumerate(content.batches()):
            receipt = await client.ingest_rows(platform, table, rows, request_id=f"{key}-{number}")
            sent.accepted_count += receipt.accepted_count
            sent.repeated_count += receipt.duplicate_count
            sent.rejected += [
                f"row {first + row.index}: {row.message} ({row.reason})" for row in receipt.rejected
            ]
            first += len(rows)
            progress.advance(task, len(rows))
    return sent
