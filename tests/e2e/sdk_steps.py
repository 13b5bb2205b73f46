"""Steps through the Python client: what one is, and those about roll-ups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aidatalabs.data.v1.rollup_pb2 import Rollup

BY_DAY = Rollup(
    name="views_by_day",
    table="events",
    time_column="timestamp",
    grain=Rollup.DAY,
    dimensions=["event_type"],
    maintenance=Rollup.ASYNCHRONOUS,
)


@dataclass(frozen=True)
class Step:
    """One RPC: the call on a client of either kind about a platform, and what is true of its result."""

    method: str
    call: Callable[[Any, str], Any]
    holds: Callable[[Any], bool]


PICTURE_STEPS = (
    Step(
        "agent.v1.AgentService/DrawAnswer",
        lambda c, p: c.draw_answer(p, "how many boxes are there?"),
        lambda picture: picture.startswith(b"\x89PNG\r\n"),
    ),
    Step(
        "agent.v1.AgentService/Optimize",
        lambda c, p: c.optimize(p, "SELECT id FROM boxes ORDER BY id"),
        lambda tuned: tuned.sql.startswith("SELECT") and not tuned.recommendations,
    ),
)
ROLLUP_STEPS = (
    Step(
        "data.v1.DataService/CreateRollup",
        lambda c, p: c.create_rollup(p, BY_DAY),
        lambda made: made.state == Rollup.READY,
    ),
    Step(
        "data.v1.DataService/ListRollups",
        lambda c, p: c.rollups(p),
        lambda found: "views_by_day" in [each.name for each in found],
    ),
    Step(
        "data.v1.DataService/GetRollup",
        lambda c, p: c.get_rollup(p, "views_by_day"),
        lambda found: (list(found.dimensions), found.maintenance) == (["event_type"], Rollup.ASYNCHRONOUS),
    ),
    Step(
        "data.v1.DataService/DropRollup",
        lambda c, p: c.drop_rollup(p, "views_by_day"),
        lambda nothing: nothing is None,
    ),
)
