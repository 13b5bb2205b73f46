"""Who may write into a table at this moment: inserts side by side, or one alone that changes what is there.

    inserting   any number together: the sink's inserts
    alone       a drop, undrop or a change of the table's own description
    deleting    a deletion or a restore: alone, but for the roll-ups that it has built anew before it lets go
    building    the moment in which a view is put beside the table; also while rows are being deleted
    hashing     beside inserts, while the table's parts are not merged: whoever else wants it is told apart
    altering    a change that the engine carries out as it merges parts: beside inserts and deletions

Everybody is let in in the order they came (what meets a deletion that it fits goes first): whoever wants a
table alone waits for the inserts that run, and those that come later wait behind.

A table is known here by the name its rows were sent to, so a table that was dropped and the one that took its
name share a hold: their journalled rows stand in one queue.
"""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import AsyncIterator, Container
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from weakref import WeakValueDictionary

_Held = AbstractAsyncContextManager[None]


class _Form(enum.Enum):
    INSERTING = enum.auto()
    ALONE = enum.auto()
    DELETING = enum.auto()
    BUILDING = enum.auto()
    HASHING = enum.auto()
    ALTERING = enum.auto()


_I, _H, _A = _Form.INSERTING, _Form.HASHING, _Form.ALTERING
# Who may come in beside whom.
_BESIDE = {_I: {_I, _H, _A}, _H: {_I, _H}, _A: {_I, _A, _Form.DELETING, _Form.BUILDING}}
_BESIDE_DELETIONS = {_Form.BUILDING: {_Form.DELETING, _A}, _A: _BESIDE[_A]}


class _Hold:
    """One table's: how many of each form are in, and who waits."""

    def __init__(self) -> None:
        self._inside = dict.fromkeys(_Form, 0)
        self._waiting: deque[tuple[_Form, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def held(self, form: _Form) -> AsyncIterator[None]:
        """Waits for its turn; inside until the block ends."""
        let_in: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((form, let_in))
        self._admit()
        try:
            await let_in
        except BaseException:
            if let_in.done() and not let_in.cancelled():
                self._leave(form)  # let in and cancelled in the same moment
            else:
                if (form, let_in) in self._waiting:
                    self._waiting.remove((form, let_in))
                self._admit()
            raise
        try:
            yield
        finally:
            self._leave(form)

    def _leave(self, form: _Form) -> None:
        self._inside[form] -= 1
        self._admit()

    def _admit(self) -> None:
        """Lets in whoever can: the first in the row, again and again, and what fits beside a deletion."""
        while self._waiting and self._fits(self._waiting[0][0]):
            self._let_in(*self._waiting.popleft())
        if self._inside[_Form.DELETING]:
            for each in list(self._waiting):
                fitting = _BESIDE_DELETIONS.get(each[0])
                if fitting is not None and self._inside_are(fitting):
                    self._waiting.remove(each)
                    self._let_in(*each)

    def _fits(self, form: _Form) -> bool:
        return self._inside_are(_BESIDE.get(form, ()))

    def _inside_are(self, forms: Container[_Form]) -> bool:
        return all(form in forms for form, count in self._inside.items() if count)

    def is_wanted(self) -> bool:
        """Whether somebody waits who cannot come in beside a hashing."""
        return any(form not in (_I, _H) and not let_in.done() for form, let_in in self._waiting)

    def _let_in(self, form: _Form, let_in: asyncio.Future[None]) -> None:
        if not let_in.done():  # else cancelled: it takes itself away
            self._inside[form] += 1
            let_in.set_result(None)


class TableHolds:
    """A hold for each table of each platform. Whoever writes into a table must hold it meanwhile.

    Nobody may ask for a table again that they hold already, other than for `building` inside `deleting`.
    """

    def __init__(self) -> None:
        self._holds: WeakValueDictionary[tuple[str, str], _Hold] = WeakValueDictionary()
        self._deleting: set[tuple[str, str]] = set()

    def inserting(self, uid: str, table: str) -> _Held:
        """Holds the table for an insert, beside other inserts."""
        return self._of(uid, table).held(_Form.INSERTING)

    def alone(self, uid: str, table: str) -> _Held:
        """Holds the table for a change that no insert may meet; what is journalled meanwhile waits."""
        return self._of(uid, table).held(_Form.ALONE)

    def building(self, uid: str, table: str) -> _Held:
        """Holds inserts back for the moment in which a view is put beside the table, one at a time."""
        return self._of(uid, table).held(_Form.BUILDING)

    def hashing(self, uid: str, table: str) -> _Held:
        """Holds the table beside inserts while its parts are not merged; let go soon when it `is_wanted`."""
        return self._of(uid, table).held(_Form.HASHING)

    def altering(self, uid: str, table: str) -> _Held:
        """Holds the table for a change that needs merges: not beside a hashing."""
        return self._of(uid, table).held(_Form.ALTERING)

    def is_wanted(self, uid: str, table: str) -> bool:
        """Whether somebody waits for the table who cannot come in beside a hashing."""
        held = self._holds.get((uid, table))
        return held is not None and held.is_wanted()

    def is_deleting(self, uid: str, table: str) -> bool:
        """Whether a deletion holds the table."""
        return (uid, table) in self._deleting

    @asynccontextmanager
    async def deleting(self, uid: str, table: str) -> AsyncIterator[None]:
        """Holds the table for a deletion: alone, but for builds."""
        async with self._of(uid, table).held(_Form.DELETING):
            self._deleting.add((uid, table))
            try:
                yield
            finally:
                self._deleting.discard((uid, table))

    def _of(self, uid: str, table: str) -> _Hold:
        return self._holds.setdefault((uid, table), _Hold())
