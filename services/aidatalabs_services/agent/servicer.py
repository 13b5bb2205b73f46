"""AgentService on the wire: proto in, domain call, proto out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import grpc
from google.protobuf import json_format, struct_pb2

from aidatalabs.agent.v1 import agent_service_pb2 as pb
from aidatalabs.agent.v1 import agent_service_pb2_grpc as pb_grpc
from aidatalabs.agent.v1 import answer_pb2, plan_pb2
from aidatalabs.data.v1 import query_pb2
from aidatalabs_services.agent.orchestrator import Orchestrator
from aidatalabs_services.agent.planner.planner import Clarification
from aidatalabs_services.agent.ports import Rows
from aidatalabs_services.agent.proofs import Proof
from aidatalabs_services.agent.query_agent import Answer, Question
from aidatalabs_services.runtime.caller import current_call, current_caller
from aidatalabs_services.runtime.errors import not_built_yet


class AgentServicer(pb_grpc.AgentServiceServicer):
    """Translates between the contract and the orchestrator; the policy is theirs."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator

    async def Query(
        self, request: pb.QueryRequest, context: grpc.aio.ServicerContext[pb.QueryRequest, pb.QueryResponse]
    ) -> pb.QueryResponse:
        """See the contract."""
        question = Question(
            platform=request.platform,
            platform_uid=current_caller().platform_uid,
            text=request.question,
            max_rows=request.max_rows,
        )
        outcome = await self._orchestrator.ask(question)
        if isinstance(outcome, Clarification):
            return pb.QueryResponse(clarification=_clarification(outcome))
        return _answer(outcome)

    async def StreamAnswer(
        self,
        request: pb.StreamAnswerRequest,
        context: grpc.aio.ServicerContext[pb.StreamAnswerRequest, pb.StreamAnswerResponse],
    ) -> AsyncIterator[pb.StreamAnswerResponse]:
        """See the contract; not built yet."""
        raise not_built_yet(current_call().method)
        yield pb.StreamAnswerResponse()

    async def Design(
        self,
        request: pb.DesignRequest,
        context: grpc.aio.ServicerContext[pb.DesignRequest, pb.DesignResponse],
    ) -> pb.DesignResponse:
        """See the contract; not built yet."""
        raise not_built_yet(current_call().method)

    async def Optimize(
        self,
        request: pb.OptimizeRequest,
        context: grpc.aio.ServicerContext[pb.OptimizeRequest, pb.OptimizeResponse],
    ) -> pb.OptimizeResponse:
        """See the contract; not built yet."""
        raise not_built_yet(current_call().method)

    async def Analyze(
        self,
        request: pb.AnalyzeRequest,
        context: grpc.aio.ServicerContext[pb.AnalyzeRequest, pb.AnalyzeResponse],
    ) -> pb.AnalyzeResponse:
        """See the contract; not built yet."""
        raise not_built_yet(current_call().method)

    async def Support(
        self,
        request: pb.SupportRequest,
        context: grpc.aio.ServicerContext[pb.SupportRequest, pb.SupportResponse],
    ) -> pb.SupportResponse:
        """See the contract; not built yet."""
        raise not_built_yet(current_call().method)


def _clarification(outcome: Clarification) -> answer_pb2.Clarification:
    choices = [
        answer_pb2.Choice(label=choice.label, question=choice.question, sql=choice.sql)
        for choice in outcome.choices
    ]
    return answer_pb2.Clarification(question=outcome.question, choices=choices)


def _answer(answer: Answer) -> pb.QueryResponse:
    response = pb.QueryResponse(
        answer=answer.sentence,
        sql=answer.proof.explanation.sql,
        explanation=answer.explanation,
        result=_result(answer.rows),
        proof=_proof(answer.proof),
    )
    if answer.chart is not None:
        response.chart.update(cast(dict[str, Any], answer.chart))
    return response


def _result(rows: Rows) -> query_pb2.Result:
    result = query_pb2.Result(row_count=len(rows.rows), truncated=rows.truncated)
    for name, kind in rows.columns:
        result.columns.add(name=name, type=kind)
    for row in rows.rows:
        cells = struct_pb2.ListValue()
        cells.extend(cast(tuple[Any, ...], row))
        result.rows.append(cells)
    return result


def _proof(proof: Proof) -> answer_pb2.Proof:
    message = answer_pb2.Proof(
        sql=proof.explanation.sql,
        sql_sha256=proof.explanation.sql_sha256,
        plan=json_format.ParseDict(proof.plan.to_dict(), plan_pb2.QueryPlan()),
        tables=proof.explanation.tables,
        columns=[
            query_pb2.ColumnReference(table=table, column=column)
            for table, column in proof.explanation.columns
        ],
        schema_version=proof.explanation.schema_version,
        catalogue_version=proof.catalogue_version,
        data_version=proof.explanation.data_version,
        read_rows=proof.read_rows,
        read_bytes=proof.read_bytes,
        result_sha256=proof.result_sha256,
        produced_by=proof.produced_by,
    )
    message.produced_time.FromDatetime(proof.produced_time)
    return message
