"""What is made of a catalogue is made once, whoever asks for it meanwhile."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from aidatalabs_services.agent.planner.catalogue import Catalogue
from aidatalabs_services.agent.planner.keeping import Kept


def test_threads_that_ask_at_once_wait_for_one_making_and_others_do_not_wait() -> None:
    slow, quick = Catalogue((), "slow"), Catalogue((), "quick")
    begun, go = threading.Event(), threading.Event()
    made: list[str] = []

    def make(catalogue: Catalogue, earlier: object) -> object:
        made.append(catalogue.version)
        if catalogue is slow:
            begun.set()
            assert go.wait(10)
        return object()

    kept: Kept[object] = Kept(make, 4)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(kept.of, slow) for _ in range(3)]
        assert begun.wait(10)
        kept.of(quick)
        go.set()
        assert len({id(each.result(10)) for each in waiting}) == 1
    assert sorted(made) == ["quick", "slow"]


def test_what_cannot_be_made_is_told_and_tried_again() -> None:
    tries: list[int] = []

    def make(catalogue: Catalogue, earlier: int | None) -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("not this time")
        return 7

    kept, catalogue = Kept(make, 4), Catalogue((), "v1")
    with pytest.raises(ValueError, match="not this time"):
        kept.of(catalogue)
    assert (kept.of(catalogue), len(kept)) == (7, 1)


def test_the_new_is_made_of_what_was_made_of_the_old_unless_that_is_gone() -> None:
    given: list[str | None] = []

    def make(catalogue: Catalogue, earlier: str | None) -> str:
        given.append(earlier)
        return catalogue.version

    kept = Kept(make, 4)
    first, second, third = (Catalogue((), version) for version in ("v1", "v2", "v3"))
    kept.of(first)
    kept.of(second, first)
    kept.forget(second)
    kept.of(third, second)
    assert given == [None, "v1", None]
