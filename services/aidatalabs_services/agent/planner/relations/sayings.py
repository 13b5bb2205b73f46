"""What is said of a column: one of its values, a text in it, nothing at all, or more than a number."""

from __future__ import annotations

from aidatalabs_services.agent.planner.columntypes import column_type

from .amounts import Amounts
from .lexis import (
    AUXILIARIES,
    COMPARISONS,
    CONTAINS,
    NEGATIONS,
    TEXTS,
)
from .schema import Unclear
from .tree import (
    Condition,
    Gap,
    Held,
    Mention,
    Noun,
    Written,
)

_LINKS = AUXILIARIES | {
    "of",
    "a",
    "an",
    "the",
    "value",
    "with",
    "that",
    "which",
    "has",
    "have",
    "at",
    "as",
    "equal",
}
_NOTHING = frozenset(("null", "missing", "unknown", "empty", "unspecified", "undefined", "recorded", "known"))


class Sayings(Amounts):
    """Reads what follows the name of a column, and values by themselves."""

    def said_of(self, attribute: Mention, noun: Noun, negated: bool) -> Condition | None:
        """What is said of a column that was just named."""
        written = self._written(attribute, negated)
        if written is not None:
            return written
        while True:
            if self.s.takes_word(NEGATIONS):
                negated = not negated
            elif self.s.sees(COMPARISONS.keys()) or not self.s.takes_word(_LINKS):
                break
        written = self._written(attribute, negated)
        if written is not None:
            return written
        nothing = self.s.takes_word(_NOTHING)
        if nothing:
            return Gap(attribute, (nothing in ("known", "recorded")) != negated)
        compared = self._amount(attribute, "", negated, noun)
        if compared is not None:
            self.compared = attribute
            return compared
        if self.s.word() == "=":
            self.s.at += 1
        return self._values(attribute, noun, negated) or self._literal(attribute, negated)

    def _written(self, attribute: Mention | None, negated: bool) -> Condition | None:
        """`contains the word x`, `that starts with y`, `with the substring z in it`."""
        start = self.s.at
        self.s.skip(("that", "which", "do", "does", "the", "whose"))
        if self.s.takes_word(NEGATIONS):
            negated = not negated
        phrase = self.s.lookup(CONTAINS)
        if not phrase:
            self.s.at = start
            return None
        way = CONTAINS[phrase]
        self.s.at += len(phrase)
        if not self._letter():
            self.s.skip(("the", "a", "an"))
        told = bool(self.s.takes_word(TEXTS))
        token = self.s.token()
        plain = attribute is not None and phrase[0].startswith(("contain", "includ")) and self._last_word()
        literal = token is not None and (
            token.kind == "quoted" or told or plain or (way != "contains" and token.raw)
        )
        if token is None or not literal or (phrase[-1] in ("has", "have", "with") and not told
                                            and way == "contains"):  # fmt: skip
            self.s.at = start
            return None
        self.s.at += 1
        here = self.s.at
        if self.s.takes_word(("in",)):
            self.s.skip(("the", "its", "their", "it", "them"))
            if not self.s.takes_word(("name", "names", "title", "titles", "it")) and self.s.word():
                self.s.at = here
        return Written(attribute, way, token.raw, negated)

    def _last_word(self) -> bool:
        """`title contains lemons`: one word that nothing but the end or a joiner follows."""
        token = self.s.token()
        behind = self.s.word(1)
        return token is not None and token.kind == "word" and behind in ("", "and", "or", ",", "but")

    def _letter(self) -> bool:
        """`starts with A`: the letter, no article."""
        token = self.s.token()
        return token is not None and len(token.raw) == 1 and token.raw.isupper()

    def _lettered(self, noun: Noun, negated: bool, verb: str) -> Condition | None:
        """`books that start with T` speaks of their names."""
        phrase = self.s.lookup(CONTAINS)
        if not phrase or CONTAINS[phrase] == "contains":
            return None
        table, column = self.entity(noun)
        labels = [column] if column else [c.name for c in self.schema.index.label(table)]
        if len(labels) != 1:
            return None
        at = self.s.at
        return self._written(Mention((self.schema.candidate(table, labels[0]),), at, at, "name"), negated)

    def _values(self, attribute: Mention | None, noun: Noun, negated: bool) -> Held | None:
        """One value, or several of one column joined by or and commas."""
        found: list[Mention] = []
        while True:
            here = self.s.at
            if found:
                joined = ("or", ",", "nor") if negated else ("or", ",")
                if not self.s.takes_word(joined) and not (attribute and self.s.takes_word(("and",))):
                    break
                self.s.takes_word(("or",))
            self.s.skip(("the", "a", "an", "either", *(("in", "from") if found else ())))
            mention = self._value_here(attribute, noun)
            if mention is None:
                self.s.at = here
                break
            self.s.at = mention.end
            found.append(mention)
            own = {(c.table, c.column) for c in mention.candidates}
            named = next(
                (m for m in self.s.names() if own & {(c.table, c.column) for c in m.candidates}), None
            )
            if named is not None and self.s.at not in self.s.breaks and not named.tables:
                self.s.at = named.end  # `on the student plan`
        return Held(tuple(found), attribute, negated) if found else None

    def _value_here(self, attribute: Mention | None, noun: Noun) -> Mention | None:
        table, _ = self.entity(noun)
        for mention in self.s.values():
            try:
                place = self.schema.value_at(mention, table, attribute)
            except Unclear:
                continue
            if place.single or attribute is not None:
                return mention
        return None

    def _literal(self, attribute: Mention, negated: bool) -> Condition | None:
        """A text that is not among the values, of a column whose values are not all known."""
        token = self.s.token()
        if token is None or token.kind not in ("quoted", "number", "date"):
            return None
        columns = [self.schema.index.column(c.table, c.column) for c in attribute.candidates[:1]]
        if any(column.values_complete or column_type(column.type).kind != "text" for column in columns):
            return None
        self.s.at += 1
        return Written(attribute, "is", token.raw, negated)

    def _attributed(self, noun: Noun, negated: bool, verb: str) -> Condition | None:
        """`a population of at least 5`, `age over 30`, `status is not paid`, `a name that starts with A`."""
        attribute = self.attribute(noun)
        if attribute is None:
            return None
        return self.said_of(attribute, noun, negated)
