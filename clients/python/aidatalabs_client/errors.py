"""What the client may raise: a class for each reason of the contract, each an ApiError.

Made by clients/python/generate_client.py from error_reason.proto; do not edit.
"""

from __future__ import annotations

from aidatalabs_client.api_error import ApiError, FileUnreadable

__all__ = [
    "AcceptNotSupported",
    "ApiError",
    "BackupBusy",
    "BackupDamaged",
    "BackupLimitReached",
    "BackupNotFound",
    "BackupNotReady",
    "BackupVersionNotSupported",
    "BadHttpRequest",
    "BatchInvalid",
    "CallCancelled",
    "CatalogueVersionNotFound",
    "ChartNotAvailable",
    "ColumnNotKnown",
    "ContentTypeNotSupported",
    "ConversationFull",
    "ConversationNotFound",
    "ConversationsNotKept",
    "CrossSiteRequest",
    "DeadlineExceeded",
    "DefinitionsNotKept",
    "DeletionNotFound",
    "DeletionTooLarge",
    "EtagMismatch",
    "FileUnreadable",
    "FunctionNotAllowed",
    "IdempotencyMismatch",
    "IngestTooLarge",
    "Internal",
    "InvalidRequest",
    "JournalFull",
    "LessonNotFound",
    "MalformedMessage",
    "MethodNotFound",
    "ModelNotConfigured",
    "NotBuiltYet",
    "Overloaded",
    "PageTokenInvalid",
    "PathInRollup",
    "PathValuesMisfit",
    "PathValuesRetyped",
    "PeerNotAllowed",
    "PermissionDenied",
    "PlatformAlreadyExists",
    "PlatformDeleted",
    "PlatformNotActive",
    "PlatformNotFound",
    "QueryBudgetExceeded",
    "QueryConstructNotAllowed",
    "QueryFailed",
    "QueryMemoryExceeded",
    "QueryNotReadOnly",
    "QueryReadsTooMuch",
    "QuerySyntaxInvalid",
    "QueryTimeout",
    "QueryTooLarge",
    "QuestionNotAnswerable",
    "QuestionNotReadOnly",
    "ReceiptNotFound",
    "RequestTooLarge",
    "RestoreTargetNotEmpty",
    "ResultTooLarge",
    "RollupAlreadyExists",
    "RollupInvalid",
    "RollupLimitReached",
    "RollupNotFound",
    "RollupProtected",
    "RouteNotFound",
    "ServiceUnavailable",
    "SessionInvalid",
    "TableAlreadyExists",
    "TableBusy",
    "TableInvalid",
    "TableNotFound",
    "TableNotKnown",
    "TableProtected",
    "TokenExpired",
    "TokenInvalid",
    "TokenMissing",
    "TypeNotAllowed",
    "UriTooLong",
    "UserNotFound",
]


class InvalidRequest(ApiError, reason="INVALID_REQUEST"):
    """A field breaks a rule of the contract; BadRequest names each field and what is wrong with it."""


class MalformedMessage(ApiError, reason="MALFORMED_MESSAGE"):
    """The bytes or the JSON cannot become the request message of the method."""


class TokenMissing(ApiError, reason="TOKEN_MISSING"):
    """The call carries no bearer token."""


class TokenInvalid(ApiError, reason="TOKEN_INVALID"):
    """The token was not issued for this API, was tampered with, or its user is gone."""


class TokenExpired(ApiError, reason="TOKEN_EXPIRED"):
    """The token was good once; get a new one."""


class PermissionDenied(ApiError, reason="PERMISSION_DENIED"):
    """The caller's role is too low for the method."""


class MethodNotFound(ApiError, reason="METHOD_NOT_FOUND"):
    """No service of the contract has this method."""


class NotBuiltYet(ApiError, reason="NOT_BUILT_YET"):
    """The method is in the contract and not built yet."""


class DeadlineExceeded(ApiError, reason="DEADLINE_EXCEEDED"):
    """The call's time was over before its answer was complete; work on it was stopped."""


class CallCancelled(ApiError, reason="CALL_CANCELLED"):
    """The caller went away before the answer was complete; work on it was stopped."""


class Overloaded(ApiError, reason="OVERLOADED"):
    """Every place in a bounded queue, pool or list is taken; RetryInfo says when to try again."""


class ServiceUnavailable(ApiError, reason="SERVICE_UNAVAILABLE"):
    """A part this call needs is down or starting; RetryInfo says when to try again."""


class Internal(ApiError, reason="INTERNAL"):
    """A fault of ours; the log has its cause under the request id."""


class IdempotencyMismatch(ApiError, reason="IDEMPOTENCY_MISMATCH"):
    """The request_id was used before with other content; for ingest `first_row_count` says how many rows
    it had then.
    """


class PageTokenInvalid(ApiError, reason="PAGE_TOKEN_INVALID"):
    """The page token is not one of this list, or belongs to other parameters; start at the first page."""


class RouteNotFound(ApiError, reason="ROUTE_NOT_FOUND"):
    """No REST endpoint has this path and verb."""


