"""Lessons: what a platform learnt from people who said that an answer is right, or what the right query is.

A lesson is the query of one question, used whenever that very question is asked on that platform. Nothing is
learnt but from an editor's own word, nothing that is not a question, and nothing whose meaning changes with
the day it is asked on.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Protocol

import structlog

from aidatalabs_services.agent.conversations import Conversations, Owner, Turn
from aidatalabs_services.agent.errors import ConversationsNotKept, LessonNotFound
from aidatalabs_services.agent.models.teaching import Example
from aidatalabs_services.agent.models.verdicts import refused_unasked
from aidatalabs_services.agent.planner.windows import TimeReader
from aidatalabs_services.agent.planner.words import tokenize
from aidatalabs_services.agent.ports import PlatformData
from aidatalabs_services.runtime.errors import (
    DeadlineExceeded,
    FieldViolation,
    InvalidRequest,
    ServiceUnavailable,
)

_SIGNS = re.compile(r"[?!.\s]+$")
_OTHER_DAYS = (timedelta(days=1), timedelta(days=45), timedelta(days=400))


class Worth(Enum):
    """What somebody says of an answer."""

    RIGHT = "right"
    WRONG = "wrong"
    CORRECTED = "corrected"


@dataclass(frozen=True)
class Lesson:
    """The query of a question; `plan` is its plan's dictionary, None where somebody gave the SQL."""

    lesson: str
    question: str
    sql: str
    plan: Mapping[str, Any] | None
    origin: str
    taught_by: str
    created_at: datetime
    forgotten_by: str = ""
    forgotten_at: datetime | None = None


@dataclass(frozen=True)
class Feedback:
    """What a user says of a turn of a conversation of theirs; `editor` where they may teach the platform."""

    platform: str
    owner: Owner
    conversation: str
    turn: int
    worth: Worth
    sql: str = ""
    comment: str = ""
    editor: bool = False


@dataclass(frozen=True)
class Learnt:
    """What came of it: a lesson learnt or forgotten, where one was, and a sentence."""

    lesson: Lesson | None
    note: str


class LessonStore(Protocol):
    """Where feedback and lessons are kept. Every method raises ServiceUnavailable or DeadlineExceeded."""

    async def note(self, feedback: Feedback, sql: str) -> None:
        """Keeps what was said of a turn; the last word counts."""

    async def in_use(self, platform_uid: str, key: str) -> Lesson | None:
        """The lesson of a question."""

    async def count(self, platform_uid: str) -> int:
        """Lessons in use."""

    async def teach(
        self, owner: Owner, key: str, question: str, sql: str, plan: Mapping[str, Any] | None, origin: str
    ) -> Lesson:
        """Makes a lesson, which takes the place of that in use for the same question."""

    async def forget(self, owner: Owner, lesson: str) -> Lesson | None:
        """Has a lesson forgotten, once; None where the platform never had it."""

    async def page(self, platform_uid: str, *, forgotten: bool) -> Sequence[Lesson]:
        """The platform's lessons, the newest first, at most 1,000."""


def question_key(question: str) -> str:
    """What two askings of the same question have in common, as SHA-256 in hexadecimal."""
    plain = _SIGNS.sub("", " ".join(question.casefold().split()))
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


