"""Blocks in doubt: their insert was begun and nobody knows how it ended, until they come again.

Such a block may be in its table. The engine knows it by its token when it comes again and stores nothing
twice, but a view that was made in between does not: whatever the view was filled with from the table, the
block would be counted a second time. So nothing is derived from a table anew while one of its blocks is in
doubt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager

from aidatalabs_services.data.errors import InsertRefused

Drained = Callable[[str, str], Awaitable[None]]
"""Returns when every row of a table (uid, name) that was acknowledged before is in it, or never will be."""


class Doubts:
    """The blocks in doubt of every platform's tables, by their tokens.

    Of a process that was killed nothing is known here: whoever asks first waits for what its journal holds
    (`settled`).
    """

    def __init__(self) -> None:
        self._tokens: dict[tuple[str, str], dict[str, bool]] = {}  # token -> whether its insert runs

    def of(self, uid: str, table: str) -> frozenset[str]:
        """The blocks in doubt of a table; those whose insert runs now are among them."""
        return frozenset(self._tokens.get((uid, table), ()))

    @contextmanager
    def inserting(self, uid: str, table: str, token: str) -> Iterator[None]:
        """The insert of a block; in doubt unless it ends well, or with a refusal that the engine gave."""
        held = self._tokens.setdefault((uid, table), {})
        held[token] = True
        try:
            yield
        except InsertRefused:
            self._settle(uid, table, [token])
            raise
        except BaseException:
            held[token] = False
            raise
        self._settle(uid, table, [token])

    async def settled(self, uid: str, table: str, drained: Drained) -> None:
        """Returns when no block is in doubt any more that was when this was called."""
        before = self.of(uid, table)
        await drained(uid, table)
        # Also those that will never come again: their table went away under them.
        held = self._tokens.get((uid, table), {})
        self._settle(uid, table, [token for token in before if not held.get(token)])

    def forget(self, uid: str) -> None:
        """Drops what is known of a platform that is gone."""
        for key in [key for key in self._tokens if key[0] == uid]:
            del self._tokens[key]

    def _settle(self, uid: str, table: str, tokens: Iterable[str]) -> None:
        held = self._tokens.get((uid, table), {})
        for token in tokens:
            held.pop(token, None)
        if not held:
            self._tokens.pop((uid, table), None)
