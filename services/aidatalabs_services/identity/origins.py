"""Whether a browser's call comes from our own pages.

A browser sends the session cookie with calls that other sites make it send, so a call that could change
something has to show where it was made: `Origin` (Fetch standard) names the page, `Sec-Fetch-Site` (Fetch
Metadata) says how it is related to us. Pages cannot set either.
"""

from __future__ import annotations

import re

from aidatalabs_services.identity.errors import CrossSiteRequest

SAFE_METHODS = frozenset(("GET", "HEAD"))
"""Methods that change nothing (RFC 9110) and whose answers other sites cannot read."""

_ORIGIN = re.compile(r"https?://([^/?#@\\\s,]+)", re.IGNORECASE)


def check_same_origin(method: str, host: str, origin: str | None, fetch_site: str | None) -> None:
    """Raises CrossSiteRequest unless the call is safe, or shows that a page of `host` made it and no other.

    `host` is the `Host` of the call with its port; the port tells the scheme, as each serves one.
    """
    if method in SAFE_METHODS:
        return
    from_origin = origin is not None and _host_of(origin) == host.lower() != ""
    from_us = fetch_site == "same-origin"
    if origin is not None and not from_origin:
        raise _refusal("Its Origin is another site.")
    if fetch_site is not None and fetch_site not in ("same-origin", "none"):
        raise _refusal("It comes from another site.")
    if not from_origin and not from_us:
        raise _refusal("It says neither Origin nor Sec-Fetch-Site.")


def _host_of(origin: str) -> str | None:
    found = _ORIGIN.fullmatch(origin)
    return found[1].lower() if found else None


def _refusal(what: str) -> CrossSiteRequest:
    return CrossSiteRequest(
        f"Only our own pages may use the browser session. {what} Programs send a token instead: "
        "Authorization: Bearer <token>."
    )
