"""Bytes on the edge's port as no ordinary client would send them: HTTP/1.1 by hand, HTTP/2 frame by frame."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
MAX_CONCURRENT_STREAMS = 3


async def exchange(port: int, sent: bytes, *, seconds: float = 5.0) -> bytes:
    """Sends bytes; returns all that comes until the edge closes the connection or is silent for `seconds`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = b""
    try:
        writer.write(sent)
        while piece := await asyncio.wait_for(reader.read(65536), seconds):
            received += piece
    except (TimeoutError, ConnectionResetError):
        pass
    finally:
        writer.close()
    return received


def parsed(answer: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Status (0 for no answer), headers and JSON body (empty where it is none) of the first answer."""
    if not answer:
        return 0, {}, {}
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = {key.lower(): value.strip() for key, _, value in pairs}
    length = int(headers.get("content-length", len(body)))
    try:
        found = json.loads(body[:length])
    except ValueError:
        found = {}
    return int(first.split()[1]), headers, found


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One HTTP/2 frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def header_block(headers: Iterable[tuple[str, str]]) -> bytes:
    """HPACK without its table: each header literally, never indexed."""
    return b"".join(b"\x10" + _text(key) + _text(value) for key, value in headers)


def _text(text: str) -> bytes:
    raw = text.encode()
    return number(len(raw), 7, 0) + raw


def number(value: int, bits: int, first: int) -> bytes:
    """An integer as HPACK writes it behind the upper bits of its first byte."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    written, value = [first | most], value - most
    while value >= 128:
        written.append(value % 128 + 128)
        value //= 128
    return bytes([*written, value])


class Http2:
    """One HTTP/2 connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def frames(self, *, seconds: float = 5.0) -> AsyncIterator[tuple[int, int, int, bytes]]:
        """Kind, flags, stream and payload of each frame, until the connection closes or nothing comes."""
        try:
            while True:
                head = await asyncio.wait_for(self.reader.readexactly(9), seconds)
                length = int.from_bytes(head[:3], "big")
                payload = await asyncio.wait_for(self.reader.readexactly(length), seconds)
                yield head[3], head[4], int.from_bytes(head[5:], "big"), payload
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
            return

    async def closed(self, *, seconds: float = 10.0) -> bool:
        """Reads all that comes; True when the edge said GOAWAY with an error or closed within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                async for kind, _, _, payload in self.frames(seconds=2 * seconds):
                    if kind == GOAWAY and int.from_bytes(payload[4:8], "big"):
                        return True
                return True
        except TimeoutError:
            return False


@asynccontextmanager
async def http2(port: int) -> AsyncIterator[Http2]:
    """A connection that has sent its preface and empty settings."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(PREFACE + frame(SETTINGS, 0, 0))
    try:
        yield Http2(reader, writer)
    finally:
        writer.close()
