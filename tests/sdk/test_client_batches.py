"""Files that are sent again after they changed: only what is new is stored, or nothing, and it is said."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from aidatalabs.data.v1 import table_pb2
from aidatalabs_client import Client, DataFile, Ingested, RowsDiffer
from aidatalabs_client.testing import FakeServer

P = "platforms/demo"


def lines(first: int, end: int) -> str:
    return "".join(f"{number},{number * 7 % 1000}.5,name {number}\n" for number in range(first, end))


async def send(client: Client, path: Path, text: str, *, again: bool = False) -> Ingested:
    path.write_text("id,total,name\n" + text)
    return await client.ingest_file(P, path, table="orders", create=True, again=again)


async def test_of_a_file_that_grew_only_the_new_rows_are_stored(tmp_path: Path) -> None:
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        path = tmp_path / "orders.csv"
        for size, duplicates in ((10, 0), (12, 10), (12, 12), (25_003, 12), (25_004, 25_003)):
            done = await send(client, path, lines(0, size))
            assert (done.accepted_count, done.duplicate_count) == (size, duplicates)
            assert len(fake.rows("orders")) == size
        other = await send(client, tmp_path / "orders (1).csv", lines(0, 25_010))
        assert (other.duplicate_count, len(fake.rows("orders"))) == (25_004, 25_010)


async def test_any_growth_in_any_steps_stores_each_row_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = DataFile.batch
    monkeypatch.setattr(
        DataFile, "batch", lambda self, start, rows=7, most=400: whole(self, start, rows, most)
    )
    for seed in range(12):
        chance, size = random.Random(seed), 0
        async with FakeServer() as fake, Client(fake.address, "t") as client:
            for _ in range(8):
                size += chance.choice((0, 1, 2, 6, 7, 8, 30))
                if size:
                    await send(client, tmp_path / "orders.csv", lines(0, size))
                    assert sorted(row["id"] for row in fake.rows("orders")) == list(range(size)), seed


async def test_a_file_changed_in_its_middle_is_refused_and_stored_again_on_demand(tmp_path: Path) -> None:
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        path = tmp_path / "orders.csv"
        await send(client, path, lines(0, 15_000))
        changed = lines(0, 12_000) + "12000,1.5,changed\n" + lines(12_001, 15_001)
        with pytest.raises(RowsDiffer, match="rows 10,001 to 15,000") as caught:
            await send(client, path, changed)
        assert (caught.value.first_row, caught.value.row_count) == (10_001, 5_000)
        assert len(fake.rows("orders")) == 15_000
        for _ in range(2):  # on demand it is stored whole, once
            await send(client, path, changed, again=True)
            assert len(fake.rows("orders")) == 30_001


async def test_a_file_that_lost_rows_is_refused(tmp_path: Path) -> None:
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        await send(client, tmp_path / "orders.csv", lines(0, 10))
        with pytest.raises(RowsDiffer):
            await send(client, tmp_path / "orders.csv", lines(0, 9))


async def test_another_file_is_stored_beside_the_first(tmp_path: Path) -> None:
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        await send(client, tmp_path / "orders.csv", lines(0, 10))
        done = await send(client, tmp_path / "orders.csv", lines(5, 20))
        assert (done.duplicate_count, len(fake.rows("orders"))) == (0, 25)


async def test_big_numbers_in_new_rows_do_not_hide_that_the_old_ones_are_stored(tmp_path: Path) -> None:
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        column = table_pb2.Column(name="id", type="Int64")
        await client.create_table(P, table_pb2.Table(name="orders", columns=[column]))
        path = tmp_path / "orders.csv"
        for text, count in (("id\n1\n2\n", 2), (f"id\n1\n2\n{2**60}\n", 3)):
            path.write_text(text)
            await client.ingest_file(P, path)
            assert len(fake.rows("orders")) == count


async def test_a_new_row_with_a_text_among_numbers_leaves_the_old_rows_stored(tmp_path: Path) -> None:
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        path = tmp_path / "orders.csv"
        await send(client, path, lines(0, 10))
        done = await send(client, path, lines(0, 11) + "eleven,1.5,name\n" + lines(12, 14))
        assert (done.duplicate_count, [row.index for row in done.rejected]) == (10, [11])
        assert sorted(row["id"] for row in fake.rows("orders")) == [*range(11), 12, 13]
