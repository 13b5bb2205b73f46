"""Other layouts of a table, measured on copies of some of its rows that nobody sees and that go at once."""

from __future__ import annotations
