"""Runs of rows of a subject without a long gap, or the rows of one stored session: how many, how long."""

from __future__ import annotations

import re
from dataclasses import replace

from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.plan import Cohort, Filter, Measure, Source, Step
from aidatalabs_services.agent.planner.words import split_name

from .followers import Followed, Followers, Tail, flag, moment_of, spoken
from .inner import Framed, Inner, refused
from .subjects import act_of
from .wording import COUNT, SECONDS, Wording, number, tidy

_FOLD = (
    r"(?:(?:the\s+)?(?P<fold>average|avg|mean|median|typical|longest|shortest|max(?:imum)?|min(?:imum)?|total"
    r"|p\d{2}|\d{2}th\s+percentile(?:\s+of)?)\s+)"
)
_COUNTED = r"(?:how\s+many|(?:the\s+)?(?:total\s+)?number\s+of|count(?:\s+of)?|total)"
_SHARED = (
    r"(?:(?:what|which)\s+)?(?:percentage|percent|share|fraction|proportion|part|%)\s+of(?:\s+(?:all|the))*"
)
_ON_AVERAGE = re.compile(r"\s*,?\s*\bon\s+average\b|^on\s+average\s*,?\s*")
_LENGTH = re.compile(
    rf"^(?:{_FOLD})?(?:(?:user\s+)?session[\s-]+(?:lengths?|durations?|times?)|(?:lengths?|durations?)"
    rf"\s+of\s+(?:a\s+|the\s+)?(?:user\s+)?sessions?"
    r"|how\s+long\s+(?:is|are|was|were|do|does|did)\s+(?:a\s+|an\s+|the\s+)?(?:average\s+|typical\s+)?"
    r"(?:user\s+)?sessions?(?:\s+last)?)(?P<rest>\s.*)?$"
)
_LONGEST = re.compile(
    r"^(?:how\s+long\s+(?:is|was)\s+)?(?:the\s+)?(?P<fold>longest|shortest)\s+session(?P<rest>\s.*)?$"
)
_PER_SUBJECT = re.compile(
    r"^(?:(?:the\s+)?(?P<fold>average|avg|mean|median)\s+|(?P<many>how\s+many\s+))(?:number\s+of"
    r"\s+)?sessions\s+"
    r"(?:per|for\s+each|of\s+each|of\s+an?|by|do|does|did|has|have)\s+(?:each\s+|an?\s+)?(?P<who>\w+)"
    r"(?:\s+have|\s+had)?(?P<rest>\s.*)?$"
)
_ROWS = re.compile(
    r"^(?:(?:the\s+)?(?P<fold>average|avg|mean|median|typical)\s+)?(?:number\s+of\s+)?(?P<what>\w+)\s+"
    r"(?:per|in\s+an?|in\s+each|of\s+each|in\s+one)\s+session(?P<rest>\s.*)?$"
)
_SINGLE = re.compile(
    rf"^(?:(?P<share>{_SHARED})|{_COUNTED})?\s*(?:(?:single|one)[\s-](?P<what>\w+)\s+sessions|sessions"
    rf"\s+(?:(?:that|which)\s+)?(?:have|had|has|having|with|of|consist(?:ed|ing)?\s+of)\s+"
    r"(?:only\s+|just\s+|exactly\s+)?(?:a\s+single|one|1|a\s+sole)\s+(?P<what2>\w+)(?:\s+only)?)"
    r"(?P<rest>\s.*)?$"
)
_MANY = re.compile(
    rf"^(?:(?P<share>{_SHARED})|{_COUNTED})?\s*sessions\s+(?:(?:that|which)\s+)?(?:have|had|having|with"
    rf"|of)\s+"
    rf"(?P<op>at\s+least|more\s+than|over|fewer\s+than|less\s+than|at\s+most|exactly)\s+(?P<n>{COUNT})"
    rf"\s+(?P<what>\w+)(?P<rest>\s.*)?$"
)
_LASTED = re.compile(
    rf"^(?:(?P<share>{_SHARED})|{_COUNTED})?\s*sessions\s+(?:(?:that|which)\s+)?(?:(?:are|were|lasted"
    rf"|last|lasting|took|with\s+a\s+(?:length|duration)\s+of)\s+)?"
    rf"(?P<op>longer\s+than|shorter\s+than|at\s+least|more\s+than|over|less\s+than|under|at\s+most)\s+"
    rf"(?P<n>{COUNT}|an?)\s+(?P<unit>second|minute|hour)s?(?P<rest>\s.*)?$"
)
_DID = re.compile(
    rf"^(?:(?P<share>{_SHARED})|{_COUNTED})\s+(?:the\s+)?sessions\s+(?:(?:that|which|where\s+(?:the"
    rf"\s+)?\w+)\s+)?(?P<did>(?:with|without|include[sd]?|including|contain(?:s|ed|ing)?|have|had"
    rf"|having|led\s+to)\s+.+)$"
)
_BOUNCE = re.compile(r"^(?:the\s+)?(?:session\s+)?bounce\s+rate(?P<rest>\s.*)?$")
_SESSIONS = re.compile(rf"^(?:{_COUNTED})?\s*(?:user\s+)?sessions\b(?P<rest>.*)$")
_GAP = re.compile(
    rf"\s*[,(]?\s*\b(?:with|using|after|given|assuming|of|where)?\s*(?:an?\s+)?(?:(?:session\s+)?(?:gap"
    rf"|timeout|inactivity|break|pause)s?\s+(?:of\s+)?(?:more\s+than\s+|over\s+)?(?P<n>{COUNT})[\s-]+"
    rf"(?P<unit>second|minute|hour)s?"
    rf"|(?P<n2>{COUNT})[\s-]+(?P<unit2>second|minute|hour)s?\s+(?:(?:of\s+)?(?:inactivity|gap|timeout"
    rf"|break|pause))(?:\s+gap)?)\)?(?:\s+of\s+inactivity)?"
)
_MINUTES = re.compile(r"\s*,?\s*\bin\s+(?P<unit>minutes|seconds|hours)\b")
_FOLDS = {"average": "avg", "avg": "avg", "mean": "avg", "median": "median", "typical": "median",
          "longest": "max", "max": "max", "maximum": "max", "shortest": "min", "min": "min", "minimum": "min",
          "total": "sum"}  # fmt: skip
