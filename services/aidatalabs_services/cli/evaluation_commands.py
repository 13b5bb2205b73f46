"""The command that asks the questions of a pack: eval."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aidatalabs_services.cli.evaluation_report import HEADINGS, Asked, Figures, Line, table_rows
from aidatalabs_services.cli.failures import CommandFailed, run
from aidatalabs_services.cli.forms import Output, as_it_is
from aidatalabs_services.cli.options import Form
from aidatalabs_services.cli.screen import console, notes, print_data, print_table

if TYPE_CHECKING:
    from aidatalabs_services.agent.models.models import Models
    from aidatalabs_services.cli.connection import Access
    from aidatalabs_services.cli.evaluation import OnLine
    from aidatalabs_services.cli.question_packs import Pack

_NOT_CONFIGURED_EXIT = 9


class Model(StrEnum):
    """What makes the SQL: the planner, which needs no network, or a model."""

    OFFLINE = "offline"
    CLAUDE = "claude"
    GPT4 = "gpt4"
    GLM5 = "glm5"


def add_to(app: typer.Typer) -> None:
    """Adds this command to the program."""
    app.command("eval")(evaluate_pack)


def evaluate_pack(
    pack: Annotated[Path, typer.Argument(metavar="PACK_DIR", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option("--out", dir_okay=False, metavar="FILE.jsonl", help="The answers.")],
    model: Annotated[Model, typer.Option(help="What makes the SQL; offline is the planner.")] = Model.OFFLINE,
    output: Form = Output.TABLE,
) -> None:
    """Ask every question of a pack and write one line each: its SQL, or why it was refused.

    It tells how many were answered, put back and refused, and how long planning and whole answers took.
    Whether answers are right is not its business: it never reads what a pack says about that.

    The pack holds pack.json (name and the clock `now`), questions.jsonl (id, db, question) and
    databases/DB (schema.sql, db.json, Parquet files). Its databases become scratch platforms of the mesh that
    is up, or of one started for it, and are deleted again.

    Example: aidatalabs eval packs/shop --out answers.jsonl
    """

    async def work() -> None:
        from aidatalabs_services.cli.evaluation import evaluate, write_lines
        from aidatalabs_services.cli.mesh_commands import show_event
        from aidatalabs_services.cli.question_packs import Pack as Packed
        from aidatalabs_services.cli.scratch_meshes import in_a_mesh

        models = _configured(model)
        read = Packed.read(pack)
        if not out.absolute().parent.is_dir():
            raise CommandFailed(f"{out.parent} is no folder to write to.", "Make it, or choose another.")
        meshes: list[str] = []

        async def ask_all(found: Access) -> list[Asked]:
            with _progress(read) as on_line:
                return await evaluate(found, read, on_line, model=model.value, models=models)

        asked = await in_a_mesh(ask_all, meshes.append, show_event(notes))
        write_lines([one.line for one in asked], out)
        _tell(asked, read, meshes[0], out, output)

    run(work())


def _configured(model: Model) -> Models:
    """The models of `AIDATALABS_AGENT_MODELS`. Raises CommandFailed where `model` is none of them."""
    from aidatalabs_services.agent.adapters.configured_models import configured_models
    from aidatalabs_services.agent.bootstrap import utc_now
    from aidatalabs_services.agent.models.models import NO_MODELS
    from aidatalabs_services.agent.settings import AgentSettings
    from aidatalabs_services.runtime.errors import ServiceError
    from aidatalabs_services.runtime.settings import SettingsInvalid, load_settings

    if model is Model.OFFLINE:
        return NO_MODELS

    class InThisProcess(AgentSettings):
        """The agent's settings without the addresses that only its service needs."""

        listen_address: str = "127.0.0.1:0"
        jwks_url: str = "http://127.0.0.1:0"
        data_address: str = "127.0.0.1:0"

    try:
        models = configured_models(load_settings(InThisProcess), utc_now)
        models.named(model.value)
    except SettingsInvalid as error:
        raise CommandFailed(str(error), "Mend them, see docs/models.md.") from None
    except ServiceError as error:
        told = "Set AIDATALABS_AGENT_MODELS, see docs/models.md, or leave --model out: the planner answers."
        raise CommandFailed(
            error.message, told, _NOT_CONFIGURED_EXIT, code="FAILED_PRECONDITION", reason=error.reason
        ) from None
    return models


@contextlib.contextmanager
def _progress(pack: Pack) -> Iterator[OnLine]:
    """A bar over all questions where there is a terminal; it says which database is asked."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as progress:
        task = progress.add_task("", total=len(pack.questions))

        def on_line(db: str, line: Line | None) -> None:
            progress.update(task, description=as_it_is(db), advance=0 if line is None else 1)

        yield on_line


def _tell(asked: list[Asked], pack: Pack, mesh: str, out: Path, output: Output) -> None:
    figures = Figures.of(asked)
    if output is Output.JSON:
        print_data({"pack": pack.name, "file": str(out), "mesh": mesh, **figures.as_data()})
        return
    told = "".join(f" · {count} {reason}" for reason, count in figures.refused_counts.items())
    if figures.model_problems:
        whys = ", ".join(f"{count} {problem}" for problem, count in figures.model_problems.items())
        console.print(
            f"[yellow]{sum(figures.model_problems.values())} were the planner's: the model failed ({whys})[/]"
        )
    console.print(f"[bold]{len(asked)}[/] questions of {as_it_is(pack.name)}, asked in {as_it_is(mesh)}")
    console.print(f"{figures.answered_count} answered{told} · median {figures.median_ms:.0f} ms")
    print_table(HEADINGS, table_rows(asked))
    console.print(f"written to {as_it_is(str(out))}")
