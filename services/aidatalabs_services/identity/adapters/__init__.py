"""What identity needs from outside, one library each."""

from __future__ import annotations
