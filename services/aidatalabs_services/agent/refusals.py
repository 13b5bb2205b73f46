"""Refusals of the data service that are about a query itself, by their reasons."""

from __future__ import annotations

OF_THE_QUERY = frozenset(
    (
        "QUERY_NOT_READ_ONLY",
        "QUERY_SYNTAX_INVALID",
        "QUERY_TOO_LARGE",
        "QUERY_CONSTRUCT_NOT_ALLOWED",
        "FUNCTION_NOT_ALLOWED",
        "TABLE_NOT_KNOWN",
        "COLUMN_NOT_KNOWN",
        "QUERY_FAILED",
        "RESULT_TOO_LARGE",
        "INVALID_REQUEST",
    )
)
"""Refusals that the query itself is the cause of, on these tables; others say nothing about the proof."""
