"""The embedded engine through ordinary ClickHouse clients."""

from __future__ import annotations
