"""Names of topics, and groups as messages.

    <prefix>.<platform uid>.<table>         a table's groups, each as the journal would keep it
    <prefix>.<platform uid>.<table>.dead    messages of it that can never be stored
    <prefix>.receipts                       what was acknowledged: groups without their rows

A message is one frame of `journal_records`. A group whose blocks do not fit one message takes several, one
behind the other in one partition and in one transaction; only the first has its calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from aidatalabs_services.data.errors import IngestTooLarge
from aidatalabs_services.data.journal_records import GroupRecord, ReadGroup, group_frame, read_frames
from aidatalabs_services.data.kafka.ports import Message, Place

_DEAD = ".dead"
# Headers of messages in the receipts topic.
UID = "uid"
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
        """(uid, table) of a table's topic; None for all others."""
        if not topic.startswith(f"{self.prefix}."):
            return None
        parts = topic[len(self.prefix) + 1 :].split(".")
        return (parts[0], parts[1]) if len(parts) == 2 and all(parts) else None

    def is_of(self, topic: str, uid: str) -> bool:
        """Whether a topic belongs to this platform."""
        return topic.startswith(f"{self.prefix}.{uid}.")


def group_messages(record: GroupRecord, limit_bytes: int) -> tuple[bytes, ...]:
    """A group as messages of at most `limit_bytes`. Raises IngestTooLarge where a block alone is larger."""
    values: list[bytes] = []
    rows_left = len(record.blocks) - record.letter_blocks
    for blocks in _packed(record.blocks, limit_bytes - len(group_frame(replace(record, blocks=())))):
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


def _packed(blocks: tuple[bytes, ...], room: int) -> Iterator[tuple[bytes, ...]]:
    """The blocks in order, as many together as fit."""
    pack: list[bytes] = []
    size = 0
    for block in blocks:
        if pack and size + len(block) > room:
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


def read_place(text: bytes) -> Place:
    """The inverse of `place_text`."""
    topic, partition, last = text.decode().rsplit("/", 2)
    return Place(topic, int(partition), int(last))


def read_group(message: Message) -> ReadGroup | None:
    """The group of a message; None where it is no whole frame of one."""
    try:
        frames = list(read_frames(message.value, 0))
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    if len(frames) != 1 or frames[0][0] != len(message.value) or not isinstance(frames[0][1], ReadGroup):
        return None
    return frames[0][1]


def block_token(message: Message, group: ReadGroup, index: int) -> str:
    """What names a block towards the engine, the same however often the message is read.

    With the group's own token, because a topic that was deleted and made anew counts from 0 again.
    """
    at = f"{message.topic}:{message.partition}:{message.offset}-{message.offset}"
    return f"{at}:{group.record.token}-{index}"
