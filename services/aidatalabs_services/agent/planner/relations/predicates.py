"""What is said of a population: its numbers, values, texts, times, and the things it is related to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from aidatalabs_services.agent.planner.items import Candidate
from aidatalabs_services.agent.planner.lexicon import DIRECTIONS, VERB_NOUNS
from aidatalabs_services.agent.planner.names import word_cost
from aidatalabs_services.agent.planner.words import split_name

from .deeds import deed_here
from .happenings import Happenings
from .lexis import (
    AFTER_NUMBER,
    ARTICLES,
    AUXILIARIES,
    NEGATIONS,
    PREPOSITIONS,
    WITH,
)
from .scanner import Lost
from .tree import (
    Choice,
    Condition,
    During,
    Held,
    Mention,
    Noun,
    Part,
    Related,
)
from .verbs import VERBS
from .words_here import number_text, opposite

FINITE = frozenset(("is", "are", "was", "were", "has", "have", "had", "does", "do", "did"))


class Predicates(Happenings):
    """Reads one condition at a time; populations themselves come from the class below."""

    extreme: Callable[[Noun], bool]
    ordering_part: Callable[[], Part | None]

    def predicate(self, noun: Noun, negated: bool = False, verb: str = "") -> None:
        """What stands behind who, with, in or a verb; raises Lost where it is nothing that can be read."""
        done = False
        while True:
            done = done or self.s.word() in ("do", "does", "did", "has", "have", "had")
            if self.s.takes_word(NEGATIONS):
                negated = not negated
            elif not (self.s.takes_word(AUXILIARIES) and not self.s.done):
                break
        if self.s.word() in ("no", "none", "neither") and not negated:
            self.s.at += 1
            negated = True
        readers = (
            self._lettered, self._measuring, self._comparative, self._than, self._repeated, self._flagged,
            self._attributed, self._counted, self._timed, self._valued, self._related,
        )  # fmt: skip
        start = self.s.at
        if not negated and self.extreme(noun):
            return
        if verb == "" and noun.head is not None and self._did(noun, negated):
            return
        if not negated and self.s.word(-1) == "both" and self._both(noun, verb):
            return
        for reader in readers:
            self.s.at = start
            condition = reader(noun, negated, verb)
            if condition is not None:
                noun.conditions.append(self._by_doing(condition) if done and not verb else condition)
                return
        self.s.at = start
        if self._verbed(noun, negated, verb):
            return
        raise Lost(start, "cannot be read as something said of it")

    def _by_doing(self, condition: Condition) -> Condition:
        """`which books did Ada borrow`: the verb stands behind those who did it."""
        if not self.is_verb() or self.s.at in self.s.breaks:
            return condition
        verb = self.s.word()
        self.s.at += 1
        return replace(condition, verb=verb) if isinstance(condition, Related) else condition

    def _verbed(self, noun: Noun, negated: bool, said: str = "") -> bool:
        """A verb or a preposition, and what stands behind it; `said` is the verb before the preposition."""
        word = self.s.word()
        if not word or self.s.at in self.s.breaks:
            return False
        verb = word if self.is_verb() or word in DIRECTIONS else ""
        if not verb and word not in PREPOSITIONS and not self.s.sees(WITH):
            return False
        start = self.s.at
        self.s.at += 1
        if verb and self.s.word() in FINITE:
            self.s.at = start
            return False
        if verb:
            self.s.at = start
            if self._did(noun, negated):
                return True
            self.s.at = start + 1
        if verb and self._ends(noun, verb, negated):
            return True
        try:
            self.predicate(noun, negated, verb or said)
        except Lost:
            self.s.at = start
            raise
        return True

    def _both(self, noun: Noun, verb: str) -> bool:
        """`have been on both the red and the blue line`: each of two values holds, of different rows."""
        start = self.s.at
        found: list[Noun] = []
        for joiner in ("", "and"):
            if joiner and not self.s.takes_word((joiner,)):
                break
            self.s.skip(ARTICLES)
            value = next(iter(self.s.values()), None)
            table = next((m for m in self.s.names() if m.tables), None)
            if table is not None and (value is None or value.end < table.end):
                self.s.at = table.end
                heads = tuple(Candidate("table", name) for name in table.tables)
                found.append(Noun(replace(table, candidates=heads), table.start))
                continue
            if value is None:
                break
            self.s.at = value.end
            heads = tuple(Candidate("table", c.table) for c in value.candidates)
            rows = Noun(Mention(heads, start, value.end, value.text), value.start)
            rows.conditions.append(Held((value,)))
            found.append(rows)
        if len(found) != 2:
            self.s.at = start
            return False
        tables = {c.table for rows in found for c in (rows.head.candidates if rows.head else ())}
        named = next((m for m in self.s.names() if set(m.tables) & tables), None)
        if named is not None:
            self.s.at = named.end
        noun.conditions.extend(Related(rows, verb=verb) for rows in found)
        return True

    def _did(self, noun: Noun, negated: bool) -> bool:
        """`who signed up in May`: the verb is a stored value; what follows narrows the rows that have it."""
        table, column = self.entity(noun)
        mention = deed_here(self.s, frozenset((table,)))
        if mention is None:
            return False
        self.s.at = mention.end
        if not column:
            noun.conditions.append(Held((mention,), None, negated))
            return True
        rows = Noun(
            Mention((self.schema.candidate(table),), mention.start, mention.end, mention.text), mention.start
        )
        rows.conditions.append(Held((mention,)))
        self.modifiers(rows)
        noun.conditions.append(Related(rows, negated))
        return True

    def _ends(self, noun: Noun, verb: str, negated: bool) -> bool:
        """`who have never borrowed anything`: the verb alone names the other thing."""
        here = self.s.at
        tables = self.acted_tables(noun, verb, self.s.at - 1)
        self.s.takes_word(("anything", "something", "any", "yet", "it", "one"))
        ends = self.s.done or self.s.at in self.s.breaks or self.s.word() in (",", "and", "or", "but", "in")
        if not ends or len(tables) != 1:
            self.s.at = here
            return False
        other = Noun(Mention((Candidate("table", tables[0]),), here - 1, here, verb), here - 1)
        noun.conditions.append(Related(other, negated, verb=verb))
        return True

    def acted_tables(self, noun: Noun, verb: str, place: int) -> list[str]:
        """The tables that the verb at `place` speaks of and that have to do with these things."""
        table, _ = self.entity(noun)
        named = [c.table for m in self.s.names(place) for c in m.candidates if c.kind == "table"]
        deed = VERB_NOUNS.get(verb, "")
        named += [
            m.table
            for m in self.schema.index.names.matches([deed], 0)
            if deed and not m.column and m.cost < 0.1
        ]
        return [t for t in dict.fromkeys(named) if t != table and self.schema.paths(table, t)]

    def _counted(self, noun: Noun, negated: bool, verb: str) -> Condition | None:
        """`more than 2 boats`, `at least one order`, `3 or more children`, `two races`."""
        operator = self._operator()
        told = bool(operator)
        token = self.s.token()
        if token is None or token.kind != "number":
            return None
        self.s.at += 1
        after = self.s.lookup(AFTER_NUMBER)
        if after and not told:
            self.s.at += len(after)
            operator = AFTER_NUMBER[after]
        self.s.takes_word(("different", "distinct"))
        self.s.skip(("of", "the"))
        if not self.s.names() and not self.s.values():
            return None
        other = self.noun()
        operator = operator or "eq"
        return Related(other, False, opposite(operator) if negated else operator, (number_text(token),), verb)

    def _timed(self, noun: Noun, negated: bool, verb: str) -> Condition | None:
        mention = self.s.time()
        if mention is None or negated:
            return None
        year = self._in_year(noun, negated, verb)
        if year is not None:
            return year
        self.s.at = mention.end
        years = self._years(noun, mention)
        if years is not None:
            return years
        return During(mention, verb=verb)

    def _valued(self, noun: Noun, negated: bool, verb: str) -> Condition | None:
        """`from France`, `are French`; a value that a name follows belongs to that name."""
        for value in self.s.values():
            pair = None if negated else self.full_name(value)
            if pair is not None and self.entity(noun)[0] == pair[0].values[0].candidates[0].table:
                self.s.at = pair[1].values[0].end
                noun.conditions.append(pair[0])
                return pair[1]
        held = self._values(None, noun, negated)
        if held is None:
            return None
        if verb and verb not in VERBS and verb not in DIRECTIONS and not self._acts(held, verb):
            raise Lost(held.values[0].start, f"is not told by what '{verb}' speaks of")
        if verb in DIRECTIONS and not self._heads_there(held, verb):
            raise Lost(held.values[0].start, f"is nothing here that '{verb}' asks for")
        named = self.s.names()
        if named and named[0].tables and self.s.at not in self.s.breaks:
            return None
        if self.entity(noun)[1] and verb and len(held.values) == 1 and not held.attribute:
            return None  # `users who never made a purchase`: rows, of which there is none
        return held

    @staticmethod
    def _acts(held: Held, verb: str) -> bool:
        """`insured by Aurora` speaks of an insurer, and of no doctor."""
        parts = {p for c in held.values[0].candidates for p in (*split_name(c.column), *split_name(c.table))}
        return any(word_cost(verb, part) is not None for part in parts)

    def _heads_there(self, held: Held, way: str) -> bool:
        """Whether no value's column says the opposite: `from Oslo` is no destination."""
        other = next(words for name, words in DIRECTIONS.items() if name != way)
        parts = {part for c in held.values[0].candidates for part in split_name(c.column)}
        return not parts & other or bool(parts & DIRECTIONS[way])

    def _related(self, noun: Noun, negated: bool, verb: str) -> Condition | None:
        """`has a boat`, `performed in a race in 2014`; several joined by and, or."""
        if not (self.s.names() or self.s.values() or self.s.word() in ARTICLES):
            return None
        exact = any(m.tables and m.candidates[0].cost <= 0.02 for m in self.s.names())
        if self.s.word() in VERBS and not exact and not self.s.values():
            return None  # `arranged to teach courses`
        other = self._other(noun)
        first = Related(other, negated, verb=verb)
        options: list[Condition] = [first]
        while self.s.word() == "or":
            here = self.s.at
            self.s.at += 1
            try:
                options.append(Related(self._other(noun), negated, verb=verb))
            except Lost:
                self.s.at = here
                break
        if len(options) == 1:
            return first
        if negated:
            noun.conditions.extend(options[:-1])
            return options[-1]
        return Choice(tuple(options))

    def _other(self, noun: Noun) -> Noun:
        if self.s.word() in ("every", "all", "each"):
            raise Lost(self.s.at, "asks that nothing is left out, which I cannot look for yet")
        other = self.noun()
        table, _ = self.entity(noun)
        heads = other.head.candidates if other.head else ()
        if not any(self.schema.paths(table, c.table) for c in heads):
            raise Lost(other.start, f"has nothing to do with {table} in this data")
        return other
