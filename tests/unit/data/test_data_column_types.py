"""The allow-list of column types: read strictly, written in one form, nothing else gets through."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aidatalabs_services.data.column_types import (
    ColumnType,
    parse_type,
    quote_text,
    unquote_text,
)
from aidatalabs_services.data.errors import TypeNotAllowed
from aidatalabs_services.data.native.json_type import same_types


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("  Int32 ", "Int32"),
        ("UInt256", "UInt256"),
        ("Decimal(10,2)", "Decimal(10, 2)"),
        ("Decimal(10)", "Decimal(10, 0)"),
        ("Decimal64(3)", "Decimal(18, 3)"),
        ("DateTime", "DateTime"),
        ("DateTime('Europe/Rome')", "DateTime('Europe/Rome')"),
        ("DateTime64(6,'UTC')", "DateTime64(6, 'UTC')"),
        ("Nullable(IPv4)", "Nullable(IPv4)"),
        ("LowCardinality( Nullable(String) )", "LowCardinality(Nullable(String))"),
        (
            "Map(LowCardinality(String),Array(Nullable(Float32)))",
            "Map(LowCardinality(String), Array(Nullable(Float32)))",
        ),
        ("Tuple(a Int8,`b` JSON)", "Tuple(a Int8, b JSON)"),
        ("Tuple(Int8, Tuple(Date))", "Tuple(Int8, Tuple(Date))"),
        ("Enum8('b'=2,'a'=1)", "Enum8('a' = 1, 'b' = 2)"),
        ("Enum16('x', 'y' = -5, 'z')", "Enum16('y' = -5, 'z' = -4, 'x' = 1)"),
        ("Enum8('it''s', 'a\\'b\\\\c')", "Enum8('it\\'s' = 1, 'a\\'b\\\\c' = 2)"),
    ],
)
def test_an_allowed_type_is_written_as_the_engine_writes_it(text: str, written: str) -> None:
    assert str(parse_type(text)) == written
    assert parse_type(written) == parse_type(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "int32", "Int33", "Int32 Int32", "Int32)", "Nullable(Int32", "Nullable()",
        "Nullable(Nullable(Int8))", "Nullable(Array(Int8))", "Nullable(LowCardinality(String))",
        "LowCardinality(UInt8)", "LowCardinality(JSON)", "AggregateFunction(sum, UInt64)",
        "SimpleAggregateFunction(sum, UInt64)", "Dynamic", "Variant(Int8, String)", "FixedString(10)",
        "Object('json')", "Nested(a Int8)", "JSON(max_dynamic_paths=1)", "Decimal(77, 2)",
        "Decimal(5, 6)", "Decimal(0)", "DateTime64(10)", "DateTime('Mars/Base')", "DateTime(3)",
        "Enum8()", "Enum8('a'=1,'a'=2)", "Enum8('a'=1,'b'=1)", "Enum8('a'=128)",
        "Enum8('a'=1) DEFAULT 'a'", "Map(Float64, Int8)", "Map(Nullable(String), Int8)", "Map(String)",
        "Tuple(a Int8, Int8)", "Tuple(a Int8, a Int8)", "Tuple()", "String -- comment", "String/**/",
        "String;", "String\x00", "`String`",
        "Array(Array(Array(Array(Array(Array(Array(Array(Array(Int8)))))))))", "Int8\u00a0", "\uff29nt8",
    ],
)  # fmt: skip
def test_any_other_type_is_refused(text: str) -> None:
    with pytest.raises(TypeNotAllowed):
        parse_type(text)


scalars = st.sampled_from(
    ["Int8", "UInt64", "Float64", "Bool", "String", "UUID", "Date", "DateTime64(3, 'UTC')"]
)
names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
labels = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def enum(values: list[str]) -> str:
    return "Enum8(" + ",".join(f"{quote_text(value)}={index}" for index, value in enumerate(values)) + ")"


types = st.recursive(
    scalars
    | scalars.map(lambda kind: f"Nullable({kind})")
    | st.lists(labels, min_size=1, unique=True).map(enum),
    lambda inner: (
        inner.map(lambda kind: f"Array({kind})")
        | inner.map(lambda kind: f"Map(String,{kind})")
        | st.lists(inner, min_size=1, max_size=3).map(lambda kinds: f"Tuple({','.join(kinds)})")
        | st.dictionaries(names, inner, min_size=1, max_size=3).map(
            lambda fields: "Tuple(" + ", ".join(f"{name} {kind}" for name, kind in fields.items()) + ")"
        )
    ),
    max_leaves=5,
)


@given(types)
def test_writing_a_type_and_reading_it_again_gives_the_same_type(text: str) -> None:
    try:
        found = parse_type(text)
    except TypeNotAllowed:
        assume(False)  # nested too deep: the only rule these texts can break
    assert parse_type(str(found)) == found
    assert str(parse_type(str(found))) == str(found)
    assert same_types([text], [str(found)])


@given(st.text(max_size=60))
def test_no_text_makes_the_parser_fail_otherwise(text: str) -> None:
    try:
        found = parse_type(text)
    except TypeNotAllowed:
        return
    assert isinstance(found, ColumnType)


@given(labels)
def test_a_quoted_text_reads_as_itself(text: str) -> None:
    literal = quote_text(text)
    assert unquote_text(literal) == text
    assert "'" not in literal[1:-1].replace("\\\\", "").replace("\\'", "")
