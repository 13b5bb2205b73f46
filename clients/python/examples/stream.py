"""Watches an answer come about, and reads a large result piece by piece; with `async`."""
# ruff: noqa: T201 - an example prints

from __future__ import annotations

import asyncio

from aidatalabs_client import Client

PLATFORM = "platforms/demo"


async def main() -> None:
    """Streams one answer, then one result."""
    async with Client() as client:
        async for event in client.stream_answer(PLATFORM, "flights per month"):
            print(event.event, event.data.sql or event.data.answer)

        # Arrow of any size: at no moment is all of it in memory.
        byte_count = 0
        async for piece in client.stream_query(PLATFORM, "SELECT carrier, flight, dep_delay FROM flights"):
            byte_count += len(piece)
        print(f"{byte_count:,} bytes of Arrow")


asyncio.run(main())
