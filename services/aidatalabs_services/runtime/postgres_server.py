"""A real PostgreSQL server as a child process: the local mesh's and the tests' database.

It listens on a unix socket only, lets in only the user that started it (peer authentication), keeps its data
in one folder and ends with its parent. `PostgresServer.start` returns when it answers queries.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import asyncpg
import psutil

from aidatalabs_services.runtime.postgres_files import Owner, PostgresNotStarted, choose_owner, programs_for

__all__ = ["PostgresNotStarted", "PostgresServer"]

_SUPERUSER = "aidatalabs"
_OTHER_USERS_FOLDER = "postgres"
_DATABASE = "aidatalabs"
_PORT = 5432
_SOCKET_NAME = f".s.PGSQL.{_PORT}"
_SOCKET_PATH_BYTES = 107  # what the kernel allows for a unix socket's path
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_STRAY_SECONDS = 10.0
_LAUNCHER = Path(__file__).with_name("child_launch.py")
_DEATH_SIGNAL = signal.SIGINT  # PostgreSQL's fast shutdown

_SETTINGS = {
    "listen_addresses": "",
    "port": str(_PORT),
    "max_connections": "100",
    "shared_buffers": "32MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_statement": "none",
    "password_encryption": "scram-sha-256",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def running_url(socket_directory: Path) -> str:
    """The DSN of a server that was started with this folder for its sockets."""
    inner = socket_directory / _OTHER_USERS_FOLDER
    return _url(inner if inner.exists() else socket_directory)


def _url(sockets: Path) -> str:
    return f"postgresql://{_SUPERUSER}@/{_DATABASE}?host={quote(str(sockets), safe='/')}&port={_PORT}"


class PostgresServer:
    """A running server: `url` is the DSN for asyncpg, `pid` its process, `owner` the user it runs as.

    It must be started on an event loop whose thread lives as long as the server should: the kernel stops the
    server when that thread ends.
    """

    def __init__(self, process: Process, url: str, owner: str, program_copy: Path | None) -> None:
        self.url = url
        self.pid = process.pid
        self.owner = owner
        self._process = process
        self._program_copy = program_copy

    @classmethod
    async def start(
        cls, directory: Path, socket_directory: Path, *, log_file: Path | None = None, durable: bool = True
    ) -> PostgresServer:
        """Starts the server on `directory` (created on first use) and waits until it answers.

        `socket_directory` holds the socket and is created with mode 0700 if missing. `log_file` defaults to
        `<directory>.log`. `durable=False` trades crash safety for speed, for tests. A server left over from a
        killed parent is stopped first. Raises PostgresNotStarted with the last lines of the log.
        """
        directory, sockets, owner = _prepare(directory, socket_directory)
        log_file = log_file or directory.with_name(directory.name + ".log")
        await asyncio.to_thread(_stop_strays, directory)
        with log_file.open("ab") as log:
            programs, copy = await asyncio.to_thread(programs_for, owner, directory)
            if not (directory / "PG_VERSION").exists():
                await _initialise(programs, directory, owner, log, log_file, durable)
            _write_access_rules(directory, owner)
            settings = _SETTINGS | ({} if durable else _NOT_DURABLE)
            # The folder's own mode keeps others out; root must pass a socket that belongs to another user.
            settings["unix_socket_permissions"] = "0777" if owner.changed else "0700"
            process = await _launch_server(programs, directory, sockets, owner, settings, log)
        server = cls(process, _url(sockets), owner.name, copy)
        try:
            await server._wait_until_it_answers(sockets, log_file)
        except BaseException:
            await server.stop()
            raise
        return server

    async def wait(self) -> int:
        """Waits until the server ends by itself or by `stop`; its exit code (negative: the signal)."""
        return await self._process.wait()

    async def stop(self) -> None:
        """Shuts the server down: open sessions are cut, every committed transaction is kept. Idempotent."""
        for number, seconds in ((signal.SIGINT, _STOP_SECONDS), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            if self._process.returncode is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), seconds)
        if self._program_copy is not None:
            await asyncio.to_thread(shutil.rmtree, self._program_copy, ignore_errors=True)

    async def _wait_until_it_answers(self, socket_directory: Path, log_file: Path) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + _START_SECONDS
        while loop.time() < end:
            if self._process.returncode is not None:
                raise PostgresNotStarted(f"PostgreSQL ended while starting:\n{_last_lines(log_file)}")
            try:
                await _ensure_database(socket_directory)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(0.03)
            else:
                return
        raise PostgresNotStarted(
            f"PostgreSQL did not answer within {_START_SECONDS:.0f} s:\n{_last_lines(log_file)}"
        )


def _prepare(directory: Path, socket_directory: Path) -> tuple[Path, Path, Owner]:
    """Makes the folders; returns the data folder, the folder for the socket, and who runs the server."""
    directory, socket_directory = directory.absolute(), socket_directory.absolute()
    directory.parent.mkdir(parents=True, exist_ok=True)
    socket_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner = choose_owner(directory)
    sockets = _own_socket_folder(socket_directory, owner)
    if len(os.fsencode(sockets / _SOCKET_NAME)) > _SOCKET_PATH_BYTES:
        raise PostgresNotStarted(f"{sockets} is too long a path for a unix socket. Choose a shorter folder.")
    _remove_stale_socket(sockets)
    if directory.exists() and any(directory.iterdir()) and not (directory / "PG_VERSION").exists():
        raise PostgresNotStarted(f"{directory} holds files that are not PostgreSQL's. Choose another folder.")
    if owner.changed and directory.exists() and directory.stat().st_uid != owner.uid:
        for path in (directory, *directory.rglob("*")):  # restored or copied by root
            os.chown(path, owner.uid, owner.gid, follow_symlinks=False)
    return directory, sockets, owner


async def _ensure_database(socket_directory: Path) -> None:
    connection = await asyncpg.connect(
        host=str(socket_directory),
        port=_PORT,
        user=_SUPERUSER,
        database="postgres",
        timeout=5.0,
        command_timeout=30.0,
    )
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", _DATABASE):
            await connection.execute(f'CREATE DATABASE "{_DATABASE}"')
    finally:
        await connection.close()


async def _launch(owner: Owner, words: list[str], log: BinaryIO, descriptors: tuple[int, ...]) -> Process:
    uid, gid = (owner.uid, owner.gid) if owner.changed else (-1, -1)
    prefix = [str(_LAUNCHER), str(os.getpid()), str(uid), str(gid), str(int(_DEATH_SIGNAL))]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-S", *prefix, *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=descriptors,
        start_new_session=True,  # Ctrl-C in a terminal is for the parent, which stops the server in its turn
        cwd="/",
        env={"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath},
    )


@contextlib.contextmanager
def _folder_words(owner: Owner, *folders: Path) -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """Yields (paths as the child may name them, descriptors to pass on); see `postgres_files`."""
    if not owner.changed:
        yield [str(folder) for folder in folders], ()
        return
    descriptors: list[int] = []
    try:
        descriptors.extend(os.open(folder, os.O_RDONLY | os.O_DIRECTORY) for folder in folders)
        yield [f"/proc/self/fd/{number}" for number in descriptors], tuple(descriptors)
    finally:
        for number in descriptors:
            os.close(number)


async def _initialise(
    programs: Path, directory: Path, owner: Owner, log: BinaryIO, log_file: Path, durable: bool
) -> None:
    """Makes the data directory beside its place and moves it there, so that a kill leaves no half of one."""
    part = directory.with_name(directory.name + ".part")
    await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)
    part.mkdir(mode=0o700)
    if owner.changed:
        os.chown(part, owner.uid, owner.gid)
    with _folder_words(owner, part) as (paths, descriptors):
        words = [str(programs / "initdb"), "-D", paths[0], "-U", _SUPERUSER, "--auth=peer", "--encoding=UTF8"]
        words += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        words += [] if durable else ["--no-sync"]
        process = await _launch(owner, words, log, descriptors)
        code = await process.wait()
    if code != 0:
        raise PostgresNotStarted(f"PostgreSQL could not make its data directory:\n{_last_lines(log_file)}")
    part.rename(directory)  # replaces an empty folder, refuses any other


async def _launch_server(
    programs: Path, directory: Path, sockets: Path, owner: Owner, settings: dict[str, str], log: BinaryIO
) -> Process:
    with _folder_words(owner, directory, sockets) as (paths, descriptors):
        settings = settings | {"unix_socket_directories": paths[1]}
        words = [str(programs / "postgres"), "-D", paths[0]]
        words += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return await _launch(owner, words, log, descriptors)


def _write_access_rules(directory: Path, owner: Owner) -> None:
    """Lets in one system user, the one this process runs as, under the superuser's name; nobody else."""
    mine = pwd.getpwuid(os.geteuid()).pw_name
    rules = {
        "pg_hba.conf": "local all all peer map=owner\n",
        "pg_ident.conf": f'owner "{mine}" {_SUPERUSER}\n',
    }
    for name, text in rules.items():
        path = directory / name
        path.write_text(text)
        path.chmod(0o600)
        if owner.changed:
            os.chown(path, owner.uid, owner.gid)


