"""Commands about data: ask, query, ingest."""

from __future__ import annotations

import csv
import gzip
import hashlib
import zipfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from aidatalabs.data.v1 import table_pb2
from aidatalabs_client import Client
from aidatalabs_services.cli.connection import ConnectionSettings, connect
from aidatalabs_services.cli.failures import CommandFailed, remember_form, run
from aidatalabs_services.cli.screen import Output, as_it_is, console, print_answer, print_json, print_result

if TYPE_CHECKING:
    from aidatalabs_client import DataFile

Platform = Annotated[str, typer.Option("--platform", help="platforms/{id}; default $AIDATALABS_PLATFORM.")]
Form = Annotated[Output, typer.Option("--output", help="table or json.", callback=remember_form)]
_SHOWN_REJECTED = 10
_SHOWN_RENAMED = 8


def add_to(app: typer.Typer) -> None:
    """Adds these commands to the program."""
    for command in (ask, query, ingest):
        app.command()(command)


def platform_or_default(name: str) -> str:
    """`platforms/{id}` of what was given: a name, a bare id, or nothing."""
    name = name or ConnectionSettings().platform
    return name if name.startswith("platforms/") else f"platforms/{name}"


def ask(question: str, platform: Platform = "", output: Form = Output.TABLE) -> None:
    """Ask a question in plain words.

    Example: aidatalabs ask "top 10 destinations by number of flights"
    """

    async def work() -> None:
        async with await connect() as client:
            answer = await client.ask(platform_or_default(platform), question)
        if output is Output.JSON:
            print_json(answer)
        else:
            print_answer(answer)

    run(work())


def query(
    sql: str,
    platform: Platform = "",
    max_rows: Annotated[int, typer.Option(help="At most this many rows, up to 10,000.")] = 0,
    output: Form = Output.TABLE,
) -> None:
    """Run one SELECT.

    Example: aidatalabs query "SELECT carrier, count() FROM flights GROUP BY carrier"
    """

    async def work() -> None:
        async with await connect() as client:
            answer = await client.query(platform_or_default(platform), sql, max_rows=max_rows)
        if output is Output.JSON:
            print_json(answer)
            return
        print_result(answer.result, shown_rows=max_rows or 50)
        cost = answer.statistics
        console.print(f"[dim]read {cost.read_rows:,} rows in {cost.elapsed_seconds:.3f} s[/]")

    run(work())


def ingest(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help=".csv(.zip|.gz) .jsonl .parquet")],
    table: Annotated[str, typer.Option(help="Name of the table; default: the file's.")] = "",
    create: Annotated[
        bool, typer.Option("--create", help="Create the table from the file's columns.")
    ] = False,
    platform: Platform = "",
) -> None:
    """Store the rows of a file. Running it again with the same file stores nothing twice.

    Example: aidatalabs ingest orders.csv --create
    """

    async def work() -> None:
        await _ingest(file, table or _table_name(file), create, platform_or_default(platform))

    run(work())


def _table_name(file: Path) -> str:
    """The table's name where none was given; one that starts with `_` is reserved."""
    from aidatalabs_client.files import column_name  # slow to import, see the client

    name = column_name(file.name.split(".")[0])
    return f"table{name}" if name.startswith("_") else name


async def _ingest(path: Path, table: str, create: bool, platform: str) -> None:
    from aidatalabs_client import read_file

    content = read_file(path)
    async with await connect() as client:
        if create:
            columns = [table_pb2.Column(name=name, type=kind) for name, kind in content.columns()]
            await client.create_table(platform, table_pb2.Table(name=table, columns=columns))
        sent = await send_rows(client, platform, table, content, _content_key(path))
    known = f", {sent.repeated_count:,} had been stored before" if sent.repeated_count else ""
    tell_renamed(path, [name for name, _ in content.columns()])
    stored_count = sent.accepted_count - sent.repeated_count
    console.print(f"[bold]{stored_count:,}[/] rows stored in {as_it_is(table)} of {platform}{known}")
    if sent.rejected:
        for line in sent.rejected[:_SHOWN_REJECTED]:
            console.print(f"  {as_it_is(line)}")
        raise CommandFailed(f"{len(sent.rejected):,} rows were rejected.", "Mend them and ingest them again.")


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


def _content_key(path: Path) -> str:
    """A key for this file's content: the same file sent again is recognised batch by batch."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


@dataclass
class Sent:
    """What became of the rows sent: those accepted, among them those that had come before, a line for each
    rejected one.
    """

    accepted_count: int = 0
    repeated_count: int = 0
    rejected: list[str] = field(default_factory=list)


async def send_rows(client: Client, platform: str, table: str, content: DataFile, key: str) -> Sent:
    """Sends all rows with a progress bar where there is a terminal; `key` makes each batch's request id."""
    sent, first = Sent(), 1
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
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
