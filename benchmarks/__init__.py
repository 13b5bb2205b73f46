"""What the product costs, measured: `make bench`, or `python -m benchmarks --only NAME --rows N`."""

from __future__ import annotations
