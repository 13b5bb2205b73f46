"""Subjects by their first row: new ones, returning ones, first times, and those that came again."""

from __future__ import annotations

import re
from dataclasses import replace

from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.outcomes import Clarification, ClarificationChoice, Planned
from aidatalabs_services.agent.planner.plan import Cohort, Dimension, Filter, Measure, Source, Step, Window

from .followers import Followed, Followers, Tail, anything, began, moment_of, spoken
from .inner import Framed, Inner, Stopped, refused
from .wording import Wording, tidy

_COUNTED = r"(?:how\s+many|(?:the\s+)?(?:total\s+)?(?:number|count)\s+of|count(?:\s+of)?)"
_SHARED = (
    r"(?:(?:what|which)\s+)?(?:percentage|percent|share|fraction|proportion|part|%)\s+of(?:\s+(?:all|the))*"
)
_NEW = r"(?:new|first[- ]time|newly\s+acquired)"
_AGAIN = r"(?:returning|recurring|repeat(?:ing)?|existing|old)"
_TAIL = r"(?P<rest>(?:\s*,)?\s+.+)?$"
_FRESH = re.compile(
    rf"^(?:{_COUNTED}\s+)?(?:(?:different|unique|distinct)\s+)?(?P<new>{_NEW})\s+(?P<who>[\w`\u0001]+){_TAIL}"
)
_BACK = re.compile(
    rf"^(?:(?P<share>{_SHARED})|{_COUNTED})?\s*(?:(?P<who2>[\w`\u0001]+)\s+(?:were|are|was)\s+)?"
    rf"(?P<kind>{_AGAIN}|{_NEW})"
    rf"(?:\s+(?P<who>[\w`\u0001]+))?{_TAIL}"
)
_BOTH = re.compile(
    rf"^(?:{_COUNTED}\s+)?(?:{_NEW}\s+(?:vs\.?|versus|and|or|compared\s+(?:to|with)|against)\s+{_AGAIN}"
    rf"|{_AGAIN}\s+(?:vs\.?|versus|and|or|compared\s+(?:to|with)|against)\s+{_NEW})\s+"
    rf"(?P<who>[\w`\u0001]+){_TAIL}"
)
_FIRST_DID = re.compile(
    rf"^(?:{_COUNTED}\s+)?(?P<who>[\w`\u0001]+)\s+(?:who\s+|that\s+)?(?:had|made|placed|did|took|completed|by"
    rf"|with|were\s+seen|having)\s+"
    r"(?:their|a|the|his|her|its)?\s*(?:very\s+)?first\s+(?P<what>[\w`\u0001]+)(?P<rest>\s+.+)?$"
)
_FIRSTS = re.compile(
    rf"^(?:{_COUNTED}\s+)?(?:first[- ]time|first|initial)\s+(?P<what>[\w`\u0001]+s)"
    r"(?P<rest>\s+(?:per|by|each|in|for\s+each)\s+.+)$"
)
_REPEAT = re.compile(
    rf"^(?:(?P<share>{_SHARED})|{_COUNTED})?\s*(?:the\s+)?(?:repeat|repeating|returning)\s+"
    rf"(?P<who>[\w`\u0001]+)(?P<rate>\s+rate)?{_TAIL}"
)
_GOT = re.compile(
    r"\s*\b(?:did|do|have|has|had|were|was|are)\s+(?:we|they|there)\b(?:\s+(?:get|got|gain|gained|have"
    r"|had|acquire|acquired|win|won|see))?"
    r"|\s*\b(?:acquired|gained|added|joined|arrived|came|seen|joining)\b(?=\s|$)"
)


