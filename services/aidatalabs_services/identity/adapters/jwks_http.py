"""GET /.well-known/jwks.json: the public keys, over plain HTTP on a unix socket or an address of the mesh."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
from collections.abc import Awaitable, Callable

from aiohttp import web

from aidatalabs_services.identity.errors import KeyDirectoryUnsafe
from aidatalabs_services.identity.ports import KeyStore
from aidatalabs_services.runtime.server import AddressInUse

JWKS_PATH = "/.well-known/jwks.json"

# A new key is published at once and signs at once; a verifier that meets an unknown kid asks again by itself.
_CACHE = "public, max-age=60, stale-while-revalidate=300"
_NOT_FOUND = {
    "code": 5,
    "message": f"There is nothing at this path. The public keys are at {JWKS_PATH}.",
    "details": [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "ROUTE_NOT_FOUND",
            "domain": "aidatalabs",
            "metadata": {},
        }
    ],
}
_UNAVAILABLE = {
    "code": 14,
    "message": "The public keys cannot be read at the moment. Try again shortly.",
    "details": [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "SERVICE_UNAVAILABLE",
            "domain": "aidatalabs",
            "metadata": {"service": "identity"},
        },
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"},
    ],
}

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class JwksServer:
    """Serves the keys that are there at the moment of each request: a rotation needs no restart."""

    def __init__(self, keys: KeyStore, address: str) -> None:
        self._keys = keys
        self._address = address
        application = web.Application(middlewares=[_one_error_shape])
        application.router.add_get(JWKS_PATH, self._answer)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False)
        self.address = ""

    async def start(self) -> None:
        """Listens on `unix:/path.sock` (mode 0600) or `host:port` (0: any). Raises AddressInUse."""
        await self._runner.setup()
        if self._address.startswith("unix:"):
            await self._listen_on_socket(self._address.removeprefix("unix:").replace("//", "/"))
            return
        host, _, port = self._address.rpartition(":")
        try:
            await web.TCPSite(self._runner, host.strip("[]"), int(port)).start()
        except OSError:
            raise _in_use(self._address) from None
        self.address = f"{host}:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """Stops listening."""
        await self._runner.cleanup()

    async def _listen_on_socket(self, path: str) -> None:
        if await _somebody_listens(path):
            raise _in_use(path)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        before = os.umask(0o177)
        try:
            await web.UnixSite(self._runner, path).start()
        finally:
            os.umask(before)
        self.address = f"unix:{path}"

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            ring = await asyncio.to_thread(self._keys.load)
        except (KeyDirectoryUnsafe, OSError):
            return web.json_response(_UNAVAILABLE, status=503)
        body = json.dumps(ring.jwks(), separators=(",", ":")).encode()
        headers = {"Cache-Control": _CACHE, "ETag": f'"{hashlib.sha256(body).hexdigest()[:16]}"'}
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, headers=headers, content_type="application/json")


async def _somebody_listens(path: str) -> bool:
    """False for no socket and for one whose process is gone, which may be replaced."""
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True


def _in_use(address: str) -> AddressInUse:
    return AddressInUse(f"Another process listens on {address}. Stop it or choose another address.")


@web.middleware
async def _one_error_shape(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """aiohttp's own refusals (404, 405) in the shape of every other error."""
    try:
        return await handler(request)
    except web.HTTPClientError as error:
        return web.json_response(_NOT_FOUND, status=404 if error.status == 405 else error.status)
