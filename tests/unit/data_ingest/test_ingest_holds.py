"""Who holds a table beside whom: inserts together, a deletion or a build alone, everybody in turn."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from aidatalabs_services.data.holds import TableHolds

_FORMS = ["inserting", "alone", "deleting", "building", "hashing", "altering"]


async def settle() -> None:
    """Lets every task that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


class Table:
    """A table that notes who came in, in which order, and who is inside."""

    def __init__(self) -> None:
        self.holds = TableHolds()
        self.came: list[str] = []
        self.ends: dict[str, asyncio.Event] = {}

    def begin(self, name: str) -> asyncio.Task[None]:
        """Somebody whose name begins with the form; inside until `end`."""
        return asyncio.create_task(self._be(name))

    async def _be(self, name: str) -> None:
        holds = self.holds
        forms = {"i": holds.inserting, "a": holds.alone, "d": holds.deleting, "b": holds.building}
        async with forms[name[0]]("u", "trips"):
            self.came.append(name)
            await self.ends.setdefault(name, asyncio.Event()).wait()

    async def end(self, name: str) -> None:
        """Lets somebody leave."""
        self.ends[name].set()
        await settle()


async def test_inserts_are_in_together_and_a_deletion_waits_for_them_alone() -> None:
    table = Table()
    tasks = [table.begin(name) for name in ("i1", "i2", "a1", "i3", "a2", "i4")]
    await settle()
    assert table.came == ["i1", "i2"]
    await table.end("i1")
    assert table.came == ["i1", "i2"]
    await table.end("i2")
    assert table.came[2:] == ["a1"]
    await table.end("a1")
    assert table.came[3:] == ["i3"], "an insert that came before the second deletion goes before it"
    await table.end("i3")
    await table.end("a2")
    await table.end("i4")
    await asyncio.gather(*tasks)
    assert table.came == ["i1", "i2", "a1", "i3", "a2", "i4"]


async def test_a_build_waits_for_inserts_but_goes_on_beside_a_deletion_that_waits_for_it() -> None:
    table = Table()
    tasks = [table.begin(name) for name in ("i1", "b1", "i2")]
    await settle()
    assert table.came == ["i1"]
    await table.end("i1")
    assert table.came == ["i1", "b1"]
    tasks += [table.begin(name) for name in ("d1", "i3", "b2", "b3")]
    await table.end("b1")
    assert table.came[2:] == ["i2"]
    await table.end("i2")
    assert table.came[3:] == ["d1", "b2"], "the deletion, and one build beside it"
    await table.end("d1")
    assert table.came[5:] == []
    await table.end("b2")
    assert table.came[5:] == ["i3"]
    await table.end("i3")
    await table.end("b3")
    await asyncio.gather(*tasks)


async def test_no_build_comes_beside_a_change_of_the_table_itself() -> None:
    table = Table()
    tasks = [table.begin(name) for name in ("a1", "b1", "d1", "b2")]
    await settle()
    assert table.came == ["a1"]
    await table.end("a1")
    assert table.came == ["a1", "b1"]
    await table.end("b1")
    assert table.came[2:] == ["d1", "b2"]
    for name in ("b2", "d1"):
        await table.end(name)
    await asyncio.gather(*tasks)


async def test_whoever_stops_waiting_holds_nobody_up() -> None:
    table = Table()
    first = table.begin("i1")
    waiting = [table.begin("a1"), table.begin("i2")]
    await settle()
    waiting[0].cancel()
    await settle()
    assert table.came == ["i1", "i2"]
    # Cancelled in the moment in which it is let in.
    last = table.begin("a2")
    await settle()
    table.ends["i1"].set()
    table.ends["i2"].set()
    await asyncio.gather(first, waiting[1])
    last.cancel()
    await asyncio.gather(last, return_exceptions=True)
    after = table.begin("a3")
    await settle()
    assert table.came[-1] == "a3"
    await table.end("a3")
    await after


async def test_tables_and_platforms_do_not_hold_each_other_up() -> None:
    holds = TableHolds()
    async with holds.deleting("u", "a"):
        assert holds.is_deleting("u", "a")
        async with holds.inserting("u", "b"), holds.inserting("v", "a"):
            assert not holds.is_deleting("v", "a")
    assert not holds.is_deleting("u", "a")


async def test_a_hashing_lets_inserts_in_and_knows_when_others_want_the_table() -> None:
    holds = TableHolds()
    assert not holds.is_wanted("u", "a")
    async with holds.hashing("u", "a"):
        async with asyncio.timeout(1), holds.inserting("u", "a"):
            assert not holds.is_wanted("u", "a")
        waiting = [asyncio.create_task(_passing(holds, form)) for form in ("deleting", "altering")]
        await settle()
        assert holds.is_wanted("u", "a")
        assert not holds.is_wanted("u", "b")
        waiting[0].cancel()
        await settle()
        assert holds.is_wanted("u", "a")
    await asyncio.wait_for(waiting[1], 1)
    assert not holds.is_wanted("u", "a")


async def test_a_change_that_needs_merges_waits_for_no_deletion() -> None:
    holds = TableHolds()
    async with holds.deleting("u", "a"):
        late = asyncio.create_task(_passing(holds, "inserting"))
        await settle()
        async with asyncio.timeout(1), holds.altering("u", "a"):
            assert not late.done()
    await late


async def _passing(holds: TableHolds, form: str) -> None:
    async with getattr(holds, form)("u", "a"):
        pass


@pytest.mark.parametrize("seed", range(5))
async def test_nobody_meets_whom_they_must_not_and_everybody_gets_in(seed: int) -> None:
    chance, holds, inside, seen = random.Random(seed), TableHolds(), Counter[str](), Counter[str]()

    async def one(form: str) -> None:
        async with getattr(holds, form)("u", "a"):
            inside[form] += 1
            try:
                held_alone = inside["alone"] + inside["deleting"]
                assert not (inside["inserting"] and (held_alone or inside["building"]))
                assert not (inside["alone"] and inside["building"])
                assert held_alone <= 1
                assert inside["building"] <= 1
                others = held_alone + inside["building"] + inside["altering"]
                assert not (inside["hashing"] and others), "merges are stopped under somebody who needs them"
                assert not (inside["altering"] and inside["alone"])
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
                if form == "deleting" and chance.random() < 0.5:
                    async with asyncio.timeout(5):
                        await asyncio.create_task(one("building"))
            finally:
                inside[form] -= 1
            seen[form] += 1

    async def endless() -> None:
        while True:
            await one("inserting")

    # Inserts without end and without a gap between them: nobody else may starve.
    stream = [asyncio.create_task(endless()) for _ in range(3)]
    tasks = []
    for _ in range(300):
        tasks.append(asyncio.create_task(one(chance.choice(_FORMS))))
        if chance.random() < 0.2:
            chance.choice(tasks).cancel()
        for _ in range(chance.randrange(3)):
            await asyncio.sleep(0)
    async with asyncio.timeout(10):
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert not [each for each in outcomes if isinstance(each, Exception)]
    assert min(seen.values()) > 20
    assert not any(task.done() for task in stream)
    for task in stream:
        task.cancel()
    await asyncio.gather(*stream, return_exceptions=True)
    async with holds.alone("u", "a"):
        assert not any(inside.values())
