"""Every SQL attack gets its one pinned answer, ordinary queries pass, and a broken door is noticed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from aidatalabs_services.data import functions, statement_names, statement_shapes, statement_text, statements
from aidatalabs_services.data.errors import QueryConstructNotAllowed
from aidatalabs_services.data.statements import Statement, admit
from tests.attacks.outcomes import Door, Row, mismatch, mismatches, read, text_of
from tests.attacks.world import DATABASE, TABLES, Engine

ATTACKS = [row for row in read("sql_attacks.json") if "layer" not in row]
LATER = [row for row in read("sql_attacks.json") if "layer" in row]
ORDINARY = read("sql_ordinary.json")


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


@pytest.mark.parametrize("row", ATTACKS, ids=lambda row: str(row["id"]))
def test_attack_gets_its_one_pinned_answer(row: Row, engine: Engine) -> None:
    assert mismatch(row, admit, engine) is None


@pytest.mark.parametrize("row", ORDINARY, ids=lambda row: str(row["id"]))
def test_ordinary_query_passes_with_its_rows(row: Row, engine: Engine) -> None:
    assert mismatch(row, admit, engine) is None


@pytest.mark.parametrize("row", [row for row in LATER if "door" in row], ids=lambda row: str(row["id"]))
def test_query_that_only_a_limit_of_the_engine_can_stop_is_admitted(row: Row) -> None:
    assert admit(text_of(row), TABLES, database=DATABASE).sql


def test_every_family_has_attacks_and_at_least_five_ordinary_queries() -> None:
    families = Counter(row["class"] for row in ORDINARY)
    assert {row["class"] for row in ATTACKS} == set(families)
    assert min(families.values()) >= 5


def test_every_row_has_one_outcome_and_no_id_twice() -> None:
    rows = [*ATTACKS, *LATER, *ORDINARY]
    assert max(Counter(row["id"] for row in rows).values()) == 1
    for row in rows:
        kinds = {"reason", "rows", "row_count", "sentence", "http"} & set(row["outcome"])
        assert kinds in ({"reason", "http"}, {"http"}, {"rows"}, {"row_count"}, {"sentence"}), row["id"]


# -- Broken twins: each door below lacks one wall or is one wall too many; the checker must notice each. -----


@contextmanager
def _patched(module: Any, name: str, twin: Any, *, nodes: int = statement_shapes.MAX_NODES) -> Iterator[Door]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, twin)
        patch.setattr(statement_shapes, "MAX_NODES", nodes)
        statements._admit.cache_clear()
        try:
            yield admit
        finally:
            statements._admit.cache_clear()


@contextmanager
def _door(door: Door) -> Iterator[Door]:
    yield door


def _raw(sql: str, _: Any, *, database: str) -> Statement:
    digest = hashlib.sha256(sql.encode("utf-8", "replace")).hexdigest()
    return Statement(f"SELECT * FROM ({sql})", sql, digest, (), (), False)


def _refuse(*_: Any, **__: Any) -> Statement:
    raise QueryConstructNotAllowed("Nothing passes.")


def _no_check(*_: Any) -> None:
    return None


TWINS: dict[str, tuple[Callable[[], AbstractContextManager[Door]], str]] = {
    "passes the text through": (lambda: _door(_raw), "sql.stmt"),
    "refuses everything": (lambda: _door(_refuse), "sql.bomb"),
    "skips the list of functions": (
        lambda: _patched(functions, "is_allowed", lambda name: True),
        "sql.scalar",
    ),
    "skips table functions": (
        lambda: _patched(statement_shapes, "_CHECKS", {**statement_shapes._CHECKS, "Table": _no_check}),
        "sql.egress",
    ),
    "skips IN": (
        lambda: _patched(statement_shapes, "_CHECKS", {**statement_shapes._CHECKS, "In": _no_check}),
        "sql.parser",
    ),
    "skips the names of tables": (
        lambda: _patched(statement_names, "_reads_table", lambda table, schemas: False),
        "sql.system",
    ),
    "reads a neighbour's table": (
        lambda: _patched(statement_names, "_reads_table", lambda table, schemas: False),
        "sql.tenant",
    ),
    "skips characters": (lambda: _patched(statement_text, "_check_ascii", _no_check), "sql.parser"),
    "skips the first word": (lambda: _patched(statement_text, "_check_first_word", _no_check), "sql.stmt"),
    "takes several statements": (
        lambda: _patched(statement_text, "_one_statement", lambda tokens: tokens),
        "sql.stmt",
    ),
    "allows SETTINGS": (
        lambda: _patched(
            statement_shapes,
            "_SHAPES",
            {
                **statement_shapes._SHAPES,
                "Select": statement_shapes._SHAPES["Select"] | {"settings", "format"},
            },
        ),
        "sql.settings",
    ),
    "skips size": (lambda: _patched(statement_text, "MAX_SQL_BYTES", 10**9, nodes=10**9), "sql.bomb"),
}


@pytest.mark.parametrize("name", TWINS)
def test_checker_notices_a_door_that(name: str, engine: Engine) -> None:
    make, family = TWINS[name]
    rows = [row for row in (*ATTACKS, *ORDINARY) if row["class"] == family]
    assert mismatches(rows, admit, engine) == []
    with make() as door:
        assert mismatches(rows, door, engine) != []
