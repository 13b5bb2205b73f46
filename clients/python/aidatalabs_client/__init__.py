"""The Python client of AI Data Labs."""

from __future__ import annotations
