"""A whole question read into what is shown, of which population, in which groups and order."""

from __future__ import annotations

from collections.abc import Sequence

from .lexis import (
    ARTICLES,
    AUXILIARIES,
    COUNT,
    DIRECTIONS,
    EACH,
    FILLERS,
    FUNCTIONS,
    HOW_MUCH,
    LIST,
    PLACES,
    POLITE,
    SORT,
    WITH,
)
from .parts import Parts
from .scanner import Lost
from .tree import Asked, Mention, Noun, Part, Shown

_AND = frozenset(("and", ",", "&"))
_IS = frozenset(("is", "are", "was", "were", "does", "do", "did"))


class Parser(Parts):
    """Reads one question; every word of it is used, or the reading fails. `people` are the tables whose rows
    `who` may ask for."""

    people: Sequence[str] = ()

    def read(self) -> Asked:
        """The question as a tree; raises Lost with the first word that has no place in it."""
        asked = Asked()
        self._lead(asked)
        self._main(asked)
        while not self.s.done:
            start = self.s.at
            self._tail(asked)
            if self.s.at == start:
                raise Lost(start, "has no place in the question as I read it")
        return asked

    def _lead(self, asked: Asked) -> None:
        while self.s.take(POLITE) or self.s.takes_word((",",)):
            pass
        if self.s.take(EACH):
            asked.groups.append(self._group())
            self.s.skip((",",))
        while self.s.take(POLITE) or self.s.takes_word((",",)):
            pass

    def _main(self, asked: Asked) -> None:
        s = self.s
        if s.sees(SORT) and s.word() in ("sort", "order", "rank"):
            self._sorted_first(asked)
        elif s.word() in ("who", "whom"):
            s.at += 1
            self._who(asked)
        elif s.word() == "where":
            s.at += 1
            self._where(asked)
        elif s.word() == "how" and s.word(1) in HOW_MUCH:
            self._how(asked)
        elif s.word() in ("which", "what") and s.word(1) not in _IS:
            s.at += 1
            self._which(asked)
        elif s.word() in ("in", "at", "from", "to", "for") and s.word(1) in ("which", "what"):
            s.at += 2
            self._which(asked)
        else:
            s.take(LIST)
            s.take(POLITE)
            s.skip(("out", "me", "us"))
            self._parts(asked)

    def _sorted_first(self, asked: Asked) -> None:
        """`Sort all shops by size in descending order, and return the name of each.`"""
        self.s.at += 1
        asked.noun = self.noun(modified=False)
        if self.s.takes_word(("by",)):
            asked.order = self._order()
        self.s.skip((",", "and"))
        if self.s.take(LIST):
            self._parts(asked)

    def _who(self, asked: Asked) -> None:
        noun = Noun(None, self.s.at, personal=True)
        people = self.people
        if not people:
            self._somebody(asked)
            return
        if len(people) != 1:
            raise Lost(self.s.at - 1, "does not say whom: name the kind of people")
        candidate = self.schema.candidate(people[0])
        noun.head = Mention((candidate,), self.s.at - 1, self.s.at, self.s.text(self.s.at - 1, self.s.at))
        asked.noun = noun
        if self.s.word() in ("is", "are", "was", "were"):
            self.s.at += 1
            other = self.noun()
            if self.entity(other)[0] != people[0]:
                raise Lost(other.start, "is no kind of people")
            asked.noun = other
            return
        self.depth += 1
        self.predicate(noun)
        self.depth -= 1
        self.modifiers(noun)

    def _somebody(self, asked: Asked) -> None:
        """`who` where people are no table, but a key of what they did."""
        keys = self.schema.person_keys()
        if len(keys) != 1:
            raise Lost(self.s.at - 1, "does not say whom: name the kind of people")
        head = Mention(
            (self.schema.candidate(*keys[0]),),
            self.s.at - 1,
            self.s.at,
            self.s.text(self.s.at - 1, self.s.at),
        )
        asked.noun = Noun(head, self.s.at - 1, personal=True)
        self.modifiers(asked.noun)
        if not self.s.done and self.s.at not in self.s.breaks:
            self.depth += 1
            self.predicate(asked.noun)
            self.depth -= 1
            self.modifiers(asked.noun)

    def _where(self, asked: Asked) -> None:
        """`Where is the youngest teacher from`: the one column that tells a place."""
        self.s.skip(_IS)
        noun = self.noun()
        self.s.skip(("from", "located", "live", "lives", "based", "born", "come", "comes"))
        table, _ = self.entity(noun)
        columns = {c.name.casefold(): c.name for c in self.schema.index.tables[table].columns}
        places = [columns[name] for name in PLACES if name in columns]
        if len(places) != 1:
            raise Lost(noun.start, "asks for a place: name the column that tells it")
        where = Mention((self.schema.candidate(table, places[0]),), noun.start, noun.start, "where")
        asked.noun = noun
        asked.parts.append(Shown(where, noun))

    def _how(self, asked: Asked) -> None:
        """`How old is …`, `how long are …`."""
        adjective = HOW_MUCH[self.s.word(1)]
        at = self.s.at
        self.s.at += 2
        self.s.skip(_IS)
        noun = self.noun()
        table, _ = self.entity(noun)
        asked.noun = noun
        asked.parts.append(Shown(self._by_word(adjective, table, at), noun))

    def _which(self, asked: Asked) -> None:
        start = self.s.at
        if self.s.take(COUNT) or self.s.word() in FUNCTIONS:
            self.s.at = start
            self._parts(asked)
            return
        self.s.take(frozenset((("of", "the"), ("one", "of", "the"), ("of",))))
        column = self._shown_of(asked)
        if column:
            return
        self.s.at = start
        self.s.take(frozenset((("of", "the"), ("one", "of", "the"), ("of",))))
        noun = self.noun(modified=False)
        asked.noun = noun
        while self.s.word() in _AND and self._further_column(asked, noun):
            pass
        if not self.s.done and self.s.at not in self.s.breaks and not self.s.sees(WITH):
            here = self.s.at
            self.depth += 1
            try:
                self.predicate(noun)
            except Lost:
                self.s.at = here
            finally:
                self.depth -= 1
        self.modifiers(noun)

    def _further_column(self, asked: Asked, noun: Noun) -> bool:
        here = self.s.at
        self.s.at += 1
        attribute = self.attribute(noun)
        if attribute is None:
            self.s.at = here
            return False
        asked.parts.append(Shown(attribute))
        return True

    def _shown_of(self, asked: Asked) -> bool:
        """`what major is every student …`, `which city does Bob live in`: a column of what follows."""
        attribute = self.attribute(None)
        if attribute is None:
            return False
        of = self.s.word() in ("of", "for") and bool(
            self.s.names(self.s.at + 1) or self.s.word(1) in ARTICLES
        )
        if not of and self.s.word() not in _IS:
            return False
        self.s.at += 1
        try:
            noun = self.noun()
        except Lost:
            return False
        if noun.head is None or not self.owned(attribute, noun):
            return False
        self.s.skip(("have", "has", "live", "lives", "from", "in", "get"))
        asked.noun = noun
        asked.parts.append(Shown(attribute, noun))
        self._more(asked)
        return True

    def _more(self, asked: Asked) -> None:
        """`…, and how old are they`, `and also how much does it weigh`."""
        while True:
            start = self.s.at
            self.s.skip(("and", ",", "also"))
            if self.s.word() == "how" and asked.noun is not None:
                from .lexis import MEASURING_VERBS

                table, _ = self.entity(asked.noun)
                at = self.s.at
                if self.s.word(1) in HOW_MUCH:
                    self.s.at += 2
                    asked.parts.append(Shown(self._by_word(HOW_MUCH[self.s.words[at + 1]], table, at)))
                    self.s.skip(AUXILIARIES)
                    continue
                if self.s.word(1) == "much":
                    self.s.at += 2
                    self.s.skip(AUXILIARIES)
                    verb = self.s.takes_word(MEASURING_VERBS)
                    if verb:
                        asked.parts.append(Shown(self._by_word(MEASURING_VERBS[verb], table, at)))
                        continue
            self.s.at = start
            return

    def _tail(self, asked: Asked) -> None:
        s = self.s
        if s.at in s.breaks:
            self._sentence(asked)
            return
        self._more(asked)
        if s.done:
            return
        if s.take(EACH):
            asked.groups.append(self._group())
            while s.word() in _AND and s.names(s.at + 1):
                s.at += 1
                asked.groups.append(self._group())
            return
        if s.word() == "by" and any(not isinstance(p, Shown) for p in asked.parts):
            s.at += 1
            asked.groups.append(self._group())
            return
        if s.sees(SORT) or s.sees(DIRECTIONS.keys()):
            self._ordering(asked)
            return
        if asked.noun is not None and self.depth == 0:
            self.modifiers(asked.noun)
        s.skip(FILLERS | {",", "and"} if s.sees(SORT, 1) or s.word() in FILLERS else FILLERS)
        if s.word() in ("and", ",") and (s.sees(SORT, 1) or s.sees(DIRECTIONS.keys(), 1) or s.sees(EACH, 1)):
            s.at += 1

    def _sentence(self, asked: Asked) -> None:
        """A further sentence: what to return, how to sort, or what else must hold."""
        s = self.s
        while not s.sees(LIST) and s.take(POLITE):
            pass
        if s.sees(SORT):
            self._ordering(asked)
            return
        if s.word() in ("they", "it", "these", "those"):
            s.at += 1
            s.skip(("should", "must", "be", "are", "have", "to", "need"))
            if asked.noun is None:
                raise Lost(s.at, "does not say of what")
            self.predicate(asked.noun)
            self.modifiers(asked.noun)
            return
        if not s.take(LIST):
            raise Lost(s.at, "begins a sentence that I cannot read")
        s.skip(("me", "us", "the", "their", "its", "only"))
        further = Asked(noun=asked.noun)
        self.further = True
        self._parts(further)
        asked.parts = _merged(asked.parts, further.parts)
        asked.noun = asked.noun or further.noun


def _merged(before: list[Part], after: list[Part]) -> list[Part]:
    """What a second sentence says to return takes the place of what was asked for, where it says it whole."""
    if not after:
        return before
    missing = [part for part in before if not isinstance(part, Shown)]
    same = [type(part) for part in after]
    return [*after, *(part for part in missing if type(part) not in same)]
