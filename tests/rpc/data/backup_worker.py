"""A data service that kills itself, or its engine, at a step of work on backups; and tells what is there.

    python backup_worker.py DIRECTORY [WORK STEP ACTION]

Prints one JSON line of what is there once everything has settled, then does WORK and dies at STEP: ACTION
`die` kills the process, `engine` kills the platforms' engines instead and prints how the work ended.
Lines before that: `name NAME` of what was begun, `acked PLATFORM FIRST LAST` of rows ingested beside it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import grpc

from aidatalabs.data.v1 import backup_pb2, table_pb2
from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.servers import EmbeddedServers
from aidatalabs_services.data.backups import (
    backups,
    completion,
    filling,
    folders,
    records,
    restores,
    snapshots,
    store,
)
from aidatalabs_services.data.bootstrap import bootstrap, engine_pool
from aidatalabs_services.data.engine.pool import EnginePool
from aidatalabs_services.data.platform_grace import PlatformGrace
from aidatalabs_services.data.removal import PlatformRemoval
from aidatalabs_services.data.tables import Tables
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.errors import (
    DeadlineExceeded,
    Overloaded,
    ServiceError,
    ServiceUnavailable,
)
from aidatalabs_services.runtime.testing import ALICE, StaticRoles, TokenMint, running
from tests.rpc.data.conftest import Data, settings_in

SOURCE = "platforms/source"
FIRST_ROWS = 300
_RUNNING = backup_pb2.BACKUP_STATE_RUNNING
ROLES = StaticRoles(
    platforms={(f"platforms/{name}", ALICE): Role.ADMIN for name in ("source", *(f"t{i}" for i in range(60)))}
)

# What is killed: (owner, function, before it is called or after, in which call of it).
STEPS: dict[str, tuple[Any, str, str, int]] = {
    "create-kept": (backups.Backups, "_carry_out", "before", 1),
    "create-linking": (folders, "link_part", "after", 2),
    "create-hashing": (snapshots.Snapshots, "_hashed", "before", 1),
    "create-hashed": (snapshots.Snapshots, "_hashed", "after", 1),
    "create-copying": (folders, "copied", "after", 3),
    "create-digest": (folders, "write_manifest", "before", 1),
    "create-manifest": (folders, "write_manifest", "after", 1),
    "create-complete": (store.BackupFolders, "complete", "after", 1),
    "create-settled": (records.Records, "settle", "after", 1),
    "verify-begun": (backups.Backups, "_verify", "before", 1),
    "verify-reading": (folders, "verified", "after", 1),
    "verify-read": (records.Records, "settle", "before", 1),
    "delete-marked": (store.BackupFolders, "remove", "before", 1),
    "delete-aside": (Path, "rename", "after", 2),
    "delete-half": (os, "rmdir", "after", 2),
    "delete-forget": (records.Records, "forget", "before", 1),
    "restore-kept": (restores.Restores, "_carry_out", "before", 1),
    "restore-begun": (filling.Filling, "fill", "before", 1),
    "restore-tables": (filling.Filling, "_make", "after", 2),
    "restore-copying": (folders, "put_back", "after", 2),
    "restore-attaching": (filling.Filling, "_attach", "after", 2),
    "restore-attached": (snapshots.EngineParts, "whole", "after", 1),
    "restore-filled": (completion.Completion, "complete", "before", 1),
    "restore-completed": (records.Records, "settle", "before", 1),
    "drill-kept": (restores.Restores, "_drilled", "before", 1),
    "drill-provisioned": (Tables, "provision", "after", 1),
    "drill-copying": (folders, "put_back", "after", 2),
    "drill-removing": (PlatformRemoval, "remove", "before", 1),
    "drill-removed": (records.Records, "settle", "before", 1),
    "purge-begun": (PlatformGrace, "_finish", "before", 1),
    "purge-aside": (Path, "rename", "after", 2),
    "purge-records": (records.Records, "remove", "before", 1),
    "purge-journal": (ClickHouseWarehouse, "drop_database", "before", 1),
    "purge-dropped": (ClickHouseWarehouse, "drop_database", "after", 1),
}


class Patient(Data):
    """Waits for slow machines: what is tested here is not how fast it is."""

    async def call(
        self, method: str, request: Any, *, user: str = ALICE, timeout: float | None = 90.0
    ) -> Any:
        """See Data; what only looks, or may be repeated, is repeated while the engine is away."""
        for _ in range(8 if method.startswith(("Get", "List", "Query", "Provision")) else 0):
            with suppress(DeadlineExceeded, ServiceUnavailable, Overloaded):
                return await super().call(method, request, user=user, timeout=timeout)
            await asyncio.sleep(0.5)
        return await super().call(method, request, user=user, timeout=timeout)


def say(*words: object) -> None:
    """One line, at once."""
    print(*words, flush=True)  # noqa: T201


def arm(step: str, strike: Callable[[], None], armed: asyncio.Event) -> None:
    """Strikes at this step, once, when `armed`; rows that wait for it may come in before."""
    owner, name, moment, number = STEPS[step]
    inner = getattr(owner, name)
    seconds = 0.15 if step == "restore-filled" else 0.0
    calls = 0

    def reached() -> bool:
        nonlocal calls
        calls += armed.is_set()
        return armed.is_set() and calls == number

    async def later(*words: Any, **more: Any) -> Any:
        hit = reached()
        if hit and moment == "before":
            await asyncio.sleep(seconds)
            strike()
        found = await inner(*words, **more)
        if hit and moment == "after":
            await asyncio.sleep(seconds)
            strike()
        return found

    def at_once(*words: Any, **more: Any) -> Any:
        hit = reached()
        if hit and moment == "before":
            strike()
        found = inner(*words, **more)
        if hit and moment == "after":
            strike()
        return found

    setattr(owner, name, later if iscoroutinefunction(inner) else at_once)


async def ingest(data: Data, platform: str, first: int, count: int) -> None:
    """Rows `first` and the next ones of `orders`, acknowledged."""
    request = pb.IngestRequest(platform=platform, table="orders", request_id=f"{platform[10:]}-{first}")
    for number in range(first, first + count):
        request.rows.add().update({"id": number, "day": "2026-01-02"})
    await data.call("Ingest", request)
    with (data.directory / "acked").open("a") as file:
        file.write(f"{platform} {first} {first + count - 1}\n")
    say("acked", platform, first, first + count - 1)


async def ingest_beside(data: Data, platform: str, first: int) -> None:
    """Goes on until it is cancelled; a table that is not there yet is waited for."""
    while True:
        try:
            await ingest(data, platform, first, 5)
            first += 5
        except ServiceError:
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.005)


async def prepare(data: Data) -> None:
    """The platform that is backed up: several parts in two tables, and a first backup."""
    await data.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=SOURCE))
    columns = [table_pb2.Column(name="id", type="UInt64"), table_pb2.Column(name="day", type="Date")]
    for name in ("orders", "others"):
        table = table_pb2.Table(name=name, columns=columns, order_by=["id"])
        await data.call("CreateTable", pb.CreateTableRequest(platform=SOURCE, table=table))
    request = pb.IngestRequest(platform=SOURCE, table="others")
    for number in range(50):
        request.rows.add().update({"id": number, "day": "2026-01-02"})
    await data.call("Ingest", request)
    for first in range(0, FIRST_ROWS, 100):
        await ingest(data, SOURCE, first, 100)
    await settled(data, await data.call("CreateBackup", backup_pb2.CreateBackupRequest(platform=SOURCE)))


async def settled(data: Data, begun: Any) -> Any:
    """A backup or restore when it does not run any more."""
    platform, kind, last = begun.name.rsplit("/", 2)
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if kind == "backups":
            request: Any = backup_pb2.GetBackupRequest(platform=platform, backup=last)
            found = await data.call("GetBackup", request)
        else:
            request = backup_pb2.GetRestoreRequest(platform=platform, restore=last)
            found = await data.call("GetRestore", request)
        verification = getattr(found, "verification", None)
        if _RUNNING not in (found.state, verification.state if verification is not None else 0):
            return found
        await asyncio.sleep(0.03)
    raise AssertionError(f"{begun.name} does not end")


async def work(data: Data, what: str, number: int, armed: asyncio.Event) -> Any:
    """Begins the work `what`, the `number`th of this directory, and waits for its end; `armed` from there."""
    newest = (await data.call("ListBackups", backup_pb2.ListBackupsRequest(platform=SOURCE))).backups
    done = [one.name.rpartition("/")[2] for one in newest if one.state == backup_pb2.BACKUP_STATE_DONE]
    target, request_id = f"platforms/t{number}", f"{what}-{number}"
    request: Any
    if what == "purge":
        return await purged(data, target, armed)
    if what == "restore":
        await data.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=target))
    armed.set()
    if what == "create":
        request = backup_pb2.CreateBackupRequest(platform=SOURCE, request_id=request_id)
        begun = await data.call("CreateBackup", request)
    elif what == "verify":
        begun = await data.call(
            "VerifyBackup", backup_pb2.VerifyBackupRequest(platform=SOURCE, backup=done[0])
        )
    elif what == "delete":
        say("name", f"{SOURCE}/backups/{done[0]}")
        await data.call("DeleteBackup", backup_pb2.DeleteBackupRequest(platform=SOURCE, backup=done[0]))
        return None
    elif what == "restore":
        request = backup_pb2.GetBackupRequest(platform=SOURCE, backup=done[0])
        key = (await data.call("GetBackup", request)).key
        request = backup_pb2.RestoreBackupRequest(platform=target, key=key, request_id=request_id)
        begun = await data.call("RestoreBackup", request)
    else:
        request = backup_pb2.DrillBackupRequest(platform=SOURCE, request_id=request_id)
        begun = await data.call("DrillBackup", request)
    say("name", begun.name)
    writer = asyncio.create_task(
        ingest_beside(data, target if what == "restore" else SOURCE, 10**6 * (number + 1))
    )
    try:
        return await settled(data, begun)
    finally:
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)


async def purged(data: Data, target: str, armed: asyncio.Event) -> None:
    """A platform with a backup that is deleted, and removed for good before its grace is over."""
    await data.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=target))
    await settled(data, await data.call("CreateBackup", backup_pb2.CreateBackupRequest(platform=target)))
    deprovision = pb.DeprovisionPlatformRequest(platform=target)
    deprovision.purge_time.FromMilliseconds(int((time.time() + 3600) * 1000))
    await data.call("DeprovisionPlatform", deprovision)
    armed.set()
    await data.call("DeprovisionPlatform", pb.DeprovisionPlatformRequest(platform=target))


async def told(data: Data, pool: EnginePool) -> dict[str, Any]:
    """What is there, once nothing is at work any more: of the source and of the last platforms."""
    root, found = data.directory, dict[str, Any]()
    uids = {await uid_of(platform): platform for platform, _ in ROLES.platforms}
    engines = {path.name for path in (root / "engines").iterdir()}
    gone = {path.name for path in (root / "removals").glob("*")}
    last = len(list(root.glob("work-*")))
    wanted = {SOURCE, *(f"platforms/t{number}" for number in range(max(0, last - 2), last))}
    for uid in (each for each in (engines & set(uids)) - gone if uids[each] in wanted):
        platform = uids[uid]
        await pool.address(uid)  # however long that takes: no call's deadline is in it
        restored = await data.call("ListRestores", backup_pb2.ListRestoresRequest(platform=platform))
        for one in restored.restores:
            await settled(data, one)
        kept = await data.call("ListBackups", backup_pb2.ListBackupsRequest(platform=platform))
        found[platform] = {
            "backups": {
                one.name.rpartition("/")[2]: [
                    backup_pb2.BackupState.Name(one.state)[13:],
                    backup_pb2.BackupState.Name(one.verification.state)[13:],
                    {table.table: table.row_count for table in one.tables},
                    one.message or one.verification.message,
                ]
                for one in kept.backups
            },
            "restores": {
                one.name.rpartition("/")[2]: [
                    backup_pb2.BackupState.Name(one.state)[13:],
                    {table.table: table.row_count for table in one.tables},
                    one.message,
                ]
                for one in (
                    await data.call("ListRestores", backup_pb2.ListRestoresRequest(platform=platform))
                ).restores
            },
            "folders": sorted(path.name for path in (root / "backups" / uid).glob("*")),
            "rows": await rows_of(data, platform),
        }
    # Scratch stores of drills that were cut short go in the background.
    end = time.monotonic() + 20
    while strange(root, set(uids)) and time.monotonic() < end:
        await asyncio.sleep(0.05)
    while (left := removals(root, uids)) and time.monotonic() < end:
        if all(text == "removed" and not places for text, places in left.values()):
            break
        await asyncio.sleep(0.05)
    return {"platforms": found, "strange": strange(root, set(uids)), "removals": left}


async def rows_of(data: Data, platform: str) -> dict[str, list[int]]:
    """The ids in each of our tables; what was acknowledged may still be on its way from the journal."""
    lines = [line.split() for line in (data.directory / "acked").read_text().splitlines()]
    wanted = {
        each for name, first, last in lines if name == platform for each in range(int(first), int(last) + 1)
    }
    end = time.monotonic() + 30
    while True:
        tables = await data.call("ListTables", pb.ListTablesRequest(platform=platform))
        found = {}
        for table in tables.tables:
            if table.name in ("orders", "others"):
                sql = f"SELECT id FROM {table.name} ORDER BY id"
                found[table.name] = [
                    int(row[0]) for row in await data.rows(sql, platform=platform, max_rows=10_000)
                ]
        if wanted <= set(found.get("orders", ())) or time.monotonic() > end:
            return found
        await asyncio.sleep(0.1)


def strange(root: Path, uids: set[str]) -> list[str]:
    """What belongs to nothing."""
    folders_of = [*(root / "backups").glob("*"), *(root / "engines").iterdir()]
    found = [path.name for path in folders_of if path.name not in uids | {"imports"}]
    found += [str(path) for path in (root / "backups").glob("*/.*")]
    return found + [str(path) for path in (root / "staging").glob("*")]


def removals(root: Path, uids: dict[str, str]) -> dict[str, list[Any]]:
    """Platforms that were removed: what is said of it, and which folders of theirs are left."""
    places = ("engines", "backups", "journal", "backup_records", "restore_records")
    return {
        uids[path.name]: [path.read_text(), [each for each in places if (root / each / path.name).exists()]]
        for path in (root / "removals").glob("*")
    }


async def uid_of(platform: str) -> str:
    """The uid of a platform here."""
    return (await ROLES.resolve("", ALICE, platform)).platform_uid


async def main(directory: Path, rest: list[str]) -> None:
    """Tells, then works until it dies."""
    settings = settings_in(directory)
    pool = engine_pool(settings)
    warehouse = ClickHouseWarehouse(EmbeddedServers(pool))
    mint = TokenMint()

    def strike() -> None:
        if rest[2] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        for process in pool.running().values():
            process.kill()

    armed = asyncio.Event()
    if rest and rest[1] != "none":
        arm(rest[1], strike, armed)
    async with running(bootstrap(settings, warehouse=warehouse), mint=mint, roles=ROLES) as channel:
        ready: grpc.aio.Channel = channel
        data = Patient(pb_grpc.DataServiceStub(ready), mint, warehouse, pool, directory)
        if not (directory / "prepared").exists():
            await prepare(data)
            (directory / "prepared").touch()
        say(json.dumps(await told(data, pool)))
        if rest:
            number = len(list(directory.glob("work-*")))
            (directory / f"work-{number}").touch()
            end = await work(data, rest[0], number, armed)
            say("ended", end.state if end is not None else 0)
            if rest[2] != "die":
                say(json.dumps(await told(data, pool)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
