"""What was made of the last few catalogues, kept between questions that come from several threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from .catalogue import Catalogue

Made = TypeVar("Made")


class Kept(Generic[Made]):
    """Makes one thing of each catalogue, once, and keeps the `most` that were used last.

    `make` is given what was made of an earlier state of the same catalogue, where that is known.
    """

    def __init__(self, make: Callable[[Catalogue, Made | None], Made], most: int) -> None:
        self._make = make
        self._most = most
        self._held: OrderedDict[int, tuple[Catalogue, Future[Made]]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    def of(self, catalogue: Catalogue, instead_of: Catalogue | None = None) -> Made:
        """What was made of this very catalogue; whoever asks while it is being made waits for it.

        With `instead_of`, the catalogue's earlier state, it is made of what was made of that. Raises what
        `make` raises, and then keeps nothing.
        """
        with self._lock:
            held = self._held.get(id(catalogue))
            if held is not None:
                self._held.move_to_end(id(catalogue))
            else:
                making: Future[Made] = Future()
                self._held[id(catalogue)] = (catalogue, making)
                while len(self._held) > self._most:
                    self._held.popitem(last=False)
        if held is not None:
            return held[1].result()
        # Outside the lock: questions about other catalogues do not wait.
        try:
            made = self._make(catalogue, self._made(instead_of))
        except BaseException as error:
            self.forget(catalogue)
            making.set_exception(error)
            raise
        making.set_result(made)
        return made

    def forget(self, catalogue: Catalogue) -> None:
        """Drops what was made of a catalogue."""
        with self._lock:
            self._held.pop(id(catalogue), None)

    def _made(self, catalogue: Catalogue | None) -> Made | None:
        """What is made already; None where nothing is, or it is still being made."""
        with self._lock:
            held = self._held.get(id(catalogue)) if catalogue is not None else None
        done = held is not None and held[1].done() and held[1].exception() is None
        return held[1].result() if held is not None and done else None
