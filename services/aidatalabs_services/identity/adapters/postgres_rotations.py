"""Requests to rotate the signing key in PostgreSQL: each answered once, each in the audit log."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from aidatalabs_services.identity.keys import PublicKey
from aidatalabs_services.identity.users import user_id
from aidatalabs_services.runtime.caller import current_call
from aidatalabs_services.runtime.postgres import Connection, Database

_METHOD = "RotateSigningKey"
_REMEMBERED = timedelta(hours=24)


class PostgresRotationStore:
    """RotationStore in this service's own schema."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def once(
        self, user: str, request_id: str, make: Callable[[], Awaitable[Sequence[PublicKey]]]
    ) -> Sequence[PublicKey]:
        """Note, deed, answer and line of the audit log in one transaction; the note is the lock."""
        caller = user_id(user)
        if caller is None:
            raise ValueError("a verified token names a user")
        async with self._database.transaction() as run:
            if request_id:
                answer = await _noted(run, caller, request_id)
                if answer is not None:
                    return answer
            keys = await make()
            if request_id:
                await run.execute(
                    "UPDATE requests SET response = $4::jsonb "
                    "WHERE user_id = $1 AND method = $2 AND request_id = $3",
                    *(caller, _METHOD, request_id, _text(keys)),
                )
            await run.execute(
                "INSERT INTO audit_logs (actor, request_id, action, details) VALUES ($1, $2, $3, $4::jsonb)",
                *(user, current_call().request_id, _METHOD, json.dumps({"key_id": keys[0].kid})),
            )
            return keys


async def _noted(run: Connection, caller: UUID, request_id: str) -> list[PublicKey] | None:
    """The answer this request got within 24 hours; None notes it as begun.

    Two calls of one id at once: the second waits here for the first one's transaction. A note over 24 hours
    old is written anew; some of the others that old are removed on the way.
    """
    begun = await run.fetchval(
        "INSERT INTO requests (user_id, method, request_id) VALUES ($1, $2, $3) "
        "ON CONFLICT (user_id, method, request_id) DO UPDATE SET response = NULL, created_at = now() "
        "WHERE requests.created_at < now() - $4::interval RETURNING true",
        *(caller, _METHOD, request_id, _REMEMBERED),
    )
    await run.execute(
        "DELETE FROM requests WHERE ctid IN (SELECT ctid FROM requests "
        "WHERE created_at < now() - $1::interval LIMIT 100 FOR UPDATE SKIP LOCKED)",
        _REMEMBERED,
    )
    if begun:
        return None
    text = await run.fetchval(
        "SELECT response FROM requests WHERE user_id = $1 AND method = $2 AND request_id = $3",
        *(caller, _METHOD, request_id),
    )
    return _keys(text) if text is not None else None


def _text(keys: Sequence[PublicKey]) -> str:
    return json.dumps(
        [
            {
                "kid": key.kid,
                "create_time": key.create_time.isoformat(),
                "expire_time": key.expire_time.isoformat() if key.expire_time else None,
            }
            for key in keys
        ]
    )


def _keys(text: str) -> list[PublicKey]:
    return [
        PublicKey(
            one["kid"],
            datetime.fromisoformat(one["create_time"]),
            datetime.fromisoformat(one["expire_time"]) if one["expire_time"] else None,
        )
        for one in json.loads(text)
    ]
