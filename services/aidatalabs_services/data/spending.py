"""What a query may read of its platform's budget: estimated before it runs, counted when it has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from aidatalabs_services.data.admission import Admitted
from aidatalabs_services.data.budgets import Reservation, RowBudget
from aidatalabs_services.data.ports import QueryLimits, Warehouse
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.runtime.errors import Overloaded


class Spending:
    """Keeps the queries of every platform inside `budget`."""

    def __init__(self, warehouse: Warehouse, budget: RowBudget) -> None:
        self._warehouse = warehouse
        self.budget = budget

    @asynccontextmanager
    async def of(self, query: Admitted) -> AsyncIterator[tuple[Reservation, QueryLimits]]:
        """Holds the rows that a query is expected to read while the block runs it, inside the limits given.

        The engine stops it where it would read more than the platform has left. Raises QueryBudgetExceeded,
        and as `Warehouse.estimate` does.
        """
        if not self.budget.is_set:
            yield Reservation(0), query.limits
            return
        reads = await self._warehouse.estimate(
            query.uid, query.sql, limits=query.limits, query_id=new_query_id()
        )
        with self.budget.reserved(query.uid, sum(read.rows for read in reads)) as reservation:
            most = reservation.rows + (self.budget.left(query.uid) or 0)
            limits = replace(query.limits, max_rows_to_read=min(query.limits.max_rows_to_read, most))
            try:
                yield reservation, limits
            except Overloaded:
                reservation.release()  # the engine had no place: nothing was read
                raise
