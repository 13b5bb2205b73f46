"""The queries that run now: their number bounded, each one stoppable, stopped when its client goes away."""

from __future__ import annotations

import logging
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from aidatalabs_services.data.engine.faults import (
    QUERY_CANCELLED,
    SAME_QUERY_ID,
    TOO_MANY_QUERIES,
    EngineFault,
)
from aidatalabs_services.data.engine.limits import EngineLimits

_LOG = logging.getLogger(__name__)
_KILL_AGAIN_SECONDS = 0.05


@dataclass(eq=False)
class RunningQuery:
    """One admitted query and the client connection it answers to."""

    query_id: str
    descriptor: int
    stopped: threading.Event = field(default_factory=threading.Event)


class RunningQueries:
    """Admission, and a watcher thread that kills the query of a client that disconnected.

    `kill` is called with a query id, from the watcher's thread, again and again until the query has ended:
    the first calls may come before the engine knows the query.
    """

    def __init__(self, limits: EngineLimits, kill: Callable[[str], None]) -> None:
        self._limits = limits
        self._kill = kill
        self._places = threading.BoundedSemaphore(limits.max_running_queries)
        self._lock = threading.Lock()
        self._by_id: dict[str, RunningQuery] = {}
        self._by_descriptor: dict[int, RunningQuery] = {}
        self._epoll = select.epoll()
        threading.Thread(target=self._watch, name="watcher", daemon=True).start()

    def __len__(self) -> int:
        return len(self._by_id)

    @contextmanager
    def admitted(self, query_id: str, descriptor: int) -> Iterator[RunningQuery]:
        """A place among the running queries, waited for up to `queue_seconds` (then code 202).

        Code 216 while another query has the same id; 394 if the client went away while waiting.
        """
        query = RunningQuery(query_id, descriptor)
        with self._lock:
            if query_id in self._by_id:
                raise EngineFault(SAME_QUERY_ID, "A query with this id is already running")
            self._by_id[query_id] = query
            self._by_descriptor[descriptor] = query
            self._epoll.register(descriptor, select.EPOLLRDHUP)
        try:
            if not self._places.acquire(timeout=self._limits.queue_seconds):
                raise EngineFault(TOO_MANY_QUERIES, "Too many simultaneous queries; try again later")
            try:
                if query.stopped.is_set():
                    raise EngineFault(QUERY_CANCELLED, "Query was cancelled")
                yield query
            finally:
                self._places.release()
        finally:
            with self._lock:
                del self._by_id[query_id]
                del self._by_descriptor[descriptor]
                with suppress(OSError):
                    self._epoll.unregister(descriptor)

    def stop_all(self, seconds: float) -> None:
        """Waits for the running queries, then kills what is left, for `seconds` in all."""
        deadline = time.monotonic() + seconds
        while self._by_id and time.monotonic() < deadline - seconds / 2:
            time.sleep(0.02)
        with self._lock:
            for query in self._by_id.values():
                query.stopped.set()
        while self._by_id and time.monotonic() < deadline:
            time.sleep(0.02)

    def _watch(self) -> None:
        while True:
            waiting = any(query.stopped.is_set() for query in self._snapshot())
            for descriptor, _ in self._epoll.poll(_KILL_AGAIN_SECONDS if waiting else 0.5):
                self._client_left(descriptor)
            for query in self._snapshot():
                if query.stopped.is_set():
                    self._kill_quietly(query.query_id)

    def _snapshot(self) -> list[RunningQuery]:
        with self._lock:
            return list(self._by_id.values())

    def _client_left(self, descriptor: int) -> None:
        """Marks the query; asks the socket again, as the number may by now belong to another one."""
        with self._lock:
            query = self._by_descriptor.get(descriptor)
            if query is None:
                return
            poll = select.poll()
            poll.register(descriptor, select.POLLRDHUP)
            if poll.poll(0):
                query.stopped.set()
                self._epoll.unregister(descriptor)

    def _kill_quietly(self, query_id: str) -> None:
        try:
            self._kill(query_id)
        except EngineFault as fault:
            _LOG.warning("a query could not be killed: code %s", fault.code)
