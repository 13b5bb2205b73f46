"""The engine that right answers and given ones are run on: chdb in a child process, one database at a time.

The child is this module run as a program: it is told a folder, then one statement a line, and writes a line
of JSON for each. A statement that hangs or kills it costs that answer alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlglot import TokenType
from sqlglot.dialects.clickhouse import ClickHouse

_ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 60.0
_SETTINGS = {
    "session_timezone": "'UTC'",
    "max_threads": "2",
    "max_execution_time": "30",
    "max_result_rows": "200000",
    "max_memory_usage": "6000000000",
    "output_format_json_quote_64bit_integers": "0",
    "output_format_json_quote_denormals": "0",
}


@dataclass(frozen=True)
class Result:
    """The columns' names and types, and the rows as JSON has them; `error` where the engine refused."""

    names: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    error: str = ""


class Engine:
    """One of a pack's databases, to be asked; started at the first statement, and again after a crash.

    `is_reversed`: the rows are stored in the opposite order, so that what hangs on their order shows.
    """

    def __init__(self, folder: Path, is_reversed: bool = False) -> None:
        self._folder = folder
        self._is_reversed = is_reversed
        self._child: subprocess.Popen[str] | None = None

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None:
            self._child.communicate()

    def run(self, sql: str) -> Result:
        """What a statement gives. Raises RuntimeError where the database cannot be loaded."""
        child = self._child or self._started()
        assert child.stdin is not None
        assert child.stdout is not None
        alarm = threading.Timer(_SECONDS, child.kill)
        alarm.start()
        try:
            child.stdin.write(json.dumps(sql) + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            alarm.cancel()
        if not line:
            child.kill()
            child.wait()
            self._child = None
            return Result(error="The engine stopped, or took too long.")
        told = json.loads(line)
        if "error" in told:
            return Result(error=told["error"])
        names, types = zip(*((one["name"], one["type"]) for one in told["meta"]), strict=True)
        return Result(names, types, tuple(tuple(row) for row in told["data"]))

    def _started(self) -> subprocess.Popen[str]:
        order = "reversed" if self._is_reversed else "as it is"
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.questions.engine", str(self._folder.absolute()), order],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._child.stdout is not None
        if self._child.stdout.readline().strip() != "ready":
            self._child.wait()
            raise RuntimeError(f"the database in {self._folder} cannot be loaded")
        return self._child


def _serve(folder: Path, is_reversed: bool) -> None:
    from chdb import session

    with tempfile.TemporaryDirectory(prefix="questions-") as scratch:
        engine: Any = session.Session(scratch)  # type: ignore[no-untyped-call]
        for name, value in _SETTINGS.items():
            engine.query(f"SET {name} = {value}")
        _load(engine, folder, is_reversed)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        for line in sys.stdin:
            try:
                found = json.loads(str(engine.query(json.loads(line), "JSONCompact")))
                told = {"meta": found["meta"], "data": found["data"]}
            except Exception as error:  # noqa: BLE001 - whatever the engine says is the answer
                told = {"error": str(error)[:600]}
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()
        engine.close()


def _load(engine: Any, folder: Path, is_reversed: bool) -> None:
    about = json.loads((folder / "db.json").read_text())
    database = about["clickhouse_database"]
    for statement in _statements((folder / "schema.sql").read_text()):
        engine.query(statement)
    order = " ORDER BY rowNumberInAllBlocks() DESC" if is_reversed else ""
    for table in about["tables"]:
        rows = f"SELECT * FROM file('{folder / table['file']}', Parquet){order}"
        engine.query(f"INSERT INTO `{database}`.`{table['name']}` {rows}")
    engine.query(f"USE `{database}`")


def _statements(script: str) -> list[str]:
    """The statements of a script as they are written there."""
    ends = [one.start for one in ClickHouse().tokenize(script) if one.token_type is TokenType.SEMICOLON]
    pieces = [script[begin:end] for begin, end in zip([0, *(one + 1 for one in ends)], ends, strict=False)]
    return [piece.strip() for piece in [*pieces, script[ends[-1] + 1 if ends else 0 :]] if piece.strip()]


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), sys.argv[2] == "reversed")
