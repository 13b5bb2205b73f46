"""The `aidatalabs` command: thin over the client and the mesh."""

from __future__ import annotations
