"""Writes the development set's databases, pack.json and questions.jsonl.

Run as `python -m tests.questions.development.generate`. The same rows come out each time.
cases.json is written by hand.
"""

from __future__ import annotations

from pathlib import Path

from tests.questions.databases import Database, written_pack
from tests.questions.development.bike_hire import bike_hire
from tests.questions.development.events_podcasts import events_podcasts
from tests.questions.development.hospital import hospital

NOW = "2026-03-18 10:20:00"
"""A Wednesday."""


def databases() -> tuple[Database, ...]:
    """The set's databases."""
    return hospital(), bike_hire(), events_podcasts()


if __name__ == "__main__":
    written_pack(Path(__file__).parent, "development", NOW, databases())
