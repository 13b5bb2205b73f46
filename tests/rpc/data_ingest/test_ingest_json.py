"""Whatever JSON the verdicts take, the engine takes: nothing that is acknowledged may fail a block later."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import chdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aidatalabs_services.data.blocks import blocks_of
from aidatalabs_services.data.ingest_batches import EventInput
from aidatalabs_services.data.standard_tables import EVENTS
from aidatalabs_services.data.verdicts import judge_events

_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "b", "a.b", "", "."]) | st.text(max_size=4), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.text(max_size=4) | st.sampled_from(["a", "a.b"]), _JSON, max_size=4), max_size=20
    )
)
def test_whatever_properties_the_verdicts_take_the_engine_takes(
    insert: Callable[[bytes], None], properties: list[dict[str, Any]]
) -> None:
    events = [EventInput(10**18, "p", 0, each) for each in properties]
    verdict = judge_events(events, now_seconds=1.8e9)
    for block in blocks_of([verdict.accepted], EVENTS):
        insert(block)


@pytest.fixture(scope="module")
def insert(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[bytes], None]]:
    """Inserts a block into a table of events of an engine in this process; raises what the engine raises."""
    connection = chdb.connect(str(tmp_path_factory.mktemp("chdb") / "db"))
    columns = ", ".join(f"{column.name} {column.type}" for column in EVENTS.columns)
    connection.query(f"CREATE TABLE events ({columns}) ENGINE = MergeTree ORDER BY timestamp")

    def insert_block(block: bytes) -> None:
        memory = os.memfd_create("block")
        os.write(memory, block)
        try:
            connection.query(f"INSERT INTO events FROM INFILE '/proc/self/fd/{memory}' FORMAT ArrowStream")
        finally:
            os.close(memory)

    yield insert_block
    connection.close()
