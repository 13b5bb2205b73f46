"""Who came back after their start: within some time of it, or just so many days, weeks or months later."""

from __future__ import annotations

import re
from dataclasses import replace

from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.plan import Cohort, Filter, Measure, Step

from .followers import Followed, Followers, Tail, anything, begins, flag, moment_of
from .inner import Framed, Inner, refused
from .subjects import Act, act_of
from .wording import COUNT, SECONDS, Wording, number, tidy

_SHARE = (
    r"(?:(?:what|which)\s+)?(?:percentage|percent|share|fraction|proportion|part|%)\s+of(?:\s+(?:all|the))*"
)
_COUNT = r"(?:how\s+many|(?:the\s+)?number\s+of|count(?:\s+of)?)(?:\s+of)?(?:\s+the)?"
_UNIT = r"hour|day|week|month|quarter|year"
_BACK = (
    r"(?:(?:came|come|comes|coming)\s+back|returned|return|were\s+back|(?:were|was|are|is)\s+active\s+again"
    r"|visited\s+again|(?:were|was)\s+seen\s+again|logged\s+in\s+again)"
)
_WITHIN = (
    rf"(?:within|in\s+less\s+than|in\s+the\s+first|during\s+the\s+first|in\s+under)\s+(?:the\s+)?"
    rf"(?:first\s+)?"
    rf"(?P<n>{COUNT}|an?)[\s-]+(?P<unit>minute|{_UNIT})s?"
)
_FOLLOWING = (
    r"(?:\s+(?:of|after|from)\s+(?:(?:their|the|a|an|his|her|its|that|it)\s*)?(?:(?P<first>first"
    r"|initial)\s+)?"
    r"(?P<anchor>[\w-]+(?:\s+(?:up|in|on))?)?)?"
)
_RETURNED = re.compile(
    rf"^(?:(?P<share>{_SHARE})|{_COUNT})\s+(?P<who>[\w`\u0001]+)\s+(?:(?:that|who|which)\s+)?(?P<did>.*?)"
    rf"\s*,?\s*\b(?:and\s+)?(?:then\s+|also\s+)?"
    rf"(?P<back>{_BACK})\s+{_WITHIN}{_FOLLOWING}(?P<tail>\s+(?:by|per|for\s+each|in\s+each|,).+)?$"
)
_DONE = re.compile(
    rf"^(?:(?P<share>{_SHARE})|{_COUNT})\s+(?P<who>[\w`\u0001]+)\s+(?:(?:that|who|which)\s+)?(?P<did>.+?)"
    rf"\s+{_WITHIN}{_FOLLOWING}"
    r"(?P<tail>\s+(?:by|per|for\s+each|in\s+each|,).+)?$"
)
_NTH = rf"(?:{_UNIT})[\s-]*\d{{1,3}}"
_RETENTION = re.compile(
    rf"\b(?:(?P<list>{_NTH}(?:\s*(?:,|and|/|&|,\s*and)\s*{_NTH})*)|(?P<n>\d{{1,3}}|seven|thirty|one|two"
    rf"|three)[\s-]?(?P<unit>{_UNIT})s?"
    r"|[dD](?P<d>\d{1,3})|[wW](?P<w>\d{1,2})|[mM](?P<m>\d{1,2}))\s+(?:[\w]+\s+)?retention(?:"
    r"\s+rates?)?\b(?:\s+(?:of|for)\b)?"
)
_GROUPED = re.compile(
    rf"\s*,?\s*\b(?:by|per|for\s+each|for\s+every|in\s+each)\s+(?:(?P<cohort>[\w-]+\s+)?"
    rf"(?P<unit>{_UNIT})(?:ly)?"
    r"(?:\s+(?:of\s+[\w -]+|cohorts?))?"
    r"|(?P<adverb>daily|weekly|monthly|quarterly|yearly)\s+cohorts?|(?P<group>[\w`\u0001 ]+))\s*$"
)
_ADVERBS = {"daily": "day", "weekly": "week", "monthly": "month", "quarterly": "quarter", "yearly": "year"}
_BY = re.compile(r"^(?:by|per|for\s+each|in\s+each)\s+", re.I)
_WHO = re.compile(r"^(?P<who>[\w`\u0001]+)(?:\s+(?:(?:who|that|which)\s+)?(?P<did>.+))?$")
_BEGAN = re.compile(
    r"^(?:(?:have|had|was|were|did)\s+)?(?P<verb>signed[\s-]?up|sign[\s-]?up|joined|registered"
    r"|subscribed|enrolled|created|started|installed"
    r"|acquired|came|arrived|onboarded)\b(?P<rest>.*)$"
)
_FIRST_SEEN = re.compile(
    r"^(?:(?:were|was)\s+)?(?:first\s+(?:seen|visited|active|came|arrived)|new)\b(?P<rest>.*)$"
)


