"""Questions that people ask of a business every day: compared with others, never, both, spent, in total."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.planner.conftest import Asker


@pytest.fixture(name="market")
def _market(asker: Callable[[str], Asker]) -> Asker:
    return asker("markets")


def _named(asker: Asker, question: str) -> set[Any]:
    return {row[0] for row in asker.rows(question)}


def _products(market: Asker, holds: Callable[[dict[str, Any]], bool]) -> set[str]:
    return {record["product_name"] for record in market.records("products") if holds(record)}


def _buyers(market: Asker, product: str) -> set[str]:
    key = next(p["product_id"] for p in market.records("products") if p["product_name"] == product)
    orders = {line["order_id"] for line in market.records("order_lines") if line["product_id"] == key}
    buyers = {order["customer_id"] for order in market.records("orders") if order["order_id"] in orders}
    return {c["name"] for c in market.records("customers") if c["customer_id"] in buyers}


def _spent(market: Asker) -> dict[str, float]:
    names = {c["customer_id"]: c["name"] for c in market.records("customers")}
    buyer = {order["order_id"]: names[order["customer_id"]] for order in market.records("orders")}
    sums: defaultdict[str, float] = defaultdict(float)
    for line in market.records("order_lines"):
        sums[buyer[line["order_id"]]] += line["line_total"]
    return sums


def test_things_are_compared_with_one_that_is_named(market: Asker) -> None:
    brie = next(p["price"] for p in market.records("products") if p["product_name"] == "Brie")
    assert _named(market, "products cheaper than Brie") == _products(market, lambda p: p["price"] < brie)
    ages = {f"{s['first_name']} {s['last_name']}": s["age"] for s in market.records("staff")}
    older = market.rows("staff older than Ben Couto")
    assert len(older) == sum(age > ages["Ben Couto"] for age in ages.values())


def test_a_name_that_several_have_is_nothing_to_compare_with(market: Asker) -> None:
    market.refuses("customers who signed up before Lisbon")
    market.refuses("staff older than cashier")


def test_things_are_compared_with_the_first_of_some(market: Asker) -> None:
    cheese = [p["price"] for p in market.records("products") if p["category_id"] == 3]
    found = _named(market, "products more expensive than the average")
    prices = [p["price"] for p in market.records("products")]
    assert found == _products(market, lambda p: p["price"] > sum(prices) / len(prices))
    ages = [s["age"] for s in market.records("staff") if s["job_title"] == "baker"]
    assert len(market.rows("staff older than the oldest baker")) == sum(
        s["age"] > max(ages) for s in market.records("staff")
    )
    assert max(cheese) > 0


def test_flags_are_said_before_and_behind_what_they_are_said_of(market: Asker) -> None:
    gone = _products(market, lambda p: p["discontinued"])
    assert _named(market, "products that are discontinued") == gone
    assert _named(market, "products that are not discontinued") == _products(market, lambda p: True) - gone
    inactive = sum(not c["is_active"] for c in market.records("customers"))
    assert int(market.value("how many inactive customers are there")) == inactive


def test_two_comparisons_of_one_column_both_hold(market: Asker) -> None:
    found = _named(market, "products with stock higher than 20 and lower than 60")
    assert found == _products(market, lambda p: 20 < p["stock"] < 60)


def test_the_year_of_a_verb_is_compared_where_it_is_a_column(market: Asker) -> None:
    assert _named(market, "shops opened after 2012") == {"Ribeira", "Alfama"}
    assert _named(market, "shops opened between 2010 and 2015") == {"Baixa", "Ribeira", "Sol"}


def test_a_year_that_no_verb_ties_to_the_shop_is_that_of_the_sale(market: Asker) -> None:
    assert "opened_year" not in market.planned("revenue by shop in 2025").sql


def test_the_verb_tells_what_ties_two_things_together(market: Asker) -> None:
    everybody = {c["name"] for c in market.records("customers")}
    brie, fudge = _buyers(market, "Brie"), _buyers(market, "Fudge")
    assert _named(market, "customers who bought Brie") == brie
    assert _named(market, "customers who bought both Brie and Fudge") == brie & fudge
    assert _named(market, "customers who bought Brie but not Fudge") == brie - fudge
    assert _named(market, "customers who have never bought Brie") == everybody - brie
    reviewers = {r["customer_id"] for r in market.records("reviews") if r["product_id"] == 7}
    names = {c["name"] for c in market.records("customers") if c["customer_id"] in reviewers}
    assert _named(market, "Who reviewed the Brie?") == names


def test_those_who_did_it_may_stand_before_the_verb(market: Asker) -> None:
    bought = {p for p in _products(market, lambda p: True) if "Ana Prado" in _buyers(market, p)}
    assert _named(market, "which products did Ana Prado buy?") == bought


def test_how_often_is_counted_over_the_rows_that_the_verb_names(market: Asker) -> None:
    names = {c["customer_id"]: c["name"] for c in market.records("customers")}
    counts = Counter(names[order["customer_id"]] for order in market.records("orders"))
    found = _named(market, "customers who ordered more than 12 times")
    assert found == {name for name, number in counts.items() if number > 12}
    spring = Counter(
        names[o["customer_id"]] for o in market.records("orders") if o["ordered_at"].startswith("2025-05")
    )
    found = _named(market, "customers who ordered at least twice in May 2025")
    assert found == {name for name, number in spring.items() if number >= 2}


def test_what_somebody_spent_is_the_total_of_their_lines(market: Asker) -> None:
    sums = _spent(market)
    assert market.value("How much did Ana Prado spend in total?") == pytest.approx(sums["Ana Prado"])
    rows = market.rows("Which customers spent more than 300 euros?")
    assert {row[1] for row in rows} == {name for name, total in sums.items() if total > 300}
    assert market.rows("who spent the most?")[0][0] == max(sums, key=lambda name: sums[name])


def test_what_somebody_earns_is_their_salary(market: Asker) -> None:
    rows = market.rows("staff who earn more than 30000")
    assert len(rows) == sum(s["salary"] > 30000 for s in market.records("staff"))
    best = max(market.records("staff"), key=lambda s: s["salary"])
    assert market.rows("who has the highest salary?")[0][:2] == [best["first_name"], best["last_name"]]


def test_lines_have_the_time_of_their_order(market: Asker) -> None:
    at = {order["order_id"]: order["ordered_at"][:7] for order in market.records("orders")}
    sums: defaultdict[str, float] = defaultdict(float)
    for line in market.records("order_lines"):
        sums[at[line["order_id"]]] += line["line_total"]
    rows = market.rows("revenue per month in 2025")
    assert {row[0][:7]: row[1] for row in rows} == pytest.approx(
        {month: total for month, total in sums.items() if month.startswith("2025")}
    )


def test_the_date_called_after_the_rows_is_theirs(market: Asker) -> None:
    assert "ordered_at" in market.planned("orders per month in 2024").sql


def test_two_names_side_by_side_are_one_group(market: Asker) -> None:
    rows = market.rows("total quantity by product category")
    assert {row[1] for row in rows} == {"Bakery", "Drinks", "Cheese", "Sweets"}
    assert len(rows) == 4


def test_numbers_of_each_row_are_listed_and_not_asked_about(market: Asker) -> None:
    assert len(market.rows("price and stock of every product")) == 12
    assert market.value("what is the price of Brie?") == next(
        p["price"] for p in market.records("products") if p["product_name"] == "Brie"
    )


def test_first_and_last_names_are_two_columns(market: Asker) -> None:
    rows = market.rows("List the first and last names of the staff together with their salaries")
    assert sorted(row[:2] for row in rows) == sorted(
        [s["first_name"], s["last_name"]] for s in market.records("staff")
    )


def test_a_full_name_is_that_of_one_person(market: Asker) -> None:
    ben = next(s["age"] for s in market.records("staff") if s["first_name"] == "Ben")
    assert int(market.value("how old is Ben Couto?")) == ben


def test_a_key_that_leads_nowhere_is_without(market: Asker) -> None:
    assert {row[0] for row in market.rows("staff without a manager")} == {"Ada", "Ben"}
    assert {row[0] for row in market.rows("which staff have no manager")} == {"Ada", "Ben"}


def test_whose_manager_is_no_manager(market: Asker) -> None:
    market.refuses("staff whose manager is Ada Braga")


def test_who_is_never_answered_by_rows_or_by_a_number(market: Asker) -> None:
    market.refuses("who earns the most in each shop?")


def test_values_of_two_tables_are_held_against_each_other(market: Asker) -> None:
    shops = {s["city"] for s in market.records("shops")}
    customers = {c["city"] for c in market.records("customers")}
    assert _named(market, "cities with both customers and shops") == shops & customers
    assert _named(market, "cities that have customers but no shops") == customers - shops


def test_neither_of_two_values_holds(market: Asker) -> None:
    left = {o["order_id"] for o in market.records("orders") if o["status"] == "cancelled"}
    assert _named(market, "orders neither delivered nor shipped") == left


def test_a_phone_number_is_nothing_to_count(market: Asker) -> None:
    unknown = {c["name"] for c in market.records("customers") if c["phone"] is None}
    assert _named(market, "customers without a phone number") == unknown


def test_things_named_first_are_shown_beside_their_columns(market: Asker) -> None:
    rows = market.rows("shops and their cities")
    assert ["Sol", "Madrid"] in rows


def test_words_that_end_a_name_name_it(asker: Callable[[str], Asker]) -> None:
    plays = asker("games")
    works = plays.planned("how many works are there per medium")
    assert works.plan.table == "artworks"
    assert any("'works' was read as" in line or "works" in line for line in works.explanation)


def test_people_are_told_by_the_only_key_of_people(asker: Callable[[str], Asker]) -> None:
    plays = asker("games")
    rows = plays.records("happenings")
    assert int(plays.value("how many players are there")) == len({row["user_id"] for row in rows})
    installed = {row["user_id"] for row in rows if row["event_type"] == "installed"}
    assert int(plays.value("How many players installed the game?")) == len(installed)


def test_a_noun_names_what_was_done(asker: Callable[[str], Asker]) -> None:
    plays = asker("games")
    rows = plays.records("happenings")
    counts = Counter(row["country"] for row in rows if row["event_type"] == "installed")
    assert {row[0]: int(row[1]) for row in plays.rows("installs per country")} == counts
    bought = sum(row["event_type"] == "item_bought" for row in rows)
    assert int(plays.value("number of purchases")) == bought
    buyers = {row["user_id"] for row in rows if row["event_type"] == "item_bought"}
    invited = {row["user_id"] for row in rows if row["event_type"] == "friend_invited"}
    found = {row[0] for row in plays.rows("players who invited a friend but never bought anything")}
    assert found == invited - buyers


def test_what_happened_together_has_no_one_worth(asker: Callable[[str], Asker]) -> None:
    sums: defaultdict[str, float] = defaultdict(float)
    for row in asker("games").records("happenings"):
        if row["event_type"] == "item_bought":
            sums[row["country"]] += row["value"]
    rows = asker("games").rows("revenue by country")
    assert {row[0]: row[1] for row in rows} == pytest.approx(sums)


def test_an_average_is_compared_where_it_is_said(market: Asker) -> None:
    prices: defaultdict[int, list[float]] = defaultdict(list)
    for product in market.records("products"):
        prices[product["category_id"]].append(product["price"])
    rows = market.rows("categories where a product has a price over 6 on average")
    assert {row[0] for row in rows} == {
        key for key, values in prices.items() if sum(values) / len(values) > 6
    }


def test_takings_of_a_column_are_its_total(market: Asker) -> None:
    totals = sum(line["line_total"] for line in market.records("order_lines"))
    assert market.value("total revenue") == pytest.approx(totals)


def test_the_name_of_somebody_else_is_no_name_of_the_row(market: Asker) -> None:
    rows = market.rows("the 2 cheapest products")
    assert rows == [["Rye Bread", 1.5], ["Croissant", 2.75]]


def test_a_clause_behind_a_place_narrows_what_is_listed(market: Asker) -> None:
    found = _named(market, "List the names of customers in Lisbon who are active")
    assert found == {
        c["name"] for c in market.records("customers") if c["city"] == "Lisbon" and c["is_active"]
    }


def test_the_verb_before_by_tells_the_way(market: Asker) -> None:
    found = _named(market, "which products have been ordered by Ana Prado")
    assert found == {p for p in _products(market, lambda p: True) if "Ana Prado" in _buyers(market, p)}


def test_the_same_as_another_is_not_answered(market: Asker) -> None:
    market.refuses("which shops are in the same city as Sol")
