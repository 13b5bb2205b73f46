"""Backups and restores when something is in the way: damage, a full disk, deletions, other work at once."""

from __future__ import annotations

import asyncio
import errno
import shutil
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from aidatalabs.data.v1 import backup_pb2, deletion_pb2, ingest_pb2, table_pb2
from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs_services.data.backups import folders
from aidatalabs_services.data.backups.filling import Filling
from aidatalabs_services.data.backups.snapshots import EngineParts
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.errors import ServiceUnavailable
from aidatalabs_services.runtime.testing import ALICE

from .conftest import ROLES, Data
from .test_data_backups import DONE, FAILED, backed_up, new_platform, restored, until_done

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOURCE = "platforms/faulty"
ROLES.platforms[(SOURCE, ALICE)] = Role.ADMIN


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def source(data: Data) -> Data:
    """`platforms/faulty` with events of ten people and a table of its own."""
    await data.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=SOURCE))
    columns = [table_pb2.Column(name="user_id", type="UInt64"), table_pb2.Column(name="day", type="Date")]
    table = table_pb2.Table(name="visits", columns=columns, order_by=["user_id"])
    await data.call("CreateTable", pb.CreateTableRequest(platform=SOURCE, table=table))
    await fill(data, 0)
    return data


async def fill(data: Data, first: int, *, platform: str = SOURCE) -> None:
    """One row of each of ten people in both tables."""
    events = [ingest_pb2.Event(event_type="click", user_id=first + each) for each in range(10)]
    for event in events:
        event.timestamp.GetCurrentTime()
    await data.call("Ingest", pb.IngestRequest(platform=platform, events=events))
    request = pb.IngestRequest(platform=platform, table="visits")
    for each in range(10):
        request.rows.add().update({"user_id": first + each, "day": "2026-01-02"})
    await data.call("Ingest", request)


async def target(data: Data, name: str) -> str:
    """A new platform with nothing in it."""
    platform = new_platform(f"platforms/{name}")
    await data.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=platform), timeout=90.0)
    return platform


async def people(data: Data, platform: str) -> tuple[list[int], list[int]]:
    """Whose rows are there, by table."""
    found = [
        [int(row[0]) for row in await data.rows(f"SELECT user_id FROM {table} ORDER BY 1", platform=platform)]
        for table in ("events", "visits")
    ]
    return found[0], found[1]


def folder_of(data: Data, uid: str, backup: backup_pb2.Backup) -> Path:
    return data.directory / "backups" / uid / backup.name.rpartition("/")[2]


async def delete_backup(data: Data, backup: backup_pb2.Backup) -> None:
    request = backup_pb2.DeleteBackupRequest(platform=SOURCE, backup=backup.name.rpartition("/")[2])
    await data.call("DeleteBackup", request)


async def test_a_person_deleted_after_a_backup_does_not_come_back_with_it(source: Data) -> None:
    backup = await backed_up(source, SOURCE)
    request = deletion_pb2.DeleteUserDataRequest(platform=SOURCE, user_id="3")
    assert (await source.call("DeleteUserData", request)).state == deletion_pb2.Deletion.DONE
    rows = deletion_pb2.DeleteRowsRequest(platform=SOURCE, table="visits", filter="user_id = 5")
    await source.call("DeleteRows", rows)
    copy = await target(source, "people")
    restore = await restored(source, copy, backup.key)
    assert restore.state == DONE
    assert "deleted again: 1" in restore.message
    # Rows that went by a filter are what one restores for.
    left = [each for each in range(10) if each != 3]
    assert await people(source, copy) == (left, left)
    kept = await source.call("ListDeletions", deletion_pb2.ListDeletionsRequest(platform=copy))
    assert [one.user_id for one in kept.deletions] == ["3"]
    # A backup made after the deletion has nothing to repeat, also when the person is back by then.
    await fill(source, 0)
    later = await backed_up(source, SOURCE)
    copy = await target(source, "back")
    restore = await restored(source, copy, later.key)
    assert (restore.state, restore.message) == (DONE, "")
    assert (await people(source, copy))[0].count(3) == 1


