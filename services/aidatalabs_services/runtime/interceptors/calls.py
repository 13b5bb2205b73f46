"""The one interceptor: runs every step around a handler, for all four kinds of calls alike."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import grpc
import structlog
from google.protobuf.message import Message

from aidatalabs_services.runtime.access import Gate, MethodAccess, Scope, check_peer, platform_of
from aidatalabs_services.runtime.caller import Call, Caller, set_current_call
from aidatalabs_services.runtime.channels import REQUEST_ID_KEY
from aidatalabs_services.runtime.deserialiser import Deserializer, decode
from aidatalabs_services.runtime.errors import (
    DeadlineExceeded,
    FieldViolation,
    InvalidRequest,
    MalformedMessage,
    MethodNotFound,
    Overloaded,
    ServiceUnavailable,
)
from aidatalabs_services.runtime.interceptors.admission import Admission
from aidatalabs_services.runtime.interceptors.answers import Answers, Place
from aidatalabs_services.runtime.interceptors.identities import Metadata, caller_of, request_id_of
from aidatalabs_services.runtime.interceptors.statuses import service_error, trailing_status
from aidatalabs_services.runtime.interceptors.validation import RequestRules
from aidatalabs_services.runtime.metrics_calls import CallMeter
from aidatalabs_services.runtime.telemetry import end_rpc_span, rpc_span, tracing_is_on
from aidatalabs_services.runtime.telemetry_context import new_trace, read_trace
from aidatalabs_services.runtime.tls import peer_name
from aidatalabs_services.runtime.tokens import TokenVerifier

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
AnyHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Behaviour = Callable[..., Any]
Answer = TypeVar("Answer")
Work = Callable[[Call, Metadata], Awaitable[Answer]]

_UNKNOWN_METHOD_SECONDS = 5.0
_OPEN_STREAMS = 512  # health watches last, and nobody needs a token for one


@dataclass(frozen=True)
class _Method:
    """A handler as it is run: its access row, its coders, what of it is a stream, and what it does."""

    row: MethodAccess
    read: Deserializer
    write: Callable[[Any], bytes]
    reads_many: bool
    writes_many: bool
    behaviour: Behaviour


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps each handler once; `rows` holds the access rows by method, those of health included.

    Methods whose scope is OPEN pass neither the peer check, the token check nor the admission. The peer
    check needs `peers_are_known`, that is, connections with mutual TLS.
    """

    def __init__(
        self,
        rows: Mapping[str, MethodAccess],
        verifier: TokenVerifier,
        gate: Gate,
        admission: Admission,
        answers: Answers,
        rules: RequestRules,
        meter: CallMeter,
        *,
        peers_are_known: bool = False,
    ) -> None:
        self._rows = rows
        self._verifier = verifier
        self._gate = gate
        self._admission = admission
        self._answers = answers
        self._rules = rules
        self._meter = meter
        self._peers_are_known = peers_are_known
        self._wrapped: dict[str, AnyHandler] = {}
        self._open_calls: set[asyncio.Task[Any]] = set()
        self._draining = False
        # Bound once: binding anew for every line costs more than writing it.
        self._log = structlog.get_logger().bind()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[AnyHandler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> AnyHandler:
        """The wrapped handler of a method; for an unknown one a handler that says so."""
        method = handler_call_details.method
        known = self._wrapped.get(method)
        if known is None:
            handler = await continuation(handler_call_details)
            row = self._rows.get(method)
            if handler is None or row is None:
                return self._unknown(method)
            known = self._wrapped[method] = self._wrap(row, handler)
        return known

    def end_open_calls(self) -> None:
        """Ends the calls that would last for ever (health watches); a drain does not wait for them."""
        self._draining = True
        for task in self._open_calls:
            task.cancel()

    def _unknown(self, method: str) -> AnyHandler:
        row = MethodAccess(method, Scope.OPEN, deadline_seconds=_UNKNOWN_METHOD_SECONDS)

        async def refuse(_requests: object, context: Context) -> None:
            async def work(_call: Call, _metadata: Metadata) -> None:
                raise MethodNotFound(
                    "No service here has this method. Server reflection lists those there are.",
                    metadata={"method": method},
                )

            await self._run(row, context, work)

        return grpc.stream_stream_rpc_method_handler(refuse)

    def _wrap(self, row: MethodAccess, handler: AnyHandler) -> AnyHandler:
        """A handler with the steps around it, which decodes and encodes by itself, within the steps.

        It reads every request as a stream. gRPC's own reading of a single message never ends when the caller
        sends none, and lies outside the deadline.
        """
        kinds = (handler.unary_unary, handler.unary_stream, handler.stream_unary, handler.stream_stream)
        method = _Method(
            row,
            handler.request_deserializer or _as_it_is,
            handler.response_serializer or _as_it_is,
            handler.request_streaming,
            handler.response_streaming,
            next(kind for kind in kinds if kind is not None),
        )

        async def handle(incoming: AsyncIterator[bytes], context: Context) -> Any:
            return await self._run(
                row, context, lambda call, metadata: self._answer(method, call, metadata, incoming, context)
            )

        # Open methods answer with messages: some write by themselves.
        encode = handler.response_serializer if row.scope is Scope.OPEN else None
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(handle, None, encode)
        return grpc.stream_unary_rpc_method_handler(handle, None, encode)

    async def _run(self, row: MethodAccess, context: Context, work: Work[Answer]) -> Answer:
        """Request id, trace, deadline, errors, figures and the log line around `work`."""
        begun = time.monotonic()
        meter = self._meter.begin(row.method)
        metadata: Metadata = tuple(context.invocation_metadata() or ())
        trace = read_trace(metadata)
        # Health checks every second would drown the rest.
        span = rpc_span(row.method, trace) if tracing_is_on() and row.scope is not Scope.OPEN else None
        remaining: float | None = context.time_remaining()
        seconds = row.deadline_seconds if remaining is None else min(remaining, row.deadline_seconds)
        trace = span.trace if span is not None else trace or new_trace()
        call = Call(request_id_of(metadata), row.method, begun + seconds, trace=trace)
        set_current_call(call)
        # Only trailing: leading metadata sent early would turn a refused stream into HTTP 200 at the edge.
        context.set_trailing_metadata(((REQUEST_ID_KEY, call.request_id),))
        code, reason = "OK", ""
        try:
            return await self._in_time(seconds, work(call, metadata))
        except asyncio.CancelledError:
            code = "CANCELLED"
            raise
        except grpc.aio.AbortError:
            code = context.code().name if isinstance(context.code(), grpc.StatusCode) else "ABORTED"
            raise
        except Exception as error:  # noqa: BLE001 - the outermost place: whatever it is becomes a status
            answer = service_error(error)
            code, reason = answer.code.name, answer.reason
            if answer is not error:
                self._log.error("call failed", exc_info=error)
            status, text, trailing = trailing_status(answer, call.request_id, trace.trace_id)
        finally:
            spent = time.monotonic() - begun
            self._log_call(row, code, reason, spent)
            self._meter.end(meter, code, reason, spent)
            if span is not None:
                end_rpc_span(span, call.request_id, code, reason)
        try:
            return await context.abort(status, text, trailing)
        except grpc.aio.InternalError:  # the reader left meanwhile: nobody is there to be told
            raise asyncio.CancelledError from None

    async def _in_time(self, seconds: float, work: Awaitable[Answer]) -> Answer:
        scope = asyncio.timeout(seconds)
        try:
            async with scope:
                return await work
        except TimeoutError:
            if not scope.expired():
                raise
            raise DeadlineExceeded(
                "The call ran out of time before its answer was complete. Ask for less, or allow more time.",
                metadata={"seconds": f"{seconds:.3f}"},
            ) from None

    def _log_call(self, row: MethodAccess, code: str, reason: str, seconds: float) -> None:
        if row.scope is Scope.OPEN and code == "OK":
            return
        more = {"reason": reason} if reason else {}
        self._log.info("call", code=code, seconds=round(seconds, 6), **more)

    async def _answer(
        self,
        method: _Method,
        call: Call,
        metadata: Metadata,
        incoming: AsyncIterator[bytes],
        context: Context,
    ) -> Any:
        """Peer, caller, room, decoding, rules and gate, then the handler in its place."""
        if method.row.scope is Scope.OPEN:
            return await self._answer_open(method, incoming, context)
        if self._peers_are_known:
            check_peer(method.row, peer_name(context))
        caller = await caller_of(metadata, self._verifier)
        self._admission.enter(caller.user)
        try:
            if method.reads_many:
                async with aclosing(self._all_decoded(method, incoming)) as requests:
                    return await self._answer_stream(method, call, caller, requests, context)
            # Slow senders and the look-up of roles wait outside of the places; places go by tenant.
            data = await _only(incoming)
            request = self._decoded(method, data)
            admitted = await self._admit(method.row, call, caller, request)
            return await self._in_place(method, admitted, request, context, len(data))
        finally:
            self._admission.leave(caller.user)

    async def _in_place(
        self, method: _Method, caller: Caller, request: Any, context: Context, message_bytes: int = 0
    ) -> bytes | None:
        """The handler, in a place of the caller's tenant: the one answer, or None after several were sent."""
        tenant = caller.platform_uid or caller.user
        place = Place(self._admission, tenant, queued=method.row.queued)
        await place.take(message_bytes)
        try:
            if not method.writes_many:
                answer = method.write(await method.behaviour(request, context))
                self._answers.count_until_sent(context, answer, caller.user)
                return answer
            async with aclosing(method.behaviour(request, context)) as answers:
                async for answer in answers:
                    await self._answers.send(context, method.write(answer), caller.user, place)
                    await place.take()
            return None
        finally:
            place.give()

    async def _answer_open(self, method: _Method, incoming: AsyncIterator[bytes], context: Context) -> Any:
        if method.writes_many and len(self._open_calls) >= _OPEN_STREAMS:
            raise Overloaded("Too many watches are open here. Ask with Check.", retry_after_seconds=1.0)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - coroutines run in tasks
        self._open_calls.add(task)
        try:
            if not method.reads_many:
                request = self._decoded(method, await _only(incoming))
                return await _answer_of(method.behaviour(request, context), context)
            async with aclosing(self._all_decoded(method, incoming)) as requests:
                return await _answer_of(method.behaviour(requests, context), context)
        except asyncio.CancelledError:
            if not self._draining:
                raise
            raise ServiceUnavailable(
                "This server is stopping. Connect again.", retry_after_seconds=1.0
            ) from None
        finally:
            self._open_calls.discard(task)

    async def _answer_stream(
        self,
        method: _Method,
        call: Call,
        caller: Caller,
        requests: AsyncGenerator[Message, None],
        context: Context,
    ) -> Any:
        """The gate needs the platform, so the first message is read before the handler runs."""
        row = method.row
        if row.scope not in (Scope.PLATFORM, Scope.PLATFORM_OR_MESH):
            admitted = await self._admit(row, call, caller, None)
            return await self._in_place(method, admitted, requests, context)
        first = await anext(requests, None)
        if first is None:
            raise InvalidRequest("The stream holds no message. Send at least one.")
        admitted = await self._admit(row, call, caller, first)

        async def checked() -> AsyncGenerator[Message, None]:
            yield first
            async for message in requests:
                if platform_of(row, message) not in ("", admitted.platform):
                    violation = FieldViolation(row.platform_field, "must stay the same within a stream")
                    raise InvalidRequest("A stream serves one platform.", violations=[violation])
                # Again for each message: a role that was taken away counts for streams that are open too.
                await self._gate.admit(row, caller, first)
                yield message

        async with aclosing(checked()) as messages:
            return await self._in_place(method, admitted, messages, context)

    async def _admit(self, row: MethodAccess, call: Call, caller: Caller, message: Message | None) -> Caller:
        set_current_call(_call_of(call, caller))  # a remote role directory passes the token on
        admitted = await self._gate.admit(row, caller, message)
        if admitted is not caller:
            set_current_call(_call_of(call, admitted))
        return admitted

    def _decoded(self, method: _Method, data: bytes) -> Message:
        message = decode(method.read, data, method.row.request_bytes)
        if isinstance(message, Message):
            self._rules.check(message)
        return message

    async def _all_decoded(
        self, method: _Method, incoming: AsyncIterator[bytes]
    ) -> AsyncGenerator[Message, None]:
        async for data in incoming:
            yield self._decoded(method, data)


def _call_of(call: Call, caller: Caller) -> Call:
    return Call(call.request_id, call.method, call.deadline, caller, call.trace)


async def _answer_of(answering: Any, context: Context) -> Any:
    """What an open method answers; several answers are written here, or by the method (health watches)."""
    if not hasattr(answering, "__aiter__"):
        return await answering
    async with aclosing(answering) as answers:
        async for answer in answers:
            await context.write(answer)
    return None


async def _only(incoming: AsyncIterator[bytes]) -> bytes:
    """The one message of a call that has one; what follows it is not read."""
    data = await anext(incoming, None)
    if data is None:
        raise MalformedMessage("The call holds no message. This method takes exactly one.")
    return data


def _as_it_is(value: Any) -> Any:
    return value
