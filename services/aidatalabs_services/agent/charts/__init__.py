"""Charts: from a plan and its result to a typed intent, and from that to a Vega-Lite spec."""

from __future__ import annotations
