"""Whoever rows are about: words for people who have a table, only a key, or are only counted."""

from __future__ import annotations

from collections.abc import Iterator
from weakref import WeakKeyDictionary

from aidatalabs_services.agent.planner.catalogue import Table
from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.relations.verbs import PERSONS
from aidatalabs_services.agent.planner.words import split_name

from .acts import deed_columns
from .deeds import kin_cost
from .forms import base_forms, doer, done_by, participle, plural, words
from .people import ANYBODY, EVERYBODY, HEADCOUNTS, KEYED, PEOPLE_COUNTED, PERSONAL, SERVED
from .readings import Reading, Spoken

_COUNTING = (("how", "many"), ("number", "of"), ("count", "of"), ("total",), ("total", "number", "of"))
_FIGURES = words("average mean median maximum minimum most fewest total highest lowest")


_HELD: WeakKeyDictionary[CatalogueIndex, list[tuple[str, str]]] = WeakKeyDictionary()


def actor_keys(index: CatalogueIndex) -> list[tuple[str, str]]:
    """The keys that tell apart people who have no table of their own: user_id of events."""
    held = _HELD.get(index)
    if held is None:
        held = _HELD[index] = _actor_keys(index)
    return held


def _actor_keys(index: CatalogueIndex) -> list[tuple[str, str]]:
    found = []
    tied_columns = {(edge.table, edge.column) for edge in index.edges}
    for table in index.catalogue.tables:
        if table.name in index.empty_tables or not index.time_columns(table.name):
            continue
        for column in table.columns:
            parts = split_name(column.name)
            keyed = index.role(table.name, column.name).kind == "key" and parts[0] in KEYED and len(parts) > 1
            tied = (table.name, column.name) in tied_columns
            if keyed and not tied and column.distinct_count != table.row_count and column.path_of is None:
                found.append((table.name, column.name))
    return found


def persons(spoken: Spoken) -> Iterator[Reading]:
    """Unknown words for people, as those that the data can tell apart or count."""
    keys = actor_keys(spoken.index)
    for place, said in enumerate(spoken.lemmas):
        if len(keys) == 1 and place:
            yield from _doing(spoken, place, said, keys[0])
        if not spoken.unknown(place):
            continue
        many = spoken.words[place] != said or said in ("people", "audience")
        if len(keys) == 1:
            yield from _keyed(spoken, place, said, keys[0], many)
        elif not keys:
            yield from _counted(spoken, place, said)
            yield from _tabled(spoken, place, said, many)


def _keyed(spoken: Spoken, place: int, said: str, key: tuple[str, str], many: bool) -> Iterator[Reading]:
    table, column = key
    word = split_name(column)[0]
    noun = plural(word) if many else word
    typed = spoken.tokens[place].raw
    told = f"'{typed}' was read as the different {column} of {table}."
    if said in EVERYBODY:
        yield Reading(place, place + 1, noun, 0.08, told, "actor")
    elif doer(said) or done_by(said):
        deeds = _deeds(spoken.index, table, said)
        if len(deeds) == 1 and many:
            held = f"'{typed}' was read as the different {column} with '{deeds[0]}'."
            yield Reading(place, place + 1, f'{noun} with "{deeds[0]}"', 0.15, held, "doer")


def _doing(spoken: Spoken, place: int, said: str, key: tuple[str, str]) -> Iterator[Reading]:
    """`churned users`, `paying players`: people told by the one deed that makes them so."""
    table, column = key
    verb = spoken.words[place - 1]
    owned = said in EVERYBODY or said == split_name(column)[0]
    if place > 1 and spoken.words[place - 2] in ("per", "each", "every"):
        return  # a number for each of them, or for all of them together
    if not owned or not spoken.unknown(place - 1) or not (participle(verb) or verb.endswith("ing")):
        return
    deeds = _done(spoken.index, table, base_forms(verb))
    if len(deeds) == 1:
        said_so = spoken.text(place - 1, place + 1)
        told = f"'{said_so}' was read as the different {column} with '{deeds[0]}'."
        text = f'{plural(split_name(column)[0])} with "{deeds[0]}"'
        yield Reading(place - 1, place + 1, text, 0.15, told, "doing")


def _deeds(index: CatalogueIndex, table: str, said: str) -> list[str]:
    """The stored deeds that make somebody a `said`: buyers did item_bought."""
    return _done(index, table, done_by(said))


