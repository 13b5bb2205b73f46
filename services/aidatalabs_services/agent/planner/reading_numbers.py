"""Names placed as numbers: what is counted, computed, ranked by and grouped by."""

from __future__ import annotations

from .draft import Aggregate, Ambiguous, Barred, Choice, Condition, Group, Ref, Unread
from .headwords import names_columns_head, not_counted
from .items import Candidate, Item
from .lexicon import MONEY_WORDS
from .names import PARTIAL_NAME
from .reading_quantities import ReadingQuantities
from .words import split_name, value_words

_COUNT_WORDS = frozenset(("count", "number", "num", "no", "of", "qty", "quantity", "total", "n"))


class ReadingNumbers(ReadingQuantities):
    """Handlers of names that a count, a function, a rank or a group was waiting for."""

    def _ranked(self, ref: Ref, item: Item, measurable: bool) -> bool:
        rank = self.ranking
        if rank is None or measurable or rank.item.kind == "order" or self.draft.target is not None:
            return False
        if rank.item.end > item.start or self.draft.groups or self.draft.aggregates:
            return False
        if self.draft.subjects and rank.item.start > self.draft.subjects[0].item.start:
            return False
        self.draft.target = Group(ref, item)
        return True

    def _counted(self, ref: Ref) -> None:
        candidate, item = ref.candidate, self.counting
        if self.role(candidate) == "flag" and self.distinct:
            raise Unread(ref.item, "is yes or no, which is not something to count the different values of")
        if self.role(candidate) == "flag":
            self.check_counted_flag(ref)
            self.draft.conditions.append(Condition(ref, "is_true", (), ref.item))
            following = self.peek()
            if following is None or following.kind != "name":
                self.counting = None
                self._add(Aggregate("count", Ref(Candidate("table", candidate.table), ref.item), item=item))
            return
        if candidate.kind == "column" and not names_columns_head(ref):
            raise not_counted(ref, self.role(candidate))
        if self.counted_date(ref):
            return
        self.draft.different = self.draft.different or self.distinct
        distinct = self.distinct or candidate.kind == "column"
        aggregate = Aggregate("count", ref, distinct, item)
        if self.role(candidate) in ("time", "clock", "other") and not self.distinct:
            raise Unread(ref.item, "is not something to count")
        if self.role(candidate) == "measure" and not self.distinct:
            if not self._countable_measure(ref):
                self._check_rows_compared(ref)
                raise Unread(ref.item, "is a measured number, not something to count")
            aggregate = Aggregate("sum", ref, item=item)
        self.counting, self.distinct = None, False
        self._add(aggregate)

    def _check_rows_compared(self, ref: Ref) -> None:
        """`how many visits cost over 100` counts the visits; the number only limits them."""
        candidate, following = ref.candidate, self.peek()
        rows = set(split_name(candidate.table)) & set(value_words(ref.item.text))
        if not rows or following is None or following.kind not in ("cmp", "neg", "number"):
            return
        name = f"`{candidate.table}.{candidate.column}`"
        said = Choice(
            f"rows of {candidate.table} by {candidate.column}",
            f"`{candidate.table}` with {name}",
            ref.item.start,
            ref.item.end,
        )
        raise Ambiguous(f"Are rows of {candidate.table} counted, by their {candidate.column}?", [said])

    def _countable_measure(self, ref: Ref) -> bool:
        """`how many passengers` adds up a column of passengers, or of the number of them; never an amount."""
        candidate = ref.candidate
        parts = set(split_name(candidate.column.split(".")[-1])) - _COUNT_WORDS
        following = self.peek()
        compared = following is not None and following.kind in ("cmp", "comparative", "neg", "number")
        if parts & MONEY_WORDS or compared:
            return False
        whole = candidate.cost < PARTIAL_NAME or parts <= set(value_words(ref.item.text))
        return whole and self.index.role(candidate.table, candidate.column).additive

    def check_head(self, ref: Ref) -> None:
        """`projects` does not name the numbers of project_cost, nor `total patients` their ages."""
        candidate, words = ref.candidate, value_words(ref.item.text)
        plural = words[-1:] != (ref.item.text.casefold().split(" ")[-1],)
        following = self.peek()
        compared = following is not None and following.kind in ("comparative", "cmp", "adjective")
        done = ref.item.text.casefold().endswith("ed") and not compared  # `treated` is no treatment_cost
        if (plural or done) and not names_columns_head(ref):
            raise Unread(ref.item, f"is only a part of the name {candidate.column}")

    def _computed(self, ref: Ref) -> None:
        self.check_head(ref)
        for function, item in self.functions:
            self._add(Aggregate(function, ref, item=item))
        self.last_functions, functions = self.functions, self.functions
        self.functions = []
        joiner, other = self.peek(), self.peek(1)
        listed = joiner is not None and joiner.kind == "and" and other is not None and other.kind == "name"
        if listed and self.measurable(self.chosen[self.at + 1]):
            self.functions = list(functions)

    def described_by(self, item: Item) -> str:
        """The words of a flag and of the values and names right behind it: `active van drivers`."""
        said, end = [item.text], item.end
        for other in self.items[self.at :]:
            if other.kind not in ("name", "value") or other.start != end:
                break
            said, end = [*said, other.text], other.end
        return " ".join(said)

    def _flagged_group(self, ref: Ref) -> None:
        """`per active driver` groups the active ones; `by active drivers` may as well have them together."""
        by, item, following = self.peek(-2), ref.item, self.peek()
        named = following is not None and following.kind == "name"
        if by is None or by.kind != "by":
            raise Unread(item, "stands before a name among other groups: say it behind 'where'")
        if self.divided(self.at - 1) is None:
            noun = self.described_by(item)
            raise Ambiguous(
                f"Are the {noun} meant together, or each of them?",
                [
                    Choice(f"the {noun} together", "of", by.start, by.end),
                    Choice(f"each of the {noun}", "for each", by.start, by.end, spare=not named),
                ],
            )
        if not named:
            raise Barred(by, f"stands before '{self.described_by(item)}', which names a value: say that "
                         "behind 'where', and by what to group")  # fmt: skip
        self.draft.conditions.append(Condition(ref, "is_true", (), item))

    def _qualifies_next(self, ref: Ref, item: Item) -> bool:
        """`by product category`: the first word only says whose the second is."""
        following, after = self.peek(), self.chosen.get(self.at)
        if following is None or after is None or following.kind != "name" or following.start != item.end:
            return False
        if ref.candidate.kind != "table" or after.kind == "value" or after.table == ref.candidate.table:
            return False
        return bool(self.index.paths(ref.candidate.table, after.table))

    def _ranks_by_rows(self, ref: Ref) -> bool:
        """`top 3 customers by orders`: by how many of them each has."""
        by, target = self.peek(-2), self.draft.target
        if by is None or by.text.casefold() != "by" or target is None or target.ref is None:
            return False
        top = self.ranking is not None and self.ranking.item.kind == "top"
        candidate = ref.candidate
        return top and candidate.kind == "table" and candidate.table != target.ref.candidate.table

    def _grouped(self, ref: Ref, item: Item) -> None:
        rank = self.ranking
        if self._qualifies_next(ref, item):
            self.draft.elsewhere.append(item)
            return
        if self.counting is not None:
            self._counted(ref)
            self.grouping = False
            return
        open_rank = rank is not None and rank.by is None and not rank.by_count and not rank.by_time
        timed = self.role(ref.candidate) == "time"
        stepped = any(group.ref is None for group in self.draft.groups)
        later = any(other.kind in ("unit", "grain", "part") for other in self.items[self.at :])
        if timed and (stepped or later):
            self.draft.columns.append(ref)  # `per due month`: the column tells which time, the unit the step
            return
        if open_rank and rank is not None and rank.item.start < item.start and not self.functions:
            ordering = self.measurable(ref.candidate) or rank.item.kind == "order"
            if ordering:
                self._ranked_by(rank, Aggregate("", ref, item=item))
                rank.raw, self.grouping = True, False
                return
        if self.functions and self.measurable(ref.candidate):
            self.grouping = False
            self._computed(ref)
            return
        if open_rank and rank is not None and self._ranks_by_rows(ref):
            self._ranked_by(rank, Aggregate("count", ref, item=item))
            self.grouping = False
            return
        self.draft.groups.append(Group(ref, item, by=self.divided(self.at - 1)))
