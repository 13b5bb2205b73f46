"""Access tokens: ES256 JWTs that say who, never what they may do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from secrets import token_urlsafe

from joserfc import jwt

from aidatalabs_services.identity.errors import LifetimeInvalid
from aidatalabs_services.identity.keys import ALGORITHM, LONGEST_TOKEN, KeyRing
from aidatalabs_services.identity.users import User

ISSUER = "aidatalabs"
AUDIENCE = "aidatalabs-api"
TYPE = "at+jwt"

DEFAULT_LIFETIME = timedelta(minutes=15)
LONGEST_LIFETIME = LONGEST_TOKEN
SESSION_LIFETIME = timedelta(seconds=60)  # a browser's calls get a token each


def check_lifetime(seconds: float) -> timedelta:
    """The lifetime of so many seconds. Raises LifetimeInvalid below 1 second and above 24 hours."""
    if not 1 <= seconds <= LONGEST_LIFETIME.total_seconds():  # false for NaN as well
        raise LifetimeInvalid("A token lives at least 1 second and at most 24 hours.")
    return timedelta(seconds=seconds)


def issue(
    keys: KeyRing, user: User, lifetime: timedelta = DEFAULT_LIFETIME, *, now: Callable[[], datetime]
) -> str:
    """A signed token for the user, good from now for the lifetime (whole seconds, 1 s to 24 h).

    Its claims are iss, aud, sub, jti, iat, nbf and exp (RFC 7519, profile RFC 9068); roles are left out on
    purpose, so that a change of role needs no new token. Raises LifetimeInvalid.
    """
    check_lifetime(lifetime.total_seconds())
    key = keys.signing
    issued = int(now().timestamp())
    claims: dict[str, str | int] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": user.name,
        "jti": token_urlsafe(16),
        "iat": issued,
        "nbf": issued,
        "exp": issued + int(lifetime.total_seconds()),
    }
    header = {"alg": ALGORITHM, "typ": TYPE, "kid": key.kid}
    return jwt.encode(header, dict(claims), key.pair, algorithms=[ALGORITHM])
