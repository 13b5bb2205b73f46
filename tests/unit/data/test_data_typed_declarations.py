"""Paths and types that may be declared, and what a declared path takes in a row."""

from __future__ import annotations

import pytest

from aidatalabs_services.data.errors import TypeNotAllowed
from aidatalabs_services.data.native.json_type import parse_column_type, type_text
from aidatalabs_services.data.refusals import ValueRefused
from aidatalabs_services.data.typed_paths.declared import (
    declared_paths,
    path_violations,
    wanted_type,
    with_declared,
)
from aidatalabs_services.data.value_rules import rule_of


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Int64", "Nullable(Int64)"),
        ("Nullable( Int64 )", "Nullable(Int64)"),
        ("LowCardinality(String)", "LowCardinality(Nullable(String))"),
        ("LowCardinality(Nullable(String))", "LowCardinality(Nullable(String))"),
        ("DateTime64(3, 'UTC')", "Nullable(DateTime64(3, 'UTC'))"),
    ],
)
def test_a_declared_path_can_be_absent(text: str, wanted: str) -> None:
    assert type_text(wanted_type("a", text)) == wanted


@pytest.mark.parametrize(
    "text", ["Array(Int64)", "Map(String, String)", "JSON", "Tuple(Int8)", "Dynamic", "x", ""]
)
def test_what_has_no_null_is_refused_with_its_path(text: str) -> None:
    with pytest.raises(TypeNotAllowed) as refused:
        wanted_type("a.b", text)
    assert refused.value.metadata["path"] == "a.b"


@pytest.mark.parametrize("path", ["", "a..b", ".a", "a.", "a\n", "x" * 257, "SKIP"])
def test_paths_that_no_query_could_name_are_refused(path: str) -> None:
    assert path_violations({path}, {path})


def test_a_path_below_a_declared_one_is_refused() -> None:
    assert [each.field for each in path_violations({"a", "a.b", "ab"}, {"a.b"})] == ["paths[a.b]"]
    assert not path_violations({"a.b", "a.c", "ab"}, {"a.b"})


def test_limits_of_the_type_stay_when_paths_are_declared() -> None:
    kind = parse_column_type("JSON(max_dynamic_paths=8, n Int64)")
    found = with_declared(kind, {"we`ird\\ one": parse_column_type("String"), "a": parse_column_type("UUID")})
    assert type_text(found) == "JSON(max_dynamic_paths=8, a UUID, `we\\`ird\\\\ one` String)"
    assert parse_column_type(type_text(found)) == found
    assert declared_paths(found) == {"a": "UUID", "we`ird\\ one": "String"}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"n": "x"}, "at path n must be a whole number (Int64)"),
        ({"a": {"b": 1}}, "at path a.b must be a string"),
        ({"a.b": False}, "at path a.b must be a string"),
        ({"a": {"b": {"c": "d"}}}, "at path a.b must be a string"),
        ({"n": [1]}, "at path n must be a whole number (Int64)"),
        ({"n": None}, "at path n must not be null"),
        ({"n": 1, "x": [{"n": object()}]}, "holds a value that JSON does not have"),
    ],
)
def test_a_wrong_value_is_told_with_its_path(value: dict[str, object], words: str) -> None:
    rule = rule_of(parse_column_type("JSON(n Int64, `a.b` Nullable(String))"))
    with pytest.raises(ValueRefused) as refused:
        rule(value)
    assert str(refused.value) == words


def test_good_values_pass_as_they_are() -> None:
    rule = rule_of(parse_column_type("JSON(n Int64, `a.b` Nullable(String))"))
    assert (
        rule({"n": "17", "a": {"b": None, "n": "free"}, "b": 1})
        == '{"n":"17","a":{"b":null,"n":"free"},"b":1}'
    )
    assert rule({}) == "{}"
