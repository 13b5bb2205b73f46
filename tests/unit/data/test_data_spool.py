"""The spool: bounded for each file and for all together, nothing left behind."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from aidatalabs_services.data.errors import ResultTooLarge
from aidatalabs_services.data.spool import Spool
from aidatalabs_services.runtime.errors import Overloaded


def spool(directory: Path, **changes: int) -> Spool:
    return Spool(directory, **{"file_bytes": 100, "all_bytes": 150, "free_bytes": 0, **changes})


async def read(file: Any, piece_bytes: int) -> list[bytes]:
    return [piece async for piece in file.pieces(piece_bytes)]


async def test_a_file_gives_back_what_was_written_in_pieces(tmp_path: Path) -> None:
    with spool(tmp_path).file("users/a") as file:
        assert [file.write(b"ab"), file.write(memoryview(b"cde"))] == [2, 3]
        assert (file.tell(), file.size) == (5, 5)
        assert await read(file, 2) == [b"ab", b"cd", b"e"]


async def test_an_empty_file_is_one_empty_piece(tmp_path: Path) -> None:
    with spool(tmp_path).file("users/a") as file:
        assert await read(file, 10) == [b""]


def test_a_file_beyond_its_bound_is_too_large_and_the_last_byte_is_not(tmp_path: Path) -> None:
    with spool(tmp_path).file("users/a") as file:
        file.write(b"x" * 100)
        with pytest.raises(ResultTooLarge) as caught:
            file.write(b"x")
    assert caught.value.metadata == {"limit_bytes": "100"}


def test_all_files_together_are_bounded_and_room_comes_back(tmp_path: Path) -> None:
    shared = spool(tmp_path)
    with shared.file("users/a") as first:
        first.write(b"x" * 100)
        with shared.file("users/b") as second:
            second.write(b"x" * 50)
            with pytest.raises(Overloaded) as caught:
                second.write(b"x")
            assert caught.value.retry_after_seconds
        assert shared.used_bytes == 100
        with shared.file("users/b") as third:
            third.write(b"x" * 50)
    assert shared.used_bytes == 0


def test_one_user_takes_three_quarters_of_the_spool_and_has_them_again(tmp_path: Path) -> None:
    shared = spool(tmp_path, all_bytes=120)
    for _ in range(2):
        with shared.file("users/a") as first, shared.file("users/a") as second:
            first.write(b"x" * 50)
            second.write(b"x" * 40)
            with pytest.raises(Overloaded):
                second.write(b"x")
            with shared.file("users/b") as third:
                third.write(b"x" * 30)
    assert shared.used_bytes == 0


def test_nothing_has_a_name_and_leftovers_are_cleared(tmp_path: Path) -> None:
    (tmp_path / "export-left").write_bytes(b"x")
    with spool(tmp_path).file("users/a") as file:
        file.write(b"x")
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(ZeroDivisionError), spool(tmp_path).file("users/a") as file:
        file.write(b"x" * (1 // 0))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_nearly_full_takes_no_file(tmp_path: Path) -> None:
    with pytest.raises(Overloaded), spool(tmp_path, free_bytes=2**62).file("users/a"):
        pass


def test_a_disk_that_fills_up_meanwhile_is_told_as_such(tmp_path: Path) -> None:
    class Full:
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def close(self) -> None:
            """Nothing is open."""

    with spool(tmp_path).file("users/a") as file:
        file._opened = Full()  # type: ignore[assignment]  # a disk that really fills up is not at hand
        with pytest.raises(Overloaded):
            file.write(b"x")


async def test_threads_that_outlive_their_exports_leave_no_room_taken(tmp_path: Path) -> None:
    mib = 1024 * 1024
    shared = spool(tmp_path, file_bytes=mib, all_bytes=100 * mib)
    begun: list[bool] = []
    refused: list[BaseException] = []

    async def export() -> None:
        with shared.file("users/a") as file:

            def convert() -> None:
                begun.append(True)
                time.sleep(0.05)
                try:
                    file.write(b"x" * mib)
                except ValueError as error:
                    refused.append(error)
                    raise

            await asyncio.to_thread(convert)

    running = [asyncio.create_task(export()) for _ in range(10)]
    await asyncio.sleep(0.02)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    async with asyncio.timeout(5):
        while len(refused) < len(begun):
            await asyncio.sleep(0.01)
    assert len(refused) >= 2
    assert shared.used_bytes == 0


def test_a_write_under_way_keeps_its_file_open_and_gives_the_room_back_at_its_end(tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()
    shared = spool(tmp_path)
    with shared.file("users/a") as file:
        opened = file._opened

        class Slow:
            def write(self, data: memoryview) -> int:
                begun.set()
                assert go_on.wait(5)
                return opened.write(data)

            close = staticmethod(opened.close)

        file._opened = Slow()  # type: ignore[assignment]  # a disk that is slow at the right moment
        writer = threading.Thread(target=file.write, args=(b"x" * 60,))
        writer.start()
        assert begun.wait(5)
    assert (opened.closed, shared.used_bytes) == (False, 60)
    go_on.set()
    writer.join(5)
    assert (opened.closed, shared.used_bytes) == (True, 0)


def test_many_threads_count_exactly(tmp_path: Path) -> None:
    shared = spool(tmp_path, file_bytes=10**6, all_bytes=10**6)

    def fill() -> None:
        for _ in range(20):
            with shared.file("users/a") as file:
                for _ in range(50):
                    file.write(b"x")

    threads = [threading.Thread(target=fill) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shared.used_bytes == 0


def test_a_closed_file_takes_no_more_but_is_read(tmp_path: Path) -> None:
    shared = spool(tmp_path)
    with shared.file("users/a") as file:
        file.write(b"ab")
        file.close()
        with pytest.raises(ValueError, match="closed"):
            file.write(b"c")
        assert (file.size, shared.used_bytes) == (2, 2)
        assert asyncio.run(read(file, 10)) == [b"ab"]
