"""Writes the validation set's databases, pack.json and questions.jsonl.

Run as `python -m tests.questions.validation.generate`. The same rows come out each time.
cases.json is written by hand.
"""

from __future__ import annotations

from pathlib import Path

from tests.questions.databases import Database, written_pack
from tests.questions.validation.events_game import events_game
from tests.questions.validation.museum import museum
from tests.questions.validation.parcels import parcels

NOW = "2026-01-21 16:05:00"
"""A Wednesday."""


def databases() -> tuple[Database, ...]:
    """The set's databases."""
    return museum(), parcels(), events_game()


if __name__ == "__main__":
    written_pack(Path(__file__).parent, "validation", NOW, databases())
