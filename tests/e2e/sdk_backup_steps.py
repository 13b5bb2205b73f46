"""Steps of the client's conformance about backups; each waits for the end of what it begins."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from aidatalabs.data.v1.backup_pb2 import BACKUP_STATE_DONE
from aidatalabs_client import SyncClient
from tests.e2e.sdk_steps import Step


async def _of(value: Any) -> Any:
    """What a call of either client gives."""
    return await value if inspect.isawaitable(value) else value


def either(client: Any, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Several calls in one step, over the synchronous client too."""
    if not isinstance(client, SyncClient):
        return work()
    try:
        work().send(None)  # nothing in it waits for a loop
    except StopIteration as end:
        return end.value
    raise AssertionError("a call of the synchronous client waited for a loop")


def latest(client: Any, platform: str, kind: str, method: str = "") -> Any:
    """A call about the backup or restore that the list names first."""

    async def work() -> Any:
        found = await _of(getattr(client, f"list_{kind}s")(platform))
        return await _of(getattr(client, method or f"get_{kind}")(platform, found[0].name))

    return either(client, work)


def waited(client: Any, platform: str, method: str, kind: str = "") -> Any:
    """The end of work on a backup."""

    async def work() -> Any:
        names = [(await _of(getattr(client, f"list_{kind}s")(platform)))[0].name] if kind else []
        begun = await _of(getattr(client, method)(platform, *names))
        ends = client.wait_for_backup if "/backups/" in begun.name else client.wait_for_restore
        return await _of(ends(begun))

    return either(client, work)


def restored(client: Any, platform: str) -> Any:
    """The end of a restore into a platform of its own."""

    async def work() -> Any:
        backups = await _of(client.list_backups(platform))
        backup = await _of(client.get_backup(platform, backups[0].name))
        made = await _of(client.create_platform(""))
        done = await _of(client.wait_for_restore(await _of(client.restore_backup(made.name, backup.key))))
        await _of(client.delete_platform(made.name, purge=True))
        return done

    return either(client, work)


BACKUP_STEPS = (
    Step(
        "data.v1.DataService/CreateBackup",
        lambda c, p: waited(c, p, "create_backup"),
        lambda backup: backup.state == BACKUP_STATE_DONE and backup.key,
    ),
    Step(
        "data.v1.DataService/ListBackups",
        lambda c, p: c.backups(p),
        lambda backups: [backup.key for backup in backups] == [""],
    ),
    Step(
        "data.v1.DataService/GetBackup",
        lambda c, p: latest(c, p, "backup"),
        lambda backup: backup.row_count > 0,
    ),
    Step(
        "data.v1.DataService/VerifyBackup",
        lambda c, p: waited(c, p, "verify_backup", "backup"),
        lambda backup: backup.verification.state == BACKUP_STATE_DONE,
    ),
    Step(
        "data.v1.DataService/DrillBackup",
        lambda c, p: waited(c, p, "drill_backup"),
        lambda drill: drill.state == BACKUP_STATE_DONE and all(table.equal for table in drill.tables),
    ),
    Step(
        "data.v1.DataService/ListRestores",
        lambda c, p: c.restores(p),
        lambda restores: len(restores) == 1,
    ),
    Step(
        "data.v1.DataService/GetRestore",
        lambda c, p: latest(c, p, "restore"),
        lambda drill: drill.recovery_seconds > 0,
    ),
    Step(
        "data.v1.DataService/RestoreBackup",
        lambda c, p: restored(c, p),
        lambda restore: restore.state == BACKUP_STATE_DONE,
    ),
    Step(
        "data.v1.DataService/DeleteBackup",
        lambda c, p: latest(c, p, "backup", "delete_backup"),
        lambda nothing: nothing is None,
    ),
)
