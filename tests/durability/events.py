"""The events of a durability run: all of them follow from the seed and the number of their batch.

An event's `user_id` is its own number, `path << 44 | batch << 16 | place`, and everything else in it follows
from that number, so that what is in a table can be judged without a list of what was sent.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from google.protobuf.struct_pb2 import Struct
from numpy.typing import NDArray

from aidatalabs.data.v1 import ingest_pb2

ROWS, STREAM = "rows", "stream"
PATHS = (ROWS, STREAM)
"""The ways in. Another one (a log that is consumed, say) is one more name here and in `client_process`."""

_PLACE_BITS, _BATCH_BITS = 16, 28
_SIZES = {ROWS: (1, 1000), STREAM: (50, 1500)}
_FORMS = ("struct", "map", "text")
_BEGIN_MS = 1_767_225_600_000  # 2026-01-01; the events lie in two months, so a batch has up to two blocks
_SPAN_MS = 40 * 86_400_000
_TYPES = np.array(["click", "view", "order", "refund", "login"])
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class BatchOf:
    """One batch: which path it takes and its number there; `rows` where its size is given."""

    seed: int
    path: str
    number: int
    rows: int = 0

    @property
    def key(self) -> str:
        """Request or batch id: the same whenever the batch is sent again."""
        return f"{self.seed}-{self.path}-{self.number}"

    @property
    def count(self) -> int:
        """Number of its events."""
        return self.rows or random.Random(f"{self.key} size").randint(*_SIZES[self.path])

    @property
    def form(self) -> str:
        """How its properties come: as a struct, a map or JSON text. Rows always bring structs."""
        return random.Random(f"{self.key} form").choice(_FORMS)

    def numbers(self) -> Numbers:
        """The numbers of its events."""
        first = (PATHS.index(self.path) + 1) << (_BATCH_BITS + _PLACE_BITS) | self.number << _PLACE_BITS
        return np.arange(first, first + self.count, dtype=np.int64)

    def messages(self) -> list[ingest_pb2.Event]:
        """Its events as a unary call takes them."""
        numbers = self.numbers()
        columns = (numbers, times(numbers), types(numbers), values(numbers))
        return [_message(*event) for event in zip(*(column.tolist() for column in columns), strict=True)]

    def arrow(self) -> bytes:
        """Its events as an Arrow IPC stream."""
        numbers = self.numbers()
        batch = pa.RecordBatch.from_pydict(
            {
                "timestamp": pa.array(times(numbers), pa.timestamp("ms")),
                "event_type": pa.array(types(numbers)).dictionary_encode(),
                "user_id": pa.array(numbers.astype(np.uint64)),
                "properties": _properties(numbers, self.form),
                "value": pa.array(values(numbers)),
            }
        )
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        return bytes(sink.getvalue())


def _message(number: int, time: int, kind: str, value: float) -> ingest_pb2.Event:
    properties = Struct()
    properties.update({"n": str(number), "page": f"/{number % 97}", "deep": {"even": number % 2 == 0}})
    event = ingest_pb2.Event(event_type=kind, user_id=number, properties=properties, value=value)
    event.timestamp.FromMilliseconds(time)
    return event


def _properties(numbers: Numbers, form: str) -> pa.Array:
    plain: list[dict[str, Any]] = [{"n": str(each), "page": f"/{each % 97}"} for each in numbers.tolist()]
    if form == "map":
        return pa.array([list(each.items()) for each in plain], pa.map_(pa.string(), pa.string()))
    if form == "text":
        return pa.array([json.dumps(each | {"tags": ["a", "b"]}) for each in plain])
    return pa.array(
        [each | {"deep": {"even": number % 2 == 0}} for each, number in _numbered(plain, numbers)]
    )


def _numbered(plain: list[dict[str, Any]], numbers: Numbers) -> Iterable[tuple[dict[str, Any], int]]:
    return zip(plain, numbers.tolist(), strict=True)


def times(numbers: Numbers) -> Numbers:
    """Milliseconds since 1970: spread over the span so that neighbours are far apart."""
    return _BEGIN_MS + (numbers * 2_654_435_761) % _SPAN_MS


def types(numbers: Numbers) -> NDArray[Any]:
    """Event types."""
    return _TYPES[numbers % len(_TYPES)]


def values(numbers: Numbers) -> NDArray[np.float64]:
    """Halves below 500: their sums are exact in every order."""
    return (numbers % 1000) / 2.0


def texts(numbers: Numbers) -> list[str]:
    """What `properties.n` and `properties.page` say, joined."""
    return [f"{each} /{each % 97}" for each in numbers.tolist()]
