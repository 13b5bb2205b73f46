"""Verbs that are a stored value and the name of a date at once: `issued`, `shipped`, `closed`."""

from __future__ import annotations

from .columntypes import column_type
from .draft import Ambiguous, Choice, Condition, Ref, Unread
from .items import Candidate, Item
from .reading_operators import ReadingOperators


class ReadingDates(ReadingOperators):
    """Handlers that tell an event from the state it left behind."""

    def tell_event(self, ref: Ref) -> None:
        """`issued in 2023` speaks of the issue date, `issued permits` of their status; `were issued` alone
        may be either and is asked about.

        Raises Unread where the date is meant, so that the other meaning of the word is read.
        """
        dates = self._dates(ref)
        if len(dates) != 1 or self._state(ref.item):
            return
        item, date = ref.item, dates[0]
        windows = [other for other in self.items if other.kind == "window"]
        named = any(self._is_time(place) for place in self.chosen)
        if windows and not named and self.negated is None:
            raise Unread(item, f"speaks of {date.column} rather than of {ref.candidate.column}")
        column = self.index.column(date.table, date.column)
        if not column_type(column.type).nullable or not column.null_share:
            return
        name, value = f"`{date.table}.{date.column}`", ref.candidate.values[0]
        state = f'`{ref.candidate.table}.{ref.candidate.column}` "{value}"'
        no, event = ("not ", name) if self.negated is not None else ("", f"with known {name}")
        raise Ambiguous(
            f"Is '{item.text}' about {ref.candidate.column} or about {date.column}?",
            [
                Choice(f"{ref.candidate.column} is {no}{value}", state, item.start, item.end),
                Choice(f"{date.column} is {no}known", event, item.start, item.end),
            ],
        )

    def _dates(self, ref: Ref) -> list[Candidate]:
        word = ref.item.text.casefold()
        if not word.endswith("ed") or " " in word:
            return []
        return [
            other
            for other in ref.item.candidates
            if other.kind == "column" and other.table == ref.candidate.table and self.role(other) == "time"
        ]

    def _state(self, item: Item) -> bool:
        """True where the word stands as an adjective, in a list of values, or behind its column's name."""
        following, after, before = self.peek(), self.peek(1), self.peek(-2)
        if following is not None and following.kind in ("name", "value") and following.start == item.end:
            return True
        joins = following is not None and following.kind in ("and", "or")
        if joins and after is not None and after.kind in ("name", "value"):
            return True
        meant = self.chosen.get(self.at - 2)
        if before is not None and before.kind in ("cmp", "by"):
            return True
        own = self.chosen[self.at - 1]
        if before is not None and before.kind in ("and", "or"):
            meant = self.chosen.get(self.at - 3)
        return meant is not None and (meant.table, meant.column) == (own.table, own.column)

    def _is_time(self, place: int) -> bool:
        return self.chosen[place].kind == "column" and self.role(self.chosen[place]) == "time"

    def _on_known(self, item: Item) -> None:
        """`with known return date`: rows where it is recorded."""
        following = self.peek()
        if following is None or following.kind != "name" or self.chosen[self.at].kind != "column":
            raise Unread(item, "is followed by no column")
        ref = self.ref(self.at)
        self.at += 1
        self.draft.conditions.append(Condition(ref, "not_null", (), following))
