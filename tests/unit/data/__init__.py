"""The data service's rules by themselves."""

from __future__ import annotations
