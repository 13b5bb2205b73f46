"""A query ends when its client leaves, when it is killed by id, and when there is no place for it."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from aidatalabs_services.data.engine.limits import EngineLimits
from aidatalabs_services.data.engine.process import EngineProcess
from tests.adapters.engine.running import Loop, sync_client

LONG = "SELECT count() FROM numbers(100000000000) WHERE cityHash64(number) = 1"


def _running(client: Client) -> int:
    found = client.query("SELECT countIf(query LIKE '%numbers(10000000000%') - 1 FROM system.processes")
    return int(found.result_rows[0][0])


def _wait_for(client: Client, count: int, seconds: float = 3.0) -> float:
    started = time.monotonic()
    while _running(client) != count:
        assert time.monotonic() - started < seconds, f"still {_running(client)} running"
        time.sleep(0.01)
    return time.monotonic() - started


def test_query_stops_when_its_client_times_out(engine: EngineProcess, client: Client) -> None:
    impatient = sync_client(engine.address, send_receive_timeout=1)
    with pytest.raises(OperationalError):
        impatient.command(LONG)
    impatient.close_connections()
    _wait_for(client, 0)


async def test_query_stops_when_its_task_is_cancelled(engine: EngineProcess, client: Client) -> None:
    caller = await clickhouse_connect.get_async_client(
        host=engine.host,
        port=engine.port,
        password=engine.password,
        compress=False,
        autogenerate_session_id=False,
    )
    task = asyncio.create_task(caller.query(LONG))
    await asyncio.to_thread(_wait_for, client, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(_wait_for, client, 0) < 2
    await caller.close()


def test_insert_select_stops_when_its_client_leaves(engine: EngineProcess, client: Client) -> None:
    client.command("CREATE TABLE filled (a UInt64) ENGINE=Null")
    impatient = sync_client(engine.address, send_receive_timeout=1)
    with pytest.raises(OperationalError):
        impatient.command(f"INSERT INTO filled {LONG}")
    _wait_for(client, 0)


def test_stream_stops_when_its_reader_leaves(engine: EngineProcess, client: Client) -> None:
    reader = sync_client(engine.address)
    raw = reader.raw_stream("SELECT number FROM numbers(100000000000)", fmt="Native")
    assert isinstance(raw, io.IOBase)
    assert raw.readable()
    _wait_for(client, 1)
    raw.close()
    _wait_for(client, 0)


def test_kill_by_query_id_ends_it_with_394(engine: EngineProcess, client: Client) -> None:
    failed: list[DatabaseError] = []

    def run() -> None:
        try:
            sync_client(engine.address).query(LONG, settings={"query_id": "kill-me's"})
        except DatabaseError as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    _wait_for(client, 1)
    with pytest.raises(DatabaseError) as twice:
        client.query("SELECT 1", settings={"query_id": "kill-me's"})
    assert twice.value.code == 216
    client.command(r"KILL QUERY WHERE query_id = 'kill-me\'s' ASYNC")
    thread.join(5)
    assert [error.code for error in failed] == [394]


def test_query_cannot_hide_from_its_killer(client: Client) -> None:
    with pytest.raises(DatabaseError) as refused:
        client.query("SELECT 1 SETTINGS log_comment = 'other'")
    assert refused.value.code == 48


def test_query_without_a_place_is_refused_and_one_whose_client_left_never_runs(
    loop_thread: Loop, tmp_path: Path
) -> None:
    limits = EngineLimits(max_running_queries=1, queue_seconds=0.3)
    process = loop_thread.run(EngineProcess.start(tmp_path / "narrow", limits))
    client = sync_client(process.address)

    def hold() -> None:
        with pytest.raises(DatabaseError):
            sync_client(process.address).query(LONG, settings={"max_execution_time": 1.5})

    thread = threading.Thread(target=hold)
    thread.start()
    time.sleep(0.5)
    started = time.monotonic()
    with pytest.raises(DatabaseError) as full:
        client.query("SELECT 1")
    assert full.value.code == 202
    assert time.monotonic() - started < 1
    thread.join()
    assert client.command("SELECT 1") == 1
    loop_thread.run(process.stop())
