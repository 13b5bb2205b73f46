"""The local mesh: starts every process in order, waits until it is ready and stops it cleanly."""

from __future__ import annotations
