"""Ways of speaking that mean what another wording says plainly: DAU are daily active users."""

from __future__ import annotations

import re

from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.outcomes import Clarification
from aidatalabs_services.agent.planner.plan import Source
from aidatalabs_services.agent.planner.relations.verbs import PERSONS
from aidatalabs_services.agent.planner.words import lemma, split_name

from .agents import acted_by
from .followers import spoken
from .inner import Framed, Inner, Stopped
from .subjects import PEOPLE, repeating
from .wording import COUNT, UNIT, Wording

_ABBREVIATED = {
    "dau": "daily active users",
    "wau": "weekly active users",
    "mau": "monthly active users",
    "daus": "daily active users",
    "waus": "weekly active users",
    "maus": "monthly active users",
}
_ACTIVES = re.compile(r"\b(?P<short>[dwm]aus?)\b(?!\s*(?:/|to|over|by)\s*[dwm]au)")
_UNITS = "hour|day|week|month|quarter|year"
_MEAN = re.compile(
    rf"^(?:(?:on\s+average|typically|usually)\s*,?\s*)?how\s+many\s+(?P<what>.+?)\s+(?:do\s+we\s+(?:get"
    rf"|have|see)|are\s+there|(?:is|are)\s+made|happen|occur|come\s+in)?\s*"
    rf"(?:per|a|an|each|every|in\s+an?|in\s+one)\s+(?P<unit>{_UNITS})(?P<rest>\s+.*?)?(?P<mean>\s*,?"
    rf"\s*on\s+average)?$"
)
_A_UNIT = re.compile(
    rf"^(?P<head>(?:the\s+)?(?:average|avg|mean|median)\s+)(?P<number>(?:number|count)\s+of\s+)?"
    rf"(?P<what>.+?)\s+(?:per|a|an|each|every)\s+(?P<unit>{_UNITS})(?P<rest>\s+.*)?$"
)
_PEAK = re.compile(
    rf"^(?:(?P<fewest>slowest|quietest|worst|lowest)|peak|busiest|best|highest|top|record)\s+"
    rf"(?P<unit>{_UNITS}|weekday|hour\s+of\s+(?:the\s+)?day|day\s+of\s+(?:the\s+)?week)"
    r"\s+(?:for|by|of|in\s+terms\s+of)\s+(?P<what>.+)$"
)
_WITH = re.compile(
    rf"^(?:the\s+)?(?P<unit>{_UNITS}|weekday|hour\s+of\s+(?:the\s+)?day|day\s+of\s+(?:the\s+)?week)"
    rf"\s+with\s+(?P<rest>the\s+(?:most|fewest|least|highest|lowest|largest|smallest)\s+.+)$"
)
_UP_DOWN = re.compile(
    rf"^(?:did|do|does|have|has|were|was|are|is)\s+(?:the\s+|our\s+)?(?:number\s+of\s+)?(?P<what>.+?)"
    rf"\s+(?:go|went|gone|going|move|been|been\s+going)\s+(?:up\s+or\s+down|down\s+or\s+up)\s+"
    rf"(?P<when>.+?)(?:\s*,?\s*(?:compared\s+(?:to|with)|versus|vs|from|over|against)\s+(?:the\s+)?"
    rf"(?P<unit>{_UNITS})\s+before|\s*,?\s*(?:compared\s+(?:to|with)|versus|vs)\s+(?P<other>.+))?$"
)
_ROSE = re.compile(
    r"^(?:did|have|has)\s+(?:the\s+|our\s+)?(?:number\s+of\s+)?(?P<what>.+?)\s+(?:increased?"
    r"|decreased?|gr[eo]wn?|fall(?:en)?|dropped|drop|rise|risen|decline[d]?)\s+(?P<when>(?:in|last"
    r"|this|yesterday|today|during)\b.*?)"
    r"(?:\s*,?\s*(?:compared\s+(?:to|with)|versus|vs|over)\s+(?P<other>.+))?$"
)
_MORE = re.compile(
    r"^(?:were|was|are|did|do|have)\s+(?:there\s+|we\s+(?:have|had|get|see)\s+)?(?:more|fewer|less)\s+"
    r"(?P<what>.+?)\s+(?P<prep>in|on|during)\s+(?P<a>.+?)\s+(?:or|than)\s+(?:in\s+|on\s+|during\s+)?"
    r"(?P<b>.+)$"
)
_BEFORE_THAT = re.compile(
    rf"\s*,?\s*\b(?:vs\.?|versus|compared\s+(?:to|with)|against|and|than)\s+(?:in\s+)?the\s+(?:"
    rf"(?P<n>{COUNT})\s+(?:{UNIT})s\s+(?:before|prior|preceding)(?:\s+(?:that|those|them|it))?"
    rf"|(?:previous|prior|preceding)\s+(?P<n2>{COUNT})\s+(?:{UNIT})s)$"
)
_YEARS = re.compile(
    r"^(?P<what>[^\d]+?)\s+(?P<a>(?:19|20)\d\d)\s+(?P<link>vs\.?|versus|compared\s+(?:to|with)"
    r"|against)\s+(?P<b>(?:19|20)\d\d)$"
)
_OVER = re.compile(
    r"^(?P<what>[\w`\u0001 ]+?)\s+(?P<u>month|year|week|quarter|day)[\s-]+(?:over|on)[\s-]+(?P=u)$"
)
_TAKES = re.compile(
    r"^how\s+(?P<how>long|many\s+\w+)\s+(?:does|do|did)\s+(?:it\s+(?:usually\s+|typically\s+)?take"
    r"\s+)?(?:for\s+)?(?:an?\s+|the\s+(?:average\s+)?|our\s+)?(?P<who>\w+)\s+(?:take\s+)?(?:to\s+"
    r"(?:get|go|move|come)\s+)?from\s+(?P<a>.+?)\s+to\s+(?P<b>.+?)(?P<mean>\s*,?\s*on\s+average)?$"
)
_MADE = re.compile(
    r"\b(?P<act>[a-z]{3,}ing)\s+(?P<who>user|customer|visitor|member|subscriber|player|account)(?P<many>s?)\b"
)
_AGENT = re.compile(r"\b(?P<agent>[a-z]{2,}?(?:er|or))(?P<many>s?)\b")
_WORD = re.compile(r"[a-z]{4,}")
_NO_ACTS = frozenset(
    ("returning", "existing", "recurring", "repeating", "using", "remaining", "trailing", "moving")
)


