"""The pool: one engine a platform, started once, restarted, rested, evicted, dropped."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import Error

from aidatalabs_services.data.engine.pool import EnginePool
from aidatalabs_services.data.engine.process import EngineAddress
from aidatalabs_services.runtime.errors import Overloaded, ServiceUnavailable

Pools = Callable[..., EnginePool]
ONE, TWO, THREE = (str(uuid.UUID(int=number)) for number in (1, 2, 3))


@pytest.fixture
async def pools(tmp_path: Path) -> AsyncIterator[Pools]:
    made: list[EnginePool] = []

    def make(**options: Any) -> EnginePool:
        made.append(EnginePool(tmp_path / "engines", **options))
        return made[-1]

    yield make
    for pool in made:
        await pool.close()


async def _command(address: EngineAddress, sql: str) -> object:
    client = await clickhouse_connect.get_async_client(
        host=address.host, port=address.port, password=address.password, database="analytics", compress=False,
        autogenerate_session_id=False,
    )  # fmt: skip
    try:
        return await client.command(sql)
    finally:
        await client.close()


async def test_callers_at_once_share_one_start_and_platforms_have_their_own(
    pools: Pools, tmp_path: Path
) -> None:
    pool = pools()
    addresses = await asyncio.gather(*(pool.address(ONE) for _ in range(5)), pool.address(TWO))
    assert len(set(addresses[:5])) == 1
    assert addresses[5].port != addresses[0].port
    assert addresses[5].password != addresses[0].password
    await _command(addresses[0], "CREATE TABLE mine (a UInt8) ENGINE=MergeTree ORDER BY a")
    assert await _command(addresses[5], "EXISTS TABLE mine") == 0
    assert sorted(path.name for path in (tmp_path / "engines").iterdir()) == [ONE, TWO]


@pytest.mark.parametrize("uid", ["", "../../etc", "demo", ONE + "\n", ONE.replace("0", "/"), ONE[:-1]])
async def test_uid_that_is_none_is_refused(pools: Pools, uid: str) -> None:
    with pytest.raises(ValueError, match="36 characters"):
        await pools().address(uid)


async def test_crashed_engine_is_started_again_with_its_rows_and_one_that_keeps_crashing_rests(
    pools: Pools,
) -> None:
    pool = pools()
    first = await pool.address(ONE)
    await _command(first, "CREATE TABLE kept (a UInt8) ENGINE=MergeTree ORDER BY a")
    for _ in range(4):
        pool.running()[ONE].kill()
        await pool.running()[ONE].exited.wait()
        again = await pool.address(ONE)
    assert again.password != first.password
    assert await _command(again, "EXISTS TABLE kept") == 1
    pool.running()[ONE].kill()
    await pool.running()[ONE].exited.wait()
    with pytest.raises(ServiceUnavailable) as resting:
        await pool.address(ONE)
    assert resting.value.retry_after_seconds


async def test_place_is_made_by_the_one_idle_longest_and_refused_when_all_are_leased(pools: Pools) -> None:
    pool = pools(max_engines=1, wait_seconds=1.5)
    await pool.address(ONE)
    async with pool.lease(TWO) as address:
        assert set(pool.running()) == {TWO}
        begun = time.monotonic()
        with pytest.raises(Overloaded) as refused:
            await pool.address(ONE)
        assert 1.5 <= time.monotonic() - begun < 3.0
        assert refused.value.retry_after_seconds
        assert await _command(address, "SELECT 7") == 7


async def _loop(pool: EnginePool, uid: str, end: asyncio.Event, *, seconds: float = 0.3) -> int:
    """Queries without a pause until `end`; how many were answered."""
    answered = 0
    while not end.is_set():
        try:
            async with pool.lease(uid) as address:
                await _command(address, f"SELECT sleep({seconds})")
                answered += 1
        except Overloaded:
            await asyncio.sleep(0.1)
    return answered


async def test_platforms_that_loop_queries_let_a_third_one_in_and_come_back(pools: Pools) -> None:
    pool, end = pools(max_engines=2), asyncio.Event()
    # Three at a time with lengths of their own: neither engine is ever without a lease by itself.
    loops = [
        asyncio.create_task(_loop(pool, uid, end, seconds=seconds))
        for uid in (ONE, TWO)
        for seconds in (0.3, 0.4, 0.5)
    ]
    await asyncio.sleep(3.0)
    for _ in range(2):
        begun = time.monotonic()
        async with pool.lease(THREE) as address:
            assert await _command(address, "SELECT 7") == 7
        assert time.monotonic() - begun < 4.0
    async with asyncio.timeout(20):  # the third one is idle: the other two get their engines back
        while set(pool.running()) != {ONE, TWO}:
            await asyncio.sleep(0.1)
    end.set()
    assert all(await asyncio.gather(*loops))


async def test_a_refused_platform_keeps_its_claim_so_that_long_leases_cannot_be_renewed(pools: Pools) -> None:
    pool, end = pools(max_engines=1, wait_seconds=0.5), asyncio.Event()
    loops = [asyncio.create_task(_loop(pool, ONE, end, seconds=2.9)) for _ in range(2)]
    loops.append(asyncio.create_task(_loop(pool, ONE, end, seconds=1.1)))
    await asyncio.sleep(2.5)
    refused = 0
    begun = time.monotonic()
    while time.monotonic() - begun < 8.0:
        try:
            async with pool.lease(TWO) as address:
                assert await _command(address, "SELECT 7") == 7
            break
        except Overloaded:
            refused += 1
            await asyncio.sleep(0.5)
    else:
        raise AssertionError("the looping platform kept its engine")
    assert refused, "the engine was free at once: this test shows nothing"
    end.set()
    await asyncio.gather(*loops)


async def test_only_as_many_engines_are_held_back_as_platforms_wait(pools: Pools) -> None:
    pool = pools(max_engines=2, wait_seconds=1.5)
    async with pool.lease(ONE):
        async with pool.lease(TWO):
            await asyncio.sleep(2.2)
            with pytest.raises(Overloaded):
                await pool.address(THREE)
            with pytest.raises(Overloaded):
                async with pool.lease(ONE):
                    raise AssertionError("a further lease while another platform waits")
        # The second engine is free for the third platform now: the first one may go on.
        async with pool.lease(ONE) as address:
            assert await _command(address, "SELECT 7") == 7
        async with pool.lease(THREE):
            assert set(pool.running()) == {ONE, THREE}


async def test_a_platform_that_is_dropped_while_it_waits_leaves_the_line(pools: Pools) -> None:
    pool = pools(max_engines=1)
    async with pool.lease(ONE):
        await asyncio.sleep(2.2)
        waiting = asyncio.create_task(pool.address(TWO))
        await asyncio.sleep(0.1)
        begun = time.monotonic()
        await pool.drop(TWO)
        with pytest.raises(ServiceUnavailable):
            await waiting
        async with pool.lease(ONE) as address:
            assert await _command(address, "SELECT 7") == 7
        assert time.monotonic() - begun < 1.0


async def test_idle_engine_is_stopped_but_not_one_that_is_leased_or_runs_a_query(pools: Pools) -> None:
    pool = pools(idle_seconds=0.4)
    async with pool.lease(TWO) as busy:
        query = asyncio.create_task(_command(busy, "SELECT sleep(2.5)"))
        while "SELECT sleep" not in str(
            await _command(busy, "SELECT groupArray(query) FROM system.processes")
        ):
            await asyncio.sleep(0.02)
    async with pool.lease(ONE):
        await asyncio.sleep(1.2)
        assert set(pool.running()) == {ONE, TWO}
    assert await query == 0
    for _ in range(40):
        await asyncio.sleep(0.1)
        if not pool.running():
            break
    assert not pool.running()
    async with pool.lease(ONE) as again:  # held: it would be idle again at once
        assert await _command(again, "SELECT 7") == 7


async def test_dropped_platform_leaves_nothing(pools: Pools, tmp_path: Path) -> None:
    pool = pools()
    await _command(await pool.address(ONE), "CREATE TABLE mine (a UInt8) ENGINE=MergeTree ORDER BY a")
    await pool.drop(ONE)
    await pool.drop(ONE)
    with pytest.raises(ServiceUnavailable):
        await pool.address(ONE)
    assert not (tmp_path / "engines" / ONE).exists()


async def test_dropping_a_platform_ends_its_queries_and_starts_no_engine_for_those_who_wait(
    pools: Pools, tmp_path: Path
) -> None:
    pool = pools()
    process_of = pool.running
    query = asyncio.create_task(_command(await pool.address(ONE), "SELECT sleep(3)"))
    await asyncio.sleep(0.3)
    os.kill(process_of()[ONE].pid, signal.SIGSTOP)
    begun = time.monotonic()
    _, *late = await asyncio.gather(
        pool.drop(ONE), *(pool.address(ONE) for _ in range(3)), return_exceptions=True
    )
    assert time.monotonic() - begun < 2
    assert [type(each) for each in late] == [ServiceUnavailable] * 3
    with pytest.raises(Error):
        await query
    assert not (tmp_path / "engines" / ONE).exists()


async def test_an_engine_that_hangs_while_it_is_used_is_killed_and_started_again(pools: Pools) -> None:
    pool = pools(hung_seconds=1.0)
    await _command(await pool.address(ONE), "CREATE TABLE kept (a UInt8) ENGINE=MergeTree ORDER BY a")
    hung = pool.running()[ONE]
    os.kill(hung.pid, signal.SIGSTOP)
    begun = time.monotonic()
    async with pool.lease(ONE) as address:
        with pytest.raises(Error):
            await _command(address, "SELECT 1")
    assert 1.0 <= time.monotonic() - begun < 4.0
    assert hung.exited.is_set()
    async with pool.lease(ONE) as address:
        assert await _command(address, "EXISTS TABLE kept") == 1
    assert pool.running()[ONE].pid != hung.pid


async def test_an_engine_that_is_only_busy_is_left_alone(pools: Pools) -> None:
    pool = pools(hung_seconds=0.5)
    async with pool.lease(ONE) as address:
        busy = [
            _command(address, "SELECT count() FROM numbers(300000000) WHERE cityHash64(number) = 1")
            for _ in range(4)
        ]
        await asyncio.gather(*busy, _command(address, "SELECT sleep(2)"))
        assert not pool.running()[ONE].exited.is_set()


async def test_closed_pool_stops_its_engines_and_gives_no_more(pools: Pools) -> None:
    pool = pools()
    await pool.address(ONE)
    process = pool.running()[ONE]
    await pool.close()
    assert process.exited.is_set()
    with pytest.raises(ServiceUnavailable):
        await pool.address(THREE)
