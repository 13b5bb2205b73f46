"""Backups of a platform: taken from a snapshot of its parts, restored into an empty platform, drilled."""

from __future__ import annotations
