"""Which version of its tables a platform holds: read from the engine for each call, shared by those who wait.

A version is a hash over block numbers, row counts and mutations. It never comes back once it has changed, so
the same version before and after a query says that no row came or went while it ran.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from aidatalabs_services.data.schema import Schema

Fingerprints = Mapping[str, str]
_KEPT_PLATFORMS = 1000
_UNWRITTEN_SECONDS = 60.0


def data_version(schema: Schema, fingerprints: Fingerprints, tables: Iterable[str]) -> str:
    """A short hash that changes whenever rows of `tables` change, or one is dropped and made anew."""
    digest = hashlib.sha256()
    for name in sorted(set(tables)):
        identity = schema[name].identity if name in schema else ""
        digest.update(repr((name, identity, fingerprints.get(name, ""))).encode())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class _Known:
    """A reading that has ended: when it began, and how many writes there had been then."""

    moment: float
    fingerprints: Fingerprints
    writes: int


@dataclass(eq=False)
class _Reading:
    """One reading for everybody who asked before it began."""

    task: asyncio.Task[Fingerprints] = field(init=False)
    begun: bool = False


class DataVersions:
    """The fingerprints of every platform's tables, by the platform's uid.

    `read` fetches them from the engine. However many callers ask, one reading of a platform runs at a time.
    `writes` counts beginnings and ends of what this process writes into a platform, where nobody else does.
    """

    def __init__(
        self,
        read: Callable[[str], Awaitable[Fingerprints]],
        writes: Callable[[str], int] | None = None,
    ) -> None:
        self._read = read
        self._writes = writes
        self._readings: dict[str, _Reading] = {}
        self._latest: OrderedDict[str, _Known] = OrderedDict()

    async def now(self, uid: str) -> Fingerprints:
        """The fingerprints by a reading that began after this call: it sees every row acknowledged before.

        Raises what `read` raises.
        """
        last = self._readings.get(uid)
        # One that has begun may be too old for this caller; one that waits for its turn serves all who come.
        reading = last if last is not None and not last.begun else self._next(uid, last)
        return await asyncio.shield(reading.task)

    def latest(self, uid: str, *, seconds: float) -> Fingerprints | None:
        """What was read less than `seconds` ago, or since when nothing was written; None where nothing was.

        Good for what is compared with a later reading, never as the current version: rows also expire.
        """
        known = self._latest.get(uid)
        if known is None:
            return None
        age = time.monotonic() - known.moment
        is_same = self._writes is not None and self._writes(uid) == known.writes and age < _UNWRITTEN_SECONDS
        return known.fingerprints if age < seconds or is_same else None

    def forget(self, uid: str) -> None:
        """Drops what is known of a platform."""
        self._latest.pop(uid, None)

    def _next(self, uid: str, before: _Reading | None) -> _Reading:
        reading = _Reading()
        self._readings[uid] = reading
        # Of its own context: the first caller's deadline must not end what others wait for.
        reading.task = asyncio.create_task(self._turn(uid, reading, before), context=contextvars.Context())
        reading.task.add_done_callback(lambda done: self._ended(uid, reading, done))
        return reading

    async def _turn(self, uid: str, reading: _Reading, before: _Reading | None) -> Fingerprints:
        if before is not None:
            await asyncio.wait([before.task])
        reading.begun = True
        moment, writes = time.monotonic(), self._writes(uid) if self._writes else 0
        fingerprints = await self._read(uid)
        self._latest[uid] = _Known(moment, fingerprints, writes)
        self._latest.move_to_end(uid)
        while len(self._latest) > _KEPT_PLATFORMS:
            self._latest.popitem(last=False)
        return fingerprints

    def _ended(self, uid: str, reading: _Reading, task: asyncio.Task[Fingerprints]) -> None:
        if self._readings.get(uid) is reading:
            del self._readings[uid]
        if not task.cancelled():
            task.exception()  # every caller may have gone away; then nobody else reads it
