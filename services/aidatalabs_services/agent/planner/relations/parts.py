"""The list of what is shown: columns, figures, numbers of things, and whose they are."""

from __future__ import annotations

from dataclasses import replace

from aidatalabs_services.agent.planner.items import Candidate
from aidatalabs_services.agent.planner.words import lemma

from .heads import ENTITY_ROLES
from .lexis import (
    ARTICLES,
    COUNT,
    DIFFERENT,
    DIRECTIONS,
    EACH,
    FUNCTIONS,
    HOW_MUCH,
    IDIOMS,
    RELATIVE,
    SORT,
    WITH,
    WITHOUT,
)
from .orders import Orders
from .predicates import FINITE
from .scanner import Lost
from .tree import Asked, Computed, Counted, Mention, Noun, Part, Shown

_AND = frozenset(("and", ",", "&"))
_OF = frozenset(("of", "for", "from", "in", "among", "across", "by", "on", "at", "over"))
_AND_PHRASES = frozenset((("as", "well", "as"), ("along", "with"), ("together", "with"), ("and", "also")))


class Parts(Orders):
    """Reads what a question wants to see."""

    further = False
    listed: Noun | None = None

    def _group(self) -> Mention:
        self.s.skip(ARTICLES)
        self.s.takes_word(DIFFERENT)
        for mention in self.s.names():
            if not self._spans_of(mention):
                self.s.at = mention.end
                return mention
        raise Lost(self.s.at, "is nothing to group by")

    def _parts(self, asked: Asked) -> None:
        while True:
            asked.parts.extend(self._part(asked))
            if not self._separator():
                break
        self._check_listed(asked)
        self._whole_of(asked)

    def _check_listed(self, asked: Asked) -> None:
        """`trips and average fee`: rows and a figure are two questions."""
        noun = asked.noun
        if (
            noun is None
            or self.further
            or noun is not self.listed
            or noun.head is None
            or any(c.column for c in noun.head.candidates)
        ):
            return
        if any(isinstance(part, Computed) for part in asked.parts):
            raise Lost(noun.start, "is one of two things asked for at once: ask for each alone")

    def _separator(self) -> bool:
        """Step over what joins two parts of a list; False where the list ends."""
        start = self.s.at
        if self.s.at in self.s.breaks:
            return False
        joined = bool(self.s.take(_AND_PHRASES)) or bool(self.s.takes_word(_AND))
        if not joined:
            return False
        self.s.takes_word(("and",))
        self.s.skip(("also", "then", "the", "their", "its", "show", "return", "list", "give"))
        here = self.s.at
        if self.s.word() == "how" and self.s.word(1) in (*HOW_MUCH, "much"):
            self.s.at = start
            return False
        part = (
            self.s.sees(COUNT) or self.s.word() in FUNCTIONS or self.s.names() or self.s.word() in DIFFERENT
        )
        if not part or self.s.sees(SORT) or self.s.sees(DIRECTIONS.keys()):
            self.s.at = start
            return False
        self.s.at = here
        return True

    def _part(self, asked: Asked) -> list[Part]:
        self.s.skip(ARTICLES)
        different = bool(self.s.takes_word(DIFFERENT))
        self.s.take(frozenset((("list", "of"), ("lists", "of"), ("set", "of"), ("names", "list"))))
        different = bool(self.s.takes_word(DIFFERENT)) or different
        self.s.skip(("the",))
        counted = self._named_number()
        if counted is not None:
            return [Shown(counted)]
        if self._number_of_measured():
            return self._computed(asked, ["sum"])
        if self.s.take(COUNT):
            return [self._count(asked, different)]
        functions = self._functions()
        if functions:
            rows = self._total_of_rows(functions)
            return [rows] if rows is not None else self._computed(asked, functions)
        both = self._both_names(asked)
        if both:
            return both
        return self._shown(asked, different)

    def _named_number(self) -> Mention | None:
        """`number of products` where a column is called so."""
        if not self.s.sees(COUNT):
            return None
        for mention in self.s.names():
            if mention.end - mention.start > 1 and mention.candidates[0].cost <= 0.06:
                self.s.at = mention.end
                return mention
        return None

    def _count(self, asked: Asked, different: bool) -> Part:
        self.s.skip(("the", "of", "all"))
        different = bool(self.s.takes_word(DIFFERENT)) or different
        if self.s.word() in ("each", "every"):
            raise Lost(self.s.at, "stands before what is counted: say each of what behind it")
        noun = self.noun(modified=False)
        different = different or noun.different
        self.s.skip(("are", "is", "were", "was", "there"))
        if self.is_verb() and self.s.sees(EACH, 1):
            self.s.at += 1  # `rivers flow through each country`
        if self.s.sees(EACH):
            return Counted(noun, different)
        if self.s.word() in FINITE and self.s.word(1) in ("each", "every"):
            self.s.at += 2  # `how many stays has each ward had`
            asked.groups.append(self._group())
            if self.is_verb():
                self.s.at += 1
            return Counted(noun, different)
        here = self.s.at
        if not self.s.done and self.s.at not in self.s.breaks:
            try:
                self.depth += 1
                if self.s.word() not in ("and", "or", ",", "by"):
                    self.predicate(noun)
            except Lost:
                self.s.at = here
                del noun.conditions[:]
            finally:
                self.depth -= 1
        self.modifiers(noun)
        return Counted(noun, different)

    def _functions(self) -> list[str]:
        found: list[str] = []
        start = self.s.at
        while True:
            here = self.s.at
            self.s.skip(("the",))
            joined = self.s.skip(("and", ",", "the"))
            name = self.s.word()
            if name not in FUNCTIONS or (found and not joined):
                self.s.at = here
                break
            self.s.at += 1
            found.append(FUNCTIONS[name])
            self.s.skip(("of", "number", "value", "values"))
        if self.s.word() in FUNCTIONS and found:
            raise Lost(self.s.at, "of another figure is not something I can compute here")
        if not found:
            self.s.at = start
        return list(dict.fromkeys(found))

    def _number_of_measured(self) -> bool:
        """`total number of tries` adds up a column of them."""
        start = self.s.at
        phrase = self.s.take(COUNT)
        named = self.s.names() if phrase and phrase[0] == "total" else []
        columns = [c for c in named[0].candidates if c.column] if named else []
        roles = [self.schema.index.role(c.table, c.column) for c in columns]
        if named and not named[0].tables and roles and all(role.kind == "measure" for role in roles):
            return True
        self.s.at = start
        return False

    def _total_of_rows(self, functions: list[str]) -> Part | None:
        """`total payments`, `total sales count`: a number of rows, where no column is called so."""
        named = self.s.names()
        if functions != ["sum"] or not named or not named[0].tables:
            return None
        columns = [c for c in named[0].candidates if c.column]
        said = named[0].end < len(self.s.words) and self.s.words[named[0].end] in ("count", "counts")
        measured = any(self.schema.index.role(c.table, c.column).kind == "measure" for c in columns)
        if not said and (measured or lemma(self.s.words[named[0].end - 1]) == "sale"):
            return None
        noun = self.noun(modified=False)
        self.s.takes_word(("count", "counts"))
        return Counted(noun)

    def _both_names(self, asked: Asked) -> list[Part]:
        """`first and last name`."""
        if tuple(self.s.words[self.s.at : self.s.at + 4])[:3] != ("first", "and", "last"):
            return []
        if lemma(self.s.word(3)) != "name":
            return []
        made: list[Shown] = []
        for word in ("first", "last"):
            found = [
                m for m in self.schema.index.names.matches([word, "name"], 0) if m.length == 2 and m.column
            ]
            candidates = tuple(Candidate("column", m.table, m.column, (), m.cost) for m in found)
            if not candidates:
                return []
            made.append(Shown(Mention(candidates, self.s.at, self.s.at + 4, f"{word} name")))
        self.s.at += 4
        self._of(asked, made[0].attribute)
        return list(made)

    def _computed(self, asked: Asked, functions: list[str]) -> list[Part]:
        self.s.skip(ARTICLES)
        attribute = self.attribute(None)
        if attribute is None:
            raise Lost(self.s.at, "is nothing a figure can be computed of")
        made: list[Part] = [Computed(function, attribute) for function in functions]
        self.s.takes_word(("amount", "amounts"))
        if self.s.word() != "by":  # `total cost by ward` is one for each of them
            self._of(asked, attribute)
        return made

    def _shown(self, asked: Asked, different: bool) -> list[Part]:
        """A column, with whose it is; or the population itself. Behind a figure it must be said what for."""
        made = self._column_or_noun(asked, different)
        figures = [part for part in asked.parts if not isinstance(part, Shown)]
        told = asked.groups or any(isinstance(part, Shown) for part in asked.parts) or self.further
        for part in made:
            if isinstance(part, Shown) and figures and not told and part.noun is None:
                raise Lost(part.attribute.start, "stands beside a number: say what it is for")
        return made

    def _column_or_noun(self, asked: Asked, different: bool) -> list[Part]:
        for mention in self.s.names():
            if self._spans_of(mention):
                continue
            tables = mention.tables
            columns = tuple(c for c in mention.candidates if c.kind == "column")
            behind = self.s.words[mention.end] if mention.end < len(self.s.words) else ""
            table_first = tables and (not columns or mention.candidates[0].kind == "table")
            if not table_first and self._narrowed(mention):
                break
            if columns and (not table_first or behind == "of") and columns[0].cost <= 0.36:
                self.s.at = mention.end
                shown = replace(mention, candidates=columns)
                asked.different = asked.different or different
                noun = self._of(asked, shown)
                return [Shown(shown, noun)]
            if tables:
                break
        if asked.noun is not None and asked.parts:
            noun = self.noun()
            asked.parts.append(Shown(noun.head or self._nothing(), noun))
            return []
        if asked.noun is not None and asked.noun is self.listed:
            raise Lost(self.s.at, "is a second kind of thing: ask for each alone")
        asked.led = not asked.parts
        asked.noun = self.listed = self.noun()
        asked.different = asked.different or different or asked.noun.different
        return []

    def _narrowed(self, mention: Mention) -> bool:
        """`cities that have more than one shop`: the values of a column, of which something is said."""
        index = self.schema.index
        roles = {index.role(c.table, c.column).kind for c in mention.candidates if c.column}
        if not roles <= ENTITY_ROLES:
            return False
        here, self.s.at = self.s.at, mention.end
        word, following = self.s.word(), self.s.word(1)
        told = word in RELATIVE or word == "whose" or self.s.sees(WITH) or self.s.sees(WITHOUT)
        told = told or (word in ("in", "for", "of", "from", "at") and following in ("which", "whom"))
        self.s.at = here
        return bool(told) and here not in self.s.breaks

    def _nothing(self) -> Mention:
        raise Lost(self.s.at, "names nothing")

    def _of(self, asked: Asked, attribute: Mention) -> Noun | None:
        """`of the climbers who …`: whose a column is; the first such population is the question's."""
        self.s.take(IDIOMS)  # `country of origin`
        if self.is_verb() and self.s.word(1) in _OF:
            self.s.at += 1  # `fee given in all evaluations`
        if self.s.word() not in _OF or self.s.at in self.s.breaks:
            return None
        start = self.s.at
        if self.s.sees(EACH) and any(not isinstance(part, Shown) for part in asked.parts):
            return None
        self.s.at += 1
        grouped = self.s.word() in ("each", "every")
        try:
            noun = self.noun()
        except Lost:
            self.s.at = start
            return None
        if (
            grouped
            and noun.bare
            and not any(c.kind == "table" for c in (noun.head.candidates if noun.head else ()))
        ):
            self.s.at = start
            return None
        if asked.noun is None:
            asked.noun = noun
        return noun

    def _whole_of(self, asked: Asked) -> None:
        """`the name and age of each climber`, behind the last part."""
        counted = any(isinstance(part, Counted) for part in asked.parts)
        if (
            asked.noun is None
            and not counted
            and self.s.word() in _OF
            and not self.s.done
            and not self.s.sees(EACH)
        ):
            self.s.at += 1
            asked.noun = self.noun()

    def _by_word(self, adjective: str, table: str, at: int) -> Mention:
        columns = self.schema.by_adjective(adjective, table)
        if len(columns) != 1 or columns[0].startswith("-"):
            raise Lost(at, f"does not say which number of {table} is meant")
        return Mention((self.schema.candidate(table, columns[0]),), at, at + 2, self.s.text(at, at + 2))
