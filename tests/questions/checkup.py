"""What can be wrong with a pack's own right answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from tests.questions.comparison import is_right
from tests.questions.engine import Engine, Result
from tests.questions.packs import AnswerKey, Case
from tests.questions.statements import at, why_unsafe


def faults(key: AnswerKey) -> list[str]:
    """One sentence a fault: statements that fail, say nothing, or hang on the rows' order."""
    counted = Counter(case.id for case in key.cases)
    twice = [f"{name}: the id comes twice" for name, count in counted.items() if count > 1]
    return twice + list(_of_databases(key))


def _of_databases(key: AnswerKey) -> Iterator[str]:
    for db, cases in groupby(sorted(key.cases, key=lambda case: case.db), lambda case: case.db):
        folder = key.database(db)
        with Engine(folder) as engine, Engine(folder, is_reversed=True) as other_way:
            for case in cases:
                if case.is_answerable and not case.golds:
                    yield f"{case.id}: it should be answered, but has no right answer"
                for gold in case.golds:
                    yield from _of_statement(key, case, gold, engine, other_way)


def _of_statement(key: AnswerKey, case: Case, gold: str, engine: Engine, other_way: Engine) -> Iterator[str]:
    sql = at(gold, key.now)
    found, again = engine.run(sql), other_way.run(sql)
    if why := why_unsafe(gold) or found.error or again.error:
        yield f"{case.id}: {gold}: {why}"
    elif _says_nothing(found):
        yield f"{case.id}: {gold}: it gives nothing but zeros and NULLs"
    elif not is_right(found, again, case, True):
        yield f"{case.id}: {gold}: its rows hang on the order in which they are stored"


def _says_nothing(result: Result) -> bool:
    return all(value in (None, 0, "", False) for row in result.rows for value in row)
