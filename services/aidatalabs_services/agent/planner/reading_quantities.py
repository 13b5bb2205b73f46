"""Words that say a number without naming it, pairs of extremes, and nouns that only carry a condition."""

from __future__ import annotations

from .adjectives import ADJECTIVES, SIZE_WORDS, SUPERLATIVES
from .columntypes import column_type
from .draft import Aggregate, Ambiguous, Barred, Choice, Condition, Rank, Ref, Unread
from .items import Candidate, Item
from .lexicon import MONEY_WORDS
from .names import PARTIAL_NAME
from .reading_dates import ReadingDates
from .units import UNIT_WORDS
from .words import split_name, value_words

_EXTREMES = frozenset(("extreme", "superlative", "first"))
_CARRYING = frozenset(("of", "from", "for", "among", "by"))
_CARRIED = frozenset(("comparative", "where", "neg"))
_SAID_OF_COUNTS = frozenset(("", "high", "low", "big", "large", "small"))
_MOST_CHOICES = 8
_UNKNOWN = frozenset(("unknown", "missing", "no known"))
_NOTHING = frozenset(("no", "without", "without any", "lacking", "not", "non"))
_NO_PART = frozenset(("total", "amount", "value", "sum"))
_FIRST_ADJECTIVES = {"oldest": "old"}