class NewcomerFrames:
    """Frames of first rows; each returns None where its cue is not in the question."""

    def __init__(self, index: CatalogueIndex, inner: Inner) -> None:
        self._index = index
        self._inner = inner
        self._followers = Followers(index, inner)

    def newcomers(self, wording: Wording) -> Framed | None:
        """`new users per month`, `first-time buyers per week`: subjects by the time of their first row."""
        match = wording.search(_FRESH)
        if match is None or wording.search(_BOTH):
            return None
        who, rest = wording.group(match, "who"), _GOT.sub(" ", wording.group(match, "rest"), count=1)
        followed, step = self._followed(who)
        if followed is None:
            return None
        home = self._home(followed)
        if home and not step.filters and followed.plan.table != home:
            plan = self._inner.planned(f"number of `{home}` {tidy(rest)}".strip(), lambda put: put)
            if plan.table != home:
                return self._firsts(followed, step, rest)
            line = f"New are those whose row in {home} begins then."
            return (
                self._followers.framed(plan, line)
                if plan.windows or any(d.grain for d in plan.dimensions)
                else None
            )
        coming = self._coming(followed) if not step.filters and match["new"] == "new" else ""
        if coming:
            raise self._asked(followed, who, coming, wording.group(match, "rest"))
        return self._firsts(followed, step, rest)

    def _asked(self, followed: Followed, who: str, coming: str, rest: str) -> Stopped:
        """Whether the first row of all is meant, or the event of coming."""
        texts = {
            f"{who} with their first row": f"number of first-time {who} {rest}",
            f"{who} with a {coming}": f'number of different {who} with "{coming}" {rest}',
        }
        made = []
        for label, text in texts.items():
            outcome = self._inner.whole(" ".join(text.split()))
            if isinstance(outcome, Planned):
                made.append(ClarificationChoice(label, " ".join(text.split()), outcome.sql))
        if len(made) < 2:
            return refused(f"'New {who}' may mean their first row of all or their {coming}: say which.")
        return Stopped(Clarification(f"Which of the {who} are new?", tuple(made)))

    def first_deeds(self, wording: Wording) -> Framed | None:
        """`users who made their first purchase per month`, `first orders by month`."""
        match = wording.search(_FIRST_DID) or wording.search(_FIRSTS)
        if match is None:
            return None
        who = wording.group(match, "who") if match.groupdict().get("who") else ""
        what, rest = wording.group(match, "what"), wording.group(match, "rest")
        followed = self._followers.found(who)
        if followed is None:
            return None
        step = self._deed(followed, what)
        if step is None or not rest:
            return None
        return self._firsts(followed, step, rest)

    def _firsts(self, followed: Followed, step: Step, rest: str) -> Framed | None:
        tail = self._followers.tail(followed, tidy(rest))
        if not tail.steps and not tail.plan.windows:
            return None
        cohort = Cohort(
            "follow_list", followed.source, followed.time, (replace(step, windows=()), anything())
        )
        rows = self._followers.rows(followed, tail, cohort)
        title = f"number of new {followed.who}".replace("`", "")
        made = (Measure("count", None, "", title),)
        plan = self._followers.over(rows, tail, made, moment_of(followed.time, "start_"))
        what = "" if step.title == "any row" else f" ({step.title})"
        line = (
            f"A {_single(followed)} is new at the first of its rows{what} in {followed.time.table}; what "
            "lay before the data is not known."
        )
        return self._followers.framed(plan, line)

    def both(self, wording: Wording) -> Framed | None:
        """`new vs returning users per month`, `share of returning visitors by week`."""
        both = wording.search(_BOTH)
        match = both or wording.search(_BACK)
        if match is None:
            return None
        found = match.groupdict()
        kind = (found.get("kind") or "").lower()
        if both is None and not re.fullmatch(_AGAIN, kind) and not found.get("share"):
            return None
        if both is None and kind in ("old",):
            return None
        who = wording.group(match, "who") or (wording.group(match, "who2") if "who2" in found else "")
        if not who:
            return None
        followed, step = self._followed(who)
        if followed is None:
            return None
        rest = _GOT.sub(" ", wording.group(match, "rest"), count=1)
        tail = self._followers.tail(followed, tidy(rest))
        if not tail.steps and not (tail.plan.windows and tail.plan.windows[0].start):
            return None
        if tail.groups:
            raise refused("New and returning ones can be told by steps of time, not by other groups yet.")
        return self._told(followed, step, tail, "both" if both else kind, bool(found.get("share")))

    def _told(self, followed: Followed, step: Step, tail: Tail, kind: str, share: bool) -> Framed:
        grain = tail.steps[0].grain if tail.steps else ""
        cohort = Cohort("row_list", followed.source, followed.time, grain=grain)
        rows = self._followers.rows(followed, tail, cohort)
        rows = replace(rows, filters=(*rows.filters, *(f for f in step.filters if f not in rows.filters)))
        subject, first = Source("", "subject_", followed.source.type), moment_of(followed.time, "first_")
        moment = moment_of(followed.time, "moment_")
        who = followed.who.replace("`", "")
        new = self._part(subject, f"new {who}", tail, first, fresh=True)
        back = self._part(subject, f"returning {who}", tail, first, fresh=False)
        every = Measure("count_distinct", subject, "", f"active {who}")
        if share:
            part = new if re.fullmatch(_NEW, kind) else back
            title = f"share of {part.title}"
            measures: tuple[Measure, ...] = (
                Measure("percentage", None, "", title, "percent", parts=(part, every)),
            )
        else:
            measures = (new, back) if kind == "both" else (back,)
        plan = self._followers.over(rows, tail, measures, moment)
        since = f"the {grain}" if grain else "the time asked for"
        line = (
            f"Returning are those with a row in {since} whose first row lies before it; new are those whose "
            "first row lies in it."
        )
        return self._followers.framed(plan, line)

    @staticmethod
    def _part(subject: Source, title: str, tail: Tail, first: Source, *, fresh: bool) -> Measure:
        if tail.steps:
            held = Filter(Source("", "new_", "UInt8"), "is_true" if fresh else "is_false")
            return Measure("count_distinct", subject, "", title, conditions=(held,))
        window: Window = tail.plan.windows[0]
        bound = (window.start, "") if fresh else ("", window.start)
        return Measure("count_distinct", subject, "", title,
                       windows=(Window(first, *bound, window.timezone, ""),))  # fmt: skip

    def repeated(self, wording: Wording) -> Framed | None:
        """`repeat customers`, `repeat purchase rate`: subjects with at least two such rows."""
        match = wording.search(_REPEAT)
        if match is None:
            return None
        who, rate = wording.group(match, "who"), match["rate"] is not None or match["share"] is not None
        followed, step = self._followed(who)
        if followed is None:
            followed = self._followers.found("")
            step = self._deed(followed, who) or anything() if followed is not None else anything()
            if followed is None or (not step.filters and who.lower() not in ("customer", "buyer", "user")):
                return None
        tail = self._followers.tail(followed, tidy(wording.group(match, "rest")))
        if tail.steps or tail.groups:
            return None
        base = followed.plan
        times = Measure("count", None, "times_", "times")
        inner = replace(
            base, form="table", measures=(times,),
            dimensions=(Dimension(followed.source, "subject_", followed.source.column),),
            joins=tail.plan.joins, windows=tail.plan.windows,
            filters=(*step.filters, *(f for f in tail.plan.filters if f not in step.filters)),
        )  # fmt: skip
        often = Filter(Source("", "times_", "UInt64"), "ge", ("2",), numeric=True)
        name = spoken(followed.source)
        part = Measure("count", None, "", f"{name} with at least two", conditions=(often,))
        every = Measure("count", None, "", name)
        share = Measure(
            "percentage", None, "", f"share of {name} with at least two", "percent", parts=(part, every)
        )
        plan = self._followers.over(
            inner,
            replace(tail, plan=replace(tail.plan, windows=())),
            (share if rate else part,),
            Source("", "times_"),
        )
        what = f" ({step.title})" if step.filters else ""
        line = f"Repeating are those with at least two rows{what} in {followed.time.table}, of all with any."
        return self._followers.framed(plan, line)

    def _followed(self, who: str) -> tuple[Followed | None, Step]:
        """The subjects called so, and the rows that make them such: buyers are users with a purchase."""
        followed = self._followers.found(who)
        if followed is not None:
            return followed, anything()
        plan = self._inner.tried(f"number of different {who}")
        if plan is None or len(plan.measures) != 1 or plan.joins or plan.dimensions or plan.windows:
            return None, anything()
        source = plan.measures[0].source
        if plan.measures[0].function != "count_distinct" or source is None or not plan.filters:
            return None, anything()
        time = self._followers.subjects.time(plan)
        bare = replace(plan, filters=())
        return Followed(who, bare, source, time), Step(who, plan.filters)

    def _deed(self, followed: Followed | None, what: str) -> Step | None:
        """Rows that are called so: those of the table itself, or some of them by what they are."""
        if followed is None:
            return None
        plan = self._inner.tried(f"number of {what}")
        if plan is None:
            return None
        plain = [m.function for m in plan.measures] == ["count"] and not plan.joins and not plan.windows
        if not plain or plan.table != followed.time.table or plan.dimensions or plan.having:
            return None
        return Step(what if plan.filters else "any row", plan.filters)

    def _home(self, followed: Followed) -> str:
        """The subjects' own table where it tells when they came; empty without one."""
        for edge in self._index.edges:
            if (edge.table, edge.column) == (followed.source.table, followed.source.column):
                return edge.to_table if began(self._index, edge.to_table) is not None else ""
        return ""

    def _coming(self, followed: Followed) -> str:
        """The event of the table that tells that a subject came, such as a sign-up; empty without one."""
        for column in self._index.tables[followed.time.table].columns:
            role = self._index.role(followed.time.table, column.name).kind
            if role not in ("dimension", "label") or len(column.values) > 200:
                continue
            found = [v for v in column.values if re.sub(r"\W|_", "", v.casefold()) in _COMING]
            if len(found) == 1:
                return found[0]
        return ""


_COMING = frozenset(
    ("signup", "signedup", "register", "registered", "registration", "install", "firstopen", "join", "joined",
     "accountcreated", "usersignup", "usersignedup", "createaccount", "firstvisit")
)  # fmt: skip


def _single(followed: Followed) -> str:
    name = followed.who.replace("`", "")
    return name[:-1] if name.endswith("s") else name
