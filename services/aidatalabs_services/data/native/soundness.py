"""Whether the arrays of a batch from outside are what they say: nothing is read from one before this.

Arrow's IPC reader takes offsets, indexes and text as they come; a damaged or forged batch would have the
next kernel read beyond its memory.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from aidatalabs_services.data.native.errors import BatchCorrupt
from aidatalabs_services.data.native.wire import bytes_of, struct_parts


def check_sound(batch: pa.RecordBatch) -> None:
    """Raises BatchCorrupt where reading the arrays would leave their memory, or text is not UTF-8."""
    try:
        batch.validate()
        for array in batch.columns:
            _check_sound(array)
    except (pa.ArrowInvalid, pa.ArrowIndexError, UnicodeDecodeError):
        raise BatchCorrupt(
            "The batch is damaged, or holds text that is not valid Unicode. Send it again."
        ) from None


def _check_sound(array: pa.Array) -> None:
    if pa.types.is_struct(array.type):
        # With the parent's NULLs: under those a child may hold anything, as pyarrow's own arrays do.
        for child in struct_parts(array):
            _check_sound(child)
    elif pa.types.is_string(array.type):
        # Arrow reads text for UTF-8 at about 2 GB/s; that all is ASCII shows several times sooner.
        plain = array.view(pa.binary())
        plain.validate(full=True)
        if not _is_ascii(bytes_of(plain)):
            array.validate(full=True)
    else:
        array.validate(full=True)


def _is_ascii(data: memoryview) -> bool:
    words = len(data) // 8 * 8
    whole = np.frombuffer(data[:words], np.uint64)
    rest = np.frombuffer(data[words:], np.uint8)
    return not (int(np.bitwise_or.reduce(whole)) & 0x8080808080808080 or bool((rest > 127).any()))
