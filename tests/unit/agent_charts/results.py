"""Plans with results, made by hand, for every kind of chart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aidatalabs_services.agent.charts.choosing import choose
from aidatalabs_services.agent.charts.intents import ChartIntent, Choice, TableBetter
from aidatalabs_services.agent.planner.outcomes import Planned
from aidatalabs_services.agent.planner.plan import Dimension, Measure, Order, QueryPlan, Source

COUNT = Measure("count", None, "n", "number of sales")
DELAY = Measure("avg", Source("sales", "delay", "Float64"), "d", "average delay", "minutes")
SHARE = Measure("share", None, "s", "share of sales", "percent")
MONTHS = tuple(f"2024-{month:02d}-01" for month in range(1, 13))


def key(alias: str, *, grain: str = "", part: str = "", label: bool = False) -> Dimension:
    return Dimension(Source("sales", alias, "String"), alias, alias, grain, part, label)


class Asked:
    """A plan of these keys and numbers; `types` are those of the result's columns, keys first."""

    def __init__(
        self,
        keys: Sequence[Dimension],
        measures: Sequence[Measure],
        types: Sequence[str],
        *,
        order: tuple[str, bool] | None = None,
        limit: int = 0,
        zone: str = "UTC",
        form: str = "",
    ) -> None:
        form = form or ("series" if any(one.grain for one in keys) else "table" if keys else "scalar")
        ordering = (Order(*order),) if order else tuple(Order(one.alias, False) for one in keys)
        plan = QueryPlan(
            form,
            "sales",
            measures=tuple(measures),
            dimensions=tuple(keys),
            order=ordering,
            limit=limit,
            timezone=zone,
        )
        self.planned = Planned(plan, "SELECT 1", (), 1.0)
        names = [one.alias for one in keys] + [one.alias for one in measures]
        self.columns = list(zip(names, types, strict=True))

    def choice(self, rows: Sequence[Sequence[Any]], *, truncated: bool = False) -> Choice:
        return choose(self.planned, self.columns, rows, truncated=truncated)

    def drawn(self, rows: Sequence[Sequence[Any]], *, truncated: bool = False) -> ChartIntent:
        choice = self.choice(rows, truncated=truncated)
        assert isinstance(choice, ChartIntent), choice
        return choice

    def left_to_the_table(self, rows: Sequence[Sequence[Any]], *, truncated: bool = False) -> str:
        choice = self.choice(rows, truncated=truncated)
        assert isinstance(choice, TableBetter), choice
        return choice.why
