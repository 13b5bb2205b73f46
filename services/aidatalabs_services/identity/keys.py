"""Signing keys of the mesh: ES256 key pairs, one of which signs while others are published beside it.

    published ahead ──rotation──▶ signs ──next rotation──▶ published ──24 h and a bit──▶ gone

The next key is published before it is needed, so that every verifier knows it when a rotation makes it
sign; the older ones stay published until the last token they can have signed is over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from joserfc.jwk import ECKey

from aidatalabs_services.runtime.errors import Overloaded

ALGORITHM = "ES256"
_CURVE = "P-256"

LONGEST_TOKEN = timedelta(hours=24)
# Over the longest token: the 30 s that clocks may differ, and whoever read the keys just before a rotation.
_PUBLISHED_AFTERWARDS = LONGEST_TOKEN + timedelta(minutes=5)
# Verifiers ask for keys anew after 60 s at the latest (the max-age of the key set), or 30 s for an unknown
# key.
SETTLING = timedelta(seconds=60)
# Keys in the key set, the one published ahead among them: every verifier reads them all.
MOST_PUBLISHED = 8


@dataclass(frozen=True)
class SigningKey:
    """One key pair; `kid` is its RFC 7638 thumbprint, so that it cannot name two keys.

    It signs from `sign_time` on, or, where that is None, not before a rotation. `rotation` is the id of the
    request that made it sign, empty for the first key.
    """

    pair: ECKey
    create_time: datetime
    sign_time: datetime | None = None
    rotation: str = ""

    @classmethod
    def generate(cls, now: datetime, *, signs: bool = False) -> SigningKey:
        """A new random key pair, which signs from now on or is published ahead."""
        return cls(ECKey.generate_key(_CURVE), now, now if signs else None)

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


@dataclass(frozen=True)
class PublicKey:
    """A key that signs or has signed, by its id; it leaves the key set at `expire_time`, None if it signs."""

    kid: str
    create_time: datetime
    expire_time: datetime | None


class KeyRing:
    """All signing keys at one moment, of which at least one signs or has signed."""

    def __init__(self, keys: Sequence[SigningKey], now: datetime) -> None:
        # Two keys of one moment are told apart by kid, so that every process picks the same one.
        signers = sorted((key.sign_time, key.kid, key) for key in keys if key.sign_time is not None)
        self._signers = [key for _, _, key in signers]
        if not self._signers:
            raise ValueError("a key ring needs a key that signs")
        self._ahead = min(
            (key for key in keys if key.sign_time is None),
            key=lambda key: (key.create_time, key.kid),
            default=None,
        )
        self._now = now
        ends = [later + _PUBLISHED_AFTERWARDS for _, (later, _, _) in pairwise(signers) if later]
        self._ends: dict[str, datetime] = {
            key.kid: end for key, end in zip(self._signers, ends, strict=False)
        }

    @property
    def signing(self) -> SigningKey:
        """The key that signs: the latest whose time has come."""
        due = [key for key in self._signers if key.sign_time is not None and key.sign_time <= self._now]
        return due[-1] if due else self._signers[0]

    @property
    def ahead(self) -> SigningKey | None:
        """The key that signs after the next rotation; None until it was made."""
        return self._ahead

    def public(self) -> list[PublicKey]:
        """The key of the last rotation first, then the older ones that are still published."""
        return [PublicKey(key.kid, key.create_time, self._ends.get(key.kid)) for key in self._published()]

    def expired(self) -> list[SigningKey]:
        """The keys whose last token is over."""
        return [key for key in self._signers if not self._is_good(key)]

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JWK set (RFC 7517): those of `public`, then the one published ahead."""
        keys = [*self._published(), *([self._ahead] if self._ahead else [])]
        return {"keys": [key.public_jwk() for key in keys]}

    def rotated(self, rotation: str, now: datetime) -> SigningKey | None:
        """The key published ahead as one that signs; None where this rotation was carried out before.

        It signs at once, unless it was published less than `SETTLING` ago, because another rotation came just
        before: then it waits, since verifiers that do not know it yet would refuse its tokens.
        Raises Overloaded where the key set would hold more than `MOST_PUBLISHED` keys: an older one has to
        leave it first.
        """
        done = [key for key in self._signers if key.rotation == rotation and self._is_recent(key, now)]
        if done or self._ahead is None:
            return None
        self._check_room(now)
        last = self._signers[-1].sign_time or now
        # A key made together with the first one was never missing in anybody's set.
        fresh = self._ahead.create_time > min(key.create_time for key in self._signers)
        known = self._ahead.create_time + SETTLING if fresh else self._ahead.create_time
        sign_time = max(now, known, last + timedelta(microseconds=1))
        return replace(self._ahead, sign_time=sign_time, rotation=rotation)

    def _check_room(self, now: datetime) -> None:
        published = list(self._published())
        if len(published) + 2 <= MOST_PUBLISHED:  # the one ahead signs, and another is published ahead
            return
        seconds = max((self._ends[published[-1].kid] - now).total_seconds(), 1.0)
        raise Overloaded(
            f"{MOST_PUBLISHED} keys are published, and none may go while tokens it signed are good. "
            "Rotate again when the oldest one has gone.",
            metadata={"most_keys": str(MOST_PUBLISHED)},
            retry_after_seconds=seconds,
        )

    def _published(self) -> Iterator[SigningKey]:
        return (key for key in reversed(self._signers) if self._is_good(key))

    def _is_good(self, key: SigningKey) -> bool:
        end = self._ends.get(key.kid)
        return end is None or end > self._now

    @staticmethod
    def _is_recent(key: SigningKey, now: datetime) -> bool:
        """Within the 24 hours that a request id is remembered for."""
        return key.sign_time is not None and key.sign_time > now - timedelta(hours=24)
