"""Subjects on their way from one event to another: funnels, conversions, spans of time, returns, sessions."""

from __future__ import annotations

import re
from dataclasses import replace

from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.naming import Names
from aidatalabs_services.agent.planner.outcomes import Clarification, ClarificationChoice, Planned
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

from .followers import Followed, Followers, flag, moment_of, spoken
from .inner import Framed, Inner, Stopped, refused
from .merging import joined
from .subjects import SubjectFrames, act_of, repeating
from .wording import COUNT, SECONDS, Wording, number, tidy

_FUNNEL = re.compile(r"\bfunnel\b(?:\s+(?:of|from|for|with(?:\s+the)?\s+steps?|analysis))?:?|(?:->|=>|→)")
_FUNNEL_WORDS = re.compile(
    r"\bfunnel\b(?:\s+(?:analysis|chart|report))?(?:\s+(?:of|from|for|with(?:\s+the)?\s+(?:steps?"
    r"|stages?)))?\s*:?",
    re.I,
)
_ARROW = re.compile(r"\s*(?:->|=>|→|\u203a)\s*")
_STEPS = re.compile(r"\s*,?\s+(?:and\s+then|then|to|and)\s+|\s*,\s*")
_EACH_STEP = re.compile(
    r"\s*[,:.;]?\s*\b(?:with\s+|show(?:ing)?\s+)?(?:(?:the\s+)?(?:number|count)\s+of|how\s+many)\s+"
    r"(?P<who>\w+)\s+"
    r"(?:(?:who\s+|that\s+)?(?:get|got|make\s+it|made\s+it|come|came|go|went|reach|reached|are|were"
    r"|remain)\s+)?"
    r"(?:(?:at|in|for|to|per|after)\s+)?(?:each|every)\s+(?:step|stage)s?|\s*\bfor\s+(?P<who2>\w+)$"
)
_ORDERED = re.compile(
    r"\s*,?\s*\bin\s+(?:this|that|the\s+given|exactly\s+this)\s+order\b|\s*\b(?:strictly\s+)?ordered\b"
    r"|\s*,?\s*\bin\s+(?:any|whichever)\s+order\b"
)
_WITHIN = re.compile(
    rf"\s*,?\s*\bwithin\s+(?P<n>{COUNT}|an?)\s+(?P<unit>second|minute|hour|day|week)s?(?:\s+of\s+"
    rf"(?:each\s+other|the\s+first(?:\s+step)?))?"
)
_CONVERSION = re.compile(
    r"\bconversion(?:\s+rate)?\s+(?:from|of|between)\s+(?P<a>.+?)\s+(?:to|into|and)\s+(?P<b>.+)$"
)
_CONVERSION_OF = re.compile(
    r"\b(?P<a>[\w`\u0001]+)[\s-]to[\s-](?P<b>[\w`\u0001]+)\s+conversion(?:\s+rate)?\b(?P<tail>.*)$"
)
FIRST = re.compile(r"^(?:(?:the|their|a|an|his|her|its|each\s+\w+'s)\s+)*(?:first\s+|initial\s+)?(?:the\s+)?")
_RETENTION = re.compile(
    r"\b(?:(?P<adverb>daily|weekly|monthly|quarterly|yearly)\s+)?(?:(?:user|customer|cohort|client"
    r"|member)\s+)?retention\b"
    r"(?:\s+(?:rates?|table|matrix|cohorts?|analysis|curve))?(?:\s+(?:of|for))?"
)
_COHORTS = re.compile(
    r"\s*,?\s*\b(?:by|per|in|for\s+each|with)\s+(?:(?P<start>\w+)\s+)?(?P<adverb>daily|weekly|monthly"
    r"|quarterly|yearly)?\s*"
    r"(?:(?P<unit>day|week|month|quarter|year)(?:ly)?)?\s*(?:cohorts?)?$"
)
_ADVERBS = {"daily": "day", "weekly": "week", "monthly": "month", "quarterly": "quarter", "yearly": "year"}
_GROUPED = re.compile(
    r"\s*,?\s+(?:by|per|for\s+each|in\s+each|split\s+by|broken\s+down\s+by)\s+(?P<by>(?!step|stage)[\w` ]+)$"
)
_LOST = re.compile(
    r"\b(?:where|at\s+(?:which|what)\s+(?:step|stage))\s+(?:do|does|did|are)\s+(?:we\s+lose\s+)?(?:the"
    r"\s+)?(?P<who>\w+)?(?:\s+(?:drop(?:ping)?\s+(?:off|out)|leave|get\s+lost|lost))?(?:\s+most)?\s+"
    r"(?:in|on|along|of|from)?"
    r"|\bdrop[\s-]?offs?(?:\s+rates?)?(?:\s+(?:at|for|in|of)\s+(?:each|every)\s+(?:step|stage))?(?:\s+"
    r"(?:of|in|from|for|between|by\s+step))?",
)


