"""Files of separated values: which sign separates them, and what is a number in them."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from aidatalabs_client.errors import FileUnreadable
from aidatalabs_client.file_types import fits_as_written, travels_as_written

if TYPE_CHECKING:
    import _csv

# What people write for "no value"; an empty field is one too.
_NULL_WORDS = ["", "NA", "N/A", "NULL", "null", "NaN", "nan", "None"]
LARGEST_BYTES = 2**31 - 2
"""What fits into memory as one block."""
# Digits that a number would not give back: `007`, and more than 64 bits hold.
_CODE = r"^[-+]?0[0-9]+$"
_CODE_OR_LONG = r"^[-+]?(0[0-9]+|[0-9]{19,})$"
_MAYBE_DIGITS_AS_TEXT = re.compile(rb'(?:^|[\s,;"])[-+]?(?:0[0-9]|[0-9]{19})')
_RAGGED = re.compile(r"Expected \d+ columns, got \d+")
_DELIMITERS = ",;\t"
# Excel writes which sign it separates with into a line of its own, on demand.
_SEPARATOR_LINE = re.compile(rb"(?:\xef\xbb\xbf)?sep=([,;\t])\r?\n")
_LOOKED_AT_BYTES = 64 * 1024
_LOOKED_AT_ROWS = 50


def read_csv(path: Path, kind_of: Callable[[int, str], str]) -> pa.Table:
    """Reads a .csv or .tsv file, packed or not, with a comma, semicolon or tab between values.

    `kind_of` gives the type of the table's column for a place (from 0) and its header, empty where it has
    none. Raises FileUnreadable, ArrowInvalid or OSError.
    """
    if path.suffix == ".zip":
        content = _only_member(path)
    else:
        with pa.input_stream(str(path), compression="detect") as stream:
            content = stream.read(LARGEST_BYTES + 1)  # a small file may unpack to more than fits
    if len(content) > LARGEST_BYTES:
        raise FileUnreadable(f"{path.name}: it holds more than 2 GiB; split it into several files")
    named = _SEPARATOR_LINE.match(content)
    if named:
        delimiter, content = named[1].decode(), content[named.end() :]
    else:
        delimiter = "\t" if path.suffix.lower() == ".tsv" else delimiter_of(content)
    # One block as large as the file: types are then inferred from all of it, not from its first lines.
    read = pa.csv.ReadOptions(block_size=max(len(content) + 1, 1024))
    parse = pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)

    def parsed(types: dict[str, pa.DataType] | None = None) -> pa.Table:
        convert = pa.csv.ConvertOptions(null_values=_NULL_WORDS, strings_can_be_null=True, column_types=types)
        return pa.csv.read_csv(
            pa.BufferReader(content), read_options=read, parse_options=parse, convert_options=convert
        )

    try:
        table = parsed()
    except pa.ArrowInvalid as error:
        if not _RAGGED.search(str(error)):
            raise
        raise FileUnreadable(f"{path.name}: {_first_ragged_line(content, delimiter)}") from error
    kinds = [kind_of(place, header) for place, header in enumerate(table.column_names)]
    return _with_texts(table, kinds, parsed, digits=_MAYBE_DIGITS_AS_TEXT.search(content) is not None)


def delimiter_of(content: bytes) -> str:
    """The sign between values: the one that cuts the first lines into most fields, the same number in each.

    A comma where none does.
    """
    beginning = content[:_LOOKED_AT_BYTES]
    whole_lines = beginning[: beginning.rfind(b"\n") + 1] or beginning
    best, most = ",", 1
    for sign in _DELIMITERS:
        counts = []
        for row in _records(whole_lines, sign):
            if row:
                counts.append(len(row))
            if len(counts) == _LOOKED_AT_ROWS:
                break
        if counts and len(set(counts)) == 1 and counts[0] > most:
            best, most = sign, counts[0]
    return best if most > 1 else _of_header(whole_lines)


def _of_header(content: bytes) -> str:
    """The sign that stands most often in the header; a ragged file is then refused by its ragged line."""
    header = next((row for row in _records(content, "\n") if row), [""])[0]
    return max(_DELIMITERS, key=header.count)


def _records(content: bytes, delimiter: str) -> _csv.Reader:
    lines = TextIOWrapper(BytesIO(content), encoding="utf-8-sig", errors="replace", newline="")
    return csv.reader(lines, delimiter=delimiter)


def _first_ragged_line(content: bytes, delimiter: str) -> str:
    """Where the first row that is longer or shorter than the header ends, in words."""
    records = _records(content, delimiter)
    wanted = 0
    try:
        for row in records:
            wanted = wanted or len(row)
            if row and len(row) != wanted:
                fields = "field" if len(row) == 1 else "fields"
                return (
                    f"line {records.line_num:,} has {len(row)} {fields}, the header has {wanted}; mend that "
                    f"line (a value with {_SIGNS[delimiter]} in it stands in double quotes)"
                )
    except csv.Error:
        pass
    return "its rows differ in their number of fields; mend them so that each has as many as the header"


_SIGNS = {",": "a comma", ";": "a semicolon", "\t": "a tab"}


def _with_texts(
    table: pa.Table,
    kinds: Sequence[str],
    parsed: Callable[[dict[str, pa.DataType]], pa.Table],
    *,
    digits: bool,
) -> pa.Table:
    """The table with text where that is what the table keeps (`kinds`, by place), as it is written.

    With `digits` codes such as `007` and 20-digit numbers are text too.
    """
    wanted: dict[int, str] = {}
    for place, (field, kind) in enumerate(zip(table.schema, kinds, strict=True)):
        # Only where the name is unique: others are refused anyway.
        if table.column_names.count(field.name) == 1 and (
            travels_as_written(kind, field.type) or (digits and _is_number(field.type))
        ):
            wanted[place] = field.name
    if not wanted:
        return table
    written = parsed(dict.fromkeys(wanted.values(), pa.string()))
    for place, name in wanted.items():
        texts, found = written.column(place), table.schema.field(place).type
        as_told = travels_as_written(kinds[place], found) and fits_as_written(kinds[place], texts)
        if as_told or (digits and _is_number(found) and _holds_codes(texts, found)):
            table = table.set_column(place, name, texts)
    return table


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _holds_codes(texts: pa.ChunkedArray, found: pa.DataType) -> bool:
    """Whether some number would not give back the digits it was written with."""
    pattern = _CODE if pa.types.is_integer(found) else _CODE_OR_LONG
    return bool(pc.any(pc.match_substring_regex(texts, pattern)).as_py())


def _only_member(path: Path) -> bytes:
    import zipfile  # only zipped files need it

    try:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.lower().endswith(".csv")]
            if len(members) != 1:
                raise FileUnreadable(f"{path.name}: it should hold one .csv file, it holds {len(members)}")
            with archive.open(members[0]) as member:
                return member.read(LARGEST_BYTES + 1)
    except zipfile.BadZipFile as error:
        raise FileUnreadable(f"{path.name}: it is not a zip archive") from error
    except (RuntimeError, NotImplementedError) as error:
        raise FileUnreadable(f"{path.name}: it is encrypted or packed in an unknown way") from error
