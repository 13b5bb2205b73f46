"""Python values as the rows that ingest takes, frames and files in as many calls as they need."""

from __future__ import annotations

import datetime
import enum
import math
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from google.protobuf import json_format

from aidatalabs.data.v1 import table_pb2
from aidatalabs_client import Client, FileUnreadable, errors
from aidatalabs_client.row_messages import event_message, row_message
from aidatalabs_client.testing import FakeServer

P = "platforms/demo"
BERLIN = datetime.timezone(datetime.timedelta(hours=2))


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (None, None),
        (True, True),
        (7, 7.0),
        (2**53 - 1, 2.0**53 - 1),
        (2**53, "9007199254740992"),
        (-(2**63), "-9223372036854775808"),
        (0.1, 0.1),
        (math.nan, None),
        ("oné", "oné"),
        (Colour.RED, "red"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.10"), "0.10"),
        (datetime.datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05.000Z"),
        (datetime.datetime(2026, 1, 2, 3, 4, 5, 1, BERLIN), "2026-01-02T01:04:05.000001Z"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (datetime.time(3, 4), "03:04:00"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (["a", None, 2**60], ["a", None, str(2**60)]),
        ((1, 2), [1.0, 2.0]),
        ({"page": "/p1", "n": {"deep": [1]}}, {"page": "/p1", "n": {"deep": [1.0]}}),
        (np.int64(2**60), str(2**60)),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.array([1, 2]), [1.0, 2.0]),
        (pd.Timestamp("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05.000Z"),
        (pd.NaT, None),
        (pd.NA, None),
    ],
    ids=repr,
)
def test_a_value_is_sent_without_losing_a_digit(value: Any, sent: Any) -> None:
    message = row_message({"x": value})
    assert json_format.MessageToDict(message) == {"x": sent}


@pytest.mark.parametrize("value", [b"bytes", object(), 1j])
def test_a_value_that_no_column_holds_is_refused_before_it_is_sent(value: object) -> None:
    with pytest.raises(TypeError, match=r"n\.x: a \w+ is no value of a column"):
        row_message({"n": {"x": value}})


def test_an_event_is_made_of_a_mapping_and_unknown_keys_are_refused() -> None:
    event = event_message(
        {
            "timestamp": datetime.datetime(2026, 1, 2, 3, 4, 5, 678_000),
            "event_type": "click",
            "user_id": "18446744073709551615",
            "properties": {"page": "/p1"},
            "value": 1.5,
        }
    )
    assert json_format.MessageToDict(event, preserving_proto_field_name=True) == {
        "timestamp": "2026-01-02T03:04:05.678Z",
        "event_type": "click",
        "user_id": "18446744073709551615",
        "properties": {"page": "/p1"},
        "value": 1.5,
    }
    with pytest.raises(TypeError, match="page; put it into properties"):
        event_message({"event_type": "click", "page": "/p1"})


async def test_rows_of_any_kind_arrive_as_they_were() -> None:
    rows = [
        {"id": 2**63, "day": datetime.date(2026, 1, 2), "price": Decimal("1.10"), "tags": ["a"], "note": None}
    ]
    kinds = {"id": "UInt64", "day": "Date", "price": "Decimal(10, 2)"}
    kinds |= {"tags": "Array(String)", "note": "Nullable(String)"}
    table = table_pb2.Table(
        name="orders", columns=[table_pb2.Column(name=name, type=kind) for name, kind in kinds.items()]
    )
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        await client.create_table(P, table)
        receipt = await client.ingest_rows(P, "orders", iter(rows))
        assert receipt.accepted_count == 1
        assert fake.rows("orders") == rows
        receipt = await client.ingest_rows(P, "orders", [{"id": "x"}, {"colour": 1}, rows[0]])
    assert [(row.index, row.reason) for row in receipt.rejected] == [
        (0, "VALUE_INVALID"),
        (1, "COLUMN_NOT_KNOWN"),
    ]


FRAMES = [
    pl.DataFrame({"Order ID": [1, 2], "Total (EUR)": [1.5, None], "at": [datetime.date(2026, 1, 2)] * 2}),
    pd.DataFrame({"Order ID": [1, 2], "Total (EUR)": [1.5, None], "at": [datetime.date(2026, 1, 2)] * 2}),
    pa.table({"Order ID": [1, 2], "Total (EUR)": [1.5, None], "at": [datetime.date(2026, 1, 2)] * 2}),
]


@pytest.mark.parametrize("frame", FRAMES, ids=["polars", "pandas", "pyarrow"])
async def test_a_frame_makes_its_table_and_is_stored_whole(frame: object) -> None:
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        for _ in range(2):
            done = await client.ingest_frame(P, "orders", frame, create=True, request_id="once")
        table = await client.get_table(P, "orders")
    assert [(column.name, column.type) for column in table.columns] == [
        ("order_id", "Int64"),
        ("total_eur", "Nullable(Float64)"),
        ("at", "Date32"),
    ]
    day = datetime.date(2026, 1, 2)
    assert fake.rows("orders") == [
        {"order_id": 1, "total_eur": 1.5, "at": day},
        {"order_id": 2, "total_eur": None, "at": day},
    ]
    assert (done.row_count, done.accepted_count, done.duplicate_count, done.rejected) == (2, 2, 2, [])


async def test_a_large_frame_goes_in_several_calls_and_progress_is_told() -> None:
    seen: list[tuple[int, int]] = []
    frame = pl.DataFrame({"n": range(25_000)})
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        done = await client.ingest_frame(
            P, "numbers", frame, create=True, progress=lambda sent, total: seen.append((sent, total))
        )
    assert seen == [(10_000, 25_000), (20_000, 25_000), (25_000, 25_000)]
    assert done.accepted_count == len(fake.rows("numbers")) == 25_000
    assert len({call.request.request_id for call in fake.calls[1:]}) == 3


async def test_a_file_is_stored_once_in_the_table_of_its_name(tmp_path: Path) -> None:
    path = tmp_path / "my orders.csv"
    path.write_text("id,total\n1,1.5\n2,\n")
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        first = await client.ingest_file(P, path, create=True)
        again = await client.ingest_file(P, str(path))
        assert (first.table, first.accepted_count, first.duplicate_count) == ("my_orders", 2, 0)
        assert again.duplicate_count == 2
        with pytest.raises(errors.TableNotFound):
            await client.ingest_file(P, path, table="none")
        (tmp_path / "odd.xlsx").write_bytes(b"x")
        with pytest.raises(FileUnreadable):
            await client.ingest_file(P, tmp_path / "odd.xlsx")
    assert len(fake.rows("my_orders")) == 2


async def test_rejected_rows_of_a_frame_are_told_by_their_place_in_it() -> None:
    table = table_pb2.Table(name="orders", columns=[table_pb2.Column(name="n", type="Int64")])
    frame = pa.table({"n": [str(number) for number in range(10_000)] + ["x"]})
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        await client.create_table(P, table)
        done = await client.ingest_frame(P, "orders", frame)
    (rejected,) = done.rejected
    assert (rejected.index, rejected.reason, done.accepted_count) == (10_000, "VALUE_INVALID", 10_000)


async def test_what_is_no_frame_is_refused() -> None:
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        with pytest.raises(TypeError, match="polars or pandas"):
            await client.ingest_frame(P, "t", [{"a": 1}])
        with pytest.raises(FileUnreadable, match="the frame: its columns need names of their own"):
            await client.ingest_frame(P, "t", pa.table({"a": [1], "A": [2]}))
    assert fake.calls == []
