"""Two platforms ask the same at the same moment, by every method: nothing of the one reaches the other."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections import Counter

import pytest
import pytest_asyncio

from aidatalabs_services.data import results
from aidatalabs_services.data.adapters.memory_results import MemoryResults
from aidatalabs_services.data.admission import Admitted
from aidatalabs_services.data.ports import StoredResult
from tests.rpc.data.conftest import Data
from tests.rpc.data.isolation_pairs import AMBER, BIRCH, Ask, asks, bleeds, called, fill, truth

pytestmark = pytest.mark.asyncio(loop_scope="module")
_SEED = 20261123
_AT_ONCE = 4


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def filled(data: Data) -> None:
    for side in (AMBER, BIRCH):
        await fill(data, side)


async def found(data: Data, pairs: list[Ask], kinds: Counter[str]) -> list[str]:
    """What bled, over all pairs: each call twice on each side at once, a few pairs at a time, crosswise."""
    places = asyncio.Semaphore(_AT_ONCE)
    wrong: list[str] = []

    async def pair(number: int, ask: Ask) -> None:
        sides = [AMBER, BIRCH] if number % 2 else [BIRCH, AMBER]
        async with places:
            got = await asyncio.gather(*(called(data, ask, side) for side in sides * 2))
        for side, answer in zip(sides * 2, got, strict=True):
            kinds[f"{ask.method} {answer.reason or 'answered'}"] += 1
            other = BIRCH if side is AMBER else AMBER
            wrong.extend(f"{ask} on {side.word}: {trace}" for trace in bleeds(answer, side, other))
            if ask.method == "Query" and answer.rows is not None and not ask.relative_error:
                most = min(500, await truth(data, ask, side) or 0)
                if len(answer.rows) != most:
                    wrong.append(f"{ask} on {side.word}: {len(answer.rows)} rows, not {most}")

    await asyncio.gather(*(pair(number, ask) for number, ask in enumerate(pairs)))
    return wrong


async def test_pairs_at_the_same_moment_bleed_nothing(data: Data) -> None:
    kinds: Counter[str] = Counter()
    assert await found(data, list(asks(_SEED, 40)), kinds) == []
    assert sum(kinds.values()) == 160
    assert kinds["Query answered"] > 40, kinds


@pytest.mark.soak
async def test_500_pairs_at_the_same_moment_bleed_nothing(data: Data) -> None:
    kinds: Counter[str] = Counter()
    assert await found(data, list(asks(_SEED + 1, 500)), kinds) == []
    for method in (
        "Query",
        "StreamQuery",
        "Export",
        "ExplainQuery",
        "DescribeSchema",
        "GetReceipt",
        "ListTables",
    ):
        assert kinds[f"{method} answered"] >= 20, kinds
    refused = {kind.partition(" ")[2] for kind in kinds} - {"answered"}
    wanted = {
        "QUERY_FAILED",
        "TABLE_NOT_KNOWN",
        "COLUMN_NOT_KNOWN",
        "RESULT_TOO_LARGE",
        "QUERY_MEMORY_EXCEEDED",
    }
    assert wanted <= refused, kinds


# -- Broken twins: kept rows and shared runs that forget whose they are. Each must be noticed. ---------------


_GET, _PUT = MemoryResults.get, MemoryResults.put


async def _get_of_anybody(cache: MemoryResults, uid: str, key: str) -> StoredResult | None:
    return await _GET(cache, "", key)


async def _put_for_everybody(cache: MemoryResults, uid: str, key: str, result: StoredResult) -> None:
    await _PUT(cache, "", key, result)


def _by_text_alone(query: Admitted) -> str:
    return hashlib.sha256(query.statement.canonical_sql.encode()).hexdigest()


async def test_a_cache_without_the_platform_in_its_key_is_noticed(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "_key", _by_text_alone)
    monkeypatch.setattr(MemoryResults, "get", _get_of_anybody)
    monkeypatch.setattr(MemoryResults, "put", _put_for_everybody)
    asked = [Ask("Query", f"SELECT event_type, {k} FROM events LIMIT 3", staleness=60) for k in range(6)]
    await found(data, asked, Counter())  # all may have run beside each other, and nothing been kept yet
    assert await found(data, asked, Counter()) != []


async def test_shared_runs_without_the_platform_in_their_key_are_noticed(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    def anybody(query: Admitted, key: str, version: str | None) -> tuple[str, ...]:
        return (_by_text_alone(query),)

    monkeypatch.setattr(results, "_run_key", anybody)
    # What depends on the time is kept for callers who accept an age, and run for all of them at once.
    asked = [
        Ask("Query", f"SELECT event_type, now(), {k} FROM events LIMIT 3", staleness=1) for k in range(12)
    ]
    assert await found(data, asked, Counter()) != []


async def test_no_two_platforms_share_a_run_even_of_a_query_without_tables(data: Data) -> None:
    answers = await asyncio.gather(
        *(
            called(data, Ask("Query", f"SELECT {number} AS n, sum(x) FROM (SELECT 1 AS x)"), side)
            for number, side in itertools.product(range(10), (AMBER, BIRCH))
        )
    )
    assert all("'cached': True" not in answer.text for answer in answers)
