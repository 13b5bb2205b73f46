"""Backups over gRPC on a real engine: consistent, incremental, verified, restored elsewhere, drilled."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import pytest_asyncio

from aidatalabs.data.v1 import backup_pb2, deletion_pb2, ingest_pb2, rollup_pb2, table_pb2
from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs_services.data.backups import manifest
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.testing import ALICE

from .conftest import DEMO, ROLES, VIEWER, Data

pytestmark = pytest.mark.asyncio(loop_scope="module")

RUNNING, DONE, FAILED = (
    backup_pb2.BACKUP_STATE_RUNNING,
    backup_pb2.BACKUP_STATE_DONE,
    backup_pb2.BACKUP_STATE_FAILED,
)


async def until_done(ask: Callable[[], Any], running: Callable[[Any], bool] | None = None) -> Any:
    """What `ask` answers once it does not run any more."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = await ask()
        if not (running(found) if running else found.state == RUNNING):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("did not end")


async def backed_up(data: Data, platform: str = DEMO) -> backup_pb2.Backup:
    """A complete backup."""
    begun = await data.call("CreateBackup", backup_pb2.CreateBackupRequest(platform=platform))
    backup_id = begun.name.rpartition("/")[2]
    request = backup_pb2.GetBackupRequest(platform=platform, backup=backup_id)
    found: backup_pb2.Backup = await until_done(lambda: data.call("GetBackup", request))
    return found


async def restored(data: Data, platform: str, key: str) -> backup_pb2.Restore:
    """The end of a restore."""
    begun = await data.call("RestoreBackup", backup_pb2.RestoreBackupRequest(platform=platform, key=key))
    request = backup_pb2.GetRestoreRequest(platform=platform, restore=begun.name.rpartition("/")[2])
    found: backup_pb2.Restore = await until_done(lambda: data.call("GetRestore", request))
    return found


def new_platform(name: str) -> str:
    """Another platform that Alice is admin of."""
    ROLES.platforms[(name, ALICE)] = Role.ADMIN
    return name


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(data: Data) -> Data:
    """`platforms/demo` with events, a table of its own, a roll-up and a column added later."""
    for batch in range(3):
        events = [
            ingest_pb2.Event(event_type=f"t{index % 3}", user_id=index, value=index / 2)
            for index in range(400)
        ]
        for index, event in enumerate(events):
            event.timestamp.FromSeconds(int(time.time()) - 40 * 86_400 * batch - index)
            event.properties.update({"page": f"/p{index % 7}", "n": index, "b": batch})
        await data.call("Ingest", pb.IngestRequest(platform=DEMO, events=events))
    columns = [table_pb2.Column(name="id", type="UInt64"), table_pb2.Column(name="day", type="Date")]
    table = table_pb2.Table(name="orders", columns=columns, order_by=["id"], comment="Orders.")
    await data.call("CreateTable", pb.CreateTableRequest(platform=DEMO, table=table))
    await ingest_orders(data, range(100))
    column = table_pb2.Column(name="note", type="Nullable(String)")
    await data.call("AddColumn", pb.AddColumnRequest(platform=DEMO, table="orders", column=column))
    rollup = rollup_pb2.Rollup(
        name="orders_by_day", table="orders", time_column="day", grain=rollup_pb2.Rollup.DAY
    )
    await data.call("CreateRollup", pb.CreateRollupRequest(platform=DEMO, rollup=rollup))
    rollup.name, rollup.maintenance = "orders_followed", rollup_pb2.Rollup.ASYNCHRONOUS
    rollup.dimensions.append("id")
    await data.call("CreateRollup", pb.CreateRollupRequest(platform=DEMO, rollup=rollup))
    return data


