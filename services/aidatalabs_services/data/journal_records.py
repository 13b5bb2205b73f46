"""Records of the ingest journal as bytes: a frame with length and checksum around a JSON head and raw blocks.

    frame   = magic "ADLJ" · kind u8 · 3 zero bytes · payload length u32 · checksum u32 · payload
    payload = head length u32 · head (JSON) · blocks one after another

The checksum is the CRC-32 of kind, length and payload; all numbers are little-endian. A frame that does not
check ends what can be read: everything before it is intact, everything from it on was never acknowledged (a
torn tail) or is damage of the disk.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from aidatalabs_services.data.verdicts import RejectedRow

MAGIC = b"ADLJ"
_FRAME = struct.Struct("<4sB3xII")
_CHECKED = struct.Struct("<BI")
_LENGTH = struct.Struct("<I")
_GROUP = 1
_STORED = 2

# Where a block lies in its file: offset and length in bytes.
Span = tuple[int, int]

Pieces = Sequence[bytes]
"""A frame as it is written: its pieces one after another, large ones as they are, never copied together."""


@dataclass(frozen=True)
class RequestRecord:
    """One call of a group: its id (empty: no deduplication), digest of its content and what it was told.

    `name` is the receipt's resource name; `unlisted_count` more rows were refused than `rejected` lists;
    `letter_count` of the refused rows are kept as letters.
    """

    request_id: str
    digest: bytes
    name: str
    accepted_count: int
    rejected: tuple[RejectedRow, ...] = ()
    unlisted_count: int = 0
    letter_count: int = 0

    @property
    def row_count(self) -> int:
        """How many rows it brought."""
        return self.accepted_count + len(self.rejected)


@dataclass(frozen=True)
class GroupRecord:
    """Calls that were journalled together, and their rows as blocks ready for the engine.

    `sequence` counts the groups of one journal, `created_seconds` is Unix time, `identity` the engine's id of
    the table, `token` names the group towards the engine; block i is inserted with token `{token}-{i}`.
    `refused` is set where a block of it can never be stored; `format_name` is that of the blocks, in
    ClickHouse's words. The last `letter_blocks` blocks are rows of the table of rejected rows, with
    `letter_columns`, in Native.
    """

    sequence: int
    created_seconds: float
    table: str
    identity: str
    token: str
    columns: tuple[str, ...]
    requests: tuple[RequestRecord, ...]
    blocks: tuple[bytes, ...] = field(default=(), repr=False)
    refused: bool = False
    format_name: str = "ArrowStream"
    letter_blocks: int = 0
    letter_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class StoredRecord:
    """The engine confirmed one block of a group; `kept` is False where the block can never be stored."""

    sequence: int
    block: int
    kept: bool = True


@dataclass(frozen=True)
class ReadGroup:
    """A group read back without its blocks: `spans` says where they lie in the file."""

    record: GroupRecord
    spans: tuple[Span, ...]

    def is_letters(self, index: int) -> bool:
        """Whether a block is of the table of rejected rows."""
        return index >= len(self.spans) - self.record.letter_blocks


def group_frame(record: GroupRecord) -> bytes:
    """The bytes of a group."""
    return b"".join(group_pieces(record))


def group_pieces(record: GroupRecord) -> Pieces:
    """The same in pieces, the blocks among them as they are."""
    head = {
        "sequence": record.sequence,
        "created_seconds": record.created_seconds,
        "table": record.table,
        "identity": record.identity,
        "token": record.token,
        "columns": record.columns,
        "requests": [
            [
                request.request_id,
                request.digest.hex(),
                request.name,
                request.accepted_count,
                [[row.index, row.reason, row.message] for row in request.rejected],
                request.unlisted_count,
                request.letter_count,
            ]
            for request in record.requests
        ],
        "blocks": [len(block) for block in record.blocks],
        "refused": record.refused,
        "format": record.format_name,
    }
    if record.letter_blocks:
        head |= {"letter_blocks": record.letter_blocks, "letter_columns": record.letter_columns}
    return _pieces(_GROUP, head, record.blocks)


def group_spans(record: GroupRecord, frame_length: int, offset: int) -> tuple[Span, ...]:
    """Where the blocks of a group lie whose frame of `frame_length` bytes was written at `offset`."""
    end = offset + frame_length
    start = end - sum(len(block) for block in record.blocks)
    return _spans(start, [len(block) for block in record.blocks])


def stored_frame(record: StoredRecord) -> bytes:
    """The bytes of a confirmation."""
    head = {"sequence": record.sequence, "block": record.block, "kept": record.kept}
    return b"".join(_pieces(_STORED, head, ()))


def read_frames(data: bytes, start: int) -> Iterator[tuple[int, ReadGroup | StoredRecord]]:
    """Every intact record from `start` on with the offset behind it; ends before the first that does not
    check.
    """
    position = start
    while (end := _checked_end(data, position)) is not None:
        payload = position + _FRAME.size
        head_end = payload + _LENGTH.size + _LENGTH.unpack_from(data, payload)[0]
        head = json.loads(data[payload + _LENGTH.size : head_end])
        yield end, (_group(head, head_end) if data[position + 4] == _GROUP else StoredRecord(**head))
        position = end


def read_heads(read: Callable[[int, int], bytes], start: int, end: int) -> Iterator[ReadGroup]:
    """The groups of a file that this process wrote or has read whole, without a look at their blocks.

    `read` gives so many bytes from an offset on. Ends at `end`, or before the first frame that is none.
    """
    position = start
    while position < end:
        data = read(position, _FRAME.size + _LENGTH.size)
        if len(data) < _FRAME.size + _LENGTH.size:
            return
        magic, kind, length, _ = _FRAME.unpack_from(data)
        (head_length,) = _LENGTH.unpack_from(data, _FRAME.size)
        if magic != MAGIC or _LENGTH.size + head_length > length or position + _FRAME.size + length > end:
            return
        head_end = position + len(data) + head_length
        if kind == _GROUP:
            try:
                group = _group(json.loads(read(position + len(data), head_length)), head_end)
            except (ValueError, LookupError, TypeError):  # damaged since
                return
            yield group
        position += _FRAME.size + length


def holds_intact_frame(data: bytes, start: int) -> bool:
    """Whether any whole record lies at or behind `start`: then what precedes it is damage, not torn."""
    position = data.find(MAGIC, start)
    while position >= 0:
        if _checked_end(data, position) is not None:
            return True
        position = data.find(MAGIC, position + 1)
    return False


def _pieces(kind: int, head: dict[str, Any], blocks: Sequence[bytes]) -> Pieces:
    text = json.dumps(head, separators=(",", ":"), ensure_ascii=True).encode()
    payload = [_LENGTH.pack(len(text)) + text, *blocks]
    size = sum(map(len, payload))
    return [_FRAME.pack(MAGIC, kind, size, _checksum(kind, size, payload)) + payload[0], *blocks]


def _checksum(kind: int, size: int, payload: Iterable[bytes | memoryview]) -> int:
    checksum = zlib.crc32(_CHECKED.pack(kind, size))
    for piece in payload:
        checksum = zlib.crc32(piece, checksum)
    return checksum


def _checked_end(data: bytes, position: int) -> int | None:
    """The offset behind the frame at `position`, or None where no intact frame stands there."""
    start = position + _FRAME.size
    if len(data) < start:
        return None
    magic, kind, length, checksum = _FRAME.unpack_from(data, position)
    if magic != MAGIC or kind not in (_GROUP, _STORED) or data[position + 5 : position + 8] != b"\0\0\0":
        return None
    if len(data) < start + length:
        return None
    if checksum != _checksum(kind, length, [memoryview(data)[start : start + length]]):
        return None
    return int(start + length)


def _group(head: dict[str, Any], blocks_start: int) -> ReadGroup:
    requests = tuple(
        RequestRecord(
            request_id,
            bytes.fromhex(digest),
            name,
            accepted,
            tuple(RejectedRow(*row) for row in rejected),
            *counts,  # older journals have none or one
        )
        for request_id, digest, name, accepted, rejected, *counts in head["requests"]
    )
    record = GroupRecord(
        head["sequence"],
        head["created_seconds"],
        head["table"],
        head["identity"],
        head["token"],
        tuple(head["columns"]),
        requests,
        refused=head["refused"],
        format_name=head.get("format", GroupRecord.format_name),
        letter_blocks=head.get("letter_blocks", 0),
        letter_columns=tuple(head.get("letter_columns", ())),
    )
    return ReadGroup(record, _spans(blocks_start, head["blocks"]))


def _spans(start: int, lengths: Sequence[int]) -> tuple[Span, ...]:
    spans = []
    for length in lengths:
        spans.append((start, length))
        start += length
    return tuple(spans)
