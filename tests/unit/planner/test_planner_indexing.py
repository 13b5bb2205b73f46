"""What is derived from a catalogue, found by lookups, is what looking at every pair and every word finds."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from aidatalabs_services.agent.planner.catalogue import Catalogue, Column, Table
from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.keys import Edge
from aidatalabs_services.agent.planner.names import word_cost
from aidatalabs_services.agent.planner.planner import Planner
from aidatalabs_services.agent.planner.relations.schema import Hop, Schema
from aidatalabs_services.agent.planner.roles import is_unique, whole
from aidatalabs_services.agent.planner.words import split_name, value_words
from benchmarks.generated_catalogue import generated_catalogue, generated_questions

NOW = datetime(2026, 3, 4, 5, 6, 7)
CODES = [f"c{number}" for number in range(40)]
PLAIN = (("id",), ("name",), ("code",), ("key",), ("title",))


def key_table(chance: random.Random, name: str) -> Table:
    """Few names, few codes and small ranges: most pairs of columns are near to being keys."""
    rows = chance.choice((0, 1, 3, 10, 20))
    columns = []
    for column in chance.sample(("id", "code", "port_id", "port_code", "ship_no", "town", "ship", "no"), 5):
        if chance.random() < 0.4:
            low = chance.choice((0, 1, 5))
            columns.append(
                Column(column, "UInt64", "", chance.choice((rows, 3)), 0.0, str(low), str(low + rows))
            )
            continue
        values = chance.sample(CODES, chance.choice((0, 2, 3, 10, 20)))
        values += chance.choice(([], [""], ["two words"]))
        complete, distinct = chance.random() < 0.8, chance.choice((rows, len(values)))
        columns.append(Column(column, "String", "", distinct, 0.0, None, None, tuple(values), complete))
    return Table(name, tuple(columns), rows)


def refers(column: Column, table: Table, target: Column, other: Table) -> bool:
    """Whether a column refers to another, by what was counted of both."""
    if not is_unique(target, other) or other.row_count < 2:
        return False
    kind = column_type(column.type).kind
    if kind != column_type(target.type).kind or (
        is_unique(column, table) and table.row_count > other.row_count
    ):
        return False
    left, right, owner = split_name(column.name), split_name(target.name), split_name(other.name)
    keyed = right[-1] in ("id", "code", "key", "no", "number", "name")
    if (left == right and left not in PLAIN) or (left != right and left == owner + right and keyed):
        if kind == "integer":
            low, high, least, most = map(
                whole, (column.minimum, column.maximum, target.minimum, target.maximum)
            )
            return low is None or (low >= min(least or 0, 0) and (high or 0) <= (most or 0))
        if not column.values or not target.values:
            return True
        least_share = 0.5 if target.values_complete else 0.2
        shared = len(set(column.values) & set(target.values))
        return shared >= least_share * min(len(column.values), len(target.values))
    if kind != "text" or not target.values_complete or any(" " in value for value in target.values[:50]):
        return False
    values = [value for value in column.values if value]
    shared = sum(value in set(target.values) for value in values)
    return bool(values) and shared >= 3 and shared >= 0.9 * len(values)


def every_pair(catalogue: Catalogue) -> list[Edge]:
    found: dict[tuple[str, str, str], Edge] = {}
    for table in catalogue.tables:
        for column in table.columns:
            for other in catalogue.tables:
                for target in other.columns:
                    if other.name != table.name and refers(column, table, target, other):
                        edge = Edge(table.name, column.name, other.name, target.name)
                        found.setdefault((table.name, column.name, other.name), edge)
    return list(found.values())


@pytest.mark.parametrize("seed", range(30))
def test_keys_are_those_that_looking_at_every_pair_of_columns_finds(seed: int) -> None:
    chance = random.Random(seed)
    names = ("ports", "ships", "towns", "calls", "crews", "loads", "docks", "fees", "logs", "pilots")
    catalogue = Catalogue(tuple(key_table(chance, name) for name in names))
    found = every_pair(catalogue)
    assert list(CatalogueIndex(catalogue).edges) == found
    assert found


def changed(chance: random.Random, catalogue: Catalogue, version: str) -> Catalogue:
    """Some tables with other rows, values or columns, one fewer, one more, or none at all."""
    tables = list(catalogue.tables)
    for _ in range(chance.randint(0, 3)):
        at = chance.randrange(len(tables))
        table = tables[at]
        deed = chance.choice(("rows", "values", "column", "drop", "add", "same"))
        if deed == "rows":
            tables[at] = replace(table, row_count=chance.choice((0, 120, 977)))
        elif deed == "values":
            columns = [replace(c, values=(*c.values[3:], "Brand New", "odd")) if c.values else c
                       for c in table.columns]  # fmt: skip
            tables[at] = replace(table, columns=tuple(columns))
        elif deed == "column":
            extra = Column("harvested_on", "Date", "", 5, 0.0, "2025-01-01", "2025-02-01")
            tables[at] = replace(table, columns=(*table.columns[:-1], extra))
        elif deed == "drop":
            del tables[at]
        elif deed == "add":
            tables.insert(at, replace(table, name=f"{table.name}_{chance.randrange(10**6)}"))
        else:
            tables[at] = replace(table)
    return Catalogue(tuple(tables), version)


def everything(index: CatalogueIndex, words: list[str]) -> list[Any]:
    told: list[Any] = [index.edges, index.roles, index.calendars, index.empty_tables, list(index.columns)]
    for word in words:
        told += [index.names.matches([word], 0), index.names.matches([word, "name"], 0)]
        told += [index.values([word]), index.partial_values([word]), index.near(word)]
    return told


def test_an_index_made_of_an_earlier_one_is_the_one_of_its_catalogue() -> None:
    chance = random.Random(1)
    catalogue = generated_catalogue(14)
    index, earlier = CatalogueIndex(catalogue), catalogue
    questions = generated_questions(catalogue, 12)
    for turn in range(12):
        catalogue = changed(chance, earlier, f"v{turn}")
        kept, index = index, CatalogueIndex(catalogue, index)
        fresh = CatalogueIndex(catalogue)
        words = {word for table in (*catalogue.tables, *earlier.tables) for word in split_name(table.name)}
        columns = [column for table in catalogue.tables for column in table.columns]
        words |= {word for column in columns for word in split_name(column.name)}
        words |= {w for column in columns for value in column.values[:4] for w in value_words(value)}
        asked = [*sorted(words)[:: max(1, len(words) // 60)], "nwe", "odd", "oder", "harvst"]
        assert everything(index, asked) == everything(fresh, asked)
        assert kept.edges == CatalogueIndex(earlier).edges  # the one it was made of is as it was
        earlier = catalogue
    planner = Planner(catalogue, Planner(generated_catalogue(14)))
    for question in questions:
        assert planner.plan(question, now=NOW) == Planner(catalogue).plan(question, now=NOW)


def slips(left: str, right: str) -> bool:
    """Whether one letter more, fewer or changed, or two neighbours changed about, part two words."""
    for at in range(len(left) + 1):
        tail, same = left[at:], left[:at]
        if right in (same + tail[1:], same + tail[1:2] + tail[:1] + tail[2:]):
            return left != right
        if len(right) > at and right in (same + right[at] + tail, same + right[at] + tail[1:]):
            return left != right
    return False


def test_near_words_are_all_that_one_slip_makes() -> None:
    catalogue = generated_catalogue(30)
    index = CatalogueIndex(catalogue)
    names = {word for table in catalogue.tables for word in split_name(table.name)}
    names |= {word for t in catalogue.tables for column in t.columns for word in split_name(column.name)}
    values = [value_words(v) for t in catalogue.tables for column in t.columns for v in column.values]
    known = names | {word for words in values if len(words) > 1 for word in words
                     if len(word) > 2 and word.isalpha()}  # fmt: skip
    for typed in (
        "amuont",
        "ordr",
        "custmer",
        "cityy",
        "paymenta",
        "xegion",
        "north",
        "ab",
        "zzzzz",
        "norht",
    ):
        assert index.near(typed) == sorted(w for w in known if len(w) >= 4 and slips(typed, w)), typed


def test_words_are_read_as_parts_by_their_letter_alone() -> None:
    index = CatalogueIndex(generated_catalogue(60))
    parts = index.names.words
    for word in (*parts, "people", "earnings", "applied", "qty", "verified", "nation", "turnover", "d", ""):
        told = {part: word_cost(word, part) for part in parts}
        assert dict(index.names._parts_of(word)) == {part: c for part, c in told.items() if c is not None}


def test_values_by_some_of_their_words_are_those_that_hold_them_in_a_row() -> None:
    values = ("old north pier", "north pier", "pier north", "of the north pier", "northern pier",
              "north-pier", "the of", "north pier co", "pier", "Pier of the North")  # fmt: skip
    index = CatalogueIndex(
        Catalogue((Table("piers", (Column("name", "String", "", 10, 0.0, None, None, values, True),), 10),))
    )
    for words in (
        ["north", "pier"],
        ["pier"],
        ["north"],
        ["pier", "of", "the"],
        ["of", "the"],
        ["pier", "co"],
    ):
        spelled = [value for value in values if len(value_words(value)) > 1 and len(words[0]) > 2]
        held = [value for value in spelled if f" {' '.join(words)} " in f" {' '.join(value_words(value))} "]
        first = [value for value in held if list(value_words(value)[: len(words)]) == words]
        assert [match.value for match in index.partial_values(words)] == (first or held), words


def walked(hops: dict[str, list[Hop]], start: str, goal: str) -> list[tuple[Hop, ...]]:
    """All ways of at most four hops, looked for step by step; of these the shortest."""
    found: list[tuple[Hop, ...]] = []
    queue: deque[tuple[str, tuple[Hop, ...]]] = deque([(start, ())])
    while queue:
        place, path = queue.popleft()
        seen = {start, *(hop.to_table for hop in path)}
        for hop in hops[place] if len(path) < 4 else ():
            if hop.to_table == goal:
                found.append((*path, hop))
            elif hop.to_table not in seen:
                queue.append((hop.to_table, (*path, hop)))
    return [path for path in found if len(path) == min(map(len, found))]


@pytest.mark.parametrize("seed", range(6))
def test_ways_between_tables_are_all_the_shortest_ones_in_order(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"t{number}" for number in range(7)]
    tables = []
    for number, name in enumerate(names):
        stated = chance.sample(names[:number], min(number, chance.randint(0, 2)))
        columns = [Column(f"r{at}", "UInt64", f"references {to}.id") for at, to in enumerate(stated)]
        tables.append(Table(name, (Column("id", "UInt64", "", 5, 0.0, "1", "5"), *columns), 5))
    schema = Schema(CatalogueIndex(Catalogue(tuple(tables))))
    for start in names:
        for goal in names:
            if start != goal:
                assert schema._walk(start, goal) == walked(schema._hops, start, goal), (start, goal)


def test_a_table_that_hundreds_refer_to_leads_nowhere_in_time() -> None:
    spokes = tuple(
        Table(f"spoke_{n}", (Column("id", "UInt64"), Column("hub_id", "UInt64", "references hub.id")), 5)
        for n in range(400)
    )
    hub = Table("hub", (Column("id", "UInt64", "", 5, 0.0, "1", "5"),), 5)
    schema = Schema(CatalogueIndex(Catalogue((hub, *spokes, Table("island", (Column("id", "UInt8"),), 5)))))
    assert schema.paths("spoke_1", "island") == []  # 400 * 400 ways of four hops, none of them taken
    assert len(schema.paths("spoke_1", "spoke_2")[0]) == 2
