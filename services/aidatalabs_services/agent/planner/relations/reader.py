"""A question read as one about things and what they are related to: a plan, or the words that stand against
it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from aidatalabs_services.agent.planner.explain import explain
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.kindred import Kindred
from aidatalabs_services.agent.planner.linking import Linked
from aidatalabs_services.agent.planner.outcomes import Planned
from aidatalabs_services.agent.planner.plan import QueryPlan
from aidatalabs_services.agent.planner.sql import emit
from aidatalabs_services.agent.planner.words import Token

from .builder import Builder
from .heard import hears_verbs
from .parser import Parser
from .scanner import Lost, Scanner
from .schema import Schema, Unclear

_NEAR = 0.03
_DEAREST = 0.8


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

    def planned(self, linked: Linked, now: datetime, timezone: str) -> Planned | None:
        """The answer where a question is about things and what they are related to, and nothing else."""
        reading = self.read(linked.question, linked.tokens, now, timezone, linked.kindred)
        if isinstance(reading, str) or reading.cost > _DEAREST:
            return None
        if not hears_verbs(reading.plan, linked):
            return None
        told, sure = explain(reading.plan, self._index, linked, {}), round(max(0.5, 1 - reading.cost / 2), 3)
        return Planned(reading.plan, emit(reading.plan), tuple(told), sure)

    def read(
        self,
        question: str,
        tokens: list[Token],
        now: datetime,
        timezone: str,
        otherwise: Sequence[Kindred] = (),
    ) -> Reading | str:
        """The reading, or a sentence on the first words that cannot be used; `otherwise` are words that the
        data calls by other names."""
        words = [token.word for token in tokens]
        if "same" in words and "as" in words[words.index("same") :]:
            return "'same' compares two rows with each other, which I cannot do yet"
        people = self._schema.persons() if tokens and tokens[0].word in ("who", "whom") else []
        if len(people) < 2:
            return self._read(question, tokens, now, timezone, otherwise, "")
        tried = [self._read(question, tokens, now, timezone, otherwise, table) for table in people]
        found = sorted((r for r in tried if isinstance(r, Reading)), key=lambda r: r.cost)
        if len(found) == 1 or (found and found[1].cost > found[0].cost + _NEAR):
            return found[0]
        if found:
            return f"'{tokens[0].raw}' does not say whom: name the kind of people"
        return next(r for r in tried if isinstance(r, str))

    def _read(
        self,
        question: str,
        tokens: list[Token],
        now: datetime,
        timezone: str,
        otherwise: Sequence[Kindred],
        people: str,
    ) -> Reading | str:
        scanner = Scanner(self._index, tokens, question, now)
        scanner.otherwise = {one.place: one.candidate for one in otherwise}
        try:
            scanner.people = self._schema.person_keys
            parser = Parser(scanner, self._schema)
            parser.people = [people] if people else self._schema.persons()
            asked = parser.read()
            builder = Builder(self._schema, asked, now, timezone, frozenset(parser.hints))
            plan = builder.build()
        except Lost as lost:
            word = scanner.tokens[lost.place].raw if lost.place < len(tokens) else "the end"
            return f"'{word}' {lost.why}"
        except Unclear as unclear:
            return f"'{unclear.mention.text}' {unclear.why}" if unclear.mention else unclear.why
        return Reading(plan, builder.cost)