class Rewordings:
    """Frames that say a question anew; each returns None where its cue is not in the question."""

    def __init__(self, index: CatalogueIndex, inner: Inner) -> None:
        self._index = index
        self._inner = inner

    def reworded(self, wording: Wording) -> Framed | None:
        """The question in plainer words, planned as those are."""
        for rule in (
            self._actives,
            self._mean,
            self._peak,
            self._changes,
            self._compared,
            self._takes,
        ):
            text = rule(wording)
            if text:
                return self._planned(text)
        return None

    def people(self, wording: Wording) -> Framed | None:
        """`players`, `visitors`: the one key of people is meant where nothing else is called so."""
        if not any(lemma(word) in PERSONS for word in _WORD.findall(wording.plain)):
            return None
        keys = repeating(self._index)
        if len(keys) != 1 or any(split_name(name)[-1] in PERSONS for name in self._index.tables):
            return None
        noun = spoken(Source(*keys[0][:1], keys[0][1].name)).rstrip("s")
        found = []
        for match in _WORD.finditer(wording.plain):
            word = match.group()
            bare = lemma(word)
            if bare not in PERSONS or self._known(word) or self._known(bare) or acted_by(self._index, bare):
                continue
            found.append((match.span(), noun if lemma(word) == word and word != "people" else f"{noun}s"))
        if not found or PERSONS & set(split_name(keys[0][1].name)) == set():
            return None
        text = wording.text
        for (start, end), said in reversed(found):
            text = f"{text[:start]}{said}{text[end:]}"
        plan = self._inner.tried(text)
        if plan is None:
            return None
        (start, end), said = found[0]
        line = f"'{wording.text[start:end]}' was read as {said}, by {keys[0][0]}.{keys[0][1].name}."
        return Framed(plan, tuple(self._inner.read), (line,), self._inner.confidence)

    def _known(self, word: str) -> bool:
        """Whether the data has a name or a value with this word."""
        return self._index.names.knows(word) or bool(
            self._index.values([word]) or self._index.partial_values([word])
        )

    def agents(self, wording: Wording) -> Framed | None:
        """`subscribers`, `paying users`: those with the event that the word acts out."""
        match = wording.search(_MADE)
        if match is not None and match["act"] not in _NO_ACTS:
            value = acted_by(self._index, match["act"])
            who = match["who"]
        else:
            match, value, who = self._agent(wording)
        if match is None or not value:
            return None
        many = match["many"] or "s"
        found = self._people(value[0])
        who = found or who
        if not who:
            return None
        who = who.rstrip("s") + many
        before, after = wording.text[: match.start()], wording.text[match.end() :]
        if re.search(r"\bper\s+$", before.lower()) and re.match(
            r"(?:the\s+)?(?:average|avg|mean)\b", before.lower()
        ):
            return None  # what is divided by whom is told elsewhere
        did = f'who had "{value[2]}"'
        text = f"{before}{who} {did}{after}"
        plan = self._inner.tried(" ".join(text.split()))
        if plan is None and re.search(r"\b(?:per|each|every)\s+$", before.lower()):
            plan = self._inner.tried(f'{before}{who} with "{value[2]}"{after}')
        if plan is None:
            return None
        word = wording.text[match.start() : match.end()]
        line = f"'{word}' was read as {who} with a {value[2]}."
        return Framed(plan, tuple(self._inner.read), (line,), self._inner.confidence)

    def _agent(self, wording: Wording) -> tuple[re.Match[str] | None, tuple[str, str, str] | None, str]:
        for match in _AGENT.finditer(wording.plain):
            word = match["agent"]
            if word in PEOPLE and word not in ("buyer", "shopper", "subscriber"):
                continue
            if self._known(word):
                continue
            value = acted_by(self._index, word)
            if value:
                return match, value, ""
        return None, None, ""

    def _people(self, table: str) -> str:
        """Who the rows of a table are of."""
        keys = [column for name, column in repeating(self._index) if name == table]
        if len(keys) != 1:
            return ""
        name = keys[0].name.split(".")[-1].casefold()
        name = re.sub(r"[_ ]?(?:id|key|no|number|code)$", "", name) or name
        return name.rstrip("s")

    def _planned(self, text: str) -> Framed | None:
        try:
            plan = self._inner.planned(text, lambda put: put)
        except Stopped as stopped:
            if isinstance(stopped.outcome, Clarification):
                raise
            return None
        return Framed(plan, tuple(self._inner.read), (f"Read as '{text}'.",), self._inner.confidence)

    @staticmethod
    def _actives(wording: Wording) -> str:
        match = wording.search(_ACTIVES)
        if match is None:
            return ""
        start, end = match.span()
        return f"{wording.text[:start]}{_ABBREVIATED[match['short']]}{wording.text[end:]}"

    @staticmethod
    def _mean(wording: Wording) -> str:
        """`on average how many orders a day`: the average number of orders per day."""
        match = wording.search(_MEAN)
        if match is not None and (
            match["mean"] or match.group().startswith(("on average", "typically", "usually"))
        ):
            rest = wording.group(match, "rest")
            return f"average number of {wording.group(match, 'what')} per {match['unit']}{rest}"
        match = wording.search(_A_UNIT)
        if match is None:
            return ""
        said = " ".join(wording.text[match.end("what") : match.start("unit")].split()).lower()
        plain = match["number"] and said == "per"
        if plain or re.search(r"\b(?:per|by|in|of|for|each)\b", match["what"]):
            return ""
        if said == "per" and not match["number"]:
            return (
                f"{match['head']}number of {wording.group(match, 'what')} per "
                f"{match['unit']}{wording.group(match, 'rest')}"
            )
        number = match["number"] or "number of "
        return (
            f"{match['head']}{number}{wording.group(match, 'what')} per "
            f"{match['unit']}{wording.group(match, 'rest')}"
        )

    @staticmethod
    def _peak(wording: Wording) -> str:
        match = wording.search(_PEAK)
        if match is not None:
            way = "lowest" if match["fewest"] else "highest"
            unit = match["unit"].replace("weekday", "day of the week")
            what = wording.group(match, "what")
            if re.match(r"(?:number|total|average|revenue|sum)\b", what.lower()):
                return f"which {unit} had the {way} {what}"
            return f"which {unit} had the {way} number of {what}"
        match = wording.search(_WITH)
        return f"which {match['unit']} had {wording.group(match, 'rest')}" if match is not None else ""

    @staticmethod
    def _changes(wording: Wording) -> str:
        """`did orders go up or down last month`: beside the month before."""
        match = wording.search(_UP_DOWN) or wording.search(_ROSE)
        if match is None:
            return ""
        when, other = wording.group(match, "when"), wording.group(match, "other")
        against = other or "the period before"
        if not other and re.fullmatch(r"this\s+\w+|today", when.lower()):
            return ""
        return f"{wording.group(match, 'what')} {when} compared with {against}"

    @staticmethod
    def _compared(wording: Wording) -> str:
        more = wording.search(_MORE)
        if more is not None:
            what, prep = wording.group(more, "what"), more["prep"]
            a, b = wording.group(more, "a"), wording.group(more, "b")
            return f"compare the number of {what} {prep} {a} with {prep} {b}"
        before = wording.search(_BEFORE_THAT)
        if before is not None:
            return f"{wording.text[: before.start()]} compared with the previous period"
        years = wording.search(_YEARS)
        if years is not None:
            return f"{wording.group(years, 'what')} in {years['a']} compared with in {years['b']}"
        over = wording.search(_OVER)
        if over is not None:
            return f"{over['u']} over {over['u']} growth of {wording.group(over, 'what')}"
        return ""

    @staticmethod
    def _takes(wording: Wording) -> str:
        match = wording.search(_TAKES)
        if match is None or match["who"] in ("it", "get", "go", "take"):
            return ""
        unit = "days" if match["how"] == "long" else match["how"].split()[-1]
        return f"average {unit} between {wording.group(match, 'a')} and {wording.group(match, 'b')}"
