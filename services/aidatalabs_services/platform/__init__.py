"""A customer's platform and its life: create, list, membership."""

from __future__ import annotations
