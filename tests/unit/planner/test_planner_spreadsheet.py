"""Questions about one wide table as a spreadsheet brings it: flags, parts of names, dates told by verbs."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from aidatalabs_services.agent.planner.answers import sentence
from tests.unit.planner.conftest import Asker


def _tickets(asker: Asker) -> list[dict[str, Any]]:
    return asker.records("service_tickets")


def _answer(asker: Asker, question: str) -> str:
    planned = asker.planned(question)
    columns, rows = asker.database.query(planned.sql)
    return sentence(planned, columns, rows, False)


@pytest.mark.parametrize(
    ("question", "held"),
    [
        ("how many warranty covered tickets?", "Yes"),
        ("how many tickets are warranty covered", "Yes"),
        ("how many tickets are not warranty covered?", "No"),
        ("how many non warranty covered tickets", "No"),
        ("how many tickets where warranty covered is no", "No"),
        ("how many tickets where warranty covered is yes", "Yes"),
        ("how many tickets where warranty_covered = no", "No"),
    ],
)
def test_a_column_of_yes_and_no_is_a_flag(workshop_asker: Asker, question: str, held: str) -> None:
    expected = sum(ticket["warranty_covered"] == held for ticket in _tickets(workshop_asker))
    assert int(workshop_asker.value(question)) == expected


def test_a_flag_without_says_no_or_nothing(workshop_asker: Asker) -> None:
    asked = workshop_asker.asks("how many tickets have no warranty covered")
    counts = [int(workshop_asker.database.rows(choice.sql)[0][0]) for choice in asked.choices]
    held = Counter(ticket["warranty_covered"] for ticket in _tickets(workshop_asker))
    assert counts == [held["No"], held[None]]


def test_offered_choices_keep_the_flag(workshop_asker: Asker) -> None:
    asked = workshop_asker.asks("tickets that are warranty covered")
    assert [choice.label for choice in asked.choices] == ["count them", "list them"]
    assert all("warranty_covered = 'Yes'" in choice.sql for choice in asked.choices)


def test_a_share_of_a_flag_is_of_all_rows_and_says_so(workshop_asker: Asker) -> None:
    tickets = _tickets(workshop_asker)
    share = 100 * sum(ticket["warranty_covered"] == "Yes" for ticket in tickets) / len(tickets)
    assert workshop_asker.value("what percentage of tickets are warranty covered?") == pytest.approx(share)
    text = _answer(workshop_asker, "what percentage of tickets are warranty covered?")
    assert text.startswith("The share of all tickets is")


def test_a_flag_is_never_counted_by_its_values(workshop_asker: Asker) -> None:
    assert "yes or no" in workshop_asker.refuses("how many different warranty covered are there").message
    assert "part of the name" in workshop_asker.refuses("how many warranties in Canal Bikes").message


def test_yes_and_no_are_compared_as_groups(workshop_asker: Asker) -> None:
    rows = workshop_asker.rows(
        "compare the average repair cost for warranty covered and not warranty covered tickets"
    )
    assert {row[0] for row in rows} == {"Yes", "No"}
    rows = workshop_asker.rows("compare the average repair cost of Brakes and Wheels")
    assert {row[0] for row in rows} == {"Brakes", "Wheels"}


@pytest.mark.parametrize("question", ["how many cycles got brakes", "number of tickets of works"])
def test_one_word_of_a_longer_value_is_asked_about(workshop_asker: Asker, question: str) -> None:
    asked = workshop_asker.asks(question)
    assert len(asked.choices) == 1
    assert asked.choices[0].label in ("garage Mill Lane Cycles", "garage River Works")


def test_a_word_of_many_values_is_refused_by_name(workshop_asker: Asker) -> None:
    assert "brandt" in workshop_asker.refuses("how many brandt tickets").message


@pytest.mark.parametrize("question", ["how many tickets of Hilltop Garage", "how many tickets of Hilltop"])
def test_the_beginning_of_one_value_is_that_value(workshop_asker: Asker, question: str) -> None:
    expected = sum(ticket["garage"] == "Hilltop Garage Ltd" for ticket in _tickets(workshop_asker))
    assert int(workshop_asker.value(question)) == expected


@pytest.mark.parametrize("question", ["how many repairs in Canal Bikes", "which garage had the most repairs"])
def test_part_of_a_measures_name_is_not_added_up(workshop_asker: Asker, question: str) -> None:
    assert "part of the name" in workshop_asker.refuses(question).message


def test_days_are_measured(workshop_asker: Asker) -> None:
    waits = [ticket["wait_days"] for ticket in _tickets(workshop_asker) if ticket["wait_days"] is not None]
    assert workshop_asker.value("average wait days") == pytest.approx(sum(waits) / len(waits))
    assert "days" in _answer(workshop_asker, "average wait days")
    rows = workshop_asker.rows("which garage has the shortest average wait days?")
    assert rows[0][0] in {ticket["garage"] for ticket in _tickets(workshop_asker)}
    longer = sum(wait > 9 for wait in waits)
    assert int(workshop_asker.value("how many tickets took longer than 9 days")) == longer


def test_suggestions_are_questions_about_filled_tables(workshop_asker: Asker) -> None:
    suggestions = workshop_asker.refuses("how purple is everything").suggestions
    assert suggestions[0] == 'Try: "How many service tickets are there?"'
    assert len(suggestions) <= 3
    assert not any("door_log" in text or "door log" in text for text in suggestions)
    for text in suggestions:
        assert workshop_asker.value(text.removeprefix("Try: ").strip('"')) is not None
    assert len(workshop_asker.refuses("how many purple tickets").suggestions) == 1


def test_a_verb_with_a_time_chooses_its_date(workshop_asker: Asker) -> None:
    expected = sum((ticket["close_date"] or "")[:4] == "2023" for ticket in _tickets(workshop_asker))
    planned = workshop_asker.planned("how many tickets were closed in 2023")
    assert int(workshop_asker.database.rows(planned.sql)[0][0]) == expected
    assert "status" not in planned.sql
    assert "by close_date" in _answer(workshop_asker, "how many tickets were closed in 2023")


def test_a_verb_alone_is_asked_about(workshop_asker: Asker) -> None:
    asked = workshop_asker.asks("how many tickets were closed?")
    assert [choice.label for choice in asked.choices] == ["status is Closed", "close_date is known"]
    counts = [int(workshop_asker.database.rows(choice.sql)[0][0]) for choice in asked.choices]
    tickets = _tickets(workshop_asker)
    assert counts == [sum(t["status"] == "Closed" for t in tickets),
                      sum(t["close_date"] is not None for t in tickets)]  # fmt: skip


def test_a_participle_before_its_noun_is_a_state(workshop_asker: Asker) -> None:
    expected = sum(ticket["status"] == "Closed" for ticket in _tickets(workshop_asker))
    assert int(workshop_asker.value("number of closed tickets")) == expected


def test_who_is_never_answered_with_a_date(workshop_asker: Asker) -> None:
    workshop_asker.refuses("who requested the most tickets?")


def test_rows_per_month_are_told_by_the_date_that_every_row_has(workshop_asker: Asker) -> None:
    planned = workshop_asker.planned("tickets per month")
    taken = "Of request_date and close_date the date of the rows was taken: request_date."
    assert taken in planned.explanation
    assert len(workshop_asker.database.rows(planned.sql)) == len(
        {t["request_date"][:7] for t in _tickets(workshop_asker)}
    )
    months = {t["close_date"][:7] for t in _tickets(workshop_asker) if t["close_date"]}
    rows = workshop_asker.rows("number of tickets per month by close date")
    assert {str(row[0])[:7] for row in rows} == months


def test_an_exact_key_shows_its_row(workshop_asker: Asker) -> None:
    ticket = _tickets(workshop_asker)[3]
    rows = workshop_asker.rows(f"ticket {ticket['ticket_no']}")
    assert len(rows) == 1
    assert rows[0][:2] == [ticket["ticket_no"], ticket["customer_name"]]


@pytest.mark.parametrize(
    ("question", "label"),
    [
        ("how many tickets above 50", "est_repair_cost above 50"),
        ("best garage", "by number of service tickets"),
        ("which garage is the best?", "by number of service tickets"),
        ("which month had the most requests", "rows of service_tickets by request_date"),
    ],
)
def test_concrete_alternatives_are_offered_as_choices(
    workshop_asker: Asker, question: str, label: str
) -> None:
    assert workshop_asker.asks(question).choices[0].label == label


def test_the_most_expensive_row_shows_its_key(workshop_asker: Asker) -> None:
    dearest = max(_tickets(workshop_asker), key=lambda ticket: ticket["est_repair_cost"])
    assert workshop_asker.rows("what is the most expensive ticket?")[0][0] == dearest["ticket_no"]


def test_rows_are_called_as_the_question_called_them(workshop_asker: Asker) -> None:
    assert _answer(workshop_asker, "how many tickets are there?") == "The number of tickets is 400."


def test_a_key_of_a_joined_table_is_no_lookup(trip_asker: Asker) -> None:
    labels = [choice.label for choice in trip_asker.asks("trips from AAX in May").choices]
    assert labels == ["count them", "list them"]


def test_an_ordered_list_begins_with_the_key_and_the_label(workshop_asker: Asker) -> None:
    planned = workshop_asker.planned("list tickets with repair cost above 500 sorted by repair cost")
    columns, _ = workshop_asker.database.query(planned.sql)
    assert [name for name, _ in columns][:2] == ["ticket_no", "customer_name"]


def test_an_empty_table_does_not_answer_for_a_filled_one(workshop_asker: Asker) -> None:
    outcome = workshop_asker.outcome("how many doors are there")
    assert "door_counts" not in getattr(outcome, "sql", "")
    kinds = {ticket["repair_kind"] for ticket in _tickets(workshop_asker)}
    assert int(workshop_asker.value("how many repair kinds")) == len(kinds)


def test_a_verb_joined_to_another_date_is_asked_about(workshop_asker: Asker) -> None:
    labels = [c.label for c in workshop_asker.asks("how many tickets requested and closed in 2023").choices]
    assert labels[0] == "status is Closed"


def test_a_group_that_took_the_longest_is_asked_about(workshop_asker: Asker) -> None:
    labels = [choice.label for choice in workshop_asker.asks("which repair kind took the longest").choices]
    assert labels == [f"highest {word} wait_days" for word in ("average", "total", "single")]


def test_money_that_fits_two_columns_is_asked_about(shop_asker: Asker, workshop_asker: Asker) -> None:
    expected = sum(order["amount"] > 300 for order in shop_asker.records("orders"))
    assert int(shop_asker.value("how many orders over 300 euros")) == expected
    labels = [choice.label for choice in workshop_asker.asks("how many tickets over 30 euros").choices]
    assert labels == ["est_repair_cost over 30", "deposit_eur over 30"]
