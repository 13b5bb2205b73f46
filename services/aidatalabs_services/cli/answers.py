"""An answer on the terminal: the sentence, the SQL, the rows, a small picture, and the proof."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aidatalabs_services.cli.forms import as_it_is
from aidatalabs_services.cli.results import print_result
from aidatalabs_services.cli.screen import console, picture_width, print_fields, print_sql, size_text

if TYPE_CHECKING:
    from aidatalabs.agent.v1 import agent_service_pb2 as agent_pb
    from aidatalabs.agent.v1 import answer_pb2


def print_answer(
    answer: agent_pb.QueryResponse, *, explained: bool = False, platform: str = "", model: str = ""
) -> None:
    """Prints the sentence, the SQL, the rows, a picture and what was read; or the question back.

    `explained` adds how the question was read, and the whole proof. `platform` and `model` are what the
    command was told, so that what it says to ask next goes to the same ones.
    """
    if answer.model.problem:
        console.print(f"[yellow]{as_it_is(answer.model.note)}[/] The planner read the question.\n")
    if answer.HasField("clarification"):
        print_clarification(answer.clarification, platform, model)
        return
    console.print(f"[bold]{as_it_is(answer.answer)}[/]\n")
    if explained:
        for line in answer.explanation:
            console.print(f"  [cyan]•[/] {as_it_is(line)}")
        console.print()
    print_sql(answer.sql)
    console.print()
    print_result(answer.result)
    print_picture(chart_of(answer))
    if explained:
        console.print()
        print_fields(proof_fields(answer.proof))
        return
    proof = answer.proof
    console.print(
        f"\n[dim]read {proof.read_rows:,} rows · {size_text(proof.read_bytes)} · by {proof.produced_by}"
        f" · sql {proof.sql_sha256[:12]} · result {proof.result_sha256[:12]}[/]"
    )
    if answer.conversation and console.is_terminal:
        console.print(f"[dim]go on with: aidatalabs ask … --conversation {answer.conversation}[/]")


def print_clarification(clarification: answer_pb2.Clarification, platform: str = "", model: str = "") -> None:
    """Prints the question back and, for each reading, the command that asks it."""
    console.print(f"[bold]{as_it_is(clarification.question)}[/]")
    for number, choice in enumerate(clarification.choices, 1):
        console.print(f"  [cyan]{number}[/] {as_it_is(choice.label)}")
        place = f" --platform {shlex.quote(platform)}" if platform else ""
        place += f" --model {shlex.quote(model)}" if model else ""
        command = f"aidatalabs ask {shlex.quote(choice.question)}{place}"
        console.print(f"    [dim]ask:[/] {as_it_is(command)}")


def print_picture(spec: Mapping[str, Any] | None) -> None:
    """Prints a chart's small picture below an empty line; nothing where text cannot show it."""
    from aidatalabs_services.cli.screen import speaks_unicode
    from aidatalabs_services.cli.terminal_charts import draw

    lines = draw(spec, picture_width(), blocks=speaks_unicode()) if spec else []
    if lines:
        console.print()
    for line in lines:
        console.print(line, no_wrap=True, crop=False)


def chart_of(answer: agent_pb.QueryResponse) -> dict[str, Any] | None:
    """The answer's Vega-Lite spec as plain data, whole numbers as such; None where it has no chart."""
    if not answer.HasField("chart"):
        return None
    from aidatalabs_services.cli.screen import as_rest_writes

    spec = as_rest_writes(answer.chart)
    return spec if isinstance(spec, dict) else None


def proof_fields(proof: answer_pb2.Proof) -> dict[str, str]:
    """The proof, one line of text for each thing in it that is set, but for the SQL, which is printed as
    such, and the plan, whose plain sentences are the explanation; `--output json` has both.
    """
    from aidatalabs_services.cli.screen import as_rest_writes

    fields = as_rest_writes(proof)
    found = fields.items() if isinstance(fields, dict) else ()
    return {name: _proof_text(name, value) for name, value in found if name not in ("sql", "plan") and value}


def _proof_text(name: str, value: Any) -> str:
    """Lists as they are read, figures with separators; columns as `table.column`."""
    if isinstance(value, list):
        joint = ": " if value and isinstance(value[0], dict) and "made_by" in value[0] else "."
        items = [
            joint.join(map(str, item.values())) if isinstance(item, dict) else str(item) for item in value
        ]
        return ", ".join(items)
    if name.endswith(("_rows", "_bytes")):
        return f"{int(value):,}"
    return str(value)
