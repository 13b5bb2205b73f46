"""A question that was not understood, put into words that the data has, in every way that may be meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.lexicon import OPERATORS
from aidatalabs_services.agent.planner.linking import Linked
from aidatalabs_services.agent.planner.relations.lexis import LIST

from .acts import acts, repeated
from .forms import words
from .lasting import lengths, not_yet, states
from .logged import logged
from .persons import persons
from .readings import Reading, Spoken
from .things import ages, nothing, nouns, qualities, small, verbs
from .told_units import told_units
from .turns import turns

_DEAREST = 0.62
"""More is guessing: nothing is answered by such readings together."""
_DIVIDING = words("per by each every share percentage average total median")
_MOST_TRIED = 12
_MANY_TABLES, _FEWEST_TRIED = 100, 3
"""Among many tables each reading takes longer: fewer are tried there."""
_MOST_PER_WORD = 6
_MOST_UNKNOWN = 6
_MOST_STEPS = 4_000


@dataclass(frozen=True)
class Rewording:
    """The question in other words, with what was read as what, and what that costs."""

    question: str
    cost: float
    readings: tuple[Reading, ...]

    @property
    def told(self) -> tuple[str, ...]:
        """How each part was read, in sentences."""
        return tuple(dict.fromkeys(reading.told for reading in self.readings))


def readings_of(spoken: Spoken) -> list[Reading]:
    """All readings of all parts of a question, surest first; a loose one only where nothing nearer is."""
    rules = (
        *(lengths, states, not_yet, acts, repeated, persons, nouns, qualities, verbs, ages, small),
        *(nothing, turns, logged, told_units),
    )
    found = [reading for rule in rules for reading in rule(spoken)]
    found += [reading for reading in acts(spoken, known=True) if reading not in found]
    return sorted(found, key=lambda r: (r.cost, r.start, r.end, r.text))


def rewordings(index: CatalogueIndex, linked: Linked, needed: Sequence[Reading] = ()) -> list[Rewording]:
    """The question reworded so that no unknown word is left that has a reading, surest first; with one of
    those `needed` where there are any. Empty where that cannot be."""
    spoken = Spoken(index, linked)
    readings = readings_of(spoken)
    unknown = [place for place in range(len(spoken.tokens)) if spoken.unknown(place)]
    if not readings or len(unknown) > _MOST_UNKNOWN:
        return []
    found = sorted(
        islice(_covers(spoken, readings, unknown), _MOST_STEPS), key=lambda pair: (pair[0], len(pair[1]))
    )
    made: dict[str, Rewording] = {}
    for cost, chosen in found:
        if needed and not any(reading in needed for reading in chosen):
            continue
        text = _put(linked, chosen)
        made.setdefault(text, Rewording(text, cost, tuple(chosen)))
        if _bare(spoken, text):  # `players who never paid` are listed, as `which players` are
            listed = f"list {text}"
            made.setdefault(listed, Rewording(listed, round(cost + 0.01, 4), tuple(chosen)))
    most = _MOST_TRIED if len(index.tables) <= _MANY_TABLES else _FEWEST_TRIED
    return [one for one in made.values() if one.cost <= _DEAREST][:most]


def _bare(spoken: Spoken, text: str) -> bool:
    """Whether the question only describes things, without a word of what to do with them."""
    words = set(text.casefold().split())
    first = (spoken.words[0],) in OPERATORS or (spoken.words[0],) in LIST
    return not first and not words & _DIVIDING and not text.startswith(("total ", "list ", "what "))


def _covers(
    spoken: Spoken, readings: list[Reading], unknown: list[int]
) -> Iterator[tuple[float, list[Reading]]]:
    """Sets of readings that take the place of every unknown word there is one for, none overlapping; one more
    than that where it is about words that are known. Words without a reading stay, for others to read."""
    by_place: dict[int, list[Reading]] = {place: [] for place in unknown}
    for reading in readings:
        for place in reading.places & by_place.keys():
            if len(by_place[place]) < _MOST_PER_WORD:
                by_place[place].append(reading)
    free = [r for r in readings if not r.places & by_place.keys()]
    unknown = [place for place in unknown if by_place[place]]
    for chosen in _chosen(unknown, by_place, []):
        cost = sum(reading.cost for reading in chosen)
        if chosen:
            yield round(cost, 4), chosen
        for extra in free:
            if not any(extra.places & reading.places for reading in chosen):
                yield round(cost + extra.cost, 4), sorted([*chosen, extra], key=lambda r: r.start)


def _chosen(
    unknown: list[int], by_place: dict[int, list[Reading]], held: list[Reading]
) -> Iterator[list[Reading]]:
    covered = frozenset(place for reading in held for place in reading.places)
    left = [place for place in unknown if place not in covered]
    if not left:
        yield sorted(held, key=lambda reading: reading.start)
        return
    for reading in by_place[left[0]]:
        if not reading.places & covered:
            yield from _chosen(unknown, by_place, [*held, reading])


def _put(linked: Linked, chosen: Iterable[Reading]) -> str:
    """The question with each reading's words in place of its own."""
    spans = [(r.start, r.end, r.text) for r in chosen]
    spans += [(start, end, "") for r in chosen for start, end in r.also]
    pieces, at = [], 0
    for start, end, text in sorted(spans):
        pieces += [linked.question[at : linked.tokens[start].start], text]
        at = linked.tokens[end - 1].end
    return " ".join(("".join(pieces) + linked.question[at:]).split())
