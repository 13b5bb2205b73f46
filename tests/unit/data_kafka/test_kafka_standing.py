"""What is known of the sink's offsets, and of those of a topic that was made anew."""

from __future__ import annotations

import logging
import time

import pytest

from aidatalabs_services.data.adapters.kafka import message_blocks, shown_lag
from aidatalabs_services.data.adapters.kafka_connection import OnceInAWhile
from aidatalabs_services.data.kafka.ports import Place
from aidatalabs_services.data.kafka.sink_lines import LineLimits
from aidatalabs_services.data.kafka.standing import Standing


def test_a_group_is_stored_when_the_sink_has_passed_it() -> None:
    standing = Standing()
    first, second = (standing.progress_of(Place("t", 0, last), f"{last}") for last in (5, 7))
    standing.advance({("t", 0): 6})
    assert (first.stored, second.stored, standing.waiting["t"]) == (True, False, 1)
    standing.advance({("t", 0): 4})  # an older word changes nothing
    assert standing.stored(("t", 0)) == 6


def test_groups_of_a_topic_that_was_made_anew_are_not_taken_for_stored() -> None:
    standing = Standing()
    standing.advance({("t", 0): 100})
    gone, there = (standing.progress_of(Place("t", 0, last), f"{last}") for last in (120, 100))
    standing.restart(("t", 0), 0, 101)
    new = standing.progress_of(Place("t", 0, 3), "new")
    assert (new.stored, standing.waiting["t"]) == (False, 2)
    standing.advance({("t", 0): 4})
    assert (gone.stored, there.stored, new.stored) == (False, False, True)
    standing.advance({("t", 0): 101})
    assert (gone.stored, there.stored, standing.waiting["t"]) == (False, True, 0)


def test_the_lag_has_few_series_however_many_tables_there_are() -> None:
    lag = {(f"topic{number}", lane): number for number in range(500) for lane in range(12)}
    shown = shown_lag(lag)
    assert len(shown) == 51
    assert sum(shown.values()) == sum(lag.values())
    assert shown["topic499"] == 12 * 499
    assert shown_lag({}) == {"others": 0.0}


def test_what_the_library_repeats_is_logged_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("aiokafka.test")
    logger.addFilter(OnceInAWhile(0.2))
    for number in range(50):
        logger.error("Topic %s not found", number)
        logger.error(f"node {number} is away")  # its own text each time: let through, and forgotten again
    assert [record.getMessage() for record in caplog.records].count("Topic 0 not found") == 1
    assert len(caplog.records) == 51
    time.sleep(0.25)
    logger.error("Topic %s not found", 50)
    assert caplog.records[-1].getMessage() == "Topic 50 not found"


@pytest.mark.parametrize("partitions", [1, 3, 12, 100, 400])
def test_the_first_messages_of_all_partitions_leave_the_engine_room_for_tokens(partitions: int) -> None:
    # The engine knows 1,000; beside them come the blocks of other workers (`LineLimits.shared_blocks`).
    assert 1 <= message_blocks(partitions) * partitions <= 1000 - LineLimits().shared_blocks
