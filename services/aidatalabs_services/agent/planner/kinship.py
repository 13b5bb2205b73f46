"""Words of one family: applied and application, admitted and admission, signed up and signup."""

from __future__ import annotations

_SUFFIXES = ("ed", "d", "ing", "er", "r", "ly", "al", "ment", "ation", "ion", "s", "es")
_NOUN_ENDINGS = ("", "e", "al", "ure", "y", "ion", "ation", "ment", "ance", "ence", "ery")
_TURNED = (("mit", "mission"), ("de", "sion"), ("d", "sion"), ("be", "ption"), ("y", "ication"))
PARTICLES = frozenset(("up", "in", "out", "off", "on"))
"""What makes another verb of a verb: signed up, checked in, dropped off."""


def same_stem(left: str, right: str) -> bool:
    """True for two forms of one word, of four letters or more."""
    shorter, longer = sorted((left, right), key=len)
    if len(shorter) < 4:
        return False
    if longer.startswith(shorter) and longer[len(shorter) :] in _SUFFIXES:
        return True
    if longer[len(shorter) :] in (shorter[-1] + "ed", shorter[-1] + "ing"):
        return longer.startswith(shorter)
    if acted(left, right) or acted(right, left) or _going(left, right) or _going(right, left):
        return True
    return (
        shorter.endswith("e")
        and longer.startswith(shorter[:-1])
        and longer[len(shorter) - 1 :] in ("ing", "ation")
    )


def acted(verb: str, noun: str) -> bool:
    """True when a participle and a noun are of one family: verified and verification."""
    if verb == noun or not verb.endswith("ed"):
        return False
    return any(noun in _nouns(base) for base in bases(verb) if len(base) >= 4)


def _going(verb: str, noun: str) -> bool:
    """opened and opening, closed and closing."""
    stems = {noun[:-3], noun[:-3] + "e"} if noun.endswith("ing") and len(noun) > 6 else set()
    return verb.endswith("ed") and bool(stems & set(bases(verb)))


def bases(verb: str) -> tuple[str, ...]:
    """What a past form may be made of: `dropped` of drop, `closed` of close; the verb itself as well."""
    if not verb.endswith("ed") or len(verb) < 5:
        return (verb,)
    cut = verb[:-2]
    found = [cut, verb[:-1]]
    if cut[-1] == cut[-2]:
        found.append(cut[:-1])
    if cut.endswith("i"):
        found.append(cut[:-1] + "y")
    return tuple(found)


def _nouns(base: str) -> set[str]:
    made = {base + ending for ending in _NOUN_ENDINGS}
    if base.endswith("e"):
        made |= {base[:-1] + ending for ending in _NOUN_ENDINGS}
    for ending, turned in _TURNED:
        if base.endswith(ending) and len(base) > len(ending) + 1:
            made.add(base[: -len(ending)] + turned)
    return made
