"""Commands about rejected rows: list them, send them again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from aidatalabs_services.cli.durations import seconds_of
from aidatalabs_services.cli.failures import run
from aidatalabs_services.cli.forms import Output, RowsOutput
from aidatalabs_services.cli.options import Form, Platform, RowsForm, platform_or_default
from aidatalabs_services.cli.screen import console, print_json, print_table

if TYPE_CHECKING:
    from datetime import datetime

    from aidatalabs.data.v1 import data_service_pb2

app = typer.Typer(
    help="Rows that ingest rejected: list them, send them again.\n\n"
    "Example: aidatalabs dead-letters list --table orders",
    no_args_is_help=True,
)
_COLUMNS = ["id", "rejected_at", "table_name", "reason", "message", "row_json", "replayed_at"]
_LONGEST_ROW = 60

Table = Annotated[str, typer.Option(help="Only those for this table.")]
Reason = Annotated[str, typer.Option(help="Only those rejected for this reason, as VALUE_INVALID.")]
Since = Annotated[str, typer.Option(help="Only those rejected within this time: 30m, 6h, 7d.")]


@app.command("list")
def show(
    table: Table = "",
    reason: Reason = "",
    since: Since = "",
    replayed: Annotated[bool, typer.Option("--replayed", help="Also those that were replayed.")] = False,
    max_rows: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many.")] = 100,
    platform: Platform = "",
    output: RowsForm = RowsOutput.TABLE,
) -> None:
    """List rejected rows with their reason, the latest first; they are the table dead_letters.

    Example: aidatalabs dead-letters list --table orders --since 1d
    """
    sql = _select(table, reason, since, replayed=replayed)

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect
        from aidatalabs_services.cli.results import print_result_csv

        async with await connect() as client:
            found = await client.query(platform_or_default(platform), sql, max_rows=max_rows)
        if output is RowsOutput.JSON:
            print_json(found.message)
        elif output is RowsOutput.CSV:
            print_result_csv(found.message.result)
        else:
            print_table(_COLUMNS, [list(map(_short, row.values())) for row in found.rows()])

    run(work())


@app.command()
def replay(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Only these.")] = None,
    table: Table = "",
    reason: Reason = "",
    since: Since = "",
    platform: Platform = "",
    output: Form = Output.TABLE,
) -> None:
    """Send rejected rows through ingest again, all that are chosen; each is stored at most once.

    Example: aidatalabs dead-letters replay --table orders --reason COLUMN_NOT_KNOWN
    """

    async def work() -> None:
        from aidatalabs.data.v1 import data_service_pb2
        from aidatalabs_services.cli.connection import connect

        whole, start_time = data_service_pb2.ReplayDeadLettersResponse(), _moment(since)
        async with await connect() as client:
            while True:
                page = await client.replay_dead_letters(
                    platform_or_default(platform),
                    table=table,
                    reason=reason,
                    start_time=start_time,
                    ids=ids or (),
                    page_size=1000,
                    page_token=whole.next_page_token,
                )
                _add(whole, page)
                if not page.next_page_token:
                    break
        _tell(whole, output)

    run(work())


def _add(
    whole: data_service_pb2.ReplayDeadLettersResponse, page: data_service_pb2.ReplayDeadLettersResponse
) -> None:
    whole.accepted_count += page.accepted_count
    whole.rejected_count += page.rejected_count
    whole.gone_count += page.gone_count
    whole.rejected.extend(page.rejected[: max(0, 100 - len(whole.rejected))])
    whole.next_page_token = page.next_page_token


def _tell(whole: data_service_pb2.ReplayDeadLettersResponse, output: Output) -> None:
    if output is Output.JSON:
        print_json(whole)
        return
    gone = f", {whole.gone_count:,} not there" if whole.gone_count else ""
    console.print(f"{whole.accepted_count:,} rows taken, {whole.rejected_count:,} rejected again{gone}")
    if whole.rejected:
        print_table(
            ["id", "reason", "message"], [[each.id, each.reason, each.message] for each in whole.rejected]
        )


def _select(table: str, reason: str, since: str, *, replayed: bool) -> str:
    parts = [] if replayed else ["replayed_at IS NULL"]
    if table:
        parts.append(f"table_name = {_text(table)}")
    if reason:
        parts.append(f"reason = {_text(reason)}")
    if since:
        parts.append(f"rejected_at >= toDateTime({int(time.time() - seconds_of(since))})")
    where = f" WHERE {' AND '.join(parts)}" if parts else ""
    return f"SELECT {', '.join(_COLUMNS)} FROM dead_letters{where} ORDER BY id DESC"  # noqa: S608 - quoted


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _moment(since: str) -> datetime | None:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(time.time() - seconds_of(since), UTC) if since else None


def _short(cell: object) -> str:
    text = "" if cell is None else str(cell)
    return text if len(text) <= _LONGEST_ROW else f"{text[: _LONGEST_ROW - 1]}…"
