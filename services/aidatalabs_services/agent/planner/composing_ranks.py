"""Orders and limits of grouped plans: by which measure, and what to ask where none is named."""

from __future__ import annotations

from dataclasses import replace

from .adjectives import speaks_of
from .binding import is_text
from .columntypes import column_type
from .composing_groups import ComposingGroups
from .draft import Aggregate, Ambiguous, Choice, Group, Rank, Unread
from .measures import MeasureMaker, rows_noun
from .plan import Filter, Measure, Order, Source
from .words import split_name


class ComposingRanks(ComposingGroups):
    """Ranks groups by a measure, one of their columns, or asks by what."""

    measures: MeasureMaker

    def _by_what(self, rank: Rank) -> Ambiguous:
        """Best or top without a measure: offer the number of rows and the table's measures."""
        target = self.draft.target
        item = target.item if target else rank.item
        counted = self._countable(target)
        words = [f"number of {rows_noun(table)}" for table in counted[:3]]
        for column in self.table.columns:
            role = self.index.role(self.base, column.name)
            if role.kind == "measure" and len(words) < 4:
                words.append(f"{'total' if role.additive else 'average'} `{self.base}.{column.name}`")
        superlative = "highest" if rank.descending else "lowest"
        choices = []
        lead = "" if self.draft.asked else "which "
        for word in words:
            label = word.replace("`", "")
            text = (
                f"{lead}{item.text} has the {superlative} {word}"
                if rank.limit <= 1
                else f"{item.text} by {word}"
            )
            first = min(rank.item.start, item.start) if rank.limit <= 1 else item.start
            last = max(rank.item.end, item.end) if rank.limit <= 1 else item.end
            choices.append(Choice(f"by {label}", text, first, last))
        return Ambiguous(f"'{rank.item.text} {item.text}' by what?", choices)

    def _countable(self, target: Group | None) -> list[str]:
        """The tables whose rows can be counted for a target: its own if it repeats there, else those that
        refer to it."""
        if target is None or target.ref is None:
            return [self.base]
        candidate = target.ref.candidate
        if candidate.kind == "column" and candidate.table == self.base:
            column = self.index.column(candidate.table, candidate.column)
            if column.distinct_count != self.table.row_count:
                return [self.base]
        referring = [edge.table for edge in self.index.keys.reaching(candidate.table)]
        return list(dict.fromkeys(referring))

    def _rank_groups(self) -> None:
        draft, parts, rank = self.draft, self.parts, self.draft.rank
        if rank is None:
            return
        self._per_group_extreme(rank)
        if rank is not draft.rank:
            return
        if draft.target is not None and draft.groups and rank.item.kind != "order":
            raise Unread(draft.groups[0].item, "asks for a winner in each group, which I cannot rank yet")
        if rank.vague and rank.by is not None:
            self._check_best(rank)
        if rank.raw and rank.by is not None:
            if self._ordered_by_group(rank):
                return
            rank.by = self._summed(rank, rank.by)
        if rank.by_time or (rank.adjective and rank.by is None and not parts.measures):
            raise Unread(rank.item, "orders groups by something they do not have")
        if not parts.dimensions:
            raise Unread(rank.item, "ranks, but there is nothing to rank")
        if rank.by is not None:
            alias = self._measure_alias(rank.by, lead=True)
        elif rank.by_count:
            if self._countable(draft.target) != [self.base]:
                raise self._by_what(rank)
            noun = draft.subjects[0] if draft.subjects else None
            alias = self._measure_alias(Aggregate("count", noun, item=rank.item), lead=True)
        elif parts.measures:
            self._check_adjective(rank, parts.measures[0])
            alias = parts.measures[0].alias
        else:
            raise self._by_what(rank)
        keys = [Order(d.alias, False) for d in parts.dimensions]
        parts.order = [Order(alias, rank.descending), *keys]
        single = (
            draft.target is not None and not rank.limit and rank.item.kind != "order" and not draft.having
        )
        parts.limit = 1 if single else rank.limit
        if parts.limit:
            self._known_only()
        parts.tied = parts.limit == 1

    def _check_adjective(self, rank: Rank, measure: Measure) -> None:
        """`longest` orders a time or a length, not any number that the question names."""
        if rank.adjective in ("", "high", "low", "big", "large", "small"):
            return
        source = measure.source
        if source is None or measure.function.startswith("count"):
            raise Unread(rank.item, "cannot be said of a number of rows")
        unit = self.index.role(self.base, source.column).unit if source.table == self.base else ""
        fits, flipped = speaks_of(rank.adjective, split_name(source.column), unit, column_type(source.type))
        if not fits or flipped:
            raise Unread(rank.item, f"cannot be said of {source.column}")

    def _check_best(self, rank: Rank) -> None:
        """`best by revenue` is the highest; whether the best delay is high or low only the asker knows."""
        plainly = rank.by is not None and rank.by.function in ("count", "sum") and rank.item.payload == "desc"
        if plainly:
            return
        item, count = rank.item, rank.limit or 1
        raise Ambiguous(
            f"Does '{item.text}' mean the highest or the lowest?",
            [
                Choice("the highest", f"top {count}", item.start, item.end),
                Choice("the lowest", f"bottom {count}", item.start, item.end),
            ],
        )

    def _known_only(self) -> None:
        """What is ranked, counted, averaged over or listed for its number is something known: rows without a
        value, or with an empty text for one, are not one more thing."""
        for dimension in self.parts.dimensions:
            source = dimension.source
            if dimension.label or dimension.grain or dimension.part:
                continue
            self.binder.require(source.table)
            known = None
            if self.holds_empty(source):
                known = Filter(source, "ne", ("",))
            elif column_type(source.type).nullable or source.path:
                known = Filter(source, "not_null")
            if known is not None and known not in self.known:
                self.known.append(known)

    def holds_empty(self, source: Source) -> bool:
        """True for a text column in which some rows have an empty text."""
        if not source.column or not is_text(source):
            return False
        table = next((j.table for j in self.binder.joins() if j.alias == source.table), self.base)
        column = self.index.column(table, source.column)
        return column is not None and "" in (column.minimum, *column.values)

    def _ordered_by_group(self, rank: Rank) -> bool:
        """`sorted by region` orders the groups by one of their own columns."""
        ref = rank.by.ref if rank.by is not None else None
        if ref is None or ref.candidate.kind != "column" or rank.item.kind != "order":
            return False
        source = self.binder.source(ref, inner=False)
        keys = [d.alias for d in self.parts.dimensions if d.source == source and not d.grain and not d.part]
        if not keys:
            return False
        others = [d.alias for d in self.parts.dimensions if d.alias != keys[0]]
        self.parts.order = [Order(keys[0], rank.descending), *(Order(alias, False) for alias in others)]
        return True

    def _per_group_extreme(self, rank: Rank) -> None:
        """`highest price by category`: the largest value of each group, not an order."""
        draft = self.draft
        named = rank.by is not None and rank.raw and rank.by.function in ("min", "max")
        if named and rank.by is not None and draft.target is None and not rank.limit:
            self.parts.measures.append(self.measures.make(rank.by))
            draft.rank = None

    def _summed(self, rank: Rank, aggregate: Aggregate) -> Aggregate:
        ref = aggregate.ref
        if ref is None:
            return aggregate
        held = next(
            (m for m in self.draft.aggregates if m.ref is not None and m.ref.candidate == ref.candidate), None
        )
        if held is not None:
            return held
        if (
            ref.candidate.kind != "column"
            or self.index.role(ref.candidate.table, ref.candidate.column).kind != "measure"
        ):
            raise Unread(ref.item, "is not a number to order groups by")
        if self.index.role(ref.candidate.table, ref.candidate.column).additive and aggregate.function in (
            "sum",
            "",
        ):
            return replace(aggregate, function="sum")
        item, way, start = ref.item, "", ref.item.start
        if rank.item.kind == "most" and rank.item.end == item.start:  # `the most of it` is not `most average`
            way, start = ("highest " if rank.descending else "lowest "), rank.item.start
        choices = [
            Choice(f"{word} {item.text}", f"{way}{word} {item.text}", start, item.end)
            for word in ("average", "total", "maximum")
        ]
        raise Ambiguous(f"By the average, the total or the single highest {item.text}?", choices)

    def _measure_alias(self, aggregate: Aggregate, lead: bool = False) -> str:
        """The alias of this measure among those already made, made anew if it is not there."""
        made = self.measures.make(aggregate)
        for held in self.parts.measures:
            if (held.function, held.level, held.source) == (made.function, made.level, made.source):
                return held.alias
        self.parts.measures.insert(0, made) if lead else self.parts.measures.append(made)
        return made.alias
