"""Conversations: what one user asked about one platform, kept so that the next words can follow it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from aidatalabs_services.agent.errors import ConversationFull, ConversationNotFound, ConversationsNotKept
from aidatalabs_services.agent.planner.plan import QueryPlan
from aidatalabs_services.agent.plans import PlanNotReadable, plan_of
from aidatalabs_services.runtime.errors import DeadlineExceeded, PermissionDenied, ServiceUnavailable

EVERYBODY = "-"


@dataclass(frozen=True)
class Turn:
    """One question and what became of it: answered, asked_back or refused.

    `plan` is a plan's dictionary; `followed` says that it was read as a follow-up, which means nothing alone.
    """

    question: str
    outcome: str
    plan: Mapping[str, Any] | None = None
    sql: str = ""
    sql_sha256: str = ""
    result_sha256: str = ""
    catalogue_version: str = ""
    produced_by: str = ""
    reason: str = ""
    steps: tuple[str, ...] = ()
    followed: bool = False
    number: int = 0
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class Conversation:
    """A conversation; `title` is its first question. Lists leave `turns` out."""

    conversation: str
    title: str
    turn_count: int
    created_at: datetime
    updated_at: datetime
    turns: tuple[Turn, ...] = ()


@dataclass(frozen=True)
class Owner:
    """Whose conversations: one user's about one platform, by the uid that no other platform ever has."""

    platform_uid: str
    user: str


@dataclass(frozen=True)
class Earlier:
    """What a follow-up follows: the question answered last and its plan; None where it had none to change."""

    question: str
    plan: QueryPlan | None


class ConversationStore(Protocol):
    """Where conversations are kept. Every method raises ServiceUnavailable or DeadlineExceeded."""

    async def latest(self, owner: Owner, conversation: str) -> tuple[int, Turn | None] | None:
        """Its number of turns and the one answered last; None where the owner has no such conversation."""

    async def add(self, owner: Owner, conversation: str, turn: Turn) -> tuple[str, int] | None:
        """Keeps a turn, in a new conversation where none is named; its id and the turn's number, or None
        where it is gone meanwhile."""

    async def page(
        self, owner: Owner, most: int, after: tuple[datetime, str] | None
    ) -> Sequence[Conversation]:
        """Up to `most` conversations, the one gone on with last first."""

    async def whole(self, owner: Owner, conversation: str) -> Conversation | None:
        """A conversation with its turns."""

    async def delete(self, owner: Owner, conversation: str) -> bool:
        """Deletes it; False where it was not there."""

    async def delete_all(self, platform_uid: str, user: str | None) -> int:
        """Deletes all of a user, or of everybody for None; how many."""


class Conversations:
    """The rules of conversations; without a store every call that needs one is refused."""

    def __init__(self, store: ConversationStore | None, *, most_turns: int) -> None:
        self._store = store
        self._most_turns = most_turns

    def _kept(self) -> ConversationStore:
        if self._store is None:
            raise ConversationsNotKept(
                "This mesh keeps no conversations. Ask the whole question, without naming one."
            )
        return self._store

    async def earlier(self, owner: Owner, conversation: str) -> Earlier | None:
        """What the next question of a conversation follows; None where nothing was answered yet.

        Raises ConversationNotFound, ConversationFull and ConversationsNotKept.
        """
        found = await self._kept().latest(owner, conversation)
        if found is None:
            raise not_found(conversation)
        turn_count, turn = found
        if turn_count >= self._most_turns:
            raise ConversationFull(
                f"This conversation has its {self._most_turns} turns. Ask without one to begin another.",
                metadata={"limit": str(self._most_turns)},
            )
        if turn is None:
            return None
        try:
            plan = plan_of(turn.plan) if turn.plan is not None else None
        except PlanNotReadable:  # of a version that said it otherwise
            plan = None
        return Earlier(turn.question, plan)

    async def keep(self, owner: Owner, conversation: str, turn: Turn) -> tuple[str, int] | None:
        """Keeps a turn; None where that is not possible, which takes nothing from its answer."""
        if self._store is None:
            return None
        try:
            return await self._store.add(owner, conversation, turn)
        except (ServiceUnavailable, DeadlineExceeded) as error:
            structlog.get_logger().warning("turn not kept", reason=error.reason)
            return None

    async def page(
        self, owner: Owner, most: int, after: tuple[datetime, str] | None
    ) -> Sequence[Conversation]:
        """Up to `most` of the owner's conversations, behind the one gone on with at that time."""
        return await self._kept().page(owner, most, after)

    async def whole(self, owner: Owner, conversation: str) -> Conversation:
        """A conversation with its turns. Raises ConversationNotFound."""
        found = await self._kept().whole(owner, conversation)
        if found is None:
            raise not_found(conversation)
        return found

    async def delete(self, owner: Owner, conversation: str) -> None:
        """Deletes a conversation. Raises ConversationNotFound."""
        if not await self._kept().delete(owner, conversation):
            raise not_found(conversation)

    async def delete_all(self, owner: Owner, user: str, *, admin: bool) -> int:
        """Deletes the owner's conversations, or as an admin those of `user` (`-`: everybody); how many.

        Raises PermissionDenied.
        """
        store = self._kept()
        named = user or owner.user
        if named != owner.user and not admin:
            raise PermissionDenied(
                "Only an admin of the platform deletes conversations of others. Leave user out for your own.",
                metadata={"needed_role": "admin"},
            )
        return await store.delete_all(owner.platform_uid, None if named == EVERYBODY else named)


def not_found(conversation: str) -> ConversationNotFound:
    """The one answer for a conversation that is not there, and for somebody else's."""
    return ConversationNotFound(
        "You have no conversation of this id about this platform. Ask without one to begin another.",
        metadata={"conversation": conversation[:64]},
    )
