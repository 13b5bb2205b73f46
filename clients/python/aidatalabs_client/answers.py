"""What calls answer with: rows as Python values, Arrow or data frames, charts, and the message as it came."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from google.protobuf.struct_pb2 import ListValue, Struct, Value

from aidatalabs.agent.v1 import agent_service_pb2 as agent_pb
from aidatalabs.agent.v1 import answer_pb2
from aidatalabs.data.v1 import data_service_pb2 as data_pb
from aidatalabs.data.v1 import query_pb2, table_pb2

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

_SHOWN_ROWS = 50
_CELL = "padding:2px 10px;text-align:left"


class Rows:
    """The rows of an answer. There are at most 10,000: `query_arrow` reads results of any size."""

    def __init__(self, result: query_pb2.Result) -> None:
        self.result = result

    @property
    def columns(self) -> Sequence[table_pb2.Column]:
        """Name and ClickHouse type of each column."""
        return self.result.columns

    @property
    def row_count(self) -> int:
        """Number of rows."""
        return self.result.row_count

    @property
    def truncated(self) -> bool:
        """Whether the query has more rows than are here."""
        return self.result.truncated

    def rows(self) -> list[dict[str, Any]]:
        """The rows by column name, with int, float, bool, str, Decimal, date, datetime (UTC), list, dict."""
        from aidatalabs_client.column_types import reader_of  # only who reads rows pays for its imports

        names = [column.name for column in self.result.columns]
        readers = [reader_of(column.type) for column in self.result.columns]
        return [
            {name: read(_plain(value)) for name, read, value in zip(names, readers, row.values, strict=True)}
            for row in self.result.rows
        ]

    def arrow(self) -> pa.Table:
        """The rows as a pyarrow Table; Map, Tuple and JSON as text (`query_arrow` has their own types)."""
        import pyarrow  # slow to import, and only who wants Arrow pays

        from aidatalabs_client.column_types import arrow_column

        arrays = [
            arrow_column(column.type, [_plain(row.values[place]) for row in self.result.rows])
            for place, column in enumerate(self.result.columns)
        ]
        return pyarrow.Table.from_arrays(arrays, names=[column.name for column in self.result.columns])

    def polars(self) -> pl.DataFrame:
        """The rows as a polars DataFrame. Raises ImportError where polars is not installed."""
        frame: pl.DataFrame = _installed("polars").from_arrow(self.arrow())
        return frame

    def pandas(self) -> pd.DataFrame:
        """The rows as a pandas DataFrame. Raises ImportError where pandas is not installed."""
        _installed("pandas")
        return self.arrow().to_pandas()

    def _repr_html_(self) -> str:
        """The first rows as a table, for notebooks."""
        if not self.result.columns:
            return ""
        head = "".join(f"<th style='{_CELL}'>{_escaped(one.name)}</th>" for one in self.result.columns)
        body = "".join(
            "<tr>" + "".join(f"<td style='{_CELL}'>{_cell(value)}</td>" for value in row.values) + "</tr>"
            for row in self.result.rows[:_SHOWN_ROWS]
        )
        hidden = max(self.row_count - _SHOWN_ROWS, 0)
        more = f"<p>and {hidden:,} more rows</p>" if hidden else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


class QueryResult(Rows):
    """The result of a query, with what it cost. `message` is all of it as it came."""

    def __init__(self, message: data_pb.QueryResponse) -> None:
        super().__init__(message.result)
        self.message = message

    @property
    def statistics(self) -> query_pb2.QueryStatistics:
        """Time in the engine, rows and bytes read, whether the rows were kept and how old they are."""
        return self.message.statistics

    def __repr__(self) -> str:
        return f"<QueryResult: {self.row_count:,} rows of {len(self.columns)} columns>"


class Chart(dict[str, Any]):
    """A Vega-Lite specification with its data, which notebooks draw; `altair.Chart.from_dict(chart)` too."""

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        """The specification under the media type of its version of Vega-Lite."""
        version = re.search(r"/vega-lite/v(\d+)", str(self.get("$schema", "")))
        kind = f"application/vnd.vegalite.v{version[1] if version else 6}+json"
        return {kind: dict(self), "text/plain": "<Chart>"}


class Answer(Rows):
    """The answer to a question: a sentence, its SQL, rows, chart and proof; or a question back.

    `message` is all of it as it came.
    """

    def __init__(self, message: agent_pb.QueryResponse) -> None:
        super().__init__(message.result)
        self.message = message

    @property
    def answer(self) -> str:
        """One sentence; empty where the service asks back."""
        return self.message.answer

    @property
    def sql(self) -> str:
        """The query that the rows come from."""
        return self.message.sql

    @property
    def conversation(self) -> str:
        """The conversation that it is part of, to be named with what follows; empty where it was not kept."""
        return self.message.conversation

    @property
    def explanation(self) -> Sequence[str]:
        """How the question was read, a sentence each."""
        return self.message.explanation

    @property
    def chart(self) -> Chart | None:
        """The Vega-Lite chart, where the rows make one."""
        return _chart(self.message.chart)

    @property
    def proof(self) -> answer_pb2.Proof:
        """What is needed to check the answer later."""
        return self.message.proof

    @property
    def clarification(self) -> answer_pb2.Clarification | None:
        """A question back with its choices, where the question has several readings."""
        return self.message.clarification if self.message.HasField("clarification") else None

    @property
    def model(self) -> answer_pb2.ModelUse | None:
        """What became of the model that was asked: None where none was; `problem` is set where it failed."""
        return self.message.model if self.message.HasField("model") else None

    def __str__(self) -> str:
        asked = self.clarification
        return self.answer if asked is None else asked.question

    def __repr__(self) -> str:
        return f"<Answer: {self}>"

    def _repr_html_(self) -> str:
        """The sentence, the rows and the SQL, or the question back, for notebooks."""
        if (asked := self.clarification) is not None:
            choices = "".join(f"<li>{_escaped(choice.question)}</li>" for choice in asked.choices)
            return f"<p><b>{_escaped(asked.question)}</b></p><ul>{choices}</ul>"
        return _sentence_html(self.answer, self.sql, super()._repr_html_())


class Analysis(Rows):
    """What an analysis found, with the rows it looked at. `message` is all of it as it came."""

    def __init__(self, message: agent_pb.AnalyzeResponse) -> None:
        super().__init__(message.result)
        self.message = message

    @property
    def answer(self) -> str:
        """One sentence."""
        return self.message.answer

    @property
    def findings(self) -> Sequence[agent_pb.Finding]:
        """Trends, changes and the like, with their strength."""
        return self.message.findings

    @property
    def sql(self) -> str:
        """The query that the rows come from."""
        return self.message.sql

    @property
    def chart(self) -> Chart | None:
        """The Vega-Lite chart, where the rows make one."""
        return _chart(self.message.chart)

    def _repr_html_(self) -> str:
        """The sentence, the rows and the SQL, for notebooks."""
        return _sentence_html(self.answer, self.sql, super()._repr_html_())


def _sentence_html(sentence: str, sql: str, rows: str) -> str:
    return f"<p><b>{_escaped(sentence)}</b></p>{rows}<pre>{_escaped(sql)}</pre>"


def _chart(message: Struct) -> Chart | None:
    return Chart({key: _natural(_plain(each)) for key, each in message.fields.items()}) or None


def _natural(value: Any) -> Any:
    from aidatalabs_client.column_types import natural

    return natural(value)


def python_value(kind: str, value: Value) -> Any:
    """A value of a ClickHouse type as Python has it. Raises ValueError, TypeError or ArithmeticError."""
    from aidatalabs_client.column_types import reader_of

    return reader_of(kind)(_plain(value))


def _escaped(text: str) -> str:
    import html

    return html.escape(text)


def _plain(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        return value.number_value
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return _plain_list(value.list_value)
    if kind == "struct_value":
        return {key: _plain(each) for key, each in value.struct_value.fields.items()}
    return None


def _plain_list(values: ListValue) -> list[Any]:
    return [_plain(each) for each in values.values]


def _cell(value: Value) -> str:
    plain = _natural(_plain(value))
    return "" if plain is None else _escaped(str(plain))


def _installed(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ImportError(f"{name} is not installed; pip install {name}", name=name) from None
