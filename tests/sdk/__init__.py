"""The Python client: what it makes of files, and how it bears with a mesh in trouble."""

from __future__ import annotations
