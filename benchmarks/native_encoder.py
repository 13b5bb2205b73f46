"""How quickly events with five properties become Native blocks, and the engine stores them.

CPU-seconds, not wall time, of one process: the encoder is one thread, the engine's own threads count as well.
The peer of a stored block is JSONEachRow of the same rows, inserted in the same run; each insert makes one
part and merges are stopped.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from aidatalabs_services.data.native.block import NativeColumn, encode_block
from benchmarks.results import Row, row

_ROWS = 100_000
_ENCODED_BATCHES = 12
_STORED_BATCHES = 6
_TEXT_BATCHES = 2
_UNIT = "M rows/CPU-s"
_TYPED = (
    "JSON(country LowCardinality(Nullable(String)), duration_ms Nullable(Int64), "
    "page LowCardinality(Nullable(String)), referrer Nullable(String), score Nullable(Float64))"
)
_TYPES = {
    "timestamp": "DateTime64(3)",
    "event_type": "LowCardinality(String)",
    "user_id": "UInt64",
    "properties": "JSON",
    "value": "Float64",
}
_Block = Sequence[bytes | memoryview]


def run() -> list[Row]:
    """Rows through the encoder, and rows stored from its blocks beside rows stored from JSONEachRow."""
    batch = _events()
    typed = _TYPES | {"properties": _TYPED}
    rows = [
        row("native encoder: dynamic paths", _encoding(batch, _TYPES), _UNIT, goal=">= 9"),
        row("native encoder: typed paths", _encoding(batch, typed), _UNIT, goal=">= 20"),
        row("native encoder: map of text", _encoding(_as_map(batch), _TYPES), _UNIT),
        row("native encoder: JSON text", _encoding(_as_text(batch), _TYPES), _UNIT),
        row("native encoder: JSON text, typed paths", _encoding(_as_text(batch), typed), _UNIT),
    ]
    from chdb import state

    with tempfile.TemporaryDirectory() as folder:
        connection = state.connect(folder)
        try:
            rows += _stored(connection, batch, typed)
        finally:
            connection.close()
    return rows


def _events() -> pa.RecordBatch:
    """Events as a client sends them: few pages and countries, long referrers, some values missing."""
    rng = np.random.default_rng(1)

    def few(count: int, prefix: str, null_share: float = 0.0) -> pa.Array:
        codes = pa.array(rng.integers(0, count, _ROWS).astype(np.int32), mask=rng.random(_ROWS) < null_share)
        return pa.DictionaryArray.from_arrays(codes, pa.array([f"{prefix}{each}" for each in range(count)]))

    referrers = [
        f"https://example.com/{'r' * size}{place}" for place, size in enumerate(rng.integers(2, 14, _ROWS))
    ]
    properties = {
        "page": few(200, "/page/"),
        "country": few(12, "C", 0.05),
        "referrer": pa.array(referrers, mask=rng.random(_ROWS) < 0.2),
        "duration_ms": pa.array(rng.integers(0, 100_000, _ROWS), mask=rng.random(_ROWS) < 0.1),
        "score": pa.array(rng.random(_ROWS).round(3), mask=rng.random(_ROWS) < 0.1),
    }
    return pa.record_batch(
        {
            "timestamp": pa.array(np.arange(_ROWS) * 7 + 1_767_225_600_000, pa.timestamp("ms", "UTC")),
            "event_type": few(10, "event_"),
            "user_id": pa.array(rng.integers(0, 1_000_000, _ROWS).astype(np.uint64)),
            "properties": pa.StructArray.from_arrays(list(properties.values()), list(properties)),
            "value": pa.array(rng.random(_ROWS)),
        }
    )


def _objects(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    for each in batch.column("properties").to_pylist():
        yield {key: value for key, value in each.items() if value is not None}


def _as_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    texts = pa.array([json.dumps(each) for each in _objects(batch)])
    return batch.set_column(3, "properties", texts)


def _as_map(batch: pa.RecordBatch) -> pa.RecordBatch:
    maps = [[(key, str(value)) for key, value in each.items()] for each in _objects(batch)]
    return batch.set_column(3, "properties", pa.array(maps, pa.map_(pa.string(), pa.string())))


def _encoding(batch: pa.RecordBatch, types: dict[str, str]) -> float:
    """Million rows a CPU-second: the best batch of several."""
    columns = [NativeColumn(name, kind) for name, kind in types.items()]
    return _best(lambda: encode_block(batch, columns), _ENCODED_BATCHES)


def _best(work: Callable[[], object], times: int) -> float:
    spent = []
    for _ in range(times):
        begun = time.process_time()
        work()
        spent.append(time.process_time() - begun)
    return _ROWS / min(spent) / 1e6


def _stored(connection: Any, batch: pa.RecordBatch, typed: dict[str, str]) -> list[Row]:
    lines = "\n".join(
        json.dumps(each | {"timestamp": each["timestamp"].isoformat(sep=" ", timespec="milliseconds")[:23]})
        for each in batch.to_pylist()
    )
    rows: list[Row] = []
    for name, types in (("dynamic", _TYPES), ("typed", typed)):
        columns = [NativeColumn(column, kind) for column, kind in types.items()]
        encode = partial(encode_block, batch, columns)
        native = _inserting(connection, types, "Native", _STORED_BATCHES, encode)
        text = _inserting(connection, types, "JSONEachRow", _TEXT_BATCHES, lambda: [lines.encode()])
        rows.append(
            row(
                f"encode and store: {name} paths",
                native,
                _UNIT,
                peer="JSONEachRow into the same engine",
                peer_value=text,
                goal=">= 3x",
            )
        )
    return rows


def _inserting(
    connection: Any, types: dict[str, str], format_name: str, times: int, made: Callable[[], _Block]
) -> float:
    """Million rows a CPU-second from the batch to the part, over all inserts together."""
    columns = ", ".join(f"{name} {kind}" for name, kind in types.items())
    connection.query(
        f"CREATE OR REPLACE TABLE stored ({columns}) ENGINE = MergeTree PARTITION BY toYYYYMM(timestamp) "
        "ORDER BY (timestamp, event_type) SETTINGS min_level_for_wide_part = 1"
    )
    connection.query("SYSTEM STOP MERGES stored")
    begun = time.process_time()
    for _ in range(times):
        with _memory_file(made()) as path:
            connection.query(
                f"INSERT INTO stored FROM INFILE '{path}' COMPRESSION 'none' SETTINGS max_insert_threads = 1 "
                f"FORMAT {format_name}"
            )
    spent = time.process_time() - begun
    stored = int(connection.query("SELECT count() FROM stored", "TSV").bytes())
    if stored != times * _ROWS:
        raise RuntimeError(f"{stored} rows stored of {times * _ROWS}")
    return times * _ROWS / spent / 1e6


@contextmanager
def _memory_file(block: _Block) -> Iterator[str]:
    descriptor = os.memfd_create("rows")
    try:
        for begin in range(0, len(block), 512):
            pieces: list[bytes | memoryview] = list(block[begin : begin + 512])
            wanted, written = sum(map(len, pieces)), os.writev(descriptor, pieces)
            if written < wanted:
                raise RuntimeError("memory is full")
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def main() -> None:
    """Prints the figures."""
    for found in run():
        peer = f"  {found['peer']} {found['peer_value']}, x{found['ratio']}" if found["peer"] else ""
        goal = f"  goal {found['goal']}" if found["goal"] else ""
        print(f"{found['name']:<42}{found['value']:>8} {found['unit']}{peer}{goal}")


if __name__ == "__main__":
    main()
