"""The groups of one platform in Kafka, as its intake sees them."""

from __future__ import annotations

from collections.abc import Sequence

from aidatalabs_services.data.journal_records import GroupRecord
from aidatalabs_services.data.kafka.carrier import Carrier
from aidatalabs_services.data.keeper import Keeper, KeptGroup
from aidatalabs_services.data.receipts import Progress


class KafkaKeeper:
    """The groups of one platform in Kafka; `before` is its journal, where one is left from before Kafka."""

    def __init__(self, uid: str, carrier: Carrier, before: Keeper | None) -> None:
        self._uid = uid
        self._carrier = carrier
        self._before = before
        self._sequence = 0

    @property
    def waiting_groups(self) -> int:
        """Groups known here that are not stored."""
        left = self._before.waiting_groups if self._before else 0
        return left + self._carrier.waiting_groups(self._uid)

    def waiting_groups_of(self, table: str) -> int:
        """The same of one table alone."""
        left = self._before.waiting_groups_of(table) if self._before else 0
        return left + self._carrier.waiting_groups_of(self._uid, table)

    async def recover(self) -> Sequence[KeptGroup]:
        """What a journal still has; the receipts topic is read for all platforms at once."""
        return await self._before.recover() if self._before else ()

    def next_sequence(self) -> int:
        """Counts the groups of this life; their order is that of their offsets."""
        self._sequence += 1
        return self._sequence

    async def keep(self, record: GroupRecord) -> Progress:
        """Writes a group into its topic."""
        return await self._carrier.keep(self._uid, record)

    async def drained(self, table: str) -> None:
        """Returns when everything of the table that is in the journal and the topic has been dealt with."""
        if self._before:
            await self._before.drained(table)
        await self._carrier.drained(self._uid, table)

    async def stored_rows_forgotten(self) -> None:
        """Returns when neither journal nor broker gives a row that was stored before this call."""
        if self._before:
            await self._before.stored_rows_forgotten()
        await self._carrier.stored_rows_forgotten(self._uid)

    async def close(self) -> None:
        """Closes the journal; the carrier is closed for all platforms at once."""
        if self._before:
            await self._before.close()