class Lessons:
    """The rules of learning; without a store nothing is learnt and nothing was."""

    def __init__(
        self,
        store: LessonStore | None,
        conversations: Conversations,
        data: PlatformData,
        *,
        clock: Callable[[], datetime],
        most: int,
    ) -> None:
        self._store = store
        self._conversations = conversations
        self._data = data
        self._clock = clock
        self._most = most

    def _kept(self) -> LessonStore:
        if self._store is None:
            raise ConversationsNotKept("This mesh keeps no conversations, and learns nothing from them.")
        return self._store

    async def of(self, platform_uid: str, question: str) -> Lesson | None:
        """The lesson for a question; None too while the store cannot be asked, which the log tells."""
        if self._store is None:
            return None
        try:
            return await self._store.in_use(platform_uid, question_key(question))
        except (ServiceUnavailable, DeadlineExceeded) as error:
            structlog.get_logger().warning("lessons not asked", reason=error.reason)
            return None

    async def examples(self, platform_uid: str) -> Sequence[Example]:
        """The lessons in use, for a model to see; none while the store cannot be asked."""
        if self._store is None:
            return ()
        try:
            held = await self._store.page(platform_uid, forgotten=False)
        except (ServiceUnavailable, DeadlineExceeded) as error:
            structlog.get_logger().warning("lessons not asked", reason=error.reason)
            return ()
        return [Example(lesson.lesson, lesson.question, lesson.sql) for lesson in held]

    async def give(self, feedback: Feedback) -> Learnt:
        """Keeps what somebody says of an answer, and learns from it where they may teach.

        Raises ConversationNotFound, InvalidRequest and the SQL door's refusals of a given query.
        """
        store = self._kept()
        held = await self._conversations.whole(feedback.owner, feedback.conversation)
        turn = next((one for one in held.turns if one.number == feedback.turn), None)
        if turn is None or turn.outcome != "answered":
            raise _invalid("turn", "is no turn of this conversation that was answered")
        if bool(feedback.sql.strip()) != (feedback.worth is Worth.CORRECTED):
            raise _invalid("sql", "is given with CORRECTED, and only then")
        sql = turn.sql
        if feedback.worth is Worth.CORRECTED:
            sql = (await self._data.explain(feedback.platform, feedback.sql)).sql
        await store.note(feedback, sql if feedback.worth is Worth.CORRECTED else "")
        if not feedback.editor:
            return Learnt(None, "Kept. Only an editor of the platform can teach it.")
        key = question_key(turn.question)
        known = await store.in_use(feedback.owner.platform_uid, key)
        if feedback.worth is Worth.WRONG:
            if known is None or known.sql != turn.sql:
                return Learnt(None, "Kept. The answer rests on no lesson that could be forgotten.")
            forgotten = await store.forget(feedback.owner, known.lesson)
            return Learnt(forgotten, "The lesson behind this answer is forgotten.")
        return await self._taught(store, feedback, turn, sql, known, key)

    async def _taught(
        self, store: LessonStore, feedback: Feedback, turn: Turn, sql: str, known: Lesson | None, key: str
    ) -> Learnt:
        why = self._unlearnable(turn)
        if why:
            return Learnt(None, f"Kept, but nothing was learnt: {why}.")
        if known is not None and known.sql == sql:
            return Learnt(known, "The platform knows this already.")
        if known is None and await store.count(feedback.owner.platform_uid) >= self._most:
            return Learnt(None, f"Kept, but nothing was learnt: the platform has its {self._most} lessons.")
        confirmed = feedback.worth is Worth.RIGHT
        lesson = await store.teach(
            feedback.owner,
            key,
            turn.question,
            sql,
            turn.plan if confirmed else None,
            "confirmed" if confirmed else "corrected",
        )
        return Learnt(lesson, "Learnt: the same question has this query from now on.")

    def _unlearnable(self, turn: Turn) -> str:
        """Why nothing can be learnt from the question of a turn; empty where something can."""
        if turn.followed:
            return "the question follows another one and means nothing alone"
        if refused_unasked(turn.question) is not None:
            return "its text is no question"
        now = self._clock().replace(tzinfo=None)
        tokens = tokenize(turn.question)
        first = TimeReader(tokens, now).read()
        if any(TimeReader(tokens, now + later).read() != first for later in _OTHER_DAYS):
            return "what the question means depends on the day it is asked on"
        return ""

    async def page(self, platform_uid: str, *, forgotten: bool) -> Sequence[Lesson]:
        """What a platform was taught, the newest first; with `forgotten` also what is no longer in use."""
        return await self._kept().page(platform_uid, forgotten=forgotten)

    async def forget(self, owner: Owner, lesson: str) -> Lesson:
        """Has a lesson forgotten. Raises LessonNotFound."""
        found = await self._kept().forget(owner, lesson)
        if found is None:
            raise LessonNotFound(
                "This platform was never taught such a lesson. List them with ListLessons.",
                metadata={"lesson": lesson[:64]},
            )
        return found


def _invalid(field: str, told: str) -> InvalidRequest:
    return InvalidRequest(
        f"The feedback breaks a rule: {field} {told}.", violations=[FieldViolation(field, told)]
    )
