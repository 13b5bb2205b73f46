"""Counts, sums, averages, groups and orders, run on the engine and compared with plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from statistics import mean, median

import pytest

from tests.unit.planner.conftest import Asker


def test_how_many_counts_the_rows_of_the_named_table(shop_asker: Asker) -> None:
    assert shop_asker.value("how many orders are there?") == 400


def test_how_many_of_a_key_counts_different_values(shop_asker: Asker) -> None:
    expected = len({order["customer_id"] for order in shop_asker.records("orders")})
    assert shop_asker.value("how many different customers placed orders?") == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("total amount", sum),
        ("average amount", mean),
        ("minimum amount", min),
        ("what was the maximum amount?", max),
        ("median amount", median),
        ("the highest amount", max),
    ],
)
def test_a_function_is_computed_of_its_measure(shop_asker: Asker, question: str, expected: object) -> None:
    amounts = [order["amount"] for order in shop_asker.records("orders")]
    assert callable(expected)
    assert shop_asker.value(question) == pytest.approx(expected(amounts))


def test_a_measure_with_gaps_is_averaged_over_known_values(sensor_asker: Asker) -> None:
    known = [r["temperature"] for r in sensor_asker.records("readings") if r["temperature"] is not None]
    assert sensor_asker.value("average temperature") == pytest.approx(mean(known))


def test_several_functions_become_several_columns(sensor_asker: Asker) -> None:
    values = [reading["humidity"] for reading in sensor_asker.records("readings")]
    assert sensor_asker.rows("min, avg and max humidity") == [
        [min(values), pytest.approx(mean(values)), max(values)]
    ]


def test_groups_take_an_attribute_of_a_joined_table(shop_asker: Asker) -> None:
    category = {product["id"]: product["category"] for product in shop_asker.records("products")}
    expected: defaultdict[str, float] = defaultdict(float)
    for order in shop_asker.records("orders"):
        expected[category[order["product_id"]]] += order["amount"]
    rows = shop_asker.rows("total amount per category")
    assert {row[0]: row[1] for row in rows} == pytest.approx(expected)


def test_two_groups_are_both_kept(shop_asker: Asker) -> None:
    cities = {customer["customer_id"]: customer["city"] for customer in shop_asker.records("customers")}
    expected = Counter((cities[o["customer_id"]], o["status"]) for o in shop_asker.records("orders"))
    rows = shop_asker.rows("number of orders by city and status")
    assert {(row[0], row[1]): row[2] for row in rows} == expected


def test_a_key_is_shown_with_its_readable_name(shop_asker: Asker) -> None:
    expected = Counter(order["customer_id"] for order in shop_asker.records("orders"))
    rows = shop_asker.rows("orders per customer")
    names = {c["customer_id"]: c["name"] for c in shop_asker.records("customers")}
    assert {row[0]: (row[1], row[2]) for row in rows} == {k: (names[k], n) for k, n in expected.items()}


def test_top_n_orders_by_the_named_measure_and_breaks_ties_by_key(library_asker: Asker) -> None:
    counts = Counter(loan["book_id"] for loan in library_asker.records("loans"))
    expected = [book for book, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))][:5]
    assert [row[0] for row in library_asker.rows("top 5 books by number of loans")] == expected


def test_bottom_n_takes_the_other_end(trip_asker: Asker) -> None:
    counts = Counter(trip["line"] for trip in trip_asker.records("trips"))
    assert set(counts) == {line["line"] for line in trip_asker.records("lines")}  # none is without a trip
    rows = trip_asker.rows("bottom 2 lines by number of trips")
    assert [row[2] for row in rows] == sorted(counts.values())[:2]


def test_which_had_the_most_gives_one_winner_and_how_many_share_its_place(library_asker: Asker) -> None:
    counts = Counter(loan["member_id"] for loan in library_asker.records("loans"))
    best = max(counts.values())
    rows = library_asker.rows("Which member had the most loans?")
    assert len(rows) == 1
    assert rows[0][0] == min(member for member, count in counts.items() if count == best)
    assert rows[0][-2:] == [best, sum(count == best for count in counts.values())]


def test_which_had_the_highest_average_ranks_groups(trip_asker: Asker) -> None:
    values: defaultdict[str, list[float]] = defaultdict(list)
    for trip in trip_asker.records("trips"):
        values[trip["line"]].append(trip["arr_delay"])
    row = trip_asker.rows("Which line had the highest average arrival delay?")[0]
    best = max(values, key=lambda line: mean(values[line]))
    assert (row[0], row[2]) == (best, pytest.approx(mean(values[best])))


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("cheapest product", "Cushion"),
        ("most expensive product", "Oak Table"),
        ("heaviest product", "Oak Table"),
    ],
)
def test_an_adjective_finds_its_measure(shop_asker: Asker, question: str, name: str) -> None:
    assert shop_asker.rows(question)[0][0] == name


def test_the_longest_by_a_measure_orders_rows(trip_asker: Asker) -> None:
    planned = trip_asker.planned("longest trip by distance")
    columns, rows = trip_asker.database.query(planned.sql)
    names = [name for name, _ in columns]
    longest = max(trip["distance"] for trip in trip_asker.records("trips"))
    sharing = sum(trip["distance"] == longest for trip in trip_asker.records("trips"))
    assert rows[0][names.index("distance")] == longest
    assert rows[0][names.index("tied_rows")] == sharing


def test_having_limits_groups(shop_asker: Asker) -> None:
    counts = Counter(order["customer_id"] for order in shop_asker.records("orders"))
    rows = shop_asker.rows("customers with more than 40 orders")
    assert {row[0]: row[2] for row in rows} == {k: n for k, n in counts.items() if n > 40}


def test_how_many_have_more_than_counts_the_groups(shop_asker: Asker) -> None:
    counts = Counter(order["customer_id"] for order in shop_asker.records("orders"))
    assert shop_asker.value("how many customers have more than 40 orders?") == sum(
        n > 40 for n in counts.values()
    )


def test_average_number_per_group_averages_the_counts(library_asker: Asker) -> None:
    counts = Counter(loan["member_id"] for loan in library_asker.records("loans"))
    assert set(counts) == {member["member_id"] for member in library_asker.records("members")}
    assert library_asker.value("average number of loans per member") == pytest.approx(mean(counts.values()))


def test_share_by_group_adds_up_to_a_hundred(shop_asker: Asker) -> None:
    rows = shop_asker.rows("share of orders by status")
    assert sum(row[-1] for row in rows) == pytest.approx(100)


def test_percentage_of_a_condition_is_of_all_rows(shop_asker: Asker) -> None:
    cancelled = sum(order["status"] == "cancelled" for order in shop_asker.records("orders"))
    assert shop_asker.value("what percentage of orders were cancelled?") == pytest.approx(cancelled / 4)


def test_lists_show_the_named_columns(shop_asker: Asker) -> None:
    expected = sorted([c["name"]] for c in shop_asker.records("customers") if c["city"] == "Graz")
    assert shop_asker.rows("list the names of customers in Graz") == expected


def test_a_limit_keeps_so_many_rows(shop_asker: Asker) -> None:
    newest = sorted((o["ordered_at"] for o in shop_asker.records("orders")), reverse=True)[:5]
    columns, rows = shop_asker.database.query(shop_asker.planned("show the last 5 orders").sql)
    place = [name for name, _ in columns].index("ordered_at")
    assert [row[place] for row in rows] == newest


def test_a_declared_path_is_named_alone_also_where_it_is_never_null(typed_sensor_asker: Asker) -> None:
    """Of a path with a type of its own the engine knows no `.:String`."""
    records = typed_sensor_asker.records("readings")
    values: defaultdict[str, list[float]] = defaultdict(list)
    for reading in records:
        values[reading["details"]["firmware"]].append(reading["details"]["battery"])
    rows = typed_sensor_asker.rows("average battery by firmware")
    assert {row[0]: row[1] for row in rows} == pytest.approx({k: mean(v) for k, v in values.items()})
    assert typed_sensor_asker.value("how many readings have firmware v1?") == len(values["v1"])


def test_a_path_of_a_json_column_can_be_grouped_by_and_averaged(sensor_asker: Asker) -> None:
    values: defaultdict[str, list[float]] = defaultdict(list)
    for reading in sensor_asker.records("readings"):
        values[reading["details"]["firmware"]].append(reading["details"]["battery"])
    rows = sensor_asker.rows("average battery by firmware")
    assert {row[0]: row[1] for row in rows} == pytest.approx({k: mean(v) for k, v in values.items()})


def test_an_empty_selection_gives_no_value_instead_of_zero_or_nan(shop_asker: Asker) -> None:
    assert shop_asker.value("average amount in 2020") is None
    assert shop_asker.value("total amount in 2020") is None
    assert shop_asker.value("how many orders in 2020") == 0
