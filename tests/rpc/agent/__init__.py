"""The agent service over real gRPC."""

from __future__ import annotations
