"""Names of topics, and groups as messages.

    <prefix>.<platform uid>.<table>         a table's groups, each as the journal would keep it
    <prefix>.<platform uid>.<table>.dead    messages of it that can never be stored
    <prefix>.receipts                       what was acknowledged: groups without their rows

A message is one frame of `journal_records`. A group whose blocks do not fit one message takes several, one
behind the other in one partition and in one transaction; only the first has its calls.

Whoever may write to the brokers may write into these topics: what is read is looked at whole before anything
is done with it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from aidatalabs_services.data.blocks import NATIVE, ROWS_FORMAT
from aidatalabs_services.data.errors import IngestTooLarge
from aidatalabs_services.data.journal_records import (
    GroupRecord,
    ReadGroup,
    RequestRecord,
    group_frame,
    read_frames,
)
from aidatalabs_services.data.kafka.ports import Message, Place

_DEAD = ".dead"
_NUMBER = re.compile(r"-?[0-9]{1,18}\Z")
# What the length of one block takes in a frame's head.
_LENGTHS_BYTES = 11
_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
# The platform, in the header of every message; of messages from before it had one it is not asked.
UID = "uid"
# Headers of messages in the receipts topic.
PLACE = "place"
REFUSED = "refused"
SESSION = "session"
WRITER = "writer"


@dataclass(frozen=True)
class TopicNames:
    """The names of all topics of one deployment."""

    prefix: str

    @property
    def receipts(self) -> str:
        """The topic of receipts."""
        return f"{self.prefix}.receipts"

    @property
    def group(self) -> str:
        """The consumer group of the sink."""
        return f"{self.prefix}.sink"

    def data(self, uid: str, table: str) -> str:
        """The topic of one table."""
        return f"{self.prefix}.{uid}.{table}"

    def dead(self, topic: str) -> str:
        """Where the messages of a topic go that can never be stored."""
        return topic + _DEAD

    def table_of(self, topic: str) -> tuple[str, str] | None:
        """(uid, table) of a table's topic; None for all others, also those of a longer prefix."""
        if not topic.startswith(f"{self.prefix}."):
            return None
        uid, _, table = topic[len(self.prefix) + 1 :].partition(".")
        return (uid, table) if _UID.match(uid) and table and "." not in table else None

    def is_of(self, topic: str, uid: str) -> bool:
        """Whether a topic belongs to this platform."""
        return topic.startswith(f"{self.prefix}.{uid}.")


def group_messages(record: GroupRecord, limit_bytes: int, limit_blocks: int) -> tuple[bytes, ...]:
    """A group as messages of at most so many bytes and blocks. Raises IngestTooLarge where a block alone has
    more bytes.
    """
    values: list[bytes] = []
    rows_left = len(record.blocks) - record.letter_blocks
    room = limit_bytes - len(group_frame(replace(record, blocks=()))) - _LENGTHS_BYTES * limit_blocks
    for blocks in _packed(record.blocks, room, limit_blocks):
        requests = () if values else record.requests
        letters = len(blocks) - min(len(blocks), rows_left)
        rows_left -= len(blocks) - letters
        values.append(group_frame(replace(record, requests=requests, blocks=blocks, letter_blocks=letters)))
    if any(len(value) > limit_bytes for value in values):
        raise IngestTooLarge(
            f"Encoded, the rows take more than the {limit_bytes:,} bytes that one message to Kafka may have. "
            "Send fewer rows in one batch.",
            metadata={"limit_bytes": str(limit_bytes)},
        )
    return tuple(values)


def _packed(blocks: tuple[bytes, ...], room: int, most: int) -> Iterator[tuple[bytes, ...]]:
    """The blocks in order, as many together as fit."""
    pack: list[bytes] = []
    size = 0
    for block in blocks:
        if pack and (size + len(block) > room or len(pack) == most):
            yield tuple(pack)
            pack, size = [], 0
        pack.append(block)
        size += len(block)
    if pack:
        yield tuple(pack)


def receipt_message(record: GroupRecord) -> bytes:
    """A group without its rows, and of its calls those that can be repeated."""
    named = tuple(request for request in record.requests if request.request_id)
    return group_frame(replace(record, requests=named, columns=(), blocks=(), letter_blocks=0))


def place_text(place: Place) -> bytes:
    """Where a group lies, for the header of its receipt."""
    return f"{place.topic}/{place.partition}/{place.last}".encode()


def header(message: Message, name: str) -> str:
    """A header as text; empty where there is none, or none that is text."""
    try:
        return message.headers.get(name, b"").decode()
    except UnicodeDecodeError:
        return ""


def read_place(text: str) -> Place | None:
    """The inverse of `place_text`; None for any other text."""
    topic, *numbers = text.rsplit("/", 2)
    if len(numbers) != 2 or not all(_NUMBER.match(number) for number in numbers):
        return None
    return Place(topic, *map(int, numbers))


def read_group(message: Message) -> ReadGroup | None:
    """The group of a message; None where it is no whole and sound frame of one."""
    try:
        frames = list(read_frames(message.value, 0))
    except (ValueError, LookupError, TypeError, AttributeError, struct.error, RecursionError):
        return None
    if len(frames) != 1 or frames[0][0] != len(message.value):
        return None
    group = frames[0][1]
    return group if isinstance(group, ReadGroup) and _is_sound(group, len(message.value)) else None


def _is_sound(group: ReadGroup, size: int) -> bool:
    """Whether everything in a group is of its type: a checksum is easily made by whoever writes nonsense."""
    record = group.record
    lengths = [length for _, length in group.spans]
    return (
        all(isinstance(each, str) for each in (record.table, record.identity, record.token))
        and all(isinstance(each, str) for each in (*record.columns, *record.letter_columns))
        and record.format_name in (NATIVE, ROWS_FORMAT)
        and isinstance(record.created_seconds, int | float)
        and all(type(length) is int and length >= 0 for length in lengths)
        and (not lengths or sum(group.spans[-1]) == size)
        and type(record.letter_blocks) is int
        and 0 <= record.letter_blocks <= len(lengths)
        and all(map(_is_sound_call, record.requests))
    )


def _is_sound_call(request: RequestRecord) -> bool:
    counts = (request.accepted_count, request.unlisted_count, request.letter_count)
    return (
        isinstance(request.request_id, str)
        and isinstance(request.name, str)
        and all(type(count) is int and count >= 0 for count in counts)
        and all(
            type(row.index) is int and isinstance(row.reason, str) and isinstance(row.message, str)
            for row in request.rejected
        )
    )


def block_token(message: Message, group: ReadGroup, index: int) -> str:
    """What names a block towards the engine, the same however often the message is read.

    With the group's own token, because a topic that was deleted and made anew counts from 0 again.
    """
    at = f"{message.topic}:{message.partition}:{message.offset}-{message.offset}"
    return f"{at}:{group.record.token}-{index}"
