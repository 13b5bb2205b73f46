"""Two-valued columns: which of their texts mean yes and which mean no."""

from __future__ import annotations

from .catalogue import Column
from .columntypes import column_type

_PAIRS = (("yes", "no"), ("y", "n"), ("true", "false"), ("t", "f"), ("1", "0"), ("on", "off"))
YES_WORDS = frozenset(yes for yes, _ in _PAIRS)
NO_WORDS = frozenset(no for _, no in _PAIRS)


def _pair(column: Column) -> tuple[str, str] | None:
    held = {value.strip().casefold() for value in column.values} - {""}
    if not held or not column.values_complete:
        return None
    pair = next((pair for pair in _PAIRS if held <= set(pair)), None)
    return pair if pair is None or len(held) == 2 or (len(pair[1]) > 1 and pair[0] != "on") else None


def is_text_flag(column: Column) -> bool:
    """True for a text column whose only values, besides empty ones, are yes and no in one spelling."""
    return column_type(column.type).kind == "text" and _pair(column) is not None


def flag_values(column: Column, truth: bool) -> tuple[str, ...]:
    """The stored texts of a text flag that mean yes (or no); the usual word where none is stored."""
    pair = _pair(column)
    if pair is None:
        return ()
    word = pair[0] if truth else pair[1]
    held = tuple(value for value in column.values if value.strip().casefold() == word)
    sample = next((value for value in column.values if value.strip()), "")
    return held or (word.upper() if sample.isupper() else word.title() if sample.istitle() else word,)
