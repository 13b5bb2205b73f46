"""SQL and bytes: tables, ingest and queries behind the one SQL door."""

from __future__ import annotations
