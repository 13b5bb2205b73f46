"""What ingest needs of a Kafka cluster, in three parts: topics, one transactional writer, and two readers.

Every method raises `BrokerUnavailable` where the cluster does not answer in time; repeating is useful then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

# A partition of a topic.
Lane = tuple[str, int]


class BrokerUnavailable(Exception):
    """The cluster does not answer, or refuses what it should take at another time."""


class OutcomeUnknown(Exception):
    """A transaction was cut off: it may be in the topics or not; `renew` and the receipts topic tell."""


class WriterReplaced(Exception):
    """Another process has become the writer of this name, or the cluster gave this one up."""


class MessageRefused(Exception):
    """The cluster does not take the messages as they are (too large for it); nothing was written."""


class AssignmentLost(Exception):
    """The partition is no longer this worker's: its offset was not committed."""


@dataclass(frozen=True)
class Message:
    """One message as it was read; `stamp_ms` is the broker's time of it, Unix milliseconds."""

    topic: str
    partition: int
    offset: int
    value: bytes = field(repr=False)
    headers: Mapping[str, bytes] = field(default_factory=dict)
    stamp_ms: int = 0

    @property
    def lane(self) -> Lane:
        """The partition it came from."""
        return self.topic, self.partition


@dataclass(frozen=True)
class Parcel:
    """A group on its way: `values` go into one partition of `topic`, one behind the other.

    `receipt` goes into the receipts topic in the same transaction, with where the last value came to lie.
    """

    uid: str
    token: str
    topic: str
    values: tuple[bytes, ...] = field(repr=False)
    receipt: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes of all its messages."""
        return sum(map(len, self.values)) + len(self.receipt)


@dataclass(frozen=True)
class Place:
    """Where a group lies: the offset of its last message."""

    topic: str
    partition: int
    last: int

    @property
    def lane(self) -> Lane:
        """Its partition."""
        return self.topic, self.partition


class Topics(Protocol):
    """The cluster's topics and the sink's group, looked at from outside."""

    async def ensure(self, topic: str, *, receipts: bool = False) -> None:
        """Makes a topic where it is missing; `receipts` makes the one of receipts."""
        ...

    async def names(self) -> set[str]:
        """All topics."""
        ...

    async def ends(self, topics: Collection[str]) -> Mapping[Lane, int]:
        """The offset behind the last message of every partition, finished transactions or not."""
        ...

    async def starts(self, topics: Collection[str]) -> Mapping[Lane, int]:
        """The offset of the first message that is still there, of every partition."""
        ...

    async def committed(self) -> Mapping[Lane, int]:
        """Up to where the sink's group has stored every partition."""
        ...

    async def forget(self, before: Mapping[Lane, int]) -> None:
        """Deletes the messages before these offsets."""
        ...

    async def delete(self, topics: Collection[str]) -> None:
        """Deletes topics; harmless where they are not there."""
        ...

    async def close(self) -> None:
        """Ends every connection."""
        ...


class Writer(Protocol):
    """Writes groups with their receipts, each batch in one transaction. One writer of a name at a time."""

    async def write(self, parcels: Sequence[Parcel]) -> Sequence[Place]:
        """Writes all or nothing; when it returns every replica in sync has it.

        Raises OutcomeUnknown, WriterReplaced and MessageRefused.
        """
        ...

    async def announce(self, session: str) -> None:
        """Tells all who follow the receipts topic that this is the writer of its name from now on."""
        ...

    async def renew(self) -> None:
        """Becomes the writer of its name anew: what was under way is finished or undone when it returns."""
        ...

    async def note(self, topic: str, value: bytes, headers: Mapping[str, bytes]) -> None:
        """Writes one message outside of any transaction, on every replica in sync when it returns.

        Raises MessageRefused.
        """
        ...

    async def close(self) -> None:
        """Ends every connection."""
        ...


class ReceiptReader(Protocol):
    """Reads the receipts topic, finished transactions only, from a moment on."""

    async def open(self, since_seconds: float) -> None:
        """Goes to the first message of this Unix time or later."""
        ...

    async def next(self) -> Sequence[Message]:
        """The next messages, none after a short while."""
        ...

    async def position(self) -> int:
        """The offset behind everything that was read or passed over."""
        ...

    async def close(self) -> None:
        """Ends every connection."""
        ...


class SinkReader(Protocol):
    """One worker of the sink's group: reads the partitions that the group gives it, finished transactions
    only.
    """

    async def open(
        self,
        revoked: Callable[[], Awaitable[None]],
        assigned: Callable[[Collection[Lane]], Awaitable[None]],
    ) -> None:
        """Connects; `revoked` is awaited before partitions are given up, `assigned` after they were given."""
        ...

    def follow(self, topics: Collection[str]) -> None:
        """Reads these topics from now on; the group shares them out anew."""
        ...

    async def next(self) -> Sequence[Message]:
        """The next messages of partitions that are not held back, none after a short while."""
        ...

    def hold_back(self, lanes: Iterable[Lane]) -> None:
        """Reads on from exactly these partitions no more, from all others again."""
        ...

    async def positions(self, lanes: Iterable[Lane]) -> Mapping[Lane, int]:
        """The offset behind everything that was read or passed over."""
        ...

    async def committed(self, lanes: Iterable[Lane]) -> Mapping[Lane, int]:
        """Up to where the group has stored these partitions; 0 where it has nothing."""
        ...

    def go_back(self, offsets: Mapping[Lane, int]) -> None:
        """Reads on from these offsets; what was read ahead is dropped."""
        ...

    async def commit(self, offsets: Mapping[Lane, int]) -> None:
        """Notes that everything before these offsets is stored.

        Raises AssignmentLost where the group has given a partition to another worker meanwhile.
        """
        ...

    async def close(self) -> None:
        """Leaves the group."""
        ...
