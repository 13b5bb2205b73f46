"""Calls made up from the OpenAPI document: as it allows them, or with one thing in them that it forbids.

What only makes sense if it names something that is there (a platform, a table, SQL) is often drawn from
known values, and no call reaches the demo, makes platforms without end or signs with more than one new key.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.core import NotSet
from schemathesis.core.result import Ok

from tests.contract.openapi.described import DOCUMENT, SCHEMAS

PLATFORM = "fuzz"
"""Has the standard tables and `things`; calls that name a platform name this one or none."""

MADE = "fuzz-made"
"""Made and deleted by the calls themselves."""

RESTORED = "fuzz-1"
"""The request_id of the one restore into the platform: what repeats it is answered."""

_PROPERTIES = [pair for schema in SCHEMAS.values() for pair in schema.get("properties", {}).items()]
# Of a request they are left out, and a property made up beside those described may have their names: the edge
# knows them and refuses what cannot be such a field.
_ANSWERS_ALONE = {name for name, one in _PROPERTIES if one.get("readOnly")} - {
    name for name, one in _PROPERTIES if not one.get("readOnly")
}

_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_NAME = re.compile(r"platforms/[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_NONE = "fuzz-none"
_ROTATION = "fuzz-rotation"
_DELETIONS = ("DataService_DeleteRows", "DataService_DeleteUserData")

SQL = (
    "SELECT 1",
    "SELECT * FROM things ORDER BY id",
    "SELECT label, count() AS n, avg(weight) FROM things GROUP BY label ORDER BY n DESC LIMIT 5",
    "SELECT event_type, properties.page FROM events WHERE timestamp > now() - INTERVAL 1 DAY",
    "SELECT nan, inf, -inf, NULL, toDecimal64(1.5, 3), toUInt64(18446744073709551615), [1, 2], map('a', 1)",
    "SELECT number, repeat('ä', number) FROM numbers(1200)",
    "WITH 3 AS k SELECT id % k FROM things",
    "SELECT a.id FROM things a JOIN things b ON a.id = b.id",
    "SELECT intDiv(1, 0)",
    "SELECT * FROM things WHERE label = 1 AND id = 'x'",
    "SELECT * FROM file('/etc/passwd')",
    "SELECT nope FROM things",
    "DROP TABLE things",
    "SELECT 1; SELECT 2",
    "SELECT (((((((((1)))))))))",
    "SELECT '",
)
_KNOWN: dict[str, tuple[Any, ...]] = {
    "sql": SQL,
    "question": (
        "how many things are there?",
        "average weight by label",
        "how many things per label last month, in a chart?",
        "delete all things",
        "what is the weather in Paris?",
        "weight",
    ),
    "conversation": ("00000000-0000-4000-8000-000000000000", "nothing"),
    "lesson": ("00000000-0000-4000-8000-000000000000", "nothing"),
    "version": (0, 1, 9, 2**31 - 1),
    "synonyms": ([], ["pieces"], ["by", "things", "a;b"]),
    "aggregate": ("COUNT", "SUM", "AVG"),
    "user": ("", "users/00000000-0000-4000-8000-000000000000"),
    "table": ("things", "things", "events", "nothing"),
    "type": ("UInt64", "Nullable(String)", "Array(Array(Int8))", "JSON", "Enum8('a' = 1)"),
    "filter": ('name : "a"', "state = ACTIVE AND name = platforms/fuzz", "role = NO", 'name = "', "a = b"),
    "column": ("properties", "id", "nothing"),
    "order_by": ("name", "name desc", "create_time desc", "nothing", "name,name"),
    "page_size": (0, 1, 1000, 2**31 - 1),
    "max_rows": (0, 1, 10000),
    "max_seconds": (0, 0.001, 2.5, 3600, 1e9),
    "max_staleness": ("0s", "60s", "1.5s", "90000s"),
    "member": ("allUsers",),
    "rollup": ("made", "events_by_day", "nothing"),
    "rows": (
        [{"id": "7", "label": "seven", "weight": 0.7}],
        [{"id": -1}, {"id": "18446744073709551615", "label": "\u0000"}, {"label": None, "other": []}, {}],
    ),
    "events": (
        [{"timestamp": "2026-01-02T03:04:05.678Z", "event_type": "click", "user_id": "42", "value": 1.5}],
        [{"timestamp": "1969-01-01T00:00:00Z", "event_type": ""}, {"event_type": "x", "value": "NaN"}],
    ),
    "columns": ([{"name": "a", "type": "Int8"}], [{"name": "a", "type": "Int8"}, {"name": "A"}]),
    "partition_by": ("", "toYYYYMM(a)"),
    "ttl": ("", "a + INTERVAL 1 DAY"),
    "request_id": ("fuzz-1", "fuzz-2"),
    "start_time": ("2026-01-01T00:00:00Z",),
    "end_time": ("2025-01-01T00:00:00Z",),
}  # fmt: skip

_WHOLE: Mapping[str, tuple[dict[str, Any], ...]] = {
    "DataService_CreateTable": (
        {"table": {"name": "made", "columns": [{"name": "at", "type": "DateTime"}], "order_by": ["at"]}},
        {"table": {"name": "things", "columns": [{"name": "id", "type": "UInt64"}]}},
    ),
    "DataService_AddColumn": (
        {"column": {"name": "extra", "type": "Nullable(Int32)", "comment": "things.id"}},
        {"column": {"name": "id", "type": "String"}},
    ),
    "DataService_UpdateTable": (
        {"comment": "what is said about it", "update_mask": "comment"},
        {"comment": "", "ttl": "a + INTERVAL 1 DAY", "update_mask": "ttl"},
    ),
    "DataService_TypePaths": (
        {"paths": [{"path": "a.b", "type": "Int64"}], "untyped_paths": ["page"], "allow_retyping": True},
        {"paths": [{"path": "page", "type": "Array(String)"}], "untyped_paths": []},
    ),
    "DataService_CreateRollup": (
        {"rollup": {"name": "made", "table": "events", "time_column": "timestamp", "grain": "DAY"}},
        {"rollup": {"name": "made", "table": "events", "time_column": "user_id", "grain": "HOUR"}},
        {
            "rollup": {
                "name": "made",
                "table": "events",
                "time_column": "timestamp",
                "grain": "HOUR",
                "maintenance": "ASYNCHRONOUS",
            }
        },
    ),
    "DataService_Ingest": tuple({"table": "things", "rows": rows, "events": []} for rows in _KNOWN["rows"])
    + tuple({"table": "", "events": events, "rows": []} for events in _KNOWN["events"]),
    "AgentService_UpdateCatalogue": (
        {
            "definitions": {
                "tables": [
                    {
                        "table": "things",
                        "synonyms": ["pieces"],
                        "default_measure_column": "weight",
                        "columns": [{"column": "label", "role": "CATEGORY", "synonyms": ["tag"]}],
                    }
                ],
                "keys": [{"table": "things", "column": "id", "to_table": "events", "to_column": "user_id"}],
                "metrics": [
                    {"name": "mass", "table": "things", "aggregate": "SUM", "column": "weight"},
                    {"name": "lightness", "numerator": "mass", "denominator": "mass", "percent": True},
                ],
                "dimensions": [
                    {"name": "day seen", "table": "events", "column": "timestamp", "grain": "DAY"}
                ],
            },
            "mode": "MERGE",
        },
        {"definitions": {"metrics": [{"name": "mass"}]}, "mode": "MERGE", "validate_only": True},
        {"definitions": {}, "etag": "stale"},
    ),
    "PlatformService_SetMember": ({"member": "allUsers", "role": "ROLE_VIEWER"},),
}
"""Bodies whose parts fit each other, which made-up ones seldom do."""

AnyCase: TypeAlias = Case[Any]


def know(name: str, value: Any) -> None:
    """Has calls name something that exists and whose id the service chose."""
    _KNOWN[name] = (value, value, "nothing")


@dataclass(frozen=True)
class Call:
    """A call, and what the document says of it: neither where what made it wrong may have been replaced."""

    case: AnyCase
    allowed: bool
    forbidden: bool

    @property
    def told(self) -> str:
        """The call for somebody who wants to repeat it."""
        word = "allowed" if self.allowed else "forbidden" if self.forbidden else "unclear"
        return f"{word}: {self.case.as_curl_command()}"


def operations() -> dict[str, Any]:
    """Every operation of the document by its id."""
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    found = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    return {one.definition.raw["operationId"]: one for one in found}


@st.composite
def calls(draw: st.DrawFn, operation: Any) -> Call:
    """A call of the operation."""
    positive, negative = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
    mode = draw(st.sampled_from([positive, positive, negative]))
    case: AnyCase = draw(operation.as_strategy(generation_mode=mode))
    for part in (case.path_parameters, case.query, case.body):
        _aim(draw, part, mode)
    name = operation.definition.raw["operationId"]
    if mode is positive and name in _WHOLE and draw(st.booleans()):
        case.body = case.body | draw(st.sampled_from(_WHOLE[name]))
    _keep_harmless(draw, name, case)
    # What was wrong with these may have been what is replaced in them.
    mended = name == "IdentityService_RotateSigningKey" or name in _DELETIONS
    beside_the_schema = _ANSWERS_ALONE & _names(case.body) or _has_number_past_64_bits(case.body)
    allowed = mode is positive and not beside_the_schema
    return Call(case, allowed=allowed, forbidden=mode is negative and not mended)


def _names(value: Any) -> set[str]:
    """Every property's name in a body, however deep."""
    if isinstance(value, list):
        return set().union(*map(_names, value))
    return set(value).union(*map(_names, value.values())) if isinstance(value, dict) else set()


