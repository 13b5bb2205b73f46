"""Question sets of our own, how they are made, and how answers to them are scored."""

from __future__ import annotations
