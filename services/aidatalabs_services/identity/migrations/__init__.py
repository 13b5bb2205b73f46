"""The identity service's schema: plain SQL files, applied in order, never changed once released."""

from __future__ import annotations
