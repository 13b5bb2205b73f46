"""The planner without a model, tried on invented databases that run on the real engine."""

from __future__ import annotations
