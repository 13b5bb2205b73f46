"""Questions about things and what they are related to: who has none, has both, has the most."""

from __future__ import annotations
