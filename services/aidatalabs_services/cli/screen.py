"""What commands print: tables, SQL, answers with a small chart, or the same as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from enum import StrEnum

from google.protobuf import json_format
from google.protobuf.message import Message
from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from aidatalabs.agent.v1 import agent_service_pb2 as agent_pb
from aidatalabs.data.v1 import query_pb2

SHOWN_ROWS = 20
_BAR_CELLS = 40
_CHART_ROWS = 31
_ENDLESS_COLUMNS = 10_000

console = Console(highlight=False)
if not console.is_terminal:
    # A file or a program reads this: one line stays one line.
    console.soft_wrap = True
    console.width = _ENDLESS_COLUMNS

# Control characters of a value would be commands to the terminal.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Output(StrEnum):
    """The forms a command answers in."""

    TABLE = "table"
    JSON = "json"


def print_json(message: Message) -> None:
    """Prints a message as REST would send it."""
    fields = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    console.print_json(json.dumps(_as_rest_writes(fields), ensure_ascii=False))


def _as_rest_writes(value: object) -> object:
    """The same with whole numbers written without a fraction."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _as_rest_writes(item) for name, item in value.items()}
    return [_as_rest_writes(item) for item in value] if isinstance(value, list) else value


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints rows under their headings; figures lean right."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, heading in enumerate(headings):
        figures = bool(rows) and all(_is_figure(row[number]) for row in rows)
        table.add_column(Text(shown(heading)), justify="right" if figures else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    console.print(table)


def print_sql(sql: str) -> None:
    """Prints SQL in colour where the terminal has any."""
    if console.is_terminal:
        console.print(Syntax(sql, "sql", background_color="default", word_wrap=True))
    else:
        console.print(sql, markup=False)


def shown(text: str) -> str:
    """Text from outside as it may be printed: control characters become their names, `\\x1b`."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def as_it_is(text: str) -> str:
    """Text from outside for a line with markup: nothing in it is markup or a command to the terminal."""
    return escape(shown(text))


def print_result(result: query_pb2.Result, shown_rows: int = SHOWN_ROWS) -> None:
    """Prints a result's first rows and says how many more there are."""
    cells = [[_cell(value) for value in row.values] for row in result.rows[:shown_rows]]
    print_table([column.name for column in result.columns], cells)
    hidden = result.row_count - len(cells)
    if hidden > 0 or result.truncated:
        more = "and more" if result.truncated else ""
        console.print(f"[dim]… {hidden:,} more rows returned {more}[/]".replace(" [/]", "[/]"))


def print_answer(answer: agent_pb.QueryResponse) -> None:
    """Prints the sentence, the SQL, the rows, a small chart and what was read; or the question back."""
    if answer.HasField("clarification"):
        console.print(f"[bold]{as_it_is(answer.clarification.question)}[/]")
        for choice in answer.clarification.choices:
            console.print(f"  [cyan]•[/] {as_it_is(choice.label)}")
            console.print(f"    [dim]ask:[/] {as_it_is(choice.question)}")
        return
    console.print(f"[bold]{as_it_is(answer.answer)}[/]\n")
    print_sql(answer.sql)
    console.print()
    print_result(answer.result)
    _print_chart(answer)
    proof = answer.proof
    console.print(
        f"\n[dim]read {proof.read_rows:,} rows · {_size(proof.read_bytes)} · by {proof.produced_by}"
        f" · sql {proof.sql_sha256[:12]} · result {proof.result_sha256[:12]}[/]"
    )


def _print_chart(answer: agent_pb.QueryResponse) -> None:
    """Bars for the first figures of a result that has a chart, one line a row."""
    rows = answer.result.rows
    if not answer.HasField("chart") or not 2 <= len(rows) <= _CHART_ROWS:
        return
    figures = [number for number, _ in enumerate(answer.result.columns) if _is_number_column(rows, number)]
    names = [number for number, _ in enumerate(answer.result.columns) if number not in figures]
    if not figures:
        return
    values = [row.values[figures[-1]].number_value for row in rows]
    largest = max(map(abs, values)) or 1.0
    labels = [" ".join(_cell(row.values[number]) for number in names or figures[:-1]) for row in rows]
    width = min(max(map(len, labels), default=0), 32)
    console.print()
    for label, value in zip(labels, values, strict=True):
        bar = "█" * max(1, round(abs(value) / largest * _BAR_CELLS)) if value else ""
        console.print(f"{as_it_is(f'{shown(label)[:width]:>{width}}')} [blue]{bar}[/] {value:,.10g}")


def _is_number_column(rows: Sequence[object], number: int) -> bool:
    kinds = {row.values[number].WhichOneof("kind") for row in rows}  # type: ignore[attr-defined]
    return kinds == {"number_value"}


def _cell(value: object) -> str:
    plain = json_format.MessageToDict(value)  # type: ignore[arg-type]
    if plain is None:
        return "∅"
    if isinstance(plain, float):
        return f"{plain:,.0f}" if plain == int(plain) and abs(plain) < 1e15 else f"{plain:,.4f}"
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _is_figure(cell: str) -> bool:
    return cell == "∅" or cell.replace(",", "").replace(".", "").lstrip("-").isdigit()


def _size(count: int) -> str:
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} TB"
