"""Files of JSON lines: text stays the text it is, also where it looks like a day or a time.

Arrow reads them quickly and wants one type for a key throughout. Where a file has several they are read line
by line: objects and lists stay JSON (`pa.json_`), a column of several kinds of values becomes one of text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json

from aidatalabs_client.errors import FileUnreadable
from aidatalabs_client.file_types import keeps_moments

KindOf = Callable[[int, str], str]
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MORE_THAN_64_BITS = re.compile(rb"[:,\[\s]-?[0-9]{19,}\s*[,}\]]")


def read_json_lines(path: Path, kind_of: KindOf | None) -> pa.Table:
    """Reads one object a line; `kind_of` gives the type of the table's column for a place (from 0) and its
    header, empty where it has none; None without a table.

    Without one, columns of times become times. Raises FileUnreadable, ArrowInvalid or OSError.
    """
    try:
        read = _read(path, None)
    except pa.ArrowInvalid as error:
        if "changed from" not in str(error):
            raise
        return _read_by_line(path)
    schema = pa.schema(
        [
            field.with_type(_as_written(field.type, None if kind_of is None else kind_of(place, field.name)))
            for place, field in enumerate(read.schema)
        ]
    )
    if kind_of is None and _has_doubles(read.schema) and _MORE_THAN_64_BITS.search(path.read_bytes()):
        raise FileUnreadable(
            f"{path.name}: it holds whole numbers of more than 64 bits; put them in quotes, or make the "
            "table first, with a Float64 column if their last digits do not matter"
        )
    return read if schema == read.schema else _read(path, schema)


def _read(path: Path, schema: pa.Schema | None) -> pa.Table:
    with path.open("rb") as file:
        if file.read(len(_BYTE_ORDER_MARK)) != _BYTE_ORDER_MARK:
            file.seek(0)
        # One block as large as the file: types are then inferred from all of it.
        return pa.json.read_json(
            file,
            read_options=pa.json.ReadOptions(block_size=max(path.stat().st_size + 1, 1024)),
            parse_options=pa.json.ParseOptions(explicit_schema=schema),
        )


def _as_written(found: pa.DataType, kind: str | None) -> pa.DataType:
    """The type that a column is read as, for the table's column of type `kind`."""
    if pa.types.is_timestamp(found) and (kind is None or keeps_moments(kind)):
        return found
    return _without_times(found)


def _without_times(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_without_times(field.type)) for field in kind])
    return pa.list_(_without_times(kind.value_type)) if pa.types.is_list(kind) else kind


def _has_doubles(schema: pa.Schema) -> bool:
    return any(pa.types.is_floating(field.type) for field in schema)


def _read_by_line(path: Path) -> pa.Table:
    columns: dict[str, list[Any]] = {}
    count = 0
    for count, row in enumerate(_rows(path), 1):
        for name, value in row.items():
            values = columns.setdefault(name, [])
            values += [None] * (count - 1 - len(values))
            values.append(value)
    for values in columns.values():
        values += [None] * (count - len(values))
    return pa.table({name: _column(values) for name, values in columns.items()})


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    row = json.loads(line, parse_constant=_refuse)
                except (ValueError, RecursionError):
                    raise FileUnreadable(f"{path.name}: line {number:,} is not JSON") from None
                if not isinstance(row, dict):
                    raise FileUnreadable(f"{path.name}: line {number:,} is no JSON object")
                yield row


def _refuse(word: str) -> None:
    raise ValueError(word)


def _column(values: Sequence[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if kinds and kinds <= {dict, list}:
        texts = [None if value is None else json.dumps(value) for value in values]
        return pa.ExtensionArray.from_storage(pa.json_(), pa.array(texts, pa.string()))
    if kinds == {int, float} or len(kinds) < 2:
        try:
            return pa.array(
                [float(value) if float in kinds and value is not None else value for value in values]
            )
        except OverflowError:
            pass  # whole numbers of more than 64 bits: digits as they are written
    return pa.array(
        [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    )
