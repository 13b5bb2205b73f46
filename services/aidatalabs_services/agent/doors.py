"""The way of one question's queries to its platform's data: the SQL door, with the caller's own authority."""

from __future__ import annotations

from dataclasses import replace

from aidatalabs_services.agent.ports import Explanation, PlatformData, Rows

_MOST_READS = 3


class Door:
    """One platform's data for one question; the planner's queries and a model's take the same way."""

    def __init__(self, data: PlatformData, platform: str, max_rows: int) -> None:
        self._data = data
        self._platform = platform
        self._max_rows = max_rows

    async def explain(self, sql: str) -> Explanation:
        """What the door makes of a query, without running it. Raises its refusals."""
        return await self._data.explain(self._platform, sql)

    async def rows(self, sql: str, explanation: Explanation) -> tuple[Explanation, Rows]:
        """The rows, and the explanation with the version that they were read from.

        A query that rows came into has no version and is read again, so often; while they keep coming the
        version stays empty.
        """
        for _ in range(_MOST_READS):
            rows = await self._data.query(self._platform, sql, self._max_rows)
            if rows.data_version:
                break
        return replace(explanation, data_version=rows.data_version), rows
