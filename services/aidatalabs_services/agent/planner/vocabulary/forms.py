"""Forms of English words: the bases an inflected verb may come from, plurals, nouns of doers."""

from __future__ import annotations

from functools import lru_cache

from aidatalabs_services.agent.planner.words import lemma


def words(text: str) -> frozenset[str]:
    """The words of a list."""
    return frozenset(text.split())


_IRREGULAR: dict[str, str] = {
    form: base
    for line in """
    be: am is are was were been being
    become: became
    begin: began begun
    bid: bid
    break: broke broken
    bring: brought
    build: built
    buy: bought
    catch: caught
    choose: chose chosen
    come: came
    die: died dying dies
    do: did done does
    lie: lied lying
    tie: tied tying
    draw: drew drawn
    drink: drank drunk
    drive: drove driven
    eat: ate eaten
    fall: fell fallen
    feel: felt
    find: found
    fly: flew flown
    forget: forgot forgotten
    get: got gotten
    give: gave given
    go: went gone goes
    grow: grew grown
    hang: hung
    have: had has
    hear: heard
    hide: hid hidden
    hold: held
    keep: kept
    know: knew known
    lay: laid
    lead: led
    learn: learnt
    leave: left
    lend: lent
    lose: lost
    make: made
    mean: meant
    meet: met
    pay: paid
    quit: quitted
    ride: rode ridden
    rise: rose risen
    run: ran
    say: said
    see: saw seen
    sell: sold
    send: sent
    shut: shutting
    sing: sang sung
    sit: sat
    sleep: slept
    speak: spoke spoken
    spend: spent
    stand: stood
    steal: stole stolen
    swim: swam swum
    take: took taken
    teach: taught
    tell: told
    think: thought
    throw: threw thrown
    wear: wore worn
    win: won
    withdraw: withdrew withdrawn
    write: wrote written
    """.strip().splitlines()
    for base, forms in [line.strip().split(": ")]
    for form in forms.split()
}
_NOUN_ENDINGS = (
    ("cellation", ("cel",)), ("ication", ("y",)), ("ization", ("ize",)), ("isation", ("ise",)),
    ("mission", ("mit",)), ("ption", ("be",)), ("ation", ("e", "")), ("ition", ("e", "it")),
    ("ution", ("ve", "ute")), ("ction", ("ct",)), ("tion", ("t", "te")), ("sion", ("d", "de")),
    ("ment", ("",)), ("al", ("", "e")), ("ance", ("", "e")), ("ence", ("",)), ("ure", ("", "e")),
    ("ery", ("er",)), ("ry", ("r",)),
)  # fmt: skip
_NOT_DOERS = words(
    """
    order number offer paper water letter computer server tower center centre user corner quarter
    weather matter power summer winter river layer folder buffer cluster parameter meter counter charter
    transfer register chapter member customer october november december september other after under over
    never ever per amber silver copper dinner supper cover filter poster banner trailer newsletter
    voucher timer error color colour floor door factor sector vector motor monitor elevator mirror minor
    major prior sensor list artist first last most least best worst highest exist assist
    """
)


def base_forms(word: str) -> frozenset[str]:
    """What a verb form may come from, itself and its singular included: `watched`, `watching` and
    `watches` of watch, `bought` of buy."""
    return _base_forms(word.casefold())


@lru_cache(maxsize=20_000)
def _base_forms(word: str) -> frozenset[str]:
    found = {word, lemma(word)}
    if len(word) == 3 and word.endswith("s") and not word.endswith(("ss", "us", "is", "as")):
        found.add(word[:-1])  # ads
    if word in _IRREGULAR:
        found.add(_IRREGULAR[word])
    for ending in ("ed", "ing", "es"):
        if not word.endswith(ending) or len(word) < len(ending) + 3:
            continue
        stem = word[: -len(ending)]
        found |= {stem, stem + "e"}
        if len(stem) > 3 and stem[-1] == stem[-2]:
            found.add(stem[:-1])
        if ending != "ing" and stem.endswith("i"):
            found.add(stem[:-1] + "y")
    return frozenset(found)


@lru_cache(maxsize=20_000)
def noun_bases(noun: str) -> frozenset[str]:
    """The verbs a noun of doing may come from: delivery and deliver, resolution and resolve."""
    found = set(base_forms(noun))
    noun = lemma(noun)
    for ending, turned in _NOUN_ENDINGS:
        if noun.endswith(ending) and len(noun) > len(ending) + 2:
            found |= {noun[: -len(ending)] + end for end in turned}
    if noun.endswith("y") and len(noun) > 5:
        found.add(noun[:-1])
    return frozenset(found)


def participle(word: str) -> bool:
    """True for past forms: watched, bought, left."""
    return (word.endswith("ed") and len(word) > 4) or word in _IRREGULAR


def plural(noun: str) -> str:
    """The plural of a noun by rule."""
    if noun in ("person", "people"):
        return "people"
    if noun.endswith("s"):
        return noun
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("x", "ch", "sh", "z")) else "s")


def doer(noun: str) -> bool:
    """True for nouns that look like somebody who does something: `streamer`, `inviter`, `cyclist`."""
    return (
        len(noun) > 5
        and noun not in _NOT_DOERS
        and (noun.endswith(("er", "ist")) or (noun.endswith("tor") and len(noun) > 6))
    )


def done_by(noun: str) -> frozenset[str]:
    """The verbs that a doer does: `buyers` buy, `listeners` listen, `inviters` invite."""
    word = lemma(noun)
    if not word.endswith(("er", "or")):
        return frozenset()
    stem = word[:-2]
    found = {stem, stem + "e"}
    if len(stem) > 3 and stem[-1] == stem[-2]:
        found.add(stem[:-1])
    if stem.endswith("i"):
        found.add(stem[:-1] + "y")
    return frozenset(found)
