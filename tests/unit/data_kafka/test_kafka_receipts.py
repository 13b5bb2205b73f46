"""The receipts topic as it is read: others may write into it, and nothing in it ends the reading."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import cast

import pytest

from aidatalabs_services.data.journal_records import GroupRecord, RequestRecord
from aidatalabs_services.data.kafka.letters import receipt_message
from aidatalabs_services.data.kafka.ports import BrokerUnavailable, Lane, Message, Topics
from aidatalabs_services.data.kafka.receipts_log import Heard, ReceiptsLog
from aidatalabs_services.data.kafka.standing import Standing
from aidatalabs_services.data.receipts import Progress

CALL = RequestRecord("a", b"1", "platforms/p/receipts/a", 3)
RECEIPT = receipt_message(GroupRecord(1, 5.0, "trips", "id", "token", (), (CALL,)))
GOOD = {"uid": b"u", "place": b"t/0/7", "writer": b"another"}
NONSENSE = [
    (b"", {}),
    (b"garbage", {"uid": b"u", "place": b"t/0/1"}),
    (RECEIPT, {}),
    (RECEIPT, GOOD | {"place": b"t/none/1"}),
    (RECEIPT, GOOD | {"place": b"\xff\xfe"}),
    (RECEIPT, GOOD | {"uid": b"\xff"}),
    (b"", {"refused": b"\xff"}),
    (b"", {"session": b"\xff", "writer": b"\xff"}),
]


class Topic:
    """A topic in memory, and its reader."""

    def __init__(self, *messages: tuple[bytes, Mapping[str, bytes]]) -> None:
        self.messages = [Message("r", 0, at, *each) for at, each in enumerate(messages)]
        self.read = 0
        self.opened = 0
        self.failures: list[BaseException] = []
        self.closing: list[BaseException] = []

    async def ends(self, topics: Collection[str]) -> Mapping[Lane, int]:
        return {("r", 0): len(self.messages)}

    async def open(self, since_seconds: float) -> None:
        self.opened += 1
        self.read = 0

    async def next(self) -> Sequence[Message]:
        await asyncio.sleep(0.005)
        if self.failures:
            raise self.failures.pop()
        found, self.read = self.messages[self.read :], len(self.messages)
        return found

    async def position(self) -> int:
        return self.read

    async def close(self) -> None:
        if self.closing:
            raise self.closing.pop()


def log_of(topic: Topic, hear: Heard) -> ReceiptsLog:
    return ReceiptsLog(
        cast(Topics, topic),
        lambda: topic,
        Standing(),
        hear,
        topic="r",
        writer="me",
        session="now",
        receipt_seconds=60.0,
    )


@pytest.mark.parametrize("nonsense", NONSENSE)
async def test_nonsense_in_the_receipts_topic_is_passed_over(
    nonsense: tuple[bytes, Mapping[str, bytes]],
) -> None:
    topic = Topic(nonsense, (RECEIPT, GOOD))
    heard: list[str] = []

    async def hear(uid: str, record: GroupRecord, progress: Progress) -> None:
        heard.append(f"{uid} {record.token}")

    log = log_of(topic, hear)
    log.start()
    begun = time.monotonic()
    async with asyncio.timeout(3):
        assert set(await log.look_up(["token"])) == {"token"}
    assert (heard, topic.opened) == (["u token"], 1)
    assert time.monotonic() - begun < 1
    assert not await log.is_replaced()
    await log.close()


@pytest.mark.parametrize("closing", [asyncio.CancelledError(), ValueError(), None])
@pytest.mark.parametrize("failure", [asyncio.CancelledError(), BrokerUnavailable(), ValueError()])
async def test_reading_goes_on_after_a_failure_and_ends_when_it_is_told_to(
    failure: BaseException, closing: BaseException | None
) -> None:
    topic = Topic((RECEIPT, GOOD))
    topic.failures = [failure]
    topic.closing = [closing] if closing else []

    async def hear(uid: str, record: GroupRecord, progress: Progress) -> None: ...

    log = log_of(topic, hear)
    log.start()
    async with asyncio.timeout(5):
        assert set(await log.look_up(["token"])) == {"token"}
    assert topic.opened == 2
    await asyncio.wait_for(log.close(), 5)
