"""Receipts of ingest calls, and the index that gives the first receipt again when a call is repeated.

The key of a call is (table, request id) of one platform. A repeated call with the same content gets the first
receipt, with other content it is refused; while the first is still being worked on, the second waits for it.
Receipts of a table that was dropped say nothing about a new one of its name; brought back, it has them again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from aidatalabs_services.data.journal_records import RequestRecord
from aidatalabs_services.data.verdicts import RejectedRow
from aidatalabs_services.runtime.errors import IdempotencyMismatch

Key = tuple[str, str]


class ReceiptState(Enum):
    """How far the accepted rows of a call are; the names are those of the contract."""

    JOURNALLED = "JOURNALLED"
    STORED = "STORED"


@dataclass(frozen=True)
class Receipt:
    """What became of one call. `duplicate_count` is all of the accepted rows where the call is a repeated
    one; `rejected` may list fewer rows than `rejected_count`. `letter_count` of the rejected are kept.
    """

    name: str
    state: ReceiptState
    accepted_count: int
    duplicate_count: int
    rejected: tuple[RejectedRow, ...] = ()
    rejected_count: int = 0
    letter_count: int = 0


class Progress:
    """How far one group is; all of its calls share it."""

    def __init__(self, *, stored: bool = False, ended: bool = False) -> None:
        self.stored = stored
        self._end = asyncio.Event()
        self._told: list[Callable[[], None]] = []
        if stored or ended:
            self._end.set()

    def finish(self, *, stored: bool) -> None:
        """The group has nothing left to do: it is in the table, or (not `stored`) can never be."""
        self.stored = stored
        self._end.set()
        for told in self._told:
            told()
        self._told.clear()

    @property
    def is_ended(self) -> bool:
        """Whether the group has nothing left to do."""
        return self._end.is_set()

    def tell(self, told: Callable[[], None]) -> None:
        """Has `told` called when the group has nothing left to do, at once where that is so."""
        if self.is_ended:
            told()
        else:
            self._told.append(told)

    async def ended(self) -> None:
        """Returns when the group has nothing left to do."""
        await self._end.wait()

    async def wait(self, seconds: float) -> None:
        """Returns when the group is done, at the latest after `seconds`."""
        if self._end.is_set() or seconds <= 0:
            return
        try:
            await asyncio.wait_for(self._end.wait(), seconds)
        except TimeoutError:
            return


@dataclass(frozen=True)
class Taken:
    """A call whose rows are journalled. `identity` is the engine's id of their table."""

    identity: str
    request: RequestRecord
    created_seconds: float
    progress: Progress

    def receipt(self, *, repeated: bool) -> Receipt:
        """The receipt at this moment."""
        accepted = self.request.accepted_count
        return Receipt(
            self.request.name,
            ReceiptState.STORED if self.progress.stored else ReceiptState.JOURNALLED,
            accepted,
            accepted if repeated else 0,
            self.request.rejected,
            len(self.request.rejected) + self.request.unlisted_count,
            self.request.letter_count,
        )


class Claim:
    """A call that is being worked on: the first of its key. Ends with the call taken, or with nothing."""

    def __init__(self, digest: bytes) -> None:
        self.digest = digest
        self.end: asyncio.Future[Taken | None] = asyncio.get_running_loop().create_future()


class ReceiptIndex:
    """The calls of one platform that are remembered, by key and by the engine's id of their table.

    At most `limit` receipts and rejected rows together, each for `seconds`; beyond, the oldest are forgotten
    first.
    """

    def __init__(self, *, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._weight = 0
        self._taken: OrderedDict[tuple[Key, str], Taken] = OrderedDict()
        self._latest: dict[Key, str] = {}
        self._claims: dict[Key, Claim] = {}

    def __len__(self) -> int:
        return len(self._taken)

    async def claim(self, key: Key, identity: str, digest: bytes, now_seconds: float) -> Taken | Claim:
        """The call taken before under this key, or a claim that makes this call the first.

        `identity` is that of the table now, empty where it is not known: the engine does not answer.
        Waits while another call with the key is being worked on. Raises IdempotencyMismatch where the key was
        used with other content. A claim must be ended with `settle` or `release`.
        """
        while True:
            self._forget_old(now_seconds)
            taken = self._taken.get((key, identity or self._latest.get(key, "")))
            if taken is not None:
                _compare(taken.request.digest, digest, key, taken.request.row_count)
                return taken
            running = self._claims.get(key)
            if running is None:
                self._claims[key] = claim = Claim(digest)
                return claim
            _compare(running.digest, digest, key)
            # Shielded: that this caller goes away must not end the other's wait.
            result = await asyncio.shield(running.end)
            if result is not None and identity in ("", result.identity):
                return result

    def find(self, key: Key, identity: str, now_seconds: float) -> Taken | None:
        """The call taken before under this key for the table of this identity, if it is remembered."""
        self._forget_old(now_seconds)
        return self._taken.get((key, identity or self._latest.get(key, "")))

    def settle(self, key: Key, claim: Claim, taken: Taken) -> None:
        """The claimed call is journalled: it is remembered, and whoever waits gets it."""
        self.remember(key, taken)
        self._end(key, claim, taken)

    def release(self, key: Key, claim: Claim) -> None:
        """The claimed call came to nothing; the next with this key is the first again."""
        self._end(key, claim, None)

    def _end(self, key: Key, claim: Claim, taken: Taken | None) -> None:
        if self._claims.get(key) is claim:
            del self._claims[key]
        if not claim.end.done():
            claim.end.set_result(taken)

    def remember(self, key: Key, taken: Taken) -> None:
        """Adds a call that is journalled."""
        self._forget((key, taken.identity))
        self._taken[key, taken.identity] = taken
        self._latest[key] = taken.identity
        self._weight += _weight(taken)
        while self._weight > self._limit and len(self._taken) > 1:
            self._forget(next(iter(self._taken)))

    def _forget(self, place: tuple[Key, str]) -> None:
        taken = self._taken.pop(place, None)
        if taken is not None:
            self._weight -= _weight(taken)
            if self._latest.get(place[0]) == taken.identity:
                del self._latest[place[0]]

    def _forget_old(self, now_seconds: float) -> None:
        while self._taken and next(iter(self._taken.values())).created_seconds < now_seconds - self._seconds:
            self._forget(next(iter(self._taken)))


def _weight(taken: Taken) -> int:
    return 1 + len(taken.request.rejected)


def _compare(known: bytes, given: bytes, key: Key, row_count: int = 0) -> None:
    """Tells how many rows the first call had: who sends a file that grew sends so many again, and goes on."""
    if known != given:
        first = {"first_row_count": str(row_count)} if row_count else {}
        raise IdempotencyMismatch(
            "This request_id was used before with other rows. Send a new request_id for new rows.",
            metadata={"repeated_request_id": key[1], "table": key[0]} | first,
        )
