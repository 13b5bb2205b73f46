"""Results kept in Redis, so that every replica of the service has those of the others.

A value is a head and the rows: `ADLR1`, 32 bytes of HMAC-SHA256 over platform, key and all that follows, a
line of JSON with the figures, the rows. Whatever else is found there, cut short, of another key or signed by
somebody else, is a miss; so is a Redis that is away, which is asked again after a pause.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import math
import time
from collections.abc import Awaitable, Callable

import redis.asyncio as redis_client
from redis.exceptions import RedisError

from aidatalabs_services.data.ports import StoredResult

_LOG = logging.getLogger(__name__)
_MARK = b"ADLR1"
_DIGEST_BYTES = 32
_HEAD_BYTES = len(_MARK) + _DIGEST_BYTES
# A cache that takes longer than the query is none.
_SECONDS = 0.25
_PAUSE_SECONDS = 2.0
_KEPT_SECONDS = 86_400
_CONNECTIONS = 16
_UNLINKED_AT_ONCE = 1000


class RedisResults:
    """See `ports.ResultCache`.

    `url` is redis:// or rediss://; `secret` signs what is kept, so that nobody else who writes to that Redis
    can answer a query. `failed` is told of each time that Redis could not be used.
    """

    def __init__(self, url: str, secret: bytes, *, entry_bytes: int, failed: Callable[[], None]) -> None:
        self._redis = redis_client.Redis.from_url(
            url,
            socket_timeout=_SECONDS,
            socket_connect_timeout=_SECONDS,
            max_connections=_CONNECTIONS,
            retry=None,
        )
        self._secret = secret
        self._entry_bytes = entry_bytes
        self._failed = failed
        self._asked_again = 0.0
        self._owed: dict[str, float] = {}

    async def get(self, uid: str, key: str) -> StoredResult | None:
        """See ResultCache."""
        if uid in self._owed:
            await self._mark(uid)
        found = await self._tried(self._redis.mget, _name(uid, key), _mark_of(uid))
        value, mark = found if isinstance(found, list) else (None, None)
        kept = self._opened(uid, key, value) if isinstance(value, bytes) else None
        forgotten = max(_moment(mark), self._owed.get(uid, 0.0))
        return kept if kept is not None and kept.read_time > forgotten else None

    async def put(self, uid: str, key: str, result: StoredResult) -> None:
        """See ResultCache."""
        if len(result.payload) > self._entry_bytes:
            return
        value = self._sealed(uid, key, result)
        async with self._redis.pipeline(transaction=False) as both:
            both.set(_name(uid, key), value, ex=_KEPT_SECONDS)
            both.sadd(_names_of(uid), key)
            both.expire(_names_of(uid), _KEPT_SECONDS)
            await self._tried(both.execute)

    async def confirm(self, uid: str, key: str, result: StoredResult) -> None:
        """See ResultCache. Not written: the age of a result counts from when it was read."""

    async def forget(self, uid: str) -> None:
        """See ResultCache. Where Redis is away the rows stay in it for a day at most, and are given to nobody
        by this process.
        """
        self._owed[uid] = time.time()
        await self._mark(uid)

    async def _mark(self, uid: str) -> None:
        """Says in Redis, to all replicas, when results were forgotten, and drops those that are there."""
        moment = self._owed[uid]
        if not await self._tried(self._redis.set, _mark_of(uid), repr(moment), ex=_KEPT_SECONDS):
            return
        if self._owed.get(uid) == moment:
            del self._owed[uid]
        keys = await self._tried(self._redis.execute_command, "SMEMBERS", _names_of(uid))
        known = [key.decode() for key in keys] if isinstance(keys, set) else []
        for start in range(0, len(known), _UNLINKED_AT_ONCE):
            some = known[start : start + _UNLINKED_AT_ONCE]
            await self._tried(self._redis.unlink, *(_name(uid, key) for key in some))
            await self._tried(self._redis.execute_command, "SREM", _names_of(uid), *some)

    async def close(self) -> None:
        """See ResultCache."""
        await self._redis.aclose()

    async def _tried(
        self, command: Callable[..., Awaitable[object]], *words: object, **options: object
    ) -> object:
        """What Redis answers; None where it does not in time, and for a while after that."""
        if time.monotonic() < self._asked_again:
            return None
        try:
            return await command(*words, **options)
        except (RedisError, OSError, ValueError) as error:
            self._asked_again = time.monotonic() + _PAUSE_SECONDS
            self._failed()
            _LOG.warning("the cache of results cannot be used: %s", type(error).__name__)
            return None

    def _sealed(self, uid: str, key: str, result: StoredResult) -> bytes:
        figures = {name: value for name, value in vars(result).items() if name != "payload"}
        body = json.dumps(figures).encode() + b"\n" + result.payload
        return _MARK + self._digest(uid, key, body) + body

    def _opened(self, uid: str, key: str, value: bytes) -> StoredResult | None:
        """The result in a value; None for anything that was not sealed under this key."""
        body = value[_HEAD_BYTES:]
        digest = value[len(_MARK) : _HEAD_BYTES]
        if not value.startswith(_MARK) or not hmac.compare_digest(digest, self._digest(uid, key, body)):
            return None
        figures, _, payload = body.partition(b"\n")
        try:
            return StoredResult(payload=payload, **json.loads(figures))
        except (TypeError, ValueError):
            return None  # sealed by another version of this service

    def _digest(self, uid: str, key: str, body: bytes) -> bytes:
        return hmac.digest(self._secret, f"{uid} {key}\n".encode() + body, hashlib.sha256)


def _name(uid: str, key: str) -> str:
    return f"aidatalabs:result:{uid}:{key}"


def _names_of(uid: str) -> str:
    """The set of the keys of a platform's results."""
    return f"aidatalabs:results:{uid}"


def _mark_of(uid: str) -> str:
    """The moment before which the platform's results are forgotten."""
    return f"aidatalabs:forgotten:{uid}"


def _moment(mark: object) -> float:
    """Unix time that a mark says; of one that cannot be read no result is younger."""
    if mark is None:
        return 0.0
    try:
        return float(mark) if isinstance(mark, bytes) else math.inf
    except ValueError:
        return math.inf
