"""The set that the planner is developed against."""

from __future__ import annotations
