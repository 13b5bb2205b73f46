"""Joins the pieces of a result that is sent while it is produced."""

from __future__ import annotations

import secrets
import string

_ALPHABET = string.ascii_lowercase
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


def exception_tag() -> str:
    """Sixteen letters that mark this answer's exception, so that data cannot be taken for one."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(16))


def exception_frame(tag: str, message: bytes) -> bytes:
    """A late error inside a 200 answer, as ClickHouse writes it since 25.11."""
    head = b"\r\n__exception__\r\n" + tag.encode() + b"\r\n" + message.rstrip(b"\n") + b"\n"
    return head + b"%d %s\r\n__exception__\r\n" % (len(message), tag.encode())
