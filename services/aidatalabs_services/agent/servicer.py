"""AgentService on the wire: proto in, domain call, proto out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime

import grpc
import structlog
from google.api import httpbody_pb2
from google.protobuf import empty_pb2
from google.rpc import status_pb2

from aidatalabs.agent.v1 import agent_service_pb2 as pb
from aidatalabs.agent.v1 import agent_service_pb2_grpc as pb_grpc
from aidatalabs.agent.v1 import answer_pb2, catalogue_pb2, conversation_pb2, lesson_pb2
from aidatalabs_services.agent.catalogue_servicer import CatalogueRequests
from aidatalabs_services.agent.charts.drawing import drawn_answer
from aidatalabs_services.agent.conversations import Owner
from aidatalabs_services.agent.lessons import Feedback
from aidatalabs_services.agent.messages import (
    claim_of,
    conversation_message,
    lesson_message,
    page_message,
    sealed_content,
    step_message,
    tuning_message,
    verification_message,
    worth_of,
)
from aidatalabs_services.agent.orchestrator import Orchestrator
from aidatalabs_services.agent.ports import Drawer, PictureForm
from aidatalabs_services.agent.purges import Purges
from aidatalabs_services.agent.query_agent import Question
from aidatalabs_services.agent.seals import Seals
from aidatalabs_services.agent.tuning.tuner import Tuner
from aidatalabs_services.runtime.caller import Role, current_call, current_caller
from aidatalabs_services.runtime.errors import DeadlineExceeded, not_built_yet
from aidatalabs_services.runtime.interceptors.statuses import packed_status, service_error
from aidatalabs_services.runtime.paging import Position, page_position, page_size, page_token

# Before the call's own end, so that the last event still reaches the caller.
_LAST_EVENT_SECONDS = 0.5
_PICTURE_TYPES = {"png": "image/png", "svg": "image/svg+xml"}


class AgentServicer(pb_grpc.AgentServiceServicer):
    """Translates between the contract and the orchestrator; the policy is theirs."""

    def __init__(
        self,
        orchestrator: Orchestrator,
        drawer: Drawer,
        tuner: Tuner,
        seals: Seals,
        purges: Purges,
        catalogue: CatalogueRequests,
    ) -> None:
        self._orchestrator = orchestrator
        self._conversations = orchestrator.conversations
        self._lessons = orchestrator.lessons
        self._drawer = drawer
        self._tuner = tuner
        self._seals = seals
        self._purges = purges
        self._catalogue = catalogue

    async def Query(
        self, request: pb.QueryRequest, context: grpc.aio.ServicerContext[pb.QueryRequest, pb.QueryResponse]
    ) -> pb.QueryResponse:
        """See the contract."""
        answer = pb.QueryResponse()
        async with aclosing(self._steps(request)) as steps:
            async for _, part in steps:
                if part is not None:
                    answer.MergeFrom(part)
        return answer

    async def StreamAnswer(
        self,
        request: pb.StreamAnswerRequest,
        context: grpc.aio.ServicerContext[pb.StreamAnswerRequest, pb.StreamAnswerResponse],
    ) -> AsyncIterator[pb.StreamAnswerResponse]:
        """See the contract. A refusal is an event too: who reads SSE sees no status at the end."""
        until = asyncio.get_running_loop().time() + current_call().seconds_left() - _LAST_EVENT_SECONDS
        async with aclosing(self._steps(request)) as steps:
            while True:
                try:
                    async with asyncio.timeout_at(until):
                        event, part = await anext(steps)
                except StopAsyncIteration:
                    yield pb.StreamAnswerResponse(event="done")
                    return
                except Exception as error:  # noqa: BLE001 - whatever it is, the stream is closed by its event
                    yield pb.StreamAnswerResponse(event="error", error=_status(error))
                    return
                yield pb.StreamAnswerResponse(event=event, data=part)

    async def _steps(
        self, request: pb.QueryRequest | pb.StreamAnswerRequest
    ) -> AsyncGenerator[tuple[str, pb.QueryResponse | None], None]:
        question = Question(
            platform=request.platform,
            platform_uid=current_caller().platform_uid,
            text=request.question,
            max_rows=request.max_rows,
            model=request.model,
        )
        async for step in self._orchestrator.ask(question, _owner(), request.conversation):
            event, part = step_message(step)
            if part is not None and part.HasField("proof"):
                self._seal(part.proof, question.platform_uid)
            yield event, part

    def _seal(self, proof: answer_pb2.Proof, platform_uid: str) -> None:
        proof.seal = self._seals.seal(platform_uid, sealed_content(proof))

    async def VerifyAnswer(
        self,
        request: pb.VerifyAnswerRequest,
        context: grpc.aio.ServicerContext[pb.VerifyAnswerRequest, pb.VerifyAnswerResponse],
    ) -> pb.VerifyAnswerResponse:
        """See the contract."""
        uid = current_caller().platform_uid
        seal = self._seals.state(uid, sealed_content(request.proof), request.proof.seal)
        claim = claim_of(request.proof, seal)
        answer = verification_message(await self._orchestrator.verify(request.platform, uid, claim))
        if answer.HasField("proof"):
            self._seal(answer.proof, uid)
        return answer

    async def ListConversations(
        self,
        request: pb.ListConversationsRequest,
        context: grpc.aio.ServicerContext[pb.ListConversationsRequest, pb.ListConversationsResponse],
    ) -> pb.ListConversationsResponse:
        """See the contract."""
        owner, most = _owner(), page_size(request.page_size)
        parameters = {"platform": owner.platform_uid, "user": owner.user}
        position = page_position(request.page_token, parameters)
        found = await self._conversations.page(owner, most + 1, _position(position))
        token = ""
        if len(found) > most:
            last = found[most - 1]
            moment = round(last.updated_at.timestamp() * 1_000_000)
            token = page_token((moment, last.conversation), parameters)
        return page_message(found[:most], token)

    async def GetConversation(
        self,
        request: pb.GetConversationRequest,
        context: grpc.aio.ServicerContext[pb.GetConversationRequest, conversation_pb2.Conversation],
    ) -> conversation_pb2.Conversation:
        """See the contract."""
        return conversation_message(await self._conversations.whole(_owner(), request.conversation))

    async def DeleteConversation(
        self,
        request: pb.DeleteConversationRequest,
        context: grpc.aio.ServicerContext[pb.DeleteConversationRequest, empty_pb2.Empty],
    ) -> empty_pb2.Empty:
        """See the contract."""
        await self._conversations.delete(_owner(), request.conversation)
        return empty_pb2.Empty()

    async def DeleteConversations(
        self,
        request: pb.DeleteConversationsRequest,
        context: grpc.aio.ServicerContext[pb.DeleteConversationsRequest, pb.DeleteConversationsResponse],
    ) -> pb.DeleteConversationsResponse:
        """See the contract."""
        admin = current_caller().platform_role >= Role.ADMIN
        count = await self._conversations.delete_all(_owner(), request.user, admin=admin)
        return pb.DeleteConversationsResponse(deleted_count=count)

    async def GiveFeedback(
        self,
        request: pb.GiveFeedbackRequest,
        context: grpc.aio.ServicerContext[pb.GiveFeedbackRequest, pb.GiveFeedbackResponse],
    ) -> pb.GiveFeedbackResponse:
        """See the contract."""
        given = Feedback(
            platform=request.platform,
            owner=_owner(),
            conversation=request.conversation,
            turn=request.turn,
            worth=worth_of(request.verdict),
            sql=request.sql,
            comment=request.comment,
            editor=current_caller().platform_role >= Role.EDITOR,
        )
        learnt = await self._lessons.give(given)
        lesson = lesson_message(learnt.lesson) if learnt.lesson is not None else None
        return pb.GiveFeedbackResponse(lesson=lesson, note=learnt.note)

    async def ListLessons(
        self,
        request: pb.ListLessonsRequest,
        context: grpc.aio.ServicerContext[pb.ListLessonsRequest, pb.ListLessonsResponse],
    ) -> pb.ListLessonsResponse:
        """See the contract."""
        found = await self._lessons.page(_owner().platform_uid, forgotten=request.show_forgotten)
        return pb.ListLessonsResponse(lessons=map(lesson_message, found))

    async def ForgetLesson(
        self,
        request: pb.ForgetLessonRequest,
        context: grpc.aio.ServicerContext[pb.ForgetLessonRequest, lesson_pb2.Lesson],
    ) -> lesson_pb2.Lesson:
        """See the contract."""
        return lesson_message(await self._lessons.forget(_owner(), request.lesson))

    async def PurgePlatform(
        self,
        request: pb.PurgePlatformRequest,
        context: grpc.aio.ServicerContext[pb.PurgePlatformRequest, empty_pb2.Empty],
    ) -> empty_pb2.Empty:
        """See the contract."""
        due = request.purge_time.ToDatetime(UTC) if request.HasField("purge_time") else None
        await self._purges.purge(current_caller().platform_uid, due)
        return empty_pb2.Empty()

    async def KeepPlatform(
        self,
        request: pb.KeepPlatformRequest,
        context: grpc.aio.ServicerContext[pb.KeepPlatformRequest, empty_pb2.Empty],
    ) -> empty_pb2.Empty:
        """See the contract."""
        await self._purges.keep(request.platform, current_caller().platform_uid)
        return empty_pb2.Empty()

    async def GetCatalogue(
        self,
        request: pb.GetCatalogueRequest,
        context: grpc.aio.ServicerContext[pb.GetCatalogueRequest, catalogue_pb2.Catalogue],
    ) -> catalogue_pb2.Catalogue:
        """See the contract."""
        return await self._catalogue.shown(request, _owner())

    async def UpdateCatalogue(
        self,
        request: pb.UpdateCatalogueRequest,
        context: grpc.aio.ServicerContext[pb.UpdateCatalogueRequest, pb.UpdateCatalogueResponse],
    ) -> pb.UpdateCatalogueResponse:
        """See the contract."""
        return await self._catalogue.updated(request, _owner())

    async def ListCatalogueVersions(
        self,
        request: pb.ListCatalogueVersionsRequest,
        context: grpc.aio.ServicerContext[pb.ListCatalogueVersionsRequest, pb.ListCatalogueVersionsResponse],
    ) -> pb.ListCatalogueVersionsResponse:
        """See the contract."""
        return await self._catalogue.versions(request, _owner())

    async def RestoreCatalogueVersion(
        self,
        request: pb.RestoreCatalogueVersionRequest,
        context: grpc.aio.ServicerContext[pb.RestoreCatalogueVersionRequest, pb.UpdateCatalogueResponse],
    ) -> pb.UpdateCatalogueResponse:
        """See the contract."""
        return await self._catalogue.restored(request, _owner())

    async def DrawAnswer(
        self,
        request: pb.DrawAnswerRequest,
        context: grpc.aio.ServicerContext[pb.DrawAnswerRequest, httpbody_pb2.HttpBody],
    ) -> httpbody_pb2.HttpBody:
        """See the contract."""
        form: PictureForm = "svg" if request.format == pb.DrawAnswerRequest.SVG else "png"
        question = Question(
            platform=request.platform,
            platform_uid=current_caller().platform_uid,
            text=request.question,
            max_rows=request.max_rows,
            model=request.model,
        )
        steps = self._orchestrator.once(question, _owner(), request.conversation)
        data = await drawn_answer(steps, self._drawer, form, request.width)
        return httpbody_pb2.HttpBody(content_type=_PICTURE_TYPES[form], data=data)

    async def Design(
        self,
        request: pb.DesignRequest,
        context: grpc.aio.ServicerContext[pb.DesignRequest, pb.DesignResponse],
    ) -> pb.DesignResponse:
        """See the contract; not built yet."""
        raise not_built_yet(current_call().method)

    async def Optimize(
        self,
        request: pb.OptimizeRequest,
        context: grpc.aio.ServicerContext[pb.OptimizeRequest, pb.OptimizeResponse],
    ) -> pb.OptimizeResponse:
        """See the contract."""
        until = asyncio.get_running_loop().time() + current_call().seconds_left()
        caller = current_caller()
        may_copy = caller.platform_role >= Role.EDITOR
        return tuning_message(
            await self._tuner.tune(
                request.platform, caller.platform_uid, request.sql, until, may_copy=may_copy
            )
        )

    async def Analyze(
        self,
        request: pb.AnalyzeRequest,
        context: grpc.aio.ServicerContext[pb.AnalyzeRequest, pb.AnalyzeResponse],
    ) -> pb.AnalyzeResponse:
        """See the contract; not built yet."""
        raise not_built_yet(current_call().method)

    async def Support(
        self,
        request: pb.SupportRequest,
        context: grpc.aio.ServicerContext[pb.SupportRequest, pb.SupportResponse],
    ) -> pb.SupportResponse:
        """See the contract; not built yet."""
        raise not_built_yet(current_call().method)


def _position(position: Position | None) -> tuple[datetime, str] | None:
    match position:
        case (int(microseconds), str(conversation)) if 0 <= microseconds < 2**52:
            return datetime.fromtimestamp(microseconds / 1_000_000, UTC), conversation
        case _:
            return None


def _owner() -> Owner:
    """Whose conversations this call is about."""
    caller = current_caller()
    return Owner(caller.platform_uid, caller.user)


def _status(error: Exception) -> status_pb2.Status:
    """What a refused Query would have answered."""
    if isinstance(error, TimeoutError):
        error = DeadlineExceeded("The answer took longer than it may. Ask for less, or allow more time.")
    answer = service_error(error)
    if answer is not error:
        structlog.get_logger().error("answer failed", exc_info=error)
    call = current_call()
    return packed_status(answer, call.request_id, call.trace.trace_id)
