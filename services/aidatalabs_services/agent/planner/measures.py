"""Aggregates bound to columns: functions that fit their column, titles, units, shares."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .adjectives import ADJECTIVES, heads, worded_for
from .columntypes import column_type
from .draft import Aggregate, Ambiguous, Choice, Ref, Unread
from .items import Candidate, Item
from .lexicon import CLOSING_WORDS
from .plan import Filter, Measure
from .quantiles import QUANTILE, quantile_words
from .roles import is_unique, named_key
from .units import UNIT_WORDS
from .words import lemma, split_name, spoken_name, value_words

if TYPE_CHECKING:
    from .composing import Composer

_AGAIN = {
    "average": "mean of",
    "total": "sum of",
    "minimum": "lowest",
    "maximum": "highest",
    "median": "middle of",
}  # where the column's own name begins the same way: the sum of total_price
WORDS = {
    "avg": "average", "sum": "total", "min": "minimum", "max": "maximum", "median": "median",
    "stddev": "standard deviation", "variance": "variance",
}  # fmt: skip
"""Functions as they are said; each is read again by that word."""


def function_words(function: str) -> str:
    """A function as it is said."""
    return quantile_words(function) if function.startswith(QUANTILE) else WORDS[function]


def measures_for_adjective(
    composer: Composer, adjective: str, item: Item, tables: tuple[str, ...] = ()
) -> tuple[Candidate, bool]:
    """The one measure that an adjective speaks of, and whether its order is reversed (oldest by birth
    date).

    Raises Ambiguous when several columns fit and Unread when none does.
    """
    base = composer.base
    found: list[tuple[Candidate, bool]] = []
    for column in composer.table.columns:
        role = composer.index.role(base, column.name)
        if role.kind not in ("measure", "time", "dimension", "other"):
            continue
        fits, flipped = worded_for(adjective, split_name(column.name), column_type(column.type))
        if fits:
            found.append((Candidate("column", base, column.name), flipped))
    if not found:
        raise Unread(item, f"speaks of a measure that {base} does not have")
    if len(found) > 1 or _of_something_else(composer, found[0][0]):
        choices = [
            Choice(
                f"by {candidate.column}",
                _spelled(item, adjective, f"`{base}.{candidate.column}`", flipped),
                item.start,
                item.end,
            )
            for candidate, flipped in found
        ]
        raise Ambiguous(f"'{item.text}' by what?", choices)
    return found[0]


def _of_something_else(composer: Composer, candidate: Candidate) -> bool:
    """True where a column's name says whose number it is, and the question names somebody else: an order
    older than 30 is not told by client_age."""
    parts = split_name(candidate.column.split(".", 1)[-1])
    end = min(parts.index(head) for head in heads(parts))
    draft = composer.draft
    refs = [
        *draft.subjects,
        *draft.columns,
        *draft.bare,
        *(a.ref for a in draft.aggregates if a.ref is not None),
    ]
    refs += [group.ref for group in [*draft.groups, *([draft.target] if draft.target else [])] if group.ref]
    items = [*draft.elsewhere, *draft.units, *draft.verbs, *(ref.item for ref in refs)]
    said = {word for item in items for word in value_words(item.text.split(".")[-1].replace("_", " "))}
    return bool((set(parts[:end]) - said - set(split_name(candidate.table))) & _things(composer))


def _things(composer: Composer) -> set[str]:
    """The words for things with numbers of their own: the tables, and what keys and names stand for."""
    index, base = composer.index, composer.base
    found = {split_name(name)[-1] for name in index.tables}
    for column in composer.table.columns:
        if index.role(base, column.name).kind in ("key", "label", "dimension"):
            parts = [part for part in split_name(column.name) if part not in CLOSING_WORDS]
            found |= set(parts) if len(parts) == 1 else set()
    return found


def _spelled(item: Item, adjective: str, column: str, flipped: bool) -> str:
    """The adjective with its column named, in the words of its own kind of sentence."""
    if item.kind == "comparative":
        return f"with {column} {item.text}"
    if item.kind == "adjective" and item.payload == adjective:
        return f"with {column} {item.text}"
    return f"{'lowest' if flipped else _extreme(adjective)} {column}"


def _extreme(adjective: str) -> str:
    return "highest" if ADJECTIVES[adjective][0] == "desc" else "lowest"


class MeasureMaker:
    """Makes the measures of one plan."""

    def __init__(self, composer: Composer) -> None:
        self._composer = composer

    def make(self, aggregate: Aggregate) -> Measure:
        """The measure of an aggregate; raises Unread where the function does not fit the column."""
        if aggregate.function == "count":
            return self._count(aggregate)
        ref = aggregate.ref
        if ref is None or ref.candidate.kind != "column":
            raise Unread(aggregate.item, "has nothing to be computed of")
        candidate = ref.candidate
        if candidate.table != self._composer.base:
            raise Unread(
                ref.item,
                f"belongs to {candidate.table}; computing it over {self._composer.base} "
                "would count its rows several times",
            )
        self._check(aggregate.function, ref, aggregate.item)
        source = self._composer.binder.source(ref)
        role = self._composer.index.role(candidate.table, candidate.column)
        name = candidate.column.split(".", 1)[-1]
        words = function_words(aggregate.function)
        words = _AGAIN[words] if words in split_name(name) else words
        alias = self._composer.names.fresh(f"{words}_{name}")
        title = f"{words} {self._title(ref, role.unit)}"
        function, _, level = aggregate.function.partition(":")
        unit = "" if function == "variance" else role.unit
        return Measure(function, source, alias, title, unit, level=level)

    def _title(self, ref: Ref, unit: str) -> str:
        """The column as the question called it, else in its own words; the unit stands behind the number."""
        text = ref.item.text.casefold().split(".")[-1]
        column = ref.candidate.column.split(".", 1)[-1]
        own = spoken_name(column if len(text.split()) < len(split_name(column)) else text)
        words = own.split()
        if len(words) > 1 and unit and UNIT_WORDS.get(lemma(words[-1]), words[-1]) == unit:
            words = words[:-1]
        return " ".join(words)

    def _check(self, function: str, ref: Ref, item: Item | None) -> None:
        candidate = ref.candidate
        kind = column_type(self._composer.index.column(candidate.table, candidate.column).type)
        role = self._composer.index.role(candidate.table, candidate.column).kind
        if role == "clock" and function not in ("min", "max"):
            raise Unread(ref.item, "holds clock readings such as 1530, which cannot be added up or averaged")
        if function in ("min", "max") and (kind.numeric or kind.temporal):
            return
        if not kind.numeric or role in ("key", "label", "calendar"):
            raise Unread(ref.item, f"holds no numbers to take the {function_words(function)} of")

    def _count(self, aggregate: Aggregate) -> Measure:
        composer, ref = self._composer, aggregate.ref
        rows = rows_noun(composer.base)
        if ref is None or ref.candidate.kind == "value":
            title = f"number of {rows}"
            return Measure("count", None, composer.names.fresh(title), title)
        candidate = ref.candidate
        if candidate.kind == "table" and candidate.table == composer.base:
            title = f"number of {self._rows_spoken(ref)}"
            return Measure("count", None, composer.names.fresh(title), title)
        if self._tells_rows(candidate):
            title = f"number of {self._rows_spoken(ref)}"
            return Measure("count", None, composer.names.fresh(title), title)
        if candidate.kind == "table":
            source, _ = composer.binder.table_key(ref)
        else:
            source = composer.binder.source(ref)
        spoken = ref.item.text.casefold().split(".")[-1]
        title = f"number of different {_plural(spoken)}"
        alias = composer.names.fresh(title)
        return Measure("count_distinct", source, alias, title, skips_empty=composer.holds_empty(source))

    def _rows_spoken(self, ref: Ref) -> str:
        """The rows as the question called them where that is a part of the table's name, else its name."""
        words = value_words(ref.item.text)
        own = "_" not in ref.item.text and "." not in ref.item.text
        if own and words and set(words) <= set(split_name(self._composer.base)):
            return _plural(" ".join(words))
        return rows_noun(self._composer.base)

    def _tells_rows(self, candidate: Candidate) -> bool:
        """True for the base table's own unique key: its different values are the rows."""
        composer = self._composer
        if candidate.kind != "column" or candidate.table != composer.base:
            return False
        column = composer.index.column(candidate.table, candidate.column)
        kind = column_type(column.type)
        return not kind.nullable and is_unique(column, composer.table) and named_key(column)

    def shared(self, filters: list[Filter]) -> list[Filter]:
        """Turn the only measure into a share: of all groups, or of all rows when conditions pick a part."""
        composer = self._composer
        draft, parts = composer.draft, composer.parts
        if len(parts.measures) != 1 or parts.measures[0].function not in ("count", "sum") or parts.outer:
            raise Unread(draft.share, "needs one number to take a share of")
        measure = parts.measures[0]
        if parts.dimensions and (filters or parts.having):
            raise Unread(
                draft.share,
                "with both a condition and groups can be a part of each group or of the whole: "
                "ask for one of them",
            )
        title = f"share of {measure.title.removeprefix('number of ')}"
        alias = composer.names.fresh("share_percent")
        renamed = [(order, alias) for order in parts.order if order.alias == measure.alias]
        if parts.dimensions:
            share = Measure("share", measure.source, alias, title, "percent")
            parts.measures.append(share)
            return filters
        if measure.function == "sum" or not filters or renamed:
            raise Unread(draft.share, "needs groups or a condition to take a share of")
        whole = self._whole(filters)
        picked = tuple(condition for condition in filters if condition not in whole)
        title = title if whole else title.replace("share of ", "share of all ", 1)
        parts.measures[0] = Measure("percent", None, alias, title, "percent", picked)
        return whole

    def _whole(self, filters: list[Filter]) -> list[Filter]:
        """The conditions on what the share is of: `page views` in `share of page views on desktop`, none in
        `share of orders cancelled`. Other combinations can be read in two ways and are not answered."""
        draft = self._composer.draft
        if len(filters) == 1 and len(draft.conditions) <= 1:
            return []
        first, share = draft.conditions[0], draft.share
        spoken = first.ref is not None and any(noun is first.ref for noun in draft.nouns)
        counted = first.item in draft.described or len(draft.conditions) != len(filters)
        behind = share is not None and 0 <= first.item.start - share.end <= 1
        if len(filters) == 2 and spoken and behind and not counted and first.operator == "eq":
            return filters[:1]
        raise Unread(share, "with several conditions does not say which of them the whole has to fulfil")


def rows_noun(table: str) -> str:
    """What a table's rows are called: its name where that is a plural, the plural of a noun, or `rows of` it
    where the name is neither (`visits_hourly`)."""
    words = [word for word in re.split(r"[\W_]+|(?<=[a-z0-9])(?=[A-Z])", table) if word]
    last = words[-1].casefold() if words else ""
    spoken = " ".join(word.casefold() for word in words)
    if last != lemma(last):
        return spoken
    unsure = len(words) > 1 or not last.isalpha() or last.endswith(("ly", "ed", "ing", "data", "s"))
    return f"rows of {table}" if unsure else _plural(spoken)


def _plural(noun: str) -> str:
    if noun.endswith("s") and not noun.endswith("ss"):
        return noun
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


plural = _plural
