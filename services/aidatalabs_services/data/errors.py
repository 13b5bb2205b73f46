"""Why the data service refuses: one class per reason.

Every text is our own; what a parser or the engine said never reaches the caller. `metadata` holds short facts
(line and position counted from 1, the name of a function, table, column or construct).
"""

from __future__ import annotations

from aidatalabs_services.runtime.errors import ServiceError, StatusCode


def shown_name(name: str, most: int = 64) -> str:
    """A caller's own word, safe to show: printable and at most `most` characters."""
    return "".join(char if char.isprintable() else "?" for char in name[:most])


class QueryNotReadOnly(ServiceError):
    """The text is a statement other than SELECT, or carries one after a semicolon."""

    code = StatusCode.INVALID_ARGUMENT
    reason = "QUERY_NOT_READ_ONLY"


class QuerySyntaxInvalid(ServiceError):
    """The text cannot be read as ClickHouse SQL; metadata `line` and `position` say where, when known."""

    code = StatusCode.INVALID_ARGUMENT
    reason = "QUERY_SYNTAX_INVALID"


class QueryTooLarge(ServiceError):
    """Too many bytes or parts, or nested too deeply; metadata `limit` names which, `most` the figure."""

    code = StatusCode.INVALID_ARGUMENT
    reason = "QUERY_TOO_LARGE"


class QueryConstructNotAllowed(ServiceError):
    """Valid SQL of a kind the platform does not run; metadata `construct` names it."""

    code = StatusCode.INVALID_ARGUMENT
    reason = "QUERY_CONSTRUCT_NOT_ALLOWED"


class FunctionNotAllowed(ServiceError):
    """A function that is not on the list of functions a query may call; metadata `function` names it."""

    code = StatusCode.INVALID_ARGUMENT
    reason = "FUNCTION_NOT_ALLOWED"


class TableNotKnown(ServiceError):
    """No table of this platform has that name; another database's table and a missing one look the same."""

    code = StatusCode.INVALID_ARGUMENT
    reason = "TABLE_NOT_KNOWN"


class ColumnNotKnown(ServiceError):
    """No table, alias or parameter of the query has a column of that name; metadata `column`, `nearest`."""

    code = StatusCode.INVALID_ARGUMENT
    reason = "COLUMN_NOT_KNOWN"


class QueryFailed(ServiceError):
    """The engine could not run the query; metadata `engine_code` is ClickHouse's error number."""

    code = StatusCode.INVALID_ARGUMENT
    reason = "QUERY_FAILED"


class QueryTimeout(ServiceError):
    """The query ran longer than it may and was stopped in the engine; metadata `limit_seconds`."""

    code = StatusCode.DEADLINE_EXCEEDED
    reason = "QUERY_TIMEOUT"


def query_timeout(seconds: float) -> QueryTimeout:
    """The one refusal of a query that ran too long, whoever stops it."""
    return QueryTimeout(
        f"The query was stopped after {seconds:g} seconds. Narrow it, or read fewer rows.",
        metadata={"limit_seconds": f"{seconds:g}"},
    )


class QueryMemoryExceeded(ServiceError):
    """The query needed more memory than it may use; metadata `limit_bytes`."""

    code = StatusCode.RESOURCE_EXHAUSTED
    reason = "QUERY_MEMORY_EXCEEDED"


class QueryReadsTooMuch(ServiceError):
    """The query would read more rows or bytes than it may; metadata `limit_rows`."""

    code = StatusCode.RESOURCE_EXHAUSTED
    reason = "QUERY_READS_TOO_MUCH"


class QueryBudgetExceeded(ServiceError):
    """More rows than the platform may still read today; RetryInfo says how long that is.

    Metadata `limit_rows`, `used_rows`, `estimated_rows`.
    """

    code = StatusCode.RESOURCE_EXHAUSTED
    reason = "QUERY_BUDGET_EXCEEDED"


class ResultTooLarge(ServiceError):
    """The result is larger than an answer may be; metadata `limit_bytes`."""

    code = StatusCode.RESOURCE_EXHAUSTED
    reason = "RESULT_TOO_LARGE"


def result_too_large(limit_bytes: int) -> ResultTooLarge:
    """The one refusal of a result that is larger than an answer may be, whoever notices it."""
    return ResultTooLarge(
        "The result is larger than an answer may be. Ask for fewer rows or columns, or export it.",
        metadata={"limit_bytes": str(limit_bytes)},
    )


class TableNotFound(ServiceError):
    """The platform has no table of this name; metadata `table`."""

    code = StatusCode.NOT_FOUND
    reason = "TABLE_NOT_FOUND"


def table_not_found(name: str) -> TableNotFound:
    """The refusal of a call about a table that is not there."""
    return TableNotFound(
        f"The platform has no table {name!r}. List the tables to see which there are.",
        metadata={"table": name},
    )


class TableAlreadyExists(ServiceError):
    """A table of this name exists with another description; metadata `table`."""

    code = StatusCode.ALREADY_EXISTS
    reason = "TABLE_ALREADY_EXISTS"


class TableInvalid(ServiceError):
    """The table's description breaks a rule; `violations` name the fields, metadata `table`."""

    code = StatusCode.INVALID_ARGUMENT
    reason = "TABLE_INVALID"


class TypeNotAllowed(ServiceError):
    """A column's type is not on the allow-list; metadata `type`."""

    code = StatusCode.INVALID_ARGUMENT
    reason = "TYPE_NOT_ALLOWED"


