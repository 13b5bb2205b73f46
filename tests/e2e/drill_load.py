"""Callers of a mesh whose processes are being killed: they write events and read, and note all they saw.

Every batch has a request id and is sent again, with that id, until it is acknowledged, as a careful client
does. What a caller is told meanwhile is noted, so that the drill can judge it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import grpc
from google.protobuf import json_format

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs_client import Client
from aidatalabs_client.errors import ApiError

BATCH = 10
PAUSE_SECONDS = 0.04
"""Between two batches of one writer: the load is steady, not all the machine can do."""

READERS = ("identity", "platform", "data", "agent", "monitoring")
"""Each reads through the service of its name."""

_RETRY_SECONDS = 0.1
_BLOCK = 1_000_000


@dataclass(frozen=True)
class Seen:
    """One failed attempt: when, by whom, and what the caller was told."""

    at: float
    caller: str
    code: str
    """The gRPC code by name; empty when nobody answered (refused, reset, closed in the middle)."""
    reason: str
    retry_after_seconds: float | None
    text: str


@dataclass
class Load:
    """What all callers did: acknowledged events with their times, failed attempts, reads that went well."""

    address: str
    token: str
    platform: str
    acknowledged: dict[int, float] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    retries: int = 0
    """Batches that were acknowledged after at least one failed attempt."""
    reads: Counter[str] = field(default_factory=Counter)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def body(self, first: int, request_id: str) -> dict[str, Any]:
        """One batch as REST takes it; `user_id` is the event's own number."""
        events = [
            {
                "timestamp": "2026-01-02T03:04:05.678Z",
                "event_type": "drill",
                "user_id": str(number),
                "properties": {"batch": request_id},
                "value": number / 2,
            }
            for number in range(first, first + BATCH)
        ]
        return {"platform": self.platform, "table": "events", "request_id": request_id, "events": events}

    async def write(self, block: int, send: Callable[[dict[str, Any]], Awaitable[Seen | None]]) -> None:
        """Write batch after batch until told to stop; the last one is acknowledged as well."""
        for number in itertools.count():
            if self.stopping.is_set():
                return
            first = block * _BLOCK + number * BATCH
            body = self.body(first, str(uuid.uuid4()))
            failed = False
            while (seen := await send(body)) is not None:
                self.seen.append(seen)
                failed = True
                await asyncio.sleep(seen.retry_after_seconds or _RETRY_SECONDS)
            self.retries += failed
            self.acknowledged |= dict.fromkeys(range(first, first + BATCH), time.monotonic())
            await asyncio.sleep(PAUSE_SECONDS)

    async def read(self, name: str, ask: Callable[[], Awaitable[Seen | None]]) -> None:
        """Ask the same thing again and again until told to stop."""
        while not self.stopping.is_set():
            seen = await ask()
            if seen is None:
                self.reads[name] += 1
            else:
                self.seen.append(seen)
            await asyncio.sleep(0.1 if seen is None else seen.retry_after_seconds or _RETRY_SECONDS)


class RestCaller:
    """A caller over REST with one connection pool."""

    def __init__(self, load: Load, name: str, session: aiohttp.ClientSession) -> None:
        self._load, self._name, self._session = load, name, session

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Seen | None:
        """None when it was answered with 2xx, or with 501 where the contract is not built yet."""
        try:
            async with self._session.request(
                method,
                f"http://{self._load.address}{path}",
                json=body,
                headers={"authorization": f"Bearer {self._load.token}"},
            ) as answer:
                if answer.status < 300 or answer.status == 501:
                    await answer.read()
                    return None
                return self._refused(answer.status, await answer.text())
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, ConnectionError) as error:
            return Seen(time.monotonic(), self._name, "", "", None, type(error).__name__)

    def _refused(self, status: int, text: str) -> Seen:
        refusal = error_body(text)
        code = grpc_code(refusal.get("code")) if refusal else f"HTTP_{status}"
        details = {one.get("@type", "").rpartition(".")[2]: one for one in refusal.get("details", ())}
        reason = details.get("ErrorInfo", {}).get("reason", "")
        retry = details.get("RetryInfo", {})
        delay = retry.get("retryDelay") or retry.get("retry_delay")
        seconds = float(delay.rstrip("s")) if delay else None
        return Seen(time.monotonic(), self._name, code, reason, seconds, f"{status} {text[:300]}")