async def ingest_orders(data: Data, ids: range, platform: str = DEMO) -> None:
    """Rows of `orders`, acknowledged."""
    rows: list[dict[str, Any]] = [{"id": number, "day": "2026-01-02"} for number in ids]
    request = pb.IngestRequest(platform=platform, table="orders", request_id=str(uuid.uuid4()))
    for row in rows:
        request.rows.add().update(row)
    await data.call("Ingest", request)


async def test_a_backup_restored_elsewhere_gives_the_same_rows_tables_and_roll_ups(filled: Data) -> None:
    backup = await backed_up(filled)
    assert backup.state == DONE, backup.message
    assert {table.table: table.row_count for table in backup.tables}["orders"] == 100
    target = new_platform("platforms/copy")
    await filled.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=target))
    restore = await restored(filled, target, backup.key)
    assert restore.state == DONE, restore.message
    assert all(table.equal and table.restored_hash == table.row_hash != "" for table in restore.tables)
    for sql in (
        "SELECT event_type, count(), sum(value), sum(user_id) FROM events GROUP BY 1 ORDER BY 1",
        "SELECT toString(properties.page) p, count() FROM events GROUP BY p ORDER BY p",
        "SELECT hour, event_type, sum(events), sum(total_value) FROM events_hourly GROUP BY 1, 2 ORDER BY 1, 2",  # noqa: E501
        "SELECT count(), sum(id), max(note) FROM orders",
        "SELECT toStartOfDay(timestamp) d, count(), sum(value) FROM events GROUP BY d ORDER BY d",
    ):
        assert await filled.rows(sql, platform=target) == await filled.rows(sql), sql
    rollups = await filled.call("ListRollups", pb.ListRollupsRequest(platform=target))
    filler = {one.name: one.maintenance for one in rollups.rollups}
    assert filler["orders_by_day"] == rollup_pb2.Rollup.SYNCHRONOUS
    assert filler["orders_followed"] == rollup_pb2.Rollup.ASYNCHRONOUS
    await ingest_orders(filled, range(100, 110), target)
    assert await filled.rows("SELECT count() FROM orders", platform=target) == [[110]]
    asked = "SELECT countIf(id >= 100), countIf(id < 100) FROM orders"
    answer = await filled.call("Query", pb.QueryRequest(platform=target, sql=asked))
    assert answer.statistics.rollup == "orders_followed"
    assert [value.number_value for value in answer.result.rows[0].values] == [10, 100]


async def test_a_second_backup_of_unchanged_tables_writes_next_to_nothing(filled: Data) -> None:
    first = await backed_up(filled)
    second = await backed_up(filled)
    assert second.copied_bytes == 0
    assert second.size_bytes == first.size_bytes > 0
    await ingest_orders(filled, range(1000, 1010))
    third = await backed_up(filled)
    assert 0 < third.copied_bytes < first.size_bytes / 4
    assert [table.row_hash for table in third.tables if table.table == "events"] == [
        table.row_hash for table in first.tables if table.table == "events"
    ]
    # What they share stays with the others when one goes.
    for one in (first, second):
        await filled.call(
            "DeleteBackup", backup_pb2.DeleteBackupRequest(platform=DEMO, backup=one.name.rpartition("/")[2])
        )
    verified = await verify(filled, third)
    assert verified.verification.state == DONE, verified.verification.message


async def verify(data: Data, backup: backup_pb2.Backup) -> backup_pb2.Backup:
    """The backup after all its files were read anew."""
    backup_id = backup.name.rpartition("/")[2]
    await data.call("VerifyBackup", backup_pb2.VerifyBackupRequest(platform=DEMO, backup=backup_id))
    request = backup_pb2.GetBackupRequest(platform=DEMO, backup=backup_id)
    found: backup_pb2.Backup = await until_done(
        lambda: data.call("GetBackup", request), lambda found: found.verification.state == RUNNING
    )
    return found


