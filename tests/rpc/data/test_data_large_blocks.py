"""A large block goes to the engine in pieces: whole or not at all, and once however often it is sent."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from aidatalabs_services.data.adapters.clickhouse_streams import BlockBody, body_of
from aidatalabs_services.runtime.errors import ServiceUnavailable
from tests.rpc.data.conftest import Data

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROWS = 60_000


def _lines(kind: str) -> bytes:
    return b"".join(
        b'{"timestamp":"2026-03-01T00:10:00Z","event_type":"%s","value":%d}\n' % (kind.encode(), number)
        for number in range(ROWS)
    )


async def _insert(data: Data, kind: str, payload: bytes) -> None:
    await data.warehouse.insert_block(
        await data.uid(),
        "events",
        ["timestamp", "event_type", "value"],
        payload,
        format_name="JSONEachRow",
        token=kind,
    )


async def _stored(data: Data, kind: str) -> list[list[object]]:
    return await data.rows(f"SELECT count(), sum(value) FROM events WHERE event_type = '{kind}'")


async def test_a_large_block_is_stored_whole_and_once(data: Data) -> None:
    payload = _lines("large")
    assert isinstance(body_of(payload), BlockBody)
    for _ in range(2):
        await _insert(data, "large", payload)
    assert await _stored(data, "large") == [[ROWS, ROWS * (ROWS - 1) / 2]]


async def test_a_body_that_is_sent_again_begins_again() -> None:
    payload = _lines("again")
    body = BlockBody(payload)
    for _ in range(2):
        assert b"".join([bytes(piece) async for piece in body]) == payload


async def test_a_large_block_that_is_cut_short_is_not_stored_and_told_so(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaking(BlockBody):
        async def __aiter__(self) -> AsyncGenerator[bytes, None]:
            async for piece in super().__aiter__():
                yield piece
                raise ConnectionResetError("the connection broke")

    with monkeypatch.context() as patch:
        patch.setattr("aidatalabs_services.data.adapters.clickhouse.body_of", Breaking)
        with pytest.raises(ServiceUnavailable):
            await _insert(data, "broken", _lines("broken"))
    assert await _stored(data, "broken") == [[0, 0]]
    await _insert(data, "broken", _lines("broken"))
    assert (await _stored(data, "broken"))[0][0] == ROWS
