"""Backups and restores of which a part cannot be had: the rest is whole."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import rollup_pb2, table_pb2
from aidatalabs_services.data.backups.snapshots import EngineParts
from aidatalabs_services.data.rollups.declarations import Declaration
from aidatalabs_services.data.rollups.records import Record
from aidatalabs_services.data.rollups.rollups import Rollups
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.errors import ServiceUnavailable
from aidatalabs_services.runtime.testing import ALICE

from .conftest import ROLES, Data
from .test_data_backups import DONE, backed_up, new_platform, restored

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOURCE = "platforms/partly"
ROLES.platforms[(SOURCE, ALICE)] = Role.ADMIN


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def source(data: Data) -> Data:
    """`platforms/partly` with a table of its own."""
    await data.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=SOURCE))
    columns = [table_pb2.Column(name="user_id", type="UInt64"), table_pb2.Column(name="day", type="Date")]
    table = table_pb2.Table(name="visits", columns=columns, order_by=["user_id"])
    await data.call("CreateTable", pb.CreateTableRequest(platform=SOURCE, table=table))
    return data


async def fill(data: Data) -> None:
    """A row of each of ten people."""
    request = pb.IngestRequest(platform=SOURCE, table="visits")
    for each in range(10):
        request.rows.add().update({"user_id": each, "day": "2026-01-02"})
    await data.call("Ingest", request)


async def test_a_table_that_is_dropped_when_its_files_are_linked_fails_no_backup(
    source: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(source)
    measured = EngineParts.hashes
    gone: list[dict[str, str]] = []

    async def dropped(self: EngineParts, uid: str, table: str, parts: Any) -> dict[str, str]:
        gone.append(await measured(self, uid, "dropped_meanwhile", parts))
        return gone[-1]

    monkeypatch.setattr(EngineParts, "hashes", dropped)
    backup = await backed_up(source, SOURCE)
    assert backup.state == DONE, backup.message
    assert gone
    assert not any(gone)


async def test_a_roll_up_that_cannot_be_made_again_leaves_none_of_the_others_out(
    source: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = {"table": "visits", "time_column": "day", "grain": rollup_pb2.Rollup.DAY}
    for name in ("a_visits", "b_visits"):
        rollup = rollup_pb2.Rollup(name=name, **day)  # type: ignore[arg-type]
        await source.call("CreateRollup", pb.CreateRollupRequest(platform=SOURCE, rollup=rollup))
    await fill(source)
    backup = await backed_up(source, SOURCE)
    create = Rollups.create

    async def refused(self: Rollups, uid: str, declaration: Declaration) -> Record:
        if declaration.name == "a_visits":
            raise ServiceUnavailable("The engine is away.")
        return await create(self, uid, declaration)

    monkeypatch.setattr(Rollups, "create", refused)
    copy = new_platform("platforms/rolled")
    await source.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=copy))
    restore = await restored(source, copy, backup.key)
    assert restore.state == DONE
    assert "a roll-up is not" in restore.message
    rollups = await source.call("ListRollups", pb.ListRollupsRequest(platform=copy))
    names = {one.name.rpartition("/")[2] for one in rollups.rollups}
    assert {"a_visits", "b_visits"} & names == {"b_visits"}
