"""Where commands print: answers on the standard output, progress and notes on the standard error.

Nothing here knows a service's messages when it is imported: `aidatalabs --help` must not wait for them.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.table import Table
from rich.text import Text

from aidatalabs_services.cli.forms import json_text, shown, shown_text

if TYPE_CHECKING:
    from google.protobuf.message import Message

NULL_MARK = "∅"
PIPED_WIDTH = 80
"""How wide pictures made of text are where no terminal says its width."""
_ENDLESS_COLUMNS = 10_000
_JSON_COLOURS = JSONHighlighter()

console = Console(highlight=False)
if not console.is_terminal:
    # A file or a program reads this: one line stays one line.
    console.soft_wrap = True
    console.width = _ENDLESS_COLUMNS

notes = Console(highlight=False, stderr=True, soft_wrap=True)
"""The standard error: what is told beside the answer, and never part of what a script reads."""


def never_fail_on_a_sign() -> None:
    """A terminal whose encoding lacks a sign shows `?` for it; it must not end the command.

    What a file or a program reads is UTF-8 whatever the locale: a `?` there would be another value.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            encoding = None if stream.isatty() else "utf-8"
            reconfigure(encoding=encoding, errors="replace")


def speaks_unicode() -> bool:
    """Whether the standard output can show block characters."""
    return console.encoding.lower().replace("_", "-").startswith("utf")


def has_colour() -> bool:
    """Whether colours are shown: on a terminal that has any, unless NO_COLOR is set."""
    return console.is_terminal and not console.no_color and console.color_system is not None


def picture_width() -> int:
    """Columns for a picture made of text."""
    return console.width if console.is_terminal else PIPED_WIDTH


def print_json(message: Message) -> None:
    """Prints a message as REST would send it."""
    print_data(as_rest_writes(message))


def print_data(fields: object) -> None:
    """Prints plain data as JSON."""
    # As it is: rich would read it and write it anew, control characters and all.
    text = Text(json_text(fields, indent=2), no_wrap=True, overflow="ignore")
    if console.is_terminal:
        _JSON_COLOURS.highlight(text)
    console.print(text, soft_wrap=True)


def as_rest_writes(message: Message) -> object:
    """The message as REST would send it: snake_case names, whole numbers without a fraction."""
    from google.protobuf import json_format

    fields = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return _whole(fields)


def _whole(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints rows under their headings; figures lean right."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, heading in enumerate(headings):
        figures = bool(rows) and all(_is_figure(row[number]) for row in rows)
        table.add_column(Text(shown(heading)), justify="right" if figures else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    console.print(table)


def print_csv(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints rows as CSV with a header; on a terminal control characters are shown by their names."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    safe = shown if console.is_terminal else str
    try:
        writer.writerow([safe(heading) for heading in headings])
        writer.writerows([safe(cell) for cell in row] for row in rows)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has read enough
        console.on_broken_pipe()


def print_fields(fields: Mapping[str, str]) -> None:
    """Prints named values, one a line, the names as wide as the widest."""
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        console.print(Text(f"{name:<{width}}  {shown(value)}"))


def print_sql(sql: str) -> None:
    """Prints SQL, in colour where there is any; values in it come from outside."""
    safe = shown_text(sql)
    if not has_colour():
        console.print(safe, markup=False)
        return
    from rich.syntax import Syntax  # slow to import, and not needed where nobody sees colours

    console.print(Syntax(safe, "sql", theme="ansi_dark", background_color="default", word_wrap=True))


def size_text(count: int) -> str:
    """A number of bytes as people read it: `1.6 MB`."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} TB"


def _is_figure(cell: str) -> bool:
    return cell == NULL_MARK or cell.replace(",", "").replace(".", "").lstrip("-").isdigit()
