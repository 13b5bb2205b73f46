"""The command that stores files: ingest."""

from __future__ import annotations

import csv
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aidatalabs_services.cli.failures import USAGE_EXIT, CommandFailed, run
from aidatalabs_services.cli.forms import Output, as_it_is, platform_option
from aidatalabs_services.cli.ingest_ledger import IngestLedger, beginning_of
from aidatalabs_services.cli.options import Form, Platform, platform_or_default
from aidatalabs_services.cli.screen import console, notes, print_data, print_table
from aidatalabs_services.cli.sending import Sent, counted, send_rows

if TYPE_CHECKING:
    from aidatalabs.data.v1 import table_pb2
    from aidatalabs_client import Client, DataFile

_SHOWN_REJECTED = 10
_SHOWN_RENAMED = 8
_SHOWN_COLUMNS = 20
_FLAT = (".csv", ".tsv")
_INVALID_EXIT, _NOT_FOUND_EXIT, _EXISTS_EXIT = 3, 5, 6  # the numbers of these gRPC codes


def add_to(app: typer.Typer) -> None:
    """Adds this command to the program."""
    app.command()(ingest)


@dataclass(frozen=True)
class _Job:
    """What is stored where. `again`: also where rows of it were stored before. `rejected` is the file for
    rejected rows.
    """

    file: Path
    table: str
    platform: str
    create: bool
    again: bool
    rejected: Path | None


@dataclass(frozen=True)
class _Done:
    """The file, the columns of a table made of it (name, type, note), and what became of the rows."""

    content: DataFile
    made: list[list[str]]
    sent: Sent


def ingest(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help=".csv(.zip|.gz) .tsv .jsonl .parquet")
    ],
    table: Annotated[str, typer.Option(help="Name of the table; default: the file's.")] = "",
    create: Annotated[
        bool, typer.Option("--create", help="Create the table from the file's columns.")
    ] = False,
    rejected: Annotated[
        Path | None,
        typer.Option(
            "--rejected",
            dir_okay=False,
            metavar="FILE",
            help="Write the rejected rows here, to be mended and ingested alone; the reasons go beside it.",
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Store all rows, although rows of this file were stored before.")
    ] = False,
    platform: Platform = "",
    output: Form = Output.TABLE,
) -> None:
    """Store the rows of a file.

    Running it again with the same file stores nothing twice; of a file that has grown at its end it stores
    the new rows. A file that was changed in any other way is refused, unless --again says otherwise.

    Example: aidatalabs ingest orders.csv --create
    """

    async def work() -> None:
        from aidatalabs_client.files import table_name  # slow to import, see the client

        _check_rejected(rejected, file)
        job = _Job(file, table or table_name(file), platform_or_default(platform), create, again, rejected)
        done = await _ingest(job)
        if output is Output.JSON:
            print_data({"platform": job.platform, "table": job.table} | done.sent.to_dict())
        else:
            _tell_made(job, done)
            _tell_sent(done.sent, job)
        if done.sent.rejected:
            _fail_over_rejected(job, done)

    run(work())


def _check_rejected(rejected: Path | None, file: Path) -> None:
    """Raises CommandFailed where rejected rows could not be written, before anything is stored."""
    from aidatalabs_client.files import WRITABLE

    if rejected is None:
        return
    if rejected.suffix.lower() not in WRITABLE:
        raise CommandFailed(f"--rejected {rejected.name}: its ending should be one of {', '.join(WRITABLE)}.",
                            "Name it like rejected.csv.", USAGE_EXIT)  # fmt: skip
    if not rejected.parent.is_dir():
        raise CommandFailed(f"There is no folder {rejected.parent} for --rejected.",
                            "Make it first, or name a file in another folder.", USAGE_EXIT)  # fmt: skip
    if rejected.resolve() == file.resolve():
        raise CommandFailed("--rejected names the file itself.", "Name another file.", USAGE_EXIT)


