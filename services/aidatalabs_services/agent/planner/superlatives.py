"""Superlatives said of a group: the heaviest breed is not the breed of the single heaviest row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .draft import Ambiguous, Barred, Choice, Group, Rank, Unread
from .items import Candidate
from .lexicon import CLOSING_WORDS
from .measures import measures_for_adjective, rows_noun
from .words import split_name

if TYPE_CHECKING:
    from .composing import Composer

_REPEATED = frozenset(("dimension", "key", "label", "flag"))
_NEARLY_ALL = 0.9
"""A name that only so few rows share is still the name of one row."""


def check_grouped_extreme(composer: Composer, rank: Rank) -> None:
    """`which colour took the longest`, `3 heaviest breeds`: on average, altogether, or one single row.

    Raises Ambiguous for a measure, and Barred where rows that repeat the group would be listed.
    """
    draft = composer.draft
    target = draft.target
    if target is None or target.ref is None or not _repeats(composer, target.ref.candidate):
        return
    if any(ref.item.start == rank.item.end for ref in draft.subjects):
        return  # `which breed had the heaviest stay` speaks of a stay
    if draft.subjects and rank.item.start > target.item.start:
        return
    column = target.ref.candidate.column or target.ref.candidate.table
    if rank.by_time and rank.item.text.casefold() not in ("oldest", "newest"):
        if rank.limit > 1:
            raise Barred(
                rank.item,
                f"ranks {rows_noun(composer.base)}, several of which have the same {column}: "
                f"ask for {rows_noun(composer.base)}",
            )
        return
    measure, flipped = _measure(composer, rank)
    own = set(split_name(column)) - CLOSING_WORDS
    if rank.limit <= 1 and (flipped or own & set(split_name(measure.column))):
        return  # `youngest member` by member_age, `oldest client` by birth_date: the same in every row
    if flipped:
        raise Barred(rank.item, f"would list rows, and several of them have the same {column}")
    raise _by_which(composer, rank, target, measure)


def _measure(composer: Composer, rank: Rank) -> tuple[Candidate, bool]:
    if not rank.by_time:
        return measures_for_adjective(composer, rank.adjective, rank.item)
    try:
        return measures_for_adjective(composer, "old", rank.item)
    except Unread:
        raise Barred(rank.item, "does not say by which date or age: name the column") from None


def _repeats(composer: Composer, candidate: Candidate) -> bool:
    """True for a column that several rows of the base share, and for a table they refer to."""
    if candidate.kind != "column":
        return candidate.table != composer.base
    kind = composer.index.role(candidate.table, candidate.column).kind
    if candidate.table != composer.base:
        return kind in _REPEATED
    distinct = composer.index.column(candidate.table, candidate.column).distinct_count or 0
    rows = composer.table.row_count
    return kind in _REPEATED and distinct < rows * (_NEARLY_ALL if kind == "label" else 1)


def _by_which(composer: Composer, rank: Rank, target: Group, measure: Candidate) -> Ambiguous:
    """The ranking put by the average, the total and the single extreme."""
    oldest = rank.by_time and rank.item.text.casefold() == "oldest"
    upwards = oldest if rank.by_time else rank.descending
    way, name = "highest" if upwards else "lowest", f"`{measure.table}.{measure.column}`"
    single = "maximum" if upwards else "minimum"
    top = f"{'top' if upwards else 'bottom'} {rank.limit}"
    start, end = rank.start if rank.start >= 0 else rank.item.start, rank.item.end
    fronted = end == target.item.start
    lead = "" if composer.draft.asked else "which "
    choices = []
    for word in ("average", "total", single):
        text = f"{way} {word} {name}"
        if fronted:
            text = f"{lead}{target.item.text} has the {text}"
        if rank.limit > 1:
            text = f"{top} {target.item.text} by {word} {name}" if fronted else f"{top} by {word} {name}"
        label = f"{way} {'single' if word == single else word} {measure.column}"
        choices.append(Choice(label, text, start, target.item.end if fronted else end))
    return Ambiguous(
        f"Is '{rank.item.text}' said of the average, of the total or of a single {measure.column}?", choices
    )
