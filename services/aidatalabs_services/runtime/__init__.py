"""What every service stands on; it knows no service."""

from __future__ import annotations