def _done(index: CatalogueIndex, table: str, verbs: frozenset[str]) -> list[str]:
    return [
        value
        for owner, column in deed_columns(index)
        if owner == table
        for value in column.values
        if any(kin_cost(verb, part) is not None for verb in verbs for part in split_name(value))
    ]


def _tabled(spoken: Spoken, place: int, said: str, many: bool) -> Iterator[Reading]:
    """`users`, `people`, `customers` where only one table holds people at all."""
    found = {
        name: split_name(name)[-1]
        for name in spoken.index.tables
        if name not in spoken.index.empty_tables
        and (split_name(name)[-1] in KEYED | PERSONS or _personal(spoken.index.tables[name]))
    }
    rows = ""
    if len(found) > 1 and said in ANYBODY:
        found, rows = _doers(spoken, found)
    words = set(found.values())
    served = said in SERVED and words <= SERVED
    if len(found) != 1 or words == {said} or not (said in ANYBODY or served):
        return
    table = next(iter(found))
    noun = plural(found[table]) if many else found[table]
    told = f"'{spoken.tokens[place].raw}' was read as '{noun}'."
    yield Reading(place, place + 1, noun, 0.18, told, "people")
    if rows and place + 1 < len(spoken.words) and participle(spoken.words[place + 1]):
        said_so = f"'{spoken.text(place, place + 2)}' was read as {noun} that have {rows}."
        yield Reading(place, place + 2, f"{noun} have `{rows}`", 0.19, said_so, "people")


def _personal(table: Table) -> bool:
    """Whether a table's columns tell that its rows are people."""
    return any(set(split_name(column.name)) & PERSONAL for column in table.columns)


def _doers(spoken: Spoken, people: dict[str, str]) -> tuple[dict[str, str], str]:
    """Of several kinds of people the one that did what is said, and the rows that tell it by their key."""
    prices: dict[str, tuple[float, str]] = {}
    for name, table in spoken.index.tables.items():
        meant = {edge.to_table for edge in spoken.index.edges if edge.table == name} & people.keys()
        meant = {name} if name in people else meant
        told = [split_name(name)[-1]] if name not in people else []
        told += [p for c in table.columns if column_type(c.type).temporal for p in split_name(c.name)]
        costs = [
            cost
            for word in spoken.words
            for part in told
            if participle(word) and (cost := kin_cost(word, part)) is not None
        ]
        for one in meant if costs else ():
            # whoever it is done by, where two of them have a part in it, is not told
            price = min(costs) if len(meant) == 1 else 0.0
            prices[one] = min(prices.get(one, (9.0, "")), (price, "" if name in people else name))
    least = min(prices.values(), default=(9.0, ""))[0]
    nearest = [name for name, (price, _) in prices.items() if price <= least + 0.03]
    if len(nearest) != 1:
        return {}, ""
    return {nearest[0]: people[nearest[0]]}, prices[nearest[0]][1]


def _counted(spoken: Spoken, place: int, said: str) -> Iterator[Reading]:
    """`visitors per day` where a column says how many people each row is about."""
    if said not in PEOPLE_COUNTED:
        return
    found = [
        (table.name, column.name)
        for table in spoken.index.catalogue.tables
        if table.name not in spoken.index.empty_tables
        for column in table.columns
        if column.path_of is None
        and spoken.index.role(table.name, column.name).kind == "measure"
        and {*split_name(column.name)} <= HEADCOUNTS | {"count", "number", "num", "total", "of"}
        and {*split_name(column.name)} & HEADCOUNTS
    ]
    if len(found) != 1:
        return
    table, column = found[0]
    start = next(
        (place - len(lead) for lead in sorted(_COUNTING, key=len, reverse=True)
         if tuple(spoken.words[max(place - len(lead), 0) : place]) == lead), place,
    )  # fmt: skip
    before = spoken.words[start - 1] if start else ""
    text = f"`{table}.{column}`" if before in _FIGURES else f"total `{table}.{column}`"
    text = f"what is the {text}" if start == 0 and start != place else text
    told = f"'{spoken.text(start, place + 1)}' was read as the sum of {table}.{column}."
    yield Reading(start, place + 1, text, 0.14, told, "headcount")
