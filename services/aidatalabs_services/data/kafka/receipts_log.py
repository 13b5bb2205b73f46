"""The receipts topic, read by every process: which groups were acknowledged, by whom, and where they lie."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from aidatalabs_services.data.journal_records import GroupRecord
from aidatalabs_services.data.kafka.letters import (
    PLACE,
    REFUSED,
    SESSION,
    UID,
    WRITER,
    header,
    read_group,
    read_place,
)
from aidatalabs_services.data.kafka.ports import BrokerUnavailable, Message, Place, ReceiptReader, Topics
from aidatalabs_services.data.kafka.standing import Standing
from aidatalabs_services.data.kafka.tasks import ended, kept_up, to_its_end
from aidatalabs_services.data.receipts import Progress

_LOG = logging.getLogger(__name__)
_TOKENS_KEPT = 20_000
_PAUSE_SECONDS = 0.5
_LOOK_SECONDS = 0.01

Heard = Callable[[str, GroupRecord, Progress], Awaitable[None]]


class ReceiptsLog:
    """Follows the receipts topic from `receipt_seconds` ago; `heard` is told every group of other processes
    and of earlier lives of this one.

    `writer` is the name that this process writes under, `session` its own life.
    """

    def __init__(
        self,
        topics: Topics,
        reader: Callable[[], ReceiptReader],
        standing: Standing,
        heard: Heard,
        *,
        topic: str,
        writer: str,
        session: str,
        receipt_seconds: float,
    ) -> None:
        self._topics = topics
        self._reader = reader
        self._standing = standing
        self._heard = heard
        self._topic = topic
        self._writer = writer
        self._session = session
        self._since = time.time() - receipt_seconds
        self._position = 0
        self._places: OrderedDict[str, Place] = OrderedDict()
        self._announced = False
        self._replaced = False
        self._follower: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to read; the topic must be there."""
        work = kept_up(self._follow, "reading the receipts topic", _PAUSE_SECONDS)
        self._follower = asyncio.create_task(work, context=contextvars.Context())

    async def close(self) -> None:
        """Stops reading."""
        await ended(self._follower)

    async def caught_up(self) -> None:
        """Returns when everything is read that is in the topic now. Raises BrokerUnavailable."""
        end = max((await self._topics.ends([self._topic])).values(), default=0)
        while self._position < end:  # noqa: ASYNC110 - one place, looked at by few
            await asyncio.sleep(_LOOK_SECONDS)

    async def look_up(self, tokens: Sequence[str]) -> dict[str, Place]:
        """The places of the groups of these tokens that are in the topic now."""
        await self.caught_up()
        return {token: self._places[token] for token in tokens if token in self._places}

    async def is_replaced(self) -> bool:
        """Whether another process has announced itself as the writer of this one's name, after this one."""
        await self.caught_up()
        return self._replaced

    async def _follow(self) -> None:
        """Reads with one reader for as long as that goes well."""
        reader = self._reader()
        try:
            await reader.open(self._since)
            while True:
                for message in await reader.next():
                    await self._read(message)
                self._position = await reader.position()
        except BrokerUnavailable as error:
            _LOG.warning("the receipts topic cannot be read at the moment: %s", error)
        finally:
            with contextlib.suppress(BrokerUnavailable):
                await to_its_end(reader.close())

    async def _read(self, message: Message) -> None:
        if REFUSED in message.headers:
            self._standing.refuse(header(message, REFUSED))
        elif SESSION in message.headers:
            if header(message, WRITER) == self._writer:
                own = header(message, SESSION) == self._session
                self._replaced = self._announced and not own
                self._announced |= own
        else:
            await self._read_group(message)

    async def _read_group(self, message: Message) -> None:
        group, place, uid = read_group(message), read_place(header(message, PLACE)), header(message, UID)
        if group is None or place is None or not uid:
            _LOG.error("message %d of the receipts topic is no receipt; passed over", message.offset)
            return
        token = group.record.token
        known = token in self._places
        self._places[token] = place
        if len(self._places) > _TOKENS_KEPT:
            self._places.popitem(last=False)
        if known or header(message, WRITER) == self._session:
            return
        if any(request.request_id for request in group.record.requests):
            progress = self._standing.progress_of(place, token)
            await self._heard(uid, group.record, progress)
