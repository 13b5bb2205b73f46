"""Where each part of a plan came from: words of the question, a key, a rule of the planner, a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aidatalabs_services.agent.planner.explain import condition_words
from aidatalabs_services.agent.planner.outcomes import Wording
from aidatalabs_services.agent.planner.plan import Filter, Measure, QueryPlan, Source

WORDS = "planner: words"
DEFAULT = "planner: default"
KEY = "planner: key"
EARLIER = "earlier turn"

_SAID = frozenset(("post", "cohort", "per group"))
"""Parts that nothing but words of the question makes."""
_NUMBERS = frozenset(("fn", "count", "how_much", "share", "distinct"))
_TIMES = frozenset(("window", "grain", "part", "unit", "when"))
_ORDERS = frozenset(("superlative", "top", "order", "rank", "direction", "extreme", "which", "comparative"))


@dataclass(frozen=True)
class Part:
    """One part of a plan, what made it, and the words of the question that say it (empty: none)."""

    part: str
    detail: str
    made_by: str
    words: str


def parts_of(
    plan: QueryPlan, wordings: Sequence[Wording], earlier: QueryPlan | None = None
) -> tuple[Part, ...]:
    """Every part of a plan in the order of SQL. Parts that `earlier` has too and no word says were kept."""
    return tuple(_Parts(plan, wordings, earlier).all())


def parts_by(maker: str, plan: QueryPlan | None) -> tuple[Part, ...]:
    """Every part of a plan that one maker, such as `model claude`, made; nothing without a plan."""
    return tuple(Part(kind, detail, maker, "") for kind, detail, _ in _parts(plan)) if plan else ()


def shown_to(alias: str, lessons: Sequence[str]) -> tuple[Part, ...]:
    """The lessons that a model had as examples, where it had any."""
    return (Part("examples", ", ".join(lessons), f"model {alias}", ""),) if lessons else ()


class _Parts:
    """Finds the words of each part of one plan."""

    def __init__(self, plan: QueryPlan, wordings: Sequence[Wording], earlier: QueryPlan | None) -> None:
        self._plan = plan
        self._wordings = wordings
        self._earlier = set(_details(earlier)) if earlier is not None else set()

    def all(self) -> Iterator[Part]:
        for kind, detail, subject in _parts(self._plan):
            words = ", ".join(dict.fromkeys(self._words(kind, subject)))
            if words:
                made_by = WORDS
            elif (kind, detail) in self._earlier:
                made_by = EARLIER
            elif kind in _SAID:
                made_by = WORDS
            else:
                made_by = KEY if kind == "join" else DEFAULT
            yield Part(kind, detail, made_by, words)

    def _words(self, kind: str, subject: object) -> Iterator[str]:
        for wording in self._wordings:
            if self._says(wording, kind, subject):
                yield wording.words

    def _says(self, wording: Wording, kind: str, subject: object) -> bool:
        if kind == "table":
            return wording.table == subject and not wording.column
        if kind == "join":
            return False
        if isinstance(subject, Measure):
            own = subject.source is not None and self._names(wording, subject.source) and not wording.values
            conditioned = any(self._compared(wording, one) for one in subject.conditions)
            return own or conditioned or wording.kind in _NUMBERS
        if isinstance(subject, Filter):
            return self._compared(wording, subject)
        if isinstance(subject, Source):  # of a dimension
            timed = wording.kind in ("grain", "part", "unit") and kind == "time step"
            return timed or (self._names(wording, subject) and not wording.values)
        if kind == "window":
            return wording.kind in _TIMES and wording.kind not in ("grain", "part")
        if kind == "limit":
            return (wording.kind == "number" and wording.words == str(subject)) or wording.kind in _ORDERS
        return kind == "order" and wording.kind in _ORDERS

    def _compared(self, wording: Wording, condition: Filter) -> bool:
        if wording.kind == "number":
            return condition.numeric and wording.words in condition.values
        if wording.values:
            return bool(set(wording.values) & set(condition.values))
        return self._names(wording, condition.source)

    def _names(self, wording: Wording, source: Source) -> bool:
        columns = {source.column, *source.calendar} - {""}
        return wording.column in columns and self._plan.tables.get(source.table) == wording.table


def _parts(plan: QueryPlan) -> Iterator[tuple[str, str, object]]:
    """(kind, what it is, what its words are looked for with) of each part."""
    yield "table", plan.table, plan.table
    for join in plan.joins:
        detail = f"{join.left}.{join.left_column} = {join.alias}.{join.right_column}"
        yield "join", f"{join.table} by {detail}", join
    for measure in plan.measures:
        yield "measure", measure.title or measure.function, measure
    for dimension in plan.dimensions:
        step = dimension.grain or dimension.part
        detail = f"{step} of {_column(dimension.source)}" if step else _column(dimension.source)
        yield "time step" if step else "dimension", detail, dimension.source
    for condition in plan.filters:
        yield "filter", f"{_column(condition.source)} {condition_words(condition)}", condition
    for window in plan.windows:
        bounds = f"from {window.start or 'the beginning'} to before {window.end or 'the end'}"
        yield "window", f"{_column(window.source)} {bounds}", window
    for having in plan.having:
        yield "having", f"{having.measure} {having.operator} {' and '.join(having.values)}", having
    for order in plan.order:
        yield "order", f"{order.alias} {'descending' if order.descending else 'ascending'}", order
    if plan.limit:
        yield "limit", str(plan.limit), plan.limit
    if plan.limit_by:
        yield "per group", ", ".join(plan.limit_by), plan.limit_by
    for post in plan.post:
        yield "post", post.title, post
    if plan.inner is not None:
        yield from (part for part in _parts(plan.inner) if part[0] != "table")
    if plan.cohort is not None:
        steps = "".join(f", {step.title}" for step in plan.cohort.steps)
        yield "cohort", f"{plan.cohort.kind} of {_column(plan.cohort.subject)}{steps}", plan.cohort


def _details(plan: QueryPlan) -> Iterator[tuple[str, str]]:
    for kind, detail, _ in _parts(plan):
        yield kind, detail


def _column(source: Source) -> str:
    return f"{source.table}.{source.column or '/'.join(name for name in source.calendar if name)}"
