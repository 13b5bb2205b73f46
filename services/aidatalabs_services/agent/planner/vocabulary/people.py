"""Words for whoever uses, buys, visits: which may stand for the people that keys of rows tell apart."""

from __future__ import annotations

from .forms import words

EVERYBODY = words(
    """
    user person people human individual customer client consumer patron player gamer listener viewer
    reader visitor guest audience participant attendee member learner account soul traveller traveler
    passenger rider subject
    """
)
"""Any of them may name those that rows without a table of people are about."""
KEYED = words(
    """
    user person customer client member player visitor guest account patient student employee subscriber
    listener viewer reader passenger rider driver contact buyer subject participant device anonymous
    visitor
    """
)
"""First words of keys that tell people apart: `user_id`, `member_no`."""
HEADCOUNTS = words(
    "people person visitor guest passenger attendee participant adult headcount pax attendance"
)
"""Words of columns that say how many people a row is about."""
PEOPLE_COUNTED = words(
    """
    people person visitor guest passenger attendee participant traveller rider customer
    """
)
"""Words that such a column may be asked for by."""
PERSONAL = words("birth birthday birthdate dob born gender sex surname firstname lastname")
"""Words of columns that only people have."""
ANYBODY = words("user person people human individual")
"""Words that may name any table of people, where there is one only."""
SERVED = words(
    """
    user customer client consumer patron member guest passenger reader subscriber visitor listener
    viewer player buyer shopper borrower rider
    """
)
"""Words for those who are served: any may stand for the only one that has a table."""
