"""`GET /metrics` over plain HTTP, for Prometheus alone: a private unix socket, or a port of the pod.

It is no part of what the edge reaches: figures of a whole service are for those who run it.
"""

from __future__ import annotations

import os
from pathlib import Path

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from aidatalabs_services.runtime.listening import AddressInUse, remove_stale_socket
from aidatalabs_services.runtime.metrics import Metrics

PATH = "/metrics"


class MetricsServer:
    """Serves the metrics of one service until it is closed; `address` is where, with the real port."""

    def __init__(self, metrics: Metrics) -> None:
        self.address = ""
        self._metrics = metrics
        application = web.Application()
        application.add_routes([web.get(PATH, self._answer)])
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False)

    async def start(self, address: str) -> None:
        """Listens on `unix:/path.sock` (mode 0600) or `host:port` (0: any). Raises AddressInUse."""
        await self._runner.setup()
        try:
            if address.startswith("unix:"):
                await self._listen_on_socket(Path(address.removeprefix("unix:")))
                self.address = address
                return
            host, _, port = address.rpartition(":")
            await web.TCPSite(self._runner, host.strip("[]"), int(port)).start()
            self.address = f"{host}:{self._runner.addresses[0][1]}"
        except OSError:
            raise AddressInUse(
                f"Nothing can listen on {address}. Stop what does, or choose another."
            ) from None

    async def close(self) -> None:
        """Stops listening."""
        await self._runner.cleanup()

    async def _listen_on_socket(self, path: Path) -> None:
        remove_stale_socket(path)
        before = os.umask(0o177)
        try:
            await web.UnixSite(self._runner, path).start()
        finally:
            os.umask(before)

    async def _answer(self, _request: web.Request) -> web.Response:
        return web.Response(body=await self._metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})
