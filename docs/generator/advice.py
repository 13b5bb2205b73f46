"""What a caller does about each reason: the one part of the reference that no code knows."""

from __future__ import annotations

from collections.abc import Mapping

ADVICE: Mapping[str, str] = {
    "INVALID_REQUEST": "Mend the fields that `violations` names; the same call again gets the same answer.",
    "MALFORMED_MESSAGE": (
        "Compare the body with the method's request: names, types, commas. Over gRPC, generate the "
        "stubs anew."
    ),
    "TOKEN_MISSING": "Send `Authorization: Bearer <token>`; `aidatalabs token` prints one.",
    "TOKEN_INVALID": (
        "Get a new token of this very mesh; one of another mesh or of a deleted user is no good."
    ),
    "TOKEN_EXPIRED": "Get a new token and repeat the call.",
    "PERMISSION_DENIED": "Ask an admin of what `on` names, mesh or platform, for the role in `needed_role`.",
    "METHOD_NOT_FOUND": "Look the method up in the [RPCs](rpcs.md), or list them with reflection.",
    "NOT_BUILT_YET": "Nothing to mend: the README lists what is built.",
    "DEADLINE_EXCEEDED": "Ask for less, or give the call more time; a repeated write needs its `request_id`.",
    "CALL_CANCELLED": "Nobody is there to read it; it stands in logs.",
    "OVERLOADED": "Wait as long as RetryInfo says and repeat the call; the clients do it by themselves.",
    "SERVICE_UNAVAILABLE": (
        "Wait as long as RetryInfo says and repeat the call; `aidatalabs status` says what is down."
    ),
    "INTERNAL": "Report it with the `request_id`; the log of the service has the cause under it.",
    "IDEMPOTENCY_MISMATCH": (
        "Use a new `request_id` for new content, and the old one only for an exact repetition."
    ),
    "PAGE_TOKEN_INVALID": "Ask for the first page again, and keep filter and order the same on the way.",
    "ROUTE_NOT_FOUND": "Compare verb and path with the [RPCs](rpcs.md) or with `/docs`.",
    "REQUEST_TOO_LARGE": "Send several smaller calls, or ingest over gRPC, which takes more.",
    "URI_TOO_LONG": "Send the same fields as a POST body.",
    "BAD_HTTP_REQUEST": "The message says what does not fit: a field's name or type, a header, the path.",
    "ACCEPT_NOT_SUPPORTED": "Accept `application/json`, `image/png` or `image/svg+xml`, or leave Accept out.",
    "CONTENT_TYPE_NOT_SUPPORTED": "Send JSON with `Content-Type: application/json`, with an empty body too.",
    "CROSS_SITE_REQUEST": "Use a token instead of the cookie, or call from the mesh's own pages.",
    "SESSION_INVALID": "Sign in again with a link of `aidatalabs login-link`.",
    "PEER_NOT_ALLOWED": (
        "Call the method through the edge; only the services in its row of the RPCs may do it directly."
    ),
    "PLATFORM_NOT_FOUND": (
        "Check the name with `aidatalabs platforms list`; if it is right, ask its admin to share it."
    ),
    "PLATFORM_ALREADY_EXISTS": "Choose another id, or leave it out to be given one.",
    "PLATFORM_DELETED": (
        "Bring it back with `aidatalabs platforms undelete`, remove it with `aidatalabs platforms delete "
        "--now`, or choose another id."
    ),
    "ETAG_MISMATCH": (
        "Read the platform again, look at what changed, and repeat the change with the new etag."
    ),
    "USER_NOT_FOUND": "Check the spelling. Mesh admins see everybody with `aidatalabs users list`, and add "
    "somebody with `aidatalabs token --email E`.",
    "PLATFORM_NOT_ACTIVE": (
        "PROVISIONING: wait. FAILED: create it again with the same request, or delete it. DELETING: "
        "choose another platform."
    ),
    "QUERY_NOT_READ_ONLY": "Send a SELECT; change data with Ingest and the table methods.",
    "QUERY_SYNTAX_INVALID": "Look at `line` and `position`; one ClickHouse SELECT, nothing after it.",
    "QUERY_TOO_LARGE": "Shorten the text or split the query; `limit` and `most` say what was passed.",
    "QUERY_CONSTRUCT_NOT_ALLOWED": "Write the query without what `construct` names.",
    "FUNCTION_NOT_ALLOWED": (
        "Use another function; those that reach outside the platform are never on the list."
    ),
    "TABLE_NOT_KNOWN": "List the platform's tables with `aidatalabs tables list`.",
    "COLUMN_NOT_KNOWN": "Look at `nearest`, or at the table with `aidatalabs tables get`.",
    "QUERY_FAILED": "Check types and values in the query; `engine_code` is ClickHouse's error number.",
    "QUERY_TIMEOUT": "Narrow the query by the columns that the table is sorted by, or read a roll-up.",
    "QUERY_MEMORY_EXCEEDED": "Group by fewer values, select fewer columns, or join the smaller table.",
    "QUERY_READS_TOO_MUCH": "Narrow the query by the columns that the table is sorted by.",
    "QUERY_BUDGET_EXCEEDED": (
        "Narrow the query, accept an older result with `max_staleness`, or wait for midnight UTC; an admin "
        "of the mesh sets the budget."
    ),
    "RESULT_TOO_LARGE": "Ask for fewer rows or columns, export the result, or stream it as Arrow.",
    "BATCH_INVALID": "Use an Arrow IPC stream writer without compression, and mend the columns named.",
    "RECEIPT_NOT_FOUND": "Check id and table; what was never acknowledged is sent again with its id.",
    "TABLE_NOT_FOUND": "List the platform's tables, or create it; for DropTable it may count as done.",
    "TABLE_ALREADY_EXISTS": "Choose another name, or use the table as it is.",
    "TABLE_INVALID": "Mend the fields that `violations` names.",
    "TYPE_NOT_ALLOWED": (
        "Use a type of the allow-list in CreateTable; for a file, cast the column in the query."
    ),
    "TABLE_PROTECTED": "Make a table of your own; standard tables keep their columns.",
    "ROLLUP_NOT_FOUND": "List the platform's roll-ups, or create it; for DropRollup it may count as done.",
    "ROLLUP_ALREADY_EXISTS": "Choose another name, or drop the roll-up first.",
    "ROLLUP_INVALID": "Mend the fields that `violations` names.",
    "ROLLUP_PROTECTED": "Leave it; with `exclude_rollups` a query reads the rows.",
    "ROLLUP_LIMIT_REACHED": "Drop a roll-up that no query is served from.",
    "DELETION_TOO_LARGE": "Look at the filter with `dry_run`; raise `max_count` where it is right.",
    "TABLE_BUSY": "Wait as long as RetryInfo says; `aidatalabs tables deletions` tells how far it is.",
    "PATH_VALUES_MISFIT": "Declare a type that holds the values, or leave the path dynamic.",
    "PATH_VALUES_RETYPED": "Declare the path named too, or accept it with `allow_retyping`.",
    "PATH_IN_ROLLUP": "Drop the roll-up, declare the path, and declare the roll-up without `.:String`.",
    "DELETION_NOT_FOUND": "List the platform's deletions with `aidatalabs tables deletions`.",
    "INGEST_TOO_LARGE": "Send several calls, each with a `request_id` of its own.",
    "JOURNAL_FULL": "Wait as long as RetryInfo says and repeat the call with the same `request_id`.",
    "QUESTION_NOT_ANSWERABLE": "Ask in the words of the tables; the message says which word had no place.",
    "MODEL_NOT_CONFIGURED": (
        "Leave `model` out or name one of `configured`; `docs/models.md` says how an operator adds one."
    ),
    "CHART_NOT_AVAILABLE": "Read the rows with Query, or ask for one figure by a group or over time.",
    "CONVERSATION_NOT_FOUND": "List your own with ListConversations, or ask without one to begin one.",
    "CONVERSATION_FULL": "Ask without a conversation: the answer begins a new one.",
    "CONVERSATIONS_NOT_KEPT": (
        "Ask whole questions, or have the operator set `AIDATALABS_AGENT_POSTGRES_URL`."
    ),
    "DEFINITIONS_NOT_KEPT": "Set `AIDATALABS_AGENT_POSTGRES_URL`; until then only the data speaks.",
    "CATALOGUE_VERSION_NOT_FOUND": "List the versions with ListCatalogueVersions; the newest 200 are kept.",
    "LESSON_NOT_FOUND": "List them with ListLessons; one that was forgotten already is still there.",
    "QUESTION_NOT_READ_ONLY": "Ask for what you want to know; change data with Ingest and the table methods.",
    "BACKUP_NOT_FOUND": "List them: `aidatalabs backup list`, `aidatalabs backup drills`.",
    "BACKUP_DAMAGED": (
        "Restore another backup or another copy; the disk that holds `file` wants a look, "
        "and its other backups `aidatalabs backup verify`."
    ),
    "BACKUP_NOT_READY": "Wait for its state to be DONE; a FAILED one says why: create another.",
    "BACKUP_BUSY": "Wait as long as RetryInfo says and repeat the call.",
    "BACKUP_LIMIT_REACHED": "Delete old ones with `aidatalabs backup delete`, or raise the setting.",
    "BACKUP_VERSION_NOT_SUPPORTED": "Restore it in a mesh of `version` or newer.",
    "RESTORE_TARGET_NOT_EMPTY": "Create a platform and restore into that; `aidatalabs restore` does both.",
}
