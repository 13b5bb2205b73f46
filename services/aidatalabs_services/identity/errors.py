"""The identity service's refusals.

Callers of the API meet shared reasons (`TokenInvalid` for a user that is gone, `PermissionDenied` for a
role that is too low) and, with a browser session, the two at the top. Every IdentityFault is for the
operator at a terminal and never leaves through the API.
"""

from __future__ import annotations

from aidatalabs_services.runtime.errors import ServiceError, StatusCode


class SessionInvalid(ServiceError):
    """The browser session is over or was never there."""

    code = StatusCode.UNAUTHENTICATED
    reason = "SESSION_INVALID"


class CrossSiteRequest(ServiceError):
    """A call with the session cookie does not show that it comes from our own pages."""

    code = StatusCode.PERMISSION_DENIED
    reason = "CROSS_SITE_REQUEST"


class IdentityFault(Exception):
    """Something the operator has to put right; the text says what and how."""


class EmailInvalid(IdentityFault):
    """The text is not an e-mail address that a user can have."""


class LifetimeInvalid(IdentityFault):
    """A token cannot live that long, or not at all."""


class KeyDirectoryUnsafe(IdentityFault):
    """Signing keys can be read by others, or a key file is not what it should be; nothing is signed."""
