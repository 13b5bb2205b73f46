"""What a platform's tables look like: plain descriptions for the door, ingest and the catalogue."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from aidatalabs_services.runtime.errors import ServiceError


@dataclass(frozen=True)
class ColumnSchema:
    """One column: its name, its ClickHouse type as the engine writes it, and what it means."""

    name: str
    type: str
    comment: str = ""


@dataclass(frozen=True)
class TableSchema:
    """One table of a platform.

    `order_by` holds column names; `partition_by` and `ttl` are in the grammar of the contract
    (`toYYYYMM(day)`, `day + INTERVAL 90 DAY`), empty where the table has none. `identity` is the engine's id
    of the table: it differs when a table of the same name is dropped and made again.
    """

    name: str
    columns: tuple[ColumnSchema, ...]
    order_by: tuple[str, ...] = ()
    partition_by: str = ""
    ttl: str = ""
    comment: str = ""
    identity: str = ""

    @cached_property
    def types(self) -> Mapping[str, str]:
        """ClickHouse type by column name, in the order of the table."""
        return {column.name: column.type for column in self.columns}

    def column(self, name: str) -> ColumnSchema | None:
        """The column of this name, or None."""
        return next((column for column in self.columns if column.name == name), None)


Schema = Mapping[str, TableSchema]


def schema_version(schema: Schema) -> str:
    """A short hash that changes whenever a table or column of `schema` changes."""
    digest = hashlib.sha256()
    for name in sorted(schema):
        digest.update(repr(schema[name]).encode())
    return digest.hexdigest()[:16]


class SchemaCache:
    """The schema of every platform in use: read once for all callers, forgotten on every change.

    `read` fetches it from the engine. An entry is at most `ttl_seconds` old, so that another replica's DDL
    shows; `forget` is called by whoever changes a table here.
    """

    def __init__(self, read: Callable[[str], Awaitable[Schema]], *, ttl_seconds: float) -> None:
        self._read = read
        self._ttl_seconds = ttl_seconds
        self._entries: dict[str, tuple[float, Schema]] = {}
        self._reads: dict[str, asyncio.Task[Schema]] = {}
        self._changes: dict[str, int] = {}

    async def get(self, uid: str, *, patience_seconds: float | None = None) -> Schema:
        """Tables by name of the platform with this uid.

        With `patience_seconds` an engine that does not answer in that time does not hold the caller up: the
        last schema known is returned, however old. Without one to return, the caller waits all the same.
        """
        entry = self._entries.get(uid)
        if entry is not None and time.monotonic() < entry[0]:
            return entry[1]
        reading = self._reading(uid)
        if entry is None or patience_seconds is None:
            return await asyncio.shield(reading)
        try:
            return await asyncio.wait_for(asyncio.shield(reading), patience_seconds)
        except (TimeoutError, ServiceError):
            return entry[1]

    def _reading(self, uid: str) -> asyncio.Task[Schema]:
        """The one read of this schema that is under way; begun where none is."""
        task = self._reads.get(uid)
        if task is None:
            # Of its own context: the first caller's deadline must not end what others wait for.
            task = asyncio.create_task(self._refresh(uid), context=contextvars.Context())
            self._reads[uid] = task
            task.add_done_callback(lambda done: self._ended(uid, done))
        return task

    def _ended(self, uid: str, task: asyncio.Task[Schema]) -> None:
        if self._reads.get(uid) is task:
            del self._reads[uid]
        if not task.cancelled():
            task.exception()  # every caller may have gone away; then nobody else reads it

    async def _refresh(self, uid: str) -> Schema:
        change = self._changes.get(uid, 0)
        schema = await self._read(uid)
        # A table made while this read ran must not stay hidden behind the older answer.
        if change == self._changes.get(uid, 0):
            self._entries[uid] = (time.monotonic() + self._ttl_seconds, schema)
        return schema

    def forget(self, uid: str) -> None:
        """Makes the next `get` read anew."""
        self._changes[uid] = self._changes.get(uid, 0) + 1
        self._entries.pop(uid, None)
        self._reads.pop(uid, None)
