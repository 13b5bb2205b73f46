"""Workers of asynchronous roll-ups: they take turns, rest, wait for others, and outlive what goes wrong."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from aidatalabs_services.data.rollups.declarations import Declaration, Grain, Maintenance
from aidatalabs_services.data.rollups.epochs import Blocks, Epochs, Load
from aidatalabs_services.data.rollups.followers import Followers
from aidatalabs_services.data.rollups.layout import Layout
from aidatalabs_services.data.rollups.progress import Epoch, Progress, new_number
from aidatalabs_services.data.rollups.records import READY, Record
from aidatalabs_services.data.schema import ColumnSchema, TableSchema
from aidatalabs_services.runtime.errors import ServiceUnavailable

TABLE = TableSchema("t", (ColumnSchema("at", "DateTime", ""),), identity="t1")


class World(Epochs):
    """Tables of some blocks, one row each, and where their roll-ups are; nothing is asked of an engine."""

    def __init__(self, blocks: dict[str, int], *, names: Sequence[str] = ("a",)) -> None:
        self.piece_rows = 1
        self.blocks = blocks
        self.writes: Counter[str] = Counter()
        self.made: list[str] = []
        self.sizes: list[int] = []
        self.running = self.most_running = self.looks = 0
        self.load_now = Load(0.1, 0)
        self.broken: set[str] = set()
        declared = Declaration("a", "t", "at", Grain.DAY, maintenance=Maintenance.ASYNCHRONOUS)
        self.records = {
            (uid, name): Record(
                replace(declared, name=name), READY, "t1", 1, f"{uid}/{name}", progress=Progress(0, (), 0.0)
            )
            for uid in blocks
            for name in names
        }

    async def next_blocks(self, uid: str, table: str, above: int, *, piece_rows: int) -> Blocks:
        self.looks += 1
        top = max(above, self.blocks[uid])
        return Blocks(above, min(top, above + 1), top, 1)

    async def make(
        self, uid: str, layout: Layout, target: str, blocks: Blocks, *, piece_rows: int
    ) -> Epoch | None:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.sizes.append(piece_rows)
        await asyncio.sleep(0.001)
        self.running -= 1
        if target in self.broken:
            raise ServiceUnavailable("The engine is away.")
        self.made.append(target)
        return Epoch(new_number(), 1)

    async def fold(self, uid: str, layout: Layout, target: str, old: tuple[Epoch, ...]) -> Epoch | None:
        return Epoch(new_number(), sum(each.row_count for each in old))

    async def load(self, uid: str) -> Load:
        return self.load_now

    def following(self, uid: str) -> Sequence[Record]:
        return [record for (of, _), record in self.records.items() if of == uid]

    async def table(self, uid: str, record: Record) -> TableSchema | None:
        return TABLE

    async def publish(self, uid: str, record: Record, progress: Progress) -> bool:
        key = (uid, record.declaration.name)
        if self.records[key].progress != record.progress:
            return False
        self.records[key] = replace(record, progress=progress)
        self.writes[uid] += 2
        return True

    async def sweep(self, uid: str, record: Record) -> bool:
        return True

    def rows(self, uid: str, name: str = "a") -> int:
        """Rows that its epochs hold."""
        progress = self.records[uid, name].progress
        assert progress is not None
        return sum(each.row_count for each in progress.epochs)


def followers_of(world: World, *, seconds: float = 0.001) -> Followers:
    """Workers that look often."""
    return Followers(world, world, writes=lambda uid: world.writes[uid], seconds=seconds)


async def until(holds: object, seconds: float = 5.0) -> None:
    """Returns when the callable gives something true."""
    async with asyncio.timeout(seconds):
        while not holds():  # type: ignore[operator]
            await asyncio.sleep(0.001)


async def test_a_platform_with_much_to_do_keeps_no_other_waiting() -> None:
    world = World({"large": 10_000, "b": 5, "c": 5, "d": 5})
    followers = followers_of(world)
    for uid in world.blocks:
        followers.watch(uid)
    await until(lambda: all(world.rows(uid) == 5 for uid in "bcd"))
    assert world.rows("large") < 100
    assert world.most_running == 2
    await followers.close()


async def test_a_worker_that_has_nothing_to_do_asks_nothing() -> None:
    world = World({"p": 3})
    followers = followers_of(world)
    followers.watch("p")
    record = world.records["p", "a"]
    assert followers.lag_seconds("p", record) is None
    await until(lambda: followers.lag_seconds("p", record) == 0.0)
    assert (world.rows("p"), followers.longest_lag_seconds()) == (3, 0.0)
    looks = world.looks
    await asyncio.sleep(0.05)
    assert world.looks == looks
    world.writes["p"] += 1  # an insert has begun
    assert (followers.lag_seconds("p", record) or 0.0) > 0
    world.blocks["p"] += 1
    await until(lambda: world.rows("p") == 4)
    await followers.close()


async def test_peoples_queries_go_first_but_not_for_ever() -> None:
    world = World({"p": 1})
    world.load_now = Load(0.1, 3)
    followers = followers_of(world, seconds=0.02)
    followers.watch("p")
    await asyncio.sleep(0.05)
    assert world.made == []
    await until(lambda: world.rows("p") == 1)
    await followers.close()


async def test_short_memory_makes_it_wait_and_then_take_little() -> None:
    world = World({"p": 1})
    world.piece_rows = 1_000_000
    world.load_now = Load(0.95, 0)
    followers = followers_of(world)
    followers.watch("p")
    await asyncio.sleep(0.02)
    assert world.made == []
    await until(lambda: world.rows("p") == 1)
    assert world.sizes == [10_000]
    await followers.close()


async def test_one_that_fails_holds_up_no_other_and_is_tried_again_with_less() -> None:
    world = World({"p": 2}, names=("a", "b"))
    world.piece_rows = 1_000_000
    world.broken = {"p/a"}
    followers = followers_of(world)
    followers.watch("p")
    await until(lambda: world.rows("p", "b") == 2)
    assert world.rows("p", "a") == 0
    await until(lambda: min(world.sizes) < 1_000_000)
    world.broken = set()
    await until(lambda: world.rows("p", "a") == 2)
    await followers.close()


async def test_what_was_taken_out_of_use_meanwhile_is_not_put_back() -> None:
    world = World({"p": 1})
    followers = followers_of(world)
    taken = Progress(0, (Epoch(1, 7),), 1.0)

    real = world.make

    async def make(*arguments: object, **more: object) -> Epoch | None:
        world.records["p", "a"] = replace(world.records["p", "a"], progress=taken)
        world.make = real  # type: ignore[method-assign]
        return await real(*arguments, **more)  # type: ignore[arg-type]

    world.make = make  # type: ignore[method-assign]
    followers.watch("p")
    await until(lambda: world.rows("p") == 8)
    await followers.close()


async def test_a_platform_that_goes_takes_its_worker_along() -> None:
    world = World({"p": 10_000})
    followers = followers_of(world)
    followers.watch("p")
    await until(lambda: world.made)
    followers.forget("p")
    await asyncio.sleep(0.01)
    count = len(world.made)
    await asyncio.sleep(0.02)
    assert len(world.made) == count
    assert followers.longest_lag_seconds() == 0.0
    await followers.close()


async def test_one_that_fails_in_an_unforeseen_way_holds_up_no_other() -> None:
    world = World({"p": 1}, names=("a", "b"))
    real = world.make

    async def make(uid: str, layout: Layout, target: str, blocks: Blocks, *, piece_rows: int) -> Epoch | None:
        if target == "p/a":
            raise LookupError("a column is not there")
        return await real(uid, layout, target, blocks, piece_rows=piece_rows)

    world.make = make  # type: ignore[method-assign]
    followers = followers_of(world)
    followers.watch("p")
    await until(lambda: world.rows("p", "b") == 1)
    await followers.close()
