"""The asynchronous client: one channel to the edge, one method for each thing people do."""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import TypeVar

import grpc
from google.protobuf.struct_pb2 import Struct

from aidatalabs.agent.v1 import agent_service_pb2 as agent_pb
from aidatalabs.agent.v1 import agent_service_pb2_grpc as agent_pb_grpc
from aidatalabs.data.v1 import data_service_pb2 as data_pb
from aidatalabs.data.v1 import data_service_pb2_grpc as data_pb_grpc
from aidatalabs.data.v1 import ingest_pb2, table_pb2
from aidatalabs.identity.v1 import identity_service_pb2 as identity_pb
from aidatalabs.identity.v1 import identity_service_pb2_grpc as identity_pb_grpc
from aidatalabs.identity.v1 import user_pb2
from aidatalabs.platform.v1 import platform_pb2
from aidatalabs.platform.v1 import platform_service_pb2 as platform_pb
from aidatalabs.platform.v1 import platform_service_pb2_grpc as platform_pb_grpc
from aidatalabs_client.errors import ApiError

_Answer = TypeVar("_Answer")
_MESSAGE_BYTES = 64 * 1024 * 1024
_ATTEMPTS = 5
_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 2.0
# gRPC's own pauses grow to two minutes: an edge that is back would be missed that long.
_RECONNECT_MILLISECONDS = (100, 1000)


