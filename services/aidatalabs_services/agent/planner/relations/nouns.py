"""What narrows a population: `… who performed in a race in 2014, except those from Oslo`."""

from __future__ import annotations

from dataclasses import replace

from aidatalabs_services.agent.planner.adjectives import ADJECTIVES, COMPARATIVES

from .lexis import (
    ARTICLES,
    AUXILIARIES,
    BY,
    COMPARISONS,
    CONTAINS,
    COUNT,
    DIRECTIONS,
    EACH,
    EXCEPT,
    FUNCTIONS,
    IDIOMS,
    JOIN_TALK,
    MEASURING_VERBS,
    NEGATIONS,
    PREPOSITIONS,
    RELATIVE,
    SORT,
    WITH,
    WITHOUT,
    WITHOUT_TAIL,
    words,
)
from .predicates import FINITE
from .rivals import Rivals
from .scanner import Lost
from .tree import Gap, Held, Noun, Related
from .verbs import CLOSED

_UNDOING = words(
    """
    left leave leaves quit avoid avoids avoided lack lacks lacked lose loses lost miss misses missed refuse
    refuses refused reject rejects rejected hate hates dislike dislikes stop stops stopped end ends ended
    cancel cancels cancelled exclude excludes skip skips skipped drop drops dropped fear despise returned
    """
)
_WHATEVER = frozenset(("anything", "something"))
_NAMED = frozenset(("named", "called", "titled"))
_JOINING = frozenset(("the", "and", ",", "table", "tables", "to", "from", "with", "left", "inner", "right",
                      "join", "on", "a", "an", "joins"))  # fmt: skip
_ANAPHORA = frozenset(("they", "it", "he", "she", "there", "them"))


