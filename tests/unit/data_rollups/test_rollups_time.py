"""Roll-ups over time columns of other types, up to the last moment that they can hold."""

from __future__ import annotations

from tests.unit.data_rollups.queries import made_rows
from tests.unit.data_rollups.world import World


def test_rows_of_the_last_moment_that_a_type_can_hold_are_on_their_side_of_a_bound() -> None:
    world, last = World(("event_type",), time_type="DateTime"), "2106-02-07 06:28:15"
    try:
        rows = made_rows(3, 30)
        for row in rows:
            row["timestamp"] = row["timestamp"][:19]
        for row in rows[:10]:
            row["timestamp"] = last
        world.refill(rows)
        for bound in (
            f"< '{last}'",
            f"<= '{last}'",
            f"= '{last}'",
            f">= '{last}'",
            "< '2026-01-03 10:00:00'",
        ):
            sql, served = world.served(f"SELECT count() FROM events WHERE timestamp {bound}")
            assert served.rollup
            assert world.rows(served.sql) == world.rows(sql), bound
    finally:
        world.close()
