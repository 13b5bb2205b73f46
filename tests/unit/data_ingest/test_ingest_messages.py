"""Rows read from their bytes and rows asked cell by cell are the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from google.protobuf import struct_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs_services.data.adapters.ingest_messages import MessageRows, batch_of, columns_of_messages
from aidatalabs_services.data.adapters.struct_wire import read_columns
from aidatalabs_services.data.adapters.wire_pieces import row_places
from aidatalabs_services.data.ingest_batches import Columns
from aidatalabs_services.runtime.errors import InvalidRequest

NAMES = ["a", "b", "a_long_column_name", "\N{SNOWMAN}"]
_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def _request(rows: list[dict[str, Any]]) -> pb.IngestRequest:
    request = pb.IngestRequest(platform="platforms/demo", table="t", request_id="r-1")
    for row in rows:
        request.rows.add().update(row)
    return request


def _shape(columns: Columns) -> dict[str, Any]:
    return {
        name: [
            "missing" if missing else "null" if null else value
            for value, null, missing in zip(list(column.values), column.nulls, column.missing, strict=True)
        ]
        for name, column in columns.known.items()
    }


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from([*NAMES, "", "other"]), _JSON, max_size=6), min_size=1, max_size=8
    )
)
def test_bytes_and_objects_give_the_same_columns(rows: list[dict[str, Any]]) -> None:
    request = _request(rows)
    fast = MessageRows(request).columns(NAMES)
    slow = columns_of_messages(request.rows, NAMES)
    assert _shape(fast) == _shape(slow)
    assert dict(fast.unknown) == dict(slow.unknown)


def test_plain_rows_take_the_fast_way() -> None:
    request = _request(
        [{"a": float(index), "b": f"text {index}", "\N{SNOWMAN}": None} for index in range(500)]
    )
    data = request.SerializeToString(deterministic=True) + bytes(16)
    places = row_places(data, 5, 500)
    columns = read_columns(data, places.starts, places.ends, NAMES, lambda cell: cell)
    assert columns is not None
    assert isinstance(columns.known["a"].values, np.ndarray)
    assert columns.known["b"].values[499] == "text 499"


def test_unknown_fields_in_rows_and_request_do_no_harm() -> None:
    request = _request([{"a": 1.0}, {"b": "x"}])
    strange = pb.IngestRequest.FromString(b"\x98\x3f\x05" + request.SerializeToString() + b"\x9a\x3f\x02hi")
    strange.rows[0].MergeFrom(struct_pb2.Struct.FromString(b"\x9a\x3f\x02hi"))
    batch = MessageRows(strange)
    assert batch.digest()
    assert _shape(batch.columns(NAMES)) == {"a": [1.0, "missing"], "b": ["missing", "x"]}


def test_the_digest_is_that_of_the_rows_alone() -> None:
    one, other = _request([{"a": 1.0, "b": "x"}]), _request([{"b": "x", "a": 1.0}])
    other.request_id = "another"
    assert MessageRows(one).digest() == MessageRows(other).digest()
    assert MessageRows(one).digest() != MessageRows(_request([{"a": 1.0, "b": "y"}])).digest()


def test_events_and_rows_together_are_refused() -> None:
    request = _request([{"a": 1.0}])
    request.events.add()
    with pytest.raises(InvalidRequest):
        batch_of(request)
