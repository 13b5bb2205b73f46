"""Time between rows of the same subject, and what each subject did first or last."""

from __future__ import annotations

import re
from dataclasses import replace

from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.plan import (
    Cohort,
    Dimension,
    Filter,
    Measure,
    Order,
    QueryPlan,
    Source,
    Step,
)

from .followers import Followed, Followers, Tail, anything, began, moment_of, spoken
from .inner import Framed, Inner, refused
from .subjects import act_of
from .wording import Wording, tidy

_FOLD = r"(?:(?:the\s+)?(?P<fold>average|avg|mean|median|typical|shortest|longest|minimum|maximum)\s+)"
_UNIT = r"(?:(?:number\s+of\s+)?(?P<unit>seconds?|minutes?|hours?|days?|weeks?|months?|time|gap|interval)s?)"
_OF = r"(?:\s+(?:of|per|for|by|from)\s+(?:the\s+same|each|every|one|an?|any)?\s*(?P<who>[\w`\u0001]+))?"
_ORDINAL = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "next": 2}
_BETWEEN = re.compile(
    rf"^{_FOLD}?{_UNIT}\s+between\s+(?:(?:two|consecutive|successive|subsequent)\s+)*(?:(?:an?|each"
    rf"|the)\s+(?P<whose>\w+)(?:'s|s')\s+)?(?:(?:two|consecutive|successive|subsequent)\s+)*"
    rf"(?!(?:first|the\s+first)\b)(?P<what>[\w`\u0001]+){_OF}$"
)
_NTH = re.compile(
    rf"^{_FOLD}?{_UNIT}\s+(?:between|from)\s+(?:(?:an?|each|the|their)\s+)?(?:(?P<whose>\w+)(?:'s|s')"
    rf"\s+)?(?:the\s+)?(?P<a>first|1st|second|2nd)\s+(?:(?P<x>[\w`\u0001]+)\s+)?(?:and|to|until)\s+"
    rf"(?:the\s+|their\s+)?(?P<b>second|2nd|next|third|3rd)\s+(?P<what>[\w`\u0001]+){_OF}$"
)
_SINCE = re.compile(
    rf"^{_FOLD}?{_UNIT}\s+(?:it\s+takes\s+)?(?:between|from)\s+(?:the\s+|their\s+)?(?P<start>[\w -]+?)"
    rf"\s+(?:and|to|until)\s+(?:the\s+|their\s+)?(?:first\s+)?(?P<what>[\w`\u0001 ]+?)(?P<by>\s+(?:by|per)"
    rf"\s+[\w`\u0001 ]+)?$"
)
_DATE = re.compile(
    r"^(?:when\s+(?:was|is)\s+the\s+)?(?P<way>first|last|latest|earliest|most\s+recent)\s+"
    r"(?P<what>[\w`\u0001]+)\s+(?:date|time|day)s?\s+(?:of|per|for|by)\s+(?:each\s+|every\s+)?"
    r"(?P<who>[\w`\u0001]+)$"
    r"|^when\s+(?:did|has)\s+(?:each|every)\s+(?P<who2>[\w`\u0001]+)\s+(?P<way2>first|last)\s+(?P<did>.+)$"
)
_ACTIVE_DAYS = re.compile(
    r"^(?:(?:the\s+)?(?:average|avg|mean)\s+(?:number\s+of\s+)?(?:active\s+(?P<unit>day|week|month)s|"
    r"(?P<unit3>day|week|month)s\s+active)\s+(?:per|of\s+each|for\s+each|of\s+an?)\s+(?P<who>[\w`\u0001]+)"
    r"|(?:on\s+average\s*,?\s*)?how\s+many\s+active\s+(?P<unit2>day|week|month)s\s+(?:does|do|did|has"
    r"|have)\s+(?:an?\s+|the\s+average\s+|each\s+)?(?P<who2>[\w`\u0001]+)\s+have(?:\s+on\s+average)?)"
    r"(?P<rest>\s+.+)?$"
)
_FOLDS = {
    "average": "avg",
    "avg": "avg",
    "mean": "avg",
    "typical": "median",
    "median": "median",
    "minimum": "min",
    "shortest": "min",
    "maximum": "max",
    "longest": "max",
}


