"""Sending a file's rows from a command: what an interruption leaves, and what is said of a refused value."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest

from aidatalabs.data.v1 import ingest_pb2
from aidatalabs_client import Client, read_file
from aidatalabs_services.cli.forms import Output, remember_form
from aidatalabs_services.cli.screen import notes
from aidatalabs_services.cli.sending import counted, send_rows


class Interrupted(Client):
    """Stores two batches; Ctrl-C comes during the third."""

    calls = 0

    async def ingest_rows(
        self, platform: str, table: str, rows: Iterable[object], *, request_id: str = ""
    ) -> ingest_pb2.Receipt:
        self.calls += 1
        if self.calls == 3:
            raise asyncio.CancelledError
        return ingest_pb2.Receipt(accepted_count=len(list(rows)))


async def test_an_interrupted_file_says_how_far_it_came_and_how_to_go_on(tmp_path: Path) -> None:
    remember_form(Output.TABLE)  # in one process, a command before may have been told another
    path = tmp_path / "numbers.csv"
    path.write_text("n\n" + "1\n" * 35_000)
    with notes.capture() as told, pytest.raises(asyncio.CancelledError):
        await send_rows(Interrupted("127.0.0.1:1", "t"), "platforms/x", "numbers", read_file(path))
    assert told.get() == "20,000 of 35,000 rows are stored; run the same command again to go on\n"


class Refusing(Client):
    """Rejects the first two rows of every batch."""

    async def ingest_rows(
        self, platform: str, table: str, rows: Iterable[object], *, request_id: str = ""
    ) -> ingest_pb2.Receipt:
        receipt = ingest_pb2.Receipt(accepted_count=len(list(rows)) - 2)
        for index in range(2):
            receipt.rejected.add(index=index, reason="VALUE_INVALID", message="column n must be a number")
        return receipt


async def test_a_refused_value_is_shown_shortened(tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text(f"n\n{'x' * 100}\n\x1b[31mred\n3\n")
    sent = await send_rows(Refusing("127.0.0.1:1", "t"), "platforms/x", "numbers", read_file(path))
    assert sent.lines == [
        f"row 1: column n must be a number, it is '{'x' * 39}…' (VALUE_INVALID)",
        r"row 2: column n must be a number, it is '\x1b[31mred' (VALUE_INVALID)",
    ]


def test_one_row_is_no_rows() -> None:
    assert (counted(1, "rejected"), counted(2000, "rejected"), counted(1)) == (
        "1 row was rejected",
        "2,000 rows were rejected",
        "1 row",
    )
