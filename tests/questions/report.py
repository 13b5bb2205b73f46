"""The report on a pack's predictions, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tests.questions.packs import AnswerKey
from tests.questions.scoring import Scored, Share, Totals, Verdict, totals

_DIFFICULTIES = ("easy", "medium", "hard", "extra")
_WIDTH = 34


def told(key: AnswerKey, scored: Sequence[Scored], *, with_constructs: bool = False) -> str:
    """The report as text; with the constructs that the cases name, where wanted."""
    found = totals(scored)
    lines = [*_lines(key, found)]
    if with_constructs:
        lines += _group("by construct", found.by_construct)
    return "\n".join(lines) + "\n"


def _lines(key: AnswerKey, found: Totals) -> Iterator[str]:
    silent = found.verdicts.get(Verdict.WRONG, 0)
    yield f"{key.name}: {len(key.cases)} questions asked at {key.now:%Y-%m-%d %H:%M} UTC"
    yield _line("answerable", found.answerable)
    yield _line("must be refused or put back", found.must_refuse)
    yield _line("right when answering", found.when_answering)
    yield f"{'silently wrong':{_WIDTH}} {silent}"
    yield f"{'refused needlessly':{_WIDTH}} {found.verdicts.get(Verdict.REFUSED_NEEDLESSLY, 0)}"
    yield f"{'unsafe':{_WIDTH}} {found.verdicts.get(Verdict.UNSAFE, 0)}"
    if found.milliseconds_p50 is not None and found.milliseconds_p95 is not None:
        times = f"p50 {found.milliseconds_p50:.0f} ms, p95 {found.milliseconds_p95:.0f} ms"
        yield f"{'time to the answer':{_WIDTH}} {times}"
    yield from _group("by source", found.by_source)
    in_order = sorted(found.by_difficulty, key=_difficulty_rank)
    yield from _group("by difficulty (answerable)", {name: found.by_difficulty[name] for name in in_order})
    yield from _group("by database", found.by_db)
    yield from _group("by what was due", found.by_expect)
    yield ""
    yield "verdicts: " + ", ".join(f"{count} {name}" for name, count in sorted(found.verdicts.items()))


def _difficulty_rank(name: str) -> int:
    return _DIFFICULTIES.index(name) if name in _DIFFICULTIES else len(_DIFFICULTIES)


def _group(title: str, shares: Mapping[str, Share]) -> Iterator[str]:
    yield ""
    yield title
    width = max([_WIDTH - 2, *map(len, shares)])
    for name, share in shares.items():
        yield "  " + _line(name or "(untold)", share, width)


def _line(name: str, share: Share, width: int = _WIDTH) -> str:
    counts = f"{share.good:4d} of {share.of:<4d} {100 * share.part:5.1f} %"
    return f"{name:{width}} {counts}   strictly {share.strict}"


def as_data(key: AnswerKey, scored: Sequence[Scored]) -> dict[str, Any]:
    """The report as JSON has it, with a record of every case."""
    return {"pack": key.name, "totals": asdict(totals(scored)), "cases": [record(one) for one in scored]}


def record(one: Scored) -> dict[str, Any]:
    """What a developer needs to see why a case went as it did."""
    said = one.prediction
    return {
        "id": one.case.id,
        "db": one.case.db,
        "question": one.case.question,
        "verdict": str(one.verdict),
        "construct": one.case.construct,
        "difficulty": one.case.difficulty,
        "sql": said.sql if said else "",
        "reason": said.reason if said else "",
        "right_sql": list(one.case.golds),
        "why": one.why,
        "columns": list(one.given.names),
        "first_rows": [list(row) for row in one.given.rows[:3]],
        "row_count": len(one.given.rows),
    }
