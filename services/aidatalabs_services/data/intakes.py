"""The ways in of all platforms: each opened once, whoever asks first, and gone with its platform."""

from __future__ import annotations

import asyncio
import contextvars
import re
import shutil
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from aidatalabs_services.data.backlog import Backlog
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.intake import IngestLimits, Intake, WaitingRoom
from aidatalabs_services.data.journal import Journal, JournalLimits
from aidatalabs_services.data.journal_files import REMOVED_SUFFIX, JournalLock, remove_journal
from aidatalabs_services.data.journal_records import GroupRecord
from aidatalabs_services.data.kafka.carrier import Carrier
from aidatalabs_services.data.kafka.platform_keeper import KafkaKeeper
from aidatalabs_services.data.keeper import JournalKeeper, Keeper
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.receipts import Progress
from aidatalabs_services.data.schema import Schema
from aidatalabs_services.data.sink import Sink, SinkLimits

_CLOSE_SECONDS = 2.0
_UID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")


@dataclass(frozen=True)
class StoreWay:
    """How journalled groups get into the engine; `stored` is told the rows of each that is there."""

    warehouse: Warehouse
    schema: Callable[[str], Awaitable[Schema]]
    journal_limits: JournalLimits = field(default_factory=JournalLimits)
    sink_limits: SinkLimits = field(default_factory=SinkLimits)
    holds: TableHolds = field(default_factory=TableHolds)
    stored: Callable[[int], None] = lambda _rows: None


class Intakes:
    """The intakes of this process, whose journals lie in `directory`; `start` first, `close` last.

    With a `carrier` groups go through Kafka, and what journals hold from before goes on into the engine.
    """

    def __init__(
        self, directory: Path, limits: IngestLimits, way: StoreWay, carrier: Carrier | None = None
    ) -> None:
        self._directory = directory
        self._limits = limits
        self._way = way
        self._carrier = carrier
        self._executor: Executor = ThreadPoolExecutor(4, thread_name_prefix="journal")
        self._room = WaitingRoom(limits.waiting_bytes_of_all)
        self._openings: dict[str, asyncio.Task[Intake]] = {}
        self._removed: set[str] = set()
        self._lock: JournalLock | None = None

    async def start(self) -> None:
        """Opens every journal that is there, so that what was acknowledged before goes on into the engine.

        Raises JournalInUse where another process has the directory.
        """
        self._lock = await asyncio.to_thread(JournalLock, self._directory)
        folders = sorted(path for path in self._directory.iterdir() if path.is_dir())
        for folder in folders:
            if folder.suffix == REMOVED_SUFFIX:
                await asyncio.to_thread(shutil.rmtree, folder)
        await asyncio.gather(*(self.of(path.name) for path in folders if path.suffix != REMOVED_SUFFIX))
        if self._carrier is not None:
            await self._carrier.start(self._hear)

    async def close(self) -> None:
        """Journals what waits and closes every journal."""
        opened = await asyncio.gather(*self._openings.values(), return_exceptions=True)
        closing = asyncio.gather(*(intake.close() for intake in opened if isinstance(intake, Intake)))
        if self._carrier is not None:
            await asyncio.wait([closing], timeout=_CLOSE_SECONDS)
            await self._carrier.close()  # what the broker has not taken by now is refused
        await closing
        self._executor.shutdown(wait=False)
        if self._lock is not None:
            self._lock.release()

    async def remove(self, uid: str) -> None:
        """Ends a platform's way in for good and deletes its journal with all that is parked. Idempotent."""
        self._removed.add(uid)
        opening = self._openings.pop(uid, None)
        if opening is not None:
            (opened,) = await asyncio.gather(opening, return_exceptions=True)
            if isinstance(opened, Intake):
                await opened.close()
        if self._carrier is not None:
            await self._carrier.remove(uid)
        await asyncio.to_thread(remove_journal, self._directory, uid)

    def is_removed(self, uid: str) -> bool:
        """Whether the platform is gone."""
        return uid in self._removed

    @property
    def opened(self) -> Iterable[Intake]:
        """Those that are open."""
        return [intake for uid in self._openings if (intake := self.find(uid)) is not None]

    def find(self, uid: str) -> Intake | None:
        """The platform's intake if it is open."""
        opening = self._openings.get(uid)
        if opening is None or not opening.done() or opening.cancelled() or opening.exception() is not None:
            return None
        return opening.result()

    async def ready(self, uid: str) -> Intake:
        """The platform's intake once it knows the calls of before."""
        if self._carrier is not None:
            await self._carrier.ready()
        return await self.of(uid)

    async def of(self, uid: str) -> Intake:
        """The platform's open intake."""
        opening = self._openings.get(uid)
        if opening is None:
            opening = asyncio.create_task(self._open(uid), context=contextvars.Context())
            self._openings[uid] = opening
        try:
            return await asyncio.shield(opening)
        except Exception:
            if self._openings.get(uid) is opening:
                del self._openings[uid]
            raise

    async def _hear(self, uid: str, record: GroupRecord, progress: Progress) -> None:
        """A group was acknowledged by another process, or before this one began."""
        if uid not in self._removed and _UID.match(uid):
            (await self.of(uid)).remember(record, progress)

    async def _open(self, uid: str) -> Intake:
        if not _UID.match(uid):
            raise ValueError("not the uid of a platform")
        backlog = Backlog(self._limits.backlog_seconds)
        seconds = self._way.journal_limits.receipt_seconds
        intake = Intake(uid, self._keeper(uid, backlog), self._limits, seconds, self._room, backlog)
        await intake.recover()
        return intake

    def _keeper(self, uid: str, backlog: Backlog) -> Keeper:
        folder, way = self._directory / uid, self._way
        if self._carrier is not None and not folder.is_dir():
            return KafkaKeeper(uid, self._carrier, None)
        journal = Journal(folder, way.journal_limits, self._executor)
        sink = Sink(uid, way.warehouse, way.schema, journal, way.sink_limits, way.holds, way.stored, backlog)
        kept = JournalKeeper(journal, sink)
        return kept if self._carrier is None else KafkaKeeper(uid, self._carrier, kept)