async def test_a_backup_during_ingest_holds_every_row_acknowledged_before_and_none_twice(
    filled: Data,
) -> None:
    stop = asyncio.Event()
    acknowledged = 0

    async def ingest() -> None:
        nonlocal acknowledged
        number = 100_000
        while not stop.is_set():
            await ingest_orders(filled, range(number, number + 20))
            number += 20
            acknowledged += 20

    (before,) = (await filled.rows("SELECT count() FROM orders"))[0]
    writer = asyncio.create_task(ingest())
    try:
        while acknowledged < 100:
            await asyncio.sleep(0.01)
        known = acknowledged
        backup = await backed_up(filled)
    finally:
        stop.set()
        await writer
    assert backup.state == DONE
    count = next(table.row_count for table in backup.tables if table.table == "orders")
    assert before + known <= count <= before + acknowledged
    target = new_platform("platforms/busy")
    await filled.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=target))
    restore = await restored(filled, target, backup.key)
    assert restore.state == DONE, restore.message
    sql = "SELECT count(), uniqExact(id), countIf(id >= 100000), max(id) FROM orders"
    ((rows, ids, new, last),) = await filled.rows(sql, platform=target)
    assert rows == count == ids
    assert last == 100_000 + new - 1, "rows are there without a gap"


async def test_a_damaged_backup_is_refused_with_the_name_of_the_file_and_leaves_the_platform_empty(
    filled: Data,
) -> None:
    await ingest_orders(filled, range(2000, 2100))
    backup = await backed_up(filled)
    folder = filled.directory / "backups" / await filled.uid() / backup.name.rpartition("/")[2]
    parts = sorted((folder / "parts" / "orders").glob("*/*.bin"))
    damaged = next(path for path in parts if path.stat().st_size > 40)
    inner = damaged.relative_to(folder).as_posix()
    content = damaged.read_bytes()
    damaged.write_bytes(content[:20] + bytes([content[20] ^ 1]) + content[21:])
    verified = await verify(filled, backup)
    assert verified.verification.state == FAILED
    assert verified.verification.damaged_file == inner
    target = new_platform("platforms/damaged")
    await filled.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=target))
    restore = await restored(filled, target, backup.key)
    assert restore.state == FAILED
    assert inner in restore.message
    tables = await filled.call("ListTables", pb.ListTablesRequest(platform=target))
    assert {table.name for table in tables.tables} == {"events", "events_hourly", "dead_letters"}
    assert await filled.rows("SELECT count() FROM events", platform=target) == [[0]]
    damaged.write_bytes(content)
    assert (await restored(filled, target, backup.key)).state == DONE
    (folder / manifest.MANIFEST).write_bytes((folder / manifest.MANIFEST).read_bytes() + b" ")
    empty = new_platform("platforms/empty")
    await filled.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=empty))
    refusal = await filled.refusal(
        "RestoreBackup", backup_pb2.RestoreBackupRequest(platform=empty, key=backup.key)
    )
    assert (refusal.reason, refusal.metadata["file"]) == ("BACKUP_DAMAGED", "manifest.json")
    await filled.call(
        "DeleteBackup", backup_pb2.DeleteBackupRequest(platform=DEMO, backup=backup.name.rpartition("/")[2])
    )


async def test_a_restore_overwrites_nothing(filled: Data) -> None:
    backup = await backed_up(filled)
    request = backup_pb2.RestoreBackupRequest(platform=DEMO, key=backup.key)
    refusal = await filled.refusal("RestoreBackup", request)
    assert refusal.reason == "RESTORE_TARGET_NOT_EMPTY"
    request = backup_pb2.RestoreBackupRequest(platform=DEMO, key="0" * 32)
    assert (await filled.refusal("RestoreBackup", request)).reason == "BACKUP_NOT_FOUND"


