"""Browser sessions over plain HTTP: the one-click link, signing out, and the edge's question for a token.

    GET  /                   who is signed in, and what to do first
    GET  /auth/link?code=…   begins a session: cookie, and on to /
    POST /auth/logout        ends it; for our own pages alone
    any  /internal/session…  for the edge alone (Envoy's ext_authz): a token of a minute, or a refusal

The edge asks the last one with a call's own method and headers, for every call of the API that brings the
cookie and no token; whatever follows the path is the edge's to choose and means nothing. Nothing under
/internal/ may be reached through the edge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog
from aiohttp import web

from aidatalabs_services.identity.adapters.http_errors import http_status
from aidatalabs_services.identity.adapters.pages import page
from aidatalabs_services.identity.errors import KeyDirectoryUnsafe, SessionInvalid
from aidatalabs_services.identity.origins import check_same_origin
from aidatalabs_services.identity.ports import KeyStore
from aidatalabs_services.identity.rotation import keys_unavailable
from aidatalabs_services.identity.sessions import Sessions
from aidatalabs_services.identity.tokens import SESSION_LIFETIME, issue
from aidatalabs_services.runtime.errors import ServiceError

START_PATH = "/"
LINK_PATH = "/auth/link"
LOGOUT_PATH = "/auth/logout"
SESSION_PATH = "/internal/session"

_ATTRIBUTES = "Path=/; HttpOnly; Secure; SameSite=Lax"
_PRIVATE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_FIRST = """aidatalabs platforms create shop
aidatalabs ingest orders.csv --create --platform shop
aidatalabs ask "total amount by country" --platform shop"""
_LINKS = {"/docs": "API reference", "/openapi.yaml": "OpenAPI"}
_SIGNED_OUT = (
    "You are not signed in",
    "A link signs this browser in, once, within ten minutes. Make one in a terminal:",
    "aidatalabs login-link",
)
_LINK_OVER = (
    "This sign-in link does not work (any more)",
    "Each link works once, for ten minutes. Make a new one in a terminal:",
    "aidatalabs login-link",
)


class SessionEndpoints:
    """Reads the cookie `__Host-aidatalabs-<port>` and sets it."""

    def __init__(
        self, sessions: Sessions, keys: KeyStore, edge_port: int, now: Callable[[], datetime]
    ) -> None:
        self._sessions = sessions
        self._keys = keys
        self._now = now
        self._cookie = f"__Host-aidatalabs-{edge_port}"

    def routes(self) -> list[web.RouteDef]:
        """The paths; HEAD of the link is none, so that a look ahead does not use it up."""
        return [
            web.get(START_PATH, self._start),
            web.get(LINK_PATH, self._begin, allow_head=False),
            web.post(LOGOUT_PATH, self._end),
            web.route("*", SESSION_PATH + r"{rest:[\s\S]*}", self._exchange),
        ]

    async def _begin(self, request: web.Request) -> web.Response:
        try:
            secret = await self._sessions.begin(request.query.get("code", ""), self._secret_of(request))
        except ServiceError as error:
            return page(http_status(error), "Signing in did not work", error.message, headers=_PRIVATE)
        if secret is None:
            return page(400, *_LINK_OVER, headers=_PRIVATE)
        seconds = int(self._sessions.limits.longest.total_seconds())
        cookie = f"{self._cookie}={secret}; Max-Age={seconds}; {_ATTRIBUTES}"
        return web.Response(status=303, headers=_PRIVATE | {"Location": START_PATH, "Set-Cookie": cookie})

    async def _start(self, request: web.Request) -> web.Response:
        try:
            user = await self._sessions.user(self._secret_of(request))
        except SessionInvalid:
            return page(200, *_SIGNED_OUT, headers=_PRIVATE, links=_LINKS)
        told = "The API reference tries calls out as you, in this browser. From a terminal, begin with:"
        return page(200, f"You are signed in as {user.email}", told, _FIRST, headers=_PRIVATE, links=_LINKS)

    async def _end(self, request: web.Request) -> web.Response:
        _check_same_origin(request)
        await self._sessions.end(self._secret_of(request))
        cookie = f"{self._cookie}=; Max-Age=0; {_ATTRIBUTES}"
        return web.Response(status=204, headers=_PRIVATE | {"Set-Cookie": cookie})

    async def _exchange(self, request: web.Request) -> web.Response:
        _check_same_origin(request)
        user = await self._sessions.user(self._secret_of(request))
        try:
            ring = await asyncio.to_thread(self._keys.load)
        except (KeyDirectoryUnsafe, OSError) as error:
            structlog.get_logger().error("signing keys cannot be used", problem=str(error))
            raise keys_unavailable() from None
        token = issue(ring, user, SESSION_LIFETIME, now=self._now)
        return web.Response(headers=_PRIVATE | {"Authorization": f"Bearer {token}"})

    def _secret_of(self, request: web.Request) -> str | None:
        """The value of our cookie; None where there is none, or more than one, which no browser sends."""
        pairs = (
            pair.strip().partition("=")
            for line in request.headers.getall("Cookie", [])
            for pair in line.split(";")
        )
        found = {value for name, _, value in pairs if name == self._cookie}
        return found.pop() if len(found) == 1 else None


def _check_same_origin(request: web.Request) -> None:
    """Raises CrossSiteRequest. A header that stands there twice is read as one that fits nothing."""

    def header(name: str) -> str | None:
        values = request.headers.getall(name, None)
        return ",".join(values) if values is not None else None

    check_same_origin(request.method, header("Host") or "", header("Origin"), header("Sec-Fetch-Site"))
