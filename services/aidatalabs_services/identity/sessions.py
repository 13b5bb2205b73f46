"""Browser sessions: an opaque cookie that stands for a user until it is idle too long, ended or too old.

A session begins with a one-click link, whose code works once. Of cookie and code only the SHA-256 is kept;
both are 256 random bits, so a plain hash cannot be searched.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_urlsafe

from aidatalabs_services.identity.errors import SessionInvalid
from aidatalabs_services.identity.ports import SessionStore
from aidatalabs_services.identity.users import User

LINK_LIFETIME = timedelta(minutes=10)
_SECRET_BYTES = 32
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 bytes in base64url


@dataclass(frozen=True)
class SessionLimits:
    """How long a session lives without a call, and at most."""

    idle: timedelta = timedelta(hours=12)
    longest: timedelta = timedelta(days=7)


class Sessions:
    """Begins, finds and ends sessions."""

    def __init__(self, store: SessionStore, limits: SessionLimits) -> None:
        self._store = store
        self.limits = limits

    async def begin(self, code: str, earlier: str | None) -> str | None:
        """The cookie of a new session for the user of a link's code; None for one that is used or over.

        A session that this browser has already (`earlier`, its cookie) ends: whoever knew that cookie is out.
        """
        known = digest(code)
        if known is None:
            return None
        secret = new_secret()
        begun = await self._store.redeem(
            known, _digest(secret), digest(earlier) if earlier else None, self.limits
        )
        return secret if begun else None

    async def user(self, secret: str | None) -> User:
        """The user of a cookie, as they are now. Raises SessionInvalid, also for a user that is gone."""
        known = digest(secret) if secret else None
        user = await self._store.user_of(known, self.limits) if known is not None else None
        if user is None:
            raise SessionInvalid(
                "The browser session is over. Sign in again: `aidatalabs login-link` prints a link that does."
            )
        return user

    async def end(self, secret: str | None) -> None:
        """Ends the session of a cookie at once, everywhere; one that is over already stays over."""
        known = digest(secret) if secret else None
        if known is not None:
            await self._store.end(known)


def new_secret() -> str:
    """256 random bits in base64url, for a cookie or a link."""
    return token_urlsafe(_SECRET_BYTES)


def digest(secret: str) -> bytes | None:
    """What is kept of a secret; None for a text that `new_secret` cannot have made."""
    return _digest(secret) if _SECRET.fullmatch(secret) else None


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
