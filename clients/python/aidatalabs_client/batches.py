"""A file's rows in the calls that store them, so that rows stored before are recognised.

The request id of a batch is made of what lies before it in the file, and of its first row: the same file
finds its batches again, whatever it is called, and so does the file once rows were added at its end. Where a
batch was stored shorter than it is now, the service says how many rows it had; those are sent again as they
were, and the rows after them are new. Where they differ otherwise, nothing more is sent: see RowsDiffer.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from google.protobuf.struct_pb2 import Struct, Value

from aidatalabs.data.v1 import ingest_pb2
from aidatalabs_client.errors import IdempotencyMismatch
from aidatalabs_client.files import DataFile
from aidatalabs_client.ingested import RowsDiffer

_ANY_BYTES = 2**31

Send = Callable[[list[Struct], str], Awaitable[ingest_pb2.Receipt]]
"""Stores rows under a request id, which makes a repetition harmless."""


@dataclass(frozen=True)
class StoredBatch:
    """Rows from `start` on (from 0), and what became of them."""

    start: int
    row_count: int
    receipt: ingest_pb2.Receipt


async def store_batches(content: DataFile, send: Send, *, key: str = "") -> AsyncIterator[StoredBatch]:
    """Stores all rows, batch by batch, and yields what became of each; stop the iteration to stop sending.

    With a `key` the batches are told apart by that and their number alone: rows stored under another key are
    stored again. Raises RowsDiffer, and what `send` raises.
    """
    ids = _KeyedIds(key) if key else _ContentIds(content)
    start, rows = 0, await asyncio.to_thread(content.batch, 0)
    while rows:
        name = await asyncio.to_thread(ids.of, start)
        # While one batch is on its way, a thread makes the messages of the next.
        following = asyncio.create_task(asyncio.to_thread(content.batch, start + len(rows)))
        try:
            receipt = await send(rows, name)
        except IdempotencyMismatch as refused:
            following.cancel()
            rows = await _as_first_sent(content, start, rows, refused)
            following = asyncio.create_task(asyncio.to_thread(content.batch, start + len(rows)))
            receipt = await _again(send, rows, name, start)
        finally:
            upcoming = (await asyncio.gather(following, return_exceptions=True))[0]
        if isinstance(upcoming, BaseException):
            raise upcoming
        yield StoredBatch(start, len(rows), receipt)
        await asyncio.to_thread(ids.passed, rows)
        start, rows = start + len(rows), upcoming


async def _as_first_sent(
    content: DataFile, start: int, rows: list[Struct], refused: IdempotencyMismatch
) -> list[Struct]:
    """The rows that the first call of this id may have had: so many of the file, if it only grew."""
    row_count = int(refused.metadata.get("first_row_count", "0"))
    if not row_count:
        raise refused
    if row_count == len(rows) or start + row_count > content.row_count:
        raise RowsDiffer(start + 1, row_count) from refused
    return await asyncio.to_thread(content.batch, start, row_count, _ANY_BYTES)


async def _again(send: Send, rows: list[Struct], name: str, start: int) -> ingest_pb2.Receipt:
    try:
        return await send(rows, name)
    except IdempotencyMismatch as refused:
        raise RowsDiffer(start + 1, len(rows)) from refused


class _KeyedIds:
    """Ids of a key and the number of the batch."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._number = 0

    def of(self, start: int) -> str:
        """The id of the batch at this place."""
        return f"{self._key}-{self._number}"

    def passed(self, rows: list[Struct]) -> None:
        """The next batch is asked for next."""
        self._number += 1


class _ContentIds:
    """Ids of the rows before a batch and its first row, by their SHA-256."""

    def __init__(self, content: DataFile) -> None:
        self._content = content
        self._before = hashlib.sha256()

    def of(self, start: int) -> str:
        """The id of the batch at this place."""
        digest = self._before.copy()
        # In words: whether `2` is a number or a text depends on the rows beside it, and they may change.
        for row in self._content.batch(start, 1):
            digest.update(row_text(row).encode())
        return f"rows-{digest.hexdigest()[:32]}"

    def passed(self, rows: list[Struct]) -> None:
        """These rows lie before the next batch."""
        _add(self._before, rows)


def row_text(row: Struct) -> str:
    """A row in words that are the same whether its numbers came as numbers or as texts."""
    return json.dumps({name: _plain(row.fields[name]) for name in sorted(row.fields)})


def _plain(value: Value) -> object:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        try:
            return float(value.string_value)
        except ValueError:
            return value.string_value
    if kind in ("struct_value", "list_value"):
        return value.SerializeToString(deterministic=True).hex()
    return None if kind in (None, "null_value") else getattr(value, kind)


def _add(digest: hashlib._Hash, rows: list[Struct]) -> None:
    for row in rows:
        content = row.SerializeToString(deterministic=True)
        digest.update(len(content).to_bytes(4, "little"))
        digest.update(content)
