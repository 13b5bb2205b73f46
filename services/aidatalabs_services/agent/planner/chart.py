"""A Vega-Lite chart of a result; what is drawn, and how, is decided in `agent.charts`."""

from __future__ import annotations

from collections.abc import Sequence

from aidatalabs_services.agent.charts.choosing import choose
from aidatalabs_services.agent.charts.intents import TableBetter
from aidatalabs_services.agent.charts.vega import spec_of

from .outcomes import Planned


def chart(
    planned: Planned,
    columns: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[object]],
    truncated: bool = False,
) -> dict[str, object] | None:
    """A Vega-Lite 6 specification with its data inlined, or None where a table says it better.

    Rows are those of the result, in its order; at most 5,000 points are drawn. `truncated` says that
    rows were cut off.
    """
    choice = choose(planned, columns, rows, truncated=truncated)
    return None if isinstance(choice, TableBetter) else spec_of(choice)
