"""Commands that answer with rows: ask and query."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aidatalabs_services.cli.durations import seconds_of
from aidatalabs_services.cli.failures import CommandFailed, run
from aidatalabs_services.cli.forms import RowsOutput, as_it_is
from aidatalabs_services.cli.options import Platform, RowsForm, platform_or_default
from aidatalabs_services.cli.screen import console, notes, print_json, print_sql, size_text

if TYPE_CHECKING:
    from aidatalabs.agent.v1 import agent_service_pb2 as agent_pb
    from aidatalabs.data.v1 import data_service_pb2 as data_pb
    from aidatalabs.data.v1 import query_pb2

_SHOWN_ROWS = 50
_NO_ROWS_EXIT = 9
_LONGEST_FILE_BYTES = 64 * 1024


def add_to(app: typer.Typer) -> None:
    """Adds these commands to the program."""
    for command in (ask, query):
        app.command()(command)


def _checked_picture(path: Path | None) -> Path | None:
    from aidatalabs_services.cli.pictures import ENDINGS

    if path is not None and path.suffix.lower() not in ENDINGS:
        raise typer.BadParameter(f"its ending should be one of {', '.join(ENDINGS)}")
    if path is not None and not path.absolute().parent.is_dir():
        raise typer.BadParameter(f"{path.parent} is no folder to write to")
    return path


Picture = Annotated[
    Path | None,
    typer.Option(
        "--chart",
        metavar="FILE",
        dir_okay=False,
        callback=_checked_picture,
        help="Save the chart: .png, .svg, .html or .json (its Vega-Lite spec).",
    ),
]
MaxRows = Annotated[int, typer.Option(help="At most this many rows, up to 10,000; 0: 1,000.")]
MaxSeconds = Annotated[
    float, typer.Option(min=0.0, help="Stop the query after this many seconds; 0: the service's limit.")
]
MaxStaleness = Annotated[
    str, typer.Option(metavar="AGE", help="Also take rows kept for up to this long: 30s, 5m, 1h.")
]


def ask(
    question: str,
    platform: Platform = "",
    chart: Picture = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also print how the question was read, and the proof.")
    ] = False,
    max_rows: MaxRows = 0,
    model: Annotated[
        str,
        typer.Option(
            metavar="ALIAS",
            help="Let a model read the question, such as claude, where the operator has configured it; "
            "offline is the planner.",
        ),
    ] = "",
    conversation: Annotated[
        str,
        typer.Option(
            metavar="ID", help='Go on with a conversation: "only for Graz", "and by month?", "top 5", "why?".'
        ),
    ] = "",
    output: RowsForm = RowsOutput.TABLE,
) -> None:
    """Ask a question in plain words. One with several readings is asked back (exit code 9): choose by number.

    Example: aidatalabs ask "top 10 destinations by number of flights" --chart destinations.png
    """

    async def work() -> None:
        from aidatalabs_services.cli.answers import chart_of, print_answer

        options = {"max_rows": max_rows, "model": model, "conversation": conversation}
        answer = await _answer(question, platform, options, choosing=output is RowsOutput.TABLE)
        if output is RowsOutput.JSON:
            print_json(answer)
        elif output is RowsOutput.CSV:
            _print_rows_alone(answer)
        else:
            print_answer(answer, explained=explain, platform=platform, model=model)
        if answer.HasField("clarification"):
            raise typer.Exit(_NO_ROWS_EXIT)  # it is not answered, in whatever form that is told
        _save(chart_of(answer), chart, quietly=output is not RowsOutput.TABLE)

    run(work())


async def _answer(
    question: str, platform: str, options: Mapping[str, Any], *, choosing: bool
) -> agent_pb.QueryResponse:
    from aidatalabs_services.cli.asking import answered, somebody_can_choose
    from aidatalabs_services.cli.connection import connect

    async with await connect() as client:
        name = platform_or_default(platform)
        chooses = choosing and somebody_can_choose()
        return await answered(client, name, question, choosing=chooses, **options)


def _print_rows_alone(answer: agent_pb.QueryResponse) -> None:
    """The rows as CSV. Raises CommandFailed where there are none, since the question is asked back."""
    from aidatalabs_services.cli.results import print_result_csv

    if not answer.HasField("clarification"):
        print_result_csv(answer.result)
        return
    choices = [f'  "{choice.question}"' for choice in answer.clarification.choices]
    hint = "\n".join(["Ask one of these instead:", *choices])
    raise CommandFailed(answer.clarification.question, hint, _NO_ROWS_EXIT)


def query(
    sql: Annotated[str, typer.Argument(help="One SELECT.")] = "",
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", "-f", metavar="FILE", help="Read the SELECT from a file; - is standard input."
        ),
    ] = None,
    platform: Platform = "",
    max_rows: MaxRows = 0,
    max_seconds: MaxSeconds = 0.0,
    max_staleness: MaxStaleness = "",
    max_relative_error: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=0.1,
            help="Let a roll-up answer within this; 1e-6 for sums of fractions, 0.01 for quantiles.",
        ),
    ] = 0.0,
    raw: Annotated[
        bool, typer.Option("--raw", help="Read the rows even where a roll-up would serve.")
    ] = False,
    chart: Picture = None,
    output: RowsForm = RowsOutput.TABLE,
) -> None:
    """Run one SELECT. A key and a number are also drawn, where a terminal reads it or --chart asks for it.

    Example: aidatalabs query "SELECT carrier, count() FROM flights GROUP BY carrier" --output csv
    """
    if bool(sql.strip()) == (file is not None):
        raise typer.BadParameter("give the SELECT, or --file FILE", param_hint="SQL")
    text = sql if file is None else _text_of(file)
    staleness = seconds_of(max_staleness) if max_staleness else 0.0

    async def work() -> None:
        from aidatalabs_services.cli.results import print_result_csv, spec_of

        options = {
            "max_rows": max_rows,
            "max_seconds": max_seconds,
            "max_staleness": staleness,
            "max_relative_error": max_relative_error,
            "exclude_rollups": raw,
        }
        answer = await _rows(text, platform, options)
        spec = spec_of(answer.result)
        if output is RowsOutput.JSON:
            print_json(answer)
        elif output is RowsOutput.CSV:
            print_result_csv(answer.result)
        else:
            _print_rows(answer, text if file is not None else "", spec, max_rows)
        _save(spec, chart, quietly=output is not RowsOutput.TABLE)

    run(work())


async def _rows(sql: str, platform: str, options: Mapping[str, Any]) -> data_pb.QueryResponse:
    from aidatalabs_services.cli.connection import connect

    async with await connect() as client:
        name = platform_or_default(platform)
        with notes.status("the engine is running it"):
            found = await client.query(name, sql, **options)
    return found.message


def _print_rows(
    answer: data_pb.QueryResponse, sql: str, spec: Mapping[str, Any] | None, max_rows: int
) -> None:
    from aidatalabs_services.cli.answers import print_picture
    from aidatalabs_services.cli.results import print_result

    if sql and console.is_terminal:
        print_sql(sql.strip())
        console.print()
    print_result(answer.result, shown_rows=max_rows or _SHOWN_ROWS)
    if console.is_terminal:
        print_picture(spec)
    console.print(f"[dim]{_cost_text(answer.statistics)}[/]")


def _cost_text(cost: query_pb2.QueryStatistics) -> str:
    text = f"read {cost.read_rows:,} rows in {cost.elapsed_seconds:.3f} s"
    if cost.cached:
        text = f"kept since a query that {text}"
        if cost.age_seconds:
            text += f"; at most {cost.age_seconds:.0f} s old"
    if cost.rollup:
        text += f", served from {cost.rollup}"
        if cost.rollup_lag_seconds:
            newer = "without" if cost.age_seconds else "and"
            text += f" {newer} the rows of the last {cost.rollup_lag_seconds:.1f} s"
    if cost.HasField("budget_left_rows"):
        text += f"; {cost.budget_left_rows:,} rows left today"
    return text


def _text_of(file: Path) -> str:
    """The SQL in a file. Raises typer.BadParameter where it cannot be one."""
    try:
        if str(file) == "-":
            content = sys.stdin.buffer.read(_LONGEST_FILE_BYTES + 1)
        else:
            with file.open("rb") as opened:
                content = opened.read(_LONGEST_FILE_BYTES + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise typer.BadParameter(f"{file.name}: {error.strerror}", param_hint="--file") from None
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file.name} is no text in UTF-8", param_hint="--file") from None
    if len(content) > _LONGEST_FILE_BYTES or not text.strip():
        told = "is empty" if not text.strip() else "is longer than a query may be"
        raise typer.BadParameter(f"{file.name} {told}", param_hint="--file")
    return text


def _save(spec: Mapping[str, Any] | None, path: Path | None, *, quietly: bool) -> None:
    """Saves the picture where one is asked for and says so, beside rows that a script reads on stderr.

    Raises CommandFailed where there is no picture to save.
    """
    if path is None:
        return
    from aidatalabs_services.cli.pictures import save_picture

    if spec is None:
        told = f"There is no chart to save, so {as_it_is(path.name)} was not written."
        raise CommandFailed(told, "Ask for a figure by group or over time.", _NO_ROWS_EXIT)
    byte_count = save_picture(spec, path)
    (notes if quietly else console).print(f"[dim]{size_text(byte_count)} written to {as_it_is(str(path))}[/]")
