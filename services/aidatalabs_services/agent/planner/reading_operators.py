"""Operators read: counts, functions, groups, orders and limits, and the small words between them."""

from __future__ import annotations

from dataclasses import replace

from .adjectives import ADJECTIVES, SIZE_WORDS, SUPERLATIVES
from .comparisons import read_adjective
from .draft import Aggregate, Ambiguous, Choice, Condition, Group, Rank, Unread
from .headwords import names_columns_head, not_counted
from .items import Candidate, Item
from .reading_conditions import ReadingConditions

_BEHIND_BY = frozenset(("name", "value", "unit", "grain", "part", "fn", "count", "distinct", "how_much"))
_GROUPABLE_ITEMS = frozenset(("name", "unit", "grain", "part"))


class ReadingOperators(ReadingConditions):
    """Handlers of operators; each takes the item it stands on, the state being one item further."""

    def _on_count(self, item: Item) -> None:
        following = self.peek()
        if (
            self.ranking is None
            and following is not None
            and following.kind == "cmp"
            and self.draft.target is None
        ):
            raise Unread(item, "has nothing to count")
        self.counting = item
        self.grouping = False

    def _on_distinct(self, item: Item) -> None:
        following = self.peek()
        if following is None or following.kind not in ("name", "count"):
            raise Unread(item, "is followed by nothing that could be different")
        self.distinct = True
        if self.counting is None:
            self.draft.distinct = True

    def _on_fn(self, item: Item) -> None:
        following = self.peek()
        if following is not None and following.kind == "count":
            if item.payload not in ("avg", "sum"):
                raise Unread(item, "of a number of rows is not something I can compute yet")
            if item.payload == "avg":
                self.draft.fold = "avg"
            return
        if (
            item.payload == "avg"
            and following is not None
            and following.kind == "fn"
            and following.payload == "sum"
        ):
            self.draft.fold = "avg"  # `average total amount per day`
            return
        if item.text.casefold() == "on average" and self.draft.aggregates and self.draft.groups:
            if self.draft.aggregates[-1].function != "count":
                raise Unread(item, "does not say what to average")
            self.draft.fold = "avg"  # `how many orders per day on average`
            return
        if item.text.casefold() == "on average" and self._limited_on_average(item):
            return
        before = self.peek(-2)
        if self.functions and (before is None or before.kind != "and"):
            raise Unread(item, "of another function is not something I can compute here")
        self.functions.append((item.payload, item))
        self.grouping = False
        self.asking = None

    def _limited_on_average(self, item: Item) -> bool:
        """`wards where a stay costs more than 500 on average`: what was compared is the average of each."""
        draft = self.draft
        last = draft.having[-1] if draft.having else None
        if last is not None and last[0].function == "sum" and last[0].item is last[3]:
            averaged = replace(last[0], function="avg", item=item)
            draft.having[-1] = (averaged, *last[1:])
            return True
        condition = draft.conditions[-1] if draft.conditions else None
        if condition is None or not condition.numeric or condition.ref is None or draft.aggregates:
            return False
        named = [ref for ref in draft.subjects if ref.candidate.table != condition.ref.candidate.table]
        if not (named or draft.columns or draft.target):
            return False
        draft.conditions.pop()
        averaged = Aggregate("avg", condition.ref, item=item)
        draft.having.append((averaged, condition.operator, condition.values, condition.item))
        return True

    def _on_how_much(self, item: Item) -> None:
        self.functions.append(("sum", item))

    def _on_share(self, item: Item) -> None:
        self.draft.share = item
        self.asking = None

    def _on_by(self, item: Item) -> None:
        following = self.peek()
        if following is None:
            raise Unread(item, "is followed by nothing to group by")
        if item.payload == "agent" and not self._groups_by(following):
            return
        if following.kind not in _BEHIND_BY:
            raise Unread(item, "is followed by nothing to group by")
        if following.kind in ("fn", "count", "distinct") and self.ranking is None:
            self._rows_by_number(item)
        self._check_by(item)
        self.grouping = True

    def _check_by(self, item: Item) -> None:
        """Nothing may be left open before it, and `each` is said of groups, never of one value."""
        if self.counting is not None:
            raise Unread(self.counting, "has nothing to count")
        before, meant = self.peek(-2), self.chosen.get(self.at)
        if before is not None and before.kind == "fn":
            raise Unread(before, "is followed by nothing that it could be computed of")
        word = item.text.casefold()
        led = before is not None and before.payload == "of"
        shown = self.chosen.get(self.at - (3 if led else 2))
        if word in ("each", "every", "of each") and shown is not None and self.role(shown) == "label":
            raise Unread(
                item, "behind a name asks for rows, and groups nothing"
            )  # `the name of every climber`
        value = word != "by" and meant is not None and meant.kind == "value"
        ahead = before.kind if before is not None else ""
        if (
            value
            or (ahead == "prep" and word in ("by", "per"))
            or (ahead in ("number", "top") and word != "by")
        ):
            raise Unread(item, "is followed by nothing to group by")

    def _groups_by(self, following: Item) -> bool:
        """`shipped by month` groups, `placed by Ada` names who did it; `placed by customers` is asked."""
        if following.kind in ("unit", "grain", "part"):
            return True
        meant, after = self.chosen.get(self.at), self.chosen.get(self.at + 1)
        if meant is None or meant.kind == "value" or (after is not None and after.kind == "value"):
            return False
        place = following.start - 1
        raise Ambiguous(
            f"Is the answer wanted for each of the {following.text}, or for all of them together?",
            [
                Choice(f"for each of the {following.text}", "per", place, place + 1),
                Choice("all together", "of", place, place + 1),
            ],
        )

    def _rows_by_number(self, item: Item) -> None:
        """`regions by average price`: what stands before is grouped by."""
        draft = self.draft
        if self.last is None or self.last[0] != self.at - 2 or draft.aggregates:
            raise Unread(item, "is followed by a number instead of something to group by")
        ref = self.last[1]
        self.withdraw(ref)
        draft.subjects = [kept for kept in draft.subjects if kept is not ref]
        if draft.target is not None and draft.target.ref is ref:
            draft.target = None
        draft.groups.append(Group(ref, ref.item))

    def _on_breakdown(self, item: Item) -> None:
        self.draft.listing = False

    def _on_which(self, item: Item) -> None:
        before = self.peek(-2)
        if (
            item.text.casefold() in ("who", "which")
            and before is not None
            and before.kind in ("name", "value")
        ):
            self.grouping = False  # `customers in Lisbon who are active`
            return
        self.asking = item
        self.draft.asked = True

    def _on_when(self, item: Item) -> None:
        self.draft.when = True

    def _on_list(self, item: Item) -> None:
        self.draft.listing = True

    def _rank(self, item: Item, descending: bool, **more: object) -> Rank:
        if self.draft.rank is not None and self.draft.rank is not self.ranking:
            raise Unread(item, "asks for a second order")
        earlier = self.ranking
        if earlier is not None:
            if earlier.by is not None or earlier.by_count or earlier.by_time or earlier.adjective:
                raise Unread(item, "asks for a second order")
            more.setdefault("limit", earlier.limit)
        limit = int(str(more.pop("limit", 0))) or self.limit
        self.limit = 0
        counted = [o.start for o in self.items if o.kind == "number" and o.end == item.start and limit]
        start = earlier.start if earlier is not None else min([*counted, item.start])
        self.ranking = Rank(descending, item, limit, start=start, **more)  # type: ignore[arg-type]
        self.draft.rank = self.ranking
        self.grouping = False
        return self.ranking

    def _on_top(self, item: Item) -> None:
        following = self.peek()
        limit = 10
        if (
            following is not None
            and following.kind == "number"
            and following.number
            and following.number >= 1
        ):
            limit = int(following.number)
            self.at += 1
        self._rank(item, item.payload == "desc", limit=limit)

    def _on_vague(self, item: Item) -> None:
        self._rank(item, item.payload == "desc", vague=True)

    def _on_frequent(self, item: Item) -> None:
        self._rank(item, item.payload == "desc", by_count=True)

    def _on_most(self, item: Item) -> None:
        following = self.peek()
        if following is not None and following.kind == "adjective":
            self.at += 1
            natural = ADJECTIVES[following.payload][0] == "desc"
            both = replace(item, end=following.end, text=f"{item.text} {following.text}")
            self._rank(both, natural == (item.payload == "desc"), adjective=following.payload)
            return
        rank = self._rank(item, item.payload == "desc", by_count=True)
        if following is None:
            return
        if following.kind == "fn":
            rank.by_count = False  # `the most total crew`
        if following.kind in ("name", "value"):
            place, self.at = self.at, self.at + 1
            ref = self.ref(place)
            self.noun_filter(ref)
            column = ref.candidate.kind == "column"
            if column and not names_columns_head(ref):
                raise not_counted(ref, self.role(ref.candidate))
            if column and self.role(ref.candidate) == "measure":
                rank.by, rank.raw, rank.by_count = Aggregate("sum", ref, item=item), True, False
            else:
                rank.by = Aggregate("count", ref, distinct=column, item=item)

    def _on_extreme(self, item: Item) -> None:
        self._extreme(item, item.payload == "desc", "high" if item.payload == "desc" else "low")

    def _on_adjective(self, item: Item) -> None:
        read_adjective(self, item)

    def _on_superlative(self, item: Item) -> None:
        word = item.payload
        if word in SIZE_WORDS:
            adjective = "big" if SIZE_WORDS[word] == "desc" else "small"
            self._extreme(item, SIZE_WORDS[word] == "desc", adjective)
            return
        adjective = SUPERLATIVES[word]
        self._extreme(item, ADJECTIVES[adjective][0] == "desc", adjective)

    def _extreme(self, item: Item, descending: bool, adjective: str) -> None:
        """highest, longest …: of a measure that follows, of an aggregate that follows or of what it names."""
        rank = self._rank(item, descending, adjective=adjective)
        following = self.peek()
        if following is None or following.kind in ("fn", "count"):
            return
        if following.kind == "name" and self.measurable(self.chosen[self.at]):
            ref = self.ref(self.at)
            descending = rank.descending = self._direction(item, adjective, descending, ref.candidate)
            self.at += 1
            rank.by, rank.raw, rank.adjective = (
                Aggregate("max" if descending else "min", ref, item=item),
                True,
                "",
            )

    def _direction(self, item: Item, adjective: str, descending: bool, candidate: Candidate) -> bool:
        """The fastest time is the smallest; the oldest price is nothing."""
        if adjective in ("high", "low", ""):
            return descending
        fits, flipped = self.said_of(adjective, candidate)
        if not fits:
            raise Unread(item, f"cannot be said of {candidate.column}")
        return descending != flipped

    def _on_first(self, item: Item) -> None:
        following = self.peek()
        if following is not None and following.kind == "number" and following.number:
            self.limit = int(following.number)
            self.at += 1
        self._rank(item, item.payload == "desc", by_time=True)

    def _on_order(self, item: Item) -> None:
        if item.payload == "by":
            if self.draft.rank is None:
                self._rank(item, descending=False)
                self.draft.listing = self.draft.listing or not self.draft.aggregates
            self.grouping = self.peek() is not None and self.peek().kind == "name"  # type: ignore[union-attr]
            return
        if item.payload in ("new", "old"):
            self._rank(item, item.payload == "new", by_time=True)
            return
        if self.draft.rank is None:
            self._rank(item, item.payload == "desc")
        else:
            said, descending = self.draft.rank, item.payload == "desc"
            if said.item.kind not in ("order", "top") and said.descending != descending:
                raise Unread(item, "asks for another order than the one before")
            said.descending = descending
        self.grouping = False

    def _on_prep(self, item: Item) -> None:
        if item.payload in ("from", "to", "into"):
            self.direction = "from" if item.payload == "from" else "to"
        placed = self.draft.groups[-1].item if self.draft.groups else None
        if item.payload != "of" or placed is self.peek(-2):  # `per ward of patients` groups by the ward
            self.grouping = False

    def _on_where(self, item: Item) -> None:
        if item.start == 0 and item.text.casefold() == "where":
            raise Unread(item, "asks for a place: name the column that tells it")
        self.grouping = False

    def _on_and(self, item: Item) -> None:
        following = self.peek()
        if self.grouping and (following is None or following.kind not in _GROUPABLE_ITEMS):
            self.grouping = False

    def _on_versus(self, item: Item) -> None:
        """`compare the average fee of A and B`: the values named later become groups."""
        if item.start != 0 or item.text.casefold() != "compare":
            raise Unread(item, "is not known here")
        self.comparing = item

    def compared(self) -> None:
        """The one column whose values, or whose yes and no, were compared becomes the grouping."""
        draft, item = self.draft, self.comparing
        if item is None:
            return
        several = [c for c in draft.conditions if c.operator == "in" and c.ref is not None]
        flags = [c for c in draft.conditions if c.operator in ("is_true", "is_false") and c.ref is not None]
        same = {c.ref.candidate for c in flags if c.ref is not None}
        if len(flags) == 2 and len(same) == 1 and flags[0].operator != flags[1].operator:
            draft.conditions = [c for c in draft.conditions if c not in flags]
            draft.conditions.append(Condition(flags[0].ref, "either", (), flags[0].item))
            several = flags[:1]
        ref = several[0].ref if len(several) == 1 else None
        if ref is None or draft.groups or draft.rank is not None or not (draft.aggregates or draft.bare):
            raise Unread(item, "needs a number, and two values of one column to compare it for")
        column = Candidate("column", ref.candidate.table, ref.candidate.column)
        draft.groups.append(Group(replace(ref, candidate=column), ref.item))
