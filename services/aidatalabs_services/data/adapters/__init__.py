"""What the data service needs from outside, one library each."""

from __future__ import annotations
