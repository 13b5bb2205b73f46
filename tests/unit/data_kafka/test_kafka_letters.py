"""Groups as messages: nothing is lost or reordered in them, whatever their size, and no other bytes pass."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidatalabs_services.data.errors import IngestTooLarge
from aidatalabs_services.data.journal_records import (
    GroupRecord,
    RequestRecord,
    _checksum,
    _pieces,
    group_frame,
)
from aidatalabs_services.data.kafka.letters import (
    TopicNames,
    block_token,
    group_messages,
    header,
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
    values = group_messages(record(blocks), limit, 5)
    assert all(len(value) <= limit for value in values)
    found, calls, tokens = [], [], set()
    for offset, value in enumerate(values):
        message = Message("t", 2, offset, value)
        group = read_group(message)
        assert group is not None
        assert len(group.spans) <= 5
        found += [value[start : start + length] for start, length in group.spans]
        calls += list(group.record.requests)
        tokens |= {block_token(message, group, index) for index in range(len(group.spans))}
    assert (found, tuple(calls), len(tokens)) == (blocks, REQUESTS, len(blocks))


def test_a_block_that_fits_no_message_is_refused() -> None:
    with pytest.raises(IngestTooLarge):
        group_messages(record([b"x" * 5000]), 4000, 5)


@given(st.binary(max_size=200), st.integers(0, 400))
def test_a_message_that_was_changed_is_no_group(noise: bytes, place: int) -> None:
    value = group_messages(record([b"rows"]), 4000, 5)[0]
    assert read_group(Message("t", 0, 0, noise)) is None
    assert read_group(Message("t", 0, 0, value + noise)) is None or not noise
    at = place % len(value)
    changed = value[:at] + bytes([value[at] ^ 0x5A]) + value[at + 1 :]
    assert read_group(Message("t", 0, 0, changed)) is None


def test_a_receipt_has_the_calls_that_can_be_repeated_and_no_rows() -> None:
    group = read_group(Message("t", 0, 0, receipt_message(record([b"rows"]))))
    assert group is not None
    assert (group.record.requests, group.spans) == (REQUESTS[:1], ())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
HEAD = json.loads(group_frame(record([b"rows"]))[20:].partition(b"rows")[0])


@given(st.sampled_from(sorted(HEAD)), JSON)
def test_a_checksum_makes_no_group_of_nonsense(field: str, value: object) -> None:
    group = read_group(Message("t", 0, 0, b"".join(_pieces(1, HEAD | {field: value}, [b"rows"]))))
    if group is None:
        return
    found = group.record
    assert {type(found.table), type(found.identity), type(found.token), *map(type, found.columns)} == {str}
    assert found.format_name in ("ArrowStream", "Native")
    assert not group.spans or sum(group.spans[-1]) == len(
        b"".join(_pieces(1, HEAD | {field: value}, [b"rows"]))
    )
    assert 0 <= found.letter_blocks <= len(group.spans)
    assert all(request.accepted_count >= 0 for request in found.requests)


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x01\0\0\0", b"\xff\xff\xff\xff{}", b"\x02\0\0\0[]", b"\xa0\x86\x01\0" + b"[" * 100_000],
)
def test_a_frame_without_a_head_is_no_group(payload: bytes) -> None:
    frame = struct.pack("<4sB3xII", b"ADLJ", 1, len(payload), _checksum(1, len(payload), [payload])) + payload
    assert read_group(Message("t", 0, 0, frame)) is None


@given(st.binary(max_size=30))
def test_a_header_is_text_or_nothing(value: bytes) -> None:
    found = header(Message("t", 0, 0, b"", {"place": value}), "place")
    assert found.encode() in (value, b"")
    place = read_place(found)
    assert place is None or isinstance(place.last, int)


UID = "0c7d4b1e-0000-4000-8000-000000000001"


def test_names_of_topics_tell_whose_they_are() -> None:
    names = TopicNames("a.b")
    topic = names.data(UID, "trips")
    assert names.table_of(topic) == (UID, "trips")
    others = ("", "trips.dead")
    assert [names.table_of(names.data(UID, other)) for other in others] == [None, None]
    for other in (names.receipts, f"a.c.{UID}.trips", f"a.bx.{UID}.trips", "a.b.c.receipts"):
        assert names.table_of(other) is None
    assert names.is_of(names.dead(topic), UID)
    assert not names.is_of(topic, UID[:-1])
    assert read_place(place_text(Place(topic, 3, 17)).decode()) == Place(topic, 3, 17)
    assert [read_place(text) for text in ("", "t", "t/1", "t/x/1", "t/1/1e3", "t/1/" + "9" * 30)] == [
        None
    ] * 6
