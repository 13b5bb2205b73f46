"""Results and blocks in pieces, over ClickHouse's HTTP interface.

A result is read while the engine produces it. The ordinary client hides the answer's headers, and one of them
is needed: the mark by which an error behind the first bytes is told apart from data. Each stream has a
connection of its own, because hanging up is how a query is stopped.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager

import aiohttp

from aidatalabs_services.data.adapters.clickhouse_errors import EngineFailure
from aidatalabs_services.data.adapters.servers import Server
from aidatalabs_services.runtime.telemetry import trace_headers

_CONNECT_SECONDS = 5.0
_READ_BYTES = 256 * 1024
_MESSAGE_BYTES = 64 * 1024
_PIECE_BYTES = 1024 * 1024
_CODE = re.compile(rb"Code: (\d+)\. ")


class BlockBody:
    """A large block as the body of a request. What the socket does not take at once is copied: a piece only.

    Whoever sends it again sends it from its beginning.
    """

    def __init__(self, payload: bytes) -> None:
        self._payload = memoryview(payload)

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        for begin in range(0, len(self._payload), _PIECE_BYTES):
            yield self._payload[begin : begin + _PIECE_BYTES]  # type: ignore[misc] # aiohttp takes views too


def body_of(payload: bytes) -> BlockBody | bytes:
    """The block itself where it is small."""
    return BlockBody(payload) if len(payload) > _PIECE_BYTES else payload


@asynccontextmanager
async def open_stream(
    server: Server, database: str, sql: str, settings: Mapping[str, object], *, patience_seconds: float
) -> AsyncIterator[AsyncIterator[bytes]]:
    """The bytes of a SELECT whose text names its format, in pieces; leaving the block stops the query.

    Nothing is read ahead of the caller but one buffer. `patience_seconds` bounds each wait for the next
    bytes. Raises EngineFailure with ClickHouse's number, also in the middle of the stream, or TimeoutError.
    """
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=patience_seconds)
    scheme = "https" if server.secure else "http"
    parameters = {name: str(value) for name, value in settings.items()} | {"database": database}
    headers = {"X-ClickHouse-User": server.user, "X-ClickHouse-Key": server.password, **dict(trace_headers())}
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, read_bufsize=_READ_BYTES, auto_decompress=False
    ) as session:
        try:
            answer = await session.post(
                f"{scheme}://{server.host}:{server.port}/",
                params=parameters,
                data=sql.encode(),
                headers=headers,
            )
        except aiohttp.ClientError as error:
            raise _lost(error) from error
        try:
            if answer.status != 200:
                raise EngineFailure(int(answer.headers.get("X-ClickHouse-Exception-Code", "0")))
            async with aclosing(_data(answer)) as pieces:
                yield pieces
        finally:
            answer.close()


async def _data(answer: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """The data of an answer, up to its end or to the engine's error."""
    tag = answer.headers.get("X-ClickHouse-Exception-Tag", "")
    mark = b"\r\n__exception__\r\n" + tag.encode() + b"\r\n"
    held = b""
    try:
        async for piece in answer.content.iter_any():
            held += piece
            place = held.find(mark) if tag else -1
            if place >= 0:
                if place:
                    yield held[:place]
                raise EngineFailure(await _code(answer, held[place + len(mark) :]))
            if len(held) >= len(mark):
                yield held[: 1 - len(mark)]
                held = held[1 - len(mark) :]
    except aiohttp.ClientError as error:
        raise _lost(error) from error
    if held:
        yield held


async def _code(answer: aiohttp.ClientResponse, message: bytes) -> int:
    """ClickHouse's number in the text behind the mark; 0 where there is none."""
    async for piece in answer.content.iter_any():
        if len(message) < _MESSAGE_BYTES:
            message += piece
    found = _CODE.search(message)
    return int(found[1]) if found else 0


def _lost(error: aiohttp.ClientError) -> BaseException:
    if isinstance(error, TimeoutError):
        return TimeoutError()
    return EngineFailure(0)
