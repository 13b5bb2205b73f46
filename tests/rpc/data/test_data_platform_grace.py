"""The data of a deleted platform stays until its moment, comes back whole, and goes for good by itself."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import ingest_pb2
from aidatalabs_services.data.platform_grace import PlatformGrace
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.errors import PlatformNotFound
from aidatalabs_services.runtime.testing import ALICE

from .conftest import ROLES, Data

UID = "00000000-0000-4000-8000-0000000000aa"


def deprovision(platform: str, seconds: float) -> pb.DeprovisionPlatformRequest:
    request = pb.DeprovisionPlatformRequest(platform=platform)
    request.purge_time.FromMilliseconds(int((time.time() + seconds) * 1000))
    return request


@pytest.mark.asyncio(loop_scope="module")
async def test_a_platform_brought_back_in_time_has_every_acknowledged_row(data: Data) -> None:
    platform = "platforms/graceful"
    ROLES.platforms[(platform, ALICE)] = Role.ADMIN
    await data.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=platform))
    event = ingest_pb2.Event(event_type="click")
    event.timestamp.GetCurrentTime()
    await data.call("Ingest", pb.IngestRequest(platform=platform, events=[event]))
    await data.call("DeprovisionPlatform", deprovision(platform, 3600))
    assert (data.directory / "removals" / await data.uid(platform)).is_file()
    await data.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=platform))
    assert not (data.directory / "removals" / await data.uid(platform)).exists()
    assert await data.rows("SELECT count() FROM events", platform=platform) == [[1]]
    await data.call("DeprovisionPlatform", deprovision(platform, 3600))
    await data.call("DeprovisionPlatform", pb.DeprovisionPlatformRequest(platform=platform))
    again = pb.ProvisionPlatformRequest(platform=platform)
    assert (await data.refusal("ProvisionPlatform", again)).reason == "PLATFORM_NOT_FOUND"


async def test_data_whose_moment_came_is_removed_once_also_after_a_kill(tmp_path: Path) -> None:
    removed: list[str] = []
    broken = True

    async def remove(uid: str) -> None:
        if broken:
            raise OSError("killed in the middle")
        removed.append(uid)

    first = PlatformGrace(remove, tmp_path, margin_seconds=0.0)
    await first.start()
    await first.schedule(UID, time.time() + 0.2)
    async with asyncio.timeout(5):
        while (tmp_path / UID).read_text() != "removing":
            await asyncio.sleep(0.01)
    await first.close()
    broken = False
    second = PlatformGrace(remove, tmp_path, margin_seconds=0.0)
    await second.start()
    async with asyncio.timeout(5):
        while (tmp_path / UID).read_text() != "removed":
            await asyncio.sleep(0.01)
    with pytest.raises(PlatformNotFound):
        await second.cancel(UID, "platforms/demo")
    await second.close()
    third = PlatformGrace(remove, tmp_path, margin_seconds=0.0)
    await third.start()
    await asyncio.sleep(0.1)
    await third.close()
    assert removed == [UID]


async def test_a_removal_that_cannot_be_written_down_is_tried_again_and_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[str] = []
    full = True
    write = PlatformGrace._write

    def limited(self: PlatformGrace, uid: str, text: str) -> None:
        if full and text == "removing":
            raise OSError(28, "No space left on device")
        write(self, uid, text)

    async def remove(uid: str) -> None:
        removed.append(uid)

    monkeypatch.setattr(PlatformGrace, "_write", limited)
    monkeypatch.setattr("aidatalabs_services.data.platform_grace._PAUSE_SECONDS", 0.1)
    grace = PlatformGrace(remove, tmp_path, margin_seconds=0.0)
    await grace.start()
    await grace.schedule(UID, time.time())
    await asyncio.sleep(0.3)
    assert removed == []
    full = False
    async with asyncio.timeout(5):
        while (tmp_path / UID).read_text() != "removed":
            await asyncio.sleep(0.01)
    await grace.close()
    assert removed == [UID]
