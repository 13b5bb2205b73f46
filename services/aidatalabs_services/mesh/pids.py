"""Processes told apart by pid and start time, read from /proc.

A pid alone is no identity: it is given to another process sooner or later. Pid, start time in clock ticks
since boot and the boot's id together never name a process that was not meant. Signals go through a pidfd, so
that nothing can change between the check and the signal.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PROC = Path("/proc")


@cache
def boot_id() -> str:
    """The kernel's id of this boot; start times of two boots cannot be compared."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


@dataclass(frozen=True)
class ProcessEntry:
    """One line of the process table."""

    pid: int
    parent_pid: int
    session: int
    start_ticks: int
    dead: bool
    """A zombie: ended, and not yet collected by its parent."""


def process_entry(pid: int) -> ProcessEntry | None:
    """The process with this pid, None when there is none."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the command in brackets and may hold anything; proc(5) numbers the fields from 1.
    fields = text[text.rindex(")") + 2 :].split()
    return ProcessEntry(
        pid=pid,
        parent_pid=int(fields[1]),
        session=int(fields[3]),
        start_ticks=int(fields[19]),
        dead=fields[0] in "ZX",
    )


def process_table() -> dict[int, ProcessEntry]:
    """Every process that can be seen, by pid."""
    entries = (process_entry(int(name)) for name in os.listdir(_PROC) if name.isdigit())
    return {entry.pid: entry for entry in entries if entry is not None}


@dataclass(frozen=True)
class ProcessIdentity:
    """One process for good: it never comes to mean another one."""

    pid: int
    start_ticks: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """The identity of a running process, None when it is gone."""
        entry = process_entry(pid)
        return None if entry is None or entry.dead else cls(pid, entry.start_ticks, boot_id())

    def alive(self) -> bool:
        """Whether exactly this process is still running."""
        if self.boot != boot_id():
            return False
        entry = process_entry(self.pid)
        return entry is not None and not entry.dead and entry.start_ticks == self.start_ticks

    def send(self, number: signal.Signals) -> bool:
        """Signal exactly this process; False when it is gone already."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.alive():
                return False
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True

    async def gone(self, timeout_seconds: float) -> bool:
        """Wait until the process has ended; False when it still runs after the time."""
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        while self.alive():
            if asyncio.get_running_loop().time() >= deadline:
                return False
            await asyncio.sleep(0.02)
        return True


async def end_processes(identities: Iterable[ProcessIdentity], grace_seconds: float) -> list[ProcessIdentity]:
    """Ask each process to stop, kill those that do not; returns the ones that had to be signalled."""
    asked = [identity for identity in identities if identity.send(signal.SIGTERM)]

    async def end(identity: ProcessIdentity) -> None:
        if not await identity.gone(grace_seconds):
            identity.send(signal.SIGKILL)
            await identity.gone(5.0)

    await asyncio.gather(*(end(identity) for identity in asked))
    return asked


def descendants(table: dict[int, ProcessEntry], pid: int) -> list[ProcessIdentity]:
    """Children, grandchildren and so on of a process, parents before children."""
    children: dict[int, list[ProcessEntry]] = {}
    for entry in table.values():
        children.setdefault(entry.parent_pid, []).append(entry)
    found: list[ProcessIdentity] = []
    waiting = [pid]
    while waiting:
        for entry in children.get(waiting.pop(0), ()):
            if not entry.dead:
                found.append(ProcessIdentity(entry.pid, entry.start_ticks, boot_id()))
            waiting.append(entry.pid)
    return found


def session_members(session: int) -> list[ProcessIdentity]:
    """Processes left in a session; only right after its leader's death is its number surely still its own."""
    return [
        ProcessIdentity(entry.pid, entry.start_ticks, boot_id())
        for entry in process_table().values()
        if entry.session == session and entry.pid != session and not entry.dead
    ]