def _has_number_past_64_bits(value: Any) -> bool:
    """Whether a body has digits for more than `format: uint64` says, which is not in the schema's pattern."""
    if isinstance(value, dict | list):
        return any(map(_has_number_past_64_bits, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) and bool(re.fullmatch(r"-?[0-9]{19,}", value))


def _aim(draw: st.DrawFn, part: Any, mode: GenerationMode) -> None:
    """Replaces values that are as they should be; a wrong one stays what is wrong with the call."""
    if isinstance(part, list):
        for one in part:
            _aim(draw, one, mode)
    if not isinstance(part, dict):
        return
    for name, value in list(part.items()):
        if isinstance(value, str) and _NAME.fullmatch(value):
            part[name] = f"platforms/{_platform(draw)}"
        elif name == "platform" and isinstance(value, str) and _ID.fullmatch(value):
            part[name] = _platform(draw)
        elif name == "" and mode is GenerationMode.POSITIVE:
            del part[name]  # unknown fields are ignored, a field without a name is not one
        elif name == "content" and mode is GenerationMode.POSITIVE:
            part[name] = draw(st.binary(max_size=20).map(lambda given: base64.b64encode(given).decode()))
        elif mode is GenerationMode.POSITIVE and _is_known(name, value) and draw(st.integers(0, 3)):
            part[name] = draw(st.sampled_from(_KNOWN[name]))
        else:
            _aim(draw, value, mode)


def _is_known(name: str, value: Any) -> bool:
    """Whether there are known values for a field, of the kind that this one takes."""
    return name in _KNOWN and isinstance(value, type(_KNOWN[name][0]))


def _platform(draw: st.DrawFn) -> str:
    return draw(st.sampled_from([PLATFORM] * 5 + [_NONE]))


def _keep_harmless(draw: st.DrawFn, operation: str, case: AnyCase) -> None:
    if operation == "PlatformService_CreatePlatform" and isinstance(case.query, dict):
        given = case.query.get("platform_id", "")
        if given == "" or (isinstance(given, str) and _ID.fullmatch(given)):
            case.query["platform_id"] = draw(st.sampled_from([PLATFORM, MADE]))
    if operation in _DELETIONS and isinstance(case.body, dict):
        case.body["dry_run"] = True
    if operation == "DataService_DeleteBackup" and case.path_parameters.get("backup") == _KNOWN["backup"][0]:
        case.path_parameters["backup"] = _KNOWN["spare"][0]
    if operation == "DataService_DropTable" and case.path_parameters.get("table") == "things":
        case.path_parameters["table"] = "made"
    if operation == "PlatformService_DeletePlatform" and case.path_parameters.get("platform") == PLATFORM:
        case.path_parameters["platform"] = draw(st.sampled_from([MADE, _NONE]))
    if operation == "IdentityService_RotateSigningKey":
        if case.body is None or isinstance(case.body, NotSet):
            case.body = {}  # either is an empty message, which always makes a key
        if isinstance(case.body, dict) and _makes_a_key(case.body.get("request_id", "")):
            case.body["request_id"] = _ROTATION


def _makes_a_key(request_id: Any) -> bool:
    known = isinstance(request_id, str) and re.fullmatch(r"[A-Za-z0-9._:-]{0,128}", request_id)
    return request_id is None or bool(known)