class TableProtected(ServiceError):
    """A standard table of the platform cannot be changed or dropped; metadata `table`."""

    code = StatusCode.FAILED_PRECONDITION
    reason = "TABLE_PROTECTED"


class RollupNotFound(ServiceError):
    """The platform has no roll-up of this name; metadata `rollup`."""

    code = StatusCode.NOT_FOUND
    reason = "ROLLUP_NOT_FOUND"


class RollupAlreadyExists(ServiceError):
    """A roll-up of this name exists with another declaration; metadata `rollup`."""

    code = StatusCode.ALREADY_EXISTS
    reason = "ROLLUP_ALREADY_EXISTS"


class RollupInvalid(ServiceError):
    """The declaration breaks a rule; `violations` name the fields, metadata `rollup`."""

    code = StatusCode.INVALID_ARGUMENT
    reason = "ROLLUP_INVALID"


class RollupProtected(ServiceError):
    """A standard roll-up of the platform cannot be dropped; metadata `rollup`."""

    code = StatusCode.FAILED_PRECONDITION
    reason = "ROLLUP_PROTECTED"


class RollupLimitReached(ServiceError):
    """The platform has as many roll-ups as it may; metadata `limit`."""

    code = StatusCode.FAILED_PRECONDITION
    reason = "ROLLUP_LIMIT_REACHED"


class IngestTooLarge(ServiceError):
    """The call brings more rows than one call may; metadata `limit_rows`."""

    code = StatusCode.INVALID_ARGUMENT
    reason = "INGEST_TOO_LARGE"


class JournalFull(ServiceError):
    """The journal has no room until the engine has caught up; RetryInfo says when to try again."""

    code = StatusCode.RESOURCE_EXHAUSTED
    reason = "JOURNAL_FULL"


class BatchInvalid(ServiceError):
    """A batch is no Arrow IPC stream, or its columns do not fit the table; metadata `table`."""

    code = StatusCode.INVALID_ARGUMENT
    reason = "BATCH_INVALID"


class ReceiptNotFound(ServiceError):
    """No call or batch of this id was acknowledged for this table; metadata `receipt_id`, `table`."""

    code = StatusCode.NOT_FOUND
    reason = "RECEIPT_NOT_FOUND"


class DeletionTooLarge(ServiceError):
    """More rows match than the caller expects; metadata `table`, `matched_count`, `max_count`."""

    code = StatusCode.FAILED_PRECONDITION
    reason = "DELETION_TOO_LARGE"


class TableBusy(ServiceError):
    """Rows of the table are being deleted; metadata `table`, RetryInfo says when to try again."""

    code = StatusCode.ABORTED
    reason = "TABLE_BUSY"


class PathValuesMisfit(ServiceError):
    """Values of a path would not come back as they are.

    Metadata `table`, `column`, `path`, `type`, `row_count` and `example`.
    """

    code = StatusCode.FAILED_PRECONDITION
    reason = "PATH_VALUES_MISFIT"


class PathValuesRetyped(ServiceError):
    """Values would get another dynamic type; metadata as in PathValuesMisfit."""

    code = StatusCode.FAILED_PRECONDITION
    reason = "PATH_VALUES_RETYPED"


class PathInRollup(ServiceError):
    """A roll-up reads the path as a dynamic one; metadata `table`, `path`, `rollup`."""

    code = StatusCode.FAILED_PRECONDITION
    reason = "PATH_IN_ROLLUP"


class DeletionNotFound(ServiceError):
    """The platform has no deletion of this id; metadata `deletion`."""

    code = StatusCode.NOT_FOUND
    reason = "DELETION_NOT_FOUND"


class InsertRefused(Exception):
    """The engine will never take this block, however often it is repeated. Never leaves the service.

    `engine_code` is ClickHouse's error number.
    """

    def __init__(self, engine_code: int) -> None:
        super().__init__(f"the engine refused the block with code {engine_code}")
        self.engine_code = engine_code


class BackupNotFound(ServiceError):
    """There is no backup, restore or drill of this id or key, or its files are gone; metadata `backup`."""

    code = StatusCode.NOT_FOUND
    reason = "BACKUP_NOT_FOUND"


class BackupDamaged(ServiceError):
    """A backup is not as it was written; metadata `file` is the first file (inside it) that is not."""

    code = StatusCode.FAILED_PRECONDITION
    reason = "BACKUP_DAMAGED"


class BackupNotReady(ServiceError):
    """A backup is not complete, or failed; metadata `backup`, `state`."""

    code = StatusCode.FAILED_PRECONDITION
    reason = "BACKUP_NOT_READY"


class BackupBusy(ServiceError):
    """A backup, restore or drill of the platform is at work; RetryInfo says when to look again."""

    code = StatusCode.ABORTED
    reason = "BACKUP_BUSY"


class BackupLimitReached(ServiceError):
    """The platform has as many backups as it may; metadata `limit`."""

    code = StatusCode.FAILED_PRECONDITION
    reason = "BACKUP_LIMIT_REACHED"


class BackupVersionNotSupported(ServiceError):
    """The backup was written by a later version than this one; metadata `version`, `supported`."""

    code = StatusCode.FAILED_PRECONDITION
    reason = "BACKUP_VERSION_NOT_SUPPORTED"


class RestoreTargetNotEmpty(ServiceError):
    """A restore fills an empty platform only; metadata `platform`, `table` the first that is there."""

    code = StatusCode.FAILED_PRECONDITION
    reason = "RESTORE_TARGET_NOT_EMPTY"
