"""A thesaurus of nouns: what it costs to read one noun as another."""

from __future__ import annotations

from functools import lru_cache

from . import kin
from .forms import words

_LOOSE_LINES = """
customer user member guest visitor client consumer patron
user customer client person people visitor player member
person people individual human
employee agent operator
store location site
work artwork painting book song publication
income amount price total fee postage fare
revenue amount price total value fee
money amount price total value
cost price amount fee fare
price value amount
value price amount worth
worth value price
fare price
charge price amount fee
spend amount total cost
takings amount total
size area capacity
length duration distance
weight
consumption kwh
points score value
medicine product
compensation amount payout
complaint claim case
novel book
kid pupil student child
staff agent employee
blackout outage
band artist
visit checkin appointment session
conversation call chat
usage kwh
power kwh
electricity kwh
energy kwh
venue location place
club team
order booking reservation
ticket booking
flight trip
complaint ticket case issue
enquiry ticket case call
delivery order shipment parcel
merchandise item product
goods item product
title name
label name
city location
area region zone
class category type
section department category
vehicle bike van truck car
hire rental trip
outing trip
deal sale
stay booking reservation visit admission
admission stay visit entry
visitor admission
"""
"""Words that may name the same thing where nothing is nearer."""


def _grades(text: str) -> dict[str, set[str]]:
    """Each word with the words beside it; the first of a line is kin to all, the others to the first."""
    found: dict[str, set[str]] = {}
    for line in text.strip().splitlines():
        first, *others = line.split()
        for other in others:
            found.setdefault(first, set()).add(other)
            found.setdefault(other, set()).add(first)
    return found


_NEARLY, _LOOSELY = _grades(kin.NEAR), _grades(_LOOSE_LINES)
_NO_COMPOUNDS = words(
    """
    network framework report transport passport support airport export import benchmark bookmark
    trademark landmark password keyword crossword understand headline deadline airline pipeline discount
    account viscount forward reward award toward outcome become welcome breakfast purchase database
    timetable vegetable season reason person treason notebook textbook smartphone microphone headphone
    """
)
"""Words that only look like one that ends in another: a work is no network."""
_COMPOUND_HEAD = 4
_COMPOUND_FRONT = 3
NEAR, COMPOUND, LOOSE = 0.12, 0.16, 0.28
"""What a reading costs by how it was found."""


@lru_cache(maxsize=50_000)
def noun_cost(said: str, stored: str) -> float | None:
    """What it costs to read one noun as another, both singular; None where they have nothing in common."""
    if stored in _NEARLY.get(said, ()):
        return NEAR
    return LOOSE if stored in _LOOSELY.get(said, ()) else None


def is_compound_of(stored: str, said: str) -> bool:
    """Whether a word written as one ends in another that may stand for it: `works` of artworks."""
    if stored in _NO_COMPOUNDS or not stored.endswith(said):
        return False
    return len(said) >= _COMPOUND_HEAD and len(stored) >= len(said) + _COMPOUND_FRONT


def has_kin(said: str) -> bool:
    """Whether the thesaurus knows the noun at all."""
    return said in _NEARLY or said in _LOOSELY
