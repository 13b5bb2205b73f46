"""A question read as one about things and what they are related to: a plan, or the words that stand against
it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.plan import QueryPlan
from aidatalabs_services.agent.planner.words import Token

from .builder import Builder
from .parser import Parser
from .scanner import Lost, Scanner
from .schema import Schema, Unclear


@dataclass(frozen=True)
class Reading:
    """A plan and what it cost to read the words so, 0 being word for word."""

    plan: QueryPlan
    cost: float


class RelationReader:
    """Reads questions over one catalogue."""

    def __init__(self, index: CatalogueIndex) -> None:
        self._index = index
        self._schema = Schema(index)

    def read(self, question: str, tokens: list[Token], now: datetime, timezone: str) -> Reading | str:
        """The reading, or a sentence on the first words that cannot be used."""
        scanner = Scanner(self._index, tokens, question, now)
        try:
            scanner.people = self._schema.person_keys
            parser = Parser(scanner, self._schema)
            asked = parser.read()
            builder = Builder(self._schema, asked, now, timezone, frozenset(parser.hints))
            plan = builder.build()
        except Lost as lost:
            word = scanner.tokens[lost.place].raw if lost.place < len(tokens) else "the end"
            return f"'{word}' {lost.why}"
        except Unclear as unclear:
            return f"'{unclear.mention.text}' {unclear.why}" if unclear.mention else unclear.why
        return Reading(plan, builder.cost)
