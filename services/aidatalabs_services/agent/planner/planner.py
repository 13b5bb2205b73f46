"""The planner: question and catalogue in, plan with SQL out, or a question back, or a refusal. Never a
guess."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from . import guards
from .absences import check_absent
from .accounting import Account
from .additions import check_added
from .assignments import assignments
from .bases import Bases, strange
from .catalogue import Catalogue
from .composing import Composer
from .doubts import check_doubts
from .draft import Ambiguous, Barred, Choice, Draft, Unread
from .entities import check_quantifiers
from .explain import explain
from .frames.answering import framed_outcome
from .index import CatalogueIndex
from .items import Candidate, Item
from .keeping import Kept
from .linking import Linked, Linker
from .metric_questions import MetricQuestions
from .misnaming import check_base, check_counts
from .offers import offered
from .outcomes import Clarification, ClarificationChoice, Outcome, Planned, Refusal, shows_row
from .phrasing import exactly, local, needed_joins, replaced
from .plan import QueryPlan
from .reading import Reader
from .relations.reader import RelationReader
from .roles import is_unique
from .sql import emit
from .suggestions import examples, suggested
from .vocabulary.answering import looked_again, put_plainly
from .wordings import wordings

__all__ = ["Clarification", "ClarificationChoice", "Outcome", "Planned", "Planner", "Refusal", "plan"]

_MARGIN = 0.09
_JOIN_COST = 0.06
_FAR = 0.25
_DEPTH = 2
_MOST_PLANNERS = 128  # of the catalogues that are kept beside them, and of each the one before
_FRAMES = 3  # a frame in a frame in a frame
_TOO_DEEP = Refusal("not_answerable", "The question has several readings.")
_TASKS = frozenset(("fn", "count", "list", "how_much", "which", "by", "share"))


@dataclass
class _Reading:
    plan: QueryPlan
    cost: float
    chosen: dict[int, Candidate]


@dataclass
class _Readings:
    """What all assignments of one question led to."""

    good: list[_Reading] = field(default_factory=list)
    asked: list[tuple[float, Ambiguous]] = field(default_factory=list)
    failed: list[tuple[float, Unread]] = field(default_factory=list)


class Planner:
    """Plans questions over one catalogue; building it indexes the catalogue once.

    `earlier` planned over the catalogue as it was: then only what changed is looked at.
    """

    def __init__(self, catalogue: Catalogue, earlier: Planner | None = None) -> None:
        self._index = CatalogueIndex(catalogue, earlier.index if earlier is not None else None)
        self._bases = Bases(self._index)
        self._relations = RelationReader(self._index)
        self._metrics = MetricQuestions(self._index)
        self._linked: dict[str, Linked] = {}
        self._outcomes: dict[tuple[str, int, int], Outcome] = {}

    @property
    def index(self) -> CatalogueIndex:
        """What was derived from the catalogue."""
        return self._index

    def plan(self, question: str, *, now: datetime, timezone: str = "UTC") -> Outcome:
        """Plan a question; `now` is the clock (UTC without a zone), `timezone` the zone days are meant in."""
        clock, turn = local(now, timezone), copy(self)  # a copy of its own for what its wordings lead to
        turn._linked, turn._outcomes = {}, {}
        ask = partial(turn._settled, now=clock, timezone=timezone)
        return self._metrics.answered(question, lambda text: looked_again(self._index, text, clock, ask))

    def _settled(self, question: str, now: datetime, timezone: str) -> Outcome:
        """The outcome of a question in plain words, with those for names and business figures settled."""
        asked, told = put_plainly(question, self._index)
        outcome = self._plan(asked, now, timezone, depth=_DEPTH)
        if told and isinstance(outcome, Planned):
            return replace(outcome, explanation=(*outcome.explanation, *told))
        return outcome

    def _plan(self, question: str, now: datetime, timezone: str, depth: int, left: int = _FRAMES) -> Outcome:
        """The outcome of one wording; several frames and offers come to the same ones."""
        way = (question, depth, left)
        if way not in self._outcomes:
            self._outcomes[way] = self._read_as(question, now, timezone, depth, left)
        return self._outcomes[way]

    def _read_as(self, question: str, now: datetime, timezone: str, depth: int, left: int) -> Outcome:
        refused = self._refused_early(question, now, timezone, depth)
        if refused is not None:
            return refused
        linked = self._linked.get(question)
        if linked is None:
            linked = self._linked[question] = Linker(self._index, now).link(question)
        refused = self._refused(question, linked, now, timezone, depth)
        if refused is not None:
            return refused
        framed = self._framed(linked, now, timezone, depth, left) if left else None
        if isinstance(framed, Planned):
            return framed
        unframed = self._unframed(linked, now, timezone, depth)
        return unframed if framed is None or isinstance(unframed, Planned) else framed

    def _unframed(self, linked: Linked, now: datetime, timezone: str, depth: int) -> Outcome:
        readings = self._read(linked, now, timezone)
        outcome = self._decide(linked, readings, now, timezone, depth)
        if not isinstance(outcome, Refusal) or depth != _DEPTH:
            return outcome
        return self._relations.planned(linked, now, timezone) or outcome

    def _framed(self, linked: Linked, now: datetime, timezone: str, depth: int, left: int) -> Outcome | None:
        """The outcome of a question that is built around another one; None where it is not."""
        inside = min(depth, 1)
        return framed_outcome(
            self._index,
            linked,
            ask=lambda text: self._plan(text, now, timezone, inside, left - 1),
            plain=lambda text: self._plan(text, now, timezone, inside, 0),
            whole=lambda text: self._plan(text, now, timezone, 0, left) if depth else _TOO_DEEP,
            now=now,
        )

    def _plannable(self, now: datetime, timezone: str, depth: int) -> Callable[[str], bool]:
        """Whether a text leads to an answer or a question back; inside another try nothing is tried."""
        return lambda text: (
            depth == _DEPTH and not isinstance(self._plan(text, now, timezone, depth - 1), Refusal)
        )

    def _examples(self, now: datetime, timezone: str, depth: int) -> tuple[str, ...]:
        return tuple(examples(self._index, self._plannable(now, timezone, depth)))

    def _suggested(
        self, linked: Linked, item: Item | None, now: datetime, timezone: str, depth: int
    ) -> tuple[str, ...]:
        return tuple(suggested(self._index, self._plannable(now, timezone, depth), linked, item))

    def _refused_early(self, question: str, now: datetime, timezone: str, depth: int) -> Refusal | None:
        if guards.empty(question):
            return Refusal(
                "not_answerable",
                "There are no words to read. Ask a question about the data.",
                self._examples(now, timezone, depth),
            )
        too_long = guards.too_long(question)
        return Refusal("not_answerable", too_long) if too_long else None

    def _refused(
        self, question: str, linked: Linked, now: datetime, timezone: str, depth: int
    ) -> Refusal | None:
        written = guards.write_asked(question, linked)
        if written:
            return Refusal("not_read_only", f"'{written}' asks to change data; questions can only read it.")
        instructed = guards.instruction_given(question)
        if instructed:
            return Refusal(
                "not_answerable",
                f"'{instructed}' is an instruction, not a question about the data.",
                self._examples(now, timezone, depth),
            )
        word, what = guards.beyond_data(linked, question)
        if word:
            return Refusal(
                "not_answerable", f"'{word}' asks for {what}; the data only says what was recorded."
            )
        return None

    def _read(self, linked: Linked, now: datetime, timezone: str) -> _Readings:
        readings = _Readings()
        for cost, chosen in assignments(linked.items):
            try:
                draft = Reader(self._index, linked.items, chosen).read()
                reading = self._composed(draft, chosen, cost, linked, now, timezone)
            except Unread as unread:
                readings.failed.append((cost, unread))
                continue
            except Ambiguous as ambiguous:
                tables = {candidate.table for candidate in chosen.values()}
                readings.asked.append((cost + _JOIN_COST * len(tables) - 0.02, ambiguous))
                continue
            readings.good.append(reading)
        return readings

    def _composed(
        self,
        draft: Draft,
        chosen: dict[int, Candidate],
        cost: float,
        linked: Linked,
        now: datetime,
        timezone: str,
    ) -> _Reading:
        """The draft over the base table that fits best; the error of the likeliest base if none does."""
        bases = self._bases.likeliest(draft, chosen)
        first: Unread | Ambiguous | None = None
        for base in bases:
            copied = Reader(self._index, linked.items, chosen).read() if base != bases[0] else draft
            computed = draft.aggregates or (draft.rank is not None and draft.rank.by is not None)
            detour = 0.0 if computed else strange(base, chosen)
            try:
                check_base(self._index, linked.items, chosen, copied, base)
                check_counts(copied, base)
                plan = Composer(self._index, copied, base, now, timezone).compose()
            except Barred:
                raise
            except (Unread, Ambiguous) as error:
                first = first or error
                continue
            dropped = Account(plan, self._index).missing(linked.items, chosen, copied.elsewhere)
            if dropped is not None:
                first = first or Unread(dropped, "would be left out of the answer")
                continue
            check_quantifiers(linked, plan, self._index)
            check_doubts(linked.items, chosen, plan, self._index)
            check_added(linked, chosen, plan)
            check_absent(copied, chosen, plan, self._index)
            return _Reading(plan, cost + _JOIN_COST * needed_joins(plan) + detour, chosen)
        several = len(draft.aggregates) > 1
        why = "names tables with no key between them" if chosen else "does not say which table it is about"
        why = (
            "asks for numbers of two tables at once: ask for each of them alone"
            if several and not bases
            else why
        )
        raise first or Unread(None, why)

    def _decide(
        self, linked: Linked, readings: _Readings, now: datetime, timezone: str, depth: int
    ) -> Outcome:
        good = sorted(readings.good, key=lambda r: (r.cost, emit(r.plan)))
        asked = sorted(readings.asked, key=lambda pair: pair[0])
        failed = min((cost for cost, _ in readings.failed), default=9.0)
        askable = bool(asked) and asked[0][0] <= (good[0].cost + _MARGIN if good else failed + _FAR)
        if askable:
            listed = (
                self._relations.planned(linked, now, timezone) if asked[0][1].listable and depth else None
            )
            if listed is not None and listed.plan.form == "list":
                return listed
            return self._ask(linked, asked[0][1], now, timezone, depth)
        barred = min((cost for cost, error in readings.failed if isinstance(error, Barred)), default=9.0)
        if not good or barred <= good[0].cost:
            return self._refusal(linked, readings, now, timezone, depth)
        best = good[0]
        chosen_sql = emit(best.plan)
        rivals = [r for r in good[1:] if r.cost <= best.cost + _MARGIN and emit(r.plan) != chosen_sql]
        if rivals and depth:
            return self._ask(linked, self._difference(linked, best, rivals), now, timezone, depth)
        if rivals:
            return Refusal("not_answerable", "The question has several readings.")
        told = tuple(explain(best.plan, self._index, linked, best.chosen))
        confidence = round(max(0.5, 1 - best.cost / 2), 3)
        return Planned(best.plan, chosen_sql, told, confidence, wordings(linked, best.chosen))

    def _difference(self, linked: Linked, best: _Reading, rivals: list[_Reading]) -> Ambiguous:
        """The first item that equally good readings take differently, with one choice for each of its
        meanings."""
        for place in sorted(best.chosen):
            meanings = [best.chosen[place]]
            for rival in rivals:
                if rival.chosen[place] not in meanings:
                    meanings.append(rival.chosen[place])
            if len(meanings) == 1:
                continue
            item = linked.items[place]
            choices = [Choice(*exactly(meaning, item), item.start, item.end) for meaning in meanings]
            return Ambiguous(f"'{item.text}' can mean several things here. Which one?", choices)
        return Ambiguous("The question can be read in several ways. Which one is meant?", [])

    def _ask(self, linked: Linked, ambiguous: Ambiguous, now: datetime, timezone: str, depth: int) -> Outcome:
        """A clarification whose choices were each planned again; without one left, a refusal."""
        if not depth:
            return Refusal("not_answerable", ambiguous.question)
        texts = [replaced(linked, choice) for choice in ambiguous.choices]
        outcomes = [self._plan(text, now, timezone, depth=depth - 1) for text in texts]
        outcome = offered(ambiguous, list(zip(ambiguous.choices, texts, outcomes, strict=True)))
        if outcome is not None:
            return outcome
        failed = next((lost for lost in outcomes if isinstance(lost, Refusal)), None)
        message = failed.message if failed else f"{ambiguous.question} Name the column you mean."
        return Refusal("not_answerable", message, self._suggested(linked, None, now, timezone, depth))

    def _looked_up(self, linked: Linked, now: datetime, timezone: str) -> Planned | None:
        """`order A-17`: a whole key value, and nothing asked of it, shows its row."""
        if any(item.kind in _TASKS for item in linked.items):
            return None
        for item in linked.items:
            for candidate in item.candidates:
                if candidate.kind != "value" or candidate.partial:
                    continue
                column = self._index.column(candidate.table, candidate.column)
                if is_unique(column, self._index.tables[candidate.table]):
                    outcome = self._plan(f"list {linked.question}", now, timezone, depth=0)
                    return outcome if shows_row(outcome, candidate) else None
        return None

    def _count_or_list(self, linked: Linked, now: datetime, timezone: str) -> Planned | Clarification | None:
        """Rows named without saying what to do with them: offer to count or to list them."""
        if any(item.kind in _TASKS for item in linked.items):
            return None
        listed = self._relations.planned(linked, now, timezone)
        if listed is not None and listed.plan.form == "list" and self._index.label(listed.plan.table):
            return listed  # things with names are listed by them
        offered = Ambiguous(
            "Should these rows be counted or listed?",
            [
                Choice("count them", f"number of {linked.tokens[0].raw}", 0, 1),
                Choice("list them", f"list {linked.tokens[0].raw}", 0, 1),
            ],
        )
        outcome = self._ask(linked, offered, now, timezone, depth=_DEPTH)
        return outcome if isinstance(outcome, Clarification) else None

    def _refusal(
        self, linked: Linked, readings: _Readings, now: datetime, timezone: str, depth: int
    ) -> Outcome:
        """Name the word that could not be used, say why, and offer what is near."""
        unknown = next((item for item in linked.items if item.kind in ("unknown", "literal")), None)
        if unknown is not None and unknown.kind == "unknown":
            return Refusal(
                "not_answerable",
                f"'{unknown.text}' is not a table, column or value known here.",
                self._suggested(linked, unknown, now, timezone, depth),
            )
        if not readings.failed:
            return Refusal(
                "not_answerable",
                "The question names nothing that the data has.",
                self._suggested(linked, None, now, timezone, depth),
            )
        looked_up = self._looked_up(linked, now, timezone) if depth == _DEPTH else None
        if looked_up is not None:
            return looked_up
        counted = self._count_or_list(linked, now, timezone) if depth == _DEPTH else None
        if counted is not None:
            return counted
        unread = min(readings.failed, key=lambda pair: (pair[0], not isinstance(pair[1], Barred)))[1]
        subject = f"'{unread.item.text}'" if unread.item is not None else "The question"
        return Refusal(
            "not_answerable",
            f"{subject} {unread.why}.",
            self._suggested(linked, unread.item, now, timezone, depth),
        )


_planners = Kept(Planner, _MOST_PLANNERS)


def plan(question: str, catalogue: Catalogue, *, now: datetime, timezone: str = "UTC") -> Outcome:
    """Plan a question over a catalogue; the index of the last few catalogues is kept in memory.

    May be called from several threads at once.
    """
    return _planners.of(catalogue).plan(question, now=now, timezone=timezone)


def index_of(catalogue: Catalogue, instead_of: Catalogue | None = None) -> CatalogueIndex:
    """What the planner derives from a catalogue, kept with it; cheap where `instead_of` is its last state."""
    return _planners.of(catalogue, instead_of).index


forget = _planners.forget
"""Drops what is kept of a catalogue that nobody asks about any more."""
