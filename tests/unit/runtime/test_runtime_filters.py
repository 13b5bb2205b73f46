from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aidatalabs_services.runtime.errors import InvalidRequest
from aidatalabs_services.runtime.filters import (
    OPERATORS,
    Condition,
    FieldKind,
    Order,
    parse_filter,
    parse_order,
    render_filter,
    sql_conditions,
)

FIELDS = {
    "name": FieldKind.TEXT,
    "labels.page": FieldKind.TEXT,
    "state": FieldKind.CHOICE("ACTIVE", "DELETING"),
    "create_time": FieldKind.TIMESTAMP,
}
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ()),
        (" \t\n", ()),
        ("name=shop", (Condition("name", "=", "shop"),)),
        (
            'state = ACTIVE AND name : "shop"',
            (Condition("state", "=", "ACTIVE"), Condition("name", ":", "shop")),
        ),
        ('name!="a"  AND\tname<b', (Condition("name", "!=", "a"), Condition("name", "<", "b"))),
        ('name = "AND"', (Condition("name", "=", "AND"),)),
        ("name = 'say \"x\" \\' \\\\'", (Condition("name", "=", 'say "x" \' \\'),)),
        ('name = "it\'s"', (Condition("name", "=", "it's"),)),
        ('name = ""', (Condition("name", "=", ""),)),
        ("name = 1AND", (Condition("name", "=", "1AND"),)),
        ("name = größe", (Condition("name", "=", "größe"),)),
        ("name = platforms/a-b", (Condition("name", "=", "platforms/a-b"),)),
        ("name = ann@example.com", (Condition("name", "=", "ann@example.com"),)),
        ("labels.page : /p1", (Condition("labels.page", ":", "/p1"),)),
        ("create_time > 2026-01-02T12:00:00Z", (Condition("create_time", ">", NOON),)),
        ("create_time<2026-01-02T14:00:00.000+02:00", (Condition("create_time", "<", NOON),)),
        ('create_time = "2026-01-02T12:00:00Z"', (Condition("create_time", "=", NOON),)),
    ],
)
def test_a_filter_is_read_into_its_conditions(text: str, wanted: tuple[Condition, ...]) -> None:
    assert parse_filter(text, FIELDS) == wanted


