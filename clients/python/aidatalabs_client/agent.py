"""Calls to the agents: questions, designs, optimisation, analysis, support."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from aidatalabs.agent.v1 import agent_service_pb2 as pb
from aidatalabs_client.answers import Analysis, Answer
from aidatalabs_client.connection import Connection
from aidatalabs_client.errors import ApiError


class AgentCalls(Connection):
    """What agents do; they act with the caller's own rights."""

    async def ask(self, platform: str, question: str, *, max_rows: int = 0, model: str = "") -> Answer:
        """Asks a question in plain words; the answer holds either its parts or a clarification.

        `model` is the alias of a model that the operator has configured, or `offline` for the planner.
        """
        request = pb.QueryRequest(platform=platform, question=question, max_rows=max_rows, model=model)
        return Answer(await self._call(self._agent.Query, request))

    async def stream_answer(
        self, platform: str, question: str, *, max_rows: int = 0, model: str = ""
    ) -> AsyncIterator[pb.StreamAnswerResponse]:
        """Asks, and yields each part of the answer as it is known; the last event is `done`."""
        request = pb.StreamAnswerRequest(platform=platform, question=question, max_rows=max_rows, model=model)
        async for event in self._stream(self._agent.StreamAnswer, request):
            if event.event == "error":
                raise ApiError.of_status(event.error)
            yield event

    async def draw_answer(
        self, platform: str, question: str, *, form: str = "PNG", width: int = 0, model: str = ""
    ) -> bytes:
        """Asks a question and returns the chart of its answer as a picture: the bytes of a PNG or SVG file.

        `width` is that of the plot in points (0: 640). Raises ChartNotAvailable where a table says it better.
        """
        picture = pb.DrawAnswerRequest.Format.Value(form)
        request = pb.DrawAnswerRequest(
            platform=platform, question=question, format=picture, width=width, model=model
        )
        drawn: bytes = (await self._call(self._agent.DrawAnswer, request)).data
        return drawn

    async def design(
        self, platform: str, requirements: str, *, samples: Mapping[str, bytes] | None = None
    ) -> pb.DesignResponse:
        """Designs tables for requirements; `samples` are files by name. The best design comes first."""
        request = pb.DesignRequest(platform=platform, requirements=requirements)
        for name, content in (samples or {}).items():
            request.samples.add(name=name, content=content)
        return await self._call(self._agent.Design, request, repeatable=False)  # each call is worked anew

    async def optimize(self, platform: str, sql: str) -> pb.OptimizeResponse:
        """Recommends how to make a query faster, each with what was measured before and after."""
        return await self._call(self._agent.Optimize, pb.OptimizeRequest(platform=platform, sql=sql))

    async def analyze(self, platform: str, question: str = "", *, sql: str = "") -> Analysis:
        """Analyses what a question is about, or the rows of a query: findings with their strength."""
        request = pb.AnalyzeRequest(platform=platform, question=question, sql=sql)
        return Analysis(await self._call(self._agent.Analyze, request))

    async def support(self, platform: str, question: str) -> pb.SupportResponse:
        """Asks how to use the product; the answer quotes the documents it stands on."""
        request = pb.SupportRequest(platform=platform, question=question)
        return await self._call(self._agent.Support, request)
