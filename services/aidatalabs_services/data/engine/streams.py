"""Joins the pieces of a result that is sent while it is produced."""

from __future__ import annotations

import secrets
import string

_ALPHABET = string.ascii_lowercase
_LOOKED_AT_BYTES = 4096
_QUOTE, _NEW_LINE = b'"\n'
ARROW_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"


class ArrowJoint:
    """Makes one Arrow stream of many: the engine writes each block as a complete stream of its own.

    Keeps the first schema message, drops the later ones and every end mark but the last.
    """

    def __init__(self) -> None:
        self._first = True

    def joined(self, piece: memoryview) -> memoryview:
        """The part of `piece` that belongs into the joint stream; raises ValueError if it is no stream."""
        if bytes(piece[-8:]) != ARROW_END or bytes(piece[:4]) != b"\xff\xff\xff\xff":
            raise ValueError("not a complete Arrow stream")
        start = 0 if self._first else 8 + int.from_bytes(piece[4:8], "little")
        self._first = False
        return piece[start:-8]


class NamesJoint:
    """Makes one CSV document of many: each block comes with the line of column names in front.

    The line of the first block stays; the same bytes in front of the later ones go.
    """

    def __init__(self) -> None:
        self._line_bytes = 0

    def joined(self, piece: memoryview) -> memoryview:
        """The part of `piece` that belongs into the joint document."""
        if self._line_bytes:
            return piece[self._line_bytes :]
        self._line_bytes = _line_end(piece)
        return piece


def _line_end(piece: memoryview) -> int:
    """Bytes of the first line with its end; a line end between quotes is part of a name."""
    quoted, start = False, 0
    while start < len(piece):
        part = bytes(piece[start : start + _LOOKED_AT_BYTES])
        for place, byte in enumerate(part):
            if byte == _QUOTE:
                quoted = not quoted
            elif byte == _NEW_LINE and not quoted:
                return start + place + 1
        start += len(part)
    raise ValueError("no line of column names")


def exception_tag() -> str:
    """Sixteen letters that mark this answer's exception, so that data cannot be taken for one."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(16))


def exception_frame(tag: str, message: bytes) -> bytes:
    """A late error inside a 200 answer, as ClickHouse writes it since 25.11."""
    head = b"\r\n__exception__\r\n" + tag.encode() + b"\r\n" + message.rstrip(b"\n") + b"\n"
    return head + b"%d %s\r\n__exception__\r\n" % (len(message), tag.encode())
