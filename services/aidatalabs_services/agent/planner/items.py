"""What words of a question may mean: candidates, and the items that hold them."""

from __future__ import annotations

from dataclasses import dataclass

from .windows import TimeMention


@dataclass(frozen=True)
class Candidate:
    """One meaning of a span: a table, a column, or a value of a column; lower cost is better.

    `values` holds one stored value, or several when only some of their words were said (`partial`);
    `sure` says that these words can stand for nothing else.
    """

    kind: str
    table: str
    column: str = ""
    values: tuple[str, ...] = ()
    cost: float = 0.0
    partial: bool = False
    sure: bool = True


@dataclass(frozen=True)
class Item:
    """One linked span over the tokens [start, end).

    Kinds: the operator kinds of the lexicon, name, value, number, literal, time kinds (window, grain,
    part, unit), superlative, comparative, verb, unitword, unknown. `payload` is the operator's meaning.
    """

    kind: str
    payload: str
    start: int
    end: int
    text: str
    candidates: tuple[Candidate, ...] = ()
    number: float | None = None
    time: TimeMention | None = None
