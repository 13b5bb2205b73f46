"""The parts of an answer as messages of the contract."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast

from google.protobuf import json_format, struct_pb2

from aidatalabs.agent.v1 import agent_service_pb2 as pb
from aidatalabs.agent.v1 import answer_pb2, plan_pb2
from aidatalabs.data.v1 import query_pb2
from aidatalabs_services.agent.models.verdicts import ModelUse
from aidatalabs_services.agent.planner.planner import Clarification
from aidatalabs_services.agent.ports import Rows
from aidatalabs_services.agent.proofs import Proof
from aidatalabs_services.agent.query_agent import (
    Drawn,
    Found,
    Proven,
    Running,
    Said,
    Step,
    Understood,
    Written,
)
from aidatalabs_services.agent.tuning.tuner import Cost, Trial, Tuning


def step_message(step: Step) -> tuple[str, pb.QueryResponse | None]:
    """The event that tells of a step, and the part that it brings; the parts merged are the answer."""
    match step:
        case ModelUse():
            return "model", pb.QueryResponse(model=answer_pb2.ModelUse(**asdict(step)))
        case Understood(explanation):
            return "understood", pb.QueryResponse(explanation=explanation)
        case Written(sql):
            return "sql", pb.QueryResponse(sql=sql)
        case Running():
            return "running", None
        case Found(rows):
            return "rows", pb.QueryResponse(result=_result(rows))
        case Drawn(spec):
            drawn = pb.QueryResponse()
            drawn.chart.update(cast(dict[str, Any], spec))
            return "chart", drawn
        case Said(sentence):
            return "answer", pb.QueryResponse(answer=sentence)
        case Proven(proof):
            return "proof", pb.QueryResponse(proof=_proof(proof))
        case Clarification():
            return "clarification", pb.QueryResponse(clarification=_clarification(step))


def tuning_message(tuning: Tuning) -> pb.OptimizeResponse:
    """What came of tuning a query."""
    return pb.OptimizeResponse(
        recommendations=[_trial(trial) for trial in tuning.recommended],
        tried=[_trial(trial) for trial in tuning.others],
        sql=tuning.sql,
        summary=tuning.summary,
    )


def _trial(trial: Trial) -> pb.Recommendation:
    message = pb.Recommendation(
        kind=trial.kind,
        sql=trial.sql,
        same_result=trial.same_result,
        rationale=trial.rationale,
        run_count=trial.runs,
    )
    for part, cost in ((message.before, trial.before), (message.after, trial.after)):
        if cost is not None:
            part.CopyFrom(_cost(cost))
    return message


def _cost(cost: Cost) -> query_pb2.QueryStatistics:
    return query_pb2.QueryStatistics(
        elapsed_seconds=cost.seconds,
        read_rows=cost.read_rows,
        read_bytes=cost.read_bytes,
        result_rows=cost.result_rows,
        rollup=cost.rollup,
    )


def _clarification(outcome: Clarification) -> answer_pb2.Clarification:
    choices = [
        answer_pb2.Choice(label=choice.label, question=choice.question, sql=choice.sql)
        for choice in outcome.choices
    ]
    return answer_pb2.Clarification(question=outcome.question, choices=choices)


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
        plan=json_format.ParseDict(proof.plan.to_dict(), plan_pb2.QueryPlan()) if proof.plan else None,
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
        makers=[answer_pb2.Maker(part=part, made_by=maker) for part, maker in proof.makers],
    )
    message.produced_time.FromDatetime(proof.produced_time)
    return message
