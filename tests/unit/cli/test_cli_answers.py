"""How answers, questions back and rows are printed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from google.protobuf import json_format
from rich.console import Console

from aidatalabs.agent.v1 import agent_service_pb2 as agent_pb
from aidatalabs.data.v1 import query_pb2
from aidatalabs_client import ApiError
from aidatalabs_services.cli import answers, asking, question_commands, results, screen
from aidatalabs_services.cli.failures import CommandFailed

ANSWER: dict[str, Any] = {
    "answer": "Graz sold most: 40.",
    "sql": "SELECT town, sum(n) AS n FROM sales GROUP BY town",
    "explanation": ["Reads sales.", "For each town."],
    "result": {
        "columns": [{"name": "town", "type": "String"}, {"name": "n", "type": "UInt64"}],
        "rows": [["Graz", 40], ["Wien, Mitte", 10.5], [None, None]],
        "row_count": "3",
    },
    "chart": {
        "title": "n by town",
        "data": {"values": [{"key": "Graz", "value": 40}, {"key": "Wien", "value": 10}]},
        "mark": {"type": "bar"},
        "encoding": {
            "y": {"field": "key", "type": "nominal"},
            "x": {"field": "value", "type": "quantitative"},
        },
    },
    "proof": {"sql": "SELECT 1", "sql_sha256": "ab" * 32, "result_sha256": "cd" * 32, "read_rows": "336792",
              "read_bytes": "1600000", "produced_by": "planner", "tables": ["sales"],
              "columns": [{"table": "sales", "column": "town"}]},
}  # fmt: skip
ASKED_BACK: dict[str, Any] = {
    "clarification": {
        "question": "'best' by what?",
        "choices": [
            {"label": "by total", "question": "town with the highest total"},
            {"label": "by count", "question": "town with the most sales, it's often"},
        ],
    }
}


def response(fields: dict[str, Any]) -> agent_pb.QueryResponse:
    return json_format.ParseDict(fields, agent_pb.QueryResponse())


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What commands print, on a page of 60 columns that is no terminal."""
    page = io.StringIO()
    console = Console(file=page, width=60, highlight=False)
    for module in (screen, answers, results, asking, question_commands):
        if hasattr(module, "console"):
            monkeypatch.setattr(module, "console", console)
    return page


def test_an_answer_is_a_sentence_sql_rows_a_picture_and_what_was_read(paper: io.StringIO) -> None:
    answers.print_answer(response(ANSWER))
    printed = paper.getvalue()
    parts = [
        "Graz sold most: 40.",
        "SELECT town",
        "Wien, Mitte  10.5000",
        "n by town",
        "Graz █",
        "read 336,792 rows",
    ]
    places = [printed.index(part) for part in parts]
    assert places == sorted(places)
    assert "Reads sales." not in printed
    assert "\x1b" not in printed


def test_explain_adds_how_it_was_read_and_the_whole_proof(paper: io.StringIO) -> None:
    answers.print_answer(response(ANSWER), explained=True)
    printed = paper.getvalue()
    assert "• For each town." in printed
    assert "ab" * 32 in printed.replace("\n", "")
    assert "sales.town" in printed
    assert "336,792" in printed


def test_a_question_back_says_how_to_ask_each_reading(paper: io.StringIO) -> None:
    answers.print_answer(response(ASKED_BACK), platform="shop")
    printed = " ".join(paper.getvalue().split())
    assert "1 by total" in printed
    assert "ask: aidatalabs ask 'town with the highest total' --platform shop" in printed
    assert """'town with the most sales, it'"'"'s often'""" in printed


def test_rows_as_csv_quote_commas_and_leave_null_empty(capsys: pytest.CaptureFixture[str]) -> None:
    results.print_result_csv(response(ANSWER).result)
    assert capsys.readouterr().out == 'town,n\nGraz,40\n"Wien, Mitte",10.5\n,\n'


def test_csv_of_a_question_back_is_an_error_with_the_readings() -> None:
    with pytest.raises(CommandFailed, match="'best' by what") as failed:
        question_commands._print_rows_alone(response(ASKED_BACK))
    assert "town with the highest total" in failed.value.hint
    assert failed.value.exit_code == 9


@pytest.mark.parametrize(
    ("typed", "chosen"),
    [
        (["2"], "town with the most sales, it's often"),
        (["0", "x", "7", "1"], "town with the highest total"),
        ([""], ""),
    ],
)
def test_a_reading_is_chosen_by_its_number_until_it_is_one(
    paper: io.StringIO, monkeypatch: pytest.MonkeyPatch, typed: list[str], chosen: str
) -> None:
    words: Iterator[str] = iter(typed)
    monkeypatch.setattr(typer, "prompt", lambda *_, **__: next(words))
    assert asking.choose(response(ASKED_BACK).clarification) == chosen
    assert next(words, None) is None


class Streaming:
    """A client whose stream breaks before or after its first event, and whose plain call works."""

    def __init__(self, *events: str) -> None:
        self.events = events

    async def stream_answer(self, *_: object, **__: object) -> Any:
        for event in self.events:
            yield agent_pb.StreamAnswerResponse(event=event, data=agent_pb.QueryResponse(sql="SELECT 1"))
        raise ApiError("UNAVAILABLE", 14, "gone")

    async def ask(self, *_: object, **__: object) -> Any:
        return type("Answer", (), {"message": agent_pb.QueryResponse(answer="again")})()


async def test_a_stream_that_never_began_is_asked_plainly_a_begun_one_is_not_repeated() -> None:
    client: Any = Streaming()
    assert (
        await asking._asked_with_steps(
            client, "platforms/a", "q", {"max_rows": 0, "model": "", "conversation": ""}
        )
    ).answer == "again"
    begun: Any = Streaming("sql")
    with pytest.raises(ApiError, match="gone"):
        await asking._asked_with_steps(
            begun, "platforms/a", "q", {"max_rows": 0, "model": "", "conversation": ""}
        )


def test_two_columns_make_a_picture_and_others_do_not() -> None:
    result = response(ANSWER).result
    spec: Any = results.spec_of(result)
    assert (spec["mark"]["type"], spec["data"]["values"][0]) == ("bar", {"key": "Graz", "value": 40})
    result.columns[0].type = "Nullable(DateTime)"
    dated: Any = results.spec_of(result)
    assert (dated["mark"]["type"], dated["encoding"]["x"]["type"]) == ("line", "temporal")
    assert results.spec_of(query_pb2.Result(columns=result.columns)) is None
    result.rows[0].values[1].string_value = "no figure"
    assert results.spec_of(result) is None
