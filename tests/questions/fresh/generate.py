"""Writes the fresh set's databases, pack.json and questions.jsonl.

Run as `python -m tests.questions.fresh.generate`. The same rows come out each time.
cases.json is written by hand.
"""

from __future__ import annotations

from pathlib import Path

from tests.questions.databases import Database, written_pack
from tests.questions.fresh.events_learning import events_learning
from tests.questions.fresh.film_festival import film_festival
from tests.questions.fresh.power_cooperative import power_cooperative

NOW = "2025-10-09 15:30:00"
"""A Thursday."""


def databases() -> tuple[Database, ...]:
    """The set's databases."""
    return film_festival(), power_cooperative(), events_learning()


if __name__ == "__main__":
    written_pack(Path(__file__).parent, "fresh", NOW, databases())
