"""Rotating the signing key: once a request, however often the request is sent."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from secrets import token_hex

import structlog

from aidatalabs_services.identity.errors import KeyDirectoryUnsafe
from aidatalabs_services.identity.keys import PublicKey
from aidatalabs_services.identity.ports import KeyStore, RotationStore
from aidatalabs_services.runtime.errors import ServiceUnavailable


class KeyRotation:
    """Makes the next key sign."""

    def __init__(self, keys: KeyStore, store: RotationStore) -> None:
        self._keys = keys
        self._store = store

    async def rotate(self, user: str, request_id: str) -> Sequence[PublicKey]:
        """The keys that are published after the rotation, the one of this rotation first.

        `user` is `users/{id}`. The same request_id of the same user within 24 hours gets the first answer
        again and rotates nothing, also where the first call was cut off after the keys were changed: the
        keys themselves remember which request made them sign. Raises Overloaded where too many keys are
        published, ServiceUnavailable where keys cannot be kept.
        """
        what = f"{user} {request_id}" if request_id else token_hex(16)
        rotation = hashlib.sha256(what.encode()).hexdigest()

        async def make() -> Sequence[PublicKey]:
            try:
                ring = await asyncio.to_thread(self._keys.rotate, rotation)
            except (KeyDirectoryUnsafe, OSError) as error:
                structlog.get_logger().error("signing keys cannot be used", problem=str(error))
                raise keys_unavailable() from error
            return ring.public()

        return await self._store.once(user, request_id, make)


def keys_unavailable() -> ServiceUnavailable:
    """The one answer while the keys' place is open to others, full or unreadable; the log says which."""
    return ServiceUnavailable(
        "The signing keys cannot be used at the moment. Try again shortly; identity's log says why.",
        metadata={"service": "identity"},
        retry_after_seconds=5.0,
    )
