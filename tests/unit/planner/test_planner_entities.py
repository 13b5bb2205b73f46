"""Things with many rows: none of them, only some and all are other questions than any of them."""

from __future__ import annotations

import pytest

from tests.unit.planner.conftest import Asker


@pytest.mark.parametrize(
    "question",
    [
        "which vessel has no chartered sailings",
        "which vessels have no tip",
        "which vessels have no swell",
        "how many different vessels not in Skarn",
    ],
)
def test_things_without_rows_are_not_looked_for_among_rows(ferry_asker: Asker, question: str) -> None:
    ferry_asker.refuses(question)


@pytest.mark.parametrize(
    "question",
    [
        "how many ports with only calm sailings",
        "which islands have only calm sailings",
        "which vessels have just calm sailings",
        "how many ports have all sailings chartered",
        "how many vessels only in Skarn",
        "number of sailings not only in Skarn",
        "number of sailings not just calm",
    ],
)
def test_only_and_all_of_what_things_have_are_refused(ferry_asker: Asker, question: str) -> None:
    message = ferry_asker.refuses(question).message
    assert "nothing else is there" in message


def test_only_and_all_of_rows_add_nothing(ferry_asker: Asker) -> None:
    calm = [s for s in ferry_asker.records("sailings") if s["weather"] == "Calm"]
    assert len(ferry_asker.rows("show only calm sailings")) == len(calm)
    total = pytest.approx(sum(sailing["fare"] for sailing in calm))
    assert ferry_asker.value("total fare of all calm sailings") == total
    assert ferry_asker.value("total fare of only calm sailings") == total


def test_rows_that_are_named_may_be_limited(ferry_asker: Asker) -> None:
    left = {s["vessel"] for s in ferry_asker.records("sailings") if s["weather"] != "Calm"}
    rows = ferry_asker.rows("which vessels have sailings that are not calm")
    assert {row[0] for row in rows} == left
    assert int(ferry_asker.value("how many ports not in Skarn")) == 2


def test_both_of_two_values_is_asked_about(ferry_asker: Asker) -> None:
    asked = ferry_asker.asks("how many ports have calm and rough sailings")
    assert [choice.label for choice in asked.choices] == ["any of Calm, Rough"]
    expected = sum(s["weather"] in ("Calm", "Rough") for s in ferry_asker.records("sailings"))
    assert int(ferry_asker.value("how many sailings in calm and rough weather")) == expected


def test_things_are_listed_although_their_rows_are_read(ferry_asker: Asker) -> None:
    ports = {port["port_id"] for port in ferry_asker.records("ports") if port["island"] == "Skarn"}
    calm = {s["port_id"] for s in ferry_asker.records("sailings") if s["weather"] == "Calm"}
    rows = ferry_asker.rows("which ports in Skarn have calm sailings")
    assert {row[0] for row in rows} == ports & calm
