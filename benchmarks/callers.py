"""A process of callers: it repeats one prepared call for a fixed time and prints what it counted.

Each line of its stdin is a `Job` as JSON, each line of its stdout a `Count`. Messages are prepared before and
never parsed after; a caller waits for its answer before it calls again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp
import grpc

from aidatalabs_services.mesh.identities import EDGE_NAME
from aidatalabs_services.runtime.tls import TlsFiles, server_name

_MOST_CHANNELS = 4
_TIMEOUT_SECONDS = 10.0
_WARM_UP_SECONDS = 0.3
_OPTIONS = (
    # A connection for each channel, so that the edge may use all its threads.
    ("grpc.use_local_subchannel_pool", 1),
)

Call = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Job:
    """What is called how: for gRPC `target` and `method`, for HTTP `target` is the URL."""

    kind: str
    """`grpc`, or `http` for a GET, a POST where there is a body."""
    target: str
    headers: dict[str, str]
    method: str = ""
    body: str = ""
    """The request; in hexadecimal for gRPC."""
    callers: int = 1
    seconds: float = 2.0
    certificates: str = ""
    """Folder of the mesh's certificates: the call is then made as the edge, to `service`."""
    service: str = ""


@dataclass(frozen=True)
class Count:
    """What happened: calls answered and failed, the seconds they took, the callers' processor seconds."""

    calls: int
    errors: int
    first_error: str
    seconds: float
    cpu_seconds: float


async def perform(job: Job) -> Count:
    """Runs the job after a short warm-up; errors of the warm-up are counted as well."""
    async with _calls(job) as calls:
        warm = await _repeat(calls, _WARM_UP_SECONDS)
        count = await _repeat(calls, job.seconds)
    return Count(
        count.calls,
        warm.errors + count.errors,
        warm.first_error or count.first_error,
        count.seconds,
        count.cpu_seconds,
    )


async def _repeat(calls: list[Call], seconds: float) -> Count:
    done, failed = 0, list[str]()
    begun, cpu = time.perf_counter(), time.process_time()
    end = begun + seconds

    async def caller(call: Call) -> None:
        nonlocal done
        while time.perf_counter() < end:
            try:
                await call()
            except (grpc.aio.AioRpcError, aiohttp.ClientError, TimeoutError) as error:
                failed.append(str(error)[:500])
            else:
                done += 1

    await asyncio.gather(*(caller(call) for call in calls))
    return Count(
        done,
        len(failed),
        failed[0] if failed else "",
        time.perf_counter() - begun,
        time.process_time() - cpu,
    )


@contextlib.asynccontextmanager
async def _calls(job: Job) -> AsyncIterator[list[Call]]:
    """One function a caller, each making the job's call once."""
    if job.kind == "grpc":
        channels = [_channel(job) for _ in range(min(job.callers, _MOST_CHANNELS))]
        try:
            yield [_grpc_call(job, channels[number % len(channels)]) for number in range(job.callers)]
        finally:
            await asyncio.gather(*(channel.close() for channel in channels))
        return
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    connector = aiohttp.TCPConnector(limit=job.callers)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, raise_for_status=True) as session:
        yield [_http_call(job, session)] * job.callers


def _channel(job: Job) -> grpc.aio.Channel:
    if not job.certificates:
        return grpc.aio.insecure_channel(job.target, options=_OPTIONS)
    tls = TlsFiles.of(Path(job.certificates), EDGE_NAME)
    options = (*_OPTIONS, ("grpc.ssl_target_name_override", server_name(job.service)))
    return grpc.aio.secure_channel(job.target, tls.channel_credentials(), options=options)


def _grpc_call(job: Job, channel: grpc.aio.Channel) -> Call:
    # bytes in, bytes out
    method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(job.method)
    body, metadata = bytes.fromhex(job.body), tuple(job.headers.items())

    async def call() -> None:
        await method(body, metadata=metadata, timeout=_TIMEOUT_SECONDS)

    return call


def _http_call(job: Job, session: aiohttp.ClientSession) -> Call:
    verb, body = ("POST", job.body.encode()) if job.body else ("GET", None)

    async def call() -> None:
        async with session.request(verb, job.target, data=body, headers=job.headers) as response:
            await response.read()

    return call


class Callers:
    """The process of callers, for many jobs one after another; use `running_callers`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def count(self, job: Job) -> Count:
        """Performs a job. Raises RuntimeError when a call failed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
        await self._process.stdin.drain()
        answer = await self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the process of callers ended")
        count = Count(**json.loads(answer))
        if count.errors or not count.calls:
            calls = count.calls + count.errors
            raise RuntimeError(f"{count.errors} of {calls} calls failed: {count.first_error}")
        return count


@contextlib.asynccontextmanager
async def running_callers() -> AsyncIterator[Callers]:
    """Starts the process, and ends it with the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "benchmarks.callers"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1024 * 1024,
    )
    try:
        yield Callers(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def main() -> None:
    """Performs the jobs that arrive, line by line, until stdin closes."""
    for line in sys.stdin:
        print(json.dumps(asdict(asyncio.run(perform(Job(**json.loads(line)))))), flush=True)


if __name__ == "__main__":
    main()
