"""The whole line through its front doors: one real mesh, REST and the command, against outside figures."""

from __future__ import annotations
