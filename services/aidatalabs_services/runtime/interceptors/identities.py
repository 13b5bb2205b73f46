"""Who calls and under which id: read from the metadata of a call."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable

from aidatalabs_services.runtime.caller import Caller
from aidatalabs_services.runtime.channels import REQUEST_ID_KEY
from aidatalabs_services.runtime.errors import TokenInvalid, TokenMissing
from aidatalabs_services.runtime.tokens import TokenVerifier

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")

Metadata = Iterable[tuple[str, str | bytes]]


def request_id_of(metadata: Metadata) -> str:
    """The caller's own `x-request-id` if there is exactly one, well formed, else a new one."""
    found = [value for key, value in metadata if key == REQUEST_ID_KEY]
    if len(found) == 1 and isinstance(found[0], str) and _REQUEST_ID.fullmatch(found[0]):
        return found[0]
    return str(uuid.uuid4())


async def caller_of(metadata: Metadata, verifier: TokenVerifier) -> Caller:
    """The caller of the bearer token. Two authorization headers are refused: which one would count?"""
    found = [value for key, value in metadata if key == "authorization"]
    if not found:
        raise TokenMissing(
            "This call needs a token: send `Authorization: Bearer …`. `aidatalabs token` prints one."
        )
    scheme, _, token = str(found[0]).partition(" ")
    if len(found) > 1 or scheme.lower() != "bearer" or not token:
        raise TokenInvalid("The authorization must be one header of the form `Bearer …`.")
    verified = await verifier.verify(token)
    return Caller(user=verified.user, token=token)
