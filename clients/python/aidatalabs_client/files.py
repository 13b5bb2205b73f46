"""Data files as tables: their columns with ClickHouse types, their rows as the messages ingest takes."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet
from google.protobuf.struct_pb2 import NULL_VALUE, Struct, Value

from aidatalabs_client.errors import FileUnreadable
from aidatalabs_client.row_messages import EXACT_INTEGER, moment_text

# What people write for "no value"; an empty field is one too.
_NULL_WORDS = ["", "NA", "N/A", "NULL", "null", "NaN", "nan", "None"]
_BATCH_BYTES = 4 * 1024 * 1024
_LARGEST_BYTES = 2**31 - 2
# Digits that a number would not give back: `007`, and more than 64 bits hold.
_CODE = r"^[-+]?0[0-9]+$"
_CAMEL_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})")
"""Between the words of `hireDate`, `StudentNo` and `HTTPStatus`; `ID` and `KPIs` are one word."""
_CODE_OR_LONG = r"^[-+]?(0[0-9]+|[0-9]{19,})$"
_MAYBE_DIGITS_AS_TEXT = re.compile(rb'(?:^|[\s,;"])[-+]?(?:0[0-9]|[0-9]{19})')
_SIMPLE_TYPES = {
    "bool": "Bool",
    "int8": "Int8",
    "int16": "Int16",
    "int32": "Int32",
    "int64": "Int64",
    "uint8": "UInt8",
    "uint16": "UInt16",
    "uint32": "UInt32",
    "uint64": "UInt64",
    "float": "Float32",
    "double": "Float64",
    "halffloat": "Float32",
    "string": "String",
    "large_string": "String",
    "null": "String",
    "date32[day]": "Date32",
    "date64[ms]": "Date32",
}


@dataclass(frozen=True)
class DataFile:
    """A file in memory: column names that a table may have, in order, and all rows."""

    table: pa.Table

    @property
    def row_count(self) -> int:
        """Number of rows."""
        return int(self.table.num_rows)

    def columns(self) -> list[tuple[str, str]]:
        """(name, ClickHouse type) of each column; Nullable only where a value is missing."""
        return [(name, _clickhouse_type(name, self.table.column(name))) for name in self.table.column_names]

    def batches(self, row_count: int = 10_000, most_bytes: int = _BATCH_BYTES) -> Iterator[list[Struct]]:
        """The rows in order, as the messages ingest takes, in the same pieces each time.

        A piece has at most `row_count` rows and about `most_bytes` bytes, one row where it is larger itself.
        """
        for start in range(0, self.row_count, row_count):
            yield from pieces(rows_of(self.table.slice(start, row_count)), most_bytes)


def pieces(rows: list[Struct], most_bytes: int = _BATCH_BYTES) -> Iterator[list[Struct]]:
    """The rows in order, in pieces of about `most_bytes` bytes, one row where it is larger itself."""
    start, size = 0, 0
    for end, row in enumerate(rows):
        row_bytes = row.ByteSize()
        if end > start and size + row_bytes > most_bytes:
            yield rows[start:end]
            start, size = end, 0
        size += row_bytes
    yield rows[start:]


def read_file(path: Path) -> DataFile:
    """Reads a .csv, .csv.zip, .csv.gz, .jsonl, .ndjson or .parquet file. Raises FileUnreadable."""
    try:
        table = _read(path)
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeDecodeError) as error:
        raise FileUnreadable(f"{path.name}: {str(error).splitlines()[0]}") from error
    except OSError as error:
        if error.errno:
            raise
        raise FileUnreadable(f"{path.name}: it is damaged, its content cannot be unpacked") from error
    return _named(table, path.name)


def frame_content(frame: Any) -> DataFile:
    """A polars or pandas DataFrame, or an Arrow table, named as a table may be. Raises FileUnreadable."""
    if isinstance(frame, pa.Table):
        table = frame
    elif hasattr(frame, "iloc"):  # pandas; its index is no column
        table = pa.Table.from_pandas(frame, preserve_index=False)
    elif hasattr(frame, "to_arrow"):  # polars
        table = frame.to_arrow()
    else:
        raise TypeError("a frame is a polars or pandas DataFrame or a pyarrow Table")
    return _named(table, "the frame")


def _named(table: pa.Table, told: str) -> DataFile:
    names = [
        column_name(name, otherwise=f"column_{number}") for number, name in enumerate(table.column_names, 1)
    ]
    if len(set(names)) != len(names) or not names:
        raise FileUnreadable(f"{told}: its columns need names of their own, got {', '.join(names)}")
    return DataFile(table.rename_columns(names))


def table_name(path: Path) -> str:
    """The table that a file is named after; a name that starts with `_` is reserved."""
    name = column_name(path.name.split(".")[0])
    return f"table{name}" if name.startswith("_") else name


def content_key(path: Path) -> str:
    """A key for a file's content: the same file sent again is recognised batch by batch."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def column_name(text: str, otherwise: str = "column") -> str:
    """A name a column may have, made of any header: `Total (€)` becomes `total`, `Größe` becomes `grosse` and
    `hireDate` becomes `hire_date`.

    `otherwise` is for a header without a letter or digit of the Latin alphabet.
    """
    apart = _CAMEL_CASE.sub("_", text)
    plain = "".join(
        sign for sign in unicodedata.normalize("NFKD", apart.casefold()) if not unicodedata.combining(sign)
    )
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_") or otherwise
    return (f"_{name}" if name[0].isdigit() else name)[:63]


