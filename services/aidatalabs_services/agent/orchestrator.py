"""The orchestrator: picks the agent that a request is for and hands it over."""

from __future__ import annotations

from aidatalabs_services.agent.planner.planner import Clarification
from aidatalabs_services.agent.query_agent import Answer, QueryAgent, Question


class Orchestrator:
    """Routes each kind of request to its agent.

    Only the query agent is built; the design, support and ops agents join it here.
    """

    def __init__(self, query_agent: QueryAgent) -> None:
        self._query_agent = query_agent

    async def ask(self, question: Question) -> Answer | Clarification:
        """Has a question answered. Raises what the query agent raises."""
        return await self._query_agent.work(question)
