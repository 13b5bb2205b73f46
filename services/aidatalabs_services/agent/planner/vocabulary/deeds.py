"""Families of verbs and their nouns: words that tell the same deed of people, shops and services."""

from __future__ import annotations

from functools import lru_cache

from .forms import base_forms, noun_bases, words

_FAMILIES = """
buy purchase acquire acquisition
order purchase
sell sale
pay payment settle
paying buy purchase order
refund reimburse repay chargeback
install installation setup download
uninstall uninstallation remove
watch view see viewing
view see impression
view visit
play listen stream hear listening
play start
pause halt
skip
like favourite favorite heart love upvote
share repost forward
comment reply remark
post publish
rate rating review
follow subscribe
unfollow
subscribe subscription
unsubscribe unsubscription cancel churn
cancel cancellation churn
churn leave quit lapse
join signup register registration enrol enroll enrolment enrollment
signup signon subscribe onboard
login signin logon log authenticate
logout signout logoff
invite invitation refer referral
accept acceptance approve
reject rejection decline deny refuse
approve approval authorise authorize
lend loan
borrow loan checkout
rent rental hire lease
return giveback
renew renewal extend extension prolong
reserve reservation book booking
attend attendance visit
checkin visit arrive
visit come attend
enter entry entrance admission
admit admission hospitalise
discharge release
leave departure exit
depart departure leave
arrive arrival land come
deliver delivery dropoff handover
ship shipment dispatch send despatch
dispatch send
pickup collect collection
receive receipt get
send mail
mail email message
message text chat
call phone ring dial
answer respond reply response
open create start
close resolve finish complete
resolve resolution solve fix
escalate escalation
assign assignment allocate
complete completion finish
finish end complete
start begin launch commence
end stop finish
stop halt end
fail failure lose
pass succeed clear complete beat
win victory
lose loss defeat
try attempt
level
upgrade
downgrade
activate activation enable
deactivate deactivation disable
convert conversion
click tap press
tap click
swipe
scroll
search query lookup
browse view
add addition put
remove removal delete
checkout
redeem redemption use
apply application
submit submission file
hire recruit recruitment
fire dismiss dismissal terminate
resign quit leave
promote promotion
train training
teach
learn study
test exam examine
grade mark
treat treatment
diagnose diagnosis
prescribe prescription
vaccinate vaccination
operate operation surgery
inspect inspection check
repair fix mend
service maintain maintenance
break fault defect
crash
report
claim
donate donation give contribute
vote
bid offer
trade
deposit
withdraw withdrawal
transfer
print
scan
export
import
upload
download
save store
edit change modify update
update
delete
copy duplicate
connect connection link
disconnect disconnection
charge
refuel fuel
park
drive
fly flight
board embark
travel trip journey
ride
walk
run
swim
cycle
eat
drink
cook
bake
grow
plant
harvest
produce production manufacture make
assemble
pack package
load
unload
stock restock
verify verification confirm
confirm confirmation
expire expiry expiration
trial
read
write
translate
record
release
stay
die death decease pass
born birth
marry marriage wed
"""
"""One family a line. A word in several lines is kin to each, but its kin are not kin to one another."""

STARTING = words(
    """
    start begin place open create make submit book launch initiate request receive raise log
    """
)
"""Verbs of events that bring the thing itself about: a `session_started` is a session."""
ENDING = words("complete finish end close")
"""Verbs of events that end it, and stand for it where nothing tells that it began."""
ANY_OBJECT = words(
    """
    item product thing something anything event user customer account article good
    """
)
"""Objects of events that need not be said: who `bought` did `item_bought`."""
SOFTWARE = words(
    """
    app application game software program site website platform product tool
    """
)
"""What is installed, opened and left where nothing else is: `installed the app`."""

_KIN: dict[str, set[str]] = {}
for _line in _FAMILIES.strip().splitlines():
    _family = set(_line.split())
    for _word in _family:
        _KIN.setdefault(_word, set()).update(_family)
VERBS = frozenset(_KIN)
"""All words of deeds that have kin here."""


@lru_cache(maxsize=20_000)
def _roots(word: str) -> frozenset[str]:
    return base_forms(word) | noun_bases(word)


def told(word: str) -> bool:
    """Whether a word, in whatever form, tells a deed known here."""
    return bool(_roots(word) & VERBS)


@lru_cache(maxsize=50_000)
def kin_cost(said: str, stored: str) -> float | None:
    """What it costs to read `said` as `stored`: 0 for forms of one word, 0.08 for kin, None otherwise."""
    left, right = base_forms(said), base_forms(stored)
    if left & right or said == stored:
        return 0.0
    left, right = _roots(said), _roots(stored)
    if left & right:
        return 0.03
    return 0.08 if any(_KIN.get(word, set()) & right for word in left) else None
