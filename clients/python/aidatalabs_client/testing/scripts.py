"""What a test told the fake server: answers to questions, results of queries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from google.api import httpbody_pb2

from aidatalabs.agent.v1 import agent_service_pb2 as agent_pb
from aidatalabs.agent.v1 import answer_pb2
from aidatalabs.data.v1 import data_service_pb2 as data_pb
from aidatalabs.data.v1 import query_pb2
from aidatalabs_client.row_messages import row_message
from aidatalabs_client.testing.refusals import Failure, invalid
from aidatalabs_client.testing.results import arrow_stream, file_of, result_of

_PIECE_BYTES = 64 * 1024


class Scripts:
    """Answers by question and rows by query; spaces and letter case of both make no difference."""

    def __init__(self) -> None:
        self.answers: dict[str, agent_pb.QueryResponse] = {}
        self.results: dict[str, Sequence[Mapping[str, Any]]] = {}

    def answer_to(self, question: str, max_rows: int) -> agent_pb.QueryResponse:
        """The answer a test wrote. Raises Failure where there is none."""
        known = self.answers.get(plain(question))
        if known is None:
            raise Failure(
                "FAILED_PRECONDITION",
                "QUESTION_NOT_ANSWERABLE",
                f"The fake server was told no answer to {question!r}: use fake.answer(question, …).",
            )
        answer = agent_pb.QueryResponse()
        answer.CopyFrom(known)
        if max_rows and answer.result.row_count > max_rows:
            del answer.result.rows[max_rows:]
            answer.result.row_count, answer.result.truncated = max_rows, True
        return answer

    def result_for(self, sql: str, max_rows: int = 0) -> query_pb2.Result:
        """The rows a test wrote for a query. Raises Failure where there are none."""
        known = self.results.get(plain(sql))
        if known is None:
            raise invalid(
                "QUERY_FAILED", f"The fake server runs no SQL: use fake.result({sql[:200]!r}, rows) first."
            )
        return result_of(known, max_rows)


class FakeAgent:
    """AgentService, as far as it was scripted."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    async def query(self, request: agent_pb.QueryRequest) -> agent_pb.QueryResponse:
        """AgentService.Query."""
        return self._scripts.answer_to(request.question, request.max_rows)

    async def stream_answer(
        self, request: agent_pb.StreamAnswerRequest
    ) -> AsyncIterator[agent_pb.StreamAnswerResponse]:
        """AgentService.StreamAnswer: the parts of the answer, a refusal as the event `error`."""
        try:
            answer = self._scripts.answer_to(request.question, request.max_rows)
        except Failure as failure:
            refused = agent_pb.StreamAnswerResponse(event="error")
            refused.error.ParseFromString(failure.packed())
            yield refused
            return
        for event, fields in _EVENTS:
            part = agent_pb.QueryResponse()
            for name in fields:
                if name in {field.name for field, _ in answer.ListFields()}:
                    part.MergeFrom(_only(answer, name))
            if part.ByteSize():
                yield agent_pb.StreamAnswerResponse(event=event, data=part)
        yield agent_pb.StreamAnswerResponse(event="done")


_EVENTS = (
    ("model", ["model"]),
    ("clarification", ["clarification"]),
    ("understood", ["explanation"]),
    ("sql", ["sql"]),
    ("rows", ["result"]),
    ("chart", ["chart"]),
    ("answer", ["answer"]),
    ("proof", ["proof"]),
)


def _only(answer: agent_pb.QueryResponse, name: str) -> agent_pb.QueryResponse:
    part = agent_pb.QueryResponse()
    part.CopyFrom(answer)
    for field, _ in answer.ListFields():
        if field.name != name:
            part.ClearField(field.name)  # type: ignore[arg-type]
    return part


class FakeQueries:
    """The methods of DataService that run SQL, as far as their results were scripted."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    async def query(self, request: data_pb.QueryRequest) -> data_pb.QueryResponse:
        """DataService.Query."""
        return data_pb.QueryResponse(result=self._scripts.result_for(request.sql, request.max_rows))

    async def stream_query(
        self, request: data_pb.StreamQueryRequest
    ) -> AsyncIterator[data_pb.StreamQueryResponse]:
        """DataService.StreamQuery."""
        whole = arrow_stream(self._scripts.result_for(request.sql, 10**9))
        for start in range(0, len(whole), _PIECE_BYTES):
            yield data_pb.StreamQueryResponse(arrow_ipc=whole[start : start + _PIECE_BYTES])

    async def export(self, request: data_pb.ExportRequest) -> AsyncIterator[httpbody_pb2.HttpBody]:
        """DataService.Export."""
        form = data_pb.ExportRequest.Format.Name(request.format)
        content_type, whole = file_of(self._scripts.result_for(request.sql, 10**9), form)
        for start in range(0, len(whole), _PIECE_BYTES):
            yield httpbody_pb2.HttpBody(content_type=content_type, data=whole[start : start + _PIECE_BYTES])

    async def explain_query(self, request: data_pb.ExplainQueryRequest) -> data_pb.ExplainQueryResponse:
        """DataService.ExplainQuery: the text as it is, and how many rows were scripted."""
        result = self._scripts.result_for(request.sql, 10**9)
        return data_pb.ExplainQueryResponse(sql=request.sql, estimated_rows=result.row_count)


def answer_message(
    text: str,
    sql: str,
    rows: Sequence[Mapping[str, Any]],
    chart: Mapping[str, Any] | None,
    explanation: Sequence[str],
) -> agent_pb.QueryResponse:
    """The message of an answer written in a test."""
    answer = agent_pb.QueryResponse(answer=text, sql=sql, explanation=explanation)
    answer.result.CopyFrom(result_of(rows, 10_000))
    answer.proof.CopyFrom(answer_pb2.Proof(sql=sql, produced_by="fake"))
    if chart is not None:
        answer.chart.CopyFrom(row_message(chart))
    return answer


def question_back(asks: str, choices: Sequence[str]) -> agent_pb.QueryResponse:
    """The message of a question that asks back."""
    return agent_pb.QueryResponse(
        clarification=answer_pb2.Clarification(
            question=asks, choices=[answer_pb2.Choice(label=choice, question=choice) for choice in choices]
        )
    )


def plain(text: str) -> str:
    """The text by which questions and queries are known."""
    return " ".join(text.casefold().split())
