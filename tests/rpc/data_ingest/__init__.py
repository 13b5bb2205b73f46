"""Ingest on the real engine: over gRPC, and through kills of the whole process."""

from __future__ import annotations
