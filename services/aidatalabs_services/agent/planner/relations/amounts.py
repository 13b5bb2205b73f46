"""Numbers compared: with other numbers, with an average, by an adjective."""

from __future__ import annotations

from collections.abc import Callable

from aidatalabs_services.agent.planner.adjectives import ADJECTIVES, COMPARATIVES
from aidatalabs_services.agent.planner.windows import TimeMention

from .lexis import (
    AFTER_NUMBER,
    COMPARISONS,
    FUNCTIONS,
    MEASURING_VERBS,
)
from .scanner import Lost
from .tree import (
    Beyond,
    Compared,
    Condition,
    Mention,
    Noun,
)
from .words_here import WordsHere, number_text, opposite

_SIZES = {"higher": "high", "lower": "low", "larger": "large", "bigger": "big", "smaller": "small"}


class Amounts(WordsHere):
    """Reads comparisons."""

    noun: Callable[..., Noun]
    against: Callable[[Mention | None, str, str], Condition | None]

    def _measuring(self, noun: Noun, negated: bool, verb: str) -> Condition | None:
        """`weighs more than 10`, `costs at least 5`."""
        adjective = MEASURING_VERBS.get(self.s.word())
        if not adjective or negated or noun.head is None:
            return None
        if not self.schema.by_adjective(adjective, self.entity(noun)[0]):
            return None
        self.s.at += 1
        return self._amount(None, adjective)

    def _comparative(self, noun: Noun, negated: bool, verb: str) -> Condition | None:
        """`older than 30`, `taller than average`, `younger than all climbers`."""
        adjective, less = COMPARATIVES.get(self.s.word(), ""), False
        if not adjective and self.s.word() in ("more", "less") and self.s.word(2) == "than":
            adjective, less = self.s.word(1) if self.s.word(1) in ADJECTIVES else "", self.s.word() == "less"
            self.s.at += 1 if adjective else 0
        if not adjective or self.s.sees(COMPARISONS.keys()) > 2:
            return None
        self.s.at += 1
        self.s.takes_word(("than",))
        operator = "gt" if self._upwards(adjective) != less else "lt"
        operator = opposite(operator) if negated else operator
        figure = self._figure(None, operator, adjective, noun) or self.against(None, operator, adjective)
        if figure is not None:
            return figure
        token = self.s.token()
        if token is None or token.kind != "number":
            return None
        self.s.at += 1
        return Compared(None, operator, (number_text(token),), adjective, self.s.unit())

    def _than(self, noun: Noun, negated: bool, verb: str) -> Condition | None:
        """`above average`, `over age 40`, `more than the average number`, `above 40 years`."""
        beyond = self.s.word() in ("over", "above", "under", "below")
        adjective = _SIZES.get(self.s.word(), "") if self.s.word(1) == "than" else ""
        operator = self._operator()
        if not operator:
            return self._more_than_figure(noun, negated)
        operator = opposite(operator) if negated else operator
        attribute = None
        if self.s.number() is None:
            figure = self._figure(None, operator, adjective, noun)
            figure = figure or (self.against(None, operator, adjective) if adjective else None)
            if figure is not None:
                return figure
            attribute = self.attribute(noun)
            if attribute is None:
                return None
        token = self.s.token()
        if token is None or token.kind != "number":
            return None
        self.s.at += 1
        unit = self.s.unit()
        if attribute is None:
            attribute = self._told_behind(noun)
        if attribute is None and not unit and self.compared is not None and self.owned(self.compared, noun):
            attribute = self.compared  # `above age 40 and below 30`
        if attribute is None and beyond and unit in ("", "years") and self._aged(noun):
            return Compared(None, operator, (number_text(token),), "old")  # `climbers over 40`
        if attribute is None and not unit:
            return None
        self.compared = attribute or self.compared
        return Compared(attribute, operator, (number_text(token),), unit="" if attribute else unit)

    def _more_than_figure(self, noun: Noun, negated: bool) -> Condition | None:
        """`more pages than the average`."""
        way = {"more": "gt", "higher": "gt", "larger": "gt", "fewer": "lt", "less": "lt", "lower": "lt"}
        operator = way.get(self.s.word())
        if operator is None or negated:
            return None
        self.s.at += 1
        attribute = self.attribute(noun, measured=True)
        if attribute is None or not self.s.takes_word(("than",)):
            return None
        return self._figure(attribute, operator, "", noun)

    def _aged(self, noun: Noun) -> bool:
        """Whether these are people of whom the age is known, and no other number that `over 40` may mean."""
        if noun.head is None or self.entity(noun)[1]:
            return False
        if not self.s.done and self.s.at not in self.s.breaks and (self.s.names() or self.s.values()):
            return False  # `at least 4 routes`
        table = self.entity(noun)[0]
        ages = self.schema.by_adjective("old", table)
        return table in self.schema.persons() and len(ages) == 1 and not ages[0].startswith("-")

    def _told_behind(self, noun: Noun) -> Mention | None:
        """`more than 100 employees` where each has a number of employees, and no table of them."""
        here = self.s.at
        self.s.takes_word(("in", "of"))
        named = self.s.names()
        if named and named[0].tables:
            self.s.at = here
            return None
        attribute = self.attribute(noun, measured=True)
        if attribute is None:
            self.s.at = here
        return attribute

    def _operator(self) -> str:
        """Step over `more than`, `at least` and the like."""
        phrase = self.s.lookup(COMPARISONS)
        if not phrase:
            return ""
        self.s.at += len(phrase)
        return COMPARISONS[phrase]

    def _amount(
        self, attribute: Mention | None, adjective: str, negated: bool = False, noun: Noun | None = None
    ) -> Condition | None:
        """A comparison with a number, a range or an average."""
        start = self.s.at
        if self.s.takes_word(("between",)):
            low, high = self.s.token(), self.s.token(2)
            if low and high and low.kind == high.kind == "number" and self.s.word(1) in ("and", "to"):
                self.s.at += 3
                bounds = (number_text(low), number_text(high))
                return Compared(attribute, "between", bounds, adjective, self.s.unit())
            self.s.at = start
            return None
        compared = COMPARATIVES.get(self.s.word(), "") if attribute is not None else ""
        if compared and attribute is not None:
            if not self.speaks(compared, attribute) or self.s.word(1) != "than":
                return None
            self.s.at += 2
        operator = self._operator() or "eq"
        if compared:
            operator = "gt" if self._upwards(compared) else "lt"
        if operator != "eq" or self.s.at > start:
            figure = self._figure(attribute, operator, adjective, noun)
            if figure is None and attribute is not None and self.s.number() is None:
                figure = self.against(attribute, operator, "")
            if figure is not None:
                return figure
            self.s.takes_word(("the", "a", "of"))
        self.s.takes_word(("age", "than"))
        token = self.s.token()
        if token is None or token.kind != "number":
            self.s.at = start
            return None
        self.s.at += 1
        unit = self.s.unit()
        after = self.s.lookup(AFTER_NUMBER)
        if after and operator == "eq":
            self.s.at += len(after)
            operator = AFTER_NUMBER[after]
        values = [number_text(token)]
        while operator == "eq" and self.s.word() in ("or", ",") and self.s.number(1) is not None:
            self.s.at += 2
            values.append(number_text(self.s.tokens[self.s.at - 1]))
        operator = opposite(operator) if negated else operator
        return Compared(attribute, operator, tuple(values), adjective, unit)

    def _figure(
        self, attribute: Mention | None, operator: str, adjective: str, noun: Noun | None
    ) -> Condition | None:
        """`the average`, `average age of all climbers`, `the maximum price of books`, `any/all boats`."""
        start = self.s.at
        if operator not in ("gt", "lt", "ge", "le", "eq", "ne"):
            return None
        self.s.skip(("the", "than", "a", "that", "of"))
        function = FUNCTIONS.get(self.s.word(), "")
        if function not in ("avg", "max", "min", "median"):
            self.s.at = start
            return None
        self.s.at += 1
        named = self.attribute(noun)
        attribute = named or attribute
        of = None
        here = self.s.at
        if self.s.takes_word(("of", "for", "among", "across", "in")):
            try:
                of = self.noun()
            except Lost:
                self.s.at = here
        if attribute is None and not adjective:
            self.s.at = start
            return None
        return Beyond(attribute, operator, function, adjective, of)

    def _years(self, noun: Noun, mention: TimeMention) -> Condition | None:
        """`in 2014 or 2015` where a column holds the year."""
        further = self.s.word() in ("or", "and") and self.s.number(1) is not None
        if not further or mention.mode != "in" or mention.first is None or mention.last is not None:
            return None
        table, _ = self.entity(noun)
        calendar = self.schema.index.calendars[table]
        year = mention.first.year
        if calendar is None or year is None or mention.first.month or mention.first.quarter:
            return None
        values = [str(year)]
        while self.s.word() in ("or", "and", ",") and 1900 <= (self.s.number(1) or 0) < 2100:
            values.append(number_text(self.s.tokens[self.s.at + 1]))
            self.s.at += 2
        column = Mention((self.schema.candidate(table, calendar.year),), mention.start, mention.end, "year")
        return Compared(column, "eq", tuple(values))
