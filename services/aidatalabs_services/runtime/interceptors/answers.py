"""What is on its way to readers: sent without a place of the server, and bounded by its bytes.

A message counts from the moment it is made until flow control has let it go (gRPC keeps at most 64 KiB of it
behind). A reader who takes nothing therefore holds a bounded piece of memory and nothing that others need.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import grpc

from aidatalabs_services.runtime.errors import CallCancelled, Overloaded
from aidatalabs_services.runtime.interceptors.admission import Admission

_RETRY_SECONDS = 1.0
# Nobody is kept from anything for so long, and most messages are gone by then.
_PATIENCE_SECONDS = 0.05
_UNCOUNTED_BYTES = 64 * 1024


class Place:
    """A tenant's place while its call works; without one (`queued` False) every step is free."""

    def __init__(self, admission: Admission, tenant: str, *, queued: bool) -> None:
        self._admission = admission
        self._tenant = tenant
        self._queued = queued
        self._is_held = False

    async def take(self, message_bytes: int = 0) -> None:
        """Takes the place, where it is not held already. Raises Overloaded."""
        if self._queued and not self._is_held:
            await self._admission.take(self._tenant, message_bytes)
            self._is_held = True

    def give(self) -> None:
        """Gives it back, where it is held."""
        if self._is_held:
            self._is_held = False
            self._admission.give(self._tenant)


class Answers:
    """Sends messages; those not yet taken are at most `unsent_bytes`, one caller's a quarter of that.

    One message may always wait, however large it is.
    """

    def __init__(self, unsent_bytes: int) -> None:
        self._bytes = unsent_bytes
        self._bytes_each = unsent_bytes // 4
        self._unsent = 0
        self._unsent_of: Counter[str] = Counter()

    async def send(
        self, context: grpc.aio.ServicerContext[Any, Any], message: bytes, user: str, place: Place
    ) -> None:
        """Writes one message; its place is given back when the reader is not there at once.

        Raises Overloaded where too much waits already, CallCancelled when nobody reads any more.
        """
        with self._counted(context, user, len(message)):
            patience = asyncio.get_running_loop().call_later(_PATIENCE_SECONDS, place.give)
            try:
                if len(message) > _UNCOUNTED_BYTES:
                    # By itself: a status can follow a message that is under way, but not the two together.
                    with suppress(grpc.aio.UsageError):  # sent already
                        await context.send_initial_metadata(())
                await context.write(message)
            except grpc.aio.InternalError:  # all that gRPC says when nobody is there to read
                raise CallCancelled("The caller went away before its answer was complete.") from None
            finally:
                patience.cancel()

    def count_until_sent(
        self, context: grpc.aio.ServicerContext[Any, Any], message: bytes, user: str
    ) -> None:
        """Counts the one answer of a call, which gRPC sends after its handler, until the call is over.

        Raises Overloaded as `send` does.
        """
        size = len(message)
        if size > _UNCOUNTED_BYTES:
            self._count(user, size)
            self._forget_at_end(context, user, size)

    @contextmanager
    def _counted(self, context: grpc.aio.ServicerContext[Any, Any], user: str, size: int) -> Iterator[None]:
        if size <= _UNCOUNTED_BYTES:
            yield
            return
        self._count(user, size)
        try:
            yield
        except BaseException:
            # gRPC keeps a message whose writing was interrupted until it is taken or the call is over.
            self._forget_at_end(context, user, size)
            raise
        self._forget(user, size)

    def _forget_at_end(self, context: grpc.aio.ServicerContext[Any, Any], user: str, size: int) -> None:
        forget = partial(self._forget, user, size)
        context.add_done_callback(lambda _: forget())  # type: ignore[arg-type] # stubs want a class

    def _count(self, user: str, size: int) -> None:
        own = self._unsent_of[user]
        if (own and own + size > self._bytes_each) or (self._unsent and self._unsent + size > self._bytes):
            raise Overloaded(
                "Too many answers wait here to be read. Read those that were asked for, then ask again.",
                metadata={"limit": "unsent_bytes"},
                retry_after_seconds=_RETRY_SECONDS,
            )
        self._unsent += size
        self._unsent_of[user] += size

    def _forget(self, user: str, size: int) -> None:
        self._unsent -= size
        self._unsent_of[user] -= size
        if not self._unsent_of[user]:
            del self._unsent_of[user]
