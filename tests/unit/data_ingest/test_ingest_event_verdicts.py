"""Verdicts on many events at once are those on each alone: reasons, words, and what is stored of the rest."""

from __future__ import annotations

import random
import struct
from dataclasses import replace
from typing import Any

import chdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import ingest_pb2
from aidatalabs_services.data.adapters.ingest_messages import batch_of
from aidatalabs_services.data.blocks import encoded_blocks, joined_blocks
from aidatalabs_services.data.event_verdicts import judge_event_batch
from aidatalabs_services.data.ingest_batches import EventBatch, RowBatch
from aidatalabs_services.data.native.json_type import parse_column_type
from aidatalabs_services.data.schema import TableSchema
from aidatalabs_services.data.standard_tables import EVENTS
from aidatalabs_services.data.verdicts import judge_events

NOW = 1_767_225_600.5
LATEST = 1_767_225_600 + 86_400
TIMES = st.sampled_from(
    [
        None,
        (0, 0),
        (0, 1),
        (1_767_225_600, 123_456_789),
        (LATEST, 0),
        (LATEST, 1),
        (4_323_369_600, 0),
        (2**40, 5),
    ]
)
TYPES = st.sampled_from(
    ["", "click", "click", "é" * 128, "é" * 129, "a\x00b", "a\x7f", "\N{PARTY POPPER}", "x y"]
)
USERS = st.sampled_from([0, 1, 127, 128, 2**32, 2**56, 2**63, 2**64 - 1])
VALUES = st.sampled_from([0.0, 1.5, -0.0, 1e300, float("nan"), float("inf")])
CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=6),
    st.sampled_from(["2026-01-02", "", "\x00", "9" * 9_000]),
    st.integers(-5, 5).map(float),
    st.sampled_from([0.5, -0.0, 2.0**53, 2.0**53 - 1, 1e300, float("nan"), float("-inf")]),
    st.lists(st.integers(0, 2).map(float), max_size=2),
    st.dictionaries(st.sampled_from(["x", "y.z"]), st.integers(0, 2).map(float), max_size=2),
)
KEYS = st.sampled_from(["page", "n", "kind", "a.b", "a", "", "k" * 257, "é"])
OBJECTS = st.one_of(st.none(), st.dictionaries(KEYS, CELLS, max_size=4))


def value_of(message: Any, given_value: Any) -> None:
    """Fills a Value; the library's own `update` refuses nothing but takes whole numbers for doubles too."""
    if given_value is None:
        message.null_value = 0
    elif isinstance(given_value, bool):
        message.bool_value = given_value
    elif isinstance(given_value, str):
        message.string_value = given_value
    elif isinstance(given_value, float):
        message.number_value = given_value
    elif isinstance(given_value, list):
        message.list_value.SetInParent()
        for each in given_value:
            value_of(message.list_value.values.add(), each)
    else:
        message.struct_value.SetInParent()
        for key, each in given_value.items():
            value_of(message.struct_value.fields[key], each)


@st.composite
def requests(draw: st.DrawFn) -> pb.IngestRequest:
    request = pb.IngestRequest(platform="platforms/demo", table="events", request_id="r")
    for _ in range(draw(st.integers(1, 12))):
        event = request.events.add(event_type=draw(TYPES), user_id=draw(USERS), value=draw(VALUES))
        moment, properties = draw(TIMES), draw(OBJECTS)
        if moment is not None:
            event.timestamp.seconds, event.timestamp.nanos = moment
        if properties is not None:
            event.properties.SetInParent()
            for key, cell in properties.items():
                value_of(event.properties.fields[key], cell)
    return request


def events_of(request: pb.IngestRequest) -> EventBatch:
    batch = batch_of(request)
    assert not isinstance(batch, RowBatch)
    return batch


def typed(declared: str) -> TableSchema:
    """The table of events with these declared paths."""
    columns = [
        replace(column, type=f"JSON({declared})") if column.name == "properties" else column
        for column in EVENTS.columns
    ]
    return replace(EVENTS, columns=tuple(columns))


TABLES = st.sampled_from(
    [
        EVENTS,
        typed("page LowCardinality(Nullable(String)), n Nullable(Int8), kind Nullable(Float64)"),
        typed("a UInt8, page String, n Bool"),
        typed("a Nullable(Bool), n Nullable(UInt256), page Nullable(Date), kind Nullable(Enum8('' = 1))"),
        typed("a.b Nullable(Int64), n Nullable(Decimal(9, 2)), page LowCardinality(String)"),
    ]
)


@settings(max_examples=200, deadline=None)
@given(request=requests(), table=TABLES)
def test_the_verdicts_are_those_on_each_event_by_itself(
    request: pb.IngestRequest, table: TableSchema
) -> None:
    batch = events_of(request)
    columns = batch.event_columns()
    assert columns is not None
    properties = parse_column_type(table.types["properties"])
    alone = judge_events(batch.events(), now_seconds=NOW, properties=properties)
    together = judge_event_batch(columns, batch.event, table, now_seconds=NOW)
    assert together.rejected == alone.rejected
    assert together.accepted_count == alone.accepted.num_rows