def error_body(text: str) -> dict[str, Any]:
    """The error body, empty when it is none of ours."""
    with contextlib.suppress(ValueError):
        found = json.loads(text)
        return found if isinstance(found, dict) else {}
    return {}


def grpc_code(number: object) -> str:
    """A code's name by its number."""
    return next((code.name for code in grpc.StatusCode if code.value[0] == number), f"CODE_{number}")


class GrpcCaller:
    """A caller over native gRPC with its own retries, which shows each single attempt."""

    def __init__(self, load: Load, name: str, channel: grpc.aio.Channel) -> None:
        self._load, self._name = load, name
        self._stub = pb_grpc.DataServiceStub(channel)

    async def ingest(self, body: dict[str, Any]) -> Seen | None:
        """One attempt at one batch."""
        request = json_format.ParseDict(body, pb.IngestRequest())
        metadata = (("authorization", f"Bearer {self._load.token}"),)
        try:
            await self._stub.Ingest(request, metadata=metadata, timeout=20.0)
        except grpc.aio.AioRpcError as failed:
            return _of_api_error(self._name, ApiError.of(failed))
        return None


class SdkCaller:
    """A caller through the SDK, whose own retries come first; what it raises at last is noted."""

    def __init__(self, load: Load, name: str, client: Client) -> None:
        self._load, self._name, self._client = load, name, client

    async def ingest(self, body: dict[str, Any]) -> Seen | None:
        """One call of the SDK for one batch."""
        try:
            await self._client.ingest(json_format.ParseDict(body, pb.IngestRequest()))
        except ApiError as error:
            return _of_api_error(self._name, error)
        return None


def _of_api_error(caller: str, error: ApiError) -> Seen:
    # Without a reason nobody of the mesh answered: the transport itself says UNAVAILABLE.
    nobody = error.code == "UNAVAILABLE" and not error.reason
    code = "" if nobody else error.code
    return Seen(time.monotonic(), caller, code, error.reason, error.retry_after_seconds, str(error))


@contextlib.asynccontextmanager
async def running_load(load: Load) -> AsyncIterator[None]:
    """Four writers and five readers as long as the block lasts; every batch is acknowledged at its end."""
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
        grpc.aio.insecure_channel(load.address, options=[("grpc.max_reconnect_backoff_ms", 500)]) as channel,
        Client(load.address, load.token) as client,
    ):
        rest = RestCaller(load, "rest", session)

        def reader(name: str, method: str, path: str, body: dict[str, Any] | None = None) -> Awaitable[None]:
            return load.read(name, lambda: RestCaller(load, name, session).call(method, path, body))

        count = {"platform": load.platform, "sql": "SELECT count() FROM events"}
        question = {"platform": load.platform, "question": "How many events are there?"}
        writers = [
            load.write(1, lambda body: rest.call("POST", "/api/v1/data/ingest", body)),
            load.write(2, lambda body: rest.call("POST", "/api/v1/data/ingest", body)),
            load.write(3, GrpcCaller(load, "grpc", channel).ingest),
            load.write(4, SdkCaller(load, "sdk", client).ingest),
        ]
        calls: dict[str, tuple[str, str, dict[str, Any] | None]] = {
            "identity": ("GET", "/api/v1/users/me", None),
            "platform": ("GET", f"/api/v1/{load.platform}", None),
            "data": ("POST", "/api/v1/data/query", count),
            "agent": ("POST", "/api/v1/agents/query", question),
            "monitoring": ("GET", f"/api/v1/monitoring/alerts?platform={load.platform}", None),
        }
        readers = [reader(name, *calls[name]) for name in READERS]
        tasks = [asyncio.ensure_future(work) for work in (*writers, *readers)]
        try:
            yield
            load.stopping.set()
            await asyncio.wait_for(asyncio.gather(*tasks), 60.0)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
