"""Blocks in doubt: until they come again, are refused, or can never come."""

from __future__ import annotations

import pytest

from aidatalabs_services.data.doubts import Doubts
from aidatalabs_services.data.errors import InsertRefused


async def nothing_waits(_uid: str, _table: str) -> None:
    """Nothing is journalled here."""


async def test_a_block_is_in_doubt_from_its_beginning_until_an_answer_comes() -> None:
    doubts = Doubts()
    with doubts.inserting("u", "t", "a"):
        assert doubts.of("u", "t") == {"a"}
    assert doubts.of("u", "t") == frozenset()
    with pytest.raises(InsertRefused), doubts.inserting("u", "t", "a"):
        raise InsertRefused(349)
    assert doubts.of("u", "t") == frozenset()
    with pytest.raises(TimeoutError), doubts.inserting("u", "t", "a"):
        raise TimeoutError
    assert doubts.of("u", "t") == {"a"}
    assert not doubts.of("u", "other") | doubts.of("v", "t")
    with doubts.inserting("u", "t", "a"):
        pass
    assert doubts.of("u", "t") == frozenset()


async def test_settled_ends_doubts_of_before_but_no_insert_that_runs() -> None:
    doubts = Doubts()
    with pytest.raises(TimeoutError), doubts.inserting("u", "t", "never again"):
        raise TimeoutError

    async def drained(uid: str, table: str) -> None:
        with pytest.raises(TimeoutError), doubts.inserting(uid, table, "new"):
            raise TimeoutError

    with doubts.inserting("u", "t", "runs"):
        await doubts.settled("u", "t", drained)
        assert doubts.of("u", "t") == {"runs", "new"}
    await doubts.settled("u", "t", nothing_waits)
    assert doubts.of("u", "t") == frozenset()
    with pytest.raises(TimeoutError), doubts.inserting("u", "t", "a"):
        raise TimeoutError
    doubts.forget("u")
    assert doubts.of("u", "t") == frozenset()