def _check_form(job: _Job, content: DataFile) -> None:
    """Raises CommandFailed where the file for rejected rows cannot hold the values of these."""
    if job.rejected is not None and job.rejected.suffix.lower() in _FLAT and content.nested:
        raise CommandFailed(
            f"--rejected {job.rejected.name}: column {content.nested[0]} holds objects or lists, which such "
            "a file has no form for. Nothing was stored.",
            f"Name it {job.rejected.with_suffix('.jsonl').name}.",
            USAGE_EXIT,
        )


async def _ingest(job: _Job) -> _Done:
    from aidatalabs_client import RowsDiffer, read_file
    from aidatalabs_client.files import content_key
    from aidatalabs_services.cli.connection import connect

    async with await connect() as client:
        known = await _known_table(client, job)
        columns = None if known is None else [(column.name, column.type) for column in known.columns]
        with notes.status(f"reading {as_it_is(job.file.name)}"):
            content = read_file(job.file, columns)
        _check_form(job, content)
        made = await _make_table(client, job, content) if known is None else []
        if known is not None and columns is not None:
            _check_columns(content, known, job)
            content = content.as_stored(columns)
        ledger, place = await _ledger(client, job)
        if known is None:
            ledger.forget(place)  # whatever it knows was stored in a table that is gone
        beginning = beginning_of(content)
        if known is not None and known.row_count and not job.again:
            _refuse_what_is_stored(ledger, place, job, beginning)
        key = content_key(job.file) if job.again else ""
        try:
            sent = await send_rows(client, job.platform, job.table, content, key)
        except RowsDiffer as differ:
            raise _stored_before(f"{str(differ)[0].upper()}{str(differ)[1:]}.") from differ
        ledger.note(place, job.file.name, beginning, [row.index for row in sent.rejected])
    return _Done(content, made, sent)


async def _known_table(client: Client, job: _Job) -> table_pb2.Table | None:
    """The table; None where it is to be made. Raises CommandFailed where there is none and nobody said so."""
    from aidatalabs_client.errors import TableNotFound

    try:
        return await client.get_table(job.platform, job.table)
    except TableNotFound as missing:
        if job.create:
            return None
        raise CommandFailed(
            f"There is no table {job.table} in {job.platform}.",
            "Add --create to make it from the file's columns, or name another with --table or --platform.",
            _NOT_FOUND_EXIT,
            code="NOT_FOUND",
            reason="TABLE_NOT_FOUND",
        ) from missing


async def _make_table(client: Client, job: _Job, content: DataFile) -> list[list[str]]:
    """Makes the table of the file's columns; returns their names, types and notes."""
    from aidatalabs.data.v1 import table_pb2
    from aidatalabs_services.cli.column_notes import column_rows

    made = column_rows(content)
    columns = [table_pb2.Column(name=name, type=kind) for name, kind, _ in made]
    await client.create_table(job.platform, table_pb2.Table(name=job.table, columns=columns))
    return made


def _check_columns(content: DataFile, table: table_pb2.Table, job: _Job) -> None:
    """Raises CommandFailed for a column that the table does not have: every row would be rejected for it."""
    known = [column.name for column in table.columns]
    strange = [name for name in content.table.column_names if name not in known]
    if strange:
        more = "" if len(known) <= _SHOWN_COLUMNS else ", …"
        raise CommandFailed(
            f"The table {table.name} of {job.platform} has no column {', '.join(strange[:_SHOWN_RENAMED])}; "
            f"it has {', '.join(known[:_SHOWN_COLUMNS])}{more}. Nothing was stored.",
            "Mend the file's header, or store it in a table of its own with --table NAME --create.",
            _INVALID_EXIT,
            code="INVALID_ARGUMENT",
            reason="COLUMN_NOT_KNOWN",
        )


async def _ledger(client: Client, job: _Job) -> tuple[IngestLedger, str]:
    """The book of stored files, and what it calls this table: of this very platform, on this mesh."""
    from aidatalabs_services.mesh.home import MeshHome
    from aidatalabs_services.mesh.settings import MeshSettings

    uid = (await client.get_platform(job.platform)).uid
    return IngestLedger(MeshHome.at(MeshSettings().home).path), f"{uid}/{job.table}"


