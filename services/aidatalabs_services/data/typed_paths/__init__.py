"""Typed paths of JSON columns: learnt from the rows, declared in the table, taken back."""

from __future__ import annotations