class IntervalFrames:
    """Frames of rows of one subject; each returns None where its cue is not in the question."""

    def __init__(self, index: CatalogueIndex, inner: Inner) -> None:
        self._index = index
        self._inner = inner
        self._followers = Followers(index, inner)

    def gaps(self, wording: Wording) -> Framed | None:
        """`average days between orders of a customer`: from each row to the next of the same subject."""
        match = wording.search(_BETWEEN)
        if match is None or not (match["fold"] or match["unit"]):
            return None
        who = match["who"] or match["whose"] or ""
        if not who and _FOLDS[match["fold"] or "average"] in ("min", "max"):
            return None  # of all rows, whoever's they are
        found = self._deed(who, wording.group(match, "what"))
        if found is None:
            return None
        followed, step = found
        line = f"Each {step.title} is measured from the one before of the same {_one(followed)}."
        return self._measured(match, followed, step, line)

    def nth(self, wording: Wording) -> Framed | None:
        """`median time between first and second order`."""
        match = wording.search(_NTH)
        if match is None or _ORDINAL[match["b"]] != _ORDINAL[match["a"]] + 1 or _ORDINAL[match["a"]] != 1:
            return None
        what = wording.group(match, "what")
        if match["x"] and match["x"].rstrip("s") != what.rstrip("s").lower():
            return None
        found = self._deed(match["who"] or match["whose"] or "", what)
        if found is None:
            return None
        followed, step = found
        line = f"Of each {_one(followed)} with at least two, from the first {step.title} to the second."
        return self._measured(match, followed, step, line, second=True)

    def since(self, wording: Wording) -> Framed | None:
        """`median days from sign-up to first order`, where a date of the subjects' own tells the sign-up."""
        match = wording.search(_SINCE)
        if match is None:
            return None
        start = wording.group(match, "start").strip()
        what = re.sub(r"^first\s+", "", wording.group(match, "what"), flags=re.I)
        followed = self._follower(start)
        if followed is None:
            return None
        step = self._step(followed, what)
        made = self._followers.begun(followed)
        if step is None or made is None:
            return None
        by = wording.group(match, "by") if match["by"] else ""
        tail = self._followers.tail(made, tidy(by))
        cohort = Cohort("follow_list", made.source, made.time, (anything(), step), True, start=made.start)
        rows = self._followers.rows(made, tail, cohort)
        begun = made.start or made.time
        end = moment_of(made.time, "end_")
        known = Filter(replace(end, type=f"Nullable({end.type})"), "not_null")
        line = f"From {begun.column} to the first {step.title} after it; who has none is left out."
        return self._told(match, (rows, tail), (moment_of(begun, "start_"), end), line, (known,))

    def _follower(self, start: str) -> Followed | None:
        """Those whose own table has a date of the start that is said."""
        low = start.lower().replace("-", "").replace(" ", "")
        for name in self._index.tables:
            column = began(self._index, name)
            edges = [e for e in self._index.edges if e.to_table == name and self._index.time_columns(e.table)]
            if column is None or len(edges) != 1:
                continue
            bare = re.sub(r"[_ ]?(?:at|on|date|time|ts)$", "", column.name.casefold()).replace("_", "")
            stem = re.sub(r"(?:ed|ing|ion|ation|e)$", "", bare)
            said = re.sub(r"^(?:" + re.escape(name.rstrip("s")) + r")s?", "", low)
            kin = low == bare or said.startswith(stem) or bare.replace("signed", "sign") == said
            if kin and len(stem) > 2:
                key = edges[0]
                plan = self._inner.tried(f"number of different `{key.table}.{key.column}`")
                if plan is None:
                    return None
                source = Source(key.table, key.column, self._index.column(key.table, key.column).type)
                return Followed(name, plan, source, self._followers.subjects.time(plan))
        return None

    def _step(self, followed: Followed, what: str) -> Step | None:
        table = followed.time.table
        plan = self._inner.tried(f"number of {what}")
        if plan is not None and plan.table == table and [m.function for m in plan.measures] == ["count"]:
            if plan.joins or plan.windows or plan.dimensions or plan.having:
                return None
            return Step(what, plan.filters)
        act = act_of(what)
        if act is None or act.never or act.often:
            return None
        return self._followers.subjects.step(followed.who, followed.plan, followed.source, act)

    def _deed(self, who: str, what: str) -> tuple[Followed, Step] | None:
        """The rows that are called so, and whose they are."""
        plan = self._inner.tried(f"number of {what}")
        if plan is None or [m.function for m in plan.measures] != ["count"] or plan.joins or plan.dimensions:
            return None
        followed = self._followers.found(who)
        if followed is None and not who:
            followed = self._owner(plan.table)
        if followed is None or followed.time.table != plan.table:
            return None
        return followed, Step(what, plan.filters, plan.windows)

    def _owner(self, table: str) -> Followed | None:
        """The one person that rows of a table refer to."""
        edges = [e for e in self._index.edges if e.table == table]
        found = [self._followers.found(edge.to_table) for edge in edges]
        own = [one for one in found if one is not None and one.time.table == table]
        return own[0] if len(own) == 1 else None

    def _measured(
        self, match: re.Match[str], followed: Followed, step: Step, line: str, *, second: bool = False
    ) -> Framed:
        """From each row to the next of the same subject, or from the first to the second alone."""
        tail = self._followers.tail(followed, "")
        rows = self._followers.rows(followed, tail, Cohort("gap_list", followed.source, followed.time))
        held = tuple(f for f in step.filters if f not in rows.filters)
        rows = replace(rows, filters=(*rows.filters, *held), windows=step.windows)
        nth = (Filter(Source("", "nth_", "UInt64"), "eq", ("2",), numeric=True),) if second else ()
        ends = (moment_of(followed.time, "before_"), moment_of(followed.time, "moment_"))
        return self._told(match, (rows, tail), ends, line, nth)

    def _told(
        self,
        match: re.Match[str],
        made: tuple[QueryPlan, Tail],
        ends: tuple[Source, Source],
        line: str,
        held: tuple[Filter, ...],
    ) -> Framed:
        """The time between two ends of each row, folded into one number."""
        (rows, tail), (begin, end) = made, ends
        found = match.groupdict()
        unit = (found.get("unit") or "day").rstrip("s")
        unit = "day" if unit in ("time", "gap", "interval") else unit
        if any(column_type(one.type).kind == "date" for one in ends) and unit in ("second", "minute", "hour"):
            raise refused("Only days are told here, which have no hours.")
        fold = _FOLDS[found.get("fold") or "average"]
        title = f"{found.get('fold') or 'average'} {unit}s between"
        measure = Measure(fold, end, "", title, f"{unit}s", since=begin, grain=unit)
        plan = self._followers.over(rows, tail, (measure,), begin, held)
        counted = "whole calendar steps" if unit in ("day", "week", "month") else "elapsed time"
        return self._followers.framed(plan, f"{line} Told in {unit}s ({counted}).")

    def dates(self, wording: Wording) -> Framed | None:
        """`first order date of each customer`, `when did each user last log in`."""
        match = wording.search(_DATE)
        if match is None:
            return None
        who = wording.group(match, "who") or wording.group(match, "who2")
        followed = self._followers.found(who)
        if followed is None:
            return None
        step = self._step(followed, wording.group(match, "what") or wording.group(match, "did"))
        if step is None:
            return None
        way = (match["way"] or match["way2"]).lower()
        first = way in ("first", "earliest")
        plan = followed.plan
        title = f"{'first' if first else 'last'} {step.title}"
        measure = Measure(
            "min" if first else "max", followed.time, f"{'first' if first else 'last'}_time", title
        )
        key = Dimension(followed.source, followed.source.column, spoken(followed.source).rstrip("s"))
        made = replace(
            plan,
            form="table",
            measures=(measure,),
            dimensions=(key,),
            filters=step.filters,
            windows=step.windows,
            order=(Order(key.alias, False),),
            tied=False,
        )
        return self._followers.framed(made)

    def active_days(self, wording: Wording) -> Framed | None:
        """`average number of active days per user`: different days with any row."""
        match = wording.search(_ACTIVE_DAYS)
        if match is None:
            return None
        followed = self._followers.found(wording.group(match, "who") or wording.group(match, "who2"))
        if followed is None:
            return None
        unit = match["unit"] or match["unit2"] or match["unit3"]
        tail = self._followers.tail(followed, tidy(wording.group(match, "rest")))
        if tail.steps or tail.groups:
            return None
        title = f"number of different {unit}s"
        measure = Measure("count_distinct", followed.time, f"active_{unit}s", title, grain=unit)
        key = Dimension(followed.source, "subject_", followed.source.column)
        made = replace(
            followed.plan,
            form="scalar",
            measures=(measure,),
            dimensions=(key,),
            outer="avg",
            order=(),
            filters=tail.plan.filters,
            windows=tail.plan.windows,
            joins=tail.plan.joins,
            tied=False,
        )
        return self._followers.framed(
            made, f"Active is a {unit} with at least one row in {followed.time.table}."
        )


def _one(followed: Followed) -> str:
    return spoken(followed.source).rstrip("s")
