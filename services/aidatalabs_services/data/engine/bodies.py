"""A request's body: decompressed piece by piece, its size bounded, large rows kept in a memory file."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from typing import Protocol

import lz4.frame  # type: ignore[import-untyped]
from backports import zstd

from aidatalabs_services.data.engine.faults import (
    BAD_ARGUMENTS,
    CANNOT_DECOMPRESS,
    CANNOT_READ_ALL_DATA,
    TOO_LARGE,
    EngineFault,
)

_PIECE_BYTES = 1024 * 1024


class _Frame(Protocol):
    """One compressed frame being read; lz4 and zstd have this shape already."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _ZlibFrame:
    """gzip and deflate in the shape of the other decompressors."""

    def __init__(self, window_bits: int) -> None:
        self._zlib = zlib.decompressobj(window_bits)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


def _frame(encoding: str) -> _Frame:
    if encoding == "lz4":
        frame: _Frame = lz4.frame.LZ4FrameDecompressor()
        return frame
    if encoding == "zstd":
        return zstd.ZstdDecompressor()
    if encoding in ("gzip", "deflate"):
        return _ZlibFrame(31 if encoding == "gzip" else 15)
    raise EngineFault(BAD_ARGUMENTS, "Content-Encoding must be lz4, zstd, gzip or deflate")


def decoded(pieces: Iterable[bytes], encoding: str, max_bytes: int) -> Iterator[bytes]:
    """The body without its Content-Encoding, at most `max_bytes` of it.

    Clients send one frame per block, so frames follow each other. Raises EngineFault on a bad or cut frame
    and on a body beyond the bound (413), before more than one piece beyond it was produced.
    """
    plain = iter(pieces) if encoding in ("", "identity") else _frames(pieces, encoding)
    total = 0
    for piece in plain:
        total += len(piece)
        if total > max_bytes:
            raise EngineFault(TOO_LARGE, f"The request body is over {max_bytes} bytes", status=413)
        yield piece


def _frames(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    frame, started = _frame(encoding), False
    for piece in pieces:
        data = piece
        while data or not (frame.needs_input or frame.eof):
            if frame.eof:
                frame, started = _frame(encoding), False
            started = True
            try:
                plain = frame.decompress(data, _PIECE_BYTES)
            except (RuntimeError, EOFError, ValueError, zlib.error, zstd.ZstdError) as error:
                raise EngineFault(CANNOT_DECOMPRESS, "The request body is not valid " + encoding) from error
            if plain:
                yield plain
            data = (frame.unused_data or b"") if frame.eof else b""
    if started and not frame.eof:
        raise EngineFault(CANNOT_READ_ALL_DATA, "The compressed request body is cut short")


class MemoryFile:
    """Rows of an INSERT in anonymous memory: the engine reads them by path, nothing touches a disk."""

    def __init__(self) -> None:
        self._descriptor = os.memfd_create("rows", os.MFD_CLOEXEC)
        self.size = 0

    @property
    def path(self) -> str:
        """A path this process (the engine inside it) opens the rows by."""
        return f"/proc/self/fd/{self._descriptor}"

    def write(self, piece: bytes | memoryview) -> None:
        """Appends the whole piece."""
        view = memoryview(piece)
        while view:
            written = os.write(self._descriptor, view)
            self.size += written
            view = view[written:]

    def close(self) -> None:
        """Gives the memory back."""
        os.close(self._descriptor)
