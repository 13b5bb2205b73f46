"""When a given result is a right one: the same rows, whatever its columns are called or their order is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from tests.questions.cells import RELATIVE_TOLERANCE, Cell, Kind, cell, is_close, kind_of
from tests.questions.engine import Result
from tests.questions.packs import Case

EXTRA_COLUMNS = 3
"""So many columns more than asked for do no harm, except where one counts strictly."""

_PAIRINGS = 500
_ROWS_PAIRED_SINGLY = 1500

Row = tuple[Cell, ...]


def is_right(right: Result, given: Result, case: Case, is_strict: bool) -> bool:
    """Whether a given result equals the right one; strictly, no column is too many and none optional."""
    extra = 0 if is_strict else EXTRA_COLUMNS
    for kept in _kept_columns(len(right.types), frozenset() if is_strict else case.optional_columns):
        if not 0 <= len(given.types) - len(kept) <= extra:
            continue
        pairing = _Pairing(right, given, case, kept)
        if pairing.exists(False) or (case.is_distinct_enough and pairing.exists(True)):
            return True
    return False


def _kept_columns(count: int, optional: Collection[int]) -> Iterator[list[int]]:
    """Every choice of columns that leaves out some of the optional ones, or none, but never all columns."""
    there = [place for place in range(count) if place in optional]
    for left_out in range(len(there) + 1):
        for dropped in itertools.combinations(there, left_out):
            if kept := [place for place in range(count) if place not in dropped]:
                yield kept


@dataclass(frozen=True)
class _Pairing:
    """The search for a column of the given result for each kept column of the right one."""

    right: Result
    given: Result
    case: Case
    kept: Sequence[int]

    def exists(self, is_distinct: bool) -> bool:
        """Whether one makes the rows equal; `is_distinct`: rows that come twice count once."""
        if not is_distinct and len(self.right.rows) != len(self.given.rows):
            return False
        wanted = [
            tuple(cell(row[place], self._kind(place)) for place in self.kept) for row in self.right.rows
        ]
        wanted = list(dict.fromkeys(wanted)) if is_distinct else wanted
        for chosen in itertools.islice(self._choices(is_distinct), _PAIRINGS):
            found = [
                tuple(
                    _scaled(cell(row[column], self._kind(place)), scale)
                    for place, (column, scale) in zip(self.kept, chosen, strict=True)
                )
                for row in self.given.rows
            ]
            found = list(dict.fromkeys(found)) if is_distinct else found
            if self._same(wanted, found, self.kept, self.case.is_ordered):
                return True
        return False

    def _choices(self, is_distinct: bool) -> Iterator[tuple[tuple[int, float], ...]]:
        """Columns with the same values each, a different one for each kept column."""
        candidates = [self._candidates(place, is_distinct) for place in self.kept]
        for chosen in itertools.product(*candidates):
            if len({column for column, _ in chosen}) == len(chosen):
                yield chosen

    def _candidates(self, place: int, is_distinct: bool) -> list[tuple[int, float]]:
        """(column, scale) of the given result with the right column's values; the same name comes first."""
        kind = self._kind(place)
        wanted: list[Row] = [(cell(row[place], kind),) for row in self.right.rows]
        found = []
        for column in range(len(self.given.types)):
            values = [cell(row[column], kind) for row in self.given.rows]
            for scale in (1, 100, 0.01) if place in self.case.percent_columns else (1,):
                scaled: list[Row] = [(_scaled(value, scale),) for value in values]
                if is_distinct:
                    same = self._same(
                        list(dict.fromkeys(wanted)), list(dict.fromkeys(scaled)), [place], False
                    )
                else:
                    same = self._same(wanted, scaled, [place], False)
                if same:
                    found.append((column, scale))
                    break
        name = self.right.names[place].lower()
        return sorted(found, key=lambda one: self.given.names[one[0]].lower() != name)

    def _kind(self, place: int) -> Kind:
        """Integers of a single row are compared as numbers where a tolerance is given, and so are shares."""
        kind = kind_of(self.right.types[place])
        is_loose = self.case.relative_tolerance and len(self.right.rows) == 1
        if kind is Kind.INTEGER and (is_loose or place in self.case.percent_columns):
            return Kind.NUMBER
        return kind

    def _same(self, wanted: list[Row], found: list[Row], places: Sequence[int], is_ordered: bool) -> bool:
        if len(wanted) != len(found):
            return False
        is_loose = [self._kind(place) is Kind.NUMBER for place in places]
        tolerance = max(RELATIVE_TOLERANCE, self.case.relative_tolerance)

        def same_row(right: Row, given: Row) -> bool:
            return all(
                is_close(one, other, tolerance) if loose else one == other
                for one, other, loose in zip(right, given, is_loose, strict=True)
            )

        if is_ordered:
            return all(map(same_row, wanted, found))
        key = _near(is_loose)
        if all(map(same_row, sorted(wanted, key=key), sorted(found, key=key))):
            return True
        if not any(is_loose) or len(wanted) > _ROWS_PAIRED_SINGLY:
            return False
        return _paired_singly(wanted, found, same_row)


def _scaled(value: Cell, scale: float) -> Cell:
    return value * scale if scale != 1 and isinstance(value, int | float) else value


def _near(is_loose: Sequence[bool]) -> Callable[[Row], tuple[list[str], list[float]]]:
    """A sort key that puts rows whose numbers nearly agree at the same place: exact cells come first."""

    def key(row: Row) -> tuple[list[str], list[float]]:
        told = list(zip(row, is_loose, strict=True))
        numbers = [
            float(one) if isinstance(one, int | float) else float("-inf") for one, loose in told if loose
        ]
        return [str(one) for one, loose in told if not loose], numbers

    return key


def _paired_singly(wanted: list[Row], found: list[Row], same_row: Callable[[Row, Row], bool]) -> bool:
    """Whether each row finds one of its own; for results where rounding changed the order."""
    left = list(found)
    for row in wanted:
        match = next((place for place, one in enumerate(left) if same_row(row, one)), None)
        if match is None:
            return False
        left.pop(match)
    return True