class ReturnFrames:
    """Frames of returns; each returns None where its cue is not in the question."""

    def __init__(self, index: CatalogueIndex, inner: Inner) -> None:
        self._index = index
        self._followers = Followers(index, inner)

    def kept(self, wording: Wording) -> Framed | None:
        """`day 7 retention of users who signed up in March`, `week 1 retention by signup week`."""
        match = wording.search(_RETENTION)
        if match is None:
            return None
        unit, later = _later(match)
        rest = tidy(wording.without(match.span()))
        grouped = _GROUPED.search(rest.lower())
        by = ""
        if grouped is not None:
            grain = grouped["unit"] or _ADVERBS.get(grouped["adverb"] or "", "")
            by = f"by {grain}" if grain else f"by {rest[grouped.start('group') : grouped.end('group')]}"
            rest = tidy(rest[: grouped.start()])
        who = _WHO.match(rest) if rest else None
        followed = self._followers.found(who["who"]) if who is not None else None
        did = (who["did"] or "") if who is not None and followed is not None else rest
        followed = followed or self._followers.found("")
        if followed is None:
            raise refused("The question does not say who is followed: name them, such as 'of users'.")
        followed, step, tail = self._begun(followed, did, by)
        cohort = Cohort(
            "follow_list",
            followed.source,
            followed.time,
            (step, anything()),
            grain=unit,
            later=later,
            start=followed.start,
        )
        calls = [f"{unit} {n}" for n in later]
        return self._counted(followed, tail, cohort, calls, share=True)

    def returned(self, wording: Wording) -> Framed | None:
        """`share of users who signed up in March and came back within 7 days`, by what tells them apart."""
        match = wording.search(_RETURNED)
        back = match is not None
        match = match or wording.search(_DONE)
        if match is None or match["unit"] not in (*SECONDS, "month"):
            return None
        followed = self._followers.found(wording.group(match, "who"))
        if followed is None:
            return None
        did, by = wording.group(match, "did"), tidy(wording.group(match, "tail"))
        by = f"by {_BY.sub('', by)}" if by else ""
        anchor = (match["anchor"] or "").strip()
        start, act = (did, "") if back else self._parted(did, anchor)
        if not back and not act:
            return None
        begun = self._starts(followed, start, anchor, bool(match["first"]))
        if begun is None:
            return None
        if not (by or back or anchor) and not self._owned(followed, begun[1]):
            return None  # several things done in order, which members tell
        followed, step, tail = self._begun(begun[0], begun[1], by)
        second = anything()
        if act:
            found = act_of(act)
            if found is None or found.never or found.often:
                return None
            second = self._followers.subjects.step(begun[0].who, begun[0].plan, begun[0].source, found)
        seconds = (1 if match["n"] in ("a", "an") else number(match["n"])) * SECONDS[match["unit"]]
        cohort = Cohort(
            "follow_list", followed.source, followed.time, (step, second), True, seconds, start=followed.start
        )
        length = f"{match['n']} {match['unit']}{'s' if match['n'] not in ('1', 'a', 'an', 'one') else ''}"
        return self._counted(followed, tail, cohort, [f"within {length}"], share=match["share"] is not None)

    @staticmethod
    def _parted(did: str, anchor: str) -> tuple[str, str]:
        """What starts and what follows: `signed up in May and bought`, or one of them and the anchor."""
        parts = re.split(r"\s+(?:and\s+then|and|then)\s+", did, maxsplit=1)
        if len(parts) == 2:
            return parts[0], parts[1]
        return "", did if anchor else ""

    def _starts(
        self, followed: Followed, start: str, anchor: str, first: bool
    ) -> tuple[Followed, str] | None:
        """The subjects with what starts them in words; None where the words do not start anything."""
        if start:
            return followed, start
        if not anchor:
            return None
        verb = re.sub(r"-", " ", anchor)
        if begins(self._index, self._table(followed), _past(verb)):
            return followed, _past(verb)
        if first and re.sub(r"s$", "", verb.lower()) in (
            "visit",
            "row",
            "session",
            "event",
            "activity",
            "use",
            "seen",
            "login",
        ):
            return followed, "" if verb.lower() != "login" else "logged in"
        return followed, verb

    def _owned(self, followed: Followed, did: str) -> bool:
        """Whether words tell how subjects came, as a date of their own table has it."""
        home, began = self._table(followed), _BEGAN.match(tidy(did).lower())
        return (
            home != followed.source.table and began is not None and begins(self._index, home, began["verb"])
        )

    def _table(self, followed: Followed) -> str:
        for edge in self._index.edges:
            if (edge.table, edge.column) == (followed.source.table, followed.source.column):
                return edge.to_table
        return followed.source.table

    def _begun(self, followed: Followed, did: str, by: str) -> tuple[Followed, Step, Tail]:
        """Subjects from their start on: a date of their own table, an event, or their first row of all."""
        did = tidy(did)
        began = _BEGAN.match(did.lower())
        seen = _FIRST_SEEN.match(did.lower())
        home = self._table(followed)
        own = home != followed.source.table
        if own and (not did or (began is not None and begins(self._index, home, began["verb"]))):
            made = self._followers.begun(followed)
            if made is not None:
                rest = did[began.start("rest") :] if began is not None else ""
                return made, anything(), self._followers.tail(followed, f"{rest} {by}".strip())
        if not did or seen is not None:
            rest = did[seen.start("rest") :] if seen is not None else ""
            return followed, anything(), self._followers.tail(followed, f"{rest} {by}".strip())
        act: Act | None = act_of(did)
        if act is None or act.never or act.often:
            raise refused(f"'{did}' is not one event that could start the time.")
        step = self._followers.subjects.step(followed.who, followed.plan, followed.source, act)
        tail = self._followers.tail(followed, by)
        plan = replace(tail.plan, windows=(*tail.plan.windows, *step.windows))
        return followed, replace(step, windows=()), replace(tail, plan=plan)

    def _counted(
        self, followed: Followed, tail: Tail, cohort: Cohort, calls: list[str], *, share: bool
    ) -> Framed:
        """How many of those who started came back, or their share, for each group or step of the start."""
        rows = self._followers.rows(followed, tail, cohort)
        who = followed.who.replace("`", "")
        started = cohort.steps[0].title
        event = f" with {started}" if started != "any row" else ""
        size = Measure("count", None, "", f"{who}{event}")
        measures: list[Measure] = []
        for place, call in enumerate(calls, 1):
            held: tuple[Filter, ...] = (flag(f"back_{place}"),)
            title = (
                f"{who} back {call}"
                if cohort.steps[1].title == "any row"
                else f"{who} with {cohort.steps[1].title} {call}"
            )
            part = Measure("count", None, "", title, conditions=held)
            rate = Measure("percent", None, "", f"share of {title}", "percent", conditions=held)
            measures += [rate] if share else [part]
            if share and len(calls) == 1 and (tail.steps or tail.groups):
                measures = [size, part, rate]
        begun = followed.start or followed.time
        moment = replace(moment_of(begun, "start_"), type=begun.type if not begun.path else "DateTime64(3)")
        plan = self._followers.over(rows, tail, tuple(measures), moment)
        where = f"{followed.start.column}" if followed.start is not None else f"the first row{event}"
        if cohort.within_seconds:
            how = "within so much time of it, to the second, and later than it"
        else:
            how = (
                f"so many calendar {cohort.grain}s after the {cohort.grain} of the start; say 'came back "
                f"within …' to count every {cohort.grain} up to it"
            )
        lines = (
            f"Each of the {who} starts at {where}; back are those with a row {how}.",
            "Who started too short a time ago to have come back is counted as not back.",
        )
        return self._followers.framed(plan, *lines)


def _later(match: re.Match[str]) -> tuple[str, tuple[int, ...]]:
    """The unit and the numbers of steps of a retention."""
    if match["list"]:
        pairs = re.findall(rf"({_UNIT})[\s-]*(\d{{1,3}})", match["list"])
        units = {unit for unit, _ in pairs}
        if len(units) != 1:
            raise refused("Ask for retention after days or after weeks, one at a time.")
        return units.pop(), tuple(int(count) for _, count in pairs)
    for name, unit in (("d", "day"), ("w", "week"), ("m", "month")):
        if match[name]:
            return unit, (int(match[name]),)
    return match["unit"], (number(match["n"]) if match["n"] != "seven" else 7,)


def _past(verb: str) -> str:
    """`signing up` as signed up: the way a verb stands in a question of what was done."""
    low = verb.lower().strip()
    words = low.split() or [""]
    head = words[0]
    if head.endswith("ing"):
        stem = head[:-3]
        head = f"{stem}ed" if not stem.endswith("e") else f"{stem}d"
    elif head == "signup":
        return "signed up"
    elif head == "registration":
        return "registered"
    elif head == "creation":
        return "created"
    elif head == "sign":
        head = "signed"
    return " ".join([head, *words[1:]])
