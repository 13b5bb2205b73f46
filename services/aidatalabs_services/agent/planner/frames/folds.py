"""Groups folded into one number, days counted, and subjects that were active in each step of time."""

from __future__ import annotations

import re
from dataclasses import replace

from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.naming import Names
from aidatalabs_services.agent.planner.plan import Measure, QueryPlan

from .inner import Framed, Inner, refused
from .subjects import SubjectFrames
from .wording import Wording, tidy

_FOLDS = {"average": "avg", "avg": "avg", "mean": "avg", "median": "median", "maximum": "max", "max": "max",
          "highest": "max", "peak": "max", "largest": "max", "minimum": "min", "min": "min", "lowest": "min",
          "smallest": "min"}  # fmt: skip
_WORDS = "|".join(_FOLDS)
_STEPPED = re.compile(
    rf"^(?:the\s+)?(?P<fold>{_WORDS})\s+(?P<rest>(?:hourly|daily|weekly|monthly|quarterly|yearly)\s+.+)$"
)
_NUMBERED = re.compile(
    r"^(?:the\s+)?(?P<fold>median|maximum|max|minimum|min|highest|lowest|largest|smallest|peak)\s+"
    r"(?P<rest>(?:number|count)\s+of\s+.+?\s+(?:per|in\s+a|in\s+one|in\s+any|for\s+each|by|in\s+each)\s+.+)$"
)
_ACTIVE = re.compile(
    r"\b(?:(?P<adverb>hourly|daily|weekly|monthly|quarterly|yearly)\s+)?active\s+(?P<who>[\w`]+)\b"
    r"(?P<count>\s+(?:count|number)s?\b)?"
)
_LEAD = re.compile(
    r"^(?:how\s+many|(?:the\s+)?number\s+of|count(?:\s+of)?)\s*(?:different\s+|unique\s+|distinct\s+)?$"
)
_STEPS = re.compile(
    r"^(?:how\s+many|(?:the\s+)?number\s+of|count(?:\s+of)?)\s+(?:different\s+|distinct\s+|unique\s+)?"
    r"(?P<unit>day|week|month|quarter|year|hour)s\s*(?P<data>(?:of|with|have|has|had)\s+(?:any"
    r"\s+)?data\b)?\s*"
    r"(?:(?:are|is|were)\s+there\b|do\s+we\s+have\b)?\s*(?P<rest>(?:with|had|have|has|saw|of|in"
    r"\s+which)\s+.+)?$"
)
_HAVING = re.compile(
    r"^(?:with|had|have|has|saw|of|in\s+which(?:\s+there\s+were)?)\s+(?:any\s+|at\s+least\s+one\s+|an?\s+)?"
)
_UNITS = {"hourly": "hour", "daily": "day", "weekly": "week", "monthly": "month", "quarterly": "quarter",
          "yearly": "year"}  # fmt: skip


class FoldFrames:
    """Frames of folded groups; each returns None where its cue is not in the question."""

    def __init__(self, index: CatalogueIndex, inner: Inner) -> None:
        self._index = index
        self._inner = inner

    def folded(self, wording: Wording) -> Framed | None:
        """`highest daily sales`, `median number of orders per customer`: one number over the groups."""
        held = Wording(tidy(wording.text))
        match = held.search(_STEPPED) or held.search(_NUMBERED)
        if match is None:
            return None
        rest, fold = held.group(match, "rest"), match["fold"]
        rest = re.sub(r"\s+(?:in\s+(?:a|one|any|each)|for\s+each)\s+", " per ", rest)
        plan = self._inner.number(rest, lambda text: f"{fold} {text}")
        keys = [d for d in plan.dimensions if not d.label]
        if len(keys) != 1 or plan.limit or plan.having or plan.post or len(plan.measures) != 1:
            raise refused("This needs one number for each of one thing, such as 'per day'.")
        if _FOLDS[fold] == "avg" and plan.measures[0].function not in ("count", "sum", "count_distinct"):
            raise refused(f"An average of {plan.measures[0].title} per group is not something I can weigh.")
        made = replace(plan, form="scalar", outer=_FOLDS[fold], order=(), dimensions=tuple(keys), tied=False)
        return Framed(made, tuple(self._inner.read), (), self._inner.confidence)

    def active(self, wording: Wording) -> Framed | None:
        """`daily active users`, `active users per week`: different subjects with any row."""
        match = wording.search(_ACTIVE)
        if match is None:
            return None
        who = wording.group(match, "who")
        lead = tidy(f"{wording.text[: match.start()]} x")[:-1].strip()
        if (lead and not _LEAD.match(f"{lead.lower()} ")) or SubjectFrames(self._index, self._inner).subject(
            who
        ) is None:
            return None
        tail = wording.text[match.end() :].strip()
        step = f" per {_UNITS[match['adverb']]}" if match["adverb"] else ""
        again = f"{match['adverb'] or ''} active".strip()
        found = SubjectFrames(self._index, self._inner).subject(who)
        source = found[1] if found is not None else None
        key = f"`{source.table}.{source.column}`" if source is not None else who
        plan = self._inner.tried(f"number of different {key}{step} {tail}".strip()) or self._inner.planned(
            f"number of different {who}{step} {tail}".strip(), lambda _: f"{again} {who} {tail}"
        )
        counted = [m.function for m in plan.measures]
        if counted != ["count_distinct"]:
            raise refused(f"'{again} {who}' counts different {who}, and this asks for more.")
        line = f"Active are those with at least one row in {plan.table}."
        return Framed(plan, tuple(self._inner.read), (line,), self._inner.confidence)

    def steps(self, wording: Wording) -> Framed | None:
        """`how many days of data are there`, `number of days with orders`: different steps of time."""
        match = wording.search(_STEPS)
        if match is None or not (match["data"] or match["rest"]):
            return None
        unit, rest = match["unit"], wording.group(match, "rest")
        tables = self._index.catalogue.tables
        if rest:
            plan = self._counted(_HAVING.sub("", rest, count=1))
        elif len(tables) == 1:
            plan = self._inner.planned(f"number of rows of `{tables[0].name}`", lambda text: text)
        else:
            raise refused("The question does not say which table's days are meant.")
        if [m.function for m in plan.measures] != ["count"] or plan.dimensions or plan.having or plan.outer:
            raise refused(f"Different {unit}s can be counted of rows, and this asks for more.")
        stepped = self._inner.planned(f"number of rows of `{plan.table}` by {unit}", lambda text: text)
        sources = {w.source for w in plan.windows} or {d.source for d in stepped.dimensions if d.grain}
        if len(sources) != 1:
            raise refused(f"{plan.table} has no one time that its {unit}s could be counted by.")
        title = f"number of different {unit}s"
        alias = Names(self._index, plan.table).fresh(title)
        measure = Measure("count_distinct", sources.pop(), alias, title, grain=unit)
        line = f"Counts the {unit}s that have at least one such row."
        return Framed(
            replace(plan, measures=(measure,)), tuple(self._inner.read), (line,), self._inner.confidence
        )

    def _counted(self, text: str) -> QueryPlan:
        return self._inner.number(text, lambda put: f"number of days with {put}")
