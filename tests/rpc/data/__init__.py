"""The data service over real gRPC on a real engine."""

from __future__ import annotations
