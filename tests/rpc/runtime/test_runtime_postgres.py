"""The pool and the migrations on a real PostgreSQL server."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from structlog.testing import capture_logs

from aidatalabs_services.runtime.caller import Call, set_current_call
from aidatalabs_services.runtime.errors import DeadlineExceeded, ServiceUnavailable
from aidatalabs_services.runtime.migrations import MigrationRefused, migrate
from aidatalabs_services.runtime.postgres import open_database
from aidatalabs_services.runtime.postgres_server import PostgresServer
from aidatalabs_services.runtime.testing import running_postgres


@pytest.fixture(name="url")
async def postgres_url() -> AsyncIterator[str]:
    async with running_postgres() as url:
        yield url


def write(folder: Path, **files: str) -> str:
    """A package of migrations; keys are file names without ending."""
    package = folder / "migrations_under_test"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").touch()
    for old in package.glob("*.sql"):
        old.unlink()
    for name, text in files.items():
        (package / f"{name.removeprefix('n')}.sql").write_text(text)
    return package.name


@pytest.fixture(autouse=True)
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("migrations_under_test", None)


async def test_migrations_run_once_in_order_in_their_own_schema(url: str, tmp_path: Path) -> None:
    package = write(
        tmp_path, n0001_users="CREATE TABLE users (id int)", n0002_more="ALTER TABLE users ADD name text"
    )
    assert await migrate(url, "identity", package) == ["0001_users", "0002_more"]
    assert await migrate(url, "identity", package) == []
    assert await migrate(url, "platform", package) == ["0001_users", "0002_more"]
    for schema in ("identity", "platform"):
        database = await open_database(url, schema)
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO users VALUES (1, $1)", schema)
        async with database.connection() as connection:
            assert await connection.fetchval("SELECT string_agg(name, ',') FROM users") == schema
        await database.close()
    assert sorted(set(await asyncio.gather(*(first(migrate(url, "late", package)) for _ in range(4))))) == [
        0,
        2,
    ]


async def first(made: object) -> int:
    return len(await made)  # type: ignore[misc]


async def test_failed_file_is_undone_whole_and_tried_again(url: str, tmp_path: Path) -> None:
    package = write(
        tmp_path, n0001_a="CREATE TABLE a (x int)", n0002_b="CREATE TABLE b (x int); SELECT nonsense"
    )
    with pytest.raises(MigrationRefused, match=r"0002_b\.sql failed and was undone"):
        await migrate(url, "s", package)
    package = write(tmp_path, n0001_a="CREATE TABLE a (x int)", n0002_b="CREATE TABLE b (x int)")
    assert await migrate(url, "s", package) == ["0002_b"]


async def test_edited_and_unknown_files_are_clear_errors(url: str, tmp_path: Path) -> None:
    await migrate(url, "s", write(tmp_path, n0001_a="SELECT 1", n0002_b="SELECT 2"))
    with pytest.raises(MigrationRefused, match=r"0001_a\.sql was changed after it was applied"):
        await migrate(url, "s", write(tmp_path, n0001_a="SELECT 3", n0002_b="SELECT 2"))
    with pytest.raises(MigrationRefused, match=r"newer version: it has 0002_b\.sql"):
        await migrate(url, "s", write(tmp_path, n0001_a="SELECT 1"))
    with pytest.raises(MigrationRefused, match="without a gap"):
        await migrate(url, "s", write(tmp_path, n0001_a="SELECT 1", n0003_c="SELECT 2"))
    with pytest.raises(MigrationRefused, match="is called NNNN_name"):
        await migrate(url, "s", write(tmp_path, nfirst="SELECT 1"))


async def test_server_that_goes_and_comes_back_is_unavailable_and_then_fine(tmp_path: Path) -> None:
    server = await PostgresServer.start(tmp_path / "data", tmp_path / "run", durable=False)
    database = await open_database(server.url, "public")
    async with database.connection() as connection:
        await connection.fetchval("SELECT 1")
        await server.stop()
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await connection.fetchval("SELECT 1")
    for _ in range(2):
        with pytest.raises(ServiceUnavailable):
            async with database.connection() as connection:
                await connection.fetchval("SELECT 1")
    server = await PostgresServer.start(tmp_path / "data", tmp_path / "run", durable=False)
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT 1") == 1
    await database.close()
    await server.stop()


async def test_server_whose_last_words_came_while_nobody_asked_is_unavailable_and_then_fine(
    url: str, tmp_path: Path
) -> None:
    folder = parse_qs(urlsplit(url).query)["host"][0]
    callers: list[asyncio.StreamWriter] = []
    passes: list[asyncio.Task[None]] = []

    async def passed(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while content := await source.read(65536):
            sink.write(content)

    async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.5432")
        callers.append(writer)
        passes.extend(asyncio.create_task(passed(*way)) for way in ((reader, outer), (inner, writer)))

    proxy = await asyncio.start_unix_server(between, tmp_path / ".s.PGSQL.5432")
    database = await open_database(url.replace(folder, str(tmp_path)), "public")
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT 1") == 1
    words = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0"
    callers[0].write(b"E" + (len(words) + 4).to_bytes(4, "big") + words)  # its end comes later
    await asyncio.sleep(0.05)
    with capture_logs() as logged, pytest.raises(ServiceUnavailable):
        async with database.connection() as connection:
            await connection.fetchval("SELECT 1")
    assert [(each["event"], each["error_type"]) for each in logged] == [
        ("database unavailable", "InternalClientError")
    ]
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT 2") == 2
    await database.close()
    for task in passes:
        task.cancel()
    proxy.close()


async def test_full_pool_and_slow_statement_are_refused_in_time(url: str) -> None:
    database = await open_database(url, "public", most_connections=1, statement_seconds=0.3)
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        async with database.connection() as connection:
            await connection.execute("SELECT pg_sleep(30)")
    assert time.monotonic() - begun < 3
    set_current_call(Call("request-1", "/a/B", time.monotonic() + 0.3))
    async with database.connection():
        with pytest.raises(ServiceUnavailable):
            async with database.connection():
                pass
    set_current_call(None)
    await database.close()


async def test_cancelled_call_stops_its_statement_in_the_server(url: str) -> None:
    database = await open_database(url, "public")

    async def sleep() -> None:
        async with database.connection() as connection:
            await connection.execute("SELECT pg_sleep(30)")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await sleep()
    await asyncio.sleep(0.2)
    async with database.connection() as connection:
        sql = (
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND state = 'active' "
            "AND pid <> pg_backend_pid()"
        )
        assert await connection.fetchval(sql) == 0
    await database.close()
