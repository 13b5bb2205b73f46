"""What makes an ingested group survive and brings it into the engine: the local journal, or Kafka.

`Intake` hands a judged group to its platform's keeper; when `keep` returns, the group is acknowledged and its
rows will be in the table once, whatever is killed meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from aidatalabs_services.data.journal import Journal
from aidatalabs_services.data.journal_records import GroupRecord
from aidatalabs_services.data.receipts import Progress
from aidatalabs_services.data.sink import Sink


@dataclass(frozen=True)
class KeptGroup:
    """A group that was acknowledged before the start: without its blocks, and how far it is."""

    record: GroupRecord
    progress: Progress


class Keeper(Protocol):
    """The acknowledged groups of one platform."""

    @property
    def waiting_groups(self) -> int:
        """About how many acknowledged groups the engine has not confirmed."""
        ...

    def waiting_groups_of(self, table: str) -> int:
        """The same of one table alone."""
        ...

    async def recover(self) -> Sequence[KeptGroup]:
        """What was acknowledged before; the first call. Goes on with what is not stored."""
        ...

    def next_sequence(self) -> int:
        """A number greater than that of every group so far."""
        ...

    async def keep(self, record: GroupRecord) -> Progress:
        """Makes a group survive: acknowledged from here on.

        Raises JournalFull, Overloaded, ServiceUnavailable or IngestTooLarge; then nothing of it is kept.
        """
        ...

    async def drained(self, table: str) -> None:
        """Returns when every group of the table that was acknowledged before this call is in it, or never
        will be.
        """
        ...

    async def stored_rows_forgotten(self) -> None:
        """Returns when nothing outside the engine gives a row that was stored before this call."""
        ...

    async def close(self) -> None:
        """Stops; what is not stored is after the next start."""
        ...


class JournalKeeper:
    """Groups in a journal on this machine's disk, and the sink that carries them into the engine."""

    def __init__(self, journal: Journal, sink: Sink) -> None:
        self._journal = journal
        self._sink = sink

    @property
    def waiting_groups(self) -> int:
        """Journalled groups that the engine has not confirmed."""
        return self._sink.waiting_groups

    def waiting_groups_of(self, table: str) -> int:
        """The same of one table alone."""
        return self._sink.waiting_groups_of(table)

    async def recover(self) -> Sequence[KeptGroup]:
        """Reads the journal; unconfirmed groups go on before new ones."""
        found = await self._journal.recover()
        pending = {id(group) for group in found.pending}
        kept = []
        for group in found.groups:
            progress = Progress(stored=group.complete and not group.refused, ended=group.complete)
            kept.append(KeptGroup(group.record, progress))
            if id(group) in pending:
                self._sink.add(group, progress)
        return kept

    def next_sequence(self) -> int:
        """A number greater than that of every group so far."""
        return self._journal.next_sequence()

    async def keep(self, record: GroupRecord) -> Progress:
        """Writes a group down, with fsync."""
        pending = await self._journal.append(record)
        progress = Progress(stored=pending.complete)
        if not pending.complete:
            self._sink.add(pending, progress)
        return progress

    async def drained(self, table: str) -> None:
        """Returns when every group of the table is in it or never will be, and that survives a kill."""
        await self._sink.drained(table)
        await self._journal.marks_written()

    async def stored_rows_forgotten(self) -> None:
        """Returns when no file of the journal holds a row that was stored before this call."""
        await self._journal.stored_rows_forgotten()

    async def close(self) -> None:
        """Writes what waits and stops inserting."""
        await self._sink.close()
        await self._journal.close()
