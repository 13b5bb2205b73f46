"""Groups on their way to the broker: whatever waits goes out together, in one transaction.

A transaction that was cut off (the broker died, the network, a long pause) has one of two outcomes, and a
caller waits for it: the writer becomes the writer of its name anew, which makes the cluster finish or undo
what was under way, and then the receipts topic, read to its end, holds the group or does not.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field

from aidatalabs_services.data.errors import IngestTooLarge
from aidatalabs_services.data.kafka.ports import (
    BrokerUnavailable,
    MessageRefused,
    OutcomeUnknown,
    Parcel,
    Place,
    Writer,
    WriterReplaced,
)
from aidatalabs_services.data.kafka.tasks import ended, is_told_to_stop
from aidatalabs_services.runtime.errors import ServiceUnavailable

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0


def broker_away() -> ServiceUnavailable:
    """The one refusal of ingest while the broker does not acknowledge."""
    return ServiceUnavailable(
        "The message broker does not acknowledge at the moment. Send the same call again with the same "
        "request_id.",
        metadata={"service": "data"},
        retry_after_seconds=5.0,
    )


@dataclass
class _Sending:
    parcel: Parcel
    begun: float = field(default_factory=time.monotonic)
    placed: asyncio.Future[Place] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Outbox:
    """Sends parcels through one writer, `batch_bytes` at a time.

    `look_up` reads the receipts topic to its end and gives the places of the groups of these tokens that are
    in it; `is_replaced` does so and tells whether another process has announced itself under the writer's
    name; `restore` makes topics that are not there any more. What could not even be begun after
    `patience_seconds` is given up.
    """

    def __init__(
        self,
        writer: Writer,
        look_up: Callable[[Sequence[str]], Awaitable[dict[str, Place]]],
        is_replaced: Callable[[], Awaitable[bool]],
        restore: Callable[[Collection[str]], Awaitable[None]],
        *,
        batch_bytes: int,
        patience_seconds: float,
    ) -> None:
        self._writer = writer
        self._look_up = look_up
        self._is_replaced = is_replaced
        self._restore = restore
        self._batch_bytes = batch_bytes
        self._patience = patience_seconds
        self._queue: deque[_Sending] = deque()
        self._work = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self._closed = False
        self.replaced = False

    def start(self) -> None:
        """Begins to send; the writer must be open."""
        # Of its own: the caller's deadline must not end up in a task that outlives the call.
        self._sender = asyncio.create_task(self._send_forever(), context=contextvars.Context())

    async def send(self, parcel: Parcel) -> Place:
        """Returns when the parcel is acknowledged. Raises ServiceUnavailable and IngestTooLarge."""
        if self.replaced or self._closed:
            raise broker_away()
        sending = _Sending(parcel)
        self._queue.append(sending)
        self._work.set()
        return await sending.placed

    async def close(self) -> None:
        """Stops; whoever still waits is told that it did not work, or not that anyone knows."""
        self._closed = True  # nobody sends any more what is brought now
        await ended(self._sender)
        self._fail(list(self._queue), broker_away())

    async def _send_forever(self) -> None:
        while True:
            await self._work.wait()
            batch = self._next_batch()
            if not batch:
                self._work.clear()
                continue
            try:
                await self._send(batch)
            except asyncio.CancelledError:
                if is_told_to_stop():
                    raise
                _LOG.warning("a transaction was given up by the library")
            except Exception:  # noqa: BLE001 - one batch must not be the last
                _LOG.exception("a transaction failed in an unforeseen way")
            finally:
                self._fail(batch, broker_away())  # of those that have no outcome

    def _next_batch(self) -> list[_Sending]:
        batch: list[_Sending] = []
        size, now = 0, time.monotonic()
        while self._queue and (not batch or size + self._queue[0].parcel.size <= self._batch_bytes):
            sending = self._queue.popleft()
            if self.replaced or now - sending.begun > self._patience:
                self._fail([sending], broker_away())
                continue
            batch.append(sending)
            size += sending.parcel.size
        return batch

    async def _send(self, batch: list[_Sending]) -> None:
        """Until every parcel of the batch has an outcome."""
        while batch:
            try:
                places = await self._writer.write([sending.parcel for sending in batch])
            except MessageRefused:
                await self._send_singly(batch)
                return
            except (OutcomeUnknown, WriterReplaced, BrokerUnavailable) as error:
                _LOG.warning("a transaction was cut off (%s): its outcome is looked up", type(error).__name__)
                batch = await self._settled(batch, may_be_replaced=isinstance(error, WriterReplaced))
                continue
            for sending, place in zip(batch, places, strict=True):
                _end(sending, place)
            return

    async def _send_singly(self, batch: list[_Sending]) -> None:
        if len(batch) > 1:
            for sending in batch:
                await self._send([sending])
            return
        too_large = IngestTooLarge(
            "The message broker takes no message of this size. Send fewer rows in one batch.",
            metadata={"size_bytes": str(batch[0].parcel.size)},
        )
        self._fail(batch, too_large)

    async def _settled(self, batch: list[_Sending], *, may_be_replaced: bool) -> list[_Sending]:
        """Finds out what of a batch is in the topics; returns what is not and is to be sent again."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                if may_be_replaced and await self._is_replaced():
                    _LOG.error("another process writes under this one's name: ingest here has ended")
                    self.replaced = True
                else:
                    await self._writer.renew()
                    # A topic that is gone cuts off everybody's transactions, each time.
                    await self._restore({sending.parcel.topic for sending in batch if sending.parcel.values})
                found = await self._look_up([sending.parcel.token for sending in batch])
                break
            except WriterReplaced:
                may_be_replaced = True
            except (BrokerUnavailable, OutcomeUnknown):
                pass
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        rest = []
        for sending in batch:
            place = found.get(sending.parcel.token)
            if place is not None:
                _end(sending, place)
            elif self.replaced or time.monotonic() - sending.begun > self._patience:
                self._fail([sending], broker_away())
            else:
                rest.append(sending)
        return rest

    def _fail(self, batch: Sequence[_Sending], error: Exception) -> None:
        for sending in batch:
            if not sending.placed.done():
                sending.placed.set_exception(error)
                sending.placed.exception()  # a caller that went away leaves nobody to look at it


def _end(sending: _Sending, place: Place) -> None:
    if not sending.placed.done():
        sending.placed.set_result(place)
