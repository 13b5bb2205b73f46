"""What a file's columns became, with a word on texts that look as if they were meant as something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from aidatalabs_client import DataFile

_LOOKED_AT_ROWS = 10_000
_NEARLY_ALL = 0.9
_SHOWN_CHARACTERS = 20
# What a text looks like that is none of these, the most special first, and how it is written to become one.
_LOOKS = (
    (r"^\s*\d{1,2}[./]\d{1,2}[./](\d{4}|\d{2})\s*$", "looks like dates; write them as 2026-02-03"),
    (
        r"^\s*\d{1,2}[./]\d{1,2}[./]\d{2,4} \d{1,2}:\d{2}(:\d{2})?\s*$",
        "looks like times; write them as 2026-02-03 14:05:00",
    ),
    (
        r"^\s*[-+]?(\d{1,3}([. ]\d{3})+|\d+),\d+\s*$",
        "looks like numbers with a decimal comma; write them as 1234.50",
    ),
    (
        r"^\s*[-+]?\d{1,3}([,' ]\d{3})+(\.\d+)?\s*$",
        "looks like numbers with signs between thousands; write them as 1234.50",
    ),
    (
        r"^\s*([$€£¥]\s*[-+]?[\d.,]*\d|[-+]?\d[\d.,]*\s*([$€£¥%]|EUR|USD|GBP|CHF))\s*$",
        "looks like amounts with a unit; write the numbers alone",
    ),
)
_NUMBER = r"^\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s*$"


def column_rows(content: DataFile) -> list[list[str]]:
    """Name, type and note of each column; the note is empty for columns that are what they look like."""
    return [[name, kind, _note(content.table.column(name), kind)] for name, kind in content.columns()]


def _note(column: pa.ChunkedArray, kind: str) -> str:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return ""
    texts = column.drop_null()[:_LOOKED_AT_ROWS]
    if not len(texts):
        return "has no values; texts are stored in it" if "String" in kind else ""
    for pattern, told in _LOOKS:
        if _share(pc.match_substring_regex(texts, pattern)) >= _NEARLY_ALL:
            return told
    numbers = pc.match_substring_regex(texts, _NUMBER)
    if not _NEARLY_ALL <= _share(numbers) < 1:
        return ""
    odd = str(pc.filter(texts, pc.invert(numbers))[0])
    short = odd if len(odd) <= _SHOWN_CHARACTERS else odd[: _SHOWN_CHARACTERS - 1] + "…"
    return f"holds numbers, and texts such as {short!r}"


def _share(flags: pa.ChunkedArray) -> float:
    import pyarrow.compute as pc

    return float(pc.mean(flags).as_py() or 0.0)
