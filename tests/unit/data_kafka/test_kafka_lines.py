"""A table's line: the order of its messages, its offsets, and its end where it is no longer the owner."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.journal_records import GroupRecord, group_frame
from aidatalabs_services.data.kafka.ports import AssignmentLost, BrokerUnavailable, Lane, Message
from aidatalabs_services.data.kafka.sink_lines import Burials, Line, LineLimits, Tables
from aidatalabs_services.data.ports import Warehouse
from tests.unit.data_ingest.warehouse import MemoryWarehouse


class Rig:
    """One line over a warehouse in memory, with what it committed and in which order things happened."""

    def __init__(self, **limits: Any) -> None:
        self.warehouse = MemoryWarehouse()
        self.steps: list[tuple[str, Lane, int]] = []
        self.stamps: dict[Lane, int] = {}
        self.lost = False
        self.away = 0
        each = LineLimits(pause_seconds=0.02, **limits)
        tables = Tables(cast(Warehouse, self.warehouse), self.warehouse.schema, TableHolds(), each)
        burials = Burials(self._dead, self._refused, lambda _rows: None)
        self.line = Line("uid", "trips", tables, self._commit, burials, each, self.stamps)

    async def _commit(self, offsets: dict[Lane, int]) -> None:
        if self.away:
            self.away -= 1
            raise BrokerUnavailable
        if self.lost:
            raise AssignmentLost
        self.steps += [("commit", lane, offset) for lane, offset in offsets.items()]

    async def _dead(self, message: Message, why: str) -> None:
        self.steps.append(("dead", message.lane, message.offset))

    async def _refused(self, token: str) -> None: ...

    def add(self, partition: int, offset: int, **headers: bytes) -> bool:
        record = GroupRecord(0, 5.0, "trips", "trips-1", f"{partition}-{offset}", ("id",), (), (b"rows",))
        return self.line.add(Message("t", partition, offset, group_frame(record), headers, offset + 500))

    @property
    def inserted(self) -> list[str]:
        """Partition:offset of every insert."""
        return [token.split("-")[0].removeprefix("t:") for token in self.warehouse.inserts]


async def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


async def test_the_first_message_of_every_partition_goes_before_the_second_of_any() -> None:
    rig = Rig()
    rig.line.begin([("t", each) for each in range(3)])
    for offset in range(4):
        rig.add(0, offset)
    await until(lambda: len(rig.inserted) == 1)
    await asyncio.sleep(0.05)
    assert rig.inserted == ["0:0"]  # the other two are awaited
    rig.add(1, 7)
    rig.line.passed_over(("t", 2))  # nothing is in it after all
    await until(lambda: len(rig.inserted) == 5)
    assert rig.inserted[:2] == ["0:0", "1:7"]
    await rig.line.stop(1)


async def test_an_offset_is_committed_before_the_next_insert_and_each_message_is_taken_once() -> None:
    rig = Rig()
    assert [rig.add(0, offset) for offset in (3, 4, 3, 4, 6)] == [True, True, False, False, True]
    await until(lambda: rig.steps[-1:] == [("commit", ("t", 0), 7)])
    assert rig.steps == [("commit", ("t", 0), each) for each in (4, 5, 7)]
    assert rig.inserted == ["0:3", "0:4", "0:6"]
    await rig.line.stop(1)


async def test_a_worker_that_lost_its_partition_inserts_nothing_more() -> None:
    rig = Rig()
    rig.add(0, 0)
    await until(lambda: bool(rig.steps))
    rig.lost = True
    for offset in range(1, 5):
        rig.add(0, offset)
    await asyncio.sleep(0.1)
    assert rig.inserted == ["0:0", "0:1"]
    await rig.line.stop(1)


async def test_after_a_silence_the_group_is_asked_before_the_insert() -> None:
    rig = Rig(fence_seconds=0.0)
    rig.lost = True
    rig.add(0, 5)
    await asyncio.sleep(0.1)
    assert rig.inserted == []
    await rig.line.stop(1)


async def test_a_commit_that_does_not_get_through_repeats_the_insert_under_the_same_token() -> None:
    rig = Rig()
    rig.away = 2
    rig.add(0, 0)
    rig.add(0, 1)
    await until(lambda: rig.steps[-1:] == [("commit", ("t", 0), 2)])
    assert rig.inserted == ["0:0", "0:0", "0:0", "0:1"]
    assert len(rig.warehouse.blocks) == 2
    await rig.line.stop(1)


async def test_a_message_that_was_sent_to_another_platform_is_buried() -> None:
    rig = Rig()
    rig.add(0, 0, uid=b"other")
    rig.add(0, 1, uid=b"\xff")
    rig.add(0, 2, uid=b"uid")
    await until(lambda: rig.stamps == {("t", 0): 502})
    assert [step for step in rig.steps if step[0] == "dead"] == [("dead", ("t", 0), 0), ("dead", ("t", 0), 1)]
    assert rig.inserted == ["0:2"]
    assert rig.stamps == {("t", 0): 502}
    await rig.line.stop(1)


async def test_a_line_of_a_table_that_others_write_to_inserts_no_more_than_its_share_in_a_while() -> None:
    rig = Rig(shared_blocks=12, doubt_seconds=0.5)
    rig.line.begin([], 0.25)
    begun = time.monotonic()
    for offset in range(8):
        rig.add(0, offset)
    await until(lambda: len(rig.inserted) == 3)
    await asyncio.sleep(0.2)
    assert len(rig.inserted) == 3
    await until(lambda: len(rig.inserted) == 8)
    assert time.monotonic() - begun >= 1.0
    await rig.line.stop(1)


async def test_a_line_that_waits_for_its_share_ends_at_once() -> None:
    rig = Rig(shared_blocks=4, doubt_seconds=60.0)
    rig.line.begin([], 0.25)
    rig.add(0, 0)
    rig.add(0, 1)
    await until(lambda: rig.steps == [("commit", ("t", 0), 1)])
    begun = time.monotonic()
    await rig.line.stop(5)
    assert time.monotonic() - begun < 1
    assert rig.inserted == ["0:0"]
