"""The settings that statements carry: limits that the engine enforces, and how it writes values."""

from __future__ import annotations

from typing import Any

from aidatalabs_services.data.ports import QueryLimits

_GIB = 1024**3
SESSION = {"session_timezone": "UTC"}
# The engine writes values as our JSON wants them: exact numbers, RFC 3339 times, decimals and nan as text.
_JSON = {
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_denormals": 1,
    "output_format_json_quote_decimals": 1,
    "output_format_json_validate_utf8": 1,
    "output_format_json_named_tuples_as_objects": 1,
    "output_format_json_escape_forward_slashes": 0,
    "date_time_output_format": "iso",
    "print_pretty_type_names": 0,
}
# Files and streams: a column is one column, NULL in CSV is nothing between two commas (an empty text is "").
_FILES = {
    "format_csv_null_representation": "",
    "output_format_csv_serialize_tuple_into_separate_columns": 0,
    "output_format_arrow_compression_method": "none",  # not every Arrow reader can decompress
    # Several blocks are under way at a time; wide rows would fill the query's memory with larger ones.
    "max_block_size": 16_384,
    "max_joined_block_size_rows": 16_384,
}
INSERT = {
    **SESSION,
    "async_insert": 0,
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    # Views group what they write: to merge it once more at once finds nothing, and copies every state.
    "optimize_on_insert": 0,
    "input_format_null_as_default": 0,
    "input_format_skip_unknown_fields": 0,
    "date_time_input_format": "best_effort",
    # Text inside a JSON column stays the text that was sent, whatever it looks like.
    "input_format_try_infer_dates": 0,
    "input_format_try_infer_datetimes": 0,
    # A journalled block must be storable however many partitions it touches.
    "max_partitions_per_insert_block": 0,
}
# A measured run: one thread, so that it takes no more than its share beside others, and nothing remembered of
# an earlier run that another layout has not had.
_MEASURED = {"max_threads": 1, "use_query_condition_cache": 0, "use_uncompressed_cache": 0}


def read_settings(limits: QueryLimits) -> dict[str, Any]:
    """Limits that the engine enforces; `limit` lets one row more than wanted through, so that we know."""
    return {
        **SESSION,
        **_JSON,
        "readonly": 1,
        "max_execution_time": max(0.01, round(limits.max_seconds, 3)),
        "timeout_overflow_mode": "throw",
        "limit": limits.max_rows + 1,
        "max_result_bytes": limits.max_result_bytes,
        "result_overflow_mode": "throw",
        "max_memory_usage": limits.max_memory_bytes,
        "max_rows_to_read": limits.max_rows_to_read,
        "max_bytes_to_read": limits.max_bytes_to_read,
        "read_overflow_mode": "throw",
        "max_temporary_data_on_disk_size_for_query": 4 * _GIB,
        "cancel_http_readonly_queries_on_client_close": 1,
        **(_MEASURED if limits.is_measured else {}),
    }


def stream_settings(limits: QueryLimits) -> dict[str, Any]:
    """The same for a result that is streamed whole: more rows than wanted are an error, none are cut off."""
    settings = {**read_settings(limits), **_FILES, "max_result_rows": limits.max_rows}
    del settings["limit"]
    return settings
