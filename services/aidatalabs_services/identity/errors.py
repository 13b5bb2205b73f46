"""The identity service's refusals.

Callers of the API meet only shared reasons: `TokenInvalid` for a user that is gone, `PermissionDenied` for a
role that is too low. The classes below are for the operator at a terminal and never leave through the API.
"""

from __future__ import annotations


class IdentityFault(Exception):
    """Something the operator has to put right; the text says what and how."""


class EmailInvalid(IdentityFault):
    """The text is not an e-mail address that a user can have."""


class LifetimeInvalid(IdentityFault):
    """A token cannot live that long, or not at all."""


class KeyDirectoryUnsafe(IdentityFault):
    """Signing keys can be read by others, or a key file is not what it should be; nothing is signed."""
