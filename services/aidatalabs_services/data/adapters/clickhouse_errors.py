"""ClickHouse's error numbers as our refusals: fixed words of our own, nothing of the engine's text."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from clickhouse_connect.driver.exceptions import ClickHouseError, ProgrammingError

from aidatalabs_services.data.errors import (
    ColumnNotKnown,
    InsertRefused,
    QueryFailed,
    QueryMemoryExceeded,
    QueryReadsTooMuch,
    QuerySyntaxInvalid,
    TableAlreadyExists,
    TableInvalid,
    TableNotKnown,
    query_timeout,
    result_too_large,
)
from aidatalabs_services.data.ports import QueryLimits
from aidatalabs_services.runtime.errors import CallCancelled, Overloaded, ServiceError, ServiceUnavailable

_LOG = logging.getLogger(__name__)

# Numbers of ClickHouse's ErrorCodes.cpp.
_UNKNOWN_TABLE = (60, 81)
_UNKNOWN_COLUMN = (16, 47)
_SYNTAX = (62,)
_TIMEOUT = (159, 160)
_MEMORY = (173, 241, 243)
_READS = (158, 191, 307)
_RESULT = (396,)
_BUSY = (202, 439)
_CANCELLED = (394,)
_CONNECTION = (209, 210, 516)
_TABLE_EXISTS = (57,)
# What passes by itself: an insert that met one of these is repeated with its token.
_INSERT_WAITS = frozenset((*_TIMEOUT, *_MEMORY, *_BUSY, *_CANCELLED, *_CONNECTION, 242, 252, 319, 999))
# Of those, what an engine says that has too much to do, to changes of tables too.
_TOO_MUCH = frozenset((*_TIMEOUT, *_MEMORY, *_BUSY, 252))
_TYPE_NOT_TAKEN = 43
# The two words that are taken from the engine's text: names of a type and a function, with no value in them.
_ILLEGAL_TYPE = re.compile(
    r"Illegal (types? [A-Za-z0-9_(), ]{1,80}) of (?:[a-z0-9]+ )?arguments? (?:of|for) "
    r"(?:aggregate )?function ([A-Za-z0-9_]{1,60})\b"
)
_FAILED_WORDS = {
    6: "a text cannot be read as the type wanted",
    27: "a text cannot be read as the type wanted",
    38: "a text cannot be read as a date",
    41: "a text cannot be read as a date and time",
    42: "a function has too many or too few arguments",
    43: "a function was given a type that it does not take",
    46: "it calls a function that the engine does not know",
    53: "two types in it do not fit together",
    59: "a condition in it is not a yes or no",
    69: "an argument is out of bounds",
    70: "a value cannot be converted to the type wanted",
    72: "a text cannot be read as a number",
    131: "a function, for example repeat, was asked for a longer text than it may make",
    153: "it divides by zero",
    184: "an aggregate function stands where none may, or inside another",
    207: "a name in it could mean several columns",
    215: "a column stands neither in GROUP BY nor inside an aggregate function",
    386: "its values have no type in common",
}


class EngineFailure(Exception):
    """The engine ended a stream; `code` is ClickHouse's number, 0 where the connection was lost."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the engine ended the stream with code {code}")
        self.code = code


@contextmanager
def query_errors(limits: QueryLimits) -> Iterator[None]:
    """Turns what the driver raises for a SELECT into the error of the limit or mistake it stands for."""
    try:
        yield
    except (ClickHouseError, EngineFailure, TimeoutError) as error:
        raise _query_refusal(error, limits) from error


@contextmanager
def ddl_errors(table: str) -> Iterator[None]:
    """The same for statements that make or drop a table."""
    try:
        yield
    except (ClickHouseError, TimeoutError) as error:
        code = _code(error)
        passing = _passing(error, code)
        if passing is not None:
            raise passing from error
        if code in _TOO_MUCH:
            # Nothing is wrong with the table: restores and deletions try again, callers are told to.
            raise Overloaded(
                "The engine has too much to do for this change now. Try again shortly.",
                retry_after_seconds=5.0,
            ) from error
        if code in _TABLE_EXISTS:
            raise TableAlreadyExists(
                "A table of this name exists. Choose another name, or drop it first.",
                metadata={"table": table},
            ) from error
        raise TableInvalid(
            "The engine refused this table. Check its types, order and partitions.",
            metadata={"table": table, "engine_code": str(code)},
        ) from error


