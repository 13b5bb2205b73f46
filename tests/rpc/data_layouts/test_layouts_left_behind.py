"""What crashes leave behind goes; a sample stands for more rows than are copied; backups know no copy."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aidatalabs.data.v1 import backup_pb2
from aidatalabs_services.data.admission import Admission
from aidatalabs_services.data.budgets import RowBudget
from aidatalabs_services.data.errors import QueryBudgetExceeded
from aidatalabs_services.data.layouts.changes import OrderChange
from aidatalabs_services.data.layouts.copies import CopyLimits
from aidatalabs_services.data.layouts.layouts import DerivedCopies, LayoutLimits
from aidatalabs_services.data.layouts.layouts import Layouts as Measuring
from aidatalabs_services.data.layouts.scratches import Scratches
from aidatalabs_services.data.ports import QueryLimits
from aidatalabs_services.data.schema import SchemaCache
from aidatalabs_services.runtime.caller import Call, set_current_call
from aidatalabs_services.runtime.errors import Overloaded, ServiceError
from tests.rpc.data.conftest import DEMO
from tests.rpc.data_layouts.conftest import ROWS, USERS, Layouts
from tests.rpc.data_layouts.test_layouts_attacks import gone, under_way

pytestmark = pytest.mark.asyncio(loop_scope="session")

SQL = "SELECT town, count(), sum(pages) FROM visits WHERE user_id = 42 GROUP BY town"
LIMITS = QueryLimits(5.0, 1000, 1 << 22, 1 << 27, 10**9, 10**11)
SMALL = CopyLimits(40_000, 1 << 30, 1 << 27)


@contextmanager
def in_call() -> Iterator[None]:
    """What follows is done in a call of somebody's."""
    set_current_call(Call("request", "MeasureLayouts", time.monotonic() + 20))
    try:
        yield
    finally:
        set_current_call(None)


def measuring(layouts: Layouts, directory: Path, **changes: Any) -> Measuring:
    """Measurements on the same engine with other limits."""
    warehouse = layouts.warehouse
    limits = LayoutLimits(1, 15.0, 0, SMALL)
    return Measuring(
        warehouse,
        Admission(SchemaCache(warehouse.schema, ttl_seconds=5), warehouse.database_of),
        changes.pop("budget", RowBudget(0, directory / "budget")),
        Scratches(warehouse, directory / "scratches"),
        LIMITS,
        dataclasses.replace(limits, **changes),
    )


async def test_a_sample_is_every_kth_granule_and_says_so(layouts: Layouts, tmp_path: Path) -> None:
    with in_call():
        work = measuring(layouts, tmp_path)
        found = await work.measure(await layouts.uid(), SQL, "visits", [OrderChange(("user_id",))])
        again = await work.measure(await layouts.uid(), SQL, "visits", [OrderChange(("user_id",))])
    assert found.sample.granule_step == 3
    assert found.sample.table_row_count == ROWS
    assert 10_000 < found.sample.row_count < 80_000
    (trial,) = found.trials
    assert trial.comparison is not None
    assert trial.comparison.same_result
    assert trial.comparison.after.read_rows < trial.comparison.before.read_rows
    assert again.sample.row_count == found.sample.row_count
    assert again.trials[0].comparison is not None
    assert again.trials[0].comparison.before.sha256 == trial.comparison.before.sha256
    assert await layouts.copies() == []


async def test_what_is_copied_and_read_counts_against_the_budget(layouts: Layouts, tmp_path: Path) -> None:
    budget = RowBudget(1_000_000, tmp_path / "budget")
    uid = await layouts.uid()
    with in_call():
        await measuring(layouts, tmp_path, budget=budget).measure(
            uid, SQL, "visits", [OrderChange(("user_id",))]
        )
        left = budget.left(uid)
        assert left is not None
        assert left < 1_000_000 - 4 * 40_000
        with pytest.raises(QueryBudgetExceeded):
            await measuring(layouts, tmp_path, budget=RowBudget(10_000, tmp_path / "none")).measure(
                uid, SQL, "visits", [OrderChange(("user_id",))]
            )
    assert await layouts.copies() == []


async def test_who_deletes_rows_ends_a_measurement_and_waits_until_its_copies_are_gone(
    layouts: Layouts, tmp_path: Path
) -> None:
    uid = await layouts.uid()
    with in_call():
        work = measuring(layouts, tmp_path)
        task = asyncio.create_task(work.measure(uid, SQL, "visits", [OrderChange(("user_id",))]))
        while not await layouts.copies():
            assert not task.done()
        await DerivedCopies(work).correct(uid, "visits", "", key="1")
        assert await layouts.copies() == []
        with pytest.raises(Overloaded, match="being deleted"):
            await task


async def test_a_disk_without_room_is_no_place_for_a_copy(layouts: Layouts, tmp_path: Path) -> None:
    with in_call(), pytest.raises(Overloaded, match="too little room"):
        await measuring(layouts, tmp_path, free_bytes=10**18).measure(
            await layouts.uid(), SQL, "visits", [OrderChange(("user_id",))]
        )


async def test_copies_of_a_process_that_was_killed_go_with_the_next_start(
    layouts: Layouts, tmp_path: Path
) -> None:
    uid = await layouts.uid()
    left = Scratches(layouts.warehouse, tmp_path / "scratches")
    prefix = await left.prepare(uid)
    await layouts.warehouse.execute(uid, f"CREATE TABLE {prefix}base CLONE AS visits", table="")
    assert await layouts.copies() == [f"{prefix}base"]
    (tmp_path / "scratches" / f"{uid}.tmp").touch()  # killed in the middle of a note
    later = Scratches(layouts.warehouse, tmp_path / "scratches")
    await later.start()
    for _ in range(100):
        if not await layouts.copies() and not list((tmp_path / "scratches").iterdir()):
            break
        await asyncio.sleep(0.05)
    assert await layouts.copies() == []
    assert list((tmp_path / "scratches").iterdir()) == []
    await later.close()


async def test_an_engine_that_is_killed_in_the_middle_leaves_nothing(layouts: Layouts) -> None:
    task = await under_way(layouts)
    layouts.pool.running()[await layouts.uid()].kill()
    with pytest.raises(ServiceError) as caught:
        await task
    assert caught.value.reason == "SERVICE_UNAVAILABLE"
    await gone(layouts, 15.0)
    assert (await layouts.rows("SELECT count() FROM visits WHERE user_id = 42"))[0][0] == ROWS / USERS


async def test_a_backup_knows_no_copy(layouts: Layouts, tmp_path: Path) -> None:
    uid = await layouts.uid()
    left = Scratches(layouts.warehouse, tmp_path / "scratches")
    prefix = await left.prepare(uid)
    await layouts.warehouse.execute(uid, f"CREATE TABLE {prefix}base CLONE AS visits", table="")
    request = backup_pb2.CreateBackupRequest(platform=DEMO, request_id="00000000-0000-4000-8000-0000000000b1")
    backup = await layouts.call("CreateBackup", request)
    wanted = backup_pb2.GetBackupRequest(platform=DEMO, backup=backup.name.rpartition("/")[2])
    for _ in range(200):
        found = await layouts.call("GetBackup", wanted)
        if found.state == backup_pb2.BACKUP_STATE_DONE:
            break
        await asyncio.sleep(0.05)
    assert found.state == backup_pb2.BACKUP_STATE_DONE
    assert not [one for one in found.tables if "scratch" in one.table]
    assert "visits" in {one.table for one in found.tables}
    await left.clear(uid)
    assert await layouts.copies() == []
