"""Users, mesh roles, signing keys and tokens."""

from __future__ import annotations
