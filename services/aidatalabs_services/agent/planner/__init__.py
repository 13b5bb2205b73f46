"""A question becomes a typed query plan and ClickHouse SQL, without a model."""

from __future__ import annotations
