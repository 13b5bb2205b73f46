"""Landlock by its system calls: this thread and all it starts later reach only the folders named.

Kernel interface: Documentation/userspace-api/landlock.rst, ABI 1 (files), 2 (refer), 3 (truncate),
4 (TCP), 5 (device ioctl), 6 (signals and abstract sockets).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_RULE_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

_READ_FILE, _READ_DIR, _WRITE_FILE, _TRUNCATE = 1 << 2, 1 << 3, 1 << 1, 1 << 14
_MAKE_DEVICE_BITS = (1 << 6) | (1 << 11)
_EXECUTE = 1 << 0
_FILES_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_TCP_BIND_AND_CONNECT = 3
_SIGNAL_AND_ABSTRACT_SOCKET = 3


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("parent", ctypes.c_int32))


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def restrict(readable: Iterable[Path], writable: Iterable[Path]) -> int:
    """Applies the restriction and returns the kernel's ABI number. Raises OSError where there is no Landlock.

    Missing paths are left out. New TCP sockets can neither bind nor connect (ABI 4); open ones keep working.
    A restriction can be added to, never taken back.
    """
    abi = _call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))
    files = _FILES_BY_ABI[min(abi, 5)]
    ruleset = _Ruleset(
        files, _TCP_BIND_AND_CONNECT if abi >= 4 else 0, _SIGNAL_AND_ABSTRACT_SOCKET if abi >= 6 else 0
    )
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    handle = _call(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(size), ctypes.c_uint32(0))
    try:
        for path in readable:
            _allow(handle, path, _READ_FILE | _READ_DIR)
        for path in writable:
            _allow(handle, path, files & ~_MAKE_DEVICE_BITS & ~_EXECUTE)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "no_new_privs was refused")
        _call(_RESTRICT_SELF, ctypes.c_int(handle), ctypes.c_uint32(0))
    finally:
        os.close(handle)
    return abi


def _allow(handle: int, path: Path, access: int) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not path.is_dir():
            access &= _READ_FILE | _WRITE_FILE | _TRUNCATE
        rule = _PathRule(access, parent)
        _call(
            _ADD_RULE,
            ctypes.c_int(handle),
            ctypes.c_int(_RULE_PATH_BENEATH),
            ctypes.byref(rule),
            ctypes.c_uint32(0),
        )
    finally:
        os.close(parent)
