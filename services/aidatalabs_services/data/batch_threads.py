"""Threads that read and encode batches: apart from those of everything else, shared by platforms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_INLINE_ROWS = 64
_INLINE_BYTES = 64 * 1024

_T = TypeVar("_T")


def is_quick(rows: int, size: Callable[[], int]) -> bool:
    """Whether work on so many rows of `size` bytes together is done at once: handing it to a thread would
    take longer. One row may be many megabytes, and on the event loop every other call would wait for it.
    """
    return rows <= _INLINE_ROWS and size() <= _INLINE_BYTES


class BatchThreads:
    """`count` threads, of which one platform has at most `share` at work.

    Work cannot be stopped: it keeps its thread and its share when the call that wanted it goes away.
    """

    def __init__(self, count: int, *, share: int) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="batches")
        self._share = share
        self._shares: dict[str, asyncio.Semaphore] = {}

    async def run(self, uid: str, work: Callable[[], _T]) -> _T:
        """What `work` returns or raises; waits while the platform has its share at work."""
        places = self._shares.setdefault(uid, asyncio.Semaphore(self._share))
        await places.acquire()
        try:
            running = asyncio.get_running_loop().run_in_executor(self._executor, work)
        except RuntimeError:  # closed
            places.release()
            raise

        def ended(future: asyncio.Future[_T]) -> None:
            places.release()
            if not future.cancelled():
                future.exception()  # looked at: a call that went away leaves nobody to

        running.add_done_callback(ended)
        return await asyncio.shield(running)

    def forget(self, uid: str) -> None:
        """Drops what is kept of a platform that is gone."""
        self._shares.pop(uid, None)

    def close(self) -> None:
        """Takes no more work; what is at work ends by itself."""
        self._executor.shutdown(wait=False, cancel_futures=True)


class IngestThreads:
    """The threads of columns and, apart from them so that they never wait behind columns, those of rows.

    Reading rows is Python's own work: more threads of it do no more, and keep the event loop waiting.
    """

    def __init__(self) -> None:
        self._columns = BatchThreads(4, share=3)
        self._rows = BatchThreads(2, share=1)

    async def on_columns(self, uid: str, work: Callable[[], _T]) -> _T:
        """What work on columns returns or raises."""
        return await self._columns.run(uid, work)

    async def on_rows(self, uid: str, work: Callable[[], _T], *, quick: bool) -> _T:
        """The same for work on rows; at once where it is `quick`."""
        return work() if quick else await self._rows.run(uid, work)

    def forget(self, uid: str) -> None:
        """Drops what is kept of a platform that is gone."""
        self._columns.forget(uid)
        self._rows.forget(uid)

    def close(self) -> None:
        """Takes no more work; what is at work ends by itself."""
        self._columns.close()
        self._rows.close()
