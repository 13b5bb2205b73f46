"""Errors as one JSON object, next steps as commands, and headers that were renamed."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from aidatalabs_client import ApiError, read_file
from aidatalabs_services.cli import ingest_commands
from aidatalabs_services.cli.app import app as program
from aidatalabs_services.cli.failures import run
from aidatalabs_services.cli.forms import Output
from aidatalabs_services.cli.options import Form
from aidatalabs_services.cli.screen import console

_MISSING = ApiError(
    "NOT_FOUND",
    5,
    "There is no platform 'platforms/demo' among those you can see. List yours with GET /api/v1/platforms.",
    "PLATFORM_NOT_FOUND",
    "11111111-2222-4333-8444-555555555555",
    {"platform": "platforms/demo"},
    [("platform", "is not there")],
)


def _refused(*options: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command that the service refuses."""
    app = typer.Typer()

    @app.command()
    def ask(output: Form = Output.TABLE) -> None:
        async def work() -> None:
            raise _MISSING

        run(work())

    result = CliRunner().invoke(app, list(options))
    return result.exit_code, result.stdout, result.stderr


def test_json_output_tells_an_error_as_one_object_on_the_standard_error() -> None:
    code, out, err = _refused("--output", "json")
    assert (code, out) == (5, "")
    error = json.loads(err)["error"]
    assert error["code"] == "NOT_FOUND"
    assert error["reason"] == "PLATFORM_NOT_FOUND"
    assert error["request_id"] == _MISSING.request_id
    assert error["metadata"] == {"platform": "platforms/demo"}
    assert error["violations"] == [{"field": "platform", "description": "is not there"}]
    assert "aidatalabs platforms create" in error["hint"]


@pytest.mark.parametrize("options", [(), ("--output", "json")])
def test_a_missing_platform_leads_to_a_command_not_to_a_rest_path(options: tuple[str, ...]) -> None:
    _, _, err = _refused(*options)
    assert "There is no platform 'platforms/demo' among those you can see." in err
    assert "aidatalabs platforms create" in err
    assert "/api/" not in err


def test_a_command_without_a_running_mesh_tells_it_as_json_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIDATALABS_HOME", str(tmp_path))
    result = CliRunner().invoke(program, ["ask", "how many rows", "--output", "json"])
    error = json.loads(result.stderr)["error"]
    assert result.exit_code != 0
    assert result.stdout == ""
    assert error["message"]
    assert set(error) == {"code", "reason", "message", "request_id", "hint", "metadata", "violations"}


def _packed(folder: Path, ending: str) -> Path:
    text = "\ufeffBooking ID,City,Total (€)\n1,Graz,5\n".encode()
    path = folder / f"bookings{ending}"
    if ending == ".csv.gz":
        path.write_bytes(gzip.compress(text))
    elif ending == ".csv.zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("bookings.csv", text)
    else:
        path.write_bytes(text.replace(b",", b"\t") if ending == ".tsv" else text)
    return path


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz", ".csv.zip"])
def test_renamed_headers_are_told(tmp_path: Path, ending: str) -> None:
    path = _packed(tmp_path, ending)
    with console.capture() as printed:
        ingest_commands.tell_renamed(read_file(path))
    assert (
        printed.get() == "columns were renamed: Booking ID is booking_id, City is city, Total (€) is total\n"
    )


def test_headers_that_kept_their_names_are_not_told(tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    path.write_text("city,total\nGraz,5\n", encoding="utf-8")
    with console.capture() as printed:
        ingest_commands.tell_renamed(read_file(path))
    assert printed.get() == ""
