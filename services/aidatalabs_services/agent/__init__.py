"""Words to work: a question becomes a plan, SQL, rows, a chart and a proof."""

from __future__ import annotations
