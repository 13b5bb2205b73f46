"""What the engine process gives up before it serves: capabilities of root, and the machine's network.

Kernel interfaces: capabilities(7), prctl(2), unshare(2), user_namespaces(7).
"""

from __future__ import annotations

import ctypes
import os
import stat
from pathlib import Path

_PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 23, 24, 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE = 1
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def leave_network() -> str:
    """Moves this process into a network of its own, with nothing in it; says how.

    Sockets that are open stay in the machine's network: the listener still takes connections. Whoever is not
    root needs a user namespace for it, which some machines refuse. Only a process of one thread may do so.
    Raises OSError.
    """
    user, group = os.geteuid(), os.getegid()
    try:
        _unshare(_CLONE_NEWNET)
    except PermissionError:
        _unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
        Path("/proc/self/setgroups").write_text("deny", encoding="utf-8")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="utf-8")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="utf-8")
        return "a network of its own, in a user namespace"
    return "a network of its own"


def drop_capabilities(directory: Path) -> str:
    """Gives up every capability for good; says what was kept.

    Root keeps the one that passes over file permissions where `directory` cannot be reached without it.
    Raises OSError.
    """
    kept = _CAP_DAC_OVERRIDE if os.geteuid() == 0 and not _is_open_to_root(directory) else None
    libc = ctypes.CDLL(None, use_errno=True)
    capability = 0
    while libc.prctl(_PR_CAPBSET_READ, capability, 0, 0, 0) >= 0:
        if capability != kept:
            # Refused to whoever has none to give up: no_new_privs then sees to it that none comes.
            libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
        capability += 1
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    mask = 0 if kept is None else 1 << kept
    header, sets = _Header(_CAPABILITY_VERSION_3, 0), (_Sets * 2)()
    sets[0].effective = sets[0].permitted = mask
    if libc.capset(ctypes.byref(header), sets) != 0:
        raise OSError(ctypes.get_errno(), "the capabilities could not be given up")
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs was refused")
    return "none kept" if kept is None else "kept: DAC_OVERRIDE, for a folder of another user"


def _is_open_to_root(directory: Path) -> bool:
    """Whether uid 0 reaches and writes the folder by its permissions alone."""
    if directory.stat().st_uid != 0:
        return False
    above = [folder.stat() for folder in directory.resolve().parents]
    return all(each.st_uid == 0 or each.st_mode & stat.S_IXOTH for each in above)


def _unshare(flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
