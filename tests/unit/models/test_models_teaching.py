"""Which lessons a model is shown: the nearest ones, few, and short enough."""

from __future__ import annotations

from aidatalabs_services.agent.models.teaching import Example, nearest

SAILINGS = [
    Example("1", "How many sailings were late in May?", "SELECT 1"),
    Example("2", "How many sailings left Lindau?", "SELECT 2"),
    Example("3", "average delay of sailings per ship", "SELECT 3"),
    Example("4", "names of the ships", "SELECT 4"),
]


def chosen(question: str, most: int = 3, examples: list[Example] = SAILINGS) -> list[str]:
    return [example.lesson for example in nearest(question, examples, most)]


def test_rare_words_count_more_than_common_ones() -> None:
    assert chosen("how many sailings left Bregenz?")[0] == "2"
    assert chosen("what was the delay per ship?")[0] == "3"


def test_what_shares_no_word_is_not_shown_and_no_more_than_asked_for() -> None:
    assert chosen("weather on the lake") == []
    assert chosen("") == []
    assert len(chosen("how many sailings per ship", most=2)) == 2
    assert chosen("how many sailings", most=0) == []
    assert nearest("how many sailings", [], 3) == ()


def test_the_same_lessons_are_chosen_in_whatever_order_they_come() -> None:
    question = "how many sailings were late per ship?"
    assert chosen(question) == chosen(question, examples=SAILINGS[::-1])


def test_long_queries_do_not_fill_the_prompt() -> None:
    long = [Example(str(n), f"how many sailings number {n}", "x" * 1_400) for n in range(8)]
    assert len(chosen("how many sailings", most=8, examples=long)) == 3
    assert chosen("how many sailings", examples=[Example("1", "how many sailings", "x" * 1_501)]) == []
