"""What the operating system denies the engine process. Each layer is applied if there is one, and reported.

Order matters: limits and seccomp before the engine's library is loaded (its threads inherit them); Landlock
twice, widely before loading (libraries are still needed) and narrowly after, so that threads started while
loading are held by the first and everything later by both. The network and the capabilities are left before
all of it: seccomp denies the calls that do so.
"""

from __future__ import annotations

import errno
import resource
import sysconfig
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from aidatalabs_services.data.engine.landlock import restrict
from aidatalabs_services.data.engine.limits import EngineLimits
from aidatalabs_services.data.engine.privileges import drop_capabilities, leave_network

# No other program, no other process, no new socket, no changes to the machine.
# fmt: off
_DENIED = (
    "execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev", "kcmp",
    "pidfd_getfd", "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen",
    "fsmount", "setns", "unshare", "init_module", "finit_module", "delete_module", "kexec_load",
    "kexec_file_load", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "add_key",
    "request_key", "keyctl", "reboot", "swapon", "swapoff", "acct", "settimeofday", "clock_settime",
    "sethostname", "setdomainname", "open_by_handle_at", "mknod", "mknodat", "socket", "connect", "bind",
    "listen",
)
# fmt: on


# When the machine's memory ends, the kernel ends engines before the service that holds the journal.
_FIRST_TO_GO = 500


def early_layers(directory: Path, limits: EngineLimits, writable: Sequence[Path]) -> dict[str, str]:
    """What is put up before the engine's library is loaded, by name; one thread must be all there is.

    `writable` are folders beside the engine's own that it may write, for this platform alone.
    """
    return {
        "rlimits": attempt(lambda: limit_resources(limits)),
        "network": attempt(leave_network),
        "capabilities": attempt(lambda: drop_capabilities(directory)),
        "seccomp": attempt(deny_system_calls),
        "landlock_libraries": attempt(lambda: keep_to_libraries(directory, writable)),
    }


def late_layers(directory: Path, writable: Sequence[Path]) -> dict[str, str]:
    """What is put up once the library is loaded."""
    return {"landlock_directory": attempt(lambda: keep_to_directory(directory, writable))}


def limit_resources(limits: EngineLimits) -> str:
    """Sets the resource limits; says which."""
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, limits.open_files)
    words = f"core 0, files {limits.open_files}"
    if limits.address_space_bytes:
        _lower(resource.RLIMIT_AS, limits.address_space_bytes)
        words += f", address space {limits.address_space_bytes}"
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_FIRST_TO_GO), encoding="utf-8")
    return words


def _lower(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    top = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (top, top))


def deny_system_calls() -> str:
    """Loads the seccomp filter for this thread and all it will start; says how many calls it denies."""
    import pyseccomp  # needs libseccomp, which a machine may lack

    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    count = 0
    for name in _DENIED:
        try:
            rules.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
            count += 1
        except OSError:  # a call this architecture does not have
            continue
    rules.load()
    return f"{count} calls denied"


def keep_to_libraries(directory: Path, writable: Sequence[Path] = ()) -> str:
    """The wide Landlock layer: libraries, kernel facts and the engine's own directory."""
    readable = [Path(path) for path in ("/usr", "/lib", "/lib64", "/proc", "/sys", "/etc/ld.so.cache")]
    readable += [Path("/etc/localtime"), Path("/etc/timezone"), Path("/dev/urandom"), *_python_folders()]
    return f"abi {restrict(readable, [directory, Path('/dev/null'), *writable])}"


def keep_to_directory(directory: Path, writable: Sequence[Path] = ()) -> str:
    """The narrow Landlock layer: the engine's own directory, and Python's modules to read."""
    readable = [Path("/dev/urandom"), Path("/sys/fs/cgroup"), *_python_folders()]
    return f"abi {restrict(readable, [directory, Path('/dev/null'), *writable])}"


def attempt(layer: Callable[[], str]) -> str:
    """Runs one layer; `on: …` or `off: <why>`. A layer the kernel or the machine lacks stops nothing."""
    try:
        return f"on: {layer()}"
    except (OSError, RuntimeError, ImportError, ValueError) as error:
        return f"off: {type(error).__name__}: {error}"


def _python_folders() -> list[Path]:
    """Where modules are imported from: the standard library, installed packages, this project."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    project = Path(__file__).resolve().parents[3]
    return [*(Path(sysconfig.get_path(name)) for name in names), project]
