"""Questions that call metrics and dimensions by their names.

A metric's name is put as the total of a column that no table has, which the planner groups, filters, compares
and ranks like any other number; in the finished plan the metric's own computation takes that column's place.
So whatever the planner can do with a number it can do with a metric, and what does not make sense of one,
such as its median or its rows, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from .defined import spoken
from .definitions import DimensionDefinition, MetricDefinition
from .index import CatalogueIndex
from .metric_plans import MetricMisused, Substitution
from .outcomes import Clarification, ClarificationChoice, Outcome, Planned, Refusal, Wording
from .sql import emit
from .words import Token, lemma, tokenize

_COUNTED = ("how many", "the total number of", "total number of", "the number of", "number of", "count of")
_ADDED = ("the sum of", "sum of", "the total", "total", "how much")
_LEADS = {
    "count": (*_COUNTED, *_ADDED),
    "count_distinct": (*_COUNTED, "total"),
    "sum": _ADDED,
    "avg": ("the average", "average", "avg", "mean"),
    "median": ("the median", "median"),
    "min": ("the minimum", "minimum"),
    "max": ("the maximum", "maximum"),
}
"""Words before a metric's name that say no more than what it computes."""


Plan = Callable[[str], Outcome]
"""Plans a question in which no metric is called by its name."""


@dataclass(frozen=True)
class Use:
    """A name as a question has it, and what it calls: the text that stands for it, and how it was said."""

    called: MetricDefinition | DimensionDefinition
    table: str
    said: str
    text: str


class MetricQuestions:
    """Rewords questions over one catalogue, and puts what they call into their plans."""

    def __init__(self, index: CatalogueIndex) -> None:
        self._index = index
        self._names: dict[tuple[str, ...], tuple[MetricDefinition | DimensionDefinition, str]] = {}
        for (table, _), metric in index.defined.metrics.items():
            for name in metric.names:
                self._names.setdefault(spoken(name), (metric, table))
        for dimension in index.defined.definitions.dimensions:
            if dimension.grain and (dimension.table, dimension.column) in index.columns:
                for name in dimension.names:
                    self._names.setdefault(spoken(name), (dimension, dimension.table))
        self._names.pop((), None)
        self._longest = max(map(len, self._names), default=0)

    def reworded(self, question: str) -> tuple[str, tuple[Use, ...]]:
        """The question with each name put so that the planner reads it; as it was where it has none."""
        if not self._names:
            return question, ()
        tokens = [token for token in tokenize(question) if token.raw not in ("-", "\u2010", "\u2011")]
        uses: list[Use] = []
        pieces, end, place = [], 0, 0
        while place < len(tokens):
            length = self._called_at(tokens, place)
            if not length:
                place += 1
                continue
            called, table = self._names[_words(tokens[place : place + length])]
            begin, last = tokens[place].start, tokens[place + length - 1].end
            said = question[begin:last]
            before = _without_lead(question[end:begin], called)
            text = _put(called, table)
            uses.append(Use(called, table, said, text))
            pieces += [before, text]
            end, place = last, place + length
        return "".join(pieces) + question[end:], tuple(uses)

    def _called_at(self, tokens: list[Token], place: int) -> int:
        """How many words from here on are a name; 0 where none is."""
        for length in range(min(self._longest, len(tokens) - place), 0, -1):
            if _words(tokens[place : place + length]) in self._names:
                return length
        return 0

    def answered(self, question: str, plan: Plan, *, offering: bool = True) -> Outcome:
        """The outcome of a question; `plan` plans a reworded one.

        What it leads to is told in the words of the question itself. With `offering` a question back has its
        choices put and planned in these words, too.
        """
        text, uses = self.reworded(question)
        outcome = plan(text)
        if not uses:
            return outcome
        if isinstance(outcome, Clarification):
            return self._asked(outcome, uses, plan) if offering else outcome
        if isinstance(outcome, Refusal):
            return _refused(outcome, question, uses)
        return self._substituted(outcome, uses)

    def _substituted(self, outcome: Planned, uses: tuple[Use, ...]) -> Planned | Refusal:
        """The plan with its metrics computed, told in the words of the question."""
        called = [(use.table, use.called) for use in uses if isinstance(use.called, MetricDefinition)]
        metrics = tuple(dict.fromkeys(called))
        substitution = Substitution(self._index, metrics)
        try:
            plan = substitution.of(outcome.plan)
        except MetricMisused as misused:
            return Refusal("not_answerable", str(misused))
        lines = (_line(_spoken(line, uses), substitution) for line in outcome.explanation)
        told = (_told(use, substitution) for use in uses)
        explanation = tuple(dict.fromkeys((*lines, *told)))
        wordings = _wordings(outcome.wordings, uses)
        return Planned(plan, emit(plan), explanation, outcome.confidence, wordings)

    def _asked(self, asked: Clarification, uses: tuple[Use, ...], plan: Plan) -> Clarification | Refusal:
        """The question back, each choice in words that can be asked again, with the SQL it then has."""
        choices = []
        for choice in asked.choices:
            question = _spoken(choice.question, uses)
            outcome = self.answered(question, plan, offering=False)
            if isinstance(outcome, Planned):
                choices.append(ClarificationChoice(_spoken(choice.label, uses), question, outcome.sql))
        text = _spoken(asked.question, uses)
        return Clarification(text, tuple(choices)) if choices else Refusal("not_answerable", text)


