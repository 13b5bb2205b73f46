"""Question packs on disk: questions, the clock they are asked at, and the databases they are about.

    pack.json            {"name", "now": "2025-06-30 17:45:00", "timezone": "UTC"}
    questions.jsonl      {"id", "db", "question"}, one a line
    databases/<db>/      schema.sql (CREATE TABLE statements), db.json (which file fills which table, foreign
                         keys), *.parquet

Nothing else in the folder is read: what the answers should be is for whoever scores them.
"""

from __future__ import annotations

import json
import re
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.dialects.clickhouse import ClickHouse
from sqlglot.errors import SqlglotError
from sqlglot.generators.clickhouse import ClickHouseGenerator

from aidatalabs_services.cli.failures import CommandFailed

_DATABASE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_FOREIGN_KEY = re.compile(r"\s*(\w+)\.(\w+)\s*=\s*(\w+)\.(\w+)\s*")


class _TypeWriter(ClickHouseGenerator):
    """Writes types as the contract's allow-list names them; the dialect's own writer shouts `DATE`."""

    TYPE_MAPPING = {**ClickHouseGenerator.TYPE_MAPPING, exp.DataType.Type.DATE: "Date"}  # noqa: RUF012


class PackUnreadable(CommandFailed):
    """A file of the pack is not what it should be; the message names the file."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}", "See what a question pack holds with `aidatalabs eval --help`.")


@dataclass(frozen=True)
class PackQuestion:
    """One question about one of the pack's databases."""

    id: str
    db: str
    text: str


@dataclass(frozen=True)
class PackColumn:
    """A column as CreateTable takes it."""

    name: str
    type: str
    comment: str = ""


@dataclass(frozen=True)
class PackTable:
    """A table as CreateTable takes it, and the Parquet file with its rows."""

    name: str
    columns: tuple[PackColumn, ...]
    file: Path
    order_by: tuple[str, ...] = ()
    comment: str = ""


@dataclass(frozen=True)
class Pack:
    """A question pack; `now` is the moment its questions are asked at."""

    directory: Path
    name: str
    now: datetime
    questions: tuple[PackQuestion, ...] = field(repr=False)

    @classmethod
    def read(cls, directory: Path) -> Pack:
        """Reads what describes the pack and its questions. Raises PackUnreadable."""
        described = _json(directory / "pack.json")
        try:
            zone = zoneinfo.ZoneInfo(described.get("timezone", "UTC"))
            now = datetime.fromisoformat(described["now"])
        except (KeyError, TypeError, ValueError, zoneinfo.ZoneInfoNotFoundError):
            raise PackUnreadable(directory / "pack.json", "now should be a moment, timezone a zone") from None
        now = now if now.tzinfo else now.replace(tzinfo=zone)
        return cls(directory, str(described.get("name", directory.name)), now, _questions(directory))

    @cached_property
    def databases(self) -> tuple[str, ...]:
        """The databases that are asked about, in the order of their first questions."""
        return tuple(dict.fromkeys(question.db for question in self.questions))

    def tables(self, db: str) -> list[PackTable]:
        """The tables of a database with their rows' files. Raises PackUnreadable."""
        folder = self.directory / "databases" / db
        described = _json(folder / "db.json")
        schema = folder / "schema.sql"
        made = {statement.name: statement for statement in _created(schema)}
        keys = _references(described.get("foreign_keys") or ())
        tables = []
        for entry in described.get("tables") or ():
            name, file = entry.get("name"), folder / Path(str(entry.get("file"))).name
            if name not in made:
                raise PackUnreadable(schema, f"it creates no table {name!r}, which db.json names")
            if not file.is_file():
                raise PackUnreadable(file, "it is missing")
            tables.append(made[name].table(file, keys))
        if not tables:
            raise PackUnreadable(folder / "db.json", "it names no tables")
        return tables