class RequestTooLarge(ApiError, reason="REQUEST_TOO_LARGE"):
    """The body is larger than the edge or the method takes."""


class UriTooLong(ApiError, reason="URI_TOO_LONG"):
    """The URL is longer than the edge takes; send the same fields with POST."""


class BadHttpRequest(ApiError, reason="BAD_HTTP_REQUEST"):
    """The edge could not take the HTTP request: its JSON, headers or parameters do not fit."""


class ContentTypeNotSupported(ApiError, reason="CONTENT_TYPE_NOT_SUPPORTED"):
    """The body's Content-Type is not one that the endpoint takes; send application/json. HTTP status
    415.
    """


class AcceptNotSupported(ApiError, reason="ACCEPT_NOT_SUPPORTED"):
    """The Accept header takes none of the media types that the endpoint sends. HTTP status 406."""


class CrossSiteRequest(ApiError, reason="CROSS_SITE_REQUEST"):
    """A call with the session cookie came from another site; only our own pages may use it."""


class SessionInvalid(ApiError, reason="SESSION_INVALID"):
    """The browser session is over or was never there; sign in again."""


class PeerNotAllowed(ApiError, reason="PEER_NOT_ALLOWED"):
    """The calling service's certificate is none that may call this method."""


class PlatformNotFound(ApiError, reason="PLATFORM_NOT_FOUND"):
    """No such platform, or the caller is no member of it: both give the same answer."""


class PlatformAlreadyExists(ApiError, reason="PLATFORM_ALREADY_EXISTS"):
    """The id is taken; choose another or leave it out."""


class EtagMismatch(ApiError, reason="ETAG_MISMATCH"):
    """The platform was changed by somebody else since it was read; read it again."""


class PlatformNotActive(ApiError, reason="PLATFORM_NOT_ACTIVE"):
    """The platform is being made, could not be made or is being deleted; its state says which."""


class UserNotFound(ApiError, reason="USER_NOT_FOUND"):
    """Nobody of this mesh has that e-mail or id; users are there once they have signed in or were given
    a token.
    """


class QueryNotReadOnly(ApiError, reason="QUERY_NOT_READ_ONLY"):
    """The statement is not a SELECT; data is changed through Ingest and the table methods only."""


class QuerySyntaxInvalid(ApiError, reason="QUERY_SYNTAX_INVALID"):
    """The text is not one ClickHouse SELECT that the SQL door can read."""


class QueryTooLarge(ApiError, reason="QUERY_TOO_LARGE"):
    """The text is too long, has too many parts or is nested too deep."""


class QueryConstructNotAllowed(ApiError, reason="QUERY_CONSTRUCT_NOT_ALLOWED"):
    """The query uses something the SQL door does not let through."""


class FunctionNotAllowed(ApiError, reason="FUNCTION_NOT_ALLOWED"):
    """The query calls a function or table function that is not on the allow-list."""


class TableNotKnown(ApiError, reason="TABLE_NOT_KNOWN"):
    """The query names a table that this platform does not have."""


class ColumnNotKnown(ApiError, reason="COLUMN_NOT_KNOWN"):
    """The query names a column that its tables do not have."""


class QueryFailed(ApiError, reason="QUERY_FAILED"):
    """The engine could not run the query: types do not fit, a value cannot be read, and the like."""


class QueryTimeout(ApiError, reason="QUERY_TIMEOUT"):
    """The query ran longer than it may and was stopped in the engine."""


class QueryMemoryExceeded(ApiError, reason="QUERY_MEMORY_EXCEEDED"):
    """The query needed more memory than it may use; read fewer rows or group by fewer values."""


class QueryReadsTooMuch(ApiError, reason="QUERY_READS_TOO_MUCH"):
    """The query would read more rows or bytes than it may; narrow it."""


class ResultTooLarge(ApiError, reason="RESULT_TOO_LARGE"):
    """The result is larger than an answer may be; ask for fewer rows or export it."""


class TableNotFound(ApiError, reason="TABLE_NOT_FOUND"):
    """The platform has no table of this name."""


class TableAlreadyExists(ApiError, reason="TABLE_ALREADY_EXISTS"):
    """A table of this name exists with other columns."""


class TableInvalid(ApiError, reason="TABLE_INVALID"):
    """The table's description breaks a rule; BadRequest names the field."""


class TypeNotAllowed(ApiError, reason="TYPE_NOT_ALLOWED"):
    """A column's type is not on the allow-list, or is one that Arrow and Parquet cannot carry."""


class TableProtected(ApiError, reason="TABLE_PROTECTED"):
    """A standard table of the platform cannot be changed or dropped."""


class IngestTooLarge(ApiError, reason="INGEST_TOO_LARGE"):
    """The call brings more rows than one call may; send several."""


class JournalFull(ApiError, reason="JOURNAL_FULL"):
    """The journal has no room until the engine has caught up; RetryInfo says when to try again."""


class BatchInvalid(ApiError, reason="BATCH_INVALID"):
    """A batch of a stream is no Arrow IPC stream, or its columns do not fit the table; violations name
    each column.
    """


class ReceiptNotFound(ApiError, reason="RECEIPT_NOT_FOUND"):
    """No call or batch of this id was acknowledged for this table within the last 24 hours."""