def _read(path: Path) -> pa.Table:
    if path.stat().st_size > _LARGEST_BYTES:
        raise FileUnreadable(f"{path.name}: it is larger than 2 GiB; split it into several files")
    endings = [suffix.lower() for suffix in path.suffixes]
    if endings[-1:] == [".parquet"]:
        with path.open("rb") as file:  # a file, not a path: errors would tell the whole path
            return pa.parquet.read_table(file)
    if endings[-1:] in ([".jsonl"], [".ndjson"]):
        options = pa.json.ReadOptions(block_size=max(path.stat().st_size + 1, 1024))
        return pa.json.read_json(path, read_options=options)
    if ".csv" in endings or endings[-1:] == [".tsv"]:
        return _read_csv(path, "\t" if endings[-1:] == [".tsv"] else ",")
    raise FileUnreadable(
        f"{path.name}: its ending should be .csv, .csv.zip, .csv.gz, .tsv, .jsonl or .parquet"
    )


def _read_csv(path: Path, delimiter: str) -> pa.Table:
    parse = pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    # One block as large as the file: types are then inferred from all of it, not from its first lines.
    if path.suffix == ".zip":
        content = _only_member(path)
    else:
        with pa.input_stream(str(path), compression="detect") as stream:
            content = stream.read(_LARGEST_BYTES + 1)  # a small file may unpack to more than fits
    if len(content) > _LARGEST_BYTES:
        raise FileUnreadable(f"{path.name}: it holds more than 2 GiB; split it into several files")
    read = pa.csv.ReadOptions(block_size=max(len(content) + 1, 1024))

    def parsed(types: dict[str, pa.DataType] | None = None) -> pa.Table:
        convert = pa.csv.ConvertOptions(null_values=_NULL_WORDS, strings_can_be_null=True, column_types=types)
        return pa.csv.read_csv(
            pa.BufferReader(content), read_options=read, parse_options=parse, convert_options=convert
        )

    table = parsed()
    if _MAYBE_DIGITS_AS_TEXT.search(content):
        table = _with_digits_as_text(table, parsed)
    return table


def _with_digits_as_text(table: pa.Table, parsed: Callable[[dict[str, pa.DataType]], pa.Table]) -> pa.Table:
    """The table with codes such as `007` and 20-digit numbers as they are written, not as numbers."""
    numbers = {
        field.name: pa.string()
        for field in table.schema
        if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    }
    written = parsed(numbers)
    for place, name in enumerate(table.column_names):
        # Only where the name is unique: others are refused anyway.
        if name in numbers and table.column_names.count(name) == 1:
            texts = written.column(place)
            pattern = _CODE if pa.types.is_integer(table.schema.field(place).type) else _CODE_OR_LONG
            if pc.any(pc.match_substring_regex(texts, pattern)).as_py():
                table = table.set_column(place, name, texts)
    return table


def _only_member(path: Path) -> bytes:
    import zipfile  # only zipped files need it

    try:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.lower().endswith(".csv")]
            if len(members) != 1:
                raise FileUnreadable(f"{path.name}: it should hold one .csv file, it holds {len(members)}")
            with archive.open(members[0]) as member:
                return member.read(_LARGEST_BYTES + 1)
    except zipfile.BadZipFile as error:
        raise FileUnreadable(f"{path.name}: it is not a zip archive") from error
    except (RuntimeError, NotImplementedError) as error:
        raise FileUnreadable(f"{path.name}: it is encrypted or packed in an unknown way") from error


