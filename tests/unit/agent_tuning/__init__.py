"""Rewrites give the same rows as the query they are made of."""

from __future__ import annotations