_SIGNS = {
    "at least": "ge",
    "more than": "gt",
    "over": "gt",
    "longer than": "gt",
    "fewer than": "lt",
    "less than": "lt",
    "under": "lt",
    "shorter than": "lt",
    "at most": "le",
    "exactly": "eq",
}
_ANY_ROW = frozenset(
    (
        "event",
        "events",
        "row",
        "rows",
        "action",
        "actions",
        "interaction",
        "interactions",
        "hit",
        "hits",
        "activity",
        "activities",
    )
)
_DEFAULT_GAP = 1_800
_MOST_VALUES = 200


class SessionFrames:
    """Frames of sessions; each returns None where its cue is not in the question."""

    def __init__(self, index: CatalogueIndex, inner: Inner) -> None:
        self._index = index
        self._inner = inner
        self._followers = Followers(index, inner)
        self._seconds = 0

    def sessions(self, wording: Wording) -> Framed | None:
        """`average session length by device`, `sessions per day`, `share of sessions with one event`."""
        if not re.search(r"\bsessions?\b|\bbounce\s+rate\b", wording.plain):
            return None
        own = {"session", "visit"} if "bounce" in wording.plain else {"session"}
        if any(own & set(split_name(name)) for name in self._index.tables):
            return None  # told by a table of their own
        if self._told_by() and not wording.search(_GAP):
            return self._events(wording)
        gap, minutes, mean = wording.search(_GAP), wording.search(_MINUTES), wording.search(_ON_AVERAGE)
        cut = Wording(tidy(wording.without(*(m.span() for m in (gap, minutes, mean) if m is not None))))
        self._seconds = 0
        if gap is not None:
            self._seconds = number(gap["n"] or gap["n2"]) * SECONDS[gap["unit"] or gap["unit2"]]
        unit = (minutes["unit"] if minutes else "minutes").rstrip("s")
        return (
            self._long(cut, unit)
            or self._each(cut, mean is not None)
            or self._parts(cut)
            or self._did(cut)
            or self._filled(cut, mean is not None)
            or self._counted(cut)
        )

    def _told_by(self) -> tuple[str, str, str] | None:
        """The one kind of event that says that a session began: then no gaps have to be looked for."""
        found = [
            (table.name, column.name, value)
            for table in self._index.catalogue.tables
            for column in table.columns
            if self._index.role(table.name, column.name).kind == "dimension"
            and len(column.values) <= _MOST_VALUES
            for value in column.values
            if "session" in split_name(value)
            and not {"end", "ended", "stop", "finish"} & set(split_name(value))
        ]
        return found[0] if len(found) == 1 else None

    def _events(self, wording: Wording) -> Framed | None:
        """Sessions that an event tells: their number, also for each subject; not how long they are."""
        told = self._told_by()
        mean = wording.search(_ON_AVERAGE)
        cut = Wording(tidy(wording.without(mean.span()))) if mean is not None else wording
        if cut.search(_LENGTH) or cut.search(_LONGEST) or cut.search(_BOUNCE) or cut.search(_SINGLE):
            raise refused(
                "Here an event tells that a session began, not when it ended: say 'with a gap of 30 minutes'."
            )
        match = cut.search(_PER_SUBJECT)
        if told is None or match is None or (match["many"] and mean is None) or match["fold"] == "median":
            return None
        followed = self._followers.found(match["who"])
        if followed is None or followed.time.table != told[0]:
            return None
        tail = self._followers.tail(followed, tidy(cut.group(match, "rest")))
        column = self._index.column(told[0], told[1])
        began = Filter(Source(told[0], column.name, column.type), "eq", (told[2],))
        who = spoken(followed.source).rstrip("s")
        subjects = Measure("count_distinct", followed.source, "", f"number of different {who}s")
        every = Measure("count", None, "", "number of sessions")
        ratio = Measure("ratio", None, f"sessions_per_{who}", f"sessions per {who}", parts=(every, subjects))
        made = replace(
            tail.plan, measures=(ratio,), filters=(*tail.plan.filters, began), order=(), tied=False
        )
        line = f"A session is a row with {told[2]}; {who}s without any are not counted."
        return self._followers.framed(made, line)

    def _long(self, wording: Wording, unit: str) -> Framed | None:
        match = wording.search(_LENGTH) or wording.search(_LONGEST)
        if match is None:
            return None
        fold, level = _fold(match["fold"] or "average")
        made = self._made("", wording.group(match, "rest"))
        if made is None:
            return None
        followed, tail, cohort = made
        moment = moment_of(followed.time, "end_")
        title = f"{match['fold'] or 'average'} length of a session"
        measure = Measure(
            fold,
            moment,
            "",
            title,
            f"{unit}s",
            level=level,
            since=moment_of(followed.time, "start_"),
            grain=unit,
        )
        return self._framed(
            followed, tail, cohort, (measure,), "A length is that from the first row to the last."
        )

    def _each(self, wording: Wording, mean: bool) -> Framed | None:
        match = wording.search(_PER_SUBJECT)
        if match is None or (match["many"] and not mean):
            return None
        made = self._made(match["who"], wording.group(match, "rest"))
        if made is None:
            return None
        followed, tail, cohort = made
        who = spoken(followed.source).rstrip("s")
        if match["fold"] == "median":
            raise refused("Sessions per subject can be averaged, not more yet.")
        subjects = Measure("count_distinct", Source("", "subject_", "UInt64"), "", f"number of {who}s")
        every = Measure("count", None, "", "number of sessions")
        ratio = Measure("ratio", None, "", f"sessions per {who}", parts=(every, subjects))
        return self._framed(followed, tail, cohort, (ratio,))

    def _parts(self, wording: Wording) -> Framed | None:
        """Sessions with so many rows, or so long; their number or their part of all."""
        single, bounce = wording.search(_SINGLE), wording.search(_BOUNCE)
        many, lasted = wording.search(_MANY), wording.search(_LASTED)
        match = single or bounce or many or lasted
        if match is None:
            return None
        made = self._made("", wording.group(match, "rest"))
        if made is None:
            return None
        followed, tail, cohort = made
        if many is not None and many["what"] not in _ANY_ROW:
            return None
        if single is not None:
            what = (single["what"] or single["what2"]).lower()
            if what not in _ANY_ROW:
                return None
        count = Source("", "rows_", "UInt64")
        held, name = Filter(count, "eq", ("1",), numeric=True), "sessions with one row"
        if many is not None:
            held = Filter(
                count, _SIGNS[" ".join(many["op"].split())], (str(number(many["n"])),), numeric=True
            )
            name = f"sessions with {many['op']} {many['n']} rows"
        if lasted is not None:
            raise refused("Sessions are not told apart by their length yet: ask for their average length.")
        share = bounce is not None or match["share"] is not None
        line = "A session that has one row alone counts as left at once." if bounce else ""
        return self._framed(followed, tail, cohort, _part(name, held, share=share), line)

    def _did(self, wording: Wording) -> Framed | None:
        """`share of sessions with a purchase`: those with such a row."""
        match = wording.search(_DID)
        if match is None:
            return None
        did, share = wording.group(match, "did"), match["share"] is not None
        tail_at = re.search(r"\s+(?:by|per|for\s+each|in\s+each)\s+[\w` ]+$", did.lower())
        rest = did[tail_at.start() :] if tail_at else ""
        did = did[: tail_at.start()] if tail_at else did
        without = did.lower().startswith("without")
        spoken_ = re.sub(
            r"^(?:with(?:out)?|include[sd]?|including|contain(?:s|ed|ing)?|have|had|having|led\s+to)"
            r"\s+(?:(?:at\s+least\s+one|an?|any|no)\s+)?",
            "", did, flags=re.I,
        )  # fmt: skip
        made = self._made("", rest)
        act = act_of(spoken_)
        if made is None or act is None or act.often:
            return None
        followed, tail, cohort = made
        step = self._followers.subjects.step(followed.who, followed.plan, followed.source, act)
        plan = replace(tail.plan, windows=(*tail.plan.windows, *step.windows))
        cohort = replace(cohort, steps=(Step(step.title, step.filters),))
        held = flag("back_1")
        if without:
            held = replace(held, operator="is_false")
        name = f"sessions {'without' if without else 'with'} {step.title}"
        return self._framed(followed, replace(tail, plan=plan), cohort, _part(name, held, share=share))

    def _filled(self, wording: Wording, mean: bool) -> Framed | None:
        match = wording.search(_ROWS)
        if match is None or match["what"].lower() in ("sessions", "many"):
            return None
        what = match["what"].lower()
        made = self._made("", wording.group(match, "rest"), "" if what in _ANY_ROW else what)
        if made is None:
            return None
        if not match["fold"] and not mean and what not in _ANY_ROW:
            return None
        followed, tail, cohort = made
        fold, level = _fold(match["fold"] or "average")
        measure = Measure(
            fold,
            Source("", "rows_", "UInt64"),
            "",
            f"{match['fold'] or 'average'} rows per session",
            level=level,
        )
        return self._framed(followed, tail, cohort, (measure,))

    def _counted(self, wording: Wording) -> Framed | None:
        match = wording.search(_SESSIONS)
        if match is None:
            return None
        made = self._made("", wording.group(match, "rest"))
        if made is None:
            return None
        followed, tail, cohort = made
        if cohort.session is not None and not self._seconds:
            return None  # different stored sessions, which is a plain question
        return self._framed(followed, tail, cohort, (Measure("count", None, "", "number of sessions"),))

    def _made(self, who: str, rest: str, what: str = "") -> tuple[Followed, Tail, Cohort] | None:
        """Whose sessions, under which conditions, and how they are cut from the rows."""
        key = self._stored() if not self._seconds else None
        followed = self._followers.found(who)
        if followed is None and not who:
            followed = self._keyed(key)
        if followed is None:
            if who or key is not None:
                return None
            raise refused("The question does not say whose sessions are meant: name them.")
        if column_type(followed.time.type).kind != "datetime" and not followed.time.path:
            raise refused(f"{followed.time.column} tells only days, which sessions cannot be cut from.")
        if key is not None and key.table != followed.time.table:
            key = None
        tail = self._followers.tail(followed, tidy(rest))
        if what:
            counted = self._inner.tried(f"number of {what}")
            if counted is None or counted.table != followed.time.table or counted.joins:
                return None
            if [m.function for m in counted.measures] != ["count"] or counted.filters:
                return None
        cohort = Cohort(
            "session_list",
            followed.source,
            followed.time,
            within_seconds=0 if key is not None else self._seconds or _DEFAULT_GAP,
            session=key,
        )
        return followed, tail, cohort

    def _stored(self) -> Source | None:
        """The one key that tells the sessions of a table of events."""
        found = [
            (table.name, column)
            for table in self._index.catalogue.tables
            for column in table.columns
            if "session" in split_name(column.name)
            and self._index.role(table.name, column.name).kind == "key"
            and self._index.time_columns(table.name)
            and (column.distinct_count or 0) < table.row_count
        ]
        return Source(found[0][0], found[0][1].name, found[0][1].type) if len(found) == 1 else None

    def _keyed(self, key: Source | None) -> Followed | None:
        """Stored sessions of nobody in particular are followed by themselves."""
        if key is None:
            return None
        plan = self._inner.tried(f"number of different `{key.table}.{key.column}`")
        return (
            Followed("sessions", plan, key, self._followers.subjects.time(plan)) if plan is not None else None
        )

    def _framed(
        self, followed: Followed, tail: Tail, cohort: Cohort, measures: tuple[Measure, ...], *lines: str
    ) -> Framed:
        rows = self._followers.rows(followed, tail, cohort)
        plan = self._followers.over(rows, tail, measures, moment_of(followed.time, "start_"))
        told = [line for line in lines if line]
        if tail.plan.windows or tail.steps:
            told.append("A session belongs to the time at which it began.")
        return self._followers.framed(plan, *told)


def _part(name: str, held: Filter, *, share: bool) -> tuple[Measure, ...]:
    if share:
        return (Measure("percent", None, "", f"share of {name}", "percent", conditions=(held,)),)
    return (Measure("count", None, "", f"number of {name}", conditions=(held,)),)


def _fold(word: str) -> tuple[str, str]:
    low = word.lower().strip()
    digits = re.search(r"\d{2}", low)
    if digits:
        return "quantile", f"0.{digits.group()}"
    return _FOLDS[low], ""
