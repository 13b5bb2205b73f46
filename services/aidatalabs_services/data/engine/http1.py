"""The part of HTTP/1.1 a ClickHouse client uses, over one blocking socket, every size and wait bounded."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from aidatalabs_services.data.engine.limits import EngineLimits

_RECEIVE_BYTES = 256 * 1024
_LINE_BYTES = 4096
_HEADER_COUNT = 100
_PHRASES = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}


class BadRequest(Exception):
    """Bytes that are no HTTP request this server reads; the connection is closed after the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class ClientGone(Exception):
    """The client closed the connection, or sent nothing for too long, before its request was complete."""


@dataclass(frozen=True)
class Request:
    """One request's head: names of headers in small letters, URL parameters decoded, last one wins."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    keep_alive: bool
    content_length: int | None
    chunked: bool
    started: float = field(default_factory=time.monotonic)


class HttpConnection:
    """One client connection: reads heads and bodies, writes answers."""

    def __init__(self, sock: socket.socket, limits: EngineLimits) -> None:
        self._sock = sock
        self._limits = limits
        self._buffer = bytearray()
        self._body_left: Iterator[bytes] | None = None
        self._body_done = True
        self.expects_continue = False

    def fileno(self) -> int:
        """The socket's descriptor, for the watcher."""
        return self._sock.fileno()

    def read_request(self) -> Request | None:
        """The next request's head, or None when the client is done or idle for too long."""
        deadline = time.monotonic() + self._limits.idle_seconds
        started = bool(self._buffer)
        if started:
            deadline = time.monotonic() + self._limits.head_seconds
        searched = 0
        while (end := self._buffer.find(b"\r\n\r\n", searched)) < 0:
            if len(self._buffer) > self._limits.max_head_bytes:
                raise BadRequest(431, "The request line and headers are too long")
            searched = max(0, len(self._buffer) - 3)
            try:
                received = self._receive(deadline)
            except ClientGone:
                if started:
                    raise
                return None
            if not started:
                started, deadline = True, time.monotonic() + self._limits.head_seconds
            self._buffer += received
        if end > self._limits.max_head_bytes:
            raise BadRequest(431, "The request line and headers are too long")
        head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        request = parse_head(head)
        self.expects_continue = request.headers.get("expect", "").lower() == "100-continue"
        self._body_left = self._body(request)
        self._body_done = not request.chunked and not request.content_length
        return request

    def body(self) -> Iterator[bytes]:
        """The current request's body without transfer encoding. Raises ClientGone, BadRequest."""
        if self._body_left is None:
            raise LookupError("no request was read")
        if self.expects_continue:
            self.expects_continue = False
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self._body_left

    def is_between_requests(self) -> bool:
        """Whether the current body was read to its end, so that the connection can take another request."""
        return self._body_done

    def send(self, *pieces: bytes | memoryview) -> None:
        """Sends all pieces. Raises OSError when the client is gone or reads too slowly."""
        self._sock.settimeout(self._limits.send_seconds)
        if len(pieces) > 1 and sum(map(len, pieces)) <= _RECEIVE_BYTES:
            self._sock.sendall(b"".join(pieces))
            return
        for piece in pieces:
            self._sock.sendall(piece)

    def close(self, *, linger: bool = False) -> None:
        """Closes; with `linger` first lets the client read the answer to a request not read to its end."""
        try:
            if linger:
                self._sock.shutdown(socket.SHUT_WR)
                deadline, dropped = time.monotonic() + 1.0, 0
                while dropped < 64 * _RECEIVE_BYTES:
                    dropped += len(self._receive(deadline))
        except (OSError, ClientGone):
            pass
        finally:
            self._sock.close()

    def _receive(self, deadline: float) -> bytes:
        left = deadline - time.monotonic()
        if left <= 0:
            raise ClientGone("too slow")
        self._sock.settimeout(left)
        try:
            received = self._sock.recv(_RECEIVE_BYTES)
        except OSError as error:
            raise ClientGone("no data") from error
        if not received:
            raise ClientGone("closed")
        return received

    def _body(self, request: Request) -> Iterator[bytes]:
        deadline = time.monotonic() + self._limits.body_seconds
        if request.chunked:
            yield from self._chunks(deadline)
        elif request.content_length:
            yield from self._exactly(request.content_length, deadline)
        self._body_done = True

    def _exactly(self, size: int, deadline: float) -> Iterator[bytes]:
        while size:
            piece = bytes(self._buffer[:size]) if self._buffer else b""
            if piece:
                del self._buffer[: len(piece)]
            else:
                received = self._receive(deadline)
                piece = received[:size]
                self._buffer += received[size:]
            size -= len(piece)
            yield piece

    def _line(self, deadline: float) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _LINE_BYTES:
                raise BadRequest(400, "A chunk's head is too long")
            self._buffer += self._receive(deadline)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _chunks(self, deadline: float) -> Iterator[bytes]:
        while True:
            digits = self._line(deadline).split(b";", 1)[0].strip()
            if not digits or len(digits) > 8 or digits.strip(b"0123456789abcdefABCDEF"):
                raise BadRequest(400, "A chunk's size is no number")
            size = int(digits, 16)
            if size == 0:
                for _ in range(_HEADER_COUNT):
                    if not self._line(deadline):
                        return
                raise BadRequest(400, "Too many trailer lines")
            yield from self._exactly(size, deadline)
            if self._line(deadline):
                raise BadRequest(400, "A chunk is longer than it says")


def parse_head(head: bytes) -> Request:
    """Reads request line and headers. Raises BadRequest; ambiguous lengths are refused, not guessed."""
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0") or not words[0].isalpha():
        raise BadRequest(400, "The request line is not HTTP/1.1")
    if len(lines) > _HEADER_COUNT:
        raise BadRequest(431, "Too many headers")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip() or "\n" in line or "\0" in line:
            raise BadRequest(400, "A header line is malformed")
        if (name := name.lower()) in headers and name in ("content-length", "transfer-encoding", "host"):
            raise BadRequest(400, "A header that must stand once stands twice")
        headers[name] = value.strip()
    chunked, length = _framing(headers)
    path, _, query = words[1].partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=2000)
        path = unquote(path, errors="strict")
    except ValueError:
        raise BadRequest(400, "The URL is not UTF-8, or has too many parameters") from None
    close = headers.get("connection", "").lower()
    keep_alive = "close" not in close and (words[2] == "HTTP/1.1" or "keep-alive" in close)
    return Request(words[0], path, dict(pairs), headers, keep_alive, length, chunked)


def _framing(headers: Mapping[str, str]) -> tuple[bool, int | None]:
    encoding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if encoding is not None:
        if encoding.lower() != "chunked" or length is not None:
            raise BadRequest(400, "The body's length is ambiguous")
        return True, None
    if length is None:
        return False, None
    if not length.isascii() or not length.isdigit() or len(length) > 15:
        raise BadRequest(400, "Content-Length is no number")
    return False, int(length)


def head_of(status: int, headers: Mapping[str, str], length: int | None, *, keep_alive: bool) -> bytes:
    """An answer's head; `length` None means a chunked body."""
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, 'Error')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
    lines.append("Connection: keep-alive" if keep_alive else "Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def chunk_head(size: int) -> bytes:
    """The line before a chunk of `size` bytes."""
    return b"%x\r\n" % size
