"""Paths are suggested for a type of their own by what the rows showed, the same each time."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from aidatalabs_services.data.native.json_type import json_type, parse_column_type, type_text
from aidatalabs_services.data.native.suggestions import PathSuggestion, suggest_paths

OBJECTS = [
    {
        "page": f"/p/{row % 7}",
        "session": f"s{row}",
        "ms": row if row % 10 else None,
        "score": row / 3,
        "flag": row % 2 == 0,
        "geo": {"country": "IT" if row % 4 else None},
        "tags": ["a"],
        "rare": 1 if row % 50 == 0 else None,
    }
    for row in range(1000)
]


def batches(form: str) -> list[pa.RecordBatch]:
    arrays = [
        pa.array(OBJECTS[:600])
        if form == "struct"
        else pa.array([json.dumps(each) for each in OBJECTS[:600]]),
        pa.array(OBJECTS[600:])
        if form == "struct"
        else pa.array([json.dumps(each) for each in OBJECTS[600:]]),
    ]
    return [pa.record_batch({"properties": each}) for each in arrays]


EXPECTED = [
    PathSuggestion("flag", "Nullable(Bool)", 1.0, 2),
    PathSuggestion("page", "LowCardinality(Nullable(String))", 1.0, 7),
    PathSuggestion("score", "Nullable(Float64)", 1.0, 1000),
    PathSuggestion("session", "Nullable(String)", 1.0, 1000),
    PathSuggestion("ms", "Nullable(Int64)", 0.9, 900),
    PathSuggestion("geo.country", "LowCardinality(Nullable(String))", 0.75, 1),
]


def test_paths_are_suggested_by_their_share_with_type_and_values() -> None:
    assert suggest_paths(batches("struct"), "properties") == EXPECTED


def test_text_says_the_same_but_for_floats_that_are_whole() -> None:
    found = suggest_paths(batches("text"), "properties")
    assert found == [each for each in EXPECTED if each.path != "score"] or found == EXPECTED


def test_a_suggestion_is_a_type_that_a_table_can_have() -> None:
    typed = {
        each.path: parse_column_type(each.type) for each in suggest_paths(batches("struct"), "properties")
    }
    text = type_text(json_type(typed, max_dynamic_paths=64))
    assert type_text(parse_column_type(text)) == text


def test_paths_of_several_types_rare_ones_and_lists_are_not_suggested() -> None:
    mixed = [{"a": 1}, {"a": "x"}, {"b": [1]}, {"c": 1}]
    array = pa.array([json.dumps(each) for each in mixed])
    found = suggest_paths([pa.record_batch({"j": array})], "j", least_share=0.25)
    assert [each.path for each in found] == ["c"]
    assert suggest_paths([pa.record_batch({"j": array})], "j", least_share=0.5) == []


@pytest.mark.parametrize("array", [pa.nulls(3), pa.array([{}, {}])], ids=str)
def test_rows_without_paths_suggest_nothing(array: pa.Array) -> None:
    assert suggest_paths([pa.record_batch({"j": array})], "j") == []


def test_no_batches_suggest_nothing() -> None:
    assert suggest_paths([], "j") == []


def test_few_suggestions_can_be_asked_for() -> None:
    assert [each.path for each in suggest_paths(batches("struct"), "properties", most=2)] == ["flag", "page"]
