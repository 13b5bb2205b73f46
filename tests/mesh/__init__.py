"""The local mesh, with real processes."""

from __future__ import annotations
