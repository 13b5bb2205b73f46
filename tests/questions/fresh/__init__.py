"""A set that was written without sight of the planner, to be scored once."""

from __future__ import annotations
