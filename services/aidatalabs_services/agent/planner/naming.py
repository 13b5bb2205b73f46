"""Aliases of a query: readable, unique, and never equal to a column they do not stand for."""

from __future__ import annotations

import re

from .index import CatalogueIndex
from .plan import Join, Source
from .words import split_name


class Names:
    """Hands out aliases for one query over `base`; an alias equal to a column would capture it."""

    def __init__(self, index: CatalogueIndex, base: str) -> None:
        self._columns = index.folded_names
        self._base = index.tables[base]
        self._taken: set[str] = set()

    def taken(self, *aliases: str) -> None:
        """Keep aliases that the query has already."""
        self._taken.update(aliases)

    def fresh(self, wanted: str) -> str:
        """An alias made of the wanted words that no column, table or other alias has."""
        stem = re.sub(r"\W+", "_", wanted.casefold()).strip("_") or "value"
        stem = stem if stem[0].isalpha() else f"v_{stem}"
        alias, count = stem[:60], 1
        while alias in self._taken or alias in self._columns:
            count += 1
            alias = f"{stem[:60]}_{count}"
        self._taken.add(alias)
        return alias

    def source(self, source: Source, joins: tuple[Join, ...]) -> str:
        """A bound column under its own name where that is safe, else a fresh alias."""
        table = next((join.table for join in joins if join.alias == source.table), source.table)
        return self.column(table, source.column)

    def column(self, table: str, column: str) -> str:
        """A column of a table under its own name where that is safe, else a fresh alias."""
        plain = column if table == self._base.name and "." not in column else ""
        if plain and plain not in self._taken:
            self._taken.add(plain)
            return plain
        if "." in column:
            return self.fresh(column.split(".", 1)[-1])
        return self.fresh("_".join((*split_name(table), *split_name(column))))

    def grain(self, grain: str) -> str:
        """The alias of a step of time: `date`, `month_start` …"""
        if grain != "day":
            return self.fresh(f"{grain}_start")
        return self.fresh(next((name for name in ("date", "day") if name not in self._columns), "on_date"))

    def key(self, column: str) -> str:
        """The key column of the base table under its own name."""
        return self.column(self._base.name, column) if self._base.column(column) else self.fresh(column)

    def label(self, table: str, column: str) -> str:
        """A readable name of a joined table: `customer_name`."""
        if table == self._base.name:
            return self.column(table, column)
        owner, parts = split_name(table), split_name(column)
        if parts[: len(owner)] == owner and self._base.column(column) is None and column not in self._taken:
            self._taken.add(column)  # its own name is safe: beside a join every reference is qualified
            return column
        return self.fresh("_".join(parts if parts[: len(owner)] == owner else owner + parts))
