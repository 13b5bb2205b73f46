"""Runs the asynchronous client for callers that cannot await: one event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from aidatalabs_client.client import Client
from aidatalabs_client.tokens import Token

_Result = TypeVar("_Result")
_STOP_SECONDS = 5.0


class LoopThread:
    """An event loop in a daemon thread of its own, until the process ends.

    One for all clients of the process: gRPC polls for all event loops at once, and one loop keeps it quiet.
    """

    _shared: LoopThread | None = None
    _guard = threading.Lock()

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="aidatalabs-client", daemon=True)
        self._thread.start()

    @classmethod
    def shared(cls) -> LoopThread:
        """The one of this process. Raises RuntimeError in a child of a process that had one."""
        with cls._guard:
            if cls._shared is None:
                cls._shared = cls()
                atexit.register(cls._shared.stop)
            cls._shared.check_process()
            return cls._shared

    def check_process(self) -> None:
        """Raises RuntimeError after a fork: threads and gRPC's channels stay behind in the parent."""
        if self.pid != os.getpid():
            raise RuntimeError(
                "SyncClient was used before this process was forked, which gRPC does not survive. Start "
                "processes with the method `spawn`, or make the first client after the fork."
            )

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Waits for the result of the work; where the wait is interrupted (Ctrl-C), the work is cancelled."""
        try:
            self.check_process()
            if self.is_over:
                raise RuntimeError("The process is ending, and SyncClient's thread has ended.")
            if threading.current_thread() is self._thread:
                raise RuntimeError(
                    "Await the asynchronous Client here: this code runs on SyncClient's own thread."
                )
        except RuntimeError:
            work.close()
            raise
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result()
        except BaseException:
            if not future.done():
                future.cancel()
                self._wait_for_idle()
            raise

    def finish(self, source: AsyncGenerator[Any, None]) -> None:
        """Closes a generator, from whichever thread drops it."""
        if self.pid != os.getpid() or self.is_over:
            return
        closing = asyncio.run_coroutine_threadsafe(_aclose(source), self.loop)
        if threading.current_thread() is not self._thread:
            closing.result()

    def _wait_for_idle(self) -> None:
        """Lets a cancelled call end: two turns of the loop, which is what a cancellation takes."""

        async def turns() -> None:
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        concurrent.futures.wait([asyncio.run_coroutine_threadsafe(turns(), self.loop)], _STOP_SECONDS)

    def stop(self) -> None:
        """Ends the thread at the end of the process, and streams that somebody still holds."""
        if self.pid != os.getpid() or self.is_over:
            return
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_STOP_SECONDS)
        if not self._thread.is_alive():
            # Nobody runs what is given to it from now on: a closed loop says so, a stopped one lets wait.
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()

    @property
    def is_over(self) -> bool:
        """Whether the process is ending, and nothing can be called any more."""
        return self.loop.is_closed()


class BlockingConnection:
    """Holds an asynchronous client and passes its calls on; the methods are in `SyncClient`."""

    def __init__(
        self,
        address: str = "",
        token: Token = "",
        *,
        timeout_seconds: float = 60.0,
        stream_timeout_seconds: float = 900.0,
        patience_seconds: float = 20.0,
        secure: bool = False,
        ca_file: str | Path | None = None,
    ) -> None:
        self._thread = LoopThread.shared()
        self._client = Client(
            address,
            token,
            timeout_seconds=timeout_seconds,
            stream_timeout_seconds=stream_timeout_seconds,
            patience_seconds=patience_seconds,
            secure=secure,
            ca_file=ca_file,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the channel; calls under way in other threads end with CANCELLED. It stays closed."""
        if not self._thread.is_over:  # a process that ends has closed it
            self._run(self._client.close())

    def _run(self, call: Coroutine[Any, Any, _Result]) -> _Result:
        return self._thread.run(call)

    def _iterate(self, source: AsyncIterator[_Result]) -> Iterator[_Result]:
        generator = cast("AsyncGenerator[_Result, None]", source)
        try:
            while True:
                more, item = self._run(_next(generator))
                if not more:
                    return
                yield cast("_Result", item)
        finally:
            self._thread.finish(generator)


async def _next(source: AsyncGenerator[_Result, None]) -> tuple[bool, _Result | None]:
    try:
        return True, await anext(source)
    except StopAsyncIteration:
        return False, None


async def _aclose(source: AsyncGenerator[Any, None]) -> None:
    await source.aclose()
