"""The edge's end without a lost call: new connections go elsewhere, running requests finish, then it stops.

Envoy first tells its clients to come back on other connections (`connection: close`, GOAWAY) while it still
takes new ones, then closes its port; both on its admin socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path

import aiohttp

DRAIN_ARGUMENTS = ("--drain-time-s", "1", "--drain-strategy", "immediate")
"""Envoy's own drain time: how long it keeps the port open once it was asked to drain."""

_ACTIVE = re.compile(r"^http\.edge\.downstream_rq_active: (\d+)$", re.MULTILINE)
_PAUSE_SECONDS = 0.05


async def drain_edge(admin_socket: Path, timeout_seconds: float) -> None:
    """Return when no request is under way, the time is over, or Envoy does not answer; never raises."""
    # An Envoy that is ending already has no say in how it is stopped.
    with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with (
            asyncio.timeout(timeout_seconds),
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(admin_socket))) as admin,
        ):
            await _ask(admin, "POST", "/drain_listeners?graceful&skip_exit")
            while await _running(admin):  # noqa: ASYNC110 - another process's figure, which tells no change
                await asyncio.sleep(_PAUSE_SECONDS)


async def _running(admin: aiohttp.ClientSession) -> int:
    text = await _ask(admin, "GET", "/stats?filter=^http.edge.downstream_rq_active$")
    found = _ACTIVE.search(text)
    return int(found[1]) if found else 0


async def _ask(admin: aiohttp.ClientSession, method: str, path: str) -> str:
    async with admin.request(method, f"http://envoy{path}") as answer:
        return await answer.text()
