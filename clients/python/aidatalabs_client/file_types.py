"""What a file's values are read as, by the type of the table's column that they go into."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

_WRAPPED = r"(?:LowCardinality\()?(?:Nullable\()?"
_TEXT = re.compile(_WRAPPED + r"(?:String|Enum|UUID|IPv)")
_DECIMAL = re.compile(_WRAPPED + r"Decimal")
_MOMENT = re.compile(_WRAPPED + r"DateTime")
_PLAIN_DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"


def keeps_moments(kind: str) -> bool:
    """Whether a column of this ClickHouse type holds moments."""
    return _MOMENT.match(kind) is not None


def travels_as_written(kind: str, found: pa.DataType) -> bool:
    """Whether values that were read as `found` should be text as it stands in the file instead.

    In a column of text `10` and `1.50` are words, and a Decimal keeps more digits than a double. A time of
    day has no column type but text.
    """
    if pa.types.is_string(found) or pa.types.is_null(found):
        return False
    return pa.types.is_time(found) or bool(_TEXT.match(kind) or _DECIMAL.match(kind))


def fits_as_written(kind: str, texts: pa.ChunkedArray) -> bool:
    """Whether the text of all values is one that the column takes: a Decimal takes no exponents."""
    if not _DECIMAL.match(kind):
        return True
    return bool(pc.all(pc.match_substring_regex(texts, _PLAIN_DECIMAL), min_count=0).as_py())