class ReadingQuantities(ReadingDates):
    """Handlers of words that may not be dropped although they name no column."""

    def _on_quantity(self, item: Item) -> None:
        """`usage values` adds nothing to usage; `order value` and `value of orders` name some number."""
        before = self._beside(item, -2)
        after = self._of()
        for ref in (before, after):
            if ref is not None and ref.candidate.kind == "column" and self._adds_nothing(item, ref):
                return
        ref = before or after
        filled = [name for name in self.index.tables if name not in self.index.empty_tables]
        tables = [ref.candidate.table] if ref is not None else filled
        noun = before is not None and before.candidate.kind != "value" and self._names_rows(before.candidate)
        start = before.item.start if before is not None and noun else item.start
        columns = [column for table in tables for column in self._measures(table, item.text)]
        raise self._which(columns, item, start, item.end)

    def _beside(self, item: Item, offset: int) -> Ref | None:
        place = self.at + offset
        other = self.chosen.get(place)
        if other is None or self.items[place].end != item.start:
            return None
        return Ref(other, self.items[place])

    def _of(self) -> Ref | None:
        preposition, place = self.peek(), self.at + 1
        if preposition is None or preposition.payload != "of" or place not in self.chosen:
            return None
        return Ref(self.chosen[place], self.items[place])

    def _adds_nothing(self, item: Item, ref: Ref) -> bool:
        """Behind a measure said in full, or behind a column said in full whose values are words."""
        candidate = ref.candidate
        if self.measurable(candidate):
            left = set(split_name(candidate.column.split(".", 1)[-1])) - set(value_words(ref.item.text))
            return candidate.cost < PARTIAL_NAME or all(w in UNIT_WORDS or w in _NO_PART for w in left)
        plainly = item.text.casefold() in ("value", "values") and candidate.cost < 0.05
        return plainly and self.role(candidate) in ("dimension", "flag")

    def _names_rows(self, candidate: Candidate) -> bool:
        return candidate.kind == "table" or self.role(candidate) == "key"

    def _measures(self, table: str, word: str) -> list[Candidate]:
        """The measures of a table: those that hold the word, else those of money or that add up."""
        found = [
            Candidate("column", table, column.name)
            for column in self.index.tables[table].columns
            if self.index.role(table, column.name).kind == "measure"
        ]
        said = set(value_words(word))
        held = [c for c in found if said & set(split_name(c.column))]
        worth = [
            c
            for c in found
            if self.index.role(table, c.column).additive or set(split_name(c.column)) & MONEY_WORDS
        ]
        if said & _NO_PART:  # a value may be called a total or an amount, and the other way round
            called = [c for c in found if _NO_PART & set(split_name(c.column))]
            return [c for c in found if c in held or c in worth or c in called]
        return held or worth

    def _which(self, columns: list[Candidate], item: Item, start: int, end: int) -> Ambiguous | Unread:
        if not columns:
            return Unread(item, "names no number that the data has")
        ahead = [other for other in self.items if other.end == start]
        ranked = self.ranking is not None and self.ranking.by is None
        open_function = ranked or bool(self.functions) or any(other.kind == "fn" for other in ahead)
        lead = "" if open_function else "total "
        text = " ".join(other.text for other in self.items if start <= other.start < end)
        return Ambiguous(
            f"Which number does '{text}' mean?",
            [Choice(c.column, f"{lead}`{c.table}.{c.column}`", start, end) for c in columns[:_MOST_CHOICES]],
        )

    def _on_unitword(self, item: Item) -> None:
        """`total kwh` is the one column in kWh, or one of several; elsewhere a unit is only checked."""
        following = self.peek()
        named = following is not None and following.kind in ("name", "value") and following.start == item.end
        before = self.peek(-2)
        if not self.functions or named or before is None or before.kind != "fn":
            self.draft.units.append(item)
            return
        columns = [
            Candidate("column", table, name)
            for (table, name), role in self.index.roles.items()
            if role.kind == "measure" and role.unit == item.payload and table not in self.index.empty_tables
        ]
        raise self._which(columns, item, item.start, item.end)

    def _on_verb(self, item: Item) -> None:
        """`total paid` asks which of the columns that hold what was paid; other verbs are checked later."""
        before = self.peek(-2)
        if self.functions and before is not None and before.kind == "fn" and before.end == item.start:
            word = item.text.casefold()
            columns = [
                Candidate("column", table, name)
                for (table, name), role in self.index.roles.items()
                if role.kind == "measure" and word in split_name(name)
            ]
            if columns:
                raise self._which(columns, item, item.start, item.end)
        self.draft.verbs.append(item)

    def _on_acting(self, item: Item) -> None:
        """`which clerk handled the most cases`: the verb adds nothing between who and how much."""
        target = self.draft.target
        following = self.peek()
        asked = (
            target is not None and target.item.end <= item.start and self.items[self.at - 2] is target.item
        )
        counted = following is not None and following.kind in ("most", "extreme", "superlative")
        behind = [other.kind for other in self.items[self.at + 1 :] if other.kind != "window"]
        if not (asked and counted and behind in (["name"], ["value"], ["fn", "name"], ["count", "name"])):
            raise Unread(item, "is not known here")

    def _on_first(self, item: Item) -> None:
        adjective = _FIRST_ADJECTIVES.get(item.text.casefold(), "")
        following = self.peek()
        if self._pair(item):
            return
        self._check_names(item)
        if adjective and following is not None and following.kind == "name":
            candidate = self.chosen[self.at]
            if self.measurable(candidate) and self.said_of(adjective, candidate)[0]:
                self._extreme(item, True, adjective)
                return
        super()._on_first(item)

    def _check_names(self, item: Item) -> None:
        """`first and last names` are two columns, and rank nothing."""
        joiner, named = self.peek(), self.peek(1)
        if joiner is None or named is None or joiner.kind != "and" or named.kind != "name":
            return
        second = split_name(self.chosen[self.at + 1].column)
        columns = {split_name(name) for _, name in self.index.columns}
        if second[0] != item.text.casefold() and (item.text.casefold(), *second[1:]) in columns:
            raise Barred(item, f"and '{named.text}' are two columns: name each of them")

    def _on_extreme(self, item: Item) -> None:
        if not self._pair(item):
            super()._on_extreme(item)

    def _on_superlative(self, item: Item) -> None:
        if not self._pair(item):
            super()._on_superlative(item)

    def _pair(self, item: Item) -> bool:
        """`youngest and oldest age`, `lowest and highest price`, `first and last order date`."""
        joiner, other, named = self.peek(), self.peek(1), self.peek(2)
        if joiner is None or other is None or named is None or joiner.kind != "and":
            return False
        if other.kind not in _EXTREMES or named.kind != "name" or self.ranking is not None:
            return False
        candidate = self.chosen[self.at + 2]
        timed = candidate.kind == "column" and self.role(candidate) == "time"
        if not (timed or self.measurable(candidate)):
            return False
        functions = [self._end(extreme, candidate, timed) for extreme in (item, other)]
        if len(set(functions)) != 2:
            raise Unread(other, "asks for a second order")
        self.at += 2
        ref = self.ref(self.at)
        self.at += 1
        for function, extreme in zip(functions, (item, other), strict=True):
            self._add(Aggregate(function, ref, item=extreme))
        self.grouping, self.asking = False, None
        return True

    def _add(self, aggregate: Aggregate) -> None:
        rank = self.ranking
        pending = rank is not None and rank.by is None and not rank.by_count and not rank.by_time
        item = aggregate.item
        if pending and rank is not None and item is not None and item.start >= rank.item.end:
            self._ranked_by(rank, aggregate)
            return
        self.draft.aggregates.append(aggregate)

    def _end(self, item: Item, candidate: Candidate, timed: bool) -> str:
        """min or max, whichever the word means for this column."""
        word = item.text.casefold()
        if item.kind == "first" and timed:
            return "max" if item.payload == "desc" else "min"
        if timed:
            raise Unread(item, f"cannot be said of {candidate.column}")
        if item.kind == "extreme":
            descending, adjective = item.payload == "desc", "high"
        elif item.payload in SIZE_WORDS:
            descending, adjective = SIZE_WORDS[item.payload] == "desc", "big"
        else:
            adjective = SUPERLATIVES.get(word, _FIRST_ADJECTIVES.get(word, ""))
            descending = bool(adjective) and ADJECTIVES[adjective][0] == "desc"
        if not adjective:
            raise Unread(item, f"cannot be said of {candidate.column}")
        return "max" if self._direction(item, adjective, descending, candidate) else "min"

    def _ranked_by(self, rank: Rank, aggregate: Aggregate) -> None:
        """Order by this; an adjective before it must fit it: `the longest by distance`, never by price."""
        ref = aggregate.ref
        measured = ref is not None and ref.candidate.kind == "column" and aggregate.function != "count"
        if ref is not None and measured:
            rank.descending = self._direction(rank.item, rank.adjective, rank.descending, ref.candidate)
        elif rank.adjective not in _SAID_OF_COUNTS:
            raise Unread(rank.item, "cannot be said of a number of rows")
        rank.by, rank.adjective = aggregate, ""

    def carried(self, ref: Ref, following: Item | None) -> bool:
        """`admissions of patients older than 65`: the key only carries the condition that must follow."""
        if self.counting is not None or self.grouping or self.functions or following is None:
            return False
        before = self.peek(-2)
        behind = before is not None and before.kind == "prep" and before.payload in _CARRYING
        fits = ref.candidate.kind == "column" and self.role(ref.candidate) == "key"
        if not (behind and fits and following.kind in _CARRIED):
            return False
        self.carriers.append(ref)
        self.draft.elsewhere.append(ref.item)
        return True

    def check_carriers(self) -> None:
        """Whatever carries a condition must have got one, on its own table or by an adjective."""
        for ref in self.carriers:
            behind = [c for c in self.draft.conditions if c.item.start >= ref.item.end]
            own = [c for c in behind if c.ref is None or c.ref.candidate.table == ref.candidate.table]
            if not own:
                raise Unread(ref.item, "is named without saying what it is for")

    def check_counted_flag(self, ref: Ref) -> None:
        """`how many smart meters` may count the rows of smart meters, or the meters: their key repeats."""
        table, column = ref.candidate.table, ref.candidate.column
        head, rows = split_name(column)[-1], self.index.tables[table].row_count
        keys = [
            other.name
            for other in self.index.tables[table].columns
            if self.index.role(table, other.name).kind == "key"
            and split_name(other.name)[0] == head
            and other.distinct_count != rows
        ]
        if len(split_name(column)) < 2 or not keys:
            return
        item = ref.item
        raise Ambiguous(
            f"Are different {keys[0]} meant, or rows of {table}?",
            [
                Choice(f"different {keys[0]}", f"different `{table}.{keys[0]}` where `{table}.{column}`",
                       item.start, item.end),
                Choice(f"rows of {table}", f"`{table}` where `{table}.{column}`", item.start, item.end),
            ],
        )  # fmt: skip

    def check_nothing(self, ref: Ref) -> None:
        """`without a discount` may be unknown or zero; `excluding discount` may take it away."""
        candidate, negated = ref.candidate, self.negated
        column = self.index.column(candidate.table, candidate.column)
        if negated is None or not column_type(column.type).numeric or self.role(candidate) != "measure":
            return
        word = negated.text.casefold()
        if word in _UNKNOWN:
            return
        if word not in _NOTHING:
            raise Barred(
                negated, f"may take {column.name} away, which I cannot compute: say without or unknown"
            )
        low, high = _number(column.minimum), _number(column.maximum)
        if low is not None and high is not None and not low <= 0 <= high:
            return
        name, start, end = f"`{candidate.table}.{column.name}`", negated.start, ref.item.end
        self.draft.unsettled = Ambiguous(
            f"Is {column.name} zero, or is it not known?",
            [
                Choice(f"{column.name} is not known", f"with unknown {name}", start, end),
                Choice(f"{column.name} is 0", f"where {name} = 0", start, end),
            ],
        )

    def rest_said(self, ref: Ref) -> bool:
        """`meters that are smart` says all of smart_meter."""
        parts, words = split_name(ref.candidate.column), set(value_words(ref.item.text))
        rest = set(parts) - words if parts[-1] not in words else set()
        said = {word for item in self.items if item.kind == "name" for word in value_words(item.text)}
        return bool(rest) and rest <= said

    def counted_date(self, ref: Ref) -> bool:
        """`number of check ins` counts the rows whose check_in is known: the whole name says the event."""
        candidate = ref.candidate
        if self.role(candidate) != "time" or self.distinct or ref.item.payload == "exact":
            return False
        if set(split_name(candidate.column)) & _DATE_WORDS or not _plural(ref.item.text):
            return False
        column = self.index.column(candidate.table, candidate.column)
        rows = Ref(Candidate("table", candidate.table), ref.item)
        self.draft.elsewhere.append(ref.item)
        counting, self.counting = self.counting, None
        self._add(Aggregate("count", rows, item=counting))
        later = self.items[self.at :]
        if any(other.kind in ("unit", "grain", "part", "window") for other in later):
            self.draft.columns.append(ref)
        elif column_type(column.type).nullable:
            self.draft.conditions.append(Condition(ref, "not_null", (), ref.item))
        return True


_DATE_WORDS = frozenset(("date", "time", "day", "at", "on", "timestamp", "datetime", "year", "month", "hour"))


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _plural(text: str) -> bool:
    return text.casefold().endswith("s")
