"""What each word of a question was read as, for the proof of its answer."""

from __future__ import annotations

from collections.abc import Mapping

from .items import Candidate
from .linking import Linked
from .outcomes import Wording


def wordings(linked: Linked, chosen: Mapping[int, Candidate]) -> tuple[Wording, ...]:
    """The items of a question with the meanings that were chosen, in the order they were said."""
    return tuple(
        Wording(item.text, meant.kind, meant.table, meant.column, meant.values)
        if (meant := chosen.get(place)) is not None
        else Wording(item.text, item.kind)
        for place, item in enumerate(linked.items)
    )
