"""The data service's fixtures, for the tests of ingest: one service per module on an engine of its own."""

from __future__ import annotations

from tests.rpc.data.conftest import data

__all__ = ["data"]
