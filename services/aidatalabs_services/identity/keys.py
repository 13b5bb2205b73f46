"""Signing keys of the mesh: ES256 key pairs, the newest of which signs while all are published.

Publishing the older ones is what makes rotation possible: a token signed before the change stays good until
its own end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from joserfc.jwk import ECKey

ALGORITHM = "ES256"
_CURVE = "P-256"


@dataclass(frozen=True)
class SigningKey:
    """One key pair; `kid` is its RFC 7638 thumbprint, so that it cannot name two keys."""

    pair: ECKey
    create_time: datetime

    @classmethod
    def generate(cls, now: datetime) -> SigningKey:
        """A new random key pair."""
        return cls(ECKey.generate_key(_CURVE), now)

    @classmethod
    def from_private(cls, jwk: dict[str, Any], create_time: datetime) -> SigningKey:
        """The key of a private JWK. Raises ValueError where it is not one on P-256."""
        if jwk.get("kty") != "EC" or jwk.get("crv") != _CURVE or not isinstance(jwk.get("d"), str):
            raise ValueError("not a private P-256 key")
        wanted = {name: jwk[name] for name in ("kty", "crv", "x", "y", "d")}
        return cls(ECKey.import_key(wanted), create_time)

    @property
    def kid(self) -> str:
        """RFC 7638 thumbprint, SHA-256, base64url."""
        return self.pair.thumbprint()

    def private_jwk(self) -> dict[str, str]:
        """The whole key, for its own file and nowhere else."""
        return {name: str(value) for name, value in self.pair.as_dict(private=True).items()}

    def public_jwk(self) -> dict[str, str]:
        """What verifiers need: the public point, `kid`, `alg` and `use` (RFC 7517)."""
        point = self.pair.as_dict(private=False)
        public = {name: str(point[name]) for name in ("kty", "crv", "x", "y")}
        return public | {"kid": self.kid, "alg": ALGORITHM, "use": "sig"}


class KeyRing:
    """All signing keys, at least one."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        if not keys:
            raise ValueError("a key ring needs a key")
        # Two keys of one moment are told apart by kid, so that every process picks the same one.
        self._keys = sorted(keys, key=lambda key: (key.create_time, key.kid))

    @property
    def signing(self) -> SigningKey:
        """The newest key, which signs."""
        return self._keys[-1]

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JWK set (RFC 7517), the signing one first."""
        return {"keys": [key.public_jwk() for key in reversed(self._keys)]}
