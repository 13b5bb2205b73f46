"""Batches of events as each way into the engine takes them, and the inserts the service is compared with."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence

import numpy as np
import pyarrow as pa
from clickhouse_connect.driver.asyncclient import AsyncClient
from numpy.typing import NDArray

from aidatalabs_services.data.blocks import encoded_blocks
from aidatalabs_services.data.schema import TableSchema
from aidatalabs_services.data.standard_tables import EVENTS
from benchmarks.event_batches import ipc

_INSERT_BATCHES = 8
_COLUMNS = [column.name for column in EVENTS.columns]

Insert = Callable[[AsyncClient, int], Awaitable[int]]
"""Inserts the n-th piece; returns its rows."""


class Stamped:
    """Encoded events; in every turn their times are those of the turn before and `span_ms` more."""

    def __init__(self, data: bytes, times: Sequence[NDArray[np.int64]], span_ms: int) -> None:
        self._pieces: list[memoryview | NDArray[np.int64]] = []
        self._span_ms = span_ms
        begin = 0
        for each in times:
            place = data.index(each.tobytes(), begin)
            self._pieces += [memoryview(data)[begin:place], each]
            begin = place + each.nbytes
        self._pieces.append(memoryview(data)[begin:])

    def at(self, turn: int) -> bytes:
        """The bytes of a turn, from 0."""
        shift = turn * self._span_ms
        return b"".join(
            (each + shift).tobytes() if isinstance(each, np.ndarray) else each for each in self._pieces
        )


def _times(batch: pa.RecordBatch) -> NDArray[np.int64]:
    times: NDArray[np.int64] = batch["timestamp"].cast(pa.int64()).to_numpy()
    return times


def _span_ms(batches: Sequence[pa.RecordBatch]) -> int:
    return int(_times(batches[-1])[-1] - _times(batches[0])[0]) + 1


def stamped_messages(batches: Sequence[pa.RecordBatch]) -> list[Stamped]:
    """Each batch as a complete Arrow IPC stream."""
    span = _span_ms(batches)
    return [Stamped(ipc(batch), [_times(batch)], span) for batch in batches]


def _once(number: int) -> dict[str, str]:
    """A name for each insert: the same rows come round again, which the engine would take for repeated.

    And what the service's own inserts leave out too, so that no peer is the slower for it.
    """
    return {"insert_deduplication_token": f"bench-{number}", "optimize_on_insert": "0"}


def raw_insert(batches: list[pa.RecordBatch], table: TableSchema) -> Insert:
    """Native blocks, eight batches an insert: as large as the service's own groups under load."""
    span, pieces = _span_ms(batches), []
    for at in range(0, len(batches), _INSERT_BATCHES):
        some = batches[at : at + _INSERT_BATCHES]
        data = b"".join(block for batch in some for block in encoded_blocks(batch, table).values())
        pieces.append(Stamped(data, [_times(batch) for batch in some], span))
    rows = sum(int(batch.num_rows) for batch in batches[:_INSERT_BATCHES])

    async def insert(client: AsyncClient, number: int) -> int:
        turn, place = divmod(number, len(pieces))
        data = pieces[place].at(turn)
        await client.raw_insert("events", _COLUMNS, data, fmt="Native", settings=_once(number))
        return rows

    return insert


def arrow_insert(batches: list[pa.RecordBatch]) -> Insert:
    """Arrow tables as the client takes JSON: a column of text."""
    span, tables = _span_ms(batches), []
    for batch in batches:
        texts = [
            json.dumps({k: v for k, v in one.items() if v is not None})
            for one in batch["properties"].to_pylist()
        ]
        place = batch.schema.get_field_index("properties")
        plain = pa.Table.from_batches([batch]).set_column(place, "properties", pa.array(texts))
        tables.append(
            plain.set_column(1, "event_type", plain["event_type"].combine_chunks().dictionary_decode())
        )

    async def insert(client: AsyncClient, number: int) -> int:
        turn, place = divmod(number, len(tables))
        batch, table = batches[place], tables[place]
        times = pa.array(_times(batch) + turn * span).cast(batch["timestamp"].type)
        table = table.set_column(0, "timestamp", times)
        await client.insert_arrow("events", table, settings=_once(number))
        return int(table.num_rows)

    return insert


def json_insert(batches: list[pa.RecordBatch]) -> Insert:
    """Text; its times come round again, which makes its rows no dearer."""
    pieces = []
    for batch in batches[:4]:
        lines = []
        for one in batch.to_pylist():
            one["timestamp"] = one["timestamp"].strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
            one["properties"] = {key: value for key, value in one["properties"].items() if value is not None}
            lines.append(json.dumps(one))
        pieces.append("\n".join(lines).encode())

    async def insert(client: AsyncClient, number: int) -> int:
        data = pieces[number % len(pieces)]
        await client.raw_insert("events", _COLUMNS, data, fmt="JSONEachRow", settings=_once(number))
        return int(batches[number % len(pieces)].num_rows)

    return insert
