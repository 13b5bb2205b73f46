"""Ingest without an engine: values, verdicts, journal, and the whole flow on a warehouse in memory."""

from __future__ import annotations
