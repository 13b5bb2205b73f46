"""What the words of a question ask for, before tables are joined and columns bound: the reader's output."""

from __future__ import annotations

from dataclasses import dataclass, field

from .items import Candidate, Item
from .windows import TimeMention


class Unread(Exception):
    """These words cannot be read here; `item` is the one to name, `why` a plain clause for the message."""

    def __init__(self, item: Item | None, why: str) -> None:
        super().__init__(why)
        self.item = item
        self.why = why


class Barred(Unread):
    """These words were understood and cannot be answered: no less likely reading may be answered instead."""


@dataclass(frozen=True)
class Choice:
    """One way to settle an ambiguity: a label, and the text that replaces the span [start, end) of
    tokens. A `spare` one is seldom meant: where it cannot be answered nothing is missing."""

    label: str
    text: str
    start: int
    end: int
    spare: bool = False


class Ambiguous(Exception):
    """The words fit, but in several ways; `question` asks which, `choices` say how to put each.

    `listable`: it may as well be no figure that is asked for, but the numbers as they are stored.
    """

    def __init__(self, question: str, choices: list[Choice], *, listable: bool = False) -> None:
        super().__init__(question)
        self.question = question
        self.choices = choices
        self.listable = listable


@dataclass(frozen=True)
class Ref:
    """A chosen meaning, the item it came from, the direction word (from, to) said just before it, and the
    key column it was said to go through (`destination stop`)."""

    candidate: Candidate
    item: Item
    direction: str = ""
    via: str = ""


@dataclass(frozen=True)
class Aggregate:
    """A function over a column, or a count: of rows (`ref` a table or None) or of different values."""

    function: str
    ref: Ref | None
    distinct: bool = False
    item: Item | None = None


@dataclass(frozen=True)
class Group:
    """Something to group by: a table or column, a step of time, or a repeating part of a date.

    `said` is `per` where that word (or each) stood right before it, and `by` is that word.
    """

    ref: Ref | None
    item: Item
    grain: str = ""
    part: str = ""
    said: str = ""
    by: Item | None = None


@dataclass(frozen=True)
class Condition:
    """A condition on rows; without a `ref` the column is to be found by `adjective` or `unit`.

    `unknown` keeps the rows where nothing is known: the condition was turned round.
    """

    ref: Ref | None
    operator: str
    values: tuple[str, ...]
    item: Item
    numeric: bool = False
    adjective: str = ""
    unit: str = ""
    unknown: bool = False


@dataclass(frozen=True)
class Negation:
    """A negating word, what was named right before it, the rows named right behind what it leaves out
    (`no cake orders`), and the conditions it made."""

    item: Item
    said_of: Candidate | None
    rows: Candidate | None
    made: tuple[Condition, ...]


@dataclass
class Rank:
    """An order with or without a limit.

    `by` is what to order by; None means the question's own measure, or the measure an `adjective` speaks
    of. `raw` says that `by` names a column without saying how to add it up. `vague` marks words such as
    best. `start` is the token its words begin with, the number before them included.
    """

    descending: bool
    item: Item
    limit: int = 0
    by: Aggregate | None = None
    raw: bool = False
    adjective: str = ""
    vague: bool = False
    by_time: bool = False
    by_count: bool = False
    start: int = -1


@dataclass
class Draft:
    """Everything one reading of the question asks for.

    `elsewhere` are items whose meaning another part carries; `joined` the values of one column that `and`
    joined; `described` the values that a name follows (`open orders`); `different` says that different
    values were asked for in so many words; `present` the words that leave out what has no rows;
    `unsettled` is to be asked once nothing else stands against it.
    """

    aggregates: list[Aggregate] = field(default_factory=list)
    bare: list[Ref] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    target: Group | None = None
    rank: Rank | None = None
    conditions: list[Condition] = field(default_factory=list)
    having: list[tuple[Aggregate, str, tuple[str, ...], Item]] = field(default_factory=list)
    windows: list[tuple[TimeMention, Ref | None, Item]] = field(default_factory=list)
    subjects: list[Ref] = field(default_factory=list)
    columns: list[Ref] = field(default_factory=list)
    nouns: list[Ref] = field(default_factory=list)
    verbs: list[Item] = field(default_factory=list)
    units: list[Item] = field(default_factory=list)
    listing: bool = False
    asked: bool = False
    limit: int = 0
    distinct: bool = False
    share: Item | None = None
    when: bool = False
    fold: str = ""
    elsewhere: list[Item] = field(default_factory=list)
    negations: list[Negation] = field(default_factory=list)
    joined: list[tuple[Condition, Item]] = field(default_factory=list)
    described: list[Item] = field(default_factory=list)
    different: bool = False
    present: Item | None = None
    unsettled: Ambiguous | None = None
    loose_functions: list[tuple[str, Item]] = field(default_factory=list)
