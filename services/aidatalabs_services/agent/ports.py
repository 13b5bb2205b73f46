"""What the agents need from outside: the platform's schema, the SQL door's opinion and rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from aidatalabs_services.agent.planner.catalogue import Table

PictureForm = Literal["png", "svg"]

Cell = object
"""A value as JSON has it: None, bool, int, float, str, list or dict."""


@dataclass(frozen=True)
class SchemaSnapshot:
    """The tables of a platform with the profile of their columns.

    `data_version` changes with rows, tables and columns, `schema_version` with tables and columns alone.
    """

    tables: tuple[Table, ...]
    schema_version: str
    data_version: str


@dataclass(frozen=True)
class Explanation:
    """What the SQL door makes of a query: the text that will run, its hash and what it reads.

    `estimated_rows` and `estimated_bytes` are what the engine expects to read, `budget_left_rows` what the
    platform may still read today, None where it has no budget.
    """

    sql: str
    sql_sha256: str
    tables: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    ordered: bool
    schema_version: str
    data_version: str
    estimated_rows: int = 0
    budget_left_rows: int | None = None
    estimated_bytes: int = 0


@dataclass(frozen=True)
class Rows:
    """A result: `columns` are (name, ClickHouse type), `rows` hold values as JSON has them.

    `data_version` is that of the tables they were read from; empty where these changed meanwhile. `rollup`
    names the roll-ups that served the query, and `rollup_reason` says why, or why the rows were read.
    """

    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Cell, ...], ...]
    truncated: bool
    read_rows: int
    read_bytes: int
    data_version: str = ""
    rollup: str = ""
    rollup_reason: str = ""


@dataclass(frozen=True)
class Measured:
    """A query that ran over the rows themselves or a roll-up, and what that took in the engine."""

    rows: Rows
    elapsed_seconds: float
    cost_rows: int
    rollup: str = ""
    max_relative_error: float = 0.0


class PlatformData(Protocol):
    """One platform's data, reached with the authority of the caller of this call.

    Every method raises ServiceError, the data service's own refusals unchanged.
    """

    async def describe(self, platform: str, known_data_version: str) -> SchemaSnapshot | None:
        """The schema; None while `known_data_version` is current."""

    async def explain(self, platform: str, sql: str) -> Explanation:
        """The SQL door's reading of a query, without running it."""

    async def query(self, platform: str, sql: str, max_rows: int) -> Rows:
        """Runs a query through the SQL door; at most `max_rows` rows (0: the data service's default)."""


@dataclass(frozen=True)
class OrderBy:
    """Another sorting key."""

    columns: tuple[str, ...]


@dataclass(frozen=True)
class SortedRows:
    """A projection: some columns of the rows once more, in another order; no `columns` means all."""

    order_by: tuple[str, ...]
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class GroupFigures:
    """A projection of figures.

    `keys` are (column, function of time or nothing), `figures` (function, column or nothing).
    """

    keys: tuple[tuple[str, str], ...]
    figures: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class SkipIndex:
    """An index that skips granules; `kind` as the contract names it."""

    column: str
    kind: Literal["MINMAX", "SET", "BLOOM_FILTER", "NGRAM"]


@dataclass(frozen=True)
class OtherType:
    """Another type of a column."""

    column: str
    type: str


@dataclass(frozen=True)
class NewRollup:
    """A roll-up per hour or day of `time_column`; `measures` are (column, kind)."""

    name: str
    table: str
    time_column: str
    grain: Literal["HOUR", "DAY"]
    dimensions: tuple[str, ...]
    measures: tuple[tuple[str, str], ...]


Layout = OrderBy | SortedRows | GroupFigures | SkipIndex | OtherType | NewRollup


@dataclass(frozen=True)
class LayoutSample:
    """What layouts were measured on; sizes in bytes on disk, `granule_step` 1 means every row."""

    row_count: int
    table_row_count: int
    size_bytes: int
    table_size_bytes: int
    column_count: int
    table_column_count: int
    granule_step: int


@dataclass(frozen=True)
class LayoutSide:
    """What the query took over one copy: seconds of each run, what it read; and what the copy took."""

    seconds: tuple[float, ...]
    read_rows: int
    read_bytes: int
    result_rows: int
    sha256: str
    size_bytes: int
    insert_seconds: float


@dataclass(frozen=True)
class LayoutTrial:
    """A layout, measured; without sides it was not run, and `refusal` says why."""

    statement: str
    before: LayoutSide | None = None
    after: LayoutSide | None = None
    same_result: bool = False
    same_but_rounding: bool = False
    refusal: str = ""


class MeasuringData(PlatformData, Protocol):
    """A platform's data where queries and layouts are also measured."""

    async def measure_layouts(
        self, platform: str, sql: str, table: str, layouts: Sequence[Layout]
    ) -> tuple[LayoutSample, tuple[LayoutTrial, ...]]:
        """Runs a query over copies of rows of a table, as it is and in each layout; one trial for each."""

    async def measure(self, platform: str, sql: str, max_rows: int, *, rollups: bool) -> Measured:
        """Runs a query through the SQL door and tells what it took; `rollups` may serve it or not."""


class Drawer(Protocol):
    """Draws the charts of answers as pictures."""

    async def draw(self, spec: Mapping[str, object], picture: PictureForm) -> bytes:
        """The file of a picture of a Vega-Lite spec.

        Raises Overloaded where too many are being drawn, ServiceUnavailable where it took too much.
        """
