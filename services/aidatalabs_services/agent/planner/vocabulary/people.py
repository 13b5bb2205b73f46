"""Words for whoever uses, buys, visits: which may stand for the people that keys of rows tell apart."""

from __future__ import annotations

EVERYBODY = frozenset(
    """user person people human individual customer client consumer patron player gamer listener viewer
    reader visitor guest audience participant attendee member learner account soul traveller traveler
    passenger rider subject""".split()
)
"""Any of them may name those that rows without a table of people are about."""
KEYED = frozenset(
    """user person customer client member player visitor guest account patient student employee subscriber
    listener viewer reader passenger rider driver contact buyer subject participant device anonymous
    visitor""".split()
)
"""First words of keys that tell people apart: `user_id`, `member_no`."""
HEADCOUNTS = frozenset(
    "people person visitor guest passenger attendee participant adult headcount pax attendance".split()
)
"""Words of columns that say how many people a row is about."""
PEOPLE_COUNTED = frozenset(
    "people person visitor guest passenger attendee participant traveller rider customer".split()
)
"""Words that such a column may be asked for by."""
ANYBODY = frozenset("user person people human individual".split())
"""Words that may name any table of people, where there is one only."""
SERVED = frozenset(
    """user customer client consumer patron member guest passenger reader subscriber visitor listener viewer player
    buyer shopper borrower rider""".split()
)
"""Words for those who are served: any may stand for the only one that has a table."""