def _words(tokens: list[Token]) -> tuple[str, ...]:
    """The words of some tokens; nothing where one of them is quoted or no word."""
    if any(token.kind not in ("word", "number") for token in tokens):
        return ()
    return tuple(lemma(token.word) for token in tokens)


def _without_lead(text: str, called: MetricDefinition | DimensionDefinition) -> str:
    """The text before a name without the words that only say again what a metric computes."""
    if isinstance(called, DimensionDefinition):
        return text
    plain = text.rstrip().casefold()
    for lead in _LEADS.get(called.aggregate, ()):
        if plain == lead or plain.endswith(f" {lead}"):
            return text.rstrip()[: -len(lead)]
    return text


def _put(called: MetricDefinition | DimensionDefinition, table: str) -> str:
    """What stands for a name in the reworded question."""
    if isinstance(called, DimensionDefinition):
        return f"`{table}.{called.column}` {called.grain}"
    return f"total `{table}.{called.name}`"


def _spoken(text: str, uses: tuple[Use, ...]) -> str:
    """A text with what stands for names put back into the words of the question."""
    for use in uses:
        text = text.replace(use.text, use.said)
        if isinstance(use.called, MetricDefinition):
            for quoted in (f"`{use.table}.{use.called.name}`", f"{use.table}.{use.called.name}"):
                text = text.replace(quoted, use.said)
    return text


def _refused(refusal: Refusal, question: str, uses: tuple[Use, ...]) -> Refusal:
    """A refusal in the words of the question; `total` is ours where the question has none."""
    told = tuple(_spoken(text, uses) for text in refusal.suggestions)
    message = _spoken(refusal.message, uses)
    metric = next((use.said for use in uses if isinstance(use.called, MetricDefinition)), "")
    if metric and "'total'" in message and "total" not in question.casefold():
        message = (
            f"'{metric}' is a metric, a number of many rows already. Ask for it as it is, or for its average "
            f"over groups, such as 'average {metric} per month'."
        )
    return replace(refusal, message=message, suggestions=told)


def _line(line: str, substitution: Substitution) -> str:
    """A line on how a question was read, with the names that the answer's columns have."""
    line = substitution.retitled(line)
    for old, new in substitution.aliases.items():
        line = re.sub(rf"\b{re.escape(old)}\b", new, line)
    if not substitution.is_zero_without_rows:
        line = line.replace("steps without rows count as 0", "steps without a value are left out")
        line = line.replace("without rows is 0 there", "without rows has no value there")
    return line


def _told(use: Use, substitution: Substitution) -> str:
    """One sentence on what a name was read as."""
    called = use.called
    if isinstance(called, DimensionDefinition):
        return (
            f"'{use.said}' is the dimension {called.name}: the {called.grain} of {use.table}.{called.column}."
        )
    return f"'{use.said}' is the metric {called.name}: {substitution.words(called)}."


def _wordings(wordings: tuple[Wording, ...], uses: tuple[Use, ...]) -> tuple[Wording, ...]:
    """What the words of the question were read as, the names of metrics as they were said."""
    said = {(use.table, use.called.name): use for use in uses if isinstance(use.called, MetricDefinition)}
    kept: list[Wording] = []
    for wording in wordings:
        use = said.get((wording.table, wording.column))
        if use is None or not isinstance(use.called, MetricDefinition):
            kept.append(wording)
            continue
        if kept and kept[-1].words.casefold() == "total":
            kept.pop()
        kept.append(Wording(use.said, "count"))
        for one in use.called.filters:
            kept.append(Wording(use.said, "value", use.table, one.column, one.values))
    return tuple(kept)
