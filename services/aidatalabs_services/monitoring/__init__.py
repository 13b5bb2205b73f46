"""Metrics, alerts and logs of the mesh and of each platform."""

from __future__ import annotations