@contextmanager
def insert_errors(*, encodes: bool) -> Iterator[None]:
    """The same for inserts: InsertRefused where repeating is useless, Overloaded where the engine says it
    has too much to do, else ServiceUnavailable.

    `encodes` says that the driver turns values into bytes, so that an error without a number may be theirs.
    """
    try:
        yield
    except (ClickHouseError, TimeoutError) as error:
        code = _code(error)
        if encodes and code == 0 and not isinstance(error, TimeoutError) and not _lost(error):
            raise InsertRefused(0) from error  # the driver could not encode the values
        if code in _TOO_MUCH:
            raise _busy() from error
        if code == 0 or code in _INSERT_WAITS:
            raise _unavailable() from error
        raise InsertRefused(code) from error


def _query_refusal(error: BaseException, limits: QueryLimits) -> ServiceError:
    code = _code(error)
    if isinstance(error, TimeoutError) or code in _TIMEOUT:
        return query_timeout(limits.max_seconds)
    if code in _MEMORY:
        return QueryMemoryExceeded(
            "The query needed more memory than it may use. Read fewer rows or group by fewer values.",
            metadata={"limit_bytes": str(limits.max_memory_bytes)},
        )
    if code in _READS:
        return QueryReadsTooMuch(
            "The query would read more than it may. Narrow it, for example to a range of time.",
            metadata={
                "limit_rows": str(limits.max_rows_to_read),
                "limit_bytes": str(limits.max_bytes_to_read),
            },
        )
    if code in _RESULT:
        return result_too_large(limits.max_result_bytes)
    if code in _UNKNOWN_TABLE:
        return TableNotKnown(
            "The query reads a table that is not there. List the tables to see which there are."
        )
    if code in _UNKNOWN_COLUMN:
        return ColumnNotKnown(
            "The query reads a column that its tables do not have. Describe the schema to see them."
        )
    if code in _SYNTAX:
        return QuerySyntaxInvalid("The engine cannot read the query. Check its syntax.")
    return _passing(error, code) or _failed(code, _illegal_type(error, code))


def _illegal_type(error: BaseException, code: int) -> str:
    """Which function was given which type, in our words; empty where the engine does not say it plainly."""
    found = _ILLEGAL_TYPE.search(str(error)) if code == _TYPE_NOT_TAKEN else None
    return f"the function {found[2]} does not take the {found[1]}" if found else ""


def _failed(code: int, known: str = "") -> QueryFailed:
    why = known or _FAILED_WORDS.get(code)
    _LOG.info("the engine failed a query with code %s", code)
    text = f"The engine could not run the query: {why}." if why else "The engine could not run the query."
    return QueryFailed(f"{text} Check its types and values.", metadata={"engine_code": str(code)})


def _passing(error: BaseException, code: int) -> ServiceError | None:
    """Faults that are not the statement's: busy, stopped, or not reachable."""
    if code in _BUSY:
        return _busy()
    if code in _CANCELLED:
        return CallCancelled("The query was stopped before its answer was complete.")
    if code == 0 or code in _CONNECTION:
        return _unavailable()  # without a number it was not the engine that refused
    return None


def _busy() -> Overloaded:
    return Overloaded(
        "The engine runs as many queries as it may. Try again shortly.", retry_after_seconds=1.0
    )


def _unavailable() -> ServiceUnavailable:
    return ServiceUnavailable(
        "The engine of this platform cannot be reached at the moment. Try again shortly.",
        metadata={"service": "engine"},
        retry_after_seconds=1.0,
    )


def _code(error: BaseException) -> int:
    """ClickHouse's number, 0 where the error has none."""
    return int(getattr(error, "code", None) or 0)


def _lost(error: BaseException) -> bool:
    """Whether the connection failed, not the statement: the driver then has an operating system's cause."""
    if isinstance(error, ProgrammingError) and "session is unavailable" in str(error):
        return True  # another call closed the client of an engine that was replaced
    cause = error.__cause__ or error.__context__
    return isinstance(cause, OSError) or type(error).__name__ in ("OperationalError", "StreamFailureError")
