"""ClickHouse type text read into the few kinds the planner tells apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_WRAPPERS = re.compile(r"^(Nullable|LowCardinality)\((.*)\)$", re.S)
_ZONE = re.compile(r"'([^']+)'")
_PRECISION = re.compile(r"^DateTime64\((\d)")


@dataclass(frozen=True)
class ColumnType:
    """`kind` is integer, number, text, date, datetime, bool, json or other; `zone` a DateTime's own time
    zone."""

    kind: str
    nullable: bool = False
    zone: str = ""
    precision: int = 0

    @property
    def numeric(self) -> bool:
        """True for whole and other numbers (not for Bool)."""
        return self.kind in ("integer", "number")

    @property
    def temporal(self) -> bool:
        """True for dates and points in time."""
        return self.kind in ("date", "datetime")


@lru_cache(maxsize=4096)
def column_type(text: str) -> ColumnType:
    """Read type text such as `LowCardinality(Nullable(String))`; unknown types are `other`."""
    nullable = False
    inner = text.strip()
    while match := _WRAPPERS.match(inner):
        nullable = nullable or match.group(1) == "Nullable"
        inner = match.group(2).strip()
    if re.match(r"^U?Int\d+$", inner):
        return ColumnType("integer", nullable)
    if re.match(r"^(B?Float\d+|Decimal\d*\b)", inner):
        return ColumnType("number", nullable)
    if re.match(r"^(String|FixedString|Enum|UUID|IPv)", inner):
        return ColumnType("text", nullable)
    if inner in ("Date", "Date32"):
        return ColumnType("date", nullable)
    if inner.startswith("DateTime"):
        zone = _ZONE.search(inner)
        precision = _PRECISION.match(inner)
        return ColumnType(
            "datetime", nullable, zone.group(1) if zone else "", int(precision.group(1)) if precision else 0
        )
    if inner == "Bool":
        return ColumnType("bool", nullable)
    if inner.startswith(("JSON", "Object")):
        return ColumnType("json", nullable)
    return ColumnType("other", nullable)
