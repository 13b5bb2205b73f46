"""What a query may read of its platform's budget: estimated before it runs, counted when it has.

Queries inside expressions (`IN (SELECT …)`, scalar ones, EXISTS) are not in the engine's estimate: it runs
them to make it. So their tables are counted whole, and reserved before anything is asked of the engine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace

from sqlglot import exp

from aidatalabs_services.data.admission import Admitted
from aidatalabs_services.data.budgets import Reservation, RowBudget
from aidatalabs_services.data.ports import QueryLimits, Warehouse
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.data.rollups.rewriter import parsed
from aidatalabs_services.runtime.errors import Overloaded

# How often the engine may run a query inside an expression: to estimate, to name columns, and in the query.
_RUNS = 3
_QUERY_PLACES = (exp.From, exp.Join, exp.Query)


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
        async with self.asked(query, times=_RUNS) as nested:
            try:
                reads = await self._warehouse.estimate(
                    query.uid, query.sql, limits=query.limits, query_id=new_query_id()
                )
                with self.budget.reserved(query.uid, sum(read.rows for read in reads)) as reservation:
                    most = reservation.rows + nested.rows + (self.budget.left(query.uid) or 0)
                    most = min(query.limits.max_rows_to_read, most)
                    try:
                        yield reservation, replace(query.limits, max_rows_to_read=most)
                    except Overloaded:
                        reservation.release()  # the engine had no place: nothing was read
                        raise
                    if reservation.read_rows is not None:
                        nested.settle(nested.rows // _RUNS)  # by the estimate; the run has counted its own
            except Overloaded:
                nested.release()
                raise

    @asynccontextmanager
    async def asked(self, query: Admitted, *, times: int = 1) -> AsyncIterator[Reservation]:
        """Holds the rows that the engine reads where it only tells of a query, so many `times`, while the
        block asks it. Raises QueryBudgetExceeded.
        """
        rows = times * await self._nested_rows(query) if self.budget.is_set else 0
        with ExitStack() as stack:
            yield stack.enter_context(self.budget.reserved(query.uid, rows)) if rows else Reservation(0)

    async def _nested_rows(self, query: Admitted) -> int:
        """Rows of the tables that queries inside expressions read, each as often as it is named there."""
        names = list(_nested_tables(query.sql)) if query.sql.casefold().count("select") > 1 else []
        sizes = await self._warehouse.sizes(query.uid) if names else {}
        return sum(sizes[name].row_count for name in names if name in sizes)


def _nested_tables(sql: str) -> Iterator[str]:
    tree = parsed(sql)
    named = {cte.alias: cte for cte in tree.find_all(exp.CTE)}

    def within(node: exp.Expr, seen: frozenset[str]) -> Iterator[str]:
        for table in node.find_all(exp.Table):
            if table.args.get("db"):
                yield table.name
            elif table.name in named and table.name not in seen:
                yield from within(named[table.name], seen | {table.name})

    for query in [each for each in tree.find_all(exp.Query) if not isinstance(each, exp.Table)]:
        if _is_value(query) and not any(map(_is_value, _around(query))):
            yield from within(query, frozenset())


def _is_value(query: exp.Expr) -> bool:
    """Whether a query stands where a value or a list of values does."""
    parent = query.parent
    if isinstance(parent, exp.CTE):
        return bool(parent.args.get("scalar"))
    return parent is not None and not isinstance(parent, _QUERY_PLACES)


def _around(query: exp.Expr) -> Iterator[exp.Query]:
    outer = query.find_ancestor(exp.Query)
    while outer is not None:
        yield outer
        outer = outer.find_ancestor(exp.Query)
