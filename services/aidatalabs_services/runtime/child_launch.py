"""Becomes another program, as an unprivileged user, that dies with its parent; run by path, not imported.

    python -I -S child_launch.py PARENT_PID UID GID SIGNAL PROGRAM ARGUMENT…

The kernel sends SIGNAL to the program when the thread that started it ends. It is set after the change of
user because that change clears it. A plain process start does it instead of code between fork and exec,
which can deadlock in a process that runs gRPC threads. UID -1 keeps the user.
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def become(parent: int, uid: int, gid: int, death_signal: int, program: list[str]) -> None:
    """Drops to `uid`/`gid`, ties this process to `parent` and executes `program`; returns never.

    Exits with 125 when the parent is gone already, which the death signal would miss.
    """
    if uid >= 0:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    if death_signal and sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit(125)
    os.execv(program[0], program)  # noqa: S606 - the caller's own list of words, no shell


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:5]]
    become(numbers[0], numbers[1], numbers[2], numbers[3], sys.argv[5:])