class PathFrames:
    """Frames of ways through events; each returns None where its cue is not in the question."""

    def __init__(self, index: CatalogueIndex, inner: Inner) -> None:
        self._index = index
        self._inner = inner
        self._subjects = SubjectFrames(index, inner)

    def funnel(self, wording: Wording) -> Framed | None:
        """`funnel visit -> cart -> order within 7 days`: how many did each step and all before it."""
        lost = wording.search(_LOST)
        if wording.search(_FUNNEL) is None and lost is None:
            return None
        whole = wording.without(lost.span()) if lost is not None else wording.text
        text, who, within, ordered = self._trimmed(_FUNNEL_WORDS.sub(" ", whole, count=1))
        text, by = self._parted(tidy(text))
        who = who or (lost["who"] or "" if lost is not None else "")
        text = tidy(re.sub(r"^from\s+", "", tidy(text), flags=re.I))
        parts = _ARROW.split(text) if _ARROW.search(text) else _STEPS.split(text)
        if len(parts) < 2:
            raise refused("A funnel needs at least two steps, such as 'funnel visit -> order'.")
        plan, source, steps = self._path(parts, who)
        ordered = ordered or within > 0 or re.search(r"\bthen\b", text.lower()) is not None
        listed = "," in text and not _ARROW.search(text) and not re.search(r"\bto\b", text)
        if listed and not ordered and lost is None and "any order" not in wording.plain:
            raise self._unordered(wording.text)
        title = f"number of different {spoken(source)}"
        names = Names(self._index, plan.table)
        plan, groups = self._grouped(plan, by, names)
        measures: tuple[Measure, ...] = (
            Measure("count_distinct", source, names.fresh(title), title),
            Measure(
                "percent", None, names.fresh("percent_of_first_step"), "percent of the first step", "percent"
            ),
        )
        if lost is not None:
            measures += (
                Measure("count_distinct", source, names.fresh("lost"), "lost since the step before"),
                Measure("percent", None, names.fresh("percent_lost"), "percent lost", "percent"),
            )
        dimensions = (
            *groups,
            Dimension(source, names.fresh("step"), "step number"),
            Dimension(source, names.fresh("step_name"), "step"),
        )
        cohort = Cohort("funnel", source, self._subjects.time(plan), steps, ordered, within, groups=groups)
        made = replace(plan, form="table", measures=measures, dimensions=dimensions, cohort=cohort, order=())
        return Framed(made, tuple(self._inner.read), (), self._inner.confidence)

    def _unordered(self, text: str) -> Stopped:
        """Steps that are only listed may have to come in this order, or not."""
        made = []
        for label, words in (("in this order", "in this order"), ("in whichever order", "in any order")):
            outcome = self._inner.whole(f"{text} {words}")
            if isinstance(outcome, Planned):
                made.append(ClarificationChoice(label, f"{text} {words}", outcome.sql))
        if not made:
            return refused("Say whether the steps have to come in this order, or in any order.")
        return Stopped(Clarification("Do the steps have to come in this order?", tuple(made)))

    def conversion(self, wording: Wording) -> Framed | None:
        """`conversion rate from visit to order`: of those who did the first, how many did the second."""
        match = wording.search(_CONVERSION) or wording.search(_CONVERSION_OF)
        if match is None:
            return None
        first, second = wording.group(match, "a"), wording.group(match, "b")
        if match.groupdict().get("tail"):
            second = f"{second} {wording.group(match, 'tail').strip()}"
        second, who, within, ordered = self._trimmed(second)
        second, by = self._parted(second)
        if tidy(f"{wording.text[: match.start()]} x") != "x":
            raise refused("What stands before the conversion rate is not something I can read.")
        plan, source, steps = self._path([first, second], who)
        cohort = Cohort(
            "member_share", source, self._subjects.time(plan), steps, ordered or within > 0, within, 1
        )
        title = f"conversion from {steps[0].title} to {steps[1].title}"
        first, second = steps[0].title, steps[1].title
        who_line = f"Counts different {spoken(source)}: of those with {first}, those with {second}."
        return self._told(plan, cohort, title, by, who_line)

    def _parted(self, text: str) -> tuple[str, str]:
        """A text without what its numbers are told apart by."""
        match = _GROUPED.search(text.lower())
        return (text[: match.start()], text[match.start("by") :]) if match is not None else (text, "")

    def _grouped(self, plan: QueryPlan, by: str, names: Names) -> tuple[QueryPlan, tuple[Dimension, ...]]:
        """The plan with the columns that tell its subjects apart."""
        if not by:
            return plan, ()
        tail = self._inner.planned(f"number of rows of `{plan.table}` by {by}", lambda put: put)
        plain = tail.table == plan.table and [m.function for m in tail.measures] == ["count"]
        if (
            not plain
            or not tail.dimensions
            or tail.limit
            or tail.having
            or any(d.grain for d in tail.dimensions)
        ):
            raise refused(f"'{by}' is not something that these steps can be told apart by.")
        if any(not f.known for f in tail.filters) or tail.windows:
            raise refused(f"'{by}' is not something that these steps can be told apart by.")
        names.taken(*(d.alias for d in tail.dimensions))
        groups = tail.dimensions
        return replace(plan, joins=joined(plan, tail)), groups

    def _told(self, plan: QueryPlan, cohort: Cohort, title: str, by: str, line: str) -> Framed:
        """One number, for each group or step of time if any are asked for."""
        if not by:
            return self._subjects.framed(plan, cohort, title, (line,))
        if re.search(r"\b(?:hour|day|week|month|quarter|year)$", by.lower()):
            return self._in_time(plan, cohort, title, by, line)
        names = Names(self._index, plan.table)
        plan, groups = self._grouped(plan, by, names)
        framed = self._subjects.framed(plan, replace(cohort, groups=groups), title, (line,))
        measure = replace(framed.plan.measures[0], alias=names.fresh(title))
        order = (Order(measure.alias, True), *(Order(d.alias, False) for d in groups))
        made = replace(framed.plan, form="table", dimensions=groups, measures=(measure,), order=order)
        told = "Each group looks at its own rows alone: who has rows in several counts in each."
        return replace(framed, plan=made, lines=(*framed.lines, told))

    def _in_time(self, plan: QueryPlan, cohort: Cohort, title: str, by: str, line: str) -> Framed:
        """The same for each step of time in which the first of the events lay."""
        followers = Followers(self._index, self._inner)
        followed = Followed(spoken(cohort.subject), plan, cohort.subject, cohort.time)
        tail = followers.tail(followed, f"by {by}")
        if len(cohort.steps) != 2 or tail.groups:
            raise refused(f"'{by}' is not something that these steps can be told apart by.")
        first, second = cohort.steps
        made = replace(
            cohort, kind="follow_list", steps=(replace(first, windows=()), second), within_seconds=0
        )
        if cohort.within_seconds:
            made = replace(made, within_seconds=cohort.within_seconds)
        rows = followers.rows(followed, tail, made)
        begun = moment_of(cohort.time, "start_")
        windows = tuple(replace(w, source=begun) for w in (*first.windows, *plan.windows))
        held = flag("back_1") if made.within_seconds else Filter(moment_of(cohort.time, "end_"), "not_null")
        part = Measure("count", None, "", f"with {second.title}", conditions=(held,))
        whole = Measure("count", None, "", f"with {first.title}")
        rate = Measure("percent", None, "", title, "percent", conditions=(held,))
        told = (
            f"Each counts in the {tail.steps[0].grain} of its first {first.title}, whenever the other came."
        )
        over = followers.over(replace(rows, windows=()), tail, (whole, part, rate), begun, windows=windows)
        return followers.framed(over, line, told)

    def retention(self, wording: Wording) -> Framed | None:
        """`monthly retention of users who signed up`: each cohort and how many of it came in later steps."""
        match = wording.search(_RETENTION)
        if match is None:
            return None
        rest, grain = wording.without(match.span()), _ADVERBS.get(match["adverb"] or "", "")
        cohorts = _COHORTS.search(rest.lower())
        start = ""
        if cohorts is not None and (cohorts["unit"] or cohorts["adverb"]):
            grain = cohorts["unit"] or _ADVERBS[cohorts["adverb"]]
            start = cohorts["start"] or ""
            rest = rest[: cohorts.start()]
        if not grain:
            raise refused("Retention needs a step of time: say 'weekly retention' or 'retention by month'.")
        rest = tidy(rest)
        who = re.match(r"^(?P<who>[\w`]+)(?:\s+(?P<did>.*))?$", rest)
        subject = self._subjects.subject(who["who"]) if who else None
        did = (who["did"] or "") if who and subject else rest
        acts = [
            act_of(text)
            for text in (re.split(r"\s+(?:and|who)\s+(?:then\s+|later\s+)?", did) if did else [start])
        ]
        name, plan, source = self._followed(subject, who["who"] if who and subject else "", did or start)
        if len(acts) > 2 or any(act is not None and act.often for act in acts):
            raise refused(
                "Retention follows one event to another: say which starts it and which is a return."
            )
        steps = tuple(
            self._subjects.step(name, plan, source, act) if act is not None else Step("any row")
            for act in acts
        )
        steps = (*steps, Step("any row")) if len(steps) == 1 else steps
        return self._retained(plan, source, steps, grain)

    def _retained(self, plan: QueryPlan, source: Source, steps: tuple[Step, ...], grain: str) -> Framed:
        names = Names(self._index, plan.table)
        time = self._subjects.time(plan)
        dimensions = (
            Dimension(
                time, names.fresh(f"cohort_{grain}"), f"{grain} of the first {steps[0].title}", grain=grain
            ),
            Dimension(time, names.fresh(f"{grain}s_later"), f"{grain}s later"),
        )
        size = f"{spoken(source)} in the cohort"
        measures: tuple[Measure, ...] = (
            Measure("count_distinct", source, names.fresh("cohort_size"), size),
            Measure(
                "count_distinct", source, names.fresh("returned"), f"{spoken(source)} with {steps[1].title}"
            ),
            Measure("percent", None, names.fresh("retention_percent"), "retention", "percent"),
        )
        cohort = Cohort("retention", source, time, steps, True, 0, 1, grain)
        made = replace(plan, form="table", measures=measures, dimensions=dimensions, cohort=cohort, order=())
        return Framed(made, tuple(self._inner.read), (), self._inner.confidence)

    def _trimmed(self, text: str) -> tuple[str, str, int, bool]:
        """A text without who is counted, within how many seconds, and whether in this order."""
        text = " ".join(text.split())
        each, within, ordered = (p.search(text.lower()) for p in (_EACH_STEP, _WITHIN, _ORDERED))
        spans = [m.span() for m in (each, within, ordered) if m is not None]
        seconds = 0
        if within is not None:
            seconds = (1 if within["n"] in ("a", "an") else number(within["n"])) * SECONDS[within["unit"]]
        who = (each["who"] or each["who2"] or "") if each is not None else ""
        strict = ordered is not None and not re.search(r"any|whichever", ordered.group())
        return Wording(text).without(*spans) if spans else text, who, seconds, strict

    def _path(self, parts: list[str], who: str) -> tuple[QueryPlan, Source, tuple[Step, ...]]:
        """The steps of a path; what only the last one has of time and other conditions holds for all."""
        name, plan, source = self._followed(None, who, parts[0])
        acts = [act_of(FIRST.sub("", tidy(part))) for part in parts]
        if any(act is None or act.never or act.often for act in acts):
            raise refused("Each step has to be one event.")
        steps = [self._subjects.step(name, plan, source, act) for act in acts if act is not None]
        if any(not step.filters for step in steps):
            raise refused("Each step has to be one event.")
        last, others = steps[-1], steps[:-1]
        columns = {f.source for step in others for f in step.filters}
        trailing = tuple(f for f in last.filters if f.source not in columns)
        windows = last.windows if all(not step.windows for step in others) else ()
        if len(trailing) < len(last.filters):
            kept = tuple(f for f in last.filters if f not in trailing)
            steps[-1] = replace(last, filters=kept, windows=() if windows else last.windows)
            plan = replace(plan, filters=trailing, windows=windows)
        titles = [_short(part) for part in parts]
        steps = [replace(step, title=title) for step, title in zip(steps, titles, strict=True)]
        return plan, source, tuple(steps)

    def _followed(
        self, subject: tuple[QueryPlan, Source] | None, who: str, event: str
    ) -> tuple[str, QueryPlan, Source]:
        """Who is followed: as named, else the one key that repeats in the table of events."""
        if subject is not None:
            return who, *subject
        if who:
            named = self._subjects.subject(who)
            if named is None:
                raise refused(f"'{who}' is not something whose rows can be followed here.")
            return who, *named
        found = repeating(self._index)
        if len(found) != 1:
            raise refused("The question does not say who is followed from one event to the next: name them.")
        table, column = found[0]
        plan = self._inner.planned(f"number of different `{table}.{column.name}`", lambda text: text)
        return f"`{table}.{column.name}`", plan, Source(table, column.name, column.type)


def _short(text: str) -> str:
    return re.sub(r"\s+(?:in|during|since|on|by|for|last|this)\s.*$", "", FIRST.sub("", tidy(text))).replace(
        "`", ""
    )
