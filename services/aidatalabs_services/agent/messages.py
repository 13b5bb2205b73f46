"""The parts of an answer as messages of the contract."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from statistics import median
from typing import Any, cast

from google.protobuf import json_format, struct_pb2

from aidatalabs.agent.v1 import agent_service_pb2 as pb
from aidatalabs.agent.v1 import answer_pb2, conversation_pb2, lesson_pb2, plan_pb2
from aidatalabs.data.v1 import layout_pb2, query_pb2
from aidatalabs_services.agent.conversations import Conversation, Turn
from aidatalabs_services.agent.lessons import Lesson, Worth
from aidatalabs_services.agent.models.verdicts import ModelUse
from aidatalabs_services.agent.orchestrator import TurnKept
from aidatalabs_services.agent.planner.planner import Clarification
from aidatalabs_services.agent.ports import LayoutSide, Rows
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
from aidatalabs_services.agent.seals import SealState
from aidatalabs_services.agent.tuning.layout_trials import LaidOut
from aidatalabs_services.agent.tuning.tuner import Cost, Trial, Tuning
from aidatalabs_services.agent.verification import Claim, Verification


def step_message(step: Step | TurnKept) -> tuple[str, pb.QueryResponse | None]:
    """The event that tells of a step, and the part that it brings; the parts merged are the answer."""
    match step:
        case TurnKept(conversation, turn):
            return "conversation", pb.QueryResponse(conversation=conversation, turn=turn)
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
        recommendations=[
            *map(_trial, tuning.recommended),
            *(_layout(one) for one in tuning.layouts.tried if one.helps),
        ],
        tried=[
            *map(_trial, tuning.others),
            *(_layout(one) for one in tuning.layouts.tried if not one.helps),
        ],
        sql=tuning.sql,
        summary=tuning.summary,
        layout_summary=tuning.layouts.summary,
    )


def _layout(one: LaidOut) -> pb.Recommendation:
    message = pb.Recommendation(
        kind=one.kind,
        sql=one.trial.statement,
        same_result=one.trial.same_result,
        rationale=one.rationale,
        table=one.table,
        steps=one.steps,
        sample=layout_pb2.LayoutSample(**asdict(one.sample)),
    )
    before, after = one.trial.before, one.trial.after
    if before is None or after is None:
        return message
    message.before.CopyFrom(_side_cost(before))
    message.after.CopyFrom(_side_cost(after))
    message.run_count = len(after.seconds)
    message.before_bytes, message.after_bytes = before.size_bytes, after.size_bytes
    message.before_insert_seconds = before.insert_seconds
    message.after_insert_seconds = after.insert_seconds
    message.result_sha256 = before.sha256
    return message


def _side_cost(side: LayoutSide) -> query_pb2.QueryStatistics:
    return query_pb2.QueryStatistics(
        elapsed_seconds=median(side.seconds),
        read_rows=side.read_rows,
        read_bytes=side.read_bytes,
        result_rows=side.result_rows,
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
            query_pb2.ColumnReference(table=table, column=column, type=kind)
            for (table, column), kind in zip(proof.explanation.columns, proof.types, strict=True)
        ],
        schema_version=proof.explanation.schema_version,
        catalogue_version=proof.catalogue_version,
        definitions_version=proof.definitions_version,
        data_version=proof.explanation.data_version,
        read_rows=proof.read_rows,
        read_bytes=proof.read_bytes,
        result_sha256=proof.result_sha256,
        produced_by=proof.produced_by,
        makers=[answer_pb2.Maker(part=part, made_by=maker) for part, maker in proof.makers],
        question=proof.question,
        steps=proof.steps,
        rollup=proof.rollup,
        rollup_reason=proof.rollup_reason,
        estimated_rows=proof.explanation.estimated_rows,
        estimated_bytes=proof.explanation.estimated_bytes,
        budget_left_rows=proof.explanation.budget_left_rows,
        parts=[answer_pb2.Provenance(**asdict(part)) for part in proof.parts],
        confidence=proof.confidence,
        max_rows=proof.max_rows,
        truncated=proof.truncated,
    )
    message.produced_time.FromDatetime(proof.produced_time)
    return message


def sealed_content(proof: answer_pb2.Proof) -> str:
    """All of a proof but its seal, as one text that is the same however the proof has travelled."""
    bare = answer_pb2.Proof()
    bare.CopyFrom(proof)
    bare.ClearField("seal")
    try:
        fields = json_format.MessageToDict(bare, preserving_proto_field_name=True)
    except (ValueError, json_format.Error):  # a time that no clock shows: nothing that was ever sealed
        return ""
    return json.dumps(fields, ensure_ascii=True, separators=(",", ":"), sort_keys=True)


def claim_of(proof: answer_pb2.Proof, seal: SealState) -> Claim:
    """What a proof that came back says."""
    plan = None
    if proof.HasField("plan"):
        plan = json_format.MessageToDict(
            proof.plan, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
    return Claim(
        sql=proof.sql,
        sql_sha256=proof.sql_sha256,
        plan=plan,
        columns=tuple((one.table, one.column, one.type) for one in proof.columns),
        tables=tuple(proof.tables),
        schema_version=proof.schema_version,
        catalogue_version=proof.catalogue_version,
        definitions_version=proof.definitions_version,
        data_version=proof.data_version,
        rollup=proof.rollup,
        result_sha256=proof.result_sha256,
        max_rows=proof.max_rows,
        seal=seal,
    )


def verification_message(found: Verification) -> pb.VerifyAnswerResponse:
    """A verification, its proof not sealed yet."""
    return pb.VerifyAnswerResponse(
        verdict=found.verdict,
        changes=[pb.AnswerChange(**asdict(change)) for change in found.changes],
        proof=_proof(found.proof) if found.proof is not None else None,
    )


def conversation_message(held: Conversation) -> conversation_pb2.Conversation:
    """A conversation with the turns that it has here."""
    message = conversation_pb2.Conversation(
        name=held.conversation,
        title=held.title,
        turn_count=held.turn_count,
        turns=[_turn(turn) for turn in held.turns],
    )
    message.create_time.FromDatetime(held.created_at)
    message.update_time.FromDatetime(held.updated_at)
    return message


def page_message(found: Sequence[Conversation], next_page_token: str) -> pb.ListConversationsResponse:
    """One page of conversations."""
    return pb.ListConversationsResponse(
        conversations=[conversation_message(one) for one in found], next_page_token=next_page_token
    )


def _turn(turn: Turn) -> conversation_pb2.Turn:
    message = conversation_pb2.Turn(
        number=turn.number,
        question=turn.question,
        outcome=turn.outcome,
        steps=turn.steps,
        sql=turn.sql,
        sql_sha256=turn.sql_sha256,
        result_sha256=turn.result_sha256,
        produced_by=turn.produced_by,
        reason=turn.reason,
    )
    message.create_time.FromDatetime(turn.created_at)
    return message


def lesson_message(lesson: Lesson) -> lesson_pb2.Lesson:
    """A lesson."""
    message = lesson_pb2.Lesson(
        name=lesson.lesson,
        question=lesson.question,
        sql=lesson.sql,
        origin=lesson.origin,
        taught_by=lesson.taught_by,
        forgotten_by=lesson.forgotten_by,
    )
    message.create_time.FromDatetime(lesson.created_at)
    if lesson.forgotten_at is not None:
        message.forget_time.FromDatetime(lesson.forgotten_at)
    return message


def worth_of(verdict: pb.GiveFeedbackRequest.Verdict.ValueType) -> Worth:
    """What somebody says an answer is worth."""
    return Worth(pb.GiveFeedbackRequest.Verdict.Name(verdict).lower())
