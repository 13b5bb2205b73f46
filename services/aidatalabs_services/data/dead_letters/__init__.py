"""Rejected rows: kept with their reason in a table of the platform, and sent again when it was mended."""

from __future__ import annotations
