"""What `doctor` finds: one thing looked at, how it is, and what to do where it is not well."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class State(StrEnum):
    """How a thing is."""

    OK = "ok"
    NOTE = "note"
    """Nothing is wrong, but the reader may want to know."""
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `next_step` is empty only where all is well."""

    check: str
    state: State
    told: str
    next_step: str = ""

    def to_dict(self) -> dict[str, str]:
        """The finding as JSON takes it."""
        return {**asdict(self), "state": self.state.value}


def fine(check: str, told: str) -> Finding:
    """A thing that is well."""
    return Finding(check, State.OK, told)


def note(check: str, told: str, next_step: str) -> Finding:
    """A thing to know."""
    return Finding(check, State.NOTE, told, next_step)


def wrong(check: str, told: str, next_step: str) -> Finding:
    """A thing to mend."""
    return Finding(check, State.WRONG, told, next_step)
