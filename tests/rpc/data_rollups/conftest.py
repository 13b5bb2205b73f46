"""The data service of tests/rpc/data, one per module."""

from __future__ import annotations

from tests.rpc.data.conftest import data

__all__ = ["data"]
