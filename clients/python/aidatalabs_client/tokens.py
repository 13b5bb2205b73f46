"""The token of a client: a text, or a function that is asked for one when none is there or it has expired."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

from aidatalabs_client.errors import TokenInvalid

Token = str | Callable[[], str] | Callable[[], Awaitable[str]]
"""A token, or what returns one; a function that waits may be `async`."""


class TokenSource:
    """Remembers the token in use. A plain function is asked in a thread, as it may read a file or the net."""

    def __init__(self, token: Token) -> None:
        self._known = token.strip() if isinstance(token, str) else ""
        self._ask = None if isinstance(token, str) else token
        self._asking = asyncio.Lock()

    async def current(self) -> str:
        """The token for the next call; empty where there is none. Raises TokenInvalid."""
        if self._known or self._ask is None:
            return _checked(self._known)
        async with self._asking:
            if not self._known:
                self._known = (await self._asked()).strip()
        return _checked(self._known)

    async def _asked(self) -> str:
        ask = self._ask
        assert ask is not None  # noqa: S101 - only for the type checker
        made: str | Awaitable[str] = (
            ask() if inspect.iscoroutinefunction(ask) else await asyncio.to_thread(ask)
        )
        return made if isinstance(made, str) else await made

    def forget(self, expired: str) -> bool:
        """Drops a token that the mesh found expired; whether there may be another one."""
        if self._ask is None:
            return False
        if self._known == expired:
            self._known = ""
        return True


def _checked(token: str) -> str:
    """The token, unless no header could carry it: gRPC's own words for that name no token at all."""
    if token and not (token.isascii() and token.isprintable()):
        raise TokenInvalid("UNAUTHENTICATED", 16, "The token holds a line end or a sign that no token has.")
    return token
