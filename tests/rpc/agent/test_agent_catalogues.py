"""The catalogues of platforms: made once for all who ask, of the earlier ones, and no more than fit."""

from __future__ import annotations

import asyncio
import gc
import threading
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest

from aidatalabs_services.agent import catalogues
from aidatalabs_services.agent.catalogues import Catalogues, estimated_bytes
from aidatalabs_services.agent.planner.catalogue import Catalogue
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.planner import index_of
from aidatalabs_services.runtime.errors import ServiceUnavailable
from benchmarks.generated_catalogue import generated_catalogue
from tests.rpc.agent.world import SHOP, ScriptedPlatformData, orders


async def test_all_who_ask_at_once_get_one_catalogue_and_its_schema_is_sent_once() -> None:
    data = ScriptedPlatformData()
    kept = Catalogues(data)
    found = await asyncio.gather(*(kept.of(SHOP, "uid") for _ in range(8)))
    assert len({id(one) for one in found}) == 1
    assert [call[2] for call in data.named("describe")] == ["", *["v1"] * 7]


async def test_after_a_change_one_index_is_made_and_tables_that_stayed_are_the_same_objects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = ScriptedPlatformData({SHOP: (orders(), orders("invoices"))})
    kept = Catalogues(data)
    before = await kept.of(SHOP, "uid")
    made: list[Any] = []
    monkeypatch.setattr(catalogues, "index_of", lambda *given: made.append(given))
    data.version, data.tables[SHOP] = "v2", (orders(), orders("invoices", row_count=7))
    found = await asyncio.gather(*(kept.of(SHOP, "uid") for _ in range(8)))
    assert len({id(one) for one in found}) == 1
    assert made == [(found[0], before)]
    assert found[0].tables[0] is before.tables[0]
    assert found[0].tables[1].row_count == 7


async def test_a_first_caller_who_is_refused_or_leaves_keeps_nobody_from_asking() -> None:
    data = ScriptedPlatformData(refusals={"describe": ServiceUnavailable("data")})
    kept = Catalogues(data)
    with pytest.raises(ServiceUnavailable):
        await kept.of(SHOP, "uid")
    data.refusals.clear()
    leaving = asyncio.create_task(kept.of(SHOP, "uid"))
    await asyncio.sleep(0)
    staying = asyncio.create_task(kept.of(SHOP, "uid"))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).tables == (orders(),)
    assert not kept._first
    await asyncio.sleep(0)
    assert not kept._making


async def test_a_platform_whose_index_is_being_made_lets_others_be_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = ScriptedPlatformData({SHOP: (orders(),), "platforms/other": (orders("invoices"),)})
    kept, go = Catalogues(data), threading.Event()

    def slowly(catalogue: Catalogue, earlier: Catalogue | None = None) -> CatalogueIndex:
        if catalogue.tables[0].name == "orders":
            assert go.wait(10)
        return index_of(catalogue, earlier)

    monkeypatch.setattr(catalogues, "index_of", slowly)
    waiting = [asyncio.create_task(kept.of(SHOP, "uid")) for _ in range(20)]
    async with asyncio.timeout(5):
        other = await kept.of("platforms/other", "uid-2")
    assert (other.tables[0].name, any(task.done() for task in waiting)) == ("invoices", False)
    go.set()
    await asyncio.gather(*waiting)


async def test_catalogues_are_kept_by_the_memory_they_take() -> None:
    large = generated_catalogue(4).tables
    size = estimated_bytes(large)
    names = [f"platforms/p{number}" for number in range(5)]
    data = ScriptedPlatformData({name: tuple(replace(table) for table in large) for name in names})
    kept = Catalogues(data, most_bytes=3 * size)
    for name in names:
        await kept.of(name, name)
    assert list(kept._kept) == names[2:]
    tight = Catalogues(data, most_bytes=size // 2)
    assert await tight.of(names[0], "uid") is await tight.of(names[0], "uid")


def test_the_estimate_of_memory_is_near_what_is_taken() -> None:
    tracemalloc.start()
    try:
        catalogue = generated_catalogue(20)
        index = CatalogueIndex(catalogue)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.6 < estimated_bytes(index.catalogue.tables) / taken < 1.6


async def test_the_collector_rests_only_while_a_large_index_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    collecting: list[bool] = []

    def failing(catalogue: Catalogue, earlier: Catalogue | None = None) -> CatalogueIndex:
        collecting.append(gc.isenabled())
        raise ValueError("no index")

    monkeypatch.setattr(catalogues, "index_of", failing)
    for most in (0, 2**40):
        monkeypatch.setattr(catalogues, "_LARGE_BYTES", most)
        with pytest.raises(ValueError, match="no index"):
            await Catalogues(ScriptedPlatformData()).of(SHOP, "uid")
        assert gc.isenabled()
    assert collecting == [False, True]
