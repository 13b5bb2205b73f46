"""Which chart a result gets, and how it is drawn."""

from __future__ import annotations
