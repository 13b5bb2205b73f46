"""One channel to the edge: address, token, repeated calls and streams. What clients are made of."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import urllib.parse
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import grpc

from aidatalabs.agent.v1.agent_service_pb2_grpc import AgentServiceStub
from aidatalabs.data.v1.data_service_pb2_grpc import DataServiceStub
from aidatalabs.identity.v1.identity_service_pb2_grpc import IdentityServiceStub
from aidatalabs.monitoring.v1.monitoring_service_pb2_grpc import MonitoringServiceStub
from aidatalabs.platform.v1.platform_service_pb2_grpc import PlatformServiceStub
from aidatalabs_client.errors import ApiError
from aidatalabs_client.retries import Attempts
from aidatalabs_client.tokens import Token, TokenSource

if TYPE_CHECKING:
    # They exist for type checkers only.
    from aidatalabs.agent.v1.agent_service_pb2_grpc import AgentServiceAsyncStub
    from aidatalabs.data.v1.data_service_pb2_grpc import DataServiceAsyncStub
    from aidatalabs.identity.v1.identity_service_pb2_grpc import IdentityServiceAsyncStub
    from aidatalabs.monitoring.v1.monitoring_service_pb2_grpc import MonitoringServiceAsyncStub
    from aidatalabs.platform.v1.platform_service_pb2_grpc import PlatformServiceAsyncStub

_Answer = TypeVar("_Answer")
_Page = TypeVar("_Page", bound="Page")
_DEFAULT_PORT = "8080"
_MESSAGE_BYTES = 64 * 1024 * 1024
_STREAM_SECONDS = 900.0
_OPTIONS = (
    ("grpc.max_receive_message_length", _MESSAGE_BYTES),
    ("grpc.max_send_message_length", _MESSAGE_BYTES),
    # gRPC's own pauses grow to two minutes: an edge that is back would be missed that long.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


class Page(Protocol):
    """One answer of a list method."""

    @property
    def next_page_token(self) -> str:
        """Where the next page begins; empty at the end."""


def _local_edge() -> str:
    """The edge of the mesh on this machine, whose port is AIDATALABS_PORT as for the mesh itself."""
    return f"127.0.0.1:{os.environ.get('AIDATALABS_PORT', '') or _DEFAULT_PORT}"


class Connection:
    """Repeats calls, pages through lists and asks for tokens; what is called is in the classes made of it."""

    def __init__(
        self,
        address: str = "",
        token: Token = "",
        *,
        timeout_seconds: float = 60.0,
        stream_timeout_seconds: float = _STREAM_SECONDS,
        patience_seconds: float = 20.0,
        secure: bool = False,
        ca_file: str | Path | None = None,
    ) -> None:
        given = address or os.environ.get("AIDATALABS_ADDRESS", "") or _local_edge()
        scheme = given.partition("://")[0]
        self._address = given.partition("://")[2].rstrip("/") if scheme in ("http", "https") else given
        self._authority = Path(ca_file).read_bytes() if ca_file else None
        self._secure = secure or scheme == "https" or ca_file is not None
        self._tokens = TokenSource(token or os.environ.get("AIDATALABS_TOKEN", ""))
        self._timeout_seconds = timeout_seconds
        self._stream_timeout_seconds = stream_timeout_seconds
        self._patience_seconds = patience_seconds
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the channel; calls under way end with CANCELLED. A closed client stays closed."""
        self._closed = True
        if "_channel" in self.__dict__:
            await self._channel.close()

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        # Made by the first call: a channel belongs to the event loop that runs when it is made.
        options = list(_OPTIONS)
        if is_this_machine(self._address):
            options.append(("grpc.enable_http_proxy", 0))  # `http_proxy` is for other machines
        if not self._secure:
            return grpc.aio.insecure_channel(self._address, options=options)
        trusted = grpc.ssl_channel_credentials(self._authority)
        return grpc.aio.secure_channel(self._address, trusted, options=options)

    @cached_property
    def _agent(self) -> AgentServiceAsyncStub:
        return AgentServiceStub(self._channel)

    @cached_property
    def _data(self) -> DataServiceAsyncStub:
        return DataServiceStub(self._channel)

    @cached_property
    def _identity(self) -> IdentityServiceAsyncStub:
        return IdentityServiceStub(self._channel)

    @cached_property
    def _monitoring(self) -> MonitoringServiceAsyncStub:
        return MonitoringServiceStub(self._channel)

    @cached_property
    def _platform(self) -> PlatformServiceAsyncStub:
        return PlatformServiceStub(self._channel)

    async def _call(
        self, method: Callable[..., Awaitable[_Answer]], request: object, *, repeatable: bool = True
    ) -> _Answer:
        self._check_open()
        attempts = Attempts(self._patience_seconds)
        renewed = False
        while True:
            token = await self._tokens.current()
            try:
                return await method(request, metadata=_metadata(token), timeout=self._timeout_seconds)
            except grpc.aio.AioRpcError as failed:
                error = ApiError.of(failed, self._address)
            except asyncio.CancelledError:
                self._tell_closed()
                raise
            # Who is turned away for the token has changed nothing: any call may be made again.
            if error.reason == "TOKEN_EXPIRED" and not renewed and self._tokens.forget(token):
                renewed = True
                continue
            await attempts.wait_or_raise(error, repeatable=repeatable)

    async def _stream(
        self, method: Callable[..., AsyncIterable[_Answer]], request: object
    ) -> AsyncIterator[_Answer]:
        """The messages of one call, which is repeated until the first one: later, parts of it were used."""
        self._check_open()
        attempts = Attempts(self._patience_seconds)
        renewed = begun = False
        while True:
            token = await self._tokens.current()
            call: Any = method(request, metadata=_metadata(token), timeout=self._stream_timeout_seconds)
            try:
                async for message in call:
                    begun = True
                    yield message
                return
            except grpc.aio.AioRpcError as failed:
                error = ApiError.of(failed, self._address)
            except asyncio.CancelledError:
                self._tell_closed()
                raise
            finally:
                call.cancel()  # who leaves a stream early ends the work on the mesh; else it does nothing
            if error.reason == "TOKEN_EXPIRED" and not (renewed or begun) and self._tokens.forget(token):
                renewed = True
                continue
            await attempts.wait_or_raise(error, repeatable=not begun)

    def _resumable(self, method: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[[ApiError], bool]]:
        """What opens a stream of requests, again and again, and whether after an error it may be at once.

        A stream lasts as long as the service lets it; one whose token expired goes on with another.
        """
        token = ""

        async def opened(requests: AsyncIterator[Any]) -> Any:
            nonlocal token
            self._check_open()
            token = await self._tokens.current()
            return method(requests, metadata=_metadata(token))

        def renewed(error: ApiError) -> bool:
            return error.reason == "TOKEN_EXPIRED" and self._tokens.forget(token)

        return opened, renewed

    async def _pages(self, page_of: Callable[[str], Awaitable[_Page]]) -> AsyncIterator[_Page]:
        """Every page of a list; `page_of` asks for the one that begins at a page token."""
        page_token = ""
        while True:
            page = await page_of(page_token)
            yield page
            page_token = page.next_page_token
            if not page_token:
                return

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("This client is closed; make another one.")

    def _tell_closed(self) -> None:
        """Raises the error of a call whose channel was closed; gRPC tells it as if its task was cancelled."""
        task = asyncio.current_task()
        if self._closed and not (task is not None and task.cancelling()):
            raise ApiError("CANCELLED", 1, "The client was closed while this call was under way.") from None


def is_this_machine(address: str) -> bool:
    """Whether `host:port`, or a URL, is an address of this machine that no other one can reach."""
    try:
        host = urllib.parse.urlsplit(f"//{address.partition('://')[2] or address}").hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _metadata(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),) if token else ()
