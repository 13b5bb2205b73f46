"""Made-up events with five properties each, as Arrow batches; the same ones for every way in.

Properties: page (one of 200), country (one of 12, 5 % without), referrer (about 32 bytes, nearly all of them
different, 20 % without), duration_ms Int64 and score Float64 (10 % without). Ten events a millisecond,
ascending.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

_FIRST_MILLISECOND = 1_767_225_600_000
_TYPES = ["view", "click", "buy", "login", "logout", "search", "share", "error"]
_COUNTRIES = ["DE", "US", "FR", "GB", "IT", "ES", "NL", "PL", "SE", "NO", "JP", "BR"]


def event_batches(
    count: int, rows: int, *, first_millisecond: int = _FIRST_MILLISECOND
) -> list[pa.RecordBatch]:
    """`count` batches of `rows` events, in the order of their times."""
    return [_batch(rows, number, first_millisecond) for number in range(count)]


def _batch(rows: int, number: int, first_millisecond: int) -> pa.RecordBatch:
    chance = np.random.default_rng(number)

    def without(share: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return chance.random(rows) < share

    referrers = np.char.add("https://example.com/r/", chance.integers(0, 10**9, rows).astype(str))
    properties = pa.StructArray.from_arrays(
        [
            _coded(chance.integers(0, 200, rows, dtype=np.int16), [f"/page/{page}" for page in range(200)]),
            _coded(chance.integers(0, 12, rows, dtype=np.int8), _COUNTRIES, without(0.05)),
            pa.array(referrers, mask=without(0.2)),
            pa.array(chance.integers(0, 60_000, rows), mask=without(0.1)),
            pa.array(chance.random(rows), mask=without(0.1)),
        ],
        names=["page", "country", "referrer", "duration_ms", "score"],
    )
    times = first_millisecond + (np.arange(rows, dtype=np.int64) + number * rows) // 10
    columns = {
        "timestamp": pa.array(times, pa.timestamp("ms", "UTC")),
        "event_type": _coded(chance.integers(0, len(_TYPES), rows, dtype=np.int8), _TYPES),
        "user_id": pa.array(chance.integers(1, 1_000_000, rows).astype(np.uint64)),
        "properties": properties,
        "value": pa.array(chance.random(rows) * 100),
    }
    return pa.RecordBatch.from_pydict(columns)


def _coded(
    codes: np.ndarray[tuple[int], np.dtype[np.signedinteger]],
    words: Sequence[str],
    without: np.ndarray[tuple[int], np.dtype[np.bool_]] | None = None,
) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=without), pa.array(list(words)))


def ipc(batch: pa.RecordBatch) -> bytes:
    """One batch as a complete Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())
