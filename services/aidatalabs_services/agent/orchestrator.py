"""The orchestrator: picks the agent that a request is for and hands it over."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aidatalabs_services.agent.query_agent import QueryAgent, Question, Step


class Orchestrator:
    """Routes each kind of request to its agent.

    Only the query agent is built; the design, support and ops agents join it here.
    """

    def __init__(self, query_agent: QueryAgent) -> None:
        self._query_agent = query_agent

    def ask(self, question: Question) -> AsyncIterator[Step]:
        """Has a question answered, part by part. Raises what the query agent raises."""
        return self._query_agent.work(question)
