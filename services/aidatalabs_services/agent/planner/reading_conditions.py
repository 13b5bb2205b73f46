"""Conditions and times read: values, comparisons, negations, windows, steps of time."""

from __future__ import annotations

from dataclasses import replace

from .columntypes import column_type
from .comparisons import read_comparative, read_comparison, read_number
from .draft import Ambiguous, Choice, Condition, Group, Ref, Unread
from .items import Candidate, Item
from .reading_state import ReadingState
from .scopes import check_stored_negation

_MOST_VALUES_ASKED = 4


class ReadingConditions(ReadingState):
    """Handlers of everything that narrows rows down."""

    def _on_cmp(self, item: Item) -> None:
        read_comparison(self, item)

    def _on_comparative(self, item: Item) -> None:
        read_comparative(self, item)

    def _on_present(self, item: Item) -> None:
        if self.peek() is not None:
            raise Unread(item, "is followed by something: say it at the end")
        self.draft.present = item

    def _on_number(self, item: Item) -> None:
        read_number(self, item)

    def _on_neg(self, item: Item) -> None:
        self._check_single(item)
        self.negated = item
        self.grouping = False

    def _check_single(self, item: Item) -> None:
        if self.negated is not None:
            raise Unread(item, "turns round what was turned round already")

    def _on_missing(self, item: Item) -> None:
        self._check_single(item)
        self.negated = item

    def _on_literal(self, item: Item) -> None:
        """A word that is no known value counts only right behind a column whose values are not all known."""
        if self.last is None or self.last[0] != self.at - 2:
            raise Unread(item, "is no value I know here")
        candidate = self._open_column(self.last[1].candidate)
        if candidate is None:
            raise Unread(item, "is not among the values I know there")
        self.withdraw(self.last[1])
        operator = "ne" if self.negated else "eq"
        self.negated = None
        self.draft.conditions.append(
            Condition(
                replace(self.last[1], candidate=candidate),
                operator,
                (item.text.strip("'\"`“”\u2018\u2019"),),
                item,
            )
        )

    def _open_column(self, candidate: Candidate) -> Candidate | None:
        column = self.index.columns.get((candidate.table, candidate.column))
        if column is None and candidate.kind == "table":
            column = self.index.key_of(candidate.table)
        if column is None or column.values_complete or column_type(column.type).kind != "text":
            return None
        return Candidate("column", candidate.table, column.name, (), candidate.cost)

    def _value(self, ref: Ref) -> None:
        """A stored value: one condition together with further values of the same column joined by or, and."""
        values = list(ref.candidate.values[:1])
        if len(ref.candidate.values) > 1:
            values = list(ref.candidate.values)
        check_stored_negation(self, ref)
        joined, last = False, None
        while self._next_value(ref):
            last = self.peek()
            self.at += 1
            values.extend(self.chosen[self.at].values)
            self.at += 1
            joined = True
        if ref.candidate.partial and (len(ref.candidate.values) > 1 or not ref.candidate.sure):
            raise self._which_value(ref)
        several = joined and len(set(values)) > 1
        operator = ("not_in" if several else "ne") if self.negated else ("in" if several else "eq")
        self.negated = None
        condition = Condition(ref, operator, tuple(dict.fromkeys(values)), ref.item)
        self.draft.conditions.append(condition)
        if several and last is not None and last.kind == "and" and last.text.casefold() != "or":
            self.draft.joined.append((condition, last))
        self.draft.nouns.append(ref)
        joiner, other = self.peek(), self.chosen.get(self.at + 1)
        further = (
            joiner is not None
            and joiner.kind in ("or", "and")
            and other is not None
            and other.kind == "value"
        )
        self.direction = self.direction if further else ""

    @staticmethod
    def _which_value(ref: Ref) -> Ambiguous:
        """Some words of several stored values: offer the values, or all of them together where they are
        few."""
        item, values, column = ref.item, ref.candidate.values, ref.candidate.column
        if len(values) > _MOST_VALUES_ASKED:
            raise Unread(item, f"is a part of {len(values)} values of {column}: write one of them in full")
        choices = [Choice(f"{column} {value}", f'"{value}"', item.start, item.end) for value in values]
        if len(values) == 1:
            asked = f"'{item.text}' is only a part of {column} '{values[0]}'. Is that meant?"
            return Ambiguous(asked, choices)
        choices = [Choice(value, choice.text, item.start, item.end)
                   for value, choice in zip(values, choices, strict=True)]  # fmt: skip
        return Ambiguous(f"'{item.text}' fits several values of {ref.candidate.column}. Which one?", choices)

    def _next_value(self, ref: Ref) -> bool:
        joiner, value = self.peek(), self.peek(1)
        if (
            joiner is None
            or value is None
            or joiner.kind not in ("or", "and")
            or value.kind not in ("value", "name")
        ):
            return False
        other = self.chosen[self.at + 1]
        return other.kind == "value" and (other.table, other.column) == (
            ref.candidate.table,
            ref.candidate.column,
        )

    def noun_filter(self, ref: Ref) -> None:
        """A value used as a noun (`the most signups`) is a condition on the rows that are counted."""
        if ref.candidate.kind == "value":
            self._value(ref)

    def _on_window(self, item: Item) -> None:
        bound = None
        if self.last is not None and self.last[0] == self.at - 2:
            candidate = self.last[1].candidate
            if candidate.kind == "column" and self.role(candidate) == "time":
                bound = self.last[1]
                self.withdraw(bound)
        if item.time is None:
            raise Unread(item, "is not a time I can read")
        self.draft.windows.append((item.time, bound, item))
        self.grouping = False

    def _on_grain(self, item: Item) -> None:
        self.draft.groups.append(Group(None, item, grain=item.payload))

    def _on_part(self, item: Item) -> None:
        self._group(Group(None, item, part=item.payload))

    def _on_unit(self, item: Item) -> None:
        if self.counting is not None and not self.grouping:
            raise Unread(item, "cannot be counted yet")
        if not (self.grouping or self.asking or self.ranking):
            raise Unread(item, "has no place here")
        if item.payload == "hour" and item.end == item.start + 1 and not self._each(item):
            raise Ambiguous(
                "Is the hour of the day meant, or every single hour?",
                [
                    Choice("the hour of the day", "hour of the day", item.start, item.end),
                    Choice("every single hour", "single hour", item.start, item.end),
                ],
            )
        said, by = "per" if self._each(item) else "", self.divided(self.at - 1)
        self._group(Group(None, item, grain=item.payload, said=said, by=by))

    def _each(self, item: Item) -> bool:
        """True behind `per` or `each`, where every single step is meant."""
        before = self.peek(-2)
        return (
            before is not None and before.kind == "by" and before.text.casefold() not in ("by", "grouped by")
        )

    def divided(self, place: int) -> Item | None:
        """The `per` or `each` before a group, or before the groups it is joined to; None behind `by`."""
        place -= 1
        while place > 0 and self.items[place].kind in ("and", "name", "unit"):
            place -= 1
        before = self.items[place] if place >= 0 else None
        per = before is not None and before.kind == "by" and "by" not in before.text.casefold().split()
        return before if per else None

    def _group(self, group: Group) -> None:
        if not self.grouping and (self.asking or self.ranking) and self.draft.target is None:
            self.draft.target = group
            self.asking = None
            return
        self.draft.groups.append(group)
