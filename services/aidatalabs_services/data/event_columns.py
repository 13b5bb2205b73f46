"""The rules of events for whole columns: the same verdicts, in the same words, as for events one by one."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from aidatalabs_services.data.verdicts import (
    EVENT_END_SECONDS,
    MAX_EVENT_TYPE_BYTES,
    ONE_DAY_SECONDS,
    OUT_OF_RANGE,
    TIME_MISSING,
)

EVENT_DEFAULTS: Mapping[str, pa.Scalar] = {
    "user_id": pa.scalar(0, pa.uint64()),
    "value": pa.scalar(0.0, pa.float64()),
}
"""What a column of the table of events holds where an event does not say."""
_MILLISECONDS = 1_000


class Sink(Protocol):
    """Where refusals go."""

    def add(self, rows: NDArray[np.bool_], reason: str, message: str) -> None:
        """Refuses rows."""
        ...


def judge_event_columns(arrays: Mapping[str, pa.Array], refusals: Sink, *, now_seconds: float) -> None:
    """Refuses events whose time or type breaks a rule; the other rules are those of the columns' types."""
    _judge_times(arrays["timestamp"], refusals, now_seconds)
    judge_types(arrays["event_type"], refusals)


def _judge_times(times: pa.Array, refusals: Sink, now_seconds: float) -> None:
    missing = times.is_null().to_numpy(zero_copy_only=False)
    if missing.any():
        refusals.add(missing, *TIME_MISSING)
    latest = min(EVENT_END_SECONDS, int(now_seconds) + ONE_DAY_SECONDS) * _MILLISECONDS
    ticks = pc.fill_null(times.cast(pa.int64()), 0).to_numpy()
    outside = (ticks < 0) | (ticks > latest)
    if outside.any():
        refusals.add(outside, *OUT_OF_RANGE)


def judge_types(types: pa.Array, refusals: Sink) -> None:
    """Refuses events whose type breaks a rule."""
    coded = types if pa.types.is_dictionary(types.type) else types.dictionary_encode()
    indices, empty = coded.indices, np.zeros(len(types), np.bool_)
    if types.null_count or coded.dictionary.null_count:
        indices, empty = pc.fill_null(indices, 0), types.is_null().to_numpy(zero_copy_only=False)
    codes = indices.to_numpy(zero_copy_only=False)
    verdicts = [_verdict(text) for text in coded.dictionary.to_pylist()]
    found = {verdict for verdict in verdicts if verdict}
    if empty.any() or (None in verdicts):
        found.add(_EMPTY)
    for reason, message in sorted(found):
        flags = np.array([verdict == (reason, message) for verdict in verdicts] or [False], np.bool_)
        rows = flags[codes] & ~empty
        refusals.add(rows | empty if reason == _EMPTY[0] else rows, reason, message)


_EMPTY = ("EVENT_TYPE_EMPTY", "column event_type must not be empty")


def _verdict(text: str | None) -> tuple[str, str] | None:
    """Reason and words for one event type, or None where it is good."""
    if not text:
        return _EMPTY
    if len(text.encode()) > MAX_EVENT_TYPE_BYTES:
        return "EVENT_TYPE_TOO_LONG", f"column event_type is longer than {MAX_EVENT_TYPE_BYTES} bytes"
    if not text.isprintable() and any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        return "EVENT_TYPE_INVALID", "column event_type must not hold control characters"
    return None