@dataclass(frozen=True)
class _Created:
    """One CREATE TABLE statement, taken apart."""

    name: str
    columns: tuple[PackColumn, ...]
    order_by: tuple[str, ...]
    comment: str

    def table(self, file: Path, keys: dict[tuple[str, str], str]) -> PackTable:
        """The table with its file; a foreign key that no comment tells becomes the column's comment."""
        columns = tuple(
            PackColumn(one.name, one.type, one.comment or keys.get((self.name, one.name), ""))
            for one in self.columns
        )
        return PackTable(self.name, columns, file, self.order_by, self.comment)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PackUnreadable(path, str(error.strerror)) from None
    except ValueError:
        raise PackUnreadable(path, "it is not JSON") from None
    if not isinstance(content, dict):
        raise PackUnreadable(path, "it should hold one JSON object")
    return content


def _questions(directory: Path) -> tuple[PackQuestion, ...]:
    path = directory / "questions.jsonl"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise PackUnreadable(path, str(error.strerror)) from None
    questions: dict[str, PackQuestion] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            question = PackQuestion(*(str(entry[name]) for name in ("id", "db", "question")))
        except (ValueError, KeyError, TypeError):
            raise PackUnreadable(path, f"line {number} should hold id, db and question") from None
        if question.id in questions or not _DATABASE_NAME.fullmatch(question.db):
            raise PackUnreadable(path, f"line {number} has an id that came before, or a db that is no name")
        questions[question.id] = question
    if not questions:
        raise PackUnreadable(path, "it holds no question")
    return tuple(questions.values())


def _created(schema: Path) -> list[_Created]:
    """The tables that a schema creates; CREATE DATABASE is passed over, anything else refused."""
    try:
        statements = sqlglot.parse(schema.read_text(encoding="utf-8"), dialect=ClickHouse)
    except OSError as error:
        raise PackUnreadable(schema, str(error.strerror)) from None
    except SqlglotError:
        raise PackUnreadable(schema, "it is not SQL that can be read") from None
    found = []
    for statement in filter(None, statements):
        if not isinstance(statement, exp.Create) or statement.kind not in ("TABLE", "SCHEMA", "DATABASE"):
            raise PackUnreadable(schema, "it holds something else than CREATE DATABASE and CREATE TABLE")
        if statement.kind == "TABLE":
            if not isinstance(statement.this, exp.Schema):
                raise PackUnreadable(schema, "one CREATE TABLE names no columns")
            found.append(_taken_apart(statement))
    return found


def _taken_apart(statement: exp.Create) -> _Created:
    """What answers depend on: names, types, comments and the order. A TTL would only take rows away."""
    columns = tuple(_column(one) for one in statement.this.find_all(exp.ColumnDef))
    order: tuple[str, ...] = ()
    comment = ""
    for part in statement.args["properties"].expressions if statement.args.get("properties") else ():
        if isinstance(part, exp.Order):
            order = _plain_order(part)
        elif isinstance(part, exp.SchemaCommentProperty):
            comment = part.this.name
    return _Created(statement.this.this.name, columns, order, comment)


def _column(definition: exp.ColumnDef) -> PackColumn:
    kind = definition.kind
    written = _TypeWriter(dialect=ClickHouse).generate(kind) if kind is not None else ""
    told = [
        constraint.kind.this.name
        for constraint in definition.constraints
        if isinstance(constraint.kind, exp.CommentColumnConstraint)
    ]
    return PackColumn(definition.name, written, told[0] if told else "")


def _plain_order(order: exp.Order) -> tuple[str, ...]:
    """The sorting columns; none where the order is by expressions, which CreateTable does not take."""
    if any(isinstance(node, exp.Func) and not isinstance(node, exp.Tuple) for node in order.walk()):
        return ()
    return tuple(column.name for column in order.find_all(exp.Column))


def _references(keys: Sequence[object]) -> dict[tuple[str, str], str]:
    """(table, column) of each `a.x = b.y` with the comment that declares the key."""
    found = {}
    for key in keys:
        match = _FOREIGN_KEY.fullmatch(str(key))
        if match:
            found[match[1], match[2]] = f"references {match[3]}.{match[4]}"
    return found
