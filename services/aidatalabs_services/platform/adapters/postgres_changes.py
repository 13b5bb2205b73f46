"""The steps of one transaction on the platform service's tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID, uuid4

from aidatalabs_services.platform.adapters.postgres_rows import (
    COLUMNS,
    answer_bytes,
    answer_of,
    platform_of,
    user_uuid,
)
from aidatalabs_services.platform.configs import config_text
from aidatalabs_services.platform.members import Member
from aidatalabs_services.platform.platforms import Change, Draft, Platform
from aidatalabs_services.platform.ports import Attempted, Remembered, RequestKey
from aidatalabs_services.runtime.caller import Role, current_call
from aidatalabs_services.runtime.postgres import Connection

_REMEMBERED = timedelta(hours=24)
# As `Platform.etag` makes it.
_ETAG = "left(encode(sha256(convert_to(id::text || ':' || version::text, 'UTF8')), 'hex'), 16)"


class PostgresChanges:
    """PlatformChanges on one connection inside a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def remember(self, key: RequestKey) -> Remembered | None:
        """Two calls of one key at once: the second waits here for the first one's transaction.

        A note over 24 hours old is written anew; some of the others that old are removed on the way.
        """
        run = self._connection
        noted = await run.fetchval(
            "INSERT INTO requests (user_id, method, request_id, request_hash) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (user_id, method, request_id) DO UPDATE SET request_hash = EXCLUDED.request_hash, "
            "platform_id = NULL, platform_name = NULL, response = NULL, created_at = now() "
            "WHERE requests.created_at < now() - $5::interval RETURNING true",
            *_key(key),
            key.fingerprint,
            _REMEMBERED,
        )
        await run.execute(
            "DELETE FROM requests WHERE ctid IN (SELECT ctid FROM requests "
            "WHERE created_at < now() - $1::interval LIMIT 100 FOR UPDATE SKIP LOCKED)",
            _REMEMBERED,
        )
        if noted:
            return None
        row = await run.fetchrow(  # locked by the statement above
            "SELECT request_hash, platform_id, response FROM requests "
            "WHERE user_id = $1 AND method = $2 AND request_id = $3",
            *_key(key),
        )
        if row is None:
            raise LookupError("a locked row has gone")
        answer = answer_of(row["response"]) if row["response"] is not None else None
        return Remembered(row["request_hash"], row["platform_id"], answer)

    async def link(self, key: RequestKey, platform: Platform) -> None:
        """Notes which platform a call works on."""
        await self._connection.execute(
            "UPDATE requests SET platform_id = $4, platform_name = $5 "
            "WHERE user_id = $1 AND method = $2 AND request_id = $3",
            *_key(key),
            platform.uid,
            platform.id,
        )

    async def answer(self, key: RequestKey, platform: Platform) -> None:
        """Notes a call's answer; one that is there stays."""
        await self._connection.execute(
            "UPDATE requests SET platform_id = $4, response = $5 "
            "WHERE user_id = $1 AND method = $2 AND request_id = $3 AND response IS NULL",
            *_key(key),
            platform.uid,
            answer_bytes(platform),
        )

    async def insert(self, draft: Draft, owner: str) -> Platform | None:
        """Waits for a running transaction that inserts the same id; None where it committed."""
        row = await self._connection.fetchrow(
            "INSERT INTO platforms (platform_id, user_id, name, config) "  # noqa: S608
            "VALUES ($1, $2, $3, $4::jsonb) "
            f"ON CONFLICT (platform_id) DO NOTHING RETURNING {COLUMNS}",
            draft.id,
            user_uuid(owner),
            draft.display_name or draft.id,
            config_text(draft.config),
        )
        if row is None:
            return None
        await self.put_member(row["id"], Member(owner, Role.ADMIN))
        return platform_of(row)

    async def seconds_to_rest(self, platform_id: str, seconds: float) -> float:
        """The database's clock counts the rest of a released id."""
        rested = await self._connection.fetchval(
            "SELECT extract(epoch FROM clock_timestamp() - released_at)::float8 FROM released_ids "
            "WHERE platform_id = $1",
            platform_id,
        )
        return 0.0 if rested is None else max(0.0, seconds - float(rested))

    async def by_id(self, platform_id: str) -> Attempted | None:
        """The platform of that id, locked until the end of the transaction."""
        return await self._locked("platform_id = $1", platform_id)

    async def by_uid(self, uid: UUID) -> Attempted | None:
        """The platform of that uid, locked until the end of the transaction."""
        return await self._locked("id = $1", uid)

    async def begin_attempt(self, uid: UUID, seconds: float) -> UUID:
        """Opens an attempt; the database's clock counts its seconds."""
        attempt = uuid4()
        await self._connection.execute(
            "UPDATE platforms SET status = 'provisioning', attempt = $2, attempt_by = user_id, "
            "attempt_until = clock_timestamp() + $3::interval WHERE id = $1",
            uid,
            attempt,
            timedelta(seconds=seconds),
        )
        return attempt

    async def activate(self, uid: UUID) -> Platform | None:
        """Any attempt may end well, also one that was given up: the database is there."""
        row = await self._connection.fetchrow(
            "UPDATE platforms SET status = 'active', attempt = NULL, attempt_until = NULL "  # noqa: S608
            f"WHERE id = $1 AND status IN ('provisioning', 'failed', 'active') RETURNING {COLUMNS}",
            uid,
        )
        return platform_of(row) if row is not None else None

    async def rewrite(self, uid: UUID, change: Change) -> Platform | None:
        """One statement compares and changes, so of two changes on one etag one finds nothing to change."""
        row = await self._connection.fetchrow(
            "UPDATE platforms SET "  # noqa: S608
            "name = CASE WHEN $2::text = '' THEN platform_id ELSE coalesce($2, name) END, "
            "config = coalesce($3::jsonb, config), version = version + 1, updated_at = clock_timestamp() "
            "WHERE id = $1 AND status NOT IN ('deleting', 'deleted') "
            f"AND ($4 = '' OR {_ETAG} = $4) RETURNING {COLUMNS}",
            uid,
            change.display_name,
            config_text(change.config) if change.config is not None else None,
            change.etag,
        )
        return platform_of(row) if row is not None else None

    async def mark_deleting(self, uid: UUID) -> Platform:
        """An attempt at making the database, whose time is over, is forgotten."""
        row = await self._connection.fetchrow(
            "UPDATE platforms SET status = 'deleting', deleted_at = coalesce(deleted_at, now()), "  # noqa: S608
            "purge_at = NULL, purge_noted = false, attempt = NULL, "
            f"attempt_by = NULL, attempt_until = NULL WHERE id = $1 RETURNING {COLUMNS}",
            uid,
        )
        if row is None:
            raise LookupError("a locked row has gone")
        return platform_of(row)

    async def mark_deleted(self, uid: UUID, seconds: float) -> Platform:
        """The database's clock counts the grace."""
        row = await self._connection.fetchrow(
            "UPDATE platforms SET status = 'deleted', deleted_at = now(), purge_at = now() + $2::interval, "  # noqa: S608
            "purge_noted = false, attempt = NULL, attempt_by = NULL, attempt_until = NULL "
            f"WHERE id = $1 RETURNING {COLUMNS}",
            uid,
            timedelta(seconds=seconds),
        )
        if row is None:
            raise LookupError("a locked row has gone")
        return platform_of(row)

    async def note_purge(self, uid: UUID, attempt: UUID) -> bool:
        """One statement compares and changes."""
        noted = await self._connection.fetchval(
            "UPDATE platforms SET purge_noted = true, attempt = NULL, attempt_by = NULL, "
            "attempt_until = NULL WHERE id = $1 AND attempt = $2 AND status = 'deleted' RETURNING true",
            uid,
            attempt,
        )
        return bool(noted)

    async def begin_undeletion(self, uid: UUID, user: str, seconds: float) -> UUID | None:
        """The database's clock says whether the grace is over; the attempt must fit into it."""
        attempt = uuid4()
        begun = await self._connection.fetchval(
            "UPDATE platforms SET purge_noted = false, attempt = $2, attempt_by = $3, "
            "attempt_until = clock_timestamp() + $4::interval "
            "WHERE id = $1 AND status = 'deleted' AND purge_at > clock_timestamp() RETURNING true",
            uid,
            attempt,
            user_uuid(user),
            timedelta(seconds=seconds),
        )
        return attempt if begun else None

    async def undelete(self, uid: UUID, attempt: UUID) -> Platform | None:
        """One statement compares and changes."""
        row = await self._connection.fetchrow(
            "UPDATE platforms SET status = 'active', deleted_at = NULL, purge_at = NULL, attempt = NULL, "  # noqa: S608
            "attempt_by = NULL, attempt_until = NULL "
            f"WHERE id = $1 AND attempt = $2 AND status = 'deleted' RETURNING {COLUMNS}",
            uid,
            attempt,
        )
        return platform_of(row) if row is not None else None

    async def begin_removal(self, uid: UUID, user: str, seconds: float) -> UUID:
        """Opens an attempt; the database's clock counts its seconds."""
        attempt = uuid4()
        await self._connection.execute(
            "UPDATE platforms SET attempt = $2, attempt_by = $3, "
            "attempt_until = clock_timestamp() + $4::interval "
            "WHERE id = $1 AND status IN ('deleting', 'deleted')",
            uid,
            attempt,
            user_uuid(user),
            timedelta(seconds=seconds),
        )
        return attempt

    async def remove(self, uid: UUID, attempt: UUID) -> bool:
        """Members go with the row; the audit log and the notes of requests stay. The id begins its rest."""
        released = await self._connection.fetchval(
            "DELETE FROM platforms WHERE id = $1 AND attempt = $2 AND status = 'deleting' "
            "RETURNING platform_id",
            uid,
            attempt,
        )
        if released is None:
            return False
        await self._connection.execute(
            "INSERT INTO released_ids (platform_id, released_at) VALUES ($1, clock_timestamp()) "
            "ON CONFLICT (platform_id) DO UPDATE SET released_at = EXCLUDED.released_at",
            released,
        )
        await self._connection.execute(
            "DELETE FROM released_ids WHERE released_at < clock_timestamp() - interval '1 hour'"
        )
        return True

    async def put_member(self, uid: UUID, member: Member) -> Role:
        """Sets a role; the lock on the platform's row keeps two changes apart."""
        before = await self._connection.fetchval(
            "SELECT role FROM platform_members WHERE platform_id = $1 AND member = $2", uid, member.member
        )
        await self._connection.execute(
            "INSERT INTO platform_members (platform_id, member, role) VALUES ($1, $2, $3) "
            "ON CONFLICT (platform_id, member) DO UPDATE SET role = EXCLUDED.role",
            uid,
            member.member,
            member.role.name.lower(),
        )
        return Role[before.upper()] if before else Role.NONE

    async def remove_member(self, uid: UUID, member: str) -> Role:
        """Takes a role away."""
        before = await self._connection.fetchval(
            "DELETE FROM platform_members WHERE platform_id = $1 AND member = $2 RETURNING role", uid, member
        )
        return Role[before.upper()] if before else Role.NONE

    async def record(self, uid: UUID, actor: str, action: str, details: Mapping[str, str]) -> None:
        """Writes a line of the audit log, under the id of the running call."""
        await self._connection.execute(
            "INSERT INTO audit_logs (platform_id, actor, request_id, action, details) "
            "VALUES ($1, $2, $3, $4, $5::jsonb)",
            uid,
            actor,
            current_call().request_id,
            action,
            json.dumps(dict(details)),
        )

    async def _locked(self, condition: str, value: object) -> Attempted | None:
        row = await self._connection.fetchrow(
            f"SELECT {COLUMNS}, coalesce(attempt_until > clock_timestamp(), false) AS running "  # noqa: S608
            f"FROM platforms WHERE {condition} FOR UPDATE",
            value,
        )
        return Attempted(platform_of(row), bool(row["running"])) if row is not None else None


def _key(key: RequestKey) -> tuple[UUID, str, str]:
    return user_uuid(key.user), key.method, key.request_id