def _own_socket_folder(socket_directory: Path, owner: Owner) -> Path:
    """Where the socket goes: the folder itself, or for another user a folder of that user's inside it."""
    if not owner.changed:
        return socket_directory
    inner = socket_directory / _OTHER_USERS_FOLDER
    inner.mkdir(mode=0o700, exist_ok=True)
    os.chown(inner, owner.uid, owner.gid)
    return inner


def _stop_strays(directory: Path) -> None:
    """Ends servers left on this data directory by a killed parent, then drops a lock file that lies.

    PostgreSQL itself judges the lock file of a dead process (it also looks at shared memory). It only cannot
    see that the number in it was given to some other program since, and would refuse to start for ever.
    """
    if not directory.exists():
        return
    strays = _processes_in(directory)
    for process in strays:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGINT)
    _, alive = psutil.wait_procs(strays, timeout=_STRAY_SECONDS)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=_STRAY_SECONDS)
    lock = directory / "postmaster.pid"
    if lock.exists() and _first_number(lock) in psutil.pids():
        lock.unlink()


def _processes_in(directory: Path) -> list[psutil.Process]:
    """The PostgreSQL processes whose working folder is `directory`: the server and its children."""
    wanted, found = str(directory.resolve()), []
    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.Error, OSError):
            if process.info["name"] == "postgres" and process.cwd() == wanted:
                found.append(process)
    return found


def _remove_stale_socket(folder: Path) -> None:
    """Removes a socket nobody listens on any more; its lock file may name a number used by others now."""
    lock = folder / f"{_SOCKET_NAME}.lock"
    if lock.exists() and _is_postgres(_first_number(lock)):
        raise PostgresNotStarted(f"Another PostgreSQL serves {folder}. Stop it, or choose another folder.")
    for path in (folder / _SOCKET_NAME, lock):
        path.unlink(missing_ok=True)


def _is_postgres(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).name() == "postgres")
    except psutil.Error:
        return False


def _first_number(path: Path) -> int:
    try:
        return int(path.read_text().split("\n", 1)[0].strip())
    except (OSError, ValueError):
        return -1


def _last_lines(log_file: Path) -> str:
    return "\n".join(log_file.read_text(errors="replace").splitlines()[-8:])
