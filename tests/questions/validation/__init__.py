"""A set to look in on the way: nobody makes rules with sight of it, but it may be scored often."""

from __future__ import annotations
