"""Values of a result: whole numbers keep every digit, doubles stay numbers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidatalabs_services.data.values import BIG, convert_rows, converter_of, whole


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("UInt64", BIG - 1, BIG - 1),
        ("UInt64", BIG, str(BIG)),
        ("Int64", -BIG, str(-BIG)),
        ("Nullable(Int128)", 2**100, str(2**100)),
        ("Float64", 10**20, 1e20),
        ("Float64", "nan", "nan"),
        ("Float64", "-nan", "nan"),
        ("Array(Float64)", [10**15, "-inf", None], [1e15, "-inf", None]),
        ("Array(UInt64)", [BIG, None], [str(BIG), None]),
        ("Map(String, Float32)", {"a": 10**15}, {"a": 1e15}),
        ("Map(UInt64, UInt64)", {"1": BIG}, {"1": str(BIG)}),
        ("Tuple(Float64, UInt64)", [BIG, BIG], [float(BIG), str(BIG)]),
        ("Tuple(a Float64, b UInt64)", {"a": BIG, "b": BIG}, {"a": float(BIG), "b": str(BIG)}),
        ("JSON", {"a": [BIG, {"b": 1}]}, {"a": [str(BIG), {"b": 1}]}),
        ("Dynamic", BIG, str(BIG)),
        ("SimpleAggregateFunction(sum, UInt64)", BIG, str(BIG)),
        ("Bool", True, True),
        ("Nullable(Nothing)", None, None),
    ],
)
def test_a_value_becomes_json_by_its_type(kind: str, value: Any, expected: Any) -> None:
    assert convert_rows([kind], [[value]]) == [[expected]]
    assert type(convert_rows([kind], [[value]])[0][0]) is type(expected)


@pytest.mark.parametrize(
    "kind", ["String", "Int32", "Array(String)", "Map(String, Date)", "Tuple(Int8, String)", "IntervalDay"]
)
def test_types_that_need_no_change_cost_nothing(kind: str) -> None:
    assert converter_of(kind) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(json_values)
def test_no_whole_number_is_left_that_a_double_could_change(value: Any) -> None:
    def check(each: Any) -> None:
        if isinstance(each, list):
            for inner in each:
                check(inner)
        elif isinstance(each, dict):
            check(list(each.values()))
        elif isinstance(each, int):
            assert int(float(each)) == each

    check(whole(value))
