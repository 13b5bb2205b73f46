"""Rejected rows as letters: rows of the table `dead_letters`, encoded to ride in the journal with their call.

They stand in the very frame of the journal that the call's receipt and its taken rows stand in. So they are
as durable as the acknowledgement, and a repeated call leaves none twice.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from aidatalabs_services.data.blocks import Blocks, encoded_blocks
from aidatalabs_services.data.dead_letters.quota import LETTER_BYTES, DayQuota
from aidatalabs_services.data.dead_letters.row_texts import RowText, row_text
from aidatalabs_services.data.standard_tables import DEAD_LETTERS
from aidatalabs_services.data.verdicts import RejectedRow

_ARROW = pa.schema(
    [
        ("id", pa.string()),
        ("rejected_at", pa.timestamp("ms", tz="UTC")),
        ("table_name", pa.string()),
        ("source", pa.string()),
        ("request_id", pa.string()),
        ("row_index", pa.uint32()),
        ("reason", pa.string()),
        ("message", pa.string()),
        ("column_name", pa.string()),
        ("user_id", pa.string()),
        ("row_json", pa.string()),
        ("row_bytes", pa.uint32()),
        ("is_cut", pa.bool_()),
        ("replayed_at", pa.timestamp("ms", tz="UTC")),
    ]
)


@dataclass(frozen=True)
class LetterLimits:
    """What is kept: `row_bytes` of one row, `call_rows` and `call_bytes` of one call, `day_bytes` of one
    platform in a day (UTC).
    """

    row_bytes: int = 64 * 1024
    call_rows: int = 10_000
    call_bytes: int = 8 * 1024 * 1024
    day_bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True)
class Letters:
    """Encoded letters of one call by partition, how many, and their bytes as the quota counts them."""

    blocks: Blocks = field(default_factory=dict, repr=False)
    count: int = 0
    size: int = 0


@dataclass(frozen=True)
class Origin:
    """Where rejected rows come from: their table, `source` as the column has it, the call's or batch's id."""

    table: str
    source: str
    request_id: str


class LetterKeeping:
    """Writes letters within the limits; on every platform whose table is there."""

    def __init__(self, limits: LetterLimits, quota: DayQuota) -> None:
        self._limits = limits
        self._quota = quota

    async def room(self, uid: str) -> int:
        """Bytes that the letters of one call may take now."""
        return min(self._limits.call_bytes, await self._quota.left(uid))

    def note(self, uid: str, letters: Letters) -> None:
        """Counts letters that are kept."""
        self._quota.spend(uid, letters.size)

    def forget(self, uid: str) -> None:
        """Drops what is known of a platform that is gone."""
        self._quota.forget(uid)

    def written(
        self,
        rejected: Sequence[RejectedRow],
        row_of: Callable[[int], Mapping[str, object]],
        origin: Origin,
        room_bytes: int,
    ) -> Letters:
        """The letters of one call; `row_of` gives a row by its place. Some are left out where room ends."""
        kept: list[tuple[RejectedRow, RowText]] = []
        size = 0
        for row in rejected[: self._limits.call_rows]:
            text = row_text(row_of(row.index), self._limits.row_bytes)
            size += len(text.text.encode()) + LETTER_BYTES
            if size > room_bytes:
                size -= len(text.text.encode()) + LETTER_BYTES
                break
            kept.append((row, text))
        if not kept:
            return Letters()
        return Letters(encoded_blocks(_batch(kept, origin), DEAD_LETTERS), len(kept), size)


def _batch(kept: Sequence[tuple[RejectedRow, RowText]], origin: Origin) -> pa.RecordBatch:
    now_ms = int(time.time() * 1000)
    begin = f"{now_ms:012x}-{secrets.token_hex(5)}"
    rows = [row for row, _ in kept]
    texts = [text for _, text in kept]
    count = len(kept)
    columns = [
        [f"{begin}-{row.index:05x}" for row in rows],
        [now_ms] * count,
        [origin.table] * count,
        [origin.source] * count,
        [origin.request_id] * count,
        [row.index for row in rows],
        [row.reason for row in rows],
        [row.message for row in rows],
        [_column_of(row.message) for row in rows],
        [text.user_id for text in texts],
        [text.text for text in texts],
        [text.whole_bytes for text in texts],
        [text.is_cut for text in texts],
        [None] * count,
    ]
    arrays = [pa.array(values, kind.type) for values, kind in zip(columns, _ARROW, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=_ARROW)


def _column_of(message: str) -> str:
    """The column that a verdict's message begins with."""
    words = message.split(" ", 2)
    return words[1] if words[0] == "column" and len(words) > 1 else ""
