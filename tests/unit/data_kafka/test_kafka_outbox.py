"""What becomes of a transaction that was cut off: each parcel is there once, and its sender learns where."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

import pytest

from aidatalabs_services.data.errors import IngestTooLarge
from aidatalabs_services.data.kafka.outbox import Outbox
from aidatalabs_services.data.kafka.ports import (
    BrokerUnavailable,
    MessageRefused,
    OutcomeUnknown,
    Parcel,
    Place,
    WriterReplaced,
)
from aidatalabs_services.runtime.errors import ServiceUnavailable


class ScriptedWriter:
    """Does as told at each write: `ok`, `lost` (written, answer lost), `undone`, `replaced`, `large`."""

    def __init__(self, *script: str) -> None:
        self.script = list(script)
        self.written: dict[str, Place] = {}
        self.renewals = 0
        self.unreachable = 0
        self.is_replaced = False
        self.gone: set[str] = set()

    async def write(self, parcels: Sequence[Parcel]) -> Sequence[Place]:
        step = self.script.pop(0) if self.script else "ok"
        if step == "replaced":
            raise WriterReplaced
        if step == "undone" or self.gone & {parcel.topic for parcel in parcels}:
            raise OutcomeUnknown
        if step == "stray":
            raise asyncio.CancelledError
        if step == "odd":
            raise ValueError("nobody foresaw this")
        if step == "large" or any(parcel.token == "huge" for parcel in parcels):
            raise MessageRefused
        for parcel in parcels:
            assert parcel.token not in self.written, "written twice"
            self.written[parcel.token] = Place(parcel.topic, 0, len(self.written))
        if step == "lost":
            raise OutcomeUnknown
        return [self.written[parcel.token] for parcel in parcels]

    async def announce(self, session: str) -> None: ...

    async def renew(self) -> None:
        if self.unreachable:
            self.unreachable -= 1
            raise BrokerUnavailable
        self.renewals += 1

    async def note(self, topic: str, value: bytes, headers: Mapping[str, bytes]) -> None: ...

    async def close(self) -> None: ...

    async def restore(self, topics: Collection[str]) -> None:
        self.gone -= set(topics)

    async def look_up(self, tokens: Sequence[str]) -> dict[str, Place]:
        return {token: self.written[token] for token in tokens if token in self.written}

    async def replaced(self) -> bool:
        return self.is_replaced


def outbox(writer: ScriptedWriter, *, patience: float = 5.0) -> Outbox:
    made = Outbox(
        writer, writer.look_up, writer.replaced, writer.restore, batch_bytes=1000, patience_seconds=patience
    )
    made.start()
    return made


def parcel(token: str) -> Parcel:
    return Parcel("uid", token, "topic", (b"x" * 10,), b"")


@pytest.mark.parametrize("script", [("lost",), ("undone",), ("undone", "lost"), ("undone", "undone", "ok")])
async def test_a_cut_off_transaction_is_looked_up_and_sent_again_only_where_it_is_missing(
    script: tuple[str, ...],
) -> None:
    writer = ScriptedWriter(*script)
    writer.unreachable = 1
    sending = outbox(writer)
    places = await asyncio.gather(*(sending.send(parcel(f"{each}")) for each in range(5)))
    assert {f"{each}": place for each, place in enumerate(places)} == writer.written
    assert writer.renewals >= 1
    await sending.close()


async def test_what_waits_while_the_broker_is_away_is_given_up_and_never_written() -> None:
    writer = ScriptedWriter("undone")
    writer.unreachable = 4
    sending = outbox(writer, patience=0.2)
    with pytest.raises(ServiceUnavailable) as caught:
        await sending.send(parcel("a"))
    assert caught.value.retry_after_seconds
    assert writer.written == {}
    await sending.send(parcel("b"))  # and goes on when it is back
    await sending.close()


async def test_a_topic_that_was_deleted_is_made_anew_and_cuts_nobody_off_for_good() -> None:
    writer = ScriptedWriter()
    writer.gone = {"topic"}
    sending = outbox(writer)
    await asyncio.wait_for(asyncio.gather(*(sending.send(parcel(f"{each}")) for each in range(3))), 5)
    assert len(writer.written) == 3
    await sending.close()


async def test_a_message_that_is_too_large_is_refused_alone() -> None:
    writer = ScriptedWriter()
    sending = outbox(writer)
    outcomes = await asyncio.gather(
        *(sending.send(parcel(token)) for token in ("a", "huge", "b")), return_exceptions=True
    )
    assert isinstance(outcomes[1], IngestTooLarge)
    assert set(writer.written) == {"a", "b"}
    await sending.close()


async def test_a_writer_that_was_replaced_takes_nothing_more() -> None:
    writer = ScriptedWriter("replaced")
    writer.is_replaced = True
    sending = outbox(writer)
    for token in "ab":
        with pytest.raises(ServiceUnavailable):
            await sending.send(parcel(token))
    assert writer.renewals == 0
    await sending.close()


async def test_a_writer_whose_transaction_only_timed_out_goes_on() -> None:
    writer = ScriptedWriter("replaced")
    sending = outbox(writer)
    assert (await sending.send(parcel("a"))).topic == "topic"
    assert writer.renewals == 1
    await sending.close()


@pytest.mark.parametrize("step", ["stray", "odd"])
async def test_a_failure_that_nobody_foresaw_is_a_refusal_and_not_the_end_of_sending(step: str) -> None:
    writer = ScriptedWriter(step)
    sending = outbox(writer)
    with pytest.raises(ServiceUnavailable):
        await asyncio.wait_for(sending.send(parcel("a")), 5)
    await asyncio.wait_for(sending.send(parcel("b")), 5)
    await asyncio.wait_for(sending.close(), 5)


async def test_close_answers_everybody() -> None:
    writer = ScriptedWriter("undone")
    writer.unreachable = 1000
    sending = outbox(writer)
    calls = [asyncio.create_task(sending.send(parcel(f"{each}"))) for each in range(3)]
    await asyncio.sleep(0.05)
    await sending.close()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(outcome, ServiceUnavailable) for outcome in outcomes)


async def test_what_is_brought_after_close_is_refused_at_once() -> None:
    sending = outbox(ScriptedWriter())
    await sending.close()
    with pytest.raises(ServiceUnavailable):
        await asyncio.wait_for(sending.send(parcel("late")), 5)
