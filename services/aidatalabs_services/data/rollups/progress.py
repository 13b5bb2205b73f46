"""How far a roll-up has followed its table, and which of its states count.

A worker writes states of the blocks (watermark, M] under a number that nobody had before, an epoch. Nobody
reads an epoch that is not listed in the roll-up's record, and the record's new list and watermark are written
in one step. So a block is counted once, wherever a crash comes: before that step its epoch is nobody's and
goes, after it the watermark is behind it. An epoch that is listed never changes. Several are put together by
writing their states under another number and listing that instead.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_FOLDED = 4


@dataclass(frozen=True)
class Epoch:
    """States that were written together: their number, and how many rows they were."""

    number: int
    row_count: int


@dataclass(frozen=True)
class Progress:
    """Every block up to `watermark` is in `epochs`, oldest first; so is every row that was there at `as_of`
    (Unix seconds).
    """

    watermark: int
    epochs: tuple[Epoch, ...]
    as_of: float

    @property
    def numbers(self) -> frozenset[int]:
        """The numbers of the epochs that count."""
        return frozenset(each.number for each in self.epochs)

    def folded(self) -> tuple[Epoch, ...]:
        """The newest epochs that are worth putting together now, none where none are.

        As in a merge tree of levels: an epoch goes along where it is at most twice what comes after it, so a
        row of states is written again a logarithmic number of times.
        """
        size, begin = 0, len(self.epochs)
        for index in range(len(self.epochs) - 1, -1, -1):
            if begin < len(self.epochs) and self.epochs[index].row_count > 2 * size:
                break
            size += self.epochs[index].row_count
            begin = index
        return self.epochs[begin:] if len(self.epochs) - begin >= _FOLDED else ()

    def with_folded(self, old: Sequence[Epoch], new: Epoch | None) -> Progress:
        """The same states, those of `old` in `new`."""
        kept = tuple(each for each in self.epochs if each not in old)
        return Progress(self.watermark, kept + ((new,) if new else ()), self.as_of)

    def document(self) -> list[Any]:
        """As the record keeps it."""
        return [self.watermark, self.as_of, [[each.number, each.row_count] for each in self.epochs]]


def progress_of(document: Any) -> Progress | None:
    """What `Progress.document` made; None of None. Raises TypeError or ValueError for anything else."""
    if document is None:
        return None
    watermark, as_of, epochs = document
    listed = tuple(Epoch(int(number), int(count)) for number, count in epochs)
    return Progress(int(watermark), listed, float(as_of))


def new_number() -> int:
    """The number of an epoch to be; no old one again, as an insert that was given up may still go on."""
    return secrets.randbits(62) + 1
