"""What holds of a thing beside numbers and values: yes or no, how often, in which year, its full name."""

from __future__ import annotations

from collections.abc import Callable

from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.items import Candidate
from aidatalabs_services.agent.planner.kinship import same_stem
from aidatalabs_services.agent.planner.words import split_name

from .lexis import AFTER_NUMBER
from .sayings import Sayings
from .scanner import Lost
from .tree import Compared, Condition, Flagged, Gap, Held, Mention, Noun, Related
from .words_here import opposite

_OFTEN = {"once": 1, "twice": 2, "thrice": 3}
_OCCURRING = frozenset(
    ("", "occur", "occurs", "occurred", "happen", "happens", "happened", "appear", "appears", "appeared",
     "exist", "exists", "existed", "recorded", "come", "came", "comes")
)  # fmt: skip
_YEAR_MODES = {"in": "eq", "since": "ge", "after": "gt", "before": "lt", "until": "le", "from": "ge"}


class Happenings(Sayings):
    """Reads conditions that are no comparison."""

    modifiers: Callable[[Noun], None]
    acted_tables: Callable[[Noun, str, int], list[str]]

    def flag(self, noun: Noun | None) -> Mention | None:
        """Step over the name of a column that is yes or no; None where none stands here."""
        index = self.schema.index
        for mention in self.s.names():
            flags = tuple(
                c for c in mention.candidates if c.column and index.role(c.table, c.column).kind == "flag"
            )
            plain = [c for c in mention.candidates if c.cost < 0.05 and c not in flags]
            if not flags or plain or (noun is not None and not self.owned(mention, noun)):
                continue
            self.s.at = mention.end
            return Mention(flags, mention.start, mention.end, mention.text)
        return None

    @staticmethod
    def check_end(noun: Noun) -> None:
        """Behind what is left out it is not clear whether the next words are left out, too."""
        last = noun.conditions[-1] if noun.conditions else None
        negated = getattr(last, "negated", False) or (isinstance(last, Gap) and not last.known)
        if negated:
            raise Lost(noun.start, "leaves open how much of it is left out")

    def _flagged(self, noun: Noun, negated: bool, verb: str) -> Condition | None:
        """`that are discontinued`, `who is not active`; a column that something is said of is none."""
        if self.s.word(-1) in ("and", "or", ","):
            self.check_end(noun)
        flag = self.flag(noun)
        following = self.s.word()
        if flag is None or verb or following in ("is", "=", "equals"):
            return None
        if self.s.at not in self.s.breaks and any(mention.tables for mention in self.s.names()):
            return None  # `active customers`: said of what is named behind it
        return Flagged(flag, negated)

    def _repeated(self, noun: Noun, negated: bool, verb: str) -> Condition | None:
        """`more than 3 times`, `at least twice`: so many rows of it, or of what the verb speaks of."""
        place = self.s.at - 1
        operator = self._operator()
        told = bool(operator)
        number = self.s.number()
        if self.s.word() in _OFTEN:
            number = _OFTEN[self.s.word()]
            self.s.at += 1
        elif number is not None and number == int(number):
            self.s.at += 1
            after = self.s.lookup(AFTER_NUMBER)
            if after and not told:
                self.s.at += len(after)
                operator = AFTER_NUMBER[after]
            if not self.s.takes_word(("times", "time")):
                return None
        if number is None:
            return None
        rows = self._rows_of(noun, verb, place)
        if rows is None:
            return None
        operator = operator or "eq"
        value = str(int(number))
        return Related(rows, False, opposite(operator) if negated else operator, (value,), verb)

    def _rows_of(self, noun: Noun, verb: str, place: int) -> Noun | None:
        """The rows that tell how often: of the thing's own table where it is one of its values, else of the
        one table that the verb names."""
        table, column = self.entity(noun)
        words = self.s.text(place, place + 1)
        if column and (verb not in _OCCURRING or (not verb and not noun.bare)):
            return None  # `logged in at least 3 times` counts the logins alone
        tables = [table] if column else self.acted_tables(noun, verb, place) if verb else []
        if len(tables) != 1:
            return None
        rows = Noun(Mention((Candidate("table", tables[0]),), place, place + 1, words), place)
        if not column:
            self.modifiers(rows)  # `ordered at least twice in May`: the orders of May
        return rows

    def _in_year(self, noun: Noun, negated: bool, verb: str) -> Condition | None:
        """`opened after 2012` where the year is a column of its own."""
        mention = self.s.time()
        modes = _YEAR_MODES
        if mention is None or negated or mention.first is None or mention.first.year is None:
            return None
        table, _ = self.entity(noun)
        index = self.schema.index
        if index.time_columns(table) or index.calendars[table] is not None:
            return None
        points = [point for point in (mention.first, mention.last) if point is not None]
        if any(point.month or point.quarter or point.year is None for point in points):
            return None
        years = [
            c.name
            for c in index.tables[table].columns
            if "year" in split_name(c.name) and column_type(c.type).kind == "integer"
        ]
        told = [
            name for name in years if verb and any(p == verb or same_stem(verb, p) for p in split_name(name))
        ]
        years = told or [name for name in years if split_name(name) == ("year",)]
        if len(years) != 1:
            return None
        self.s.at = mention.end
        column = Mention((self.schema.candidate(table, years[0]),), mention.start, mention.end, "year")
        values = tuple(str(point.year) for point in points)
        if len(values) == 2:
            return Compared(column, "between", values)
        operator = modes.get(mention.mode)
        return Compared(column, operator, values) if operator else None

    def full_name(self, first: Mention) -> tuple[Held, Held] | None:
        """`Ada Braga`, a first and a last name kept apart; None where these are no such two."""
        index = self.schema.index
        for second in self.s.values(first.end):
            for table in sorted({c.table for c in first.candidates} & {c.table for c in second.candidates}):
                labels = [column.name for column in index.label(table)]
                if len(labels) != 2:
                    continue
                pair = [
                    tuple(c for c in mention.candidates if (c.table, c.column) == (table, label))
                    for mention, label in zip((first, second), labels, strict=True)
                ]
                if all(pair):
                    made = [
                        Held((Mention(found, mention.start, mention.end, mention.text),))
                        for found, mention in zip(pair, (first, second), strict=True)
                    ]
                    return made[0], made[1]
        return None


def _told_by(verb: str, name: str) -> bool:
    """`opened in 2012` speaks of opened_year and of opening_year."""
    return bool(verb) and any(part == verb or same_stem(verb, part) for part in split_name(name))
