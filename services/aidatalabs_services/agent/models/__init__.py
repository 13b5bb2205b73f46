"""Models as an option: what they are told, what they may answer, and what that may cost."""

from __future__ import annotations
