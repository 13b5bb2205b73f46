"""Data files as tables: their columns with ClickHouse types, their rows as the messages ingest takes."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from google.protobuf.struct_pb2 import NULL_VALUE, Struct, Value

from aidatalabs_client.csv_files import LARGEST_BYTES, read_csv
from aidatalabs_client.errors import FileUnreadable
from aidatalabs_client.json_lines import read_json_lines
from aidatalabs_client.row_messages import EXACT_INTEGER, moment_text, nanosecond_text

_BATCH_BYTES = 4 * 1024 * 1024
_STEP_ROWS = 1000
WRITABLE = (".csv", ".tsv", ".jsonl", ".parquet")
"""The endings that `DataFile.write` knows."""
_CAMEL_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})")
"""Between the words of `hireDate`, `StudentNo` and `HTTPStatus`; `ID` and `KPIs` are one word."""
_NUMBER_TYPE = re.compile(r"(?:Nullable\()?(?:U?Int(?:8|16|32|64)|Float(?:32|64))\b")
# A number that has no other spelling worth keeping, such as `007`.
_PLAIN_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3})?")
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
    """A file in memory: column names that a table may have, in order, and all rows.

    `headers` are the names as the file has them, in the same order. `numbers` are columns of text whose
    numbers travel as numbers: see `as_stored`.
    """

    table: pa.Table
    headers: tuple[str, ...] = ()
    numbers: frozenset[str] = frozenset()

    @property
    def row_count(self) -> int:
        """Number of rows."""
        return int(self.table.num_rows)

    @property
    def nested(self) -> list[str]:
        """The columns of objects or lists."""
        return [field.name for field in self.table.schema if _is_nested(field.type)]

    def columns(self) -> list[tuple[str, str]]:
        """(name, ClickHouse type) of each column; Nullable only where a value is missing."""
        return [(name, _clickhouse_type(name, self.table.column(name))) for name in self.table.column_names]

    def batches(self) -> Iterator[list[Struct]]:
        """The rows in order, as the messages ingest takes, in the same pieces each time; see `batch`."""
        start = 0
        while rows := self.batch(start):
            yield rows
            start += len(rows)

    def batch(self, start: int, row_count: int = 10_000, most_bytes: int = _BATCH_BYTES) -> list[Struct]:
        """The rows from `start` on (from 0) as messages; none behind the last.

        At most `row_count` rows and about `most_bytes` bytes, one row where it is larger itself. Rows added
        at the end of the file change no batch but the last.
        """
        taken: list[Struct] = []
        size, end = 0, min(start + row_count, self.row_count)
        for place in range(start, end, _STEP_ROWS):
            for row in rows_of(self.table.slice(place, min(_STEP_ROWS, end - place)), self.numbers):
                size += row.ByteSize()
                if taken and size > most_bytes:
                    return taken
                taken.append(row)
        return taken

    def as_stored(self, columns: Iterable[tuple[str, str]]) -> DataFile:
        """The same rows for a table that has these columns (name, type).

        One value that is no number makes a file's column one of text. In a column that the table keeps as
        numbers, all others still travel as they would without it, and are recognised where they came before.
        """
        kinds = {name for name, kind in columns if _NUMBER_TYPE.match(kind)}
        texts = {
            field.name
            for field in self.table.schema
            if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
        }
        return replace(self, numbers=frozenset(kinds & texts))

    def rows(self, indices: Sequence[int]) -> DataFile:
        """The rows of these places (from 0) alone."""
        return replace(self, table=self.table.take(pa.array(indices, pa.int64())))

    def write(self, path: Path) -> None:
        """Writes the rows as a file that `read_file` takes: .csv, .tsv, .jsonl or .parquet, by its ending.

        Raises FileUnreadable for another ending or for objects in a .csv or .tsv, OSError where the file
        cannot be written.
        """
        ending = path.suffix.lower()
        if ending not in WRITABLE:
            raise FileUnreadable(f"{path.name}: its ending should be one of {', '.join(WRITABLE)}")
        if self.nested and ending not in (".jsonl", ".parquet"):
            raise FileUnreadable(f"{path.name}: it cannot hold the objects of column {self.nested[0]}")
        with path.open("wb") as file:
            if ending == ".parquet":
                pa.parquet.write_table(self.table, file)
            elif ending == ".jsonl":
                names = self.table.column_names
                for row in zip(*map(_plain_values, self.table.columns), strict=True):
                    text = json.dumps(dict(zip(names, row, strict=True)), default=_text, ensure_ascii=False)
                    file.write(text.encode() + b"\n")
            else:
                options = pa.csv.WriteOptions(delimiter="\t" if ending == ".tsv" else ",")
                pa.csv.write_csv(self.table, file, options)


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


def read_file(path: Path, columns: Iterable[tuple[str, str]] | None = None) -> DataFile:
    """Reads a .csv, .csv.zip, .csv.gz, .jsonl, .ndjson or .parquet file for a table that has these columns
    (name, ClickHouse type): what such a column keeps as text is read as it is written.

    Without a table (None) types are made of the values alone. Raises FileUnreadable.
    """
    try:
        table = _read(path, None if columns is None else dict(columns))
        for place, field in enumerate(table.schema):
            if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
                table = table.set_column(place, field.name, _text_of_bytes(field.name, table.column(place)))
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
    return DataFile(table.rename_columns(names), tuple(table.column_names))


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


def _text_of_bytes(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return column.cast(pa.large_string())
    except pa.ArrowInvalid:
        raise FileUnreadable(f"column {name}: its text is not UTF-8; save the file as UTF-8") from None


def _read(path: Path, kinds: Mapping[str, str] | None) -> pa.Table:
    def kind_of(place: int, header: str) -> str:
        return (kinds or {}).get(column_name(header, otherwise=f"column_{place + 1}"), "")

    if path.stat().st_size > LARGEST_BYTES:
        raise FileUnreadable(f"{path.name}: it is larger than 2 GiB; split it into several files")
    endings = [suffix.lower() for suffix in path.suffixes]
    if endings[-1:] == [".parquet"]:
        with path.open("rb") as file:  # a file, not a path: errors would tell the whole path
            return pa.parquet.read_table(file)
    if endings[-1:] in ([".jsonl"], [".ndjson"]):
        return read_json_lines(path, None if kinds is None else kind_of)
    if ".csv" in endings or endings[-1:] == [".tsv"]:
        return read_csv(path, kind_of)
    raise FileUnreadable(
        f"{path.name}: its ending should be .csv, .csv.zip, .csv.gz, .tsv, .jsonl or .parquet"
    )


def _clickhouse_type(name: str, column: pa.ChunkedArray) -> str:
    kind = str(column.type)
    if kind.startswith("timestamp"):
        base = next(f"DateTime64({digits})" for digits in (3, 6, 9) if _is_whole(column, digits))
    elif kind.startswith("decimal"):
        base = f"Decimal({column.type.precision}, {column.type.scale})"
    elif kind.startswith(("dictionary", "time32", "time64")):
        base = "String"
    elif kind.startswith(("struct", "map")) or (_is_json(column) and not _holds_lists(column)):
        return "JSON"
    elif kind in _SIMPLE_TYPES:
        base = _SIMPLE_TYPES[kind]
    else:
        raise FileUnreadable(f"column {name}: values of type {kind} have no column type; flatten them first")
    return f"Nullable({base})" if _misses_values(column) else base


def _is_whole(column: pa.ChunkedArray, digits: int) -> bool:
    """Whether no moment has more than so many digits (3, 6 or 9) after the second."""
    unit = {3: "ms", 6: "us", 9: "ns"}[digits]
    if column.type.unit in ("s", "ms", unit) or (digits == 9):
        return True
    cut = pc.cast(pc.cast(column, pa.timestamp(unit, column.type.tz), safe=False), column.type)
    return not pc.any(pc.not_equal(cut, column)).as_py()


def _misses_values(column: pa.ChunkedArray) -> bool:
    """Whether a row has no value here; NaN is none either, as its message says null."""
    if column.null_count:
        return True
    return pa.types.is_floating(column.type) and bool(pc.any(pc.is_nan(column)).as_py())


def rows_of(table: pa.Table, numbers: Set[str] = frozenset()) -> list[Struct]:
    """The rows of an Arrow table as messages: 64-bit integers beyond 2^53, decimals and times as strings.

    Texts in the columns `numbers` that are numbers travel as such.
    """
    rows = [Struct() for _ in range(table.num_rows)]
    for name in table.column_names:
        column = table.column(name)
        _SETTERS["mixed" if name in numbers else _setter_kind(column)](rows, name, column)
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
    return "nested" if _is_nested(column.type) else "text"


def _is_json(column: pa.ChunkedArray) -> bool:
    return isinstance(column.type, pa.JsonType)


def _holds_lists(column: pa.ChunkedArray) -> bool:
    if _is_json(column):
        return any(text is not None and text.startswith("[") for text in column.to_pylist())
    return not (pa.types.is_struct(column.type) or pa.types.is_map(column.type))


def _is_nested(kind: pa.DataType) -> bool:
    """Whether the values are objects or lists, taken apart or as JSON."""
    return bool(pa.types.is_nested(kind)) or isinstance(kind, pa.JsonType)


def _set_numbers(rows: Sequence[Struct], name: str, column: pa.ChunkedArray) -> None:
    for row, value in zip(rows, column.to_pylist(), strict=True):
        if value is None or value != value:
            row.fields[name].null_value = NULL_VALUE
        else:
            row.fields[name].number_value = value


def _set_numbers_and_texts(rows: Sequence[Struct], name: str, column: pa.ChunkedArray) -> None:
    for row, value in zip(rows, column.to_pylist(), strict=True):
        if value is None:
            row.fields[name].null_value = NULL_VALUE
        elif _PLAIN_NUMBER.fullmatch(value) and abs(float(value)) <= EXACT_INTEGER:
            row.fields[name].number_value = float(value)
        else:
            row.fields[name].string_value = value


def _set_bools(rows: Sequence[Struct], name: str, column: pa.ChunkedArray) -> None:
    for row, value in zip(rows, column.to_pylist(), strict=True):
        if value is None:
            row.fields[name].null_value = NULL_VALUE
        else:
            row.fields[name].bool_value = value


def _set_texts(rows: Sequence[Struct], name: str, column: pa.ChunkedArray) -> None:
    for row, value in zip(rows, _plain_values(column), strict=True):
        if value is None:
            row.fields[name].null_value = NULL_VALUE
        else:
            row.fields[name].string_value = value if isinstance(value, str) else _text(value)


def _plain_values(column: pa.ChunkedArray) -> list[Any]:
    """The values in Python; moments that are finer than its own are text."""
    if _is_json(column):
        return [None if each is None else json.loads(each) for each in column.to_pylist()]
    if not pa.types.is_timestamp(column.type) or column.type.unit != "ns":
        return list(column.to_pylist(maps_as_pydicts="lossy"))
    if _is_whole(column, 6):
        return list(column.cast(pa.timestamp("us", column.type.tz)).to_pylist())
    ticks = column.cast(pa.int64()).to_pylist()
    return [None if each is None else nanosecond_text(each) for each in ticks]


def _set_nested(rows: Sequence[Struct], name: str, column: pa.ChunkedArray) -> None:
    # A JSON column holds an object in every row; an empty one reads NULL at each path, as none would.
    missing: dict[str, object] | None = None if _holds_lists(column) else {}
    for row, value in zip(rows, _plain_values(column), strict=True):
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
    "mixed": _set_numbers_and_texts,
    "nested": _set_nested,
}
