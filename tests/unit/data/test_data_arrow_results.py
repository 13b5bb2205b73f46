"""Reading Arrow streams in any pieces, and giving columns their real types."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from aidatalabs_services.data.arrow_results import END_MARK, ArrowBroken, ArrowReader, check_carried
from aidatalabs_services.data.errors import TypeNotAllowed

COLUMNS = [("n", "UInt64"), ("t", "LowCardinality(Nullable(String))"), ("e", "Enum8('it\\'s' = -2, 'b' = 1)")]


def stream(batches: int, rows: int) -> bytes:
    """What the engine would send."""
    schema = pa.schema([("n", pa.uint64()), ("t", pa.string()), ("e", pa.int8())])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for number in range(batches):
            values = range(number * rows, (number + 1) * rows)
            columns = [
                list(values),
                [None if n % 3 else str(n) for n in values],
                [-2 if n % 2 else 1 for n in values],
            ]
            writer.write_batch(
                pa.record_batch(
                    [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)],
                    schema=schema,
                )
            )
    return bytes(sink.getvalue())


def joined(data: bytes, sizes: list[int]) -> bytes:
    reader = ArrowReader(COLUMNS)
    sent, place = b"", 0
    for size in sizes:
        reader.feed(data[place : place + size])
        place += size
        if reader.is_ready:
            sent += b"".join(reader.messages())
    return sent + reader.end()


@pytest.mark.parametrize("seed", range(8))
def test_any_cut_of_the_stream_gives_the_same_rows(seed: int) -> None:
    chance, data = random.Random(seed), stream(batches=seed, rows=50)
    sizes = [1] * len(data) if seed == 3 else []
    while sum(sizes) < len(data):
        sizes.append(chance.choice((1, 3, 7, 100, 4096)))
    table = pa.ipc.open_stream(joined(data, sizes)).read_all()
    assert table.column("n").to_pylist() == list(range(seed * 50))
    assert table.column("t").to_pylist() == [None if n % 3 else str(n) for n in range(seed * 50)]
    assert table.column("e").to_pylist() == ["it's" if n % 2 else "b" for n in range(seed * 50)]
    assert [field.metadata[b"clickhouse_type"].decode() for field in table.schema] == [
        kind for _, kind in COLUMNS
    ]


def test_a_stream_that_is_cut_short_has_no_end_mark() -> None:
    data = stream(batches=2, rows=10)
    for end in (0, 5, 200, len(data) - 8, len(data) - 1):
        reader = ArrowReader(COLUMNS)
        reader.feed(data[:end])
        assert END_MARK not in b"".join(reader.messages())
        with pytest.raises(ArrowBroken):
            reader.end()


@pytest.mark.parametrize(
    "data", [b"\r\n__exception__\r\n", b"x" * 100, b"\xff\xff\xff\xff\x10\x00\x00\x00" + b"\x00" * 16]
)
def test_bytes_that_are_no_stream_are_noticed(data: bytes) -> None:
    reader = ArrowReader(COLUMNS)
    reader.feed(data)
    with pytest.raises((ArrowBroken, pa.ArrowInvalid, OSError)):
        reader.messages()


@pytest.mark.parametrize(
    ("kind", "carried"),
    [
        ("AggregateFunction(sum, UInt64)", False),
        ("Array(Nullable(BFloat16))", False),
        ("Tuple(a AggregateFunction(uniq, String))", False),
        ("Enum8('AggregateFunction(sum, UInt8)' = 1)", True),
        ("SimpleAggregateFunction(sum, UInt64)", True),
        ("Tuple(`BFloat16` UInt8)", True),
        ("JSON", True),
    ],
)
def test_only_types_without_an_arrow_form_are_refused(kind: str, carried: bool) -> None:
    columns = [("fine", "UInt8"), ("seen", kind)]
    if carried:
        check_carried(columns)
        return
    with pytest.raises(TypeNotAllowed) as caught:
        check_carried(columns)
    assert caught.value.metadata == {"column": "seen", "type": kind}
