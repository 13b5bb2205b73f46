"""Pictures made of text: never wider than asked, and as long as the figures say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from aidatalabs_services.cli.terminal_charts import LINE_ROWS, MOST_BARS, BarScale, draw, figure_text

FIGURES = st.none() | st.floats(-1e12, 1e12) | st.integers(-(10**9), 10**9)
LABELS = st.text(max_size=40)


def bars(pairs: list[tuple[Any, Any]], mark: object = "bar") -> dict[str, Any]:
    return {
        "title": "sales by town",
        "data": {"values": [{"key": key, "value": value} for key, value in pairs]},
        "mark": mark,
        "encoding": {
            "y": {"field": "key", "type": "nominal"},
            "x": {"field": "value", "type": "quantitative"},
        },
    }


def line(values: list[Any]) -> dict[str, Any]:
    pairs = [(f"2025-01-{number + 1:02}T00:00:00Z", value) for number, value in enumerate(values)]
    spec = bars(pairs, {"type": "line", "point": True})
    spec["encoding"] = {
        "x": {"field": "key", "type": "temporal"},
        "y": {"field": "value", "type": "quantitative"},
    }
    return spec


def drawn(spec: dict[str, Any], width: int, *, blocks: bool = True) -> list[str]:
    return [text.plain for text in draw(spec, width, blocks=blocks)]


@given(
    st.lists(st.tuples(LABELS, FIGURES), max_size=60),
    st.integers(1, 200),
    st.booleans(),
    st.sampled_from(["bar", "line", "area"]),
)
def test_no_line_is_wider_than_asked_and_none_commands_the_terminal(
    pairs: list[tuple[str, Any]], width: int, blocks: bool, mark: str
) -> None:
    lines = drawn(bars(pairs, {"type": mark}), width, blocks=blocks)
    assert all(cell_len(one) <= width for one in lines)
    assert not any(sign < " " or "\x7f" <= sign <= "\x9f" for one in lines for sign in one)


@given(st.lists(st.tuples(st.just("town"), FIGURES), min_size=2, max_size=9), st.integers(1, 200))
def test_without_block_characters_everything_is_ascii(pairs: list[tuple[str, Any]], width: int) -> None:
    assert all(one.isascii() for one in drawn(bars(pairs), width, blocks=False))
    assert all(one.isascii() for one in drawn(line([value for _, value in pairs]), width, blocks=False))


@given(st.lists(st.floats(0.01, 1e9), min_size=1, max_size=30), st.integers(1, 150))
def test_bars_are_as_long_as_their_figures_to_an_eighth_of_a_column(values: list[float], cells: int) -> None:
    scale = BarScale.of(values, cells)
    for value in values:
        bar = scale.bar(value, blocks=True)
        eighths = bar.count("█") * 8 + sum("▏▎▍▌▋▊▉".index(sign) + 1 for sign in bar if sign != "█")
        assert abs(eighths - max(1.0, value / max(values) * cells * 8)) <= 0.5 + 1e-6
        assert abs(len(scale.bar(value, blocks=False)) - max(1.0, value / max(values) * cells)) <= 0.5 + 1e-6


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30), st.integers(2, 150), st.booleans())
def test_bars_below_zero_go_the_other_way_and_all_begin_at_one_column(
    values: list[float], cells: int, blocks: bool
) -> None:
    scale = BarScale.of(values, cells)
    for value in values:
        bar = scale.bar(value, blocks=blocks)
        assert len(bar) <= cells
        if value > 0:
            assert bar[: scale.zero].strip() == ""
        elif value < 0:
            assert len(bar) <= scale.zero
        else:
            assert bar.strip() == ""


def test_a_picture_of_bars_reads_as_labels_bars_and_figures() -> None:
    assert drawn(bars([("Graz", 40), ("Wien", 10), ("Linz", None), ("Steyr", 0)]), 25) == [
        "sales by town",
        " Graz ████████████████ 40",
        " Wien ████ 10",
        " Linz  -",
        "Steyr  0",
    ]


def test_more_bars_than_fit_a_screen_are_counted() -> None:
    lines = drawn(bars([(f"t{number}", number) for number in range(MOST_BARS + 12)]), 60)
    assert len(lines) == MOST_BARS + 2
    assert lines[-1] == "(12 more)"


def test_a_long_label_leaves_room_for_its_bar() -> None:
    lines = drawn(bars([("a very long name of a very long place", 8), ("b", 4)]), 40)
    assert lines[1].count("█") == 2 * lines[2].count("█") > 10


def test_a_line_rises_as_its_figures_do_between_its_ends() -> None:
    lines = drawn(line([0, 2, 4, 8]), 20)
    assert lines[0] == "sales by town"
    body = lines[1 : LINE_ROWS + 1]
    heights = [sum(row[3 + 4 * step] == "█" for row in body) for step in range(4)]
    assert heights == [0, 2, 4, 8]
    assert body[0].startswith("8 ┤")
    assert body[-1].startswith("0 ┤")
    assert lines[-1] == "   2025-01-01"
    assert drawn(line([0, 2, 4, 8]), 40)[-1].split() == ["2025-01-01", "2025-01-04"]


def test_more_steps_than_columns_become_means_and_the_picture_says_so() -> None:
    lines = drawn(line([1, 3] * 36), 38)
    assert lines[-1].strip() == "a column: the mean of 2.1 steps"
    assert "██" in lines[LINE_ROWS]


def test_a_gap_in_the_line_stays_a_gap() -> None:
    bottom = drawn(line([5, None, 5]), 12)[LINE_ROWS]
    assert bottom == "0 ┤███   ███"


@pytest.mark.parametrize(
    "spec",
    [
        {},
        bars([("alone", 1)]),
        bars([("a", "b"), ("c", "d")]),
        bars([("a", 1), ("b", 2)], "text"),
        bars([("a", 1), ("b", 2)]) | {"encoding": {}},
        {**bars([("a", 1), ("b", 2)]), "encoding": {**bars([])["encoding"], "color": {"field": "series"}}},
    ],
    ids=["empty", "one bar", "no figures", "big number", "no axes", "several series"],
)
def test_what_text_cannot_show_is_not_drawn(spec: dict[str, Any]) -> None:
    assert drawn(spec, 80) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (58665, "58,665"), (20681.78, "20,682"), (12.5, "12.5"), (0.25, "0.25"), (1e-9, "1e-09"),
     (3e18, "3e+18"), (-0.5, "-0.5")],
)  # fmt: skip
def test_figures_are_short(value: float | None, text: str) -> None:
    assert figure_text(value) == text