async def test_a_deletion_during_a_backup_ends_well_and_so_does_the_backup(
    source: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(source, 100)
    hashing = asyncio.Event()
    measured = EngineParts.hashes

    async def slow(self: EngineParts, uid: str, table: str, parts: Any) -> dict[str, str]:
        hashing.set()
        await asyncio.sleep(1.0)
        return await measured(self, uid, table, parts)

    monkeypatch.setattr(EngineParts, "hashes", slow)
    making = asyncio.create_task(backed_up(source, SOURCE))
    await asyncio.wait_for(hashing.wait(), 30)
    # Nothing is merged now, and a deletion is carried out by merging.
    request = deletion_pb2.DeleteRowsRequest(platform=SOURCE, table="visits", filter="user_id = 104")
    deletion = await source.call("DeleteRows", request, timeout=50.0)
    assert deletion.state == deletion_pb2.Deletion.DONE, deletion
    update = pb.UpdateTableRequest(platform=SOURCE, table="visits", ttl="day + INTERVAL 900 DAY")
    update.update_mask.paths.append("ttl")
    await source.call("UpdateTable", update)
    backup = await making
    assert backup.state == DONE, backup.message
    assert {table.table: table.row_count for table in backup.tables}["visits"] > 0


async def test_damage_that_is_known_is_not_inherited_by_the_next_backup(source: Data) -> None:
    uid = await source.uid(SOURCE)
    first = await backed_up(source, SOURCE)
    second = await backed_up(source, SOURCE)
    assert second.copied_bytes == 0
    data_file = next(
        path
        for path in sorted(folder_of(source, uid, first).glob("parts/visits/*/data.bin"))
        if path.stat().st_size
    )
    with data_file.open("r+b") as file:  # the same file in both
        file.seek(0)
        byte = file.read(1)
        file.seek(0)
        file.write(bytes([byte[0] ^ 1]))
    request = backup_pb2.DrillBackupRequest(platform=SOURCE)
    begun = await source.call("DrillBackup", request)
    get = backup_pb2.GetRestoreRequest(platform=SOURCE, restore=begun.name.rpartition("/")[2])
    drill = await until_done(lambda: source.call("GetRestore", get))
    assert drill.state == FAILED
    # The drill said so to the backup, and the next one copies anew.
    found = await source.call(
        "GetBackup", backup_pb2.GetBackupRequest(platform=SOURCE, backup=second.name.rpartition("/")[2])
    )
    assert found.verification.damaged_file in drill.message
    third = await backed_up(source, SOURCE)
    assert third.copied_bytes == third.size_bytes > 0
    for one in (first, second):
        await delete_backup(source, one)


@pytest.mark.soak
@pytest.mark.parametrize("damage", ["missing", "cut", "swapped", "folder"])
async def test_whatever_is_wrong_with_its_files_a_restore_leaves_the_platform_empty(
    source: Data, damage: str
) -> None:
    backup = await backed_up(source, SOURCE)
    folder = folder_of(source, await source.uid(SOURCE), backup)
    one, other = sorted(folder.glob("parts/events/*/columns.txt"))[0], folder / "parts"
    kept = one.read_bytes()
    one.unlink()  # a name of its own: other backups keep theirs
    if damage == "cut":
        one.write_bytes(kept[:-1])
    elif damage == "swapped":
        other = sorted(folder.glob("parts/visits/*/columns.txt"))[0]
        one.write_bytes(other.read_bytes())
    elif damage == "folder":
        one.mkdir()
    copy = await target(source, f"empty-{damage}")
    restore = await restored(source, copy, backup.key)
    assert restore.state == FAILED
    assert one.relative_to(folder).as_posix() in restore.message
    tables = await source.call("ListTables", pb.ListTablesRequest(platform=copy))
    assert {table.name for table in tables.tables} == {"events", "events_hourly", "dead_letters"}
    assert await source.rows("SELECT count() FROM events", platform=copy) == [[0]]
    # It can be used: nothing is held or refused any more.
    await source.call(
        "Ingest", pb.IngestRequest(platform=copy, events=[ingest_pb2.Event(event_type="e")]), timeout=30
    )
    await delete_backup(source, backup)


@pytest.mark.soak
async def test_a_full_disk_fails_a_backup_and_a_restore_with_a_next_step_and_leaves_no_file(
    source: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await backed_up(source, SOURCE)
    await fill(source, 200)
    uid, copied = await source.uid(SOURCE), folders.copied

    def full(*words: Any) -> str:
        if str(words[1]).endswith("checksums.txt"):
            raise OSError(errno.ENOSPC, "No space left on device", str(words[1]))
        return copied(*words)

    monkeypatch.setattr(folders, "copied", full)
    backup = await backed_up(source, SOURCE)
    assert backup.state == FAILED
    assert "no room" in backup.message
    assert not list((source.directory / "backups" / uid).glob("*.partial"))
    assert not folder_of(source, uid, backup).exists()
    copy = await target(source, "full")
    restore = await restored(source, copy, whole.key)
    assert (restore.state, "no room" in restore.message) == (FAILED, True)
    monkeypatch.undo()
    assert (await restored(source, copy, whole.key)).state == DONE

    def no_room(folder: Path) -> int:
        return 0

    monkeypatch.setattr(folders, "free_bytes", no_room)
    last = await backed_up(source, SOURCE)
    assert (last.state, "no room" in last.message) == (FAILED, True)


async def test_nothing_is_begun_that_could_not_be_written_down(
    source: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Any, uid: str, record: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("aidatalabs_services.data.backups.records.Records._write", full)
    before = await source.call("ListBackups", backup_pb2.ListBackupsRequest(platform=SOURCE))
    request = backup_pb2.CreateBackupRequest(platform=SOURCE, request_id="unwritten")
    refusal = await source.refusal("CreateBackup", request)
    assert (refusal.code.name, refusal.retry_after_seconds) == ("UNAVAILABLE", 10.0)
    monkeypatch.undo()
    assert (
        await source.call("ListBackups", backup_pb2.ListBackupsRequest(platform=SOURCE))
    ).backups == before.backups
    begun = await source.call("CreateBackup", request)
    get = backup_pb2.GetBackupRequest(platform=SOURCE, backup=begun.name.rpartition("/")[2])
    assert (await until_done(lambda: source.call("GetBackup", get))).state == DONE


async def test_a_platform_in_the_middle_of_a_restore_shows_nothing_and_takes_nothing(
    source: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = await backed_up(source, SOURCE)
    copy = await target(source, "middle")
    attached, go_on = asyncio.Event(), asyncio.Event()
    attach = Filling._attach

    async def halfway(self: Filling, uid: str, table: Any) -> None:
        await attach(self, uid, table)
        attached.set()
        await go_on.wait()

    monkeypatch.setattr(Filling, "_attach", halfway)
    request = backup_pb2.RestoreBackupRequest(platform=copy, key=backup.key, request_id="half")
    begun = await source.call("RestoreBackup", request)
    await asyncio.wait_for(attached.wait(), 30)
    columns = [table_pb2.Column(name="x", type="UInt8")]
    table = table_pb2.Table(name="visits", columns=columns, order_by=["x"])
    event = ingest_pb2.Event(event_type="early")
    for method, refused in (
        ("Query", pb.QueryRequest(platform=copy, sql="SELECT count() FROM events")),
        ("Ingest", pb.IngestRequest(platform=copy, events=[event])),
        ("CreateTable", pb.CreateTableRequest(platform=copy, table=table)),
        ("DeleteUserData", deletion_pb2.DeleteUserDataRequest(platform=copy, user_id="1")),
        ("CreateBackup", backup_pb2.CreateBackupRequest(platform=copy)),
    ):
        refusal = await source.refusal(method, refused)
        assert (refusal.reason, bool(refusal.retry_after_seconds)) == ("BACKUP_BUSY", True), method
    in_use = backup_pb2.DeleteBackupRequest(platform=SOURCE, backup=backup.name.rpartition("/")[2])
    assert (await source.refusal("DeleteBackup", in_use)).reason == "BACKUP_BUSY"
    assert (await source.call("RestoreBackup", request)).name == begun.name
    other = backup_pb2.RestoreBackupRequest(platform=copy, key="1" * 32, request_id="half")
    assert (await source.refusal("RestoreBackup", other)).reason == "IDEMPOTENCY_MISMATCH"
    drill = backup_pb2.DrillBackupRequest(platform=copy, request_id="half")
    assert (await source.refusal("DrillBackup", drill)).reason == "IDEMPOTENCY_MISMATCH"
    go_on.set()
    get = backup_pb2.GetRestoreRequest(platform=copy, restore=begun.name.rpartition("/")[2])
    assert (await until_done(lambda: source.call("GetRestore", get))).state == DONE
    assert await people(source, copy) == await people(source, SOURCE)


@pytest.mark.soak
async def test_a_restore_goes_on_over_an_engine_that_is_away_for_a_moment(
    source: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = await backed_up(source, SOURCE)
    copy = await target(source, "bumpy")
    fill_up, failures = Filling.fill, [ServiceUnavailable("away"), TimeoutError()]

    async def bumpy(self: Filling, *words: Any) -> Any:
        found = await fill_up(self, *words)
        if failures:
            raise failures.pop()
        return found

    monkeypatch.setattr(Filling, "fill", bumpy)
    assert (await restored(source, copy, backup.key)).state == DONE
    assert not failures
    assert await people(source, copy) == await people(source, SOURCE)


@pytest.mark.soak
async def test_a_platform_removed_during_its_drill_leaves_no_copy_behind(
    source: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = await target(source, "drilled")
    await backed_up(source, platform)
    engines = set((source.directory / "engines").iterdir())
    filling = asyncio.Event()

    async def forever(self: Filling, *words: Any) -> Any:
        filling.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Filling, "fill", forever)
    await source.call("DrillBackup", backup_pb2.DrillBackupRequest(platform=platform))
    await asyncio.wait_for(filling.wait(), 30)
    assert set((source.directory / "engines").iterdir()) > engines
    uid = await source.uid(platform)
    await source.call("DeprovisionPlatform", pb.DeprovisionPlatformRequest(platform=platform))
    assert set((source.directory / "engines").iterdir()) == engines - {source.directory / "engines" / uid}


@pytest.mark.soak
async def test_two_restores_of_one_import_do_not_take_it_from_each_other(source: Data) -> None:
    backup = await backed_up(source, SOURCE)
    imports = source.directory / "backups" / "imports"
    imports.mkdir(exist_ok=True)
    shutil.copytree(folder_of(source, await source.uid(SOURCE), backup), imports / backup.key)
    await delete_backup(source, backup)
    first, second = await target(source, "import-a"), await target(source, "import-b")
    ends = await asyncio.gather(restored(source, first, backup.key), restored(source, second, backup.key))
    assert [one.state for one in ends] == [DONE, DONE], [one.message for one in ends]
    async with asyncio.timeout(10):  # nobody needs the copy any more
        while list(imports.iterdir()):
            await asyncio.sleep(0.02)
    # The manifest says of whom it is; nobody's deletions are looked up by that.
    assert [one.message for one in ends] == ["", ""]


@pytest.mark.soak
async def test_a_table_that_is_not_free_keeps_a_backup_waiting_and_not_the_inserts_of_others(
    source: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[TableHolds] = []
    inserting = TableHolds.inserting

    def spy(self: TableHolds, uid: str, table: str) -> Any:
        seen.append(self)
        return inserting(self, uid, table)

    monkeypatch.setattr(TableHolds, "inserting", spy)
    await fill(source, 300)
    uid, holds = await source.uid(SOURCE), seen[0]
    async with holds.alone(uid, "visits"):
        making = asyncio.create_task(backed_up(source, SOURCE))
        await asyncio.sleep(0.5)
        event = ingest_pb2.Event(event_type="meanwhile")
        event.timestamp.GetCurrentTime()
        (before,) = (await source.rows("SELECT count() FROM events", platform=SOURCE))[0]
        await source.call("Ingest", pb.IngestRequest(platform=SOURCE, events=[event]))
        async with asyncio.timeout(15):
            while (await source.rows("SELECT count() FROM events", platform=SOURCE))[0] == [before]:
                await asyncio.sleep(0.1)
        assert not making.done()
    assert (await making).state == DONE


async def test_a_removal_that_was_cut_short_is_finished_by_the_next_one(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    folders.removed(folder)
    assert not list(tmp_path.iterdir())
    # What a removal that was cut short left is removed by the next one, though the folder is gone.
    aside = tmp_path / ".a.removed"
    aside.mkdir()
    (aside / "rest").touch()
    folders.removed(folder)
    assert not list(tmp_path.iterdir())