class Client:
    """Talks to one mesh with one token; use it as an async context manager.

    `address` is `host:port` of the edge. Every method raises `ApiError`. Calls that may be repeated without
    harm are repeated when a service is down or overloaded, after the time it names: five times at least, and
    for `patience_seconds` where the mesh answers that a service is about to be back.
    """

    def __init__(
        self, address: str, token: str, *, timeout_seconds: float = 60.0, patience_seconds: float = 20.0
    ) -> None:
        options = [
            ("grpc.max_receive_message_length", _MESSAGE_BYTES),
            ("grpc.max_send_message_length", _MESSAGE_BYTES),
            ("grpc.initial_reconnect_backoff_ms", _RECONNECT_MILLISECONDS[0]),
            ("grpc.max_reconnect_backoff_ms", _RECONNECT_MILLISECONDS[1]),
        ]
        self._channel = grpc.aio.insecure_channel(address, options=options)
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._timeout_seconds = timeout_seconds
        self._patience_seconds = patience_seconds
        self._agent = agent_pb_grpc.AgentServiceStub(self._channel)
        self._data = data_pb_grpc.DataServiceStub(self._channel)
        self._identity = identity_pb_grpc.IdentityServiceStub(self._channel)
        self._platform = platform_pb_grpc.PlatformServiceStub(self._channel)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the channel; calls under way end with CANCELLED."""
        await self._channel.close()

    async def ask(self, platform: str, question: str, *, max_rows: int = 0) -> agent_pb.QueryResponse:
        """Asks a question in plain words; the answer holds either its parts or a clarification."""
        request = agent_pb.QueryRequest(platform=platform, question=question, max_rows=max_rows)
        return await self._call(self._agent.Query, request)

    async def stream_answer(
        self, platform: str, question: str, *, max_rows: int = 0
    ) -> AsyncIterator[agent_pb.StreamAnswerResponse]:
        """Asks, and yields each part of the answer as it is known; the last event is `done` or `error`."""
        request = agent_pb.StreamAnswerRequest(platform=platform, question=question, max_rows=max_rows)
        async for event in self._stream(self._agent.StreamAnswer, request):
            yield event

    async def query(self, platform: str, sql: str, *, max_rows: int = 0) -> data_pb.QueryResponse:
        """Runs one SELECT and returns at most `max_rows` rows (0: the service's 1,000)."""
        request = data_pb.QueryRequest(platform=platform, sql=sql, max_rows=max_rows)
        return await self._call(self._data.Query, request)

    async def stream_query(self, platform: str, sql: str) -> AsyncIterator[bytes]:
        """Runs one SELECT and yields pieces of one Arrow IPC stream, in order; joined they are the whole."""
        request = data_pb.StreamQueryRequest(platform=platform, sql=sql)
        async for piece in self._stream(self._data.StreamQuery, request):
            yield piece.arrow_ipc

    async def export(self, platform: str, sql: str, form: str) -> AsyncIterator[bytes]:
        """Runs one SELECT and yields its rows as a file, piece by piece.

        `form` is CSV, JSONL, PARQUET or ARROW. A query that fails does so before the first piece.
        """
        request = data_pb.ExportRequest(
            platform=platform, sql=sql, format=data_pb.ExportRequest.Format.Value(form)
        )
        async for piece in self._stream(self._data.Export, request):
            yield piece.data

    async def ingest_rows(
        self, platform: str, table: str, rows: Iterable[Struct], *, request_id: str = ""
    ) -> ingest_pb2.Receipt:
        """Stores rows, at most 10,000; repeating a call with its request id stores nothing twice."""
        request = data_pb.IngestRequest(
            platform=platform, table=table, request_id=request_id or str(uuid.uuid4()), rows=rows
        )
        return await self.ingest(request)

    async def ingest(self, request: data_pb.IngestRequest) -> ingest_pb2.Receipt:
        """Sends an ingest request as it is; it needs a request id to be repeated safely."""
        answer = await self._call(self._data.Ingest, request, repeatable=bool(request.request_id))
        return answer.receipt

    async def create_table(self, platform: str, table: table_pb2.Table) -> table_pb2.Table:
        """Creates a table, or returns it when the very same one exists."""
        request = data_pb.CreateTableRequest(platform=platform, table=table)
        return await self._call(self._data.CreateTable, request)

    async def add_column(self, platform: str, table: str, column: table_pb2.Column) -> table_pb2.Table:
        """Adds a column at the end of a table, or returns the table that has it."""
        request = data_pb.AddColumnRequest(platform=platform, table=table, column=column)
        return await self._call(self._data.AddColumn, request)

    async def get_table(self, platform: str, table: str) -> table_pb2.Table:
        """Returns one table with its columns and row count."""
        return await self._call(self._data.GetTable, data_pb.GetTableRequest(platform=platform, table=table))

    async def list_tables(self, platform: str) -> Sequence[table_pb2.Table]:
        """Returns every table of the platform."""
        tables: list[table_pb2.Table] = []
        page_token = ""
        while True:
            request = data_pb.ListTablesRequest(platform=platform, page_size=1000, page_token=page_token)
            page = await self._call(self._data.ListTables, request)
            tables += page.tables
            page_token = page.next_page_token
            if not page_token:
                return tables

    async def drop_table(self, platform: str, table: str) -> None:
        """Drops a table with all its rows."""
        await self._call(self._data.DropTable, data_pb.DropTableRequest(platform=platform, table=table))

    async def create_platform(
        self, platform_id: str, display_name: str = "", *, request_id: str = ""
    ) -> platform_pb2.Platform:
        """Creates a platform; an empty id lets the service choose one."""
        request = platform_pb.CreatePlatformRequest(
            platform_id=platform_id,
            platform=platform_pb2.Platform(display_name=display_name),
            request_id=request_id or str(uuid.uuid4()),
        )
        return await self._call(self._platform.CreatePlatform, request)

    async def get_platform(self, name: str) -> platform_pb2.Platform:
        """Returns the platform `platforms/{id}`."""
        return await self._call(self._platform.GetPlatform, platform_pb.GetPlatformRequest(name=name))

    async def list_platforms(self) -> Sequence[platform_pb2.Platform]:
        """Returns every platform the caller may see."""
        platforms: list[platform_pb2.Platform] = []
        page_token = ""
        while True:
            request = platform_pb.ListPlatformsRequest(page_size=1000, page_token=page_token)
            page = await self._call(self._platform.ListPlatforms, request)
            platforms += page.platforms
            page_token = page.next_page_token
            if not page_token:
                return platforms

    async def update_platform(
        self, platform: platform_pb2.Platform, *, paths: Sequence[str] = (), request_id: str = ""
    ) -> platform_pb2.Platform:
        """Changes display_name and config, or what `paths` names of them; a set etag must still match."""
        request = platform_pb.UpdatePlatformRequest(
            platform=platform, request_id=request_id or str(uuid.uuid4())
        )
        if paths:
            request.update_mask.paths.extend(paths)
        return await self._call(self._platform.UpdatePlatform, request)

    async def delete_platform(self, name: str, *, etag: str = "", request_id: str = "") -> None:
        """Deletes a platform with all its data; only the version that `etag` names, where set."""
        request = platform_pb.DeletePlatformRequest(
            name=name, etag=etag, request_id=request_id or str(uuid.uuid4())
        )
        await self._call(self._platform.DeletePlatform, request)

    async def list_members(self, platform: str) -> Sequence[platform_pb2.Member]:
        """Returns everybody with a role on the platform, the owner first."""
        answer = await self._call(
            self._platform.ListMembers, platform_pb.ListMembersRequest(platform=platform)
        )
        return answer.members

    async def remove_member(self, platform: str, member: str) -> None:
        """Takes the role of `users/{id}` or `allUsers` on the platform away."""
        request = platform_pb.RemoveMemberRequest(platform=platform, member=member)
        await self._call(self._platform.RemoveMember, request)

    async def set_member(self, platform: str, member: platform_pb2.Member) -> platform_pb2.Member:
        """Gives a user, or `allUsers`, a role on the platform."""
        request = platform_pb.SetMemberRequest(platform=platform, member=member)
        return await self._call(self._platform.SetMember, request)

    async def current_user(self) -> user_pb2.User:
        """Returns the user of the token."""
        return await self._call(self._identity.GetCurrentUser, identity_pb.GetCurrentUserRequest())

    async def rotate_signing_key(self, *, request_id: str = "") -> Sequence[identity_pb.SigningKey]:
        """Signs new tokens with a new key; returns the public keys there are, the new one first."""
        request = identity_pb.RotateSigningKeyRequest(request_id=request_id or str(uuid.uuid4()))
        answer = await self._call(self._identity.RotateSigningKey, request)
        return answer.keys

    async def _stream(
        self, method: Callable[..., AsyncIterable[_Answer]], request: object
    ) -> AsyncIterator[_Answer]:
        """The messages of one call, which is not repeated: a part of it may have been used."""
        try:
            async for message in method(request, metadata=self._metadata, timeout=self._timeout_seconds):
                yield message
        except grpc.aio.AioRpcError as failed:
            raise ApiError.of(failed) from None

    async def _call(
        self,
        method: Callable[..., Awaitable[_Answer]],
        request: object,
        *,
        repeatable: bool = True,
    ) -> _Answer:
        begun = time.monotonic()
        for attempt in itertools.count(1):
            try:
                return await method(request, metadata=self._metadata, timeout=self._timeout_seconds)
            except grpc.aio.AioRpcError as failed:
                error = ApiError.of(failed)
            waits = error.code == "UNAVAILABLE" or error.retry_after_seconds is not None
            # Without a reason nobody of the mesh answered, and nothing says that it will.
            patient = bool(error.reason) and time.monotonic() - begun < self._patience_seconds
            if (error.retry_after_seconds or 0.0) > max(self._patience_seconds, _LONGEST_PAUSE_SECONDS):
                raise error  # nobody waits that long inside a call
            if not repeatable or not waits or (attempt >= _ATTEMPTS and not patient):
                raise error
            pause = min(_PAUSE_SECONDS * 2.0 ** min(attempt - 1, 8), _LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(error.retry_after_seconds or pause)
        raise AssertionError("unreachable: the last attempt returns or raises")
