"""Who did what: subjects that did several things, a thing often enough, or never."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

from aidatalabs_services.agent.planner.catalogue import Column
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.naming import Names
from aidatalabs_services.agent.planner.plan import Cohort, Dimension, Measure, QueryPlan, Source, Step

from .events import acted_out
from .inner import Framed, Inner, refused
from .wording import COUNT, SECONDS, UNIT, Wording, number, tidy

_WHOSE = r"(?:different|unique|distinct)?\s*(?P<who>[\w`\u0001]+)"
_COUNT = r"(?:how\s+many|number\s+of|count\s+of|the\s+number\s+of|count)"
_SHARE = (
    r"(?:(?:what|which)\s+)?(?:percentage|percent|share|fraction|proportion|part|%)\s+of(?:\s+all)?"
    r"(?:\s+the)?"
)
_LIST = r"(?:which|list(?:\s+(?:all|the))*|show(?:\s+(?:me|all|the))*|what|find(?:\s+all)?)"
_LEAD = re.compile(
    rf"^(?:(?P<share>{_SHARE})|(?P<count>{_COUNT})|(?P<list>{_LIST}))\s+(?:of\s+)?(?:the\s+)?{_WHOSE}"
    rf"\s+(?P<did>.+)$"
)
_ANYBODY = frozenset(
    ("people", "persons", "users", "customers", "visitors", "individuals", "everybody", "everyone")
)
PEOPLE = frozenset(
    (
        *("user", "customer", "visitor", "member", "account", "client", "player", "patient", "student"),
        *("person", "employee", "subscriber", "device", "guest", "passenger", "buyer", "shopper", "driver"),
        *("rider", "learner"),
    )
)
"""Words of keys that tell one subject from another."""

_OF_THOSE = re.compile(
    r"^(?:out\s+)?of\s+(?:all\s+)?(?:the\s+)?(?P<who>[\w`\u0001]+)\s+(?P<did>(?:who|that|which|with)"
    r"\s+.+?)\s*,\s*"
    r"(?P<asked>how\s+many|(?:what|which)\s+(?:percentage|percent|share|fraction|proportion))(?:\s+of"
    r"\s+(?:them|those))?\s+"
    r"(?P<more>.+)$"
)
_BOTH = re.compile(r"^(?P<head>.*?)\bboth\s+(?P<prep>in\s+|on\s+)?(?P<a>.+?)\s+and\s+(?P<b>.+)$")
_NOT = r"(?:not|never|didn't|haven't|hasn't|hadn't|don't|doesn't)"
_AND = re.compile(
    r"\s*,?\s+(?:"
    rf"(?P<never>(?:(?:and|but)\s+)?(?:(?:have|has|had|did|do|does|were|was)\s+)?{_NOT}(?:\s+yet)?(?:"
    rf"\s+(?:made|had|been))?)"
    r"|(?P<then>(?:and\s+)?(?:then|later|afterwards|subsequently|(?:went|go|going)\s+on\s+to)(?:"
    r"\s+also)?|after\s+that)"
    r"|(?P<also>(?:and\s+)?also|and(?:\s+also)?(?:\s+(?:came|come)\s+back\s+(?:and|to))?|(?:came|come)"
    r"\s+back\s+(?:and|to))"
    r"|(?P<without>(?:but\s+)?without(?:\s+any)?))\s+"
)
_WITHIN = re.compile(
    rf"\s*,?\s*\bwithin\s+(?:the\s+first\s+)?(?P<n>{COUNT}|an?|the\s+same|the\s+first)\s+(?P<unit>{UNIT})s?"
    r"(?:\s+(?:of|after)\s+(?:the\s+first|that|it|\w+ing(?:\s+(?:up|in|out|on|off))?)\b|\s+(?:of|after)\b)?"
)
_HELP = re.compile(
    r"^(?:(?:that|who|which|where)\s+)?(?:(?:have|has|had|did|do|does|were|was|are|is)\s+)?(?:ever\s+"
    r"|also\s+|then\s+|actually\s+)*"
)
_NEVER = re.compile(
    r"^(?:(?:that|who|which)\s+)?(?:(?:have|has|had|did|do|does|were|was)\s+)?(?:not|never|haven't"
    r"|hasn't|didn't|don't|doesn't)\b"
    r"(?:\s+yet)?(?:\s+(?:made|had|have|been))?\s*|^(?:with|having)\s+(?:no|zero)\s+|^without\s+(?:any"
    r"\s+|a\s+)?"
)
_OFTEN = re.compile(
    rf"\b(?:(?P<op>at\s+least|more\s+than|over|fewer\s+than|less\s+than|exactly|only|at\s+most|no"
    rf"\s+more\s+than)\s+)?"
    rf"(?P<n>{COUNT}|once|twice)(?:\s+or\s+(?P<more>more|fewer))?\s+(?:(?P<unit>times)|(?:different\s+"
    rf"|distinct\s+|separate\s+)?(?P<grain>days|weeks|months))\b"
    rf"|\b(?P<op2>at\s+least|more\s+than|exactly|only)\s+(?P<n2>once|twice)\b"
)
_VERBED = re.compile(
    r"(?:have|has|had|did|do|does|were|was|are|is|made|got|get|who|that|came|bought|sold|paid|sent"
    r"|left|went|saw|won|lost"
    r"|spent|took|ran|\w{2,}ed)\b"
)
_DOING = re.compile(r"^(?:who|that|which|have|has|had|did|with|without|were|was|are|is|active|never|\w+ed)\b")
_OPERATORS = {"at least": "ge", "more than": "gt", "over": "gt", "fewer than": "lt", "less than": "lt",
              "exactly": "eq", "only": "eq", "at most": "le", "no more than": "le"}  # fmt: skip
_ACTIVE = re.compile(r"^(?:(?:that|who)\s+)?(?:(?:were|was|are|is|have\s+been|been)\s+)?active\b\s*")


@dataclass(frozen=True)
class Act:
    """One thing done, in words: `never` turns it round, `operator` and `times` say how often."""

    text: str
    never: bool = False
    operator: str = "ge"
    times: int = 1
    grain: str = ""

    @property
    def often(self) -> bool:
        """True where a number of times is asked for."""
        return (self.operator, self.times, self.grain) != ("ge", 1, "")


class SubjectFrames:
    """Frames of subjects; each returns None where its cue is not in the question."""

    def __init__(self, index: CatalogueIndex, inner: Inner) -> None:
        self._index = index
        self._inner = inner

    def members(self, wording: Wording) -> Framed | None:
        """`how many members joined in May and never borrowed`."""
        match = wording.search(_LEAD)
        of_those = wording.search(_OF_THOSE)
        if of_those is not None:  # `of those who …, how many …` is `how many of those who … also …`
            parts = {name: wording.group(of_those, name) for name in ("who", "did", "asked", "more")}
            wording = Wording(f"{parts['asked']} {parts['who']} {parts['did']} and also {parts['more']}")
            match = wording.search(_LEAD)
        if match is None:
            return None
        who, did = wording.group(match, "who"), wording.group(match, "did")
        share = match["share"] is not None
        if match["list"] and not _DOING.match(did.lower()):
            return None
        acts, ordered, within = _acts(did)
        if acts is None or (len(acts) < 2 and not share and not acts[0].often and not acts[0].never):
            return None
        subject = self.subject(who)
        if subject is None:
            return None
        plan, source = subject
        own = self._inner.tried(f"number of different {who}") == plan
        key = self._index.role(source.table, source.column).kind == "key" and own
        if not key and (all(act.never for act in acts) or (share and len(acts) < 2)):
            return None  # those without any row may be told somewhere else
        steps = tuple(self.step(who, plan, source, act) for act in acts)
        kind = "member_share" if share else "members" if match["count"] else "member_list"
        whole = (len(steps) - 1 if len(steps) > 1 else 0) if share else 0
        if ordered and any(step.operator != "ge" or step.times != 1 or step.grain for step in steps):
            raise refused("An order of events and how often each happened cannot be asked for at once yet.")
        title = f"{_plural(who)} who {did}" if not share else f"share of {_plural(who)} who {did}"
        cohort = Cohort(kind, source, self.time(plan), steps, ordered, within, whole)
        return self.framed(plan, cohort, title, self._lines(who, steps, whole, cohort))

    def subject(self, who: str) -> tuple[QueryPlan, Source] | None:
        """The rows that subjects are told by: those that hold many rows of each."""
        plan = self._inner.tried(f"number of different {who}")
        if plan is None and who.lower() in _ANYBODY:
            return self.anybody()
        if plan is None or plan.filters or plan.windows or plan.dimensions or len(plan.measures) != 1:
            return None
        source = plan.measures[0].source
        if plan.joins:
            return None
        if plan.measures[0].function == "count":
            return self._referring(plan.table)
        return (
            (plan, source) if plan.measures[0].function == "count_distinct" and source is not None else None
        )

    def anybody(self) -> tuple[QueryPlan, Source] | None:
        """The one key of a person that repeats in a table of events."""
        found = repeating(self._index)
        if len(found) != 1:
            return None
        table, column = found[0]
        plan = self._inner.tried(f"number of different `{table}.{column.name}`")
        return (plan, Source(table, column.name, column.type)) if plan is not None else None

    def _referring(self, table: str) -> tuple[QueryPlan, Source] | None:
        """The one table with a time whose rows refer to those of a table: what its rows did."""
        edges = [e for e in self._index.keys.reaching(table) if self._index.time_columns(e.table)]
        if len(edges) != 1:
            return None
        column = self._index.column(edges[0].table, edges[0].column)
        plan = self._inner.tried(f"number of different `{edges[0].table}.{column.name}`")
        return (plan, Source(edges[0].table, column.name, column.type)) if plan is not None else None

    def step(self, who: str, plan: QueryPlan, source: Source, act: Act) -> Step:
        """An act as conditions on rows; raises Stopped where its words are not understood whole."""
        title = act.text or "any row"
        operator, times = ("eq", 0) if act.never else (act.operator, act.times)
        if not act.text:
            return Step(title, (), (), operator, times, act.grain)
        found = self._acted(who, act.text, plan.table)
        wanted = len(found.measures) == 1 and not found.dimensions and found.table == plan.table
        if not wanted or found.joins or found.measures[0].function not in ("count", "count_distinct"):
            raise refused(
                f"'{act.text}' is not something that can be followed over the rows of {plan.table}."
            )
        counted = found.measures[0].source
        if found.measures[0].function == "count_distinct" and counted != source:
            raise refused(f"'{act.text}' counts something other than {who}.")
        if not found.filters and not found.windows:
            raise refused(f"'{act.text}' does not say which rows of {plan.table} are meant.")
        filters = tuple(f for f in found.filters if f.source != source or f.operator != "not_null")
        return Step(title, filters, found.windows, operator, times, act.grain)

    def _acted(self, who: str, text: str, table: str) -> QueryPlan:
        """The plan whose conditions are this act: said of the subjects, or as rows to be counted."""
        spoken = acted_out(self._index, table, text)
        texts = dict.fromkeys((text, spoken))
        tries = [f"number of different {who} {verb}{one}" for one in texts for verb in ("", "with ")]
        tries += [f"number of rows of `{table}` {one}" for one in texts]
        tries += [f"number of {one}" for one in texts]
        for attempt in tries:
            plan = self._inner.tried(attempt)
            if plan is not None:
                return plan
        return self._inner.planned(tries[-1], lambda put: put)

    def time(self, plan: QueryPlan) -> Source:
        """The time that orders the rows."""
        stepped = self._inner.planned(f"number of rows of `{plan.table}` by day", lambda put: put)
        steps = [d.source for d in stepped.dimensions if d.grain]
        if len(steps) != 1 or steps[0].calendar:
            raise refused(f"{plan.table} has no one time that orders its rows.")
        return steps[0]

    def framed(self, plan: QueryPlan, cohort: Cohort, title: str, lines: tuple[str, ...]) -> Framed:
        """A plan of a cohort whose answer is one number, or one column of subjects."""
        names = Names(self._index, plan.table)
        listed = cohort.kind == "member_list"
        unit = "percent" if cohort.kind == "member_share" else ""
        measures = () if listed else (Measure("count", None, names.fresh(title), title, unit),)
        dimensions = (
            (Dimension(cohort.subject, names.fresh(f"the_{cohort.subject.column}"), title),) if listed else ()
        )
        made = replace(
            plan,
            form="list" if listed else "scalar",
            measures=measures,
            dimensions=dimensions,
            cohort=cohort,
            order=(),
        )
        return Framed(made, tuple(self._inner.read), lines, self._inner.confidence)

    def _lines(self, who: str, steps: tuple[Step, ...], whole: int, cohort: Cohort) -> tuple[str, ...]:
        lines = []
        if whole:
            base = " and ".join(step.title for step in steps[:whole])
            lines.append(f"The whole are the {_plural(who)} with: {base}.")
        if not cohort.ordered and len(steps) > 1:
            lines.append("In whichever order these happened.")
        return tuple(lines)


def repeating(index: CatalogueIndex) -> list[tuple[str, Column]]:
    """The keys that stand in many rows of a table with a time of its own; of several those of people."""
    if index not in _REPEATING:
        _REPEATING[index] = _repeating(index)
    return _REPEATING[index]


def _repeating(index: CatalogueIndex) -> list[tuple[str, Column]]:
    found = [
        (table.name, column)
        for table in index.catalogue.tables
        for column in table.columns
        if column.distinct_count is not None
        and 1 < column.distinct_count < table.row_count
        and index.role(table.name, column.name).kind == "key"
        and index.time_columns(table.name)
    ]
    people = [(table, column) for table, column in found if PEOPLE & set(column.name.casefold().split("_"))]
    return found if len(found) == 1 else people


_REPEATING: WeakKeyDictionary[CatalogueIndex, list[tuple[str, Column]]] = WeakKeyDictionary()
"""What was found over a whole catalogue, as long as its index is there: each question asks for it."""


def _acts(did: str) -> tuple[list[Act] | None, bool, int]:
    """The acts that the words behind the subjects tell, whether in order, and within how many seconds."""
    within = 0
    found = _WITHIN.search(did.lower())
    if found is not None:
        count = found["n"]
        within = (
            1
            if not count[0].isdigit() and count not in ("two",) and count.split()[0] in ("a", "an", "the")
            else number(count)
        )
        within *= SECONDS.get(found["unit"], 0)
        did = tidy(f"{did[: found.start()]} {did[found.end() :]}")
    both = _both(did)
    if both is not None:
        return both, False, within
    parts: list[tuple[str, bool]] = []
    ordered, never, at = within > 0, False, 0
    for match in _AND.finditer(did.lower()):
        if match.group().strip(" ,") == "and" and not _VERBED.match(did[match.end() :].lower()):
            continue  # `calm and rough sailings` may be one thing
        if match["never"] and not _HELP.sub("", did[at : match.start()].lower() + " ").strip():
            continue  # `have never bought` turns the only act round
        parts.append((did[at : match.start()], never))
        ordered = ordered or match["then"] is not None
        never = match["never"] is not None or match["without"] is not None
        at = match.end()
    parts.append((did[at:], never))
    ordered = ordered or any(
        re.search(r"\b(?:came|come)\s+back\b|\breturned\b|\bactive\s+again\b", text.lower())
        for text, _ in parts[1:]
    )
    acts = [act_of(text, turned) for text, turned in parts]
    made = [act for act in acts if act is not None]
    return (made if len(made) == len(acts) else None), ordered and len(acts) > 1, within


def _both(did: str) -> list[Act] | None:
    """`active in both May and June 2024`, `bought both A and B`."""
    match = _BOTH.match(did.lower())
    if match is None:
        return None
    head = did[: match.end("head")]
    a, b = (did[slice(*match.span(name))] for name in ("a", "b"))
    prep = match["prep"] or ""
    year = re.search(r"\b((?:19|20)\d\d)$", b)
    if year and not re.search(r"\d{4}", a) and re.fullmatch(r"[a-z]+", a.strip().lower()):
        a = f"{a} {year[1]}"
    acts = [act_of(f"{head} {prep}{part}", never=False) for part in (a, b)]
    return [act for act in acts if act is not None]


def act_of(text: str, never: bool = False) -> Act | None:
    """Words for one thing done, without the helping words before it."""
    text = tidy(text.strip())
    turned = _NEVER.match(text.lower())
    if turned is not None and turned.group():
        text, never = text[turned.end() :], not never
    text = re.sub(r"\s+(?:yet|ever|at all)$", "", text, flags=re.I)
    text = re.sub(r"\s*\b(?:anything|something|somewhere|anywhere)$", "", text, flags=re.I)
    active = _ACTIVE.match(text.lower())
    if active is not None:
        text = re.sub(r"^again\b\s*", "", text[active.end() :])
    back = re.fullmatch(
        r"(?:(?:that|who)\s+)?(?:(?:came|come|coming)\s+back|returned|(?:(?:were|was|are)\s+)?active"
        r"\s+again)",
        text.lower(),
    )
    if back is not None:
        return Act("", never)
    operator, times, grain = "ge", 1, ""
    often = _OFTEN.search(text.lower())
    if often is not None:
        count = often["n"] or often["n2"]
        times = {"once": 1, "twice": 2}.get(count) or number(count)
        said = re.sub(r"\s+", " ", often["op"] or often["op2"] or "")
        operator = _OPERATORS.get(said, "ge" if often["more"] != "fewer" else "le")
        if not said and often["more"] is None:
            operator = "ge" if active is not None else "eq"
        grain = (often["grain"] or "").rstrip("s")
        text = f"{text[: often.start()]} {text[often.end() :]}"
        text = re.sub(r"\b(?:on|in|for)\s*$", "", text.strip(), flags=re.I)
    helped = _HELP.match(text.lower())
    text = tidy(text[helped.end() :] if helped else text)
    if re.match(r"^(?:with|and|by)\b", text.lower()):
        text = re.sub(r"^with\s+", "", text, flags=re.I)
    if not text and often is None and active is None and not never:
        return None
    return Act(text, never, operator, times, grain)


def _plural(who: str) -> str:
    who = who.replace("`", "")
    return who if who.endswith("s") else f"{who}s"