def stored(tmp_path: Any, name: str, blocks: Any, table: TableSchema = EVENTS) -> list[str]:
    """What the engine reads of the blocks, in an order of their own."""
    path = tmp_path / name
    path.write_bytes(b"".join(joined_blocks([blocks]).values()))
    columns = ", ".join(f"{column.name} {column.type}" for column in table.columns).replace("'", "\\'")
    sql = (
        "SELECT timestamp, event_type, user_id, value, toString(properties), "
        "toString(arraySort(x -> x.1, arrayZip(mapKeys(JSONAllPathsWithTypes(properties)), "
        "mapValues(JSONAllPathsWithTypes(properties))))) "
        f"FROM file('{path}', 'Native', '{columns}') ORDER BY ALL"
    )
    return str(chdb.query(sql, "TSV")).splitlines()  # type: ignore[no-untyped-call]


def test_what_is_stored_is_what_would_be_of_each_event_by_itself(tmp_path: Any) -> None:
    chance = random.Random(5)
    request = pb.IngestRequest(platform="platforms/demo")
    for number in range(400):
        event = request.events.add(
            event_type=chance.choice(["a", "b", "é"]), user_id=number, value=number / 4
        )
        event.timestamp.seconds = 1_700_000_000 + number * 40_000  # several months
        event.timestamp.nanos = 123_999_999
        cells = {
            "page": f"/p{number % 7}",
            "n": float(number % 5),
            "share": number / 8,
            "on": number % 2 == 0,
            "mixed": [float(number), "text", True, 0.5][number % 4],
            "none": None,
            "when": "2026-01-02T03:04:05Z",
        }
        for key in chance.sample(sorted(cells), chance.randint(0, 7)):
            value_of(event.properties.fields[key], cells[key])
        if number % 11 == 0:
            value_of(event.properties.fields["deep"], {"list": [1.0, 2.5], "text": "é"})
    batch = events_of(request)
    columns = batch.event_columns()
    assert columns is not None
    assert 0 < columns.strange.sum() < 400
    together = judge_event_batch(columns, batch.event, EVENTS, now_seconds=2_000_000_000.0)
    alone = judge_events(batch.events(), now_seconds=2_000_000_000.0)
    assert len(together.blocks) > 3
    wanted = stored(tmp_path, "alone", encoded_blocks(alone.accepted, EVENTS))
    assert stored(tmp_path, "together", together.blocks) == wanted
    assert len(wanted) == 400


def test_values_at_declared_paths_are_stored_as_those_of_each_event_by_itself(tmp_path: Any) -> None:
    chance = random.Random(7)
    table = typed(
        "`c.d` Nullable(Int64), day Nullable(Date), mood LowCardinality(Nullable(String)), "
        "n Nullable(Int16), ok Bool, price Nullable(Decimal(9, 2)), share Nullable(Float64), size UInt8, "
        "when Nullable(DateTime64(3)), who Nullable(UUID)"
    )
    request = pb.IngestRequest(platform="platforms/demo")
    for number in range(400):
        event = request.events.add(event_type="a", user_id=number, value=number / 4)
        event.timestamp.seconds = 1_700_000_000 + number * 40_000
        cells = {
            "day": "2026-01-02",
            "mood": f"é{number % 3}",
            "n": [float(number), str(-number)][number % 2],
            "ok": number % 3 == 0,
            "price": [1.5, "22.25", 3.0][number % 3],
            "share": [float(number), 0.5, "1e3"][number % 3],
            "size": float(number % 256),
            "when": "2026-01-02T03:04:05.678+02:00",
            "who": "6F1C1A52-0C3E-4C1E-9D1C-0123456789AB",
            "free": [float(number), "text", True, 0.5][number % 4],
            "c": {"d": float(number)},
        }
        for key in chance.sample(sorted(cells), chance.randint(0, 11)):
            value_of(event.properties.fields[key], cells[key])
    batch = events_of(request)
    columns = batch.event_columns()
    assert columns is not None
    properties = parse_column_type(table.types["properties"])
    together = judge_event_batch(columns, batch.event, table, now_seconds=2_000_000_000.0)
    alone = judge_events(batch.events(), now_seconds=2_000_000_000.0, properties=properties)
    assert not alone.rejected
    wanted = stored(tmp_path, "alone", encoded_blocks(alone.accepted, table), table)
    assert stored(tmp_path, "together", together.blocks, table) == wanted
    assert len(wanted) == 400
    assert "2026-01-02 01:04:05.678" in "".join(wanted)


@pytest.mark.parametrize(
    "wire",
    [
        struct.pack("<B", 0x30) + b"\x01",  # a field that the contract does not have
        b"\x0a\x0b\x08" + b"\xff" * 9 + b"\x01",  # a time before 1970
        b"\x0a\x06\x10\xff\xff\xff\xff\x0f",  # nanoseconds beyond a second
    ],
)
def test_bytes_of_another_form_are_left_to_the_way_one_by_one(wire: bytes) -> None:
    event = ingest_pb2.Event.FromString(wire)
    assert events_of(pb.IngestRequest(events=[event])).event_columns() is None
