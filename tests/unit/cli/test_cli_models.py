"""Models on the command line: what is told when one fails, and an evaluation with one that is not there."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from aidatalabs.agent.v1 import agent_service_pb2 as agent_pb
from aidatalabs.agent.v1 import answer_pb2
from aidatalabs_services.cli import answers, evaluation_commands, screen
from aidatalabs_services.cli.failures import CommandFailed

NOTE = "claude gave no answer: it took longer than it may."


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    page = io.StringIO()
    console = Console(file=page, width=100)
    for module in (answers, screen):
        monkeypatch.setattr(module, "console", console)
    return page


def test_a_model_that_failed_is_told_before_the_answer(paper: io.StringIO) -> None:
    use = answer_pb2.ModelUse(alias="claude", problem="TIMEOUT", note=NOTE)
    answers.print_answer(agent_pb.QueryResponse(answer="There are 3.", model=use))
    told = paper.getvalue()
    assert told.index(NOTE) < told.index("There are 3.")
    assert "The planner read the question." in told


def test_a_choice_is_asked_of_the_same_model(paper: io.StringIO) -> None:
    choices = [answer_pb2.Choice(label="x", question="by x"), answer_pb2.Choice(label="y", question="by y")]
    asked = answer_pb2.Clarification(question="Which?", choices=choices)
    answers.print_answer(agent_pb.QueryResponse(clarification=asked), platform="shop", model="glm5")
    assert paper.getvalue().count("--platform shop --model glm5") == 2


def test_the_proof_says_who_made_each_part() -> None:
    makers = [answer_pb2.Maker(part="plan", made_by="claude"), answer_pb2.Maker(part="sql", made_by="rules")]
    assert answers.proof_fields(answer_pb2.Proof(makers=makers))["makers"] == "plan: claude, sql: rules"


def test_an_evaluation_takes_the_operators_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIDATALABS_AGENT_MODELS", raising=False)
    with pytest.raises(CommandFailed) as caught:
        evaluation_commands._configured(evaluation_commands.Model.GLM5)
    assert (caught.value.reason, caught.value.exit_code) == ("MODEL_NOT_CONFIGURED", 9)
    terms = {"input_usd_per_million": 1, "output_usd_per_million": 1}
    monkeypatch.setenv("AIDATALABS_AGENT_MODELS", json.dumps({"glm5": terms}))
    with pytest.raises(CommandFailed, match="set key_file"):
        evaluation_commands._configured(evaluation_commands.Model.GLM5)
    monkeypatch.setenv("AIDATALABS_AGENT_MODEL_KEYS", json.dumps({"glm5": "a-key"}))
    found = evaluation_commands._configured(evaluation_commands.Model.GLM5).named("glm5")
    assert found is not None
    assert found.name == "glm-5"
    assert evaluation_commands._configured(evaluation_commands.Model.OFFLINE).named("") is None