@pytest.mark.parametrize(
    ("text", "position", "word"),
    [
        ("name", 5, "operator"),
        ("name =", 7, "value"),
        ("= x", 1, "field"),
        ("nome = x", 1, "'nome'"),
        ("Name = x", 1, "'Name'"),
        ("name = x AND", 13, "field"),
        ("name = x name = y", 10, "AND"),
        ("name = x and name = y", 10, "AND"),
        ('name = "x"AND name = y', 11, "AND"),
        ("name = x OR name = y", 10, "AND"),
        ("NOT name = x", 1, "NOT"),
        ("name = NOT", 8, "value"),
        ("-name = x", 1, "field"),
        ("(name = x)", 1, "field"),
        ("name = x)", 9, "AND"),
        ("name >= x", 6, "operator"),
        ("name <= x", 6, "operator"),
        ("name == x", 6, "operator"),
        ("name ~ x", 6, "operator"),
        ("name = *", 8, "value"),
        ("name = x*", 9, "AND"),
        ('name = "x', 8, "does not end"),
        ("name = 'x\"", 8, "does not end"),
        ('name = "\\n"', 8, "does not end"),
        ("state : ACTIVE", 7, "= !="),
        ("state < ACTIVE", 7, "= !="),
        ("state = active", 9, "ACTIVE, DELETING"),
        ("create_time : 2026-01-02T12:00:00Z", 13, "= != < >"),
        ("create_time > yesterday", 15, "RFC 3339"),
        ("create_time > 2026-01-02", 15, "RFC 3339"),
        ("create_time > 2026-13-02T12:00:00Z", 15, "RFC 3339"),
        ("create_time > 2026-01-02T12:00:00", 15, "RFC 3339"),
        ("create_time > 2026-01-02T12:00:00.1234567Z", 15, "RFC 3339"),
        ("create_time > 0001-01-01T00:00:00+01:00", 15, "RFC 3339"),
        ("create_time > 9999-12-31T23:59:59-01:00", 15, "RFC 3339"),
        ("create_time > 2026-01-02T12:00:00+24:00", 15, "RFC 3339"),
        ("name = \x00", 8, "character"),
        ("name = \ud800", 8, "character"),
        ("name = x\u00a0AND name = y", 9, "AND"),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused_with_the_place_and_the_fields(
    text: str, position: int, word: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_filter(text, FIELDS)
    (violation,) = caught.value.violations
    assert violation.field == "filter"
    assert violation.description.startswith(f"at character {position}: ")
    assert word in violation.description
    assert violation.description.endswith("Fields: name, labels.page, state, create_time.")
    assert "name, labels.page, state, create_time" in caught.value.message


def test_a_filter_has_at_most_1000_characters_and_20_conditions() -> None:
    twenty = " AND ".join(["name = a"] * 20)
    assert len(parse_filter(twenty, FIELDS)) == 20
    with pytest.raises(InvalidRequest, match="filter") as many:
        parse_filter(f"{twenty} AND name = a", FIELDS)
    assert "20 conditions" in many.value.violations[0].description
    longest = f'name = "{"x" * 991}"'
    assert len(longest) == 1000
    assert len(parse_filter(longest, FIELDS)) == 1
    with pytest.raises(InvalidRequest, match="filter") as long:
        parse_filter(longest + " ", FIELDS)
    assert "1000 characters" in long.value.violations[0].description


@given(st.text(st.characters(codec=None), max_size=60) | st.text("name=<>!:\"'\\ ADNOTR0Z.()*-", max_size=60))
@example("name = " + '"' * 900)
@example('name = "' + "\\\\" * 480)
@example(" " * 1000)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        conditions = parse_filter(text, FIELDS)
    except InvalidRequest:
        return
    assert parse_filter(render_filter(conditions), FIELDS) == conditions


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
TIMES = st.datetimes(
    min_value=datetime(1, 1, 2),
    max_value=datetime(9999, 12, 30),
    timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
).map(lambda moment: moment.astimezone(UTC))
CONDITIONS = st.one_of(
    st.builds(Condition, st.sampled_from(["name", "labels.page"]), st.sampled_from(OPERATORS), TEXTS),
    st.builds(
        Condition, st.just("state"), st.sampled_from(["=", "!="]), st.sampled_from(["ACTIVE", "DELETING"])
    ),
    st.builds(Condition, st.just("create_time"), st.sampled_from(FieldKind.TIMESTAMP.operators), TIMES),
)


@given(st.lists(CONDITIONS, max_size=8))
def test_conditions_written_down_are_read_back_as_they_were(conditions: list[Condition]) -> None:
    assert parse_filter(render_filter(conditions), FIELDS) == tuple(conditions)


@pytest.mark.parametrize(
    ("operator", "value", "actual", "holds"),
    [
        ("=", "a", "a", True),
        ("=", "a", "A", False),
        ("!=", "a", "A", True),
        ("<", "b", "a", True),
        ("<", "a", "a", False),
        (">", "B", "a", True),
        (":", "SHOP", "My shop", True),
        (":", "", "x", True),
        (":", "x%", "xy", False),
        ("<", NOON, NOON, False),
        (">", NOON, NOON + timedelta(microseconds=1), True),
        ("=", NOON, NOON.astimezone(timezone(timedelta(hours=1))), True),
        ("!=", NOON, NOON, False),
    ],
)
def test_a_condition_holds_or_not(
    operator: str, value: str | datetime, actual: str | datetime, holds: bool
) -> None:
    assert Condition("x", operator, value).holds(actual) is holds


def test_sql_never_holds_a_value() -> None:
    bound: list[object] = []

    def bind(value: object) -> str:
        bound.append(value)
        return f"${len(bound)}"

    conditions = parse_filter(
        'name : "\'; --" AND create_time < 2026-01-02T12:00:00Z AND state != ACTIVE', FIELDS
    )
    columns = {"name": "n", "create_time": "t", "state": "upper(s)"}
    assert sql_conditions(conditions, columns, bind) == [
        "position(lower($1::text) IN lower(n)) > 0",
        "t < $2::timestamptz",
        'upper(s) COLLATE "C" <> $3::text',
    ]
    assert bound == ["'; --", NOON, "ACTIVE"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", Order("create_time", descending=True)),
        ("  ", Order("create_time", descending=True)),
        ("name", Order("name")),
        (" name  desc ", Order("name", descending=True)),
    ],
)
def test_an_order_is_a_field_and_a_direction(text: str, wanted: Order) -> None:
    assert parse_order(text, ["name", "create_time"], "create_time desc") == wanted


@pytest.mark.parametrize(
    "text",
    ["nome", "name asc", "name DESC", "name, create_time", "name desc desc", "name;", "desc", "n" * 101],
)
def test_an_order_that_cannot_be_read_is_refused_with_the_fields(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_order(text, ["name", "create_time"], "name")
    (violation,) = caught.value.violations
    assert violation.field == "order_by"
    assert "name, create_time" in violation.description


@given(st.text(st.characters(codec=None), max_size=30))
@example("\x1c")
@example("name" + " " * 97)
def test_any_order_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidRequest):
        assert parse_order(text, ["name"], "name").field == "name"
