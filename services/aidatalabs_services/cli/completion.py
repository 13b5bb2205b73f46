"""Names the shell completes: asked of the mesh, within a moment or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from aidatalabs_client import Client

_PATIENCE_SECONDS = 2.0


def platform_ids(incomplete: str) -> list[str]:
    """The ids of the caller's platforms that begin so, written as the word begins."""
    prefix = "platforms/" if incomplete.startswith("platforms/") else ""

    async def names(client: Client) -> Sequence[str]:
        found = [platform.name for platform in await client.list_platforms()]
        return [prefix + name.removeprefix("platforms/") for name in found]

    return [name for name in _asked(names) if name.startswith(incomplete)]


def table_names(context: typer.Context, incomplete: str) -> list[str]:
    """The tables of the platform that the line names so far, or of the usual one, that begin so."""
    platform = str(context.params.get("platform") or "")

    async def names(client: Client) -> Sequence[str]:
        from aidatalabs_services.cli.options import platform_or_default

        tables = await client.list_tables(platform_or_default(platform))
        return [table.name for table in tables]

    return [name for name in _asked(names) if name.startswith(incomplete)]


def _asked(names: Callable[[Client], Awaitable[Sequence[str]]]) -> Sequence[str]:
    """What the mesh answers; nothing where it does not. A shell that completes shows no errors."""
    import asyncio

    from aidatalabs_services.cli.connection import connect

    async def ask() -> Sequence[str]:
        async with asyncio.timeout(_PATIENCE_SECONDS), await connect() as client:
            return await names(client)

    with contextlib.suppress(Exception):
        return asyncio.run(ask())
    return []