def _clickhouse_type(name: str, column: pa.ChunkedArray) -> str:
    kind = str(column.type)
    if kind.startswith("timestamp"):
        base = "DateTime64(3)" if _is_whole_milliseconds(column) else "DateTime64(6)"
    elif kind.startswith("decimal"):
        base = f"Decimal({column.type.precision}, {column.type.scale})"
    elif kind.startswith(("dictionary", "time32", "time64")):
        base = "String"
    elif kind.startswith(("struct", "map")):
        return "JSON"
    elif kind in _SIMPLE_TYPES:
        base = _SIMPLE_TYPES[kind]
    elif kind == "binary":
        raise FileUnreadable(f"column {name}: its text is not UTF-8; save the file as UTF-8")
    else:
        raise FileUnreadable(f"column {name}: values of type {kind} have no column type; flatten them first")
    return f"Nullable({base})" if _misses_values(column) else base


def _is_whole_milliseconds(column: pa.ChunkedArray) -> bool:
    if column.type.unit in ("s", "ms"):
        return True
    cut = pc.cast(pc.cast(column, pa.timestamp("ms", column.type.tz), safe=False), column.type)
    return not pc.any(pc.not_equal(cut, column)).as_py()


def _misses_values(column: pa.ChunkedArray) -> bool:
    """Whether a row has no value here; NaN is none either, as its message says null."""
    if column.null_count:
        return True
    return pa.types.is_floating(column.type) and bool(pc.any(pc.is_nan(column)).as_py())


def rows_of(table: pa.Table) -> list[Struct]:
    """The rows of an Arrow table as messages: 64-bit integers beyond 2^53, decimals and times as strings."""
    rows = [Struct() for _ in range(table.num_rows)]
    for name in table.column_names:
        column = table.column(name)
        _SETTERS[_setter_kind(column)](rows, name, column)
    return rows


def _setter_kind(column: pa.ChunkedArray) -> str:
    if pa.types.is_boolean(column.type):
        return "bool"
    if pa.types.is_floating(column.type):
        return "number"
    if pa.types.is_integer(column.type):
        bounds = pc.min_max(column).as_py()
        far = max(abs(bounds["min"] or 0), abs(bounds["max"] or 0)) > EXACT_INTEGER
        return "text" if far else "number"
    if pa.types.is_nested(column.type):
        return "nested"
    return "text"


def _set_numbers(rows: Sequence[Struct], name: str, column: pa.ChunkedArray) -> None:
    for row, value in zip(rows, column.to_pylist(), strict=True):
        if value is None or value != value:
            row.fields[name].null_value = NULL_VALUE
        else:
            row.fields[name].number_value = value


def _set_bools(rows: Sequence[Struct], name: str, column: pa.ChunkedArray) -> None:
    for row, value in zip(rows, column.to_pylist(), strict=True):
        if value is None:
            row.fields[name].null_value = NULL_VALUE
        else:
            row.fields[name].bool_value = value


def _set_texts(rows: Sequence[Struct], name: str, column: pa.ChunkedArray) -> None:
    if pa.types.is_timestamp(column.type):
        # Python's moments end at microseconds; finer digits are cut off.
        column = pc.cast(column, pa.timestamp("us", column.type.tz), safe=False)
    for row, value in zip(rows, column.to_pylist(), strict=True):
        if value is None:
            row.fields[name].null_value = NULL_VALUE
        else:
            row.fields[name].string_value = value if isinstance(value, str) else _text(value)


def _set_nested(rows: Sequence[Struct], name: str, column: pa.ChunkedArray) -> None:
    # A JSON column holds an object in every row; an empty one reads NULL at each path, as none would.
    missing: dict[str, object] | None = (
        {} if pa.types.is_struct(column.type) or pa.types.is_map(column.type) else None
    )
    for row, value in zip(rows, column.to_pylist(), strict=True):
        row.fields[name].CopyFrom(_nested(missing if value is None else value))


def _nested(value: object) -> Value:
    from google.protobuf import json_format  # only nested columns need it

    return json_format.Parse(json.dumps(value, default=_text), Value())


def _text(value: object) -> str:
    if isinstance(value, datetime.datetime):
        return moment_text(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return str(value)


_SETTERS: dict[str, Callable[[Sequence[Struct], str, pa.ChunkedArray], None]] = {
    "number": _set_numbers,
    "bool": _set_bools,
    "text": _set_texts,
    "nested": _set_nested,
}
