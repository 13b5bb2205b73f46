"""Batches are cut where the engine's partitions are: by day, week, month or year of a column, in UTC."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from aidatalabs_services.data.blocks import _partitions
from aidatalabs_services.data.schema import ColumnSchema, TableSchema

KEYS: dict[str, Callable[[date], object]] = {
    "toDate": lambda day: (day - date(1970, 1, 1)).days,
    "toMonday": lambda day: day - timedelta(days=day.weekday()),
    "toYYYYMM": lambda day: (day.year, day.month),
    "toYear": lambda day: day.year,
}
_SECONDS = st.integers(0, 4_000_000_000)


@given(
    function=st.sampled_from(sorted(KEYS)),
    begin=_SECONDS,
    spans=st.lists(st.integers(0, 100 * 86_400), min_size=1, max_size=8),
    kind=st.sampled_from(["DateTime64(3)", "DateTime", "Date32"]),
)
def test_rows_of_one_partition_have_one_key_and_others_another(
    function: str, begin: int, spans: list[int], kind: str
) -> None:
    seconds = np.array([begin + span for span in spans])
    days = [datetime.fromtimestamp(each, UTC).date() for each in seconds.tolist()]
    column = {
        "DateTime64(3)": pa.array(seconds * 1000 + 7, pa.timestamp("ms")),
        "DateTime": pa.array(seconds, pa.uint32()),
        "Date32": pa.array(days, pa.date32()),
    }[kind]
    table = TableSchema("t", (ColumnSchema("at", kind),), partition_by=f"{function}(at)")
    found = _partitions(pa.table({"at": column}), table)
    assert found is not None
    expected = [KEYS[function](day) for day in days]
    pairs = Counter(zip(found.tolist(), expected, strict=True))
    assert len(pairs) == len(set(found.tolist())) == len(set(expected))
