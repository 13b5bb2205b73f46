"""Rows of an answer as Python values, Arrow and data frames, for every type a column may have."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import altair
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from google.protobuf import json_format

from aidatalabs.agent.v1 import agent_service_pb2 as agent_pb
from aidatalabs.data.v1 import data_service_pb2 as data_pb
from aidatalabs_client import Analysis, Answer, QueryResult

UTC = datetime.UTC
MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5, 678_901, UTC)

# ClickHouse type, the value as the service writes it into JSON, in Python, the Arrow type.
VALUES: list[tuple[str, Any, Any, pa.DataType]] = [
    ("UInt8", 7, 7, pa.uint8()),
    ("Int32", -7, -7, pa.int32()),
    ("Int64", "9007199254740993", 9007199254740993, pa.int64()),
    ("UInt64", "18446744073709551615", 2**64 - 1, pa.uint64()),
    ("Int256", str(-(2**255)), -(2**255), pa.string()),
    ("Float64", 1e20, 1e20, pa.float64()),
    ("Float64", 3, 3.0, pa.float64()),
    ("Float32", "-inf", float("-inf"), pa.float32()),
    ("Decimal(10, 2)", "1.10", Decimal("1.10"), pa.decimal128(10, 2)),
    ("Decimal(10, 2)", "1.1", Decimal("1.10"), pa.decimal128(10, 2)),
    ("Decimal(76, 4)", "9" * 72 + ".0001", Decimal("9" * 72 + ".0001"), pa.decimal256(76, 4)),
    ("Bool", True, True, pa.bool_()),
    ("String", "oné", "oné", pa.string()),
    ("LowCardinality(Nullable(String))", "x", "x", pa.string()),
    ("UUID", "11111111-2222-4333-8444-555555555555", "11111111-2222-4333-8444-555555555555", pa.string()),
    ("Enum8('a' = 1, 'b, c' = 2)", "b, c", "b, c", pa.string()),
    ("Date", "2026-01-02", datetime.date(2026, 1, 2), pa.date32()),
    ("DateTime", "2026-01-02T03:04:05Z", MOMENT.replace(microsecond=0), pa.timestamp("s", "UTC")),
    ("DateTime64(6, 'Europe/Berlin')", "2026-01-02T03:04:05.678901Z", MOMENT, pa.timestamp("us", "UTC")),
    ("DateTime64(9)", "2026-01-02T03:04:05.678901234Z", MOMENT, pa.timestamp("ns", "UTC")),
    ("Array(UInt64)", ["1", 2], [1, 2], pa.list_(pa.uint64())),
    ("Array(Nullable(Date))", ["2026-01-02", None], [datetime.date(2026, 1, 2), None], pa.list_(pa.date32())),
    ("Map(String, Array(Int64))", {"k": [1, "5"]}, {"k": [1, 5]}, pa.string()),
    ("Map(Int64, Decimal(4, 1))", {"5": "0.5"}, {5: Decimal("0.5")}, pa.string()),
    ("Tuple(Int64, Date)", ["5", "2026-01-02"], (5, datetime.date(2026, 1, 2)), pa.string()),
    (
        "Tuple(price Decimal(4, 1), `the name` String)",
        {"price": "0.5", "the name": "x"},
        {"price": Decimal("0.5"), "the name": "x"},
        pa.string(),
    ),
    ("Array(Tuple(UInt8, String))", [["1", "x"]], [(1, "x")], pa.list_(pa.string())),
    ("Array(Array(Map(String, Int64)))", [[{"k": "5"}]], [[{"k": 5}]], pa.list_(pa.list_(pa.string()))),
    ("JSON", {"a": 1, "b": [0.5, None]}, {"a": 1, "b": [0.5, None]}, pa.string()),
    ("FixedString(3)", "abc", "abc", pa.string()),
    ("IntervalDay", 3, 3, pa.string()),
]


def result(columns: list[tuple[str, str]], rows: list[list[Any]], truncated: bool = False) -> QueryResult:
    message = data_pb.QueryResponse()
    for name, kind in columns:
        message.result.columns.add(name=name, type=kind)
    for row in rows:
        message.result.rows.add().extend(row)
    message.result.row_count, message.result.truncated = len(rows), truncated
    return QueryResult(message)


@pytest.mark.parametrize(("kind", "sent", "read", "arrow"), VALUES, ids=[f"{v[0]} {v[1]}" for v in VALUES])
def test_a_value_is_read_as_its_type_and_null_stays_none(
    kind: str, sent: Any, read: Any, arrow: pa.DataType
) -> None:
    found = result([("x", kind)], [[sent], [None]])
    (first, second) = found.rows()
    assert first == {"x": read}
    if isinstance(read, Decimal):
        assert str(first["x"]) == str(read)
    assert type(first["x"]) is type(read)
    assert second == {"x": None}
    table = found.arrow()
    assert table.schema.field("x").type == arrow
    assert table.column("x").null_count == 1
    if "string" not in str(arrow) and kind != "DateTime64(9)":
        assert table.column("x").to_pylist() == [read, None]


def test_nanoseconds_reach_arrow_though_python_has_none() -> None:
    found = result([("t", "DateTime64(9)")], [["2026-01-02T03:04:05.678901234Z"]])
    assert found.arrow().column("t").cast(pa.int64()).to_pylist() == [1767323045678901234]


def test_maps_and_tuples_are_json_in_arrow_at_any_depth() -> None:
    found = result(
        [("m", "Map(String, Date)"), ("l", "Array(Tuple(UInt8, Date))"), ("i", "UInt256")],
        [[{"k": "2026-01-02"}, [[1, "2026-01-02"]], str(2**256 - 1)]],
    )
    assert found.arrow().to_pylist() == [
        {"m": '{"k": "2026-01-02"}', "l": ['[1, "2026-01-02"]'], "i": str(2**256 - 1)}
    ]


def test_rows_become_data_frames() -> None:
    found = result([("d", "Date"), ("n", "UInt64")], [["2026-01-02", "5"], ["2026-01-03", 6]])
    polars, pandas = found.polars(), found.pandas()
    assert isinstance(polars, pl.DataFrame)
    assert polars["n"].to_list() == [5, 6]
    assert polars.schema["d"] == pl.Date
    assert isinstance(pandas, pd.DataFrame)
    assert list(pandas["n"]) == [5, 6]
    assert result([("n", "Int64")], []).polars().schema == {"n": pl.Int64}


@pytest.mark.parametrize("name", ["polars", "pandas"])
def test_a_library_that_is_missing_is_named_with_the_line_that_installs_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(wanted: str, package: str | None = None) -> Any:
        raise ImportError(wanted)

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(ImportError, match=f"pip install {name}"):
        getattr(result([("n", "Int64")], [[1]]), name)()


def test_an_answer_has_its_parts_and_its_message() -> None:
    message = agent_pb.QueryResponse(answer="There were 5.", sql="SELECT 5", explanation=["Counted."])
    message.result.CopyFrom(result([("n", "UInt64")], [[5]]).result)
    spec = {"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "mark": "bar", "width": 300}
    data = {"data": {"values": [{"n": 5}]}, "encoding": {"x": {"field": "n", "type": "quantitative"}}}
    json_format.ParseDict(spec | data, message.chart)
    answer = Answer(message)
    assert (answer.answer, answer.sql, list(answer.explanation)) == (
        "There were 5.",
        "SELECT 5",
        ["Counted."],
    )
    assert answer.message is message
    assert answer.rows() == [{"n": 5}]
    assert answer.clarification is None
    assert answer.model is None
    assert str(answer) == "There were 5."
    assert answer.chart == spec | data
    assert isinstance(answer.chart["width"], int)
    assert set(answer.chart._repr_mimebundle_()) == {"application/vnd.vegalite.v6+json", "text/plain"}
    assert altair.Chart.from_dict(answer.chart).to_dict()["mark"] == "bar"
    assert Answer(agent_pb.QueryResponse(answer="5")).chart is None


def test_a_question_back_is_shown_as_one() -> None:
    message = agent_pb.QueryResponse()
    message.clarification.question = "Which delay?"
    message.model.problem = "TIMEOUT"
    message.clarification.choices.add(label="d", question="average <departure> delay")
    answer = Answer(message)
    assert answer.clarification is not None
    assert answer.model is not None
    assert answer.model.problem == "TIMEOUT"
    assert str(answer) == "Which delay?"
    assert "average &lt;departure&gt; delay" in answer._repr_html_()
    assert answer.rows() == []


def test_notebooks_show_the_first_rows_with_nothing_of_them_as_markup() -> None:
    shown = result([("<b>", "String")], [["<script>"]] * 60, truncated=True)._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert shown.count("<tr>") == 51
    assert "10 more rows" in shown
    analysis = Analysis(agent_pb.AnalyzeResponse(answer="It fell.", sql="SELECT 1"))
    assert "It fell." in analysis._repr_html_()


def test_importing_the_client_imports_no_library_of_data_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess
    import sys

    slow = ("pyarrow", "pandas", "polars", "numpy", "aidatalabs_client.testing", "aidatalabs_services")
    code = f"import sys, aidatalabs_client; print([name for name in {slow!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
