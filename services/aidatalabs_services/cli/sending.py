"""How commands send the rows of a file, and what became of them in words."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aidatalabs_services.cli.forms import as_it_is, json_is_wanted
from aidatalabs_services.cli.screen import notes

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Struct

    from aidatalabs.data.v1 import ingest_pb2
    from aidatalabs_client import Client, DataFile
    from aidatalabs_client.ingested import RejectedRow

_COLUMN = re.compile(r"column ([a-z_][a-z0-9_]*) ", re.IGNORECASE)
_SHOWN_CHARACTERS = 40


@dataclass
class Sent:
    """What became of the rows sent: those accepted, among them those that had come before, and the others.

    `lines` has one line of words for each rejected row.
    """

    accepted_count: int = 0
    repeated_count: int = 0
    rejected: list[RejectedRow] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, object]:
        """The same as a receipt has it; counts of rows."""
        return {
            "accepted_count": self.accepted_count,
            "duplicate_count": self.repeated_count,
            "rejected": self.lines,
        }


async def send_rows(client: Client, platform: str, table: str, content: DataFile, key: str = "") -> Sent:
    """Sends all rows with a progress bar where there is a terminal.

    With a `key` that makes the request ids; without, the content does, see `aidatalabs_client.batches`.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from aidatalabs_client.batches import store_batches
    from aidatalabs_client.ingested import RejectedRow

    async def send(rows: list[Struct], name: str) -> ingest_pb2.Receipt:
        return await client.ingest_rows(platform, table, rows, request_id=name)

    sent = Sent()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=notes, disable=not notes.is_terminal) as progress:
            task = progress.add_task(as_it_is(table), total=content.row_count)
            async for batch in store_batches(content, send, key=key):
                sent.accepted_count += batch.receipt.accepted_count
                sent.repeated_count += batch.receipt.duplicate_count
                for row in batch.receipt.rejected:
                    sent.rejected.append(RejectedRow(batch.start + row.index, row.reason, row.message))
                    sent.lines.append(_line(sent.rejected[-1], content))
                progress.advance(task, batch.row_count)
    except asyncio.CancelledError:
        if not json_is_wanted():
            done = f"{sent.accepted_count:,} of {content.row_count:,} rows are stored"
            notes.print(f"{done}; run the same command again to go on")
        raise
    return sent


def counted(count: int, verb: str = "") -> str:
    """`1 row was stored`, `2 rows were stored`; without a verb `1 row`, `2 rows`."""
    rows = f"{count:,} row" if count == 1 else f"{count:,} rows"
    if not verb:
        return rows
    return f"{rows} {'was' if count == 1 else 'were'} {verb}"


def _line(row: RejectedRow, content: DataFile) -> str:
    value = _value(row, content)
    return f"row {row.index + 1}: {row.message}{value} ({row.reason})"


def _value(row: RejectedRow, content: DataFile) -> str:
    """The value that was refused, shortened; nothing where the message names no column with one."""
    named = _COLUMN.match(row.message)
    if named is None or named[1] not in content.table.column_names or row.reason == "COLUMN_NOT_KNOWN":
        return ""
    value = content.table.column(named[1])[row.index]
    if not value.is_valid:
        return ""
    text = str(value)
    short = text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
    return f", it is {short!r}"