class QuestionNotAnswerable(ApiError, reason="QUESTION_NOT_ANSWERABLE"):
    """The platform's data cannot answer the question; the message says what would help."""


class QuestionNotReadOnly(ApiError, reason="QUESTION_NOT_READ_ONLY"):
    """The question asks to change data; agents only read."""


class ModelNotConfigured(ApiError, reason="MODEL_NOT_CONFIGURED"):
    """The operator has configured no model of this alias; ask one of those that are, or the planner
    (`offline`).
    """


class ChartNotAvailable(ApiError, reason="CHART_NOT_AVAILABLE"):
    """The answer has no chart: it is best read as a table, or the question has several readings. Query
    has the rows.
    """


class RollupNotFound(ApiError, reason="ROLLUP_NOT_FOUND"):
    """The platform has no roll-up of this name."""


class RollupAlreadyExists(ApiError, reason="ROLLUP_ALREADY_EXISTS"):
    """A roll-up of this name exists with another declaration."""


class RollupInvalid(ApiError, reason="ROLLUP_INVALID"):
    """The roll-up's declaration breaks a rule; BadRequest names the field."""


class RollupProtected(ApiError, reason="ROLLUP_PROTECTED"):
    """A standard roll-up of the platform cannot be dropped."""


class RollupLimitReached(ApiError, reason="ROLLUP_LIMIT_REACHED"):
    """The platform has as many roll-ups as it may; drop one first."""


class QueryBudgetExceeded(ApiError, reason="QUERY_BUDGET_EXCEEDED"):
    """The query would read more rows than the platform's budget of the day has left; RetryInfo names
    midnight UTC.
    """


class DeletionTooLarge(ApiError, reason="DELETION_TOO_LARGE"):
    """More rows match than the caller expects; none was deleted. Look at the filter, or raise max_count."""


class TableBusy(ApiError, reason="TABLE_BUSY"):
    """Rows of the table are being deleted; RetryInfo says when to try again."""


class DeletionNotFound(ApiError, reason="DELETION_NOT_FOUND"):
    """The platform has no deletion of this id."""


class BackupNotFound(ApiError, reason="BACKUP_NOT_FOUND"):
    """There is no backup, restore or drill of this id or key, or its files are gone."""


class BackupDamaged(ApiError, reason="BACKUP_DAMAGED"):
    """A file of the backup is not as it was written; restore another backup, or another copy of this
    one.
    """


class BackupNotReady(ApiError, reason="BACKUP_NOT_READY"):
    """The backup is not complete; wait for its state to be DONE."""


class BackupBusy(ApiError, reason="BACKUP_BUSY"):
    """A backup, restore or drill of the platform is at work, or its rows are not all back yet; RetryInfo
    says when to try again.
    """


class BackupLimitReached(ApiError, reason="BACKUP_LIMIT_REACHED"):
    """The platform has as many backups as it may; delete one first."""


class BackupVersionNotSupported(ApiError, reason="BACKUP_VERSION_NOT_SUPPORTED"):
    """The backup was written by a later version than runs here."""


class RestoreTargetNotEmpty(ApiError, reason="RESTORE_TARGET_NOT_EMPTY"):
    """A restore overwrites nothing: it fills a platform with no rows and no tables but the standard
    ones.
    """


class PlatformDeleted(ApiError, reason="PLATFORM_DELETED"):
    """A platform of this id was deleted and can be brought back until purge_time; until then the id is
    taken.
    """


class PathValuesMisfit(ApiError, reason="PATH_VALUES_MISFIT"):
    """Values of a path do not fit the type declared for it, or would not come back as they are; nothing
    was changed.
    """


class PathValuesRetyped(ApiError, reason="PATH_VALUES_RETYPED"):
    """Values keep their text and get another dynamic type: declare their paths too, or accept it with
    allow_retyping.
    """


class PathInRollup(ApiError, reason="PATH_IN_ROLLUP"):
    """A roll-up of the table reads the path as a dynamic one (`….:String`); drop the roll-up first."""


class ConversationNotFound(ApiError, reason="CONVERSATION_NOT_FOUND"):
    """The caller has no conversation of this id about this platform; somebody else's gives the same
    answer.
    """


class ConversationFull(ApiError, reason="CONVERSATION_FULL"):
    """The conversation has as many turns as one may have; begin another one."""


class ConversationsNotKept(ApiError, reason="CONVERSATIONS_NOT_KEPT"):
    """The operator gave the agent service no PostgreSQL to keep conversations in; ask without one."""


class LessonNotFound(ApiError, reason="LESSON_NOT_FOUND"):
    """The platform was never taught a lesson of this id."""


class DefinitionsNotKept(ApiError, reason="DEFINITIONS_NOT_KEPT"):
    """The operator gave the agent service no PostgreSQL to keep definitions in; the catalogue is what
    the data says.
    """


class CatalogueVersionNotFound(ApiError, reason="CATALOGUE_VERSION_NOT_FOUND"):
    """The platform's definitions have no version of this number, or it is older than those that are
    kept.
    """
