"""The seal of a proof: that this mesh made it for this platform, and nobody changed it since."""

from __future__ import annotations

import hashlib
import hmac
from enum import Enum


class SealState(Enum):
    """What a seal says: the proof is as it was made, or not; or this mesh has no key and cannot tell."""

    GOOD = "good"
    BROKEN = "broken"
    NOT_KEPT = "not kept"


class Seals:
    """Makes and checks seals with the mesh's key; without one nothing is sealed, and nothing is broken."""

    def __init__(self, key: bytes = b"") -> None:
        self._key = key

    def use(self, key: bytes) -> None:
        """Takes the key, at least 32 bytes. Raises ValueError for a shorter one."""
        if len(key) < 32:
            raise ValueError("a key of seals has at least 32 bytes")
        self._key = key

    def seal(self, platform_uid: str, content: str) -> str:
        """HMAC-SHA256 in hexadecimal of a platform's proof; empty without a key."""
        if not self._key:
            return ""
        text = f"proof\n{platform_uid}\n{content}"
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()

    def state(self, platform_uid: str, content: str, seal: str) -> SealState:
        """What the seal that came with a proof is worth here."""
        if not self._key:
            return SealState.NOT_KEPT
        good = hmac.compare_digest(self.seal(platform_uid, content).encode(), seal.encode())
        return SealState.GOOD if good else SealState.BROKEN
