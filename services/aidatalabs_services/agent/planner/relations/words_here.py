"""What stands at the place of reading: whose names, which verbs, and how numbers are written."""

from __future__ import annotations

from dataclasses import replace

from aidatalabs_services.agent.planner.adjectives import ADJECTIVES, speaks_of
from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.lexicon import VERB_NOUNS
from aidatalabs_services.agent.planner.words import Token, split_name

from .lexis import (
    ARTICLES,
)
from .scanner import Lost, Scanner
from .schema import Schema
from .tree import (
    Mention,
    Noun,
)
from .verbs import VERBS


class WordsHere:
    """What the readers of conditions and populations share."""

    def __init__(self, scanner: Scanner, schema: Schema) -> None:
        self.s = scanner
        self.schema = schema
        self.depth = 0
        self.compared: Mention | None = None
        self.hints: set[str] = set()

    def entity(self, noun: Noun) -> tuple[str, str]:
        """The table of a population, and its column where it is the values of one."""
        if noun.head is None:
            raise Lost(noun.start, "does not say of what")
        best = noun.head.candidates[0]
        return best.table, best.column

    def owned(self, mention: Mention, noun: Noun, measured: bool = False) -> bool:
        """Whether a name is a column of this population, or of what each of it refers to."""
        if noun.head is None:
            return any(c.kind == "column" for c in mention.candidates)
        for head in noun.head.candidates:
            for candidate in mention.candidates:
                if candidate.kind != "column":
                    continue
                role = self.schema.index.role(candidate.table, candidate.column).kind
                if measured and role not in ("measure", "other"):
                    continue
                paths = self.schema.paths(head.table, candidate.table)
                if any(all(hop.to_one for hop in path) for path in paths):
                    return True
        return False

    def attribute(self, noun: Noun | None, measured: bool = False) -> Mention | None:
        """Step over a column's name, with its articles; None where none stands here."""
        start = self.s.at
        self.s.skip(ARTICLES)
        for mention in self.s.names():
            columns = tuple(c for c in mention.candidates if c.kind == "column")
            if not columns or (noun is not None and not self.owned(mention, noun, measured)):
                continue
            if mention.candidates[0].kind == "table" and columns[0].cost > 0.05:
                continue  # `a climber above 40` is no climber_id
            self.s.at = mention.end
            if self.s.word() == "number" and self.s.word(1) != "of" and not self.s.names(self.s.at + 1):
                self.s.at += 1  # `a phone number`
            return replace(mention, candidates=columns)
        self.s.at = start
        return None

    def speaks(self, adjective: str, attribute: Mention) -> bool:
        """Whether an adjective can be said of what a name may be: `heaviest` of no price."""
        index = self.schema.index
        for candidate in attribute.candidates:
            column = index.column(candidate.table, candidate.column)
            unit = index.role(candidate.table, candidate.column).unit
            fits, flipped = speaks_of(adjective, split_name(candidate.column), unit, column_type(column.type))
            if fits and not flipped:
                return True
        return False

    def is_verb(self) -> bool:
        """Whether a verb that relates two things stands here: a common one, or one with a name's own stem."""
        token = self.s.token()
        if token is None or token.kind != "word":
            return False
        if token.word.endswith("s") and any(
            m.tables and m.candidates[0].cost <= 0.02 for m in self.s.names()
        ):
            return False  # `orders` are things here
        if token.word in VERBS or token.word in VERB_NOUNS:
            return True
        if not token.word.endswith(("ed", "ing", "es", "s")) or len(token.word) < 5:
            return False
        return self.schema.index.names.knows(token.word) or self.schema.index.names.knows(token.lemma)

    @staticmethod
    def _upwards(adjective: str) -> bool:
        return ADJECTIVES[adjective][0] == "desc"


def number_text(token: Token) -> str:
    """A number as SQL writes it."""
    number = token.number or 0.0
    return str(int(number)) if number == int(number) else repr(number)


def opposite(operator: str) -> str:
    """What holds where a comparison does not."""
    return {"gt": "le", "ge": "lt", "lt": "ge", "le": "gt", "eq": "ne", "ne": "eq"}.get(operator, operator)
