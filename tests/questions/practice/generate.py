"""Writes the practice set's databases, pack.json and questions.jsonl.

Run as `python -m tests.questions.practice.generate`. The same rows come out each time.
cases.json is written by hand.
"""

from __future__ import annotations

from pathlib import Path

from tests.questions.databases import Database, written_pack
from tests.questions.practice.events_recipes import events_recipes
from tests.questions.practice.harvest import harvest
from tests.questions.practice.learning import learning

NOW = "2026-05-19 09:30:00"
"""A Tuesday."""


def databases() -> tuple[Database, ...]:
    """The set's databases."""
    return learning(), harvest(), events_recipes()


if __name__ == "__main__":
    written_pack(Path(__file__).parent, "practice", NOW, databases())
