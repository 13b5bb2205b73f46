"""Groups as messages: nothing is lost or reordered in them, whatever their size, and no other bytes pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidatalabs_services.data.errors import IngestTooLarge
from aidatalabs_services.data.journal_records import GroupRecord, RequestRecord
from aidatalabs_services.data.kafka.letters import (
    TopicNames,
    block_token,
    group_messages,
    place_text,
    read_group,
    read_place,
    receipt_message,
)
from aidatalabs_services.data.kafka.ports import Message, Place

REQUESTS = (RequestRecord("a", b"1", "platforms/p/receipts/a", 3), RequestRecord("", b"", "r", 2))


def record(blocks: list[bytes]) -> GroupRecord:
    return GroupRecord(1, 5.0, "trips", "id", "token", ("x",), REQUESTS, tuple(blocks))


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=12), st.integers(600, 2000))
def test_a_group_comes_back_whole_from_its_messages(blocks: list[bytes], limit: int) -> None:
    values = group_messages(record(blocks), limit)
    assert all(len(value) <= limit for value in values)
    found, calls, tokens = [], [], set()
    for offset, value in enumerate(values):
        message = Message("t", 2, offset, value)
        group = read_group(message)
        assert group is not None
        found += [value[start : start + length] for start, length in group.spans]
        calls += list(group.record.requests)
        tokens |= {block_token(message, group, index) for index in range(len(group.spans))}
    assert (found, tuple(calls), len(tokens)) == (blocks, REQUESTS, len(blocks))


def test_a_block_that_fits_no_message_is_refused() -> None:
    with pytest.raises(IngestTooLarge):
        group_messages(record([b"x" * 5000]), 4000)


@given(st.binary(max_size=200), st.integers(0, 400))
def test_a_message_that_was_changed_is_no_group(noise: bytes, place: int) -> None:
    value = group_messages(record([b"rows"]), 4000)[0]
    assert read_group(Message("t", 0, 0, noise)) is None
    assert read_group(Message("t", 0, 0, value + noise)) is None or not noise
    at = place % len(value)
    changed = value[:at] + bytes([value[at] ^ 0x5A]) + value[at + 1 :]
    assert read_group(Message("t", 0, 0, changed)) is None


def test_a_receipt_has_the_calls_that_can_be_repeated_and_no_rows() -> None:
    group = read_group(Message("t", 0, 0, receipt_message(record([b"rows"]))))
    assert group is not None
    assert (group.record.requests, group.spans) == (REQUESTS[:1], ())


def test_names_of_topics_tell_whose_they_are() -> None:
    names = TopicNames("a.b")
    topic = names.data("uid-1", "trips")
    assert names.table_of(topic) == ("uid-1", "trips")
    for other in (names.receipts, names.dead(topic), "a.b.uid-1.", "a.c.uid-1.trips", "a.bx.uid-1.trips"):
        assert names.table_of(other) is None
    assert names.is_of(names.dead(topic), "uid-1")
    assert not names.is_of(topic, "uid")
    assert read_place(place_text(Place(topic, 3, 17))) == Place(topic, 3, 17)
