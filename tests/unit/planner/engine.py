"""Invented tables in a real chdb session, and the catalogue that describes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aidatalabs_services.agent.planner.catalogue import Catalogue, Column, Table
from aidatalabs_services.agent.planner.columntypes import column_type

_MOST_VALUES = 2_000


@dataclass(frozen=True)
class Spec:
    """One table as a test writes it: `name Type` or `name Type 'comment'` per column, and its rows."""

    name: str
    columns: Sequence[tuple[str, ...]]
    rows: Sequence[Sequence[Any]]
    order_by: tuple[str, ...] = ()

    def records(self) -> list[dict[str, Any]]:
        """The rows as dictionaries, for computing expected results in Python."""
        return [dict(zip([c[0] for c in self.columns], row, strict=True)) for row in self.rows]


@dataclass
class Database:
    """Tables loaded into the engine."""

    session: Any
    name: str
    specs: dict[str, Spec]
    catalogue: Catalogue = field(init=False)

    def __post_init__(self) -> None:
        self.session.query(f"CREATE DATABASE IF NOT EXISTS {self.name}")
        for spec in self.specs.values():
            self._load(spec)
        self.catalogue = Catalogue(
            tuple(self._table(spec) for spec in self.specs.values()), version=self.name
        )

    def query(self, sql: str) -> tuple[list[tuple[str, str]], list[list[Any]]]:
        """Columns (name, type) and rows of a SELECT with unqualified table names."""
        self.session.query(f"USE {self.name}")
        answer = json.loads(str(self.session.query(sql, "JSONCompact")))
        return [(c["name"], c["type"]) for c in answer["meta"]], answer["data"]

    def rows(self, sql: str) -> list[list[Any]]:
        """The rows of a SELECT."""
        return self.query(sql)[1]

    def _load(self, spec: Spec) -> None:
        columns = ", ".join(
            f"`{c[0]}` {c[1]}" + (f" COMMENT '{c[2]}'" if len(c) > 2 else "") for c in spec.columns
        )
        order = ", ".join(f"`{name}`" for name in spec.order_by)
        self.session.query(
            f"CREATE TABLE {self.name}.`{spec.name}` ({columns}) ENGINE = MergeTree ORDER BY ({order})"
        )
        if not spec.rows:
            return
        lines = "\n".join(json.dumps(record) for record in spec.records())
        self.session.query(f"INSERT INTO {self.name}.`{spec.name}` FORMAT JSONEachRow {lines}")

    def _table(self, spec: Spec) -> Table:
        columns: list[Column] = []
        for name, kind, *comment in spec.columns:
            if column_type(kind).kind == "json":
                columns.append(Column(name, kind))
                paths = self._paths(spec, name)
                declared = {path for path, _ in paths if f"{path} " in kind}
                columns.extend(
                    self._column(spec, f"{name}.{path}", text, "", name, path in declared)
                    for path, text in paths
                )
            else:
                columns.append(self._column(spec, name, kind, comment[0] if comment else "", None))
        return Table(spec.name, tuple(columns), len(spec.rows), "", spec.order_by)

    def _paths(self, spec: Spec, column: str) -> list[tuple[str, str]]:
        seen: dict[str, str] = {}
        for record in spec.records():
            for path, value in record[column].items():
                seen.setdefault(path, "String" if isinstance(value, str) else "Float64")
        return sorted(seen.items())

    def _column(
        self, spec: Spec, name: str, kind: str, comment: str, path_of: str | None, is_declared: bool = False
    ) -> Column:
        text = column_type(kind).kind == "text"
        quoted = ".".join(f"`{part}`" for part in name.split("."))
        dynamic = ".:String" if text else "::Nullable(Float64)"
        value = quoted if path_of is None or is_declared else quoted + dynamic
        table = f"{self.name}.`{spec.name}`"
        facts = self.rows(
            f"SELECT uniqExact({value}), countIf(isNull({value})), "
            f"toString(min({value})), toString(max({value})) FROM {table}"
        )[0]
        values: tuple[str, ...] = ()
        if text:
            held = self.rows(
                f"SELECT toString({value}) AS v FROM {table} WHERE isNotNull({value}) GROUP BY v "
                f"ORDER BY count() DESC, v LIMIT {_MOST_VALUES}"
            )
            values = tuple(row[0] for row in held)
        share = int(facts[1]) / len(spec.rows) if spec.rows else None
        complete = text and int(facts[0]) <= _MOST_VALUES
        return Column(
            name,
            kind,
            comment,
            int(facts[0]),
            share,
            facts[2],
            facts[3],
            values,
            complete,
            path_of,
            is_declared,
        )