async def test_a_drill_compares_every_table_and_leaves_the_evidence_alone(filled: Data) -> None:
    await backed_up(filled)
    engines = set((filled.directory / "engines").iterdir())
    await ingest_orders(filled, range(5000, 5007))
    begun = await filled.call("DrillBackup", backup_pb2.DrillBackupRequest(platform=DEMO, request_id="d"))
    again = await filled.refusal("CreateBackup", backup_pb2.CreateBackupRequest(platform=DEMO))
    assert again.reason == "BACKUP_BUSY"
    request = backup_pb2.GetRestoreRequest(platform=DEMO, restore=begun.name.rpartition("/")[2])
    drill = await until_done(lambda: filled.call("GetRestore", request))
    assert drill.state == DONE, drill.message
    assert drill.kind == backup_pb2.Restore.DRILL
    assert all(table.equal and table.restored_hash for table in drill.tables)
    assert drill.missing_count == 7
    assert drill.loss_seconds > 0
    assert drill.recovery_seconds > 0
    assert set((filled.directory / "engines").iterdir()) == engines
    listed = await filled.call("ListRestores", backup_pb2.ListRestoresRequest(platform=DEMO))
    assert drill in listed.restores
    repeated = await filled.call("DrillBackup", backup_pb2.DrillBackupRequest(platform=DEMO, request_id="d"))
    assert repeated == drill


async def test_backups_are_for_admins_and_their_keys_stand_in_no_list(filled: Data) -> None:
    backup = await backed_up(filled)
    listed = await filled.call("ListBackups", backup_pb2.ListBackupsRequest(platform=DEMO, page_size=1))
    assert [one.name for one in listed.backups] == [backup.name]
    assert listed.backups[0].key == ""
    assert listed.next_page_token
    for method, request in (
        ("CreateBackup", backup_pb2.CreateBackupRequest(platform=DEMO)),
        ("ListBackups", backup_pb2.ListBackupsRequest(platform=DEMO)),
        ("GetBackup", backup_pb2.GetBackupRequest(platform=DEMO, backup="0a")),
    ):
        assert (await filled.refusal(method, request, user=VIEWER)).reason == "PERMISSION_DENIED"
    missing = backup_pb2.GetBackupRequest(platform=DEMO, backup="0a")
    assert (await filled.refusal("GetBackup", missing)).reason == "BACKUP_NOT_FOUND"


async def test_a_platform_that_is_removed_takes_its_backups_along(filled: Data) -> None:
    target = new_platform("platforms/short")
    await filled.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=target))
    await backed_up(filled, target)
    folder = filled.directory / "backups" / await filled.uid(target)
    assert folder.is_dir()
    await filled.call("DeprovisionPlatform", pb.DeprovisionPlatformRequest(platform=target))
    assert not folder.exists()


@pytest.mark.soak
async def test_a_drill_tells_rows_that_changed_though_they_are_as_many(data: Data) -> None:
    platform = new_platform("platforms/as-many")
    await data.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=platform))
    table = table_pb2.Table(
        name="visits", columns=[table_pb2.Column(name="user_id", type="UInt64")], order_by=["user_id"]
    )
    await data.call("CreateTable", pb.CreateTableRequest(platform=platform, table=table))

    async def visit(user: int) -> None:
        request = pb.IngestRequest(platform=platform, table="visits")
        request.rows.add().update({"user_id": user})
        await data.call("Ingest", request)

    async def loss() -> tuple[bool, int]:
        begun = await data.call("DrillBackup", backup_pb2.DrillBackupRequest(platform=platform))
        get = backup_pb2.GetRestoreRequest(platform=platform, restore=begun.name.rpartition("/")[2])
        drill = await until_done(lambda: data.call("GetRestore", get))
        assert drill.state == DONE, drill.message
        return drill.loss_seconds > 0, drill.missing_count

    await visit(1)
    await backed_up(data, platform)
    assert await loss() == (False, 0)
    await visit(2)
    assert await loss() == (True, 1)
    rows = deletion_pb2.DeleteRowsRequest(platform=platform, table="visits", filter="user_id = 1")
    await data.call("DeleteRows", rows)
    assert await loss() == (True, 0)
