"""The documentation against the code: what is generated is fresh and whole, what is written is true."""

from __future__ import annotations
