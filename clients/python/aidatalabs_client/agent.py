"""Calls to the agents: questions, designs, optimisation, analysis, support."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence

from aidatalabs.agent.v1 import agent_service_pb2 as pb
from aidatalabs.agent.v1 import answer_pb2, conversation_pb2, lesson_pb2
from aidatalabs_client.answers import Analysis, Answer
from aidatalabs_client.connection import Connection
from aidatalabs_client.errors import ApiError


class AgentCalls(Connection):
    """What agents do; they act with the caller's own rights."""

    async def ask(
        self, platform: str, question: str, *, max_rows: int = 0, model: str = "", conversation: str = ""
    ) -> Answer:
        """Asks a question in plain words; the answer holds either its parts or a clarification.

        `model` is the alias of a model that the operator has configured, or `offline` for the planner. With
        the `conversation` of an earlier answer, words such as "only for Graz" change what was answered last.
        """
        request = pb.QueryRequest(
            platform=platform,
            question=question,
            max_rows=max_rows,
            model=model,
            conversation=conversation,
        )
        return Answer(await self._call(self._agent.Query, request))

    async def stream_answer(
        self, platform: str, question: str, *, max_rows: int = 0, model: str = "", conversation: str = ""
    ) -> AsyncIterator[pb.StreamAnswerResponse]:
        """Asks, and yields each part of the answer as it is known; the last event is `done`."""
        request = pb.StreamAnswerRequest(
            platform=platform,
            question=question,
            max_rows=max_rows,
            model=model,
            conversation=conversation,
        )
        async for event in self._stream(self._agent.StreamAnswer, request):
            if event.event == "error":
                raise ApiError.of_status(event.error)
            yield event

    async def draw_answer(
        self,
        platform: str,
        question: str,
        *,
        form: str = "PNG",
        width: int = 0,
        max_rows: int = 0,
        model: str = "",
        conversation: str = "",
    ) -> bytes:
        """Asks a question and returns the chart of its answer as a picture: the bytes of a PNG or SVG file.

        `width` is that of the plot in points (0: 640). The question may follow a `conversation`, of which the
        picture is no turn. Raises ChartNotAvailable where a table says it better.
        """
        picture = pb.DrawAnswerRequest.Format.Value(form)
        request = pb.DrawAnswerRequest(
            platform=platform,
            question=question,
            format=picture,
            width=width,
            max_rows=max_rows,
            model=model,
            conversation=conversation,
        )
        drawn: bytes = (await self._call(self._agent.DrawAnswer, request)).data
        return drawn

    async def verify_answer(self, platform: str, proof: answer_pb2.Proof) -> pb.VerifyAnswerResponse:
        """Runs the query of an answer's proof again, and says what changed since: `verdict` and `changes`."""
        request = pb.VerifyAnswerRequest(platform=platform, proof=proof)
        return await self._call(self._agent.VerifyAnswer, request)

    async def conversations(
        self, platform: str, *, page_size: int = 1000
    ) -> AsyncIterator[conversation_pb2.Conversation]:
        """Yields the caller's own conversations, the one gone on with last first, without their turns."""

        def page_of(page_token: str) -> Awaitable[pb.ListConversationsResponse]:
            request = pb.ListConversationsRequest(
                platform=platform, page_size=page_size, page_token=page_token
            )
            return self._call(self._agent.ListConversations, request)

        async for page in self._pages(page_of):
            for conversation in page.conversations:
                yield conversation

    async def get_conversation(self, platform: str, conversation: str) -> conversation_pb2.Conversation:
        """Returns one conversation of the caller's own with its turns."""
        request = pb.GetConversationRequest(platform=platform, conversation=conversation)
        return await self._call(self._agent.GetConversation, request)

    async def delete_conversation(self, platform: str, conversation: str) -> None:
        """Deletes one conversation of the caller's own, at once and for good."""
        request = pb.DeleteConversationRequest(platform=platform, conversation=conversation)
        await self._call(self._agent.DeleteConversation, request)

    async def delete_conversations(self, platform: str, *, user: str = "") -> int:
        """Deletes all of the caller's own; as an admin those of `user`, or with `-` everybody's; how many."""
        request = pb.DeleteConversationsRequest(platform=platform, user=user)
        return (await self._call(self._agent.DeleteConversations, request)).deleted_count

    async def give_feedback(
        self,
        platform: str,
        conversation: str,
        turn: int,
        verdict: str,
        *,
        sql: str = "",
        comment: str = "",
    ) -> pb.GiveFeedbackResponse:
        """Says of an answer that it is `RIGHT` or `WRONG`, or `CORRECTED` by `sql`; what came of it."""
        request = pb.GiveFeedbackRequest(
            platform=platform,
            conversation=conversation,
            turn=turn,
            verdict=pb.GiveFeedbackRequest.Verdict.Value(verdict),
            sql=sql,
            comment=comment,
        )
        return await self._call(self._agent.GiveFeedback, request)

    async def lessons(self, platform: str, *, show_forgotten: bool = False) -> Sequence[lesson_pb2.Lesson]:
        """Returns what the platform was taught, the newest first; also what was forgotten, if asked for."""
        request = pb.ListLessonsRequest(platform=platform, show_forgotten=show_forgotten)
        return (await self._call(self._agent.ListLessons, request)).lessons

    async def forget_lesson(self, platform: str, lesson: str) -> lesson_pb2.Lesson:
        """Has the platform forget a lesson."""
        request = pb.ForgetLessonRequest(platform=platform, lesson=lesson)
        return await self._call(self._agent.ForgetLesson, request)

    async def design(
        self, platform: str, requirements: str, *, samples: Mapping[str, bytes] | None = None
    ) -> pb.DesignResponse:
        """Designs tables for requirements; `samples` are files by name. The best design comes first."""
        request = pb.DesignRequest(platform=platform, requirements=requirements)
        for name, content in (samples or {}).items():
            request.samples.add(name=name, content=content)
        return await self._call(self._agent.Design, request, repeatable=False)  # each call is worked anew

    async def optimize(self, platform: str, sql: str) -> pb.OptimizeResponse:
        """Recommends how to make a query faster, each with what was measured before and after."""
        return await self._call(self._agent.Optimize, pb.OptimizeRequest(platform=platform, sql=sql))

    async def analyze(self, platform: str, question: str = "", *, sql: str = "") -> Analysis:
        """Analyses what a question is about, or the rows of a query: findings with their strength."""
        request = pb.AnalyzeRequest(platform=platform, question=question, sql=sql)
        return Analysis(await self._call(self._agent.Analyze, request))

    async def support(self, platform: str, question: str) -> pb.SupportResponse:
        """Asks how to use the product; the answer quotes the documents it stands on."""
        request = pb.SupportRequest(platform=platform, question=question)
        return await self._call(self._agent.Support, request)
