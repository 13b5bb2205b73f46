"""The schema as a graph that can be walked both ways, and names resolved where they are said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from aidatalabs_services.agent.planner.adjectives import worded_for
from aidatalabs_services.agent.planner.catalogue import Column, Table
from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.items import Candidate
from aidatalabs_services.agent.planner.kinship import bases, same_stem
from aidatalabs_services.agent.planner.lexicon import VERB_NOUNS
from aidatalabs_services.agent.planner.roles import is_unique, whole
from aidatalabs_services.agent.planner.words import compact, split_name

from .tree import Mention
from .verbs import PERSONS

_MOST_HOPS = 4
_MOST_PATHS, _MOST_GOALS = 20_000, 64
_AS_NEAR = 0.06
_TRADE = frozenset(("sale", "order", "purchase", "transaction"))  # selling and buying are one event
_PLAIN_NAMES = frozenset(
    (word,) for word in ("id", "name", "code", "key", "title", "type", "date", "year", "description",
                         "status", "age", "value", "timestamp")
)  # fmt: skip


@dataclass(frozen=True)
class Hop:
    """One step from `table` to `to_table`; `to_one` when it follows a key to its single row."""

    table: str
    column: str
    to_table: str
    to_column: str
    to_one: bool


@dataclass(frozen=True)
class Place:
    """A column found for some words: its table, its name and the way there from where it was looked for."""

    table: str
    column: str
    path: tuple[Hop, ...]
    cost: float

    @property
    def single(self) -> bool:
        """True where every row it was looked for from has one."""
        return all(hop.to_one for hop in self.path)


class Unclear(Exception):
    """Words that fit several columns or ways alike, or none; `mention` are the words."""

    def __init__(self, mention: Mention | None, why: str) -> None:
        super().__init__(why)
        self.mention = mention
        self.why = why


class Schema:
    """One catalogue's graph."""

    def __init__(self, index: CatalogueIndex) -> None:
        self.index = index
        self._hops: dict[str, list[Hop]] = {name: [] for name in index.tables}
        stated = {(edge.table, edge.column, edge.to_table, edge.to_column) for edge in index.edges}
        for edge in index.edges:
            turned = (edge.to_table, edge.to_column, edge.table, edge.column)
            if turned in stated and index.column(edge.to_table, edge.to_column).comment:
                continue  # one row for one row: the key that was stated tells the direction
            self._hops[edge.table].append(
                Hop(edge.table, edge.column, edge.to_table, edge.to_column, to_one=True)
            )
            back = Hop(edge.to_table, edge.to_column, edge.table, edge.column, to_one=False)
            self._hops[edge.to_table].append(back)
        self._paths: dict[tuple[str, str], list[tuple[Hop, ...]]] = {}
        self._apart: dict[str, dict[str, int]] = {}
        self._beside = {name: frozenset(hop.to_table for hop in hops) for name, hops in self._hops.items()}

    def paths(self, start: str, goal: str) -> list[tuple[Hop, ...]]:
        """All shortest ways between two tables along keys; along columns of one name where no key leads."""
        if start == goal:
            return [()]
        key = (start, goal)
        if key not in self._paths:
            if len(self._paths) >= _MOST_PATHS:
                self._paths.clear()
            self._paths[key] = self._walk(start, goal) or self._alike(start, goal)
        return self._paths[key]

    def _walk(self, start: str, goal: str) -> list[tuple[Hop, ...]]:
        """Only steps that come nearer are taken: around a table that all others refer to the rest is many."""
        left = self._distances(goal)
        ways: list[tuple[Hop, ...]] = [()] if start in left else []
        for _ in range(left.get(start, 0)):
            ways = [
                (*way, hop)
                for way in ways
                for place in (way[-1].to_table if way else start,)
                for hop in self._hops[place]
                if left.get(hop.to_table, _MOST_HOPS) == left[place] - 1
            ]
        return ways

    def _distances(self, goal: str) -> dict[str, int]:
        """How many hops each table is from the goal, those at most four away."""
        if goal not in self._apart:
            if len(self._apart) >= _MOST_GOALS:
                self._apart.clear()
            found, last = {goal: 0}, [goal]
            for distance in range(1, _MOST_HOPS + 1):
                # Each hop has one back: what leads here is where one gets to from here.
                near = frozenset().union(*(self._beside[place] for place in last))
                last = [table for table in near if table not in found]
                found.update(dict.fromkeys(last, distance))
            self._apart[goal] = found
        return self._apart[goal]

    def _alike(self, start: str, goal: str) -> list[tuple[Hop, ...]]:
        found: list[tuple[Hop, ...]] = []
        for column in self.index.tables[start].columns:
            other = self.index.tables[goal].column(column.name)
            if other is None or column.path_of or split_name(column.name) in _PLAIN_NAMES:
                continue
            kinds = {column_type(column.type).kind, column_type(other.type).kind}
            role = self.index.role(start, column.name).kind
            if len(kinds) == 1 and role in ("key", "label", "dimension"):
                found.append((Hop(start, column.name, goal, column.name, to_one=False),))
        return found

    def way(self, start: str, goal: str, words: frozenset[str], mention: Mention | None) -> tuple[Hop, ...]:
        """The one way between two tables; of several, the one whose names hold a word that was said."""
        paths = self.paths(start, goal)
        spoken = self._through(start, goal, words) if words and start != goal else []
        if len(spoken) == 1:
            return spoken[0]
        if len(paths) > 1 and words:
            told = [path for path in paths if words & self._named(path)]
            paths = told if len(told) == 1 else paths
        if not paths:
            raise Unclear(mention, f"has nothing to do with {start} in this data")
        if len(paths) > 1:
            raise Unclear(mention, f"can be reached from {start} in several ways")
        return paths[0]

    def _through(self, start: str, goal: str, verbs: frozenset[str]) -> list[tuple[Hop, ...]]:
        """The ways over the table of what was done: customers bought products by their orders, and reviewed
        them by their reviews."""
        deeds = {form for verb in verbs for form in (verb, *bases(verb), VERB_NOUNS.get(verb, verb))}
        deeds |= _TRADE if deeds & _TRADE else set()
        exact: list[str] = []
        partly: list[str] = []
        for table in self.index.tables:
            parts = split_name(table)
            if table in (start, goal) or not (
                deeds & set(parts) or any(same_stem(parts[-1], v) for v in verbs)
            ):
                continue
            (exact if len(parts) == 1 else partly).append(table)
        for tables in (exact, partly):
            found = [
                (*first, *second)
                for table in tables
                for first in self.paths(start, table)
                for second in self.paths(table, goal)
                if not {hop.to_table for hop in second} & {start, *(hop.table for hop in first)}
            ]
            if found:
                shortest = min(len(path) for path in found)
                return [path for path in found if len(path) == shortest]
        return []

    @staticmethod
    def _named(path: tuple[Hop, ...]) -> frozenset[str]:
        names = [name for hop in path for name in (hop.column, hop.to_column, hop.table, hop.to_table)]
        return frozenset(part for name in names for part in split_name(name))

    def column_at(self, mention: Mention, table: str, far: bool = True) -> Place:
        """The column some words name where they are said of rows of `table`: its own first, then one that
        each row has through keys, then one of related rows. Raises Unclear for none and for several."""
        own = [c for c in mention.candidates if c.kind == "column" and c.table == table]
        if own:
            return self._best(mention, [Place(c.table, c.column, (), c.cost) for c in own])
        places = []
        for candidate in mention.candidates:
            if candidate.kind != "column":
                continue
            for path in self.paths(table, candidate.table)[:3]:
                dear = sum(0.05 if hop.to_one else 0.12 for hop in path)
                places.append(Place(candidate.table, candidate.column, path, candidate.cost + dear))
        if not places or not far:
            raise Unclear(mention, f"is no column of {table}")
        return self._best(mention, self._without_copies(places))

    @staticmethod
    def _without_copies(places: list[Place]) -> list[Place]:
        """A key's copy in another table is the same column."""
        kept = []
        for place in places:
            last = place.path[-1] if place.path else None
            copy = last is not None and place.column == last.to_column and last.column == last.to_column
            other = any(p is not place and p.column == place.column and len(p.path) < len(place.path)
                        for p in places)  # fmt: skip
            if not (copy and other):
                kept.append(place)
        return kept

    @staticmethod
    def _best(mention: Mention, places: list[Place]) -> Place:
        ordered = sorted(places, key=lambda p: (p.cost, p.table, p.column))
        best = ordered[0]
        exact = [p for p in ordered if compact(p.column) == compact(mention.text)]
        if best not in exact and exact and exact[0].cost <= best.cost + 0.02:
            best = exact[0]
        for other in ordered:
            if other is best or compact(best.column) == compact(mention.text):
                continue
            near = other.cost <= best.cost + 0.02
            if near and (other.table, other.column) != (best.table, best.column):
                raise Unclear(mention, f"may be {best.table}.{best.column} or {other.table}.{other.column}")
            if near and other.path != best.path:
                raise Unclear(mention, f"can be reached from {best.path[0].table} in several ways")
        return best

    def value_at(self, mention: Mention, table: str, attribute: Mention | None) -> Place:
        """The column that holds a value, where the value is said of rows of `table`."""
        named = None
        if attribute is not None:
            named = {(c.table, c.column) for c in attribute.candidates if c.kind == "column"}
            tables = set(attribute.tables)
        places = []
        for candidate in mention.candidates:
            if named is not None and (candidate.table, candidate.column) not in named:
                label = candidate.table in tables and self.index.role(
                    candidate.table, candidate.column
                ).kind in ("label", "key", "dimension")
                if not label:
                    continue
            for path in self.paths(table, candidate.table)[:3]:
                dear = sum(0.05 if hop.to_one else 0.12 for hop in path)
                places.append(Place(candidate.table, candidate.column, path, candidate.cost + dear))
        if not places:
            raise Unclear(mention, f"is no value that has to do with {table}")
        return self._best(replace(mention, text=""), self._without_copies(places))

    def by_adjective(self, adjective: str, table: str) -> list[str]:
        """The columns of a table that an adjective speaks of, those in reverse marked by a leading minus."""
        found = []
        for column in self.index.tables[table].columns:
            if self.index.role(table, column.name).kind not in ("measure", "time", "dimension", "other"):
                continue
            fits, flipped = worded_for(adjective, split_name(column.name), column_type(column.type))
            if fits:
                found.append(("-" if flipped else "") + column.name)
        return found

    def persons(self) -> list[str]:
        """The tables whose rows are people, by their names or by what they hold."""
        return self._persons

    @cached_property
    def _persons(self) -> list[str]:
        found = []
        for table in self.index.tables.values():
            parts = split_name(table.name)
            columns = {split_name(column.name) for column in table.columns}
            named = ("first", "name") in columns or ("last", "name") in columns
            born = ("name",) in columns and columns & {("age",), ("birth", "date"), ("gender",), ("sex",)}
            if parts[-1] in PERSONS or named or born:
                found.append(table.name)
        return found

    def person_keys(self) -> list[tuple[str, str]]:
        """The keys that stand for people who have no table of their own: user_id of events."""
        return self._person_keys

    @cached_property
    def _person_keys(self) -> list[tuple[str, str]]:
        if self.persons():
            return []
        return [
            (table, column)
            for (table, column), role in self.index.roles.items()
            if role.kind == "key" and split_name(column)[0] in PERSONS
            and table not in self.index.empty_tables
            and not self.index.keys.of_column(table, column)
        ]  # fmt: skip

    def key(self, table: str) -> str:
        """The column that tells a table's rows apart; empty where none is known."""
        column = self.index.key_of(table)
        if column is not None:
            return column.name
        entry = self.index.tables[table]
        full = [c for c in entry.columns if entry.row_count and not c.null_share]
        unique = [c.name for c in full if c.distinct_count == entry.row_count]
        return unique[0] if unique else ""

    def candidate(self, table: str, column: str = "") -> Candidate:
        """A settled meaning."""
        return Candidate("column" if column else "table", table, column)


def numbers_rows(column: Column, table: Table) -> bool:
    """Whether whole numbers tell rows apart, one after the other, and measure nothing."""
    if not is_unique(column, table) or column_type(column.type).kind != "integer":
        return False
    low, high = whole(column.minimum), whole(column.maximum)
    return low is None or high is None or high - low < 1.2 * table.row_count
