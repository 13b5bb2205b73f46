"""What to do about a refusal, in the words of this client: shown under the traceback of an error."""

from __future__ import annotations

WITHOUT_REASON = {
    "UNAVAILABLE": "Is the mesh up, and is the address (or AIDATALABS_ADDRESS, AIDATALABS_PORT) its edge?",
    "DEADLINE_EXCEEDED": "Allow a call more time with the client's `timeout_seconds`.",
}
"""By code, where nobody of the mesh answered."""

_SIGN_IN = (
    "Pass `token=` or set AIDATALABS_TOKEN; for a local mesh, `aidatalabs token --email you@example.com` "
    "prints one."
)
_TABLES = "`list_tables(platform)` returns the tables there are."

NEXT_STEPS = {
    "TOKEN_MISSING": _SIGN_IN,
    "TOKEN_INVALID": _SIGN_IN,
    "TOKEN_EXPIRED": "Get a new one, or pass a function as `token`: it is asked again when one has expired.",
    "PLATFORM_NOT_FOUND": "`list_platforms()` returns those you may see; `create_platform(id)` makes one.",
    "PLATFORM_DELETED": "`undelete_platform(name)` brings it back; `delete_platform(…, purge=True)` ends it.",
    "ETAG_MISMATCH": "Read it again with `get_platform` and send the change with the new etag.",
    "IDEMPOTENCY_MISMATCH": "Give other content another `request_id`, or leave it out.",
    "TABLE_NOT_FOUND": _TABLES,
    "TABLE_NOT_KNOWN": _TABLES,
    "COLUMN_NOT_KNOWN": "`get_table(platform, table)` returns the columns there are.",
    "QUERY_NOT_READ_ONLY": "Change data with `ingest_rows`, `create_table`, `add_column` and `drop_table`.",
    "RESULT_TOO_LARGE": "`query_arrow` reads a result of any size as Arrow, `export` as a file.",
    "INGEST_TOO_LARGE": "`ingest_frame` and `ingest_file` send any number of rows, in several calls.",
    "DELETION_TOO_LARGE": "`delete_rows(…, dry_run=True)` counts only; `max_count` is what you expect.",
    "DELETION_NOT_FOUND": "`list_deletions(platform)` returns the deletions there are.",
    "PATH_VALUES_MISFIT": "`type_paths(…, validate_only=True)` returns every path that stands in the way.",
    "PATH_VALUES_RETYPED": "`type_paths(…, validate_only=True)` returns every path that stands in the way.",
    "BACKUP_NOT_FOUND": "`list_backups(platform)` returns the backups there are, `list_restores` restores.",
    "RESTORE_TARGET_NOT_EMPTY": "`create_platform(id)` makes a new one; restore into that.",
    "NOT_BUILT_YET": "The README of the mesh lists which methods are built.",
}
"""By reason; a reason whose message says all there is has none."""
