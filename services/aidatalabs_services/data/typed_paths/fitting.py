"""Which values of a path come back as they are when the path gets another type, as SQL that counts them.

A value fits a declared type when it has that type, or when it is a whole number within the type's range. What
is not declared is written as text and read anew when the engine rewrites a file: a Float64 without a fraction
then becomes an Int64. Such values have another type and the same text (`retyped`); a value whose text reads
back as another text is lost (`misfit`).
"""

from __future__ import annotations

from dataclasses import dataclass

from aidatalabs_services.data.column_types import ColumnType, quote_text
from aidatalabs_services.data.errors import TypeNotAllowed
from aidatalabs_services.data.native.json_type import parse_column_type, type_text
from aidatalabs_services.data.table_ddl import quoted
from aidatalabs_services.data.value_rules import integer_range, is_integer

_EXACT = 2**53
# From here on a Float64 is written with digits only and reads back as no number that JSON has.
_MOST_DIGITS = "9.2e18"


@dataclass(frozen=True)
class Check:
    """What to count at a path among the values of one type.

    `value` is SQL, NULL in rows without a value of this type; `misfit` and `retyped` are conditions, empty
    where they never hold.
    """

    path: str
    type: str
    value: str
    misfit: str = ""
    retyped: str = ""


def place(column: str, path: str) -> str:
    """The path as SQL."""
    return ".".join(quoted(step) for step in (column, *path.split(".")))


def value_of(column: str, path: str, kind: str, *, declared: bool) -> str:
    """The values of one type at a path as SQL; NULL in other rows."""
    if not all(path.split(".")):
        # Such a key cannot be written as a name: `a..b`, or none at all.
        return f"getSubcolumn({quoted(column)}, {quote_text(f'{path}.:{quoted(kind)}')})"
    here = place(column, path)
    return here if declared else f"{here}.:{quoted(kind)}"


def base_of(kind: str) -> ColumnType | None:
    """The type inside LowCardinality and Nullable; None for types that no table of ours may have."""
    try:
        return parse_column_type(kind).base
    except TypeNotAllowed:
        return None


def declaring(path: str, found: str, value: str, wanted: ColumnType) -> Check:
    """What to count when values of the type `found` get the declared type `wanted`."""
    target, given = wanted.base, base_of(found)
    if given == target or (given is not None and (given.name, target.name) == ("Date", "String")):
        return Check(path, found, value)
    if given is not None and is_integer(given):
        if is_integer(target):
            least, most = integer_range(target)
            return Check(path, found, value, misfit=f"NOT ({value} BETWEEN {least} AND {most})")
        if target.name == "Float64":
            return Check(path, found, value, misfit=f"NOT ({value} BETWEEN {-_EXACT} AND {_EXACT})")
    return Check(path, found, value, misfit=f"isNotNull({value})")


def becoming_dynamic(path: str, found: str, value: str, *, infers_times: bool) -> Check:
    """What to count when values of the type `found` are written as text and read anew.

    `infers_times` says whether the engine takes texts for days and moments then.
    """
    base = base_of(found)
    name = type_text(base) if base is not None else found
    if name in ("Int64", "Bool") or (name == "String" and not infers_times):
        return Check(path, found, value)
    plain = f"assumeNotNull({value})"
    if name == "Float64":
        whole = f"isNotNull({value}) AND {plain} = trunc({plain})"
        return Check(
            path,
            found,
            value,
            misfit=f"{whole} AND abs({plain}) >= {_MOST_DIGITS}",
            retyped=f"{whole} AND abs({plain}) < {_MOST_DIGITS}",
        )
    read = f"getSubcolumn(CAST(concat('{{\"v\":', toJSONString({plain}), '}}') AS JSON), 'v')"
    return Check(
        path,
        found,
        value,
        misfit=f"isNotNull({value}) AND toJSONString({plain}) != toJSONString({read})",
        retyped=f"isNotNull({value}) AND dynamicType({read}) != {quote_text(name)}",
    )
