"""The orchestrator: picks the agent that a request is for, hands it over, and keeps the conversation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from aidatalabs_services.agent.conversations import Conversations, Owner, Turn
from aidatalabs_services.agent.errors import QuestionNotAnswerable, QuestionNotReadOnly
from aidatalabs_services.agent.lessons import Lessons
from aidatalabs_services.agent.planner.outcomes import Clarification
from aidatalabs_services.agent.proofs import Proof
from aidatalabs_services.agent.query_agent import Proven, QueryAgent, Question, Step, Understood
from aidatalabs_services.agent.verification import Claim, Verification, Verifier


@dataclass(frozen=True)
class TurnKept:
    """The answer is kept as this turn of this conversation; the last step, left out where it was not kept."""

    conversation: str
    turn: int


class Orchestrator:
    """Routes each kind of request to its agent.

    Only the query agent is built; the design, support and ops agents join it here.
    """

    def __init__(
        self, query_agent: QueryAgent, verifier: Verifier, conversations: Conversations, lessons: Lessons
    ) -> None:
        self._query_agent = query_agent
        self._verifier = verifier
        self.conversations = conversations
        self.lessons = lessons

    async def ask(
        self, question: Question, owner: Owner, conversation: str = ""
    ) -> AsyncIterator[Step | TurnKept]:
        """Has a question answered, part by part, as the next one of a conversation where one is named.

        Raises what the query agent raises, ConversationNotFound, ConversationFull, ConversationsNotKept.
        """
        if conversation:
            earlier = await self.conversations.earlier(owner, conversation)
            question = replace(question, earlier=earlier)
        note = _Note(question.text)
        try:
            async with aclosing(self._query_agent.work(question)) as steps:
                async for step in steps:
                    note.take(step)
                    yield step
        except (QuestionNotAnswerable, QuestionNotReadOnly) as error:
            if conversation:
                refused = Turn(question.text, "refused", reason=error.reason, steps=(error.message,))
                await self.conversations.keep(owner, conversation, refused)
            raise
        kept = await self.conversations.keep(owner, conversation, note.turn())
        if kept is not None:
            yield TurnKept(*kept)

    async def once(self, question: Question, owner: Owner, conversation: str = "") -> AsyncIterator[Step]:
        """Has one question answered, which may follow a conversation, and keeps no turn of it.

        Raises what `ask` raises.
        """
        if conversation:
            earlier = await self.conversations.earlier(owner, conversation)
            question = replace(question, earlier=earlier)
        async with aclosing(self._query_agent.work(question)) as steps:
            async for step in steps:
                yield step

    async def verify(self, platform: str, platform_uid: str, claim: Claim) -> Verification:
        """Has a proof looked at again. Raises what the verifier raises."""
        return await self._verifier.verify(platform, platform_uid, claim)


class _Note:
    """What is kept of an answer on its way."""

    def __init__(self, question: str) -> None:
        self._question = question
        self._steps: tuple[str, ...] = ()
        self._proof: Proof | None = None

    def take(self, step: Step) -> None:
        match step:
            case Understood(explanation):
                self._steps = explanation
            case Proven(proof):
                self._proof = proof
            case Clarification():
                self._steps = (step.question,)
            case _:
                pass

    def turn(self) -> Turn:
        proof = self._proof
        if proof is None:
            return Turn(self._question, "asked_back", steps=self._steps)
        return Turn(
            self._question,
            "answered",
            plan=proof.plan.to_dict() if proof.plan is not None else None,
            sql=proof.explanation.sql,
            sql_sha256=proof.explanation.sql_sha256,
            result_sha256=proof.result_sha256,
            catalogue_version=proof.catalogue_version,
            produced_by=proof.produced_by,
            steps=self._steps,
            followed=proof.followed,
        )
