"""Whether a browser's call comes from our own pages.

A browser sends the session cookie with calls that other sites make it send, so a call that could change
something has to show where it was made, and one that reads must not show another site: `Origin` (Fetch
standard) names the page, `Sec-Fetch-Site` (Fetch Metadata) says how it is related to us. Pages cannot set
either.
"""

from __future__ import annotations

import re

from aidatalabs_services.identity.errors import CrossSiteRequest

SAFE_METHODS = frozenset(("GET", "HEAD"))
"""Methods that change nothing (RFC 9110)."""

_ORIGIN = re.compile(r"https?://([^/?#@\\\s,]+)", re.IGNORECASE)


def check_same_origin(method: str, host: str, origin: str | None, fetch_site: str | None) -> None:
    """Raises CrossSiteRequest unless the call shows that a page of `host` made it and no other.

    A safe call needs to show nothing, because programs with the cookie send neither header; yet one that
    another site makes is refused: a browser sends the cookie along, and a question costs work. Asked for
    calls of the API alone; a page itself needs no session, so any site may link to it.
    `host` is the `Host` of the call with its port; the port tells the scheme, as each serves one.
    """
    from_origin = origin is not None and _host_of(origin) == host.lower() != ""
    from_us = fetch_site == "same-origin"
    if origin is not None and not from_origin:
        raise _refusal("Its Origin is another site.")
    if fetch_site is not None and fetch_site not in ("same-origin", "none"):
        raise _refusal("It comes from another site.")
    if method not in SAFE_METHODS and not from_origin and not from_us:
        raise _refusal("It says neither Origin nor Sec-Fetch-Site.")


def _host_of(origin: str) -> str | None:
    found = _ORIGIN.fullmatch(origin)
    return found[1].lower() if found else None


def _refusal(what: str) -> CrossSiteRequest:
    return CrossSiteRequest(
        f"Only our own pages may use the browser session. {what} Programs send a token instead: "
        "Authorization: Bearer <token>."
    )
