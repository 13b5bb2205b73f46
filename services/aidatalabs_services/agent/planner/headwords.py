"""Words that are only a part of a column's name: what they name, and what is said where they name nothing."""

from __future__ import annotations

from .draft import Ambiguous, Choice, Ref, Unread
from .names import PARTIAL_NAME, names_head
from .words import split_name, value_words


def names_columns_head(ref: Ref) -> bool:
    """False for words that only begin the name of a column, as `projects` does that of project_cost."""
    candidate = ref.candidate
    if candidate.cost < PARTIAL_NAME:
        return True
    return names_head(value_words(ref.item.text), split_name(candidate.column.split(".", 1)[-1]))


def not_counted(ref: Ref, role: str) -> Unread | Ambiguous:
    """Something that only begins a column's name; a date's event (`applications`) is offered as rows."""
    candidate, item = ref.candidate, ref.item
    if role != "time":
        return Unread(item, f"is only a part of the name {candidate.column}, not something to count")
    label = f"rows of {candidate.table} by {candidate.column}"
    text = f"`{candidate.table}` `{candidate.table}.{candidate.column}`"
    return Ambiguous(
        f"Are rows of {candidate.table} meant, by {candidate.column}?",
        [Choice(label, text, item.start, item.end)],
    )
