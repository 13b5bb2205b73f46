"""What a question says of things, as a tree: populations, what holds for them, what of them is shown.

Nothing here is bound to the schema beyond what single words may mean; `builder` does that.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aidatalabs_services.agent.planner.items import Candidate
from aidatalabs_services.agent.planner.windows import TimeMention


@dataclass(frozen=True)
class Mention:
    """Words over the tokens [start, end) and what they may name, likeliest first."""

    candidates: tuple[Candidate, ...]
    start: int
    end: int
    text: str

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables the words may name."""
        return tuple(dict.fromkeys(c.table for c in self.candidates if c.kind == "table"))


@dataclass(frozen=True)
class Compared:
    """A number (or an ordered text) of the population compared: gt, ge, lt, le, eq, ne or between.

    The column is `attribute`, or the one that `adjective` speaks of (`older`), or the one told in `unit`.
    """

    attribute: Mention | None
    operator: str
    values: tuple[str, ...]
    adjective: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Held:
    """A stored value, or one of several; `attribute` is the column that was named for it."""

    values: tuple[Mention, ...]
    attribute: Mention | None = None
    negated: bool = False


@dataclass(frozen=True)
class Written:
    """A text that contains, starts or ends with some letters, or is exactly so, of a column whose values are
    not all known."""

    attribute: Mention | None
    way: str
    text: str
    negated: bool = False


@dataclass(frozen=True)
class Gap:
    """Nothing is stored in a column, or something is."""

    attribute: Mention
    known: bool


@dataclass(frozen=True)
class Flagged:
    """A yes or a no: `discontinued products`, `those that are not active`."""

    attribute: Mention
    negated: bool = False


@dataclass(frozen=True)
class During:
    """A window of time; `attribute` is the date it was said of, `verb` what was done then."""

    time: TimeMention
    attribute: Mention | None = None
    verb: str = ""


@dataclass(frozen=True)
class Related:
    """Other things of which this one has some, none, or a number of (`operator` and `values`)."""

    noun: Noun
    negated: bool = False
    operator: str = ""
    values: tuple[str, ...] = ()
    verb: str = ""


@dataclass(frozen=True)
class Beyond:
    """A number compared with the average (or another figure) of the same column, over `noun` or over all.

    `single`: `noun` is one thing that was named, whose own number it is: `older than Ada`.
    """

    attribute: Mention | None
    operator: str
    function: str
    adjective: str = ""
    noun: Noun | None = None
    single: bool = False


@dataclass(frozen=True)
class Choice:
    """One of several conditions holds."""

    options: tuple[Condition, ...]


Condition = Compared | Held | Written | Gap | Flagged | During | Related | Beyond | Choice


@dataclass(frozen=True)
class Extreme:
    """The first `limit` by a column, an adjective, a number of related things, or a computed figure."""

    descending: bool
    limit: int
    attribute: Mention | None = None
    adjective: str = ""
    noun: Noun | None = None
    function: str = ""
    by_time: bool = False
    by: Part | None = None

    @property
    def open(self) -> bool:
        """True for `top 5` before it is said by what."""
        told = self.attribute or self.adjective or self.noun or self.by_time or self.by
        return not told


@dataclass
class Noun:
    """A population: rows of a table, or the values of a column, for which all `conditions` hold.

    `head` is None for an implied one (`who`). `different` was said before it.
    """

    head: Mention | None
    start: int
    conditions: list[Condition] = field(default_factory=list)
    extreme: Extreme | None = None
    different: bool = False
    personal: bool = False

    @property
    def bare(self) -> bool:
        """True while nothing was said of it."""
        return not self.conditions and self.extreme is None


@dataclass(frozen=True)
class Shown:
    """A column to be shown; `noun` is whose it is where that was said."""

    attribute: Mention
    noun: Noun | None = None


@dataclass(frozen=True)
class Computed:
    """A figure of a column: avg, sum, min, max, median."""

    function: str
    attribute: Mention
    noun: Noun | None = None


@dataclass(frozen=True)
class Counted:
    """A number of things, or of different values."""

    noun: Noun
    different: bool = False


Part = Shown | Computed | Counted


@dataclass(frozen=True)
class Sorted:
    """An order asked for: by a column, an adjective, a figure or a number of things."""

    descending: bool
    part: Part | None = None
    adjective: str = ""


@dataclass
class Asked:
    """The whole question; `led`: its things are named before columns of theirs, `shops and their cities`."""

    parts: list[Part] = field(default_factory=list)
    noun: Noun | None = None
    groups: list[Mention] = field(default_factory=list)
    order: Sorted | None = None
    limit: int = 0
    different: bool = False
    led: bool = False
