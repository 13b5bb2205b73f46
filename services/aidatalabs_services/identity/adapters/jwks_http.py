"""GET /.well-known/jwks.json: the public keys, over plain HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import json

import structlog
from aiohttp import web

from aidatalabs_services.identity.errors import KeyDirectoryUnsafe
from aidatalabs_services.identity.ports import KeyStore
from aidatalabs_services.identity.rotation import keys_unavailable

JWKS_PATH = "/.well-known/jwks.json"

# A key is published before it signs; a verifier that meets an unknown kid asks again by itself.
_CACHE = "public, max-age=60, stale-while-revalidate=300"


class JwksEndpoint:
    """Answers with the keys that are there at the moment of each request: a rotation needs no restart."""

    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys

    def routes(self) -> list[web.RouteDef]:
        """The one path."""
        return [web.get(JWKS_PATH, self._answer)]

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            ring = await asyncio.to_thread(self._keys.load)
        except (KeyDirectoryUnsafe, OSError) as error:
            structlog.get_logger().error("signing keys cannot be used", problem=str(error))
            raise keys_unavailable() from None
        body = json.dumps(ring.jwks(), separators=(",", ":")).encode()
        headers = {"Cache-Control": _CACHE, "ETag": f'"{hashlib.sha256(body).hexdigest()[:16]}"'}
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, headers=headers, content_type="application/json")
