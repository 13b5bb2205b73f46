"""What was made of the last few catalogues, kept between questions that come from several threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from .catalogue import Catalogue

Made = TypeVar("Made")


class Kept(Generic[Made]):
    """Makes one thing of each catalogue and keeps the `most` that were used last."""

    def __init__(self, make: Callable[[Catalogue], Made], most: int) -> None:
        self._make = make
        self._most = most
        self._held: OrderedDict[int, tuple[Catalogue, Made]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    def of(self, catalogue: Catalogue) -> Made:
        """What was made of this very catalogue; made outside the lock, so that no other question waits."""
        with self._lock:
            held = self._held.get(id(catalogue))
            if held is not None and held[0] is catalogue:
                self._held.move_to_end(id(catalogue))
                return held[1]
        made = self._make(catalogue)
        with self._lock:
            self._held[id(catalogue)] = (catalogue, made)
            self._held.move_to_end(id(catalogue))
            while len(self._held) > self._most:
                self._held.popitem(last=False)
        return made
