"""Pieces of memory written one after another into a file, without being put together first."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Sequence

# As many as the kernel takes at once.
_MOST_PIECES = 1_024


def write_pieces(descriptor: int, data: Sequence[bytes], offset: int) -> None:
    """Writes all pieces from `offset` (bytes) on. Raises OSError; then any part of them may be written."""
    pieces = deque(memoryview(piece) for piece in data)
    while pieces:
        written = os.pwritev(descriptor, list(itertools.islice(pieces, _MOST_PIECES)), offset)
        offset += written
        while pieces and written >= len(pieces[0]):
            written -= len(pieces.popleft())
        if written:
            pieces[0] = pieces[0][written:]
