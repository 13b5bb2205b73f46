"""Nothing that a question says is dropped, and nothing is suggested that leads nowhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from aidatalabs_services.agent.planner.accounting import Account
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.lexicon import QUANTITIES
from aidatalabs_services.agent.planner.linking import Linker
from aidatalabs_services.agent.planner.names import word_cost
from aidatalabs_services.agent.planner.outcomes import Planned, Refusal
from aidatalabs_services.agent.planner.words import lemma, split_name, tokenize, value_words
from tests.unit.planner.conftest import NOW, Asker

_ANSWERED = {
    "clubs": (
        "how many visits were there of members older than 60",
        "number of visits by club name",
        "total drinks by plan type",
        "which club name had the most visits",
        "how many visits had 0 guest passes",
        "average training min per entered_at month in 2024",
    ),
    "shop": (
        "total amount by city in 2024",
        "top 3 customers by number of orders",
        "how many cancelled orders in 2023",
        "share of orders by status",
    ),
}
# Words that say something; each is put everywhere into every question.
_CONTENT = tuple(
    """value amount figure size time rate level cost age length weight score profit speed average median
    minimum percentage oldest longest cheapest fastest open male per each without missing euros hours
    answer table US IT""".split()  # noqa: SIM905 - a list of words reads better than a list of quotes
)


def _named(planned: Planned) -> set[str]:
    """The words of everything the plan uses."""
    plan = planned.plan
    sources = [d.source for d in plan.dimensions] + [f.source for f in plan.filters]
    sources += [m.source for m in plan.measures if m.source is not None] + [w.source for w in plan.windows]
    words = set(split_name(plan.table)) | {word for source in sources for word in split_name(source.column)}
    words |= {word for measure in plan.measures for word in split_name(measure.unit)}
    return words | {word for f in plan.filters for value in f.values for word in value_words(value)}


def _excused(asker: Asker, question: str, word: str, place: int) -> bool:
    """The explicit list of what may be added without a change: a word for a number right behind the number
    it speaks of, `table` behind a table's name, a second `each` beside `by`, a step of time or within one
    column's name, a second share."""
    tokens = tokenize(question)
    before = tokens[place - 1].lemma if place else ""
    beside = {before, tokens[place].word if place < len(tokens) else ""}
    catalogue = asker.database.catalogue
    parts = {part for table in catalogue.tables for c in table.columns for part in split_name(c.name)}
    return (
        (word in QUANTITIES and before in parts)
        or (word == "table" and any(split_name(table.name)[-1] == before for table in catalogue.tables))
        or (word in ("per", "each") and (bool(beside & {"by", "per", "each", "month"}) or beside <= parts))
        or (word == "percentage" and any(token.word == "share" for token in tokens))
    )


# Every word comes to a third of the places, every place to a third of the words; `make soak` tries all.
@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize("name", sorted(_ANSWERED))
def test_no_word_of_content_is_dropped_wherever_it_stands(
    asker: Callable[[str], Asker], name: str, step: int
) -> None:
    one = asker(name)
    tried = 0
    for question in _ANSWERED[name]:
        plain = one.planned(question)
        tokens = tokenize(question)
        for number, word in enumerate(_CONTENT):
            if any(word_cost(lemma(word.casefold()), part) is not None for part in _named(plain)):
                continue
            for place in range(number % step, len(tokens) + 1, step):
                at = tokens[place].start if place < len(tokens) else len(question)
                longer = f"{question[:at].rstrip()} {word} {question[at:]}".strip()
                outcome = one.outcome(longer)
                tried += 1
                if isinstance(outcome, Planned) and not _excused(one, question, word, place):
                    assert outcome.sql != plain.sql, longer
    assert tried > 300


@pytest.mark.parametrize(
    ("question", "dropped"),
    [
        ("number of visits by club name", "club name"),
        ("how many visits with drinks over 5", "drinks"),
        ("total drinks by plan type", "total"),
        ("average drinks of gold plan", "gold plan"),
    ],
)
def test_a_plan_that_left_something_out_is_noticed(club_asker: Asker, question: str, dropped: str) -> None:
    planned = club_asker.planned(question)
    index = CatalogueIndex(club_asker.database.catalogue)
    items = Linker(index, NOW).link(question).items
    chosen = {place: item.candidates[0] for place, item in enumerate(items) if item.candidates}
    assert Account(planned.plan, index).missing(items, chosen, ()) is None
    poorer = replace(planned.plan, dimensions=(), filters=())
    if dropped == "total":
        poorer = replace(planned.plan, measures=tuple(replace(m, function="avg") for m in poorer.measures))
    missing = Account(poorer, index).missing(items, chosen, ())
    assert missing is not None
    assert missing.text == dropped


_REFUSED = {
    "clubs": (
        "total value", "drinkz by club", "average timestampp", "how many doors", "members by weather",
        "longest fee", "how many visits did Ada play", "value of everything", "average drinc by club name",
    ),
    "shop": ("average weigth of products by colour", "total profit", "custoner by citi", "orders by weather"),
    "workshop": ("repair costs of purple", "how many garagez", "tickets by openings colour", "total tickket"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(_REFUSED))
def test_every_suggestion_can_be_asked(asker: Callable[[str], Asker], name: str) -> None:
    one = asker(name)
    empty = {table.name for table in one.database.catalogue.tables if not table.row_count}
    offered = 0
    for question in _REFUSED[name]:
        outcome = one.outcome(question)
        if not isinstance(outcome, Refusal):
            continue
        for suggestion in outcome.suggestions:
            found = re.search(r'"(.+)"', suggestion)
            assert found is not None, suggestion
            assert found.group(1) != question
            again = one.outcome(found.group(1))
            assert not isinstance(again, Refusal), f"{question}: {suggestion}: {again}"
            if isinstance(again, Planned):
                assert again.plan.table not in empty, suggestion
            offered += 1
    assert offered


def test_every_choice_of_a_question_back_can_be_asked(asker: Callable[[str], Asker]) -> None:
    asked = {
        "clubs": ("total eur by club name", "how many active members", "visits per month in 2024"),
        "workshop": ("total ticket value by garage", "best garage"),
        "sensors": ("temperature by region",),
    }
    for name, questions in asked.items():
        one = asker(name)
        for question in questions:
            for choice in one.asks(question).choices:
                assert one.planned(choice.question).sql == choice.sql
