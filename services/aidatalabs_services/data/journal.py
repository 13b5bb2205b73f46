"""The ingest journal of one platform: groups of calls that survive a kill from the moment `append` returns.

Whatever waits is written together and shares one fsync: the longer the disk takes, the larger the next write.
All file work happens in a thread; the event loop never waits for the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from aidatalabs_services.data.errors import JournalFull
from aidatalabs_services.data.journal_files import (
    JournalBroken,
    JournalFiles,
    NoRoom,
    PendingGroup,
    Recovered,
    Segment,
)
from aidatalabs_services.data.journal_records import (
    GroupRecord,
    Pieces,
    StoredRecord,
    group_pieces,
    group_spans,
    stored_frame,
)
from aidatalabs_services.runtime.errors import ServiceUnavailable

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")
_MARK_PAUSE_SECONDS = 1.0
_LOOK_PAUSE_SECONDS = 0.05
_LARGE = 1024 * 1024


@dataclass(frozen=True)
class JournalLimits:
    """How large a journal may become.

    `segment_bytes` ends one file and begins the next, `journal_bytes` is the most all files of one platform
    take before calls are refused, `free_bytes` the room the disk must keep, `write_bytes` the most that is
    written at once, `receipt_seconds` how long a call is recognised when it is repeated. Receipts take at
    most a quarter of `journal_bytes`: beyond, the oldest go early.
    """

    segment_bytes: int = 32 * 1024 * 1024
    journal_bytes: int = 1024 * 1024 * 1024
    free_bytes: int = 256 * 1024 * 1024
    write_bytes: int = 32 * 1024 * 1024
    receipt_seconds: float = 24 * 3600.0


@dataclass
class _Entry:
    """One frame on its way: a group with the future that waits for it, or a confirmation that nobody waits
    for.
    """

    frame: Pieces = field(repr=False)
    written: asyncio.Future[tuple[Segment, int]] | None = None
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = sum(map(len, self.frame))


class Journal:
    """An open journal; `recover` first, then `append` and `mark` from one event loop."""

    def __init__(self, directory: Path, limits: JournalLimits, executor: Executor) -> None:
        self._limits = limits
        self._executor = executor
        self._files = JournalFiles(
            directory,
            # Only finished segments make room again, so there must be several of them.
            segment_bytes=min(limits.segment_bytes, limits.journal_bytes // 8),
            free_bytes=limits.free_bytes,
            receipt_bytes=limits.journal_bytes // 4,
            receipt_seconds=limits.receipt_seconds,
        )
        self._queue: deque[_Entry] = deque()
        self._queued_bytes = 0
        self._queued_count = 0
        self._done_count = 0
        self._unwritten_marks = 0
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._writer: asyncio.Task[None] | None = None
        self._ends_segment: list[asyncio.Future[None]] = []
        self._sequence = 0
        self.directory = directory
        self.sync_count = 0

    async def recover(self) -> Recovered:
        """Reads what is there and begins to take new groups."""
        found = await self._in_thread(self._files.recover)
        self._sequence = max((group.record.sequence for group in found.groups), default=0)
        # Of its own: the caller's deadline must not end up in a task that outlives the call.
        self._writer = asyncio.create_task(self._write_forever(), context=contextvars.Context())
        self._work.set()
        return found

    @property
    def unwritten_marks(self) -> int:
        """Confirmations that a kill at this moment would lose."""
        return self._unwritten_marks

    def next_sequence(self) -> int:
        """A number greater than that of every group so far."""
        self._sequence += 1
        return self._sequence

    async def append(self, record: GroupRecord) -> PendingGroup:
        """Journals a group; when this returns it survives a kill of any process.

        Raises JournalFull before anything is kept where the journal or its disk has no room, and
        ServiceUnavailable where the disk fails.
        """
        size = sum(map(len, record.blocks))
        # Summed for a millisecond per some megabytes: not on the loop.
        frame = await self._in_thread(lambda: group_pieces(record)) if size > _LARGE else group_pieces(record)
        written: asyncio.Future[tuple[Segment, int]] = asyncio.get_running_loop().create_future()
        entry = _Entry(frame, written)
        if self._files.size + self._queued_bytes + entry.size > self._limits.journal_bytes:
            raise _full()
        self._enqueue(entry)
        segment, offset = await written
        spans = group_spans(record, entry.size, offset)
        # Without the blocks: they are read back one by one, and many groups may wait.
        group = PendingGroup(replace(record, blocks=()), segment, spans)
        segment.live -= group.complete  # only receipts, nothing to store
        return group

    def mark(self, group: PendingGroup, block: int, *, kept: bool = True) -> None:
        """Notes that the engine confirmed a block (or, not `kept`, that it never will); written soon, without
        fsync.

        A mark lost with the machine's power only means that the block is sent again, with the same token.
        """
        group.stored.add(block)
        if not kept:
            self._files.note_refused(group)
        self._unwritten_marks += 1
        self._enqueue(_Entry([stored_frame(StoredRecord(group.record.sequence, block, kept))]))
        if group.complete:
            group.segment.live -= 1

    async def read_block(self, group: PendingGroup, index: int) -> bytes:
        """One block as it was journalled."""
        return await self._in_thread(lambda: group.read_block(index))

    async def stored_rows_forgotten(self) -> None:
        """Returns when no file holds a row that was stored before this call: a segment keeps its rows until
        it is ended and all of it is stored.
        """
        self._ends_segment.append(ended := asyncio.get_running_loop().create_future())
        self._idle.clear()
        self._work.set()
        await ended
        files = await self._in_thread(self._files.segment_paths)
        while await self._in_thread(lambda: any(path.exists() for path in files)):  # noqa: ASYNC110 - files
            await asyncio.sleep(_LOOK_PAUSE_SECONDS)
        await self._in_thread(self._files.sync_directory)  # else power loss could bring them back

    async def marks_written(self) -> None:
        """Returns when every confirmation noted so far survives a kill: its block is never sent again."""
        goal = self._queued_count
        while self._done_count < goal:  # noqa: ASYNC110 - rare, and the writer tells nobody
            await asyncio.sleep(_LOOK_PAUSE_SECONDS / 10)

    async def flush(self) -> None:
        """Waits until everything handed in so far is written."""
        await self._idle.wait()

    async def close(self) -> None:
        """Writes what waits and closes the files."""
        if self._writer is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), timeout=10.0)
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        await self._in_thread(self._files.close)

    def _enqueue(self, entry: _Entry) -> None:
        self._queue.append(entry)
        self._queued_count += 1
        self._queued_bytes += entry.size
        self._idle.clear()
        self._work.set()

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def _write_forever(self) -> None:
        while True:
            await self._work.wait()
            while self._queue:
                await self._write_some()
                await self._end_segment()
            await self._end_segment()
            # A segment that the last marks completed is turned into receipts while nothing waits.
            await self._finish()
            if not self._queue and not self._ends_segment:
                self._work.clear()
                self._idle.set()

    async def _end_segment(self) -> None:
        """Begins a new segment with the next write, where somebody waits for that."""
        asked, self._ends_segment = self._ends_segment, []
        if not asked:
            return
        failed = None
        try:
            await self._in_thread(self._files.seal)
        except Exception as error:  # noqa: BLE001 - nobody writes when the writer ends
            _LOG.exception("a segment of the ingest journal could not be ended")
            failed = error
        for ended in asked:
            if not ended.done():
                ended.set_result(None) if failed is None else ended.set_exception(_broken())

    async def _write_some(self) -> None:
        entries: list[_Entry] = []
        size = 0
        while self._queue and (not entries or size + self._queue[0].size <= self._limits.write_bytes):
            entries.append(self._queue.popleft())
            size += entries[-1].size
        sync = any(entry.written is not None for entry in entries)
        frames = [entry.frame for entry in entries]
        try:
            places = await self._in_thread(lambda: self._files.write(frames, sync=sync))
        except Exception as error:  # noqa: BLE001 - told to the calls: without a writer all of them would wait
            self._queued_bytes -= size
            await self._refuse(entries, error)
            return
        self._queued_bytes -= size
        self._done_count += len(entries)
        self._unwritten_marks -= sum(entry.written is None for entry in entries)
        self.sync_count += sync
        for entry, (segment, offset) in zip(entries, places, strict=True):
            if entry.written is not None:
                segment.live += 1
                if not entry.written.done():
                    entry.written.set_result((segment, offset))

    async def _refuse(self, entries: list[_Entry], error: Exception) -> None:
        """Tells the calls; keeps the marks, which must be written before any later group is."""
        if isinstance(error, NoRoom | JournalBroken):
            why = "no room" if isinstance(error, NoRoom) else error
            cause = type(error.__cause__ or error).__name__
            _LOG.error("the ingest journal could not be written: %s (%s)", why, cause)
        else:
            _LOG.error("the ingest journal could not be written, which was not foreseen", exc_info=error)
        marks = [entry for entry in entries if entry.written is None]
        self._done_count += len(entries) - len(marks)
        for entry in entries:
            if entry.written is not None and not entry.written.done():
                entry.written.set_exception(_full() if isinstance(error, NoRoom) else _broken())
        for mark in reversed(marks):
            self._queue.appendleft(mark)
            self._queued_bytes += mark.size
        if marks and len(marks) == len(entries):
            await asyncio.sleep(_MARK_PAUSE_SECONDS)

    async def _finish(self) -> None:
        try:
            await self._in_thread(self._files.finish)
        except Exception:  # noqa: BLE001 - they are cleared away later; nobody writes when the writer ends
            _LOG.exception("finished segments of the ingest journal could not be cleared away")


def _full() -> JournalFull:
    return JournalFull(
        "The journal has no room until the engine has caught up. Send the same call again later.",
        retry_after_seconds=5.0,
    )


def _broken() -> ServiceUnavailable:
    return ServiceUnavailable(
        "The journal's disk does not take writes. Send the same call again later.",
        metadata={"service": "data"},
        retry_after_seconds=10.0,
    )