def _refuse_what_is_stored(ledger: IngestLedger, place: str, job: _Job, beginning: list[str]) -> None:
    found = ledger.like(place, job.file.name, beginning) if beginning else None
    if found is not None:
        earlier, shared = found
        told = f"{counted(shared)} of the first {len(beginning):,} of {job.file.name}"
        stored = f"{'is' if shared == 1 else 'are'} in {job.table} already, from {earlier.file}"
        raise _stored_before(f"{told} {stored}; nothing was stored now.")


def _stored_before(told: str) -> CommandFailed:
    return CommandFailed(
        told,
        "Put the new or mended rows into a file of their own and ingest that (`--rejected FILE` writes those "
        "that are rejected to one), or store the whole file once more with --again.",
        _EXISTS_EXIT,
        code="ALREADY_EXISTS",
        reason="IDEMPOTENCY_MISMATCH",
    )


def _tell_made(job: _Job, done: _Done) -> None:
    """Prints the columns of a table that was made, and which headers are called otherwise in a table."""
    if done.made:
        console.print(f"[bold]{as_it_is(job.table)}[/] is a new table of {job.platform}")
        noted = any(note for _, _, note in done.made)
        print_table(
            ["column", "type", "note"][: 3 if noted else 2], [row[: 3 if noted else 2] for row in done.made]
        )
    tell_renamed(done.content)


def _tell_sent(sent: Sent, job: _Job) -> None:
    known = f", {sent.repeated_count:,} had been stored before" if sent.repeated_count else ""
    stored_count = sent.accepted_count - sent.repeated_count
    rows = "row" if stored_count == 1 else "rows"
    console.print(
        f"[bold]{stored_count:,}[/] {rows} stored in {as_it_is(job.table)} of {job.platform}{known}"
    )
    for line in sent.lines[:_SHOWN_REJECTED]:
        console.print(f"  {as_it_is(line)}")
    if len(sent.lines) > _SHOWN_REJECTED:
        console.print(f"  … and {len(sent.lines) - _SHOWN_REJECTED:,} more")


def _fail_over_rejected(job: _Job, done: _Done) -> None:
    """Writes the rejected rows where a file is named for them, and ends the command with the next step."""
    told = f"{counted(len(done.sent.rejected), 'rejected')}."
    asked = ["aidatalabs", "ingest", str(job.file), "--table", job.table, *platform_option()]
    rejected = job.rejected
    if rejected is None:
        ending = ".jsonl" if done.content.nested else ".csv"
        asked += ["--rejected", f"{job.table}-rejected{ending}"]
        raise CommandFailed(
            told,
            f"What was taken stays stored. To mend the rest, have it written to a file: {shlex.join(asked)}",
        )
    reasons = _write_rejected(done, rejected)
    asked[2] = str(rejected)
    raise CommandFailed(
        told, f"They are in {rejected}, the reasons in {reasons}. Mend them there, then: {shlex.join(asked)}"
    )


def _write_rejected(done: _Done, rejected: Path) -> Path:
    """Writes the rejected rows as a file that ingest takes; returns the file beside it with their reasons."""
    done.content.rows([row.index for row in done.sent.rejected]).write(rejected)
    reasons = rejected.with_name(f"{rejected.stem}.reasons.csv")
    with reasons.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["row", "row_of_file", "reason", "message"])
        for number, (row, line) in enumerate(zip(done.sent.rejected, done.sent.lines, strict=True), 1):
            message = line.partition(": ")[2].rpartition(" (")[0]
            writer.writerow([number, row.index + 1, row.reason, message])
    return reasons


def tell_renamed(content: DataFile) -> None:
    """Says which headers of the file are called otherwise in the table."""
    pairs = zip(content.headers, content.table.column_names, strict=True)
    renamed = [f"{old} is {new}" for old, new in pairs if old != new]
    if renamed:
        more = f" and {len(renamed) - _SHOWN_RENAMED} more" if len(renamed) > _SHOWN_RENAMED else ""
        told = ", ".join(renamed[:_SHOWN_RENAMED])
        console.print(f"[dim]columns were renamed: {as_it_is(told)}{more}[/]")
