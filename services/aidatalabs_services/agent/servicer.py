"""AgentService on the wire: proto in, domain call, proto out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import grpc
import structlog
from google.api import httpbody_pb2
from google.rpc import status_pb2

from aidatalabs.agent.v1 import agent_service_pb2 as pb
from aidatalabs.agent.v1 import agent_service_pb2_grpc as pb_grpc
from aidatalabs_services.agent.charts.drawing import drawn_answer
from aidatalabs_services.agent.messages import step_message, tuning_message
from aidatalabs_services.agent.orchestrator import Orchestrator
from aidatalabs_services.agent.ports import Drawer, PictureForm
from aidatalabs_services.agent.query_agent import Question
from aidatalabs_services.agent.tuning.tuner import Tuner
from aidatalabs_services.runtime.caller import current_call, current_caller
from aidatalabs_services.runtime.errors import DeadlineExceeded, not_built_yet
from aidatalabs_services.runtime.interceptors.statuses import packed_status, service_error

# Before the call's own end, so that the last event still reaches the caller.
_LAST_EVENT_SECONDS = 0.5
_PICTURE_TYPES = {"png": "image/png", "svg": "image/svg+xml"}


class AgentServicer(pb_grpc.AgentServiceServicer):
    """Translates between the contract and the orchestrator; the policy is theirs."""

    def __init__(self, orchestrator: Orchestrator, drawer: Drawer, tuner: Tuner) -> None:
        self._orchestrator = orchestrator
        self._drawer = drawer
        self._tuner = tuner

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
        async for step in self._orchestrator.ask(question):
            yield step_message(step)

    async def DrawAnswer(
        self,
        request: pb.DrawAnswerRequest,
        context: grpc.aio.ServicerContext[pb.DrawAnswerRequest, httpbody_pb2.HttpBody],
    ) -> httpbody_pb2.HttpBody:
        """See the contract."""
        form: PictureForm = "svg" if request.format == pb.DrawAnswerRequest.SVG else "png"
        question = Question(
            request.platform, current_caller().platform_uid, request.question, model=request.model
        )
        data = await drawn_answer(self._orchestrator.ask(question), self._drawer, form, request.width)
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
        uid = current_caller().platform_uid
        return tuning_message(await self._tuner.tune(request.platform, uid, request.sql, until))

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


def _status(error: Exception) -> status_pb2.Status:
    """What a refused Query would have answered."""
    if isinstance(error, TimeoutError):
        error = DeadlineExceeded("The answer took longer than it may. Ask for less, or allow more time.")
    answer = service_error(error)
    if answer is not error:
        structlog.get_logger().error("answer failed", exc_info=error)
    call = current_call()
    return packed_status(answer, call.request_id, call.trace.trace_id)
