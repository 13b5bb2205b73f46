"""One Arrow IPC stream as one record batch: checked before anything of it is trusted.

Arrow's reader takes offsets, lengths and indices as they stand in the bytes, so a batch is validated whole
before it is used. Compressed bodies are refused: a small one may stand for gigabytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import pyarrow as pa

from aidatalabs_services.data.arrow_sizes import MAX_PLAIN_BYTES, plain_bytes
from aidatalabs_services.data.errors import BatchInvalid, IngestTooLarge

MAX_BATCH_ROWS = 500_000
_MAX_COLUMNS = 1_000
_MAX_MESSAGES = 4_096
# Tables of the IPC format's FlatBuffers (Message.fbs): places of the fields in their vtables.
_HEADER_TYPE, _HEADER = 1, 2
_DICTIONARY_DATA, _COMPRESSION = 1, 3
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3


def read_batch(data: bytes, table: str) -> pa.RecordBatch:
    """The rows of `data`, a complete Arrow IPC stream, as one batch that is safe to read.

    Shares the memory of `data` where the stream holds one batch. Raises BatchInvalid, and IngestTooLarge over
    500,000 rows or where its values are too many bytes, each counted for itself.
    """
    try:
        _refuse_compressed(data)
        source = pa.BufferReader(data)
        with pa.ipc.open_stream(source) as reader:
            _read_names(reader.schema)
            if len(reader.schema) > _MAX_COLUMNS:
                raise BatchInvalid("The batch has more than 1,000 columns.", metadata={"table": table})
            batches = []
            rows = size = 0
            for batch in reader:
                rows += batch.num_rows
                _check_rows(rows)
                batch.validate()
                size += sum(map(plain_bytes, batch.columns))
                _check_size(size)
                batch.validate(full=True)
                batches.append(batch)
        if source.tell() != len(data):
            raise ValueError("bytes behind the end of the stream")
        if len(batches) == 1:
            return batches[0]
        joined = pa.Table.from_batches(batches, reader.schema).unify_dictionaries().combine_chunks()
        return joined.to_batches()[0] if rows else pa.RecordBatch.from_pylist([], reader.schema)
    except (pa.ArrowException, OSError, struct.error, IndexError, ValueError) as error:
        raise BatchInvalid(
            "The batch is not one complete, uncompressed Arrow IPC stream. Use an IPC stream writer.",
            metadata={"table": table},
        ) from error


def _read_names(fields: Iterable[pa.Field]) -> None:
    """Raises UnicodeDecodeError for a name that is not valid Unicode."""
    for field in fields:
        field.name  # noqa: B018 - decoded as it is read
        kind = field.type
        if pa.types.is_nested(kind):
            _read_names([kind.field(index) for index in range(kind.num_fields)])


def _check_rows(count: int) -> None:
    if count > MAX_BATCH_ROWS:
        raise IngestTooLarge(
            f"One batch may bring {MAX_BATCH_ROWS:,} rows; send several.",
            metadata={"limit_rows": str(MAX_BATCH_ROWS)},
        )


def _check_size(size: int) -> None:
    if size > MAX_PLAIN_BYTES:
        raise IngestTooLarge(
            f"The values of one batch, without dictionaries and views, may be {MAX_PLAIN_BYTES:,} bytes; "
            "send several.",
            metadata={"limit_bytes": str(MAX_PLAIN_BYTES)},
        )


def _refuse_compressed(data: bytes) -> None:
    """Raises ValueError where any message of the stream has a compressed body, or is no message."""
    reader = pa.ipc.MessageReader.open_stream(pa.py_buffer(data))
    for _ in range(_MAX_MESSAGES):
        try:
            message = reader.read_next_message()
        except StopIteration:
            return
        if _is_compressed(message.metadata.to_pybytes()):
            raise ValueError("a compressed body")
    raise ValueError("too many messages")


def _is_compressed(metadata: bytes) -> bool:
    root = struct.unpack_from("<I", metadata)[0]
    kind = _field(metadata, root, _HEADER_TYPE)
    header = _field(metadata, root, _HEADER)
    if not kind or not header or metadata[kind] not in (_DICTIONARY_BATCH, _RECORD_BATCH):
        return False
    batch = _table(metadata, header)
    if metadata[kind] == _DICTIONARY_BATCH:
        inner = _field(metadata, batch, _DICTIONARY_DATA)
        batch = _table(metadata, inner) if inner else batch
    return _field(metadata, batch, _COMPRESSION) != 0


def _table(data: bytes, position: int) -> int:
    """Where the table lies that the offset at `position` leads to."""
    return int(position + struct.unpack_from("<I", data, position)[0])


def _field(data: bytes, table: int, number: int) -> int:
    """Where a field of a FlatBuffers table lies; 0 where the table does not have it."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    place = 4 + 2 * number
    if vtable < 0 or place + 2 > struct.unpack_from("<H", data, vtable)[0]:
        return 0
    offset = struct.unpack_from("<H", data, vtable + place)[0]
    return table + offset if offset else 0
