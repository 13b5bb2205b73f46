"""Linked items read from left to right into a draft; every item is used or the reading fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .columntypes import column_type
from .draft import Aggregate, Ambiguous, Barred, Choice, Condition, Draft, Group, Ref, Unread
from .flags import NO_WORDS, YES_WORDS
from .items import Candidate, Item
from .names import PARTIAL_NAME
from .reading_numbers import ReadingNumbers
from .scopes import check_beside, check_functions, check_numbers, check_owners, check_scope

_BESIDE_NEGATION = frozenset(("neg", "missing", "prep", "name", "cmp", "where", "distinct"))


class Reader(ReadingNumbers):
    """Reads one assignment of meanings; names are placed by what is open when they come."""

    def read(self) -> Draft:
        """The draft of all items; raises Unread naming the first item that has no place."""
        check_numbers(self.items)
        while self.at < len(self.items):
            item = self.items[self.at]
            handler: Callable[[Item], None] | None = getattr(self, f"_on_{item.kind}", None)
            if handler is None:
                raise Unread(item, "is not known here")
            self.at += 1
            negated, held = self.negated, len(self.draft.conditions)
            handler(item)
            if negated is not None and self.negated is None:
                check_scope(self, negated, tuple(self.draft.conditions[held:]))
            if self.negated is not None and item.kind not in _BESIDE_NEGATION:
                raise Unread(self.negated, "is followed by something that cannot be left out here")
        self._close()
        return self.draft

    def _close(self) -> None:
        draft = self.draft
        if self.counting is not None:
            draft.aggregates.append(Aggregate("count", None, item=self.counting))
        if self.negated is not None:
            raise Unread(self.negated, "is followed by nothing that could be left out")
        if self.ranking is not None and draft.rank is None:
            draft.rank = self.ranking
        draft.loose_functions = self.functions
        check_functions(self)
        check_owners(self)
        self.compared()
        self.check_carriers()
        if self.limit and draft.rank is None:
            if not draft.listing:
                raise Unread(self.items[0], "limits something that is not ordered")
            draft.limit = self.limit

    def _on_value(self, item: Item) -> None:
        self._on_name(item)

    def _on_name(self, item: Item) -> None:
        place = self.at - 1
        ref = self.ref(place)
        candidate = ref.candidate
        following = self.peek()
        if candidate.kind == "value":
            if self.grouping and self._ranks_by_value(item):
                self.draft.rank = replace(self.ranking, by_count=True) if self.ranking else None
                self.ranking = self.draft.rank
            self.grouping = False
            if self._describes(item, following):
                self.draft.described.append(item)
            self.tell_event(ref)
            self._value(ref)
            following = self.peek()
            if self.counting is not None and not self._describes(item, following):
                self.draft.aggregates.append(Aggregate("count", ref, item=self.counting))
                self.counting = None
            return
        if self._repeats_value(place, candidate):
            return
        self.last = (place, ref)
        if self._flagged(ref):
            return
        following = self._equals(following)
        if self.negated is not None and self._absence(ref):
            return
        if self._introduces(ref, following):
            return
        self._of_its_table(candidate)
        self._place(ref, item)
        if candidate.kind == "column":
            self.direction = ""

    def _ranks_by_value(self, item: Item) -> bool:
        """`top 3 shows by plays`: by the number of the rows that a value names."""
        rank, before = self.ranking, self.peek(-2)
        if rank is None or rank.by is not None or rank.by_time or rank.adjective or rank.item.kind == "order":
            return False
        led = before is not None and before.kind == "by" and before.text.casefold() == "by"
        return led and self.peek() is None and self.draft.target is not None and not self.draft.aggregates

    def _flagged(self, ref: Ref) -> bool:
        """`owner occupied is no`: the answer behind a flag; a flag is never meant by half of its name."""
        candidate, item = ref.candidate, ref.item
        if candidate.kind != "column" or self.role(candidate) != "flag":
            return False
        if candidate.cost >= PARTIAL_NAME and not self.rest_said(ref):
            raise Unread(item, f"is only a part of the name {candidate.column}")
        step = 1 if (sign := self.peek()) is not None and sign.kind == "cmp" and sign.payload == "eq" else 0
        answer, behind = self.peek(step), self.peek(step + 1)
        word = answer.text.casefold() if answer is not None else ""
        if answer is None or word not in YES_WORDS | NO_WORDS or self.grouping:
            return False
        close = answer.start == item.end and behind is not None and behind.kind in ("name", "value")
        if close or self.negated is not None:
            return False
        self.at += step + 1
        operator = "is_true" if word in YES_WORDS else "is_false"
        self.draft.conditions.append(Condition(ref, operator, (), item))
        return True

    def _repeats_value(self, place: int, candidate: Candidate) -> bool:
        """`north region`, `paid status`: the column's name right behind one of its values adds nothing."""
        before = self.chosen.get(place - 1)
        return (
            before is not None
            and before.kind == "value"
            and self.items[place - 1].end == self.items[place].start
            and (before.table, before.column) == (candidate.table, candidate.column)
            and self.counting is None
        )

    def _equals(self, following: Item | None) -> Item | None:
        """Step over the sign in `status = 'open'`; the value behind it is read as if it stood there."""
        value = self.peek(1)
        meant = self.chosen.get(self.at + 1)
        if following is None or value is None:
            return following
        own = self.last[1].candidate if self.last is not None else None
        if self._denied(following, own, meant):
            self.at += 1
            return value
        if following.kind == "neg" and meant is not None and own is not None and meant.kind == "value":
            if (meant.table, meant.column) != (own.table, own.column):
                return following
            self.negated = following  # `status is not paid`
            self.at += 1
            return value
        if following.kind != "cmp" or following.payload not in ("eq", "ne"):
            return following
        if value.kind == "literal" or (meant is not None and meant.kind == "value"):
            if following.payload == "ne":
                self.negated = following
            if self.last is not None:
                self.last = (self.at, self.last[1])
            self.at += 1
            return value
        return following

    def _denied(self, tie: Item, own: Candidate | None, meant: Candidate | None) -> bool:
        """True at the `by` of `not insured by Aurora`: what is left out is the value behind it."""
        tied = tie.kind in ("by", "prep") or tie.text.casefold() == "with"
        if self.negated is None or not tied or own is None or own.kind != "column":
            return False
        if meant is None or meant.kind != "value":
            return False
        if (meant.table, meant.column) == (own.table, own.column):
            return True
        if any(edge.to_table == meant.table for edge in self.index.keys.of_column(own.table, own.column)):
            return True
        verb = tie.payload == "agent" or self.negated.text.casefold() == "not"
        if tie.kind == "by" and verb and self.role(own) != "flag":  # `not attended by Dr Ash` was no
            said = f"'{self.items[self.at + 1].text}' is told by {meant.column}, not by {own.column}"
            raise Barred(self.negated, f"does not say what is left out: {said}")
        return False

    def _describes(self, item: Item, following: Item | None) -> bool:
        """True when the name right behind a value is what is counted: `retail customers`, `crime books`."""
        return following is not None and following.kind == "name" and following.start == item.end

    def _absence(self, ref: Ref) -> bool:
        """`without a tail number`: the column is empty; `not cancelled`: the flag is off."""
        candidate = ref.candidate
        if candidate.kind != "column":
            raise Unread(self.negated, "before a table asks for missing rows, which I cannot look for yet")
        column = self.index.column(candidate.table, candidate.column)
        following = self.peek()
        if following is not None and following.kind in ("value", "literal", "cmp"):
            meant = self.chosen.get(self.at)
            other = meant is not None and (meant.table, meant.column) != (candidate.table, candidate.column)
            keys = self.index.keys.of_column(candidate.table, candidate.column)
            keyed = meant is not None and any(edge.to_table == meant.table for edge in keys)
            if (other and not keyed) or (following.kind == "cmp" and self.role(candidate) == "flag"):
                raise Barred(self.negated, f"does not say whether '{following.text}' is left out, too: say "
                             "each condition with its own where, such as where a is not b")  # fmt: skip
            return False
        if following is not None and following.kind == "window" and self.role(candidate) == "time":
            raise Unread(self.negated, "before a date and a time leaves open what is left out")
        unknown = self.negated is not None and self.negated.kind == "missing"
        if self.role(candidate) == "flag" and not unknown:
            self._flag_or_gap(ref)
            operator = "is_false"
        elif column_type(column.type).nullable or column.path_of is not None:
            self.check_nothing(ref)
            operator = "is_null"
        else:
            raise Unread(self.negated, f"does not fit {candidate.column}, which is never empty")
        self.draft.conditions.append(Condition(ref, operator, (), ref.item))
        self.negated = None
        return True

    def _flag_or_gap(self, ref: Ref) -> None:
        """`not occupied` is a no; `without occupied` may as well mean that nobody said."""
        negated, column = self.negated, self.index.column(ref.candidate.table, ref.candidate.column)
        plain = negated is None or negated.text.casefold() in ("not", "non")
        if plain or negated is None or not column.null_share:
            return
        name = f"`{ref.candidate.table}.{column.name}`"
        raise Ambiguous(
            f"Is {column.name} no, or is it not known?",
            [
                Choice(f"{column.name} is no", f"where {name} is no", negated.start, ref.item.end),
                Choice(f"{column.name} is not known", f"with unknown {name}", negated.start, ref.item.end),
            ],
        )

    def _introduces(self, ref: Ref, following: Item | None) -> bool:
        """A name that only introduces the next item: `status open`, `station Harbour`, `destination stop`."""
        candidate = ref.candidate
        if following is None or following.kind not in ("value", "name"):
            return False
        after = self.chosen[self.at]
        leads = {edge.to_table for edge in self.index.keys.of_column(candidate.table, candidate.column)}
        if after.kind == "value" and not self.grouping and self.counting is None:
            if (candidate.table, candidate.column) == (after.table, after.column):
                return True
            if after.table in leads:
                self.via = candidate.column
                return True
            qualified = (
                candidate.kind == "table" and candidate.table == after.table and self._qualifies(after)
            )
            if qualified and self.draft.listing and not self.draft.subjects and not self.draft.columns:
                self.draft.subjects.append(ref)
            return qualified
        if after.kind == "table" and after.table in leads:
            self.at += 1
        return False

    def _of_its_table(self, candidate: Candidate) -> None:
        """`the number of the plane`: a key's own table behind it adds nothing."""
        joiner, after = self.peek(), self.chosen.get(self.at + 1)
        if joiner is None or joiner.payload != "of" or after is None or after.kind != "table":
            return
        keys = self.index.keys.of_column(candidate.table, candidate.column)
        if any(edge.to_table == after.table for edge in keys):
            self.at += 2

    def _qualifies(self, value: Candidate) -> bool:
        """`customer Moss` names the customer; `orders cancelled` counts orders of that status."""
        return self.role(value) in ("label", "key")

    def _place(self, ref: Ref, item: Item) -> None:
        candidate, draft = ref.candidate, self.draft
        measurable = self.measurable(candidate)
        following = self.peek()
        if (
            following is not None
            and following.kind == "unit"
            and following.start == item.end
            and self._ranking()
        ):
            if candidate.kind != "table":
                raise Unread(item, "stands before a unit of time")
            draft.subjects.append(ref)  # `busiest order day` ranks days
        elif self.carried(ref, following):
            return
        elif self.counting is not None and not self.grouping:
            self._counted(ref)
        elif (
            self.functions
            and (measurable or self.role(candidate) in ("time", "calendar"))
            and not self.grouping
        ):
            self._computed(ref)
        elif self.grouping and self.role(candidate) == "flag" and self.described_by(item) != item.text:
            self._flagged_group(ref)
        elif self.grouping:
            self._grouped(ref, item)
        elif self.role(candidate) == "flag" and self._adjectival(item, following):
            draft.conditions.append(Condition(ref, "is_true", (), item))
        elif self.asking is not None and self._acted_by(ref):
            raise Unread(self.asking, f"asks who, and {candidate.column} is a date")
        elif self.asking is not None and not measurable and draft.target is None:
            draft.target, self.asking = Group(ref, item), None
        elif self._ranked(ref, item, measurable):
            return
        elif candidate.kind == "table":
            draft.subjects.append(ref)
            self.functions = (
                [f for f in self.functions if f[0] != "sum"] if not draft.aggregates else self.functions
            )
            if len(self.functions) == 0 and self.last_functions == [] and self._sum_of_rows(item):
                draft.aggregates.append(Aggregate("count", ref, item=item))
        elif measurable:
            self.check_head(ref)
            check_beside(self, ref)
            draft.bare.append(ref)
        elif self.role(candidate) == "flag" and not self._listed(following):
            draft.conditions.append(Condition(ref, "is_true", (), item))
        elif self._done_by(ref, following):
            raise Unread(item, "says what was done, and names no date to show")
        else:
            draft.columns.append(ref)

    def _acted_by(self, ref: Ref) -> bool:
        """`who applied` asks for a person, not for the day; `which closed` neither."""
        asked = self.asking is not None and self.asking.text.casefold() in ("who", "whose")
        verb = ref.item.text.casefold().endswith("ed") and ref.candidate.cost >= 0.05
        return ref.candidate.kind == "column" and self.role(ref.candidate) == "time" and (asked or verb)

    def _done_by(self, ref: Ref, following: Item | None) -> bool:
        """`climbers who have climbed a route`: the verb is no wish to see climbed_on."""
        verb = ref.item.text.casefold().endswith("ed") and ref.candidate.cost >= 0.05
        before = self.peek(-2)
        named = following is not None and following.kind in ("name", "value")
        ends = following is None and before is not None and before.kind == "name"  # `the routes they climbed`
        named = named or ends
        return verb and self.role(ref.candidate) == "time" and named

    def _adjectival(self, item: Item, following: Item | None) -> bool:
        """`owner occupied permits`: a flag right before the name of what it is said of."""
        return following is not None and following.kind == "name" and following.start == item.end

    def _listed(self, following: Item | None) -> bool:
        """`list the name, the city and returned`: a flag among columns to be shown."""
        before = self.peek(-2)
        joined = before is not None and before.kind == "and" and bool(self.draft.columns)
        return (following is not None and following.kind == "and" and not self.draft.aggregates) or joined

    def _ranking(self) -> bool:
        return (self.ranking is not None or self.asking is not None) and not self.grouping

    def _sum_of_rows(self, item: Item) -> bool:
        """`total orders` counts them."""
        place = self.at - 2
        return place >= 0 and self.items[place].kind == "fn" and self.items[place].payload == "sum"
