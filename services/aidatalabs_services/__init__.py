"""The services of AI Data Labs: one small house behind each part of the contract."""

from __future__ import annotations
