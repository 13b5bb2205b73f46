"""States that the missing end of something tells: still open, not yet returned, alive, on the way."""

from __future__ import annotations

from .forms import words

ENDED = words(
    """
    deliver return close resolve end finish complete discharge arrive leave stop die cancel churn solve
    settle pay exit terminate depart retire receive collect answer repair fix ship dispatch checkout
    release conclude redeem approve review decide respond reply
    """
)
"""What ends a row, by the verb in its column's name: `delivered_at`, `closed_on`, `end_date`."""
SOFT_ENDS = words(
    """
    answer reply respond receive approve accept review decide cancel churn exit
    """
)
"""Ends after which it goes on, or that break it off: an open call may have been answered."""
BEGUN = words(
    """
    accept order create open start begin admit lend loan borrow place request send join hire sign call
    enter book report raise submit register check log rent pick depart launch from issue receive board
    list apply file purchase buy install post ship dispatch found establish take invite invoice bill
    """
)
"""What begins it."""
PLANNED = words(
    """
    due expected planned scheduled estimated promised deadline target forecast eta updated modified
    birth born expiry expires valid
    """
)
"""Words of times at which nothing has happened yet, or that say nothing of how long it took."""

NOW = frozenset(
    (
        "currently",
        "at the moment",
        "right now",
        "at present",
        "as of now",
        "as we speak",
        "presently",
        "just now",
    )
)
"""Words that ask for what has not ended yet, where something can end."""

_OPEN = """
*:
    still open | still ongoing | ongoing | outstanding | pending | unfinished | in progress | still
    pending | still outstanding | still running | still going on | still going | not yet over |
    underway | under way | still in progress | not finished yet | not yet finished | still active |
    open | not closed yet | not yet closed | uncompleted | incomplete | open at the moment | still
    unfinished

arrive deliver receive:
    still on their way | still on its way | still on the way | on their way | on its way | on the
    way | still in transit | in transit | undelivered | not yet delivered | not delivered yet |
    still undelivered | still to be delivered | still out for delivery | yet to be delivered | not
    yet arrived | yet to arrive | not arrived yet | still underway | still travelling

death decease die:
    alive | still alive | living | still living | still with us | not dead

checkin return:
    unreturned | not yet returned | not returned yet | still out | still unreturned | yet to be
    returned | not yet back | still on loan | currently on loan | on loan at the moment | on loan
    right now | away on loan at the moment | out on loan | currently out | still rented out |
    currently rented out | still borrowed | currently borrowed | currently lent out | still lent out
    | out at the moment | still checked out | currently checked out | not been returned | not been
    returned yet | never returned | away on loan

close fix resolve solve:
    unresolved | unsolved | still unresolved | not yet resolved | not resolved yet | yet to be
    resolved | still unsolved | not been resolved | not been resolved yet

pay settle:
    unpaid | still unpaid | not yet paid | not paid yet | yet to be paid | unsettled | not been paid

discharge leave release:
    still in hospital | still admitted | currently admitted | not yet discharged | still here | not
    been discharged | not discharged yet | yet to be discharged | in hospital at the moment |
    currently in hospital

end exit leave resign retire terminate:
    still employed | currently employed | still with the company | still working here | still work
    here | still with the firm

answer reply respond:
    unanswered | still unanswered | not yet answered | not answered yet

dispatch send ship:
    unshipped | not yet shipped | not shipped yet | yet to be shipped | still to be shipped | not
    yet dispatched | not yet sent

collect pickup:
    uncollected | not yet collected | not collected yet | yet to be collected
"""
_CLOSED = """
death decease die:
    dead | deceased | no longer alive | no longer living

deliver:
    already delivered | delivered already | delivered by now

return:
    already returned | returned already | back by now | already back

close resolve:
    already resolved | already closed | resolved by now

pay settle:
    already paid

discharge:
    already discharged
"""


def _phrases(text: str) -> dict[str, frozenset[str]]:
    """Each phrase with the verbs its group begins with; none for any (`*`)."""
    found: dict[str, frozenset[str]] = {}
    for group in text.strip().split("\n\n"):
        head, _, rest = group.partition(":")
        ends = words(head.replace("*", ""))
        found |= {" ".join(phrase.split()): ends for phrase in rest.split("|")}
    return found


OPEN_STATES: dict[str, frozenset[str]] = {**dict.fromkeys(sorted(NOW), frozenset()), **_phrases(_OPEN)}
"""What is said of rows that have not ended, and the verbs of the ends that have not come; none for any."""
CLOSED_STATES: dict[str, frozenset[str]] = _phrases(_CLOSED)
"""What is said of rows that have ended, and the verbs of those ends."""
