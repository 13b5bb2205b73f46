"""The typed query plan: what a question was understood to ask, before it is SQL.

Flat and serialisable on purpose: every field is text, a number, a flag, or a tuple of the records below,
so that the plan travels inside a proof and two plans are equal exactly when their `to_dict()` are.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Source:
    """Where a value comes from: one column of one table of the query.

    `table` is the table's alias in this query. A JSON path has `path` set, and `declared` too where the
    column's type names it. A date that is spread over whole number columns has no `column` but `calendar`:
    the names of its year, month, day and hour columns, empty where the table has none. A length of time has
    a `span`: the names of the columns it runs from and to, and its unit.
    """

    table: str
    column: str = ""
    type: str = ""
    path: bool = False
    calendar: tuple[str, ...] = ()
    declared: bool = False
    span: tuple[str, ...] = ()


@dataclass(frozen=True)
class Join:
    """A many-to-one join: `alias` stands for `table`, found by `left`.`left_column` =
    `alias`.`right_column`.

    `kind` is left (rows without a match stay) or inner.
    """

    table: str
    alias: str
    left: str
    left_column: str
    right_column: str
    kind: str


OR_UNKNOWN = "_or_unknown"
_ORDERED = ("lt", "le", "gt", "ge")
_WRITTEN = ("contains", "starts", "ends")
OPERATORS = (
    *("eq", "ne", "in", "not_in", *_ORDERED, "between", "is_null", "not_null", "is_true", "is_false"),
    *(operator + OR_UNKNOWN for operator in _ORDERED),
    *_WRITTEN,
    *(f"not_{way}" for way in _WRITTEN),
    *("in_query", "not_in_query", "any", "all"),
)
"""Every operator a filter may have."""


@dataclass(frozen=True)
class Filter:
    """A condition on a value: eq, ne, in, not_in, lt, le, gt, ge, between, is_null, not_null, is_true,
    is_false; lt_or_unknown, le_or_unknown, gt_or_unknown and ge_or_unknown keep the rows where nothing is
    known, as ne and not_in do. An ne of the empty text leaves out what is not known, like not_null.

    `values` are texts as written in the data; `numeric` says to write them as numbers. With `part` (weekday,
    1 being Monday; hour, day, month, quarter, year) it is this part of a time that is compared. in_query and
    not_in_query look the value up among those of `query`; with any other operator a `query` gives the one
    number to compare with. contains, starts and ends (and their not_) look for a text in small or capital
    letters. any and all join `options`, whatever `source` is.
    """

    source: Source
    operator: str
    values: tuple[str, ...] = ()
    numeric: bool = False
    query: QueryPlan | None = None
    options: tuple[Filter, ...] = ()
    part: str = ""

    @property
    def known(self) -> bool:
        """True for a condition that only asks for some value, whichever."""
        return self.operator == "not_null" or (self.operator == "ne" and self.values == ("",))


@dataclass(frozen=True)
class Window:
    """A half-open time window [start, end) in local time of `timezone`; an empty bound is open.

    Bounds are ISO texts: `2013-07-01` for days, `2013-07-01T14:00:00` for moments. `words` tells how it
    was read.
    """

    source: Source
    start: str
    end: str
    timezone: str
    words: str


@dataclass(frozen=True)
class Measure:
    """A number computed over rows: count, count_distinct, sum, avg, min, max, median, quantile (of `level`, 0
    to 1), stddev, variance, share or percent.

    `share` is the group's part of all rows in percent (of the total of `source` if it has one); `percent`
    the part of the rows that fulfil `conditions`. Any other function looks only at the rows that fulfil
    `conditions` and lie in `windows`. `grain` cuts a time that is counted into steps. A ratio (first by
    second), percentage (the same times 100), difference (first less second) or growth (the difference in
    percent of the second) is made of two `parts`. With `since` the value is the time from there to `source`,
    in steps of `grain`. `unit` is empty where it is not known. With
    `skips_empty` an empty text is no value, and not counted as one.
    """

    function: str
    source: Source | None
    alias: str
    title: str
    unit: str = ""
    conditions: tuple[Filter, ...] = ()
    skips_empty: bool = False
    windows: tuple[Window, ...] = ()
    parts: tuple[Measure, ...] = ()
    level: str = ""
    grain: str = ""
    since: Source | None = None

    @property
    def all_conditions(self) -> tuple[Filter, ...]:
        """Its own conditions and those of its parts."""
        return (*self.conditions, *(f for part in self.parts for f in part.all_conditions))

    @property
    def sources(self) -> tuple[Source, ...]:
        """What it and its parts are computed of, conditions and windows included."""
        own = tuple(source for source in (self.source, self.since) if source is not None)
        conditions = tuple(f.source for f in self.conditions) + tuple(w.source for w in self.windows)
        return (*own, *conditions, *(source for part in self.parts for source in part.sources))


@dataclass(frozen=True)
class Dimension:
    """A column of the answer that is grouped by or listed.

    `grain` (hour, day, week, month, quarter, year) cuts a time into steps, `part` (hour, weekday, weekend,
    day, week, month, quarter, year) takes a repeating part of it. `bucket` cuts a number into ranges of this
    width, each called by its lower end. `label` marks a readable name that comes with the key before it.
    """

    source: Source
    alias: str
    title: str
    grain: str = ""
    part: str = ""
    label: bool = False
    bucket: str = ""


@dataclass(frozen=True)
class Having:
    """A condition on a measure of each group: operator as in Filter, values are numbers as text."""

    measure: str
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Order:
    """One sort key: the alias of a measure or dimension."""

    alias: str
    descending: bool


@dataclass(frozen=True)
class Post:
    """A number computed over the rows of the answer, in the order of its step of time: cumulate (sum up to
    here), moving (average of the last `size` steps), moving_sum, lag (the value `size` steps before), change
    and growth (against it, growth in percent), or share (of the total, in percent) and rank.

    `measure` is the alias it is made of; `per` the aliases within whose groups it runs. With `filled` steps
    without rows count as steps, with `zero` for their number.
    """

    function: str
    measure: str
    alias: str
    title: str
    unit: str = ""
    size: int = 1
    per: tuple[str, ...] = ()
    filled: bool = False
    zero: bool = False


@dataclass(frozen=True)
class Step:
    """One thing that a subject did: the rows that are it. `operator` and `times` say how often (ge 1: at
    all; eq 0: never). `anchor` makes it the first such row, and only rows after it count for later steps."""

    title: str
    filters: tuple[Filter, ...] = ()
    windows: tuple[Window, ...] = ()
    operator: str = "ge"
    times: int = 1
    grain: str = ""


@dataclass(frozen=True)
class Cohort:
    """Subjects followed over their rows, which are ordered by `time`.

    `kind` is funnel (how many did each step; `ordered` in this order, within `within_seconds` of the first
    where that is not 0), members (how many fulfil all steps), member_share (the part of those who fulfil the
    first `whole` steps, in percent), member_list (the subjects), retention (of those whose first row of
    step one lies in a `grain` step, how many did step two each `grain` later). `groups` tell subjects apart.

    The others are the rows of a plan around them (`QueryPlan.inner`). session_list: runs of rows with no gap
    above `within_seconds`, or the rows of one `session` (subject_, start_, end_, rows_, and back_1 … for the
    steps done in it). follow_list: each subject that did step one (subject_, start_, its first row of step
    one or its own `start`, and end_, the first row of step two after that; back_1 … say whether step two was
    done within `within_seconds`, or `later` steps of `grain` after). gap_list: each row but a subject's first
    (subject_, before_, moment_, and nth_, its place). row_list: each row (subject_, moment_, first_, the
    subject's first, and new_ where both lie in one step of `grain`).
    """

    kind: str
    subject: Source
    time: Source
    steps: tuple[Step, ...] = ()
    ordered: bool = False
    within_seconds: int = 0
    whole: int = 0
    grain: str = ""
    groups: tuple[Dimension, ...] = ()
    session: Source | None = None
    start: Source | None = None
    later: tuple[int, ...] = ()


@dataclass(frozen=True)
class QueryPlan:
    """One question, fully understood.

    `form` is scalar (one row of measures), table (groups), series (groups by time) or list (rows as
    stored). `limit` 0 means none asked for. `tied` adds, for a single winner, how many share its place, and
    lists them all where a list is ordered by nothing else.
    `outer` folds the groups into one number: avg, min, max, median or sum of the measure over groups, or
    count of the groups. `limit_by` takes `limit` rows for each value of these aliases. `post` are numbers
    over the rows of the answer. A `cohort` takes the place of measures and groups. With `inner` the rows are
    those of another query, whose columns have no table. `divisor` is a query over other rows with the same
    groups: each number of this one is divided by that one's (`percentage` says times 100). `filled` puts in
    the steps of time without rows.
    """

    form: str
    table: str
    joins: tuple[Join, ...] = ()
    measures: tuple[Measure, ...] = ()
    dimensions: tuple[Dimension, ...] = ()
    filters: tuple[Filter, ...] = ()
    windows: tuple[Window, ...] = ()
    having: tuple[Having, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int = 0
    distinct: bool = False
    tied: bool = False
    outer: str = ""
    timezone: str = "UTC"
    limit_by: tuple[str, ...] = ()
    post: tuple[Post, ...] = ()
    cohort: Cohort | None = None
    inner: QueryPlan | None = None
    divisor: QueryPlan | None = None
    filled: bool = False

    @property
    def numbers(self) -> tuple[Measure, ...]:
        """The numbers of the answer in the order of its columns, those over its rows last."""
        over = tuple(Measure(p.function, None, p.alias, p.title, p.unit) for p in self.post)
        return (*self.measures, *over)

    @property
    def tables(self) -> dict[str, str]:
        """The table behind each alias."""
        return {self.table: self.table} | {join.alias: join.table for join in self.joins}

    def to_dict(self) -> dict[str, object]:
        """The plan as plain dictionaries, lists, texts and numbers, keys in a fixed order."""
        return asdict(self)
