"""Rows of a platform that are acknowledged and not in their tables yet: how long they take, who may add more.

    call ─► room in its table's backlog ─► journal (acknowledged) ─► sink ─► engine: out of the backlog

A table's backlog is bounded by the time that storing it takes, at the pace of the last seconds. When more
comes than the engine can store, as much is taken as it can, the rest is told when to come back, and soon
after the flood rows are stored again in the usual time.

The bound counts while blocks are stored, however slowly. While none can be, because the engine is away or
a deletion holds the table, calls are acknowledged until the journal is full. What gathered in that time, or
before the start, may be more than the bound: until it is stored, half of what leaves may come in.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from aidatalabs_services.runtime.errors import Overloaded

MIB = 1024 * 1024
# A block of one row takes as long as so many bytes of a large one, about: a hundredth of a second.
_BLOCK_BYTES = 256 * 1024
# Before anything of a table was stored: half of what a small machine stores in a second.
_FIRST_BYTES = 16 * MIB
_FIRST_SECONDS = 1.0
_ROW_BYTES = 200.0
_KEPT_EACH_GROUP = 0.9
# Seconds of work that the pace is remembered over.
_MEMORY_SECONDS = 3.0
# One block that took far longer than the others (the engine was started, a disk was slow) counts as so much.
_MOST_TIMES, _MOST_SECONDS = 4.0, 1.0
# No table with less than this is refused, whatever others do to the machine.
_SMALL_BYTES = MIB
# Batches of streams wait for room, single calls do not: so a part of it is left to those.
_STREAMS_SHARE = 0.75
_SPARE_SHARE = 0.25
# Longer than taking up a table that nobody holds.
_MOMENT_SECONDS = 0.05
# An engine that answers within this was not away.
_AWAY_SECONDS = 1.0
_LOOK_SECONDS = 0.25
_LEAST_RETRY_SECONDS, _MOST_RETRY_SECONDS = 0.5, 15.0


class Pace:
    """How fast blocks are stored: bytes and seconds of the work of late, the older the less they count."""

    def __init__(self) -> None:
        self._bytes = float(_FIRST_BYTES)
        self._seconds = _FIRST_SECONDS

    @property
    def bytes_each_second(self) -> float:
        """Bytes stored in a second."""
        return self._bytes / self._seconds

    def note(self, size: int, seconds: float) -> None:
        """Learns that `size` bytes were stored in so many seconds more."""
        most = max(_MOST_TIMES * size / self.bytes_each_second, _MOST_SECONDS)
        seconds = min(max(seconds, 1e-6), most)
        kept = math.exp(-seconds / _MEMORY_SECONDS)
        self._bytes = kept * self._bytes + size
        self._seconds = kept * self._seconds + seconds


class _Insert:
    """One try to store a block: asked for when the sink wanted it, begun when the table let it in."""

    def __init__(self) -> None:
        self.asked = time.monotonic()
        self.begun: float | None = None

    def begin(self) -> None:
        """The engine is asked from here on."""
        self.begun = time.monotonic()

    @property
    def has_waited(self) -> bool:
        """Whether it was kept from the table, which says nothing about the engine."""
        return self.begun is None or self.begun - self.asked > _MOMENT_SECONDS


@dataclass(eq=False)
class _Table:
    """One table's backlog.

    `sink_bytes` are those of its blocks in the sink (`block_count`), `coming_bytes` of the calls on their way
    there, whose rows are as large as those before (`known_bytes` of `known_rows`, the older the less they
    count); `spare_bytes` may come in although the backlog is too long. `counted` is the moment up to which
    the time spent with storing has been learnt from, `failing_since` when inserts began to fail. A name that
    nothing was ever journalled for is not `is_known`.
    """

    sink_bytes: int = 0
    coming_bytes: int = 0
    block_count: int = 0
    known_bytes: float = _ROW_BYTES
    known_rows: float = 1.0
    pace: Pace = field(default_factory=Pace)
    spare_bytes: float = _FIRST_BYTES
    counted: float = 0.0
    is_known: bool = False
    failing_since: float | None = None
    inserts: set[_Insert] = field(default_factory=set)

    @property
    def held_bytes(self) -> int:
        """Bytes of all that is not stored."""
        return self.sink_bytes + self.coming_bytes

    @property
    def sink_seconds(self) -> float:
        """How long it takes until what is in the sink is stored."""
        return (self.sink_bytes + _BLOCK_BYTES * self.block_count) / self.pace.bytes_each_second

    @property
    def seconds(self) -> float:
        """How long it takes until all of it is stored."""
        return self.sink_seconds + self.coming_bytes / self.pace.bytes_each_second

    @property
    def is_stopped(self) -> bool:
        """Whether nothing of it can be stored, and that not only for a moment."""
        since = self.failing_since
        if since is None and self.inserts and not any(each.begun for each in self.inserts):
            since = min(each.asked for each in self.inserts)
        return since is not None and time.monotonic() - since >= _AWAY_SECONDS


class Room:
    """What a call holds of the backlog until its rows are in the sink, or it came to nothing."""

    def __init__(self, give: Callable[[], None] | None = None) -> None:
        self._give = give

    def leave(self) -> None:
        """Gives it back. Idempotent."""
        give, self._give = self._give, None
        if give is not None:
            give()


class Backlog:
    """The backlogs of one platform's tables; none takes longer than `limit_seconds` to be stored."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._tables: dict[str, _Table] = {}
        self._less = asyncio.Event()

    def seconds(self, table: str) -> float:
        """How long it takes until everything acknowledged for a table is stored, as far as can be told."""
        found = self._tables.get(table)
        return found.seconds if found is not None else 0.0

    def sink_seconds(self, table: str) -> float:
        """How long the sink has to do for a table; nothing while its rows cannot be stored."""
        found = self._tables.get(table)
        return found.sink_seconds if found is not None and not found.is_stopped else 0.0

    def is_stopped(self, table: str) -> bool:
        """Whether a table's rows cannot be stored at the moment: no time can be told."""
        found = self._tables.get(table)
        return found is not None and found.is_stopped

    def longest_seconds(self) -> float:
        """The longest of all tables."""
        return max((table.seconds for table in self._tables.values()), default=0.0)

    def enter(self, table: str, rows: int) -> Room:
        """Room for a call of so many rows. Raises Overloaded, which says when to come back."""
        found = self._tables.get(table)
        size = int(rows * (found.known_bytes / found.known_rows if found is not None else _ROW_BYTES))
        if found is not None and not self._fits(found, size, 1.0):
            if found.spare_bytes < size:
                raise self._refusal(table)
            found.spare_bytes -= size
        return self._taken(table, size)

    async def wait_to_enter(self, table: str, size: int, *, seconds: float) -> Room:
        """The same for a batch of `size` bytes, which waits for its room: at most so many seconds."""
        end = time.monotonic() + seconds
        while (found := self._tables.get(table)) and not self._fits(found, size, _STREAMS_SHARE):
            left = end - time.monotonic()
            if left <= 0:
                raise self._refusal(table)
            self._less.clear()
            with contextlib.suppress(TimeoutError):
                # Looked at anyway now and then: an engine that goes away tells nobody. Not `wait_for`: it
                # forgets a cancellation that comes with the event.
                async with asyncio.timeout(min(left, _LOOK_SECONDS)):
                    await self._less.wait()
        return self._taken(table, size)

    def add(self, table: str, sizes: Sequence[int], rows: int) -> None:
        """Counts the blocks of a journalled group in, by their bytes; all of them have so many rows."""
        found = self._table(table)
        found.is_known = True
        if rows:
            found.known_bytes = _KEPT_EACH_GROUP * found.known_bytes + sum(sizes)
            found.known_rows = _KEPT_EACH_GROUP * found.known_rows + rows
        if not found.block_count:
            found.counted = time.monotonic()
        found.sink_bytes += sum(sizes)
        found.block_count += len(sizes)

    def remove(self, table: str, sizes: Sequence[int]) -> None:
        """Counts blocks out."""
        found = self._table(table)
        found.sink_bytes -= sum(sizes)
        found.block_count -= len(sizes)
        self._less.set()

    @contextmanager
    def inserting(self, table: str, size: int) -> Iterator[Callable[[], None]]:
        """One try to store a block, learnt from where the body ends well; to be removed then.

        What it yields is to be called when the table has let the insert in.
        """
        found, insert = self._table(table), _Insert()
        found.inserts.add(insert)
        try:
            yield insert.begin
        except Overloaded:
            raise  # it answers: that is its pace
        except Exception:
            found.failing_since = found.failing_since or time.monotonic()
            raise
        finally:
            found.inserts.discard(insert)
        self._stored(found, insert, size)

    def _stored(self, table: _Table, insert: _Insert, size: int) -> None:
        now = time.monotonic()
        if table.failing_since is None and not insert.has_waited:
            table.pace.note(size + _BLOCK_BYTES, now - table.counted)
        table.failing_since = None
        table.counted = now
        most = _SPARE_SHARE * self._limit_seconds * table.pace.bytes_each_second
        table.spare_bytes = min(most, table.spare_bytes + size / 2)

    def _fits(self, table: _Table, size: int, share: float) -> bool:
        # Not with its own size: what is larger than all room could never come in otherwise.
        return (
            table.held_bytes + size <= _SMALL_BYTES
            or table.seconds <= share * self._limit_seconds
            or table.is_stopped
        )

    def _taken(self, name: str, size: int) -> Room:
        table = self._table(name)
        table.coming_bytes += size

        def give() -> None:
            table.coming_bytes -= size
            if not (table.held_bytes or table.is_known) and self._tables.get(name) is table:
                del self._tables[name]  # the name of no table: anybody can send those
            self._less.set()

        return Room(give)

    def _table(self, name: str) -> _Table:
        return self._tables.setdefault(name, _Table())

    def _refusal(self, name: str) -> Overloaded:
        seconds = self.seconds(name)
        # When half of the room is free: those who come back first do not fill it at once.
        pause = seconds - self._limit_seconds / 2
        return Overloaded(
            f"Rows for table {name} come faster than they can be stored; {seconds:.0f} seconds of them are "
            "waiting. Send the same call again later.",
            metadata={"limit": "ingest_backlog_seconds", "table": name, "seconds": f"{seconds:.1f}"},
            retry_after_seconds=round(min(max(pause, _LEAST_RETRY_SECONDS), _MOST_RETRY_SECONDS), 1),
        )
