"""The joins of one query: every row of its base beside the rows that its keys lead to."""

from __future__ import annotations

from dataclasses import replace

from aidatalabs_services.agent.planner.plan import Filter, Join, Source

from .conditions import Conditions
from .schema import Hop, Place


class Joins:
    """The joins of one query over `base`."""

    def __init__(self, conditions: Conditions, base: str) -> None:
        self._conditions = conditions
        self.base = base
        self._made: dict[tuple[Hop, ...], Join] = {}

    def source(self, place: Place) -> Source:
        """A column at the end of a way that leads each row of the base to one row."""
        if not place.path:
            return self._conditions.source(place.table, place.column)
        last = place.path[-1]
        if last.to_column == place.column:  # the key's own copy needs no join
            return self.source(Place(last.table, last.column, place.path[:-1], place.cost))
        return replace(self._conditions.source(place.table, place.column), table=self.alias(place.path))

    def alias(self, path: tuple[Hop, ...]) -> str:
        """The alias of the table a path leads to."""
        if not path:
            return self.base
        if path not in self._made:
            left = self.alias(path[:-1])
            hop = path[-1]
            taken = {join.alias for join in self._made.values()} | {self.base}
            alias = hop.to_table if hop.to_table not in taken else f"{hop.to_table}_by_{hop.column}"
            while alias in taken:
                alias += "_2"
            self._made[path] = Join(hop.to_table, alias, left, hop.column, hop.to_column, "inner")
        return self._made[path].alias

    def all(self) -> tuple[Join, ...]:
        """The joins in the order they stand on each other."""
        return tuple(self._made.values())


def turned(hop: Hop) -> Hop:
    """The step back."""
    return Hop(hop.to_table, hop.to_column, hop.table, hop.column, to_one=not hop.to_one)


def aliased(condition: Filter, table: str, alias: str) -> Filter:
    """A condition on a table, said of it where it is joined under another name."""
    options = tuple(aliased(option, table, alias) for option in condition.options)
    source = condition.source
    return replace(condition, options=options,
                   source=replace(source, table=alias) if source.table == table else source)  # fmt: skip