class Nouns(Rivals):
    """Reads populations with everything that is said of them."""

    def modifiers(self, noun: Noun) -> None:
        """Everything said of a population behind its name, as far as it can be read."""
        self.depth += 1
        try:
            self._narrowed_by(noun)
        finally:
            self.depth -= 1

    def _narrowed_by(self, noun: Noun) -> None:
        while not self.s.done and self.s.at not in self.s.breaks:
            start, held = self.s.at, len(noun.conditions)
            extreme = noun.extreme
            try:
                read = self._modifier(noun)
            except Lost:
                read = False
            if not read or self.s.at == start:
                self.s.at = start
                del noun.conditions[held:]
                noun.extreme = extreme
                return

    def _modifier(self, noun: Noun) -> bool:
        s = self.s
        if s.sees(SORT) or s.sees(DIRECTIONS.keys()) or s.sees(EACH):
            return False
        if self._join_talk():
            return True
        if s.take(IDIOMS) or self._as_itself(noun) or self._trails() or s.takes_word(_WHATEVER):
            return True
        if s.word() in PREPOSITIONS and s.word(1) in ("which", "whom"):
            s.at += 2
            return self._relative(noun)
        if self.depth > 1 and (s.word() in FINITE or s.word() in NEGATIONS):
            return False  # the verb of the sentence, said of what the clause is about
        if s.word() == "by" and s.sees(BY):
            return self._by(noun)
        if s.time() is not None:
            self.predicate(noun)
            return True
        if self.depth > 1 and s.word() == "but":
            return False
        if s.take(EXCEPT):
            self._except(noun)
            return True
        if s.take(WITHOUT):
            s.skip(WITHOUT_TAIL)
            self._without(noun)
            return True
        if s.word() in ("and", "or", "but", ","):
            return self._joined(noun)
        if s.word() == "whose":
            s.at += 1
            return self._whose(noun)
        if s.word() in RELATIVE:
            s.at += 1
            return self._relative(noun)
        if s.takes_word(_NAMED):
            self.predicate(noun)
            return True
        if s.word() in _ANAPHORA or (self.is_verb() and s.word(1) in ("there", "here")):
            return self._anaphora()
        told = s.sees(WITH) or s.word() in PREPOSITIONS or s.sees(COMPARISONS.keys()) or self.is_verb()
        told = told or s.word() in MEASURING_VERBS or CONTAINS.get(s.lookup(CONTAINS)) in ("starts", "ends")
        told = told or s.word() in NEGATIONS
        told = told or s.word() in ("between", "aged", "is", "are", "was", "were", "neither")
        if told or self._compares():
            if s.word() == "aged":
                s.at += 1
                return self._of_age(noun)
            self.predicate(noun)
            return True
        return self._beside(noun)

    def _join_talk(self) -> bool:
        """`based on joining the customers and sales tables`: how, not what; it names only tables."""
        start, s = self.s.at, self.s
        s.takes_word((",",))
        if not s.take(JOIN_TALK):
            s.at = start
            return False
        while not s.done and s.at not in s.breaks:
            table = next((m for m in s.names() if m.tables), None)
            if table is not None:
                s.at = table.end
            elif not s.takes_word(_JOINING):
                s.at = start
                return False
        return True

    def _trails(self) -> bool:
        """`… are from.`: what is left of a clause whose object stood before it."""
        start = self.s.at
        self.s.skip(("is", "are", "was", "were", "from", "in", "at", "located", "come", "comes", "born"))
        if self.s.at > start and (self.s.done or self.s.at in self.s.breaks):
            return True
        self.s.at = start
        return False

    def _as_itself(self, noun: Noun) -> bool:
        """`a boat as a boat`: the same things called by their name; `rivers in metres`: how they are told."""
        start = self.s.at
        if self.s.takes_word(("in",)) and noun.extreme is not None and self.s.unit():
            return True
        self.s.at = start
        if not self.s.takes_word(("as",)):
            return False
        self.s.skip(ARTICLES)
        table, _ = self.entity(noun)
        for mention in self.s.names():
            if table in mention.tables:
                self.s.at = mention.end
                return True
        self.s.at = start
        return False

    def _compares(self) -> bool:
        more = self.s.word() in ("more", "less") and self.s.word(1) in ADJECTIVES
        return more or self.s.word() in COMPARATIVES

    def _of_age(self, noun: Noun) -> bool:
        """`aged between 20 and 40`, `aged 30 or more`."""
        condition = self._amount(None, "old")
        if condition is None:
            return False
        noun.conditions.append(condition)
        return True

    def _beside(self, noun: Noun) -> bool:
        """A value or `column value` right behind the name: `orders status paid`, `climber "Joe"`."""
        token = self.s.token()
        if token is None:
            return False
        self.check_end(noun)
        if token.kind == "quoted" or self.s.values():
            self.predicate(noun)
            return True
        attribute = self.attribute(noun)
        if attribute is None:
            return False
        condition = self.said_of(attribute, noun, False)
        if condition is None:
            return False
        noun.conditions.append(condition)
        return True

    def _by(self, noun: Noun) -> bool:
        """`books by climbers who …`: who did it; `by country` groups and is no part of the population."""
        self.s.at += 1
        ranked = noun.extreme
        if ranked is not None and ranked.open:
            part = self.ordering_part()
            if part is None:
                raise Lost(self.s.at, "is nothing to rank by")
            noun.extreme = replace(ranked, by=part)
            if self.is_verb() and self.schema.index.names.knows(self.s.word()):
                self.hints.add(self.s.word())  # `by total amount received`
                self.s.at += 1
            return True
        here = self.s.at
        other = self.noun()
        if not other.bare and other.head is not None and other.head.tables:
            noun.conditions.append(Related(other))
            return True
        if any(isinstance(c, Held) for c in other.conditions) and self.s.at > here:
            noun.conditions.append(Related(other))
            return True
        return False

    def _anaphora(self) -> bool:
        """`they teach`, `working there`: back to what was named, nothing new."""
        start = self.s.at
        self.s.skip(_ANAPHORA | AUXILIARIES)
        if self.is_verb():
            self.s.at += 1
        self.s.skip(_ANAPHORA | {"in", "at", "for", "to", "of", "on", "with"})
        return self.s.at > start

    def _joined(self, noun: Noun) -> bool:
        """`and`, `or`, `but` and a further condition on the same population."""
        word = self.s.word()
        self.s.at += 1
        if word == "," and self.s.word() in ("and", "or", "but"):
            word = self.s.word()
            self.s.at += 1
        if word == "or":
            return self._alternative(noun)
        self.s.skip(("also", "then", "both", "those", "are", "is", "were", "was"))
        s = self.s
        inner = self.depth > 1
        relative = s.word() in RELATIVE or s.word() == "whose"
        verb = self.is_verb() or s.word() in AUXILIARIES or s.word() in NEGATIONS
        if inner and (relative or verb):
            return False
        if s.sees(COUNT) or s.word() in FUNCTIONS:
            return False
        if s.word() == "no" and not inner:
            self.predicate(noun)  # `customers but no suppliers`
            return True
        if relative or verb or s.sees(WITH) or s.sees(WITHOUT) or s.word() in PREPOSITIONS:
            return self._modifier(noun)
        if s.sees(COMPARISONS.keys()) or self._compares():
            self.predicate(noun)
            return True
        return self._again(noun)

    def _again(self, noun: Noun) -> bool:
        """`a boat and a bicycle`: another thing of the same relation; `age over 3 and weight under 9`."""
        self.check_end(noun)
        last = noun.conditions[-1] if noun.conditions else None
        attribute = self.attribute(noun)
        if attribute is not None:
            condition = self.said_of(attribute, noun, False)
            if condition is not None:
                noun.conditions.append(condition)
                return True
            return False
        if not isinstance(last, Related) or self.depth > 1:
            return False
        other = self.noun()
        noun.conditions.append(replace(last, noun=other))
        return True

    def _alternative(self, noun: Noun) -> bool:
        """`older than 30 or younger than 20`: either of the last condition and the next one."""
        from .tree import Choice

        if not noun.conditions:
            return False
        first = noun.conditions[-1]
        held = len(noun.conditions)
        self.s.skip(("who", "that", "which", "are", "is", "were", "was", "have", "has", "with"))
        try:
            self.predicate(noun)
        except Lost:
            return False
        if len(noun.conditions) != held + 1:
            return False
        second = noun.conditions.pop()
        noun.conditions[-1] = Choice((first, second))
        return True

    def _whose(self, noun: Noun) -> bool:
        attribute = self.attribute(noun)
        if attribute is not None:
            condition = self.said_of(attribute, noun, False)
            if condition is None:
                raise Lost(attribute.start, "is not compared with anything")
            noun.conditions.append(condition)
            return True
        self.predicate(noun)
        return True

    def _relative(self, noun: Noun) -> bool:
        """Behind who, that, which, where."""
        if self.s.word() in ("there",):
            self.s.skip(("there", "are", "is", "were", "was", "exist", "exists"))
        if self.s.word() in _ANAPHORA:
            return self._anaphora()
        try:
            self.predicate(noun)
        except Lost:
            if not self._some_verb(noun):
                raise
            self.predicate(noun)
        return True

    def _some_verb(self, noun: Noun) -> bool:
        """Step over a verb that is nothing here before a value of the thing itself: `who ride a scooter`."""
        token = self.s.token()
        if token is None or token.kind != "word" or token.word in CLOSED | _UNDOING or self.s.names():
            return False
        start = self.s.at
        self.s.at += 1
        self.s.skip(ARTICLES)
        table, column = self.entity(noun)
        own = [c for value in self.s.values() for c in value.candidates if c.table == table]
        self.s.at = start + 1 if own and not column else start
        return self.s.at > start

    def _without(self, noun: Noun) -> None:
        attribute = None
        start = self.s.at
        named = self.s.names()
        if not (named and named[0].tables):
            attribute = self.attribute(noun)
        if attribute is not None:
            here = self.s.at
            condition = self.said_of(attribute, noun, True)
            if condition is None:
                self.s.at = here
            noun.conditions.append(condition or Gap(attribute, False))
            return
        self.s.at = start
        noun.conditions.append(Related(self.noun(), True))

    def _except(self, noun: Noun) -> None:
        """`except those in Paris`, `excluding books that …`, `other than Bob`."""
        self.s.skip(("for", "the", "those", "ones", "any", "all", "in", "from", "that", "who", "with"))
        start = self.s.at
        held = self._values(None, noun, True)
        if held is not None and not self.s.names() and not self.s.values():
            noun.conditions.append(held)
            return
        self.s.at = start
        last = noun.conditions[-1] if noun.conditions else None
        verb = last.verb if isinstance(last, Related) else ""  # `bought tea but not cake`
        noun.conditions.append(Related(self.noun(), True, verb=verb))
