"""Where the processes of a mesh tell their metrics: private unix sockets, for this user alone.

    for name, text in (await read_metrics(record.metrics_places())).items(): …

The edge's port leads to none of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

_ASK_SECONDS = 5.0


@dataclass(frozen=True)
class MetricsPlace:
    """A unix socket and the path below which Prometheus's text format is answered there."""

    socket: str
    path: str = "/metrics"

    async def read(self) -> str:
        """Everything it tells now. Raises OSError or TimeoutError while nobody answers."""
        import aiohttp  # not above: most commands read where metrics are, few the metrics

        try:
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.UnixConnector(self.socket),
                    timeout=aiohttp.ClientTimeout(total=_ASK_SECONDS),
                ) as client,
                client.get(f"http://metrics{self.path}", raise_for_status=True) as answer,
            ):
                return await answer.text()
        except aiohttp.ClientError as error:
            raise ConnectionError(str(error)) from error


async def read_metrics(places: Iterable[tuple[str, MetricsPlace]]) -> dict[str, str]:
    """The metrics of each named process that answers within 5 s, in Prometheus's text format."""
    named = list(places)
    found = await asyncio.gather(*(place.read() for _, place in named), return_exceptions=True)
    return {name: text for (name, _), text in zip(named, found, strict=True) if isinstance(text, str)}
