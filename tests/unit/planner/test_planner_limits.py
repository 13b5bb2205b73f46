"""What a question may cost: its words, the readings tried, and the planners kept between questions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from aidatalabs_services.agent.planner import planner
from aidatalabs_services.agent.planner.outcomes import Outcome, Planned
from aidatalabs_services.agent.planner.planner import plan
from tests.unit.planner.conftest import NOW, Asker


@pytest.fixture
def often_switching() -> Iterator[None]:
    """Threads take turns a thousand times more often than they do, so that a race shows."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.parametrize("words", ["amount ", "status region city ", "1,", "`a`.`b` "])
def test_a_question_of_too_many_words_is_refused_with_the_limit(shop_asker: Asker, words: str) -> None:
    assert "100 words" in shop_asker.refuses(words * 101).message


def test_a_long_question_is_still_read(shop_asker: Asker) -> None:
    question = "Please tell me, " + "for the data that we have here, " * 8 + "how many orders there are"
    assert shop_asker.value(question) == 400


def test_many_catalogues_are_planned_over_at_once(
    shop_asker: Asker, often_switching: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner._planners, "_most", 64)
    catalogues = [replace(shop_asker.database.catalogue, version=str(number)) for number in range(90)]
    expected = shop_asker.planned("how many orders").sql

    def ask(number: int) -> Outcome:
        return plan("how many orders", catalogues[number * 7 % 90], now=NOW)

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(ask, range(360)))
    assert all(isinstance(outcome, Planned) and outcome.sql == expected for outcome in outcomes)
    assert len(planner._planners) <= 64


def test_the_planner_of_a_catalogue_is_kept_while_it_is_used(shop_asker: Asker) -> None:
    kept = planner._planners.of(shop_asker.database.catalogue)
    for number in range(63):
        planner._planners.of(replace(shop_asker.database.catalogue, version=str(number)))
        assert planner._planners.of(shop_asker.database.catalogue) is kept
