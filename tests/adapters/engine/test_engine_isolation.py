"""No bytes of one query in another's answer, no way out of the engine's own directory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from aidatalabs_services.data.engine.limits import MIB, EngineLimits
from aidatalabs_services.data.engine.process import EngineProcess
from tests.adapters.engine.running import Loop, sync_client

SECRET = "'SECRET-' || toString(number)"
FAILURES: list[tuple[str, dict[str, object]]] = [
    (f"SELECT {SECRET}, throwIf(number = 90000) FROM numbers(100000)", {"max_threads": 1}),
    (f"SELECT {SECRET} FROM numbers(100000)", {"max_result_rows": 70000, "result_overflow_mode": "throw"}),
    (
        f"SELECT {SECRET}, sleepEachRow(0.01) FROM numbers(1000)",
        {"max_execution_time": 0.05, "max_block_size": 2},
    ),
    (f"SELECT {SECRET} FROM numbers(100000); SELECT nope", {}),
    (f"SELECT {SECRET}, toUInt8(if(number = 90000, 'x', '1')) FROM numbers(100000)", {}),
    (
        f"SELECT {SECRET}, groupArray(number) FROM numbers(1000000) GROUP BY number",
        {"max_memory_usage": 20_000_000},
    ),
]


def test_500_failing_queries_leave_nothing_in_the_next_answer(engine: EngineProcess) -> None:
    wrong: list[object] = []
    unfailed: list[str] = []

    def pairs(seed: int) -> None:
        client = sync_client(engine.address)
        for turn in range(seed, 500, 5):
            sql, settings = FAILURES[turn % len(FAILURES)]
            try:
                if turn % 2:
                    with client.query_row_block_stream(sql, settings=settings) as stream:
                        for _ in stream:
                            pass
                else:
                    client.raw_query(sql, settings=settings, fmt=("CSV", "JSONEachRow", "Native")[turn % 3])
                unfailed.append(sql)
            except (DatabaseError, StreamFailureError):
                pass
            canary = client.raw_query(f"SELECT {turn}", fmt="CSV")
            if canary != b"%d\n" % turn:
                wrong.append(canary[:100])
        client.close()

    threads = [threading.Thread(target=pairs, args=(seed,)) for seed in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert not unfailed


@pytest.fixture(scope="module")
def neighbour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("neighbour") / "rows.csv"
    path.write_text("another tenant's rows\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("sql", "codes"),
    [
        ("SELECT file('{path}')", {497}),
        ("SELECT FiLe /* x */ ('{path}')", {497}),
        ("SELECT `file`('{path}')", {497}),
        ("SELECT file\u200b('{path}')", {62, 497}),
        ("SELECT file\u3000('{path}')", {62, 497}),
        ("SELECT file\u00a0//\n('{path}')", {62, 497}),
        ("SELECT \"file\"('{path}')", {497}),
        ("SELECT * FROM file('{path}', 'CSV', 'a String')", {497}),
        ("SELECT * FROM url('http://127.0.0.1:1/x', 'CSV', 'a String')", {497}),
        ("SELECT * FROM remote('127.0.0.1:1', system.one)", {497}),
        ("SELECT * FROM s3('http://127.0.0.1:1/bucket/x.csv', 'CSV', 'a String')", {497}),
        ("SELECT * FROM executable('ls', 'CSV', 'a String')", {1, 497}),
        ("SELECT 1 INTO OUTFILE '{path}.out'", {358}),
        ("EXPLAIN SELECT 1 INTO OUTFILE '{path}.out'", {358}),
        ("(SELECT 1 INTO OUTFILE '{path}.out')", {62}),
        ("INSERT INTO gate FROM INFILE '{path}' FORMAT CSV", {344}),
        ("INSERT INTO gate (s) /* */ FROM INFILE '{path}' COMPRESSION 'none' FORMAT CSV", {344}),
        ("INSERT INTO FUNCTION file('{path}.out', 'CSV', 'a String') VALUES ('x')", {497}),
        ("CREATE TABLE leak (a String) ENGINE=File(CSV, '{path}')", {497}),
        ("CREATE TABLE leak (a String) ENGINE=URL('http://127.0.0.1:1/', CSV)", {497}),
        ("ATTACH TABLE leak FROM '{path}' (a String) ENGINE=MergeTree ORDER BY a", {344}),
        ("BACKUP DATABASE analytics TO File('{path}.zip')", {344, 497}),
        ("CREATE USER intruder", {497}),
        ("CREATE FUNCTION f AS (x) -> x", {497}),
        ("SYSTEM SHUTDOWN", {497}),
        ("SELECT 1; SELECT 2", {62}),
        ("SELECT 1; DROP TABLE gate", {62}),
        ("SELECT 1;\nnonsense", {62}),
        ("SET max_threads = 1", {344}),
        ("USE system", {344}),
        ("CREATE TEMPORARY TABLE lost (a UInt8)", {344}),
        ("EXECUTE AS other SELECT 1", {344}),
        ("", {62}),
        (";", {62}),
        ("-- nothing", {62}),
        ("SELECT '\0'", {62}),
    ],
)
def test_way_out_is_refused(client: Client, neighbour: Path, sql: str, codes: set[int]) -> None:
    client.command("CREATE TABLE IF NOT EXISTS gate (s String) ENGINE=MergeTree ORDER BY s")
    with pytest.raises(DatabaseError) as refused:
        client.raw_query(sql.replace("{path}", str(neighbour)))
    assert refused.value.code in codes
    assert [path.name for path in neighbour.parent.iterdir()] == [neighbour.name]
    assert client.command("SELECT count() FROM gate") == 0


def test_words_of_the_gate_are_free_inside_strings_names_and_comments(client: Client) -> None:
    sql = "SELECT 'a; INTO OUTFILE ''x'' file(1)' AS infile, 1 AS file /* ; FROM INFILE 'x' */ -- ; SET x=1"
    assert client.query(sql).result_rows == [("a; INTO OUTFILE 'x' file(1)", 1)]


def test_kernel_denies_what_the_gate_would_let_through(engine: EngineProcess, neighbour: Path) -> None:
    """The layers below the gate, looked at from inside: with the gate lifted file() still reads nothing."""
    if not all(state.startswith("on") for state in engine.layers.values()):
        pytest.skip(f"this kernel lacks a layer: {engine.layers}")
    program = f"""
import sys
from pathlib import Path
from aidatalabs_services.data.engine import sandbox
from aidatalabs_services.data.engine.limits import EngineLimits
home = Path(sys.argv[1])
import os
os.chdir(home)
os.environ['TMPDIR'] = str(home)
sandbox.deny_system_calls(); sandbox.keep_to_libraries(home)
from aidatalabs_services.data.engine.storage import Storage
from aidatalabs_services.data.engine.faults import EngineFault
storage = Storage.open(home, EngineLimits())
sandbox.keep_to_directory(home)
for sql in ["SELECT file('{neighbour}')", "SELECT file('/proc/self/environ')", "SELECT file('/etc/passwd')",
            "SELECT 1 INTO OUTFILE '{neighbour}.out'"]:
    try:
        with storage.connection() as connection:
            print('READ', connection.query(sql).bytes())
    except EngineFault as fault:
        print('DENIED', fault.code)
import socket, subprocess
for act in [lambda: socket.socket(), lambda: subprocess.run(['/bin/true']), lambda: os.listdir('/home')]:
    try:
        act(); print('DONE')
    except PermissionError:
        print('DENIED')
with storage.connection() as connection:
    connection.query('CREATE TABLE analytics.t (a UInt8) ENGINE=MergeTree ORDER BY a')
    connection.query('INSERT INTO analytics.t SELECT 1')
    print('ROWS', connection.query('SELECT count() FROM analytics.t').bytes())
os._exit(0)
"""
    home = neighbour.parent / "home"
    home.mkdir()
    try:
        run = subprocess.run(
            [sys.executable, "-I", "-u", "-c", program, str(home)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        import shutil

        shutil.rmtree(home)
    lines = run.stdout.splitlines()
    assert len(lines) == 8, run.stderr
    assert all(line.startswith("DENIED") for line in lines[:7]), lines
    assert lines[7] == "ROWS b'1\\n'"


def test_engine_has_no_secret_in_its_environment_or_command_line(engine: EngineProcess) -> None:
    for name in ("environ", "cmdline"):
        assert engine.password.encode() not in Path(f"/proc/{engine.pid}/{name}").read_bytes()
    environ = Path(f"/proc/{engine.pid}/environ").read_bytes()
    assert b"PATH=" not in environ
    assert os.environ.get("HOME", "/root").encode() not in environ
    for path in engine.directory.rglob("*"):
        if path.is_file():
            assert engine.password.encode() not in path.read_bytes()


def test_other_engine_is_out_of_reach(
    engine: EngineProcess, new_engine: Callable[[Path], EngineProcess], tmp_path: Path, loop_thread: Loop
) -> None:
    other = new_engine(tmp_path / "other")
    try:
        sync_client(other.address).command("CREATE TABLE private (s String) ENGINE=MergeTree ORDER BY s")
        mine = sync_client(engine.address)
        with pytest.raises(DatabaseError) as missing:
            mine.query("SELECT * FROM private")
        assert missing.value.code == 60
        with pytest.raises(DatabaseError) as stranger:
            sync_client(type(engine.address)(other.host, other.port, engine.password))
        assert stranger.value.code == 516
    finally:
        loop_thread.run(other.stop())


def test_engine_serves_without_capabilities_and_without_a_network(engine: EngineProcess) -> None:
    for name in ("network", "capabilities"):
        if not engine.layers[name].startswith("on"):
            pytest.skip(f"this kernel lacks a layer: {engine.layers}")
    status = Path(f"/proc/{engine.pid}/status").read_text(encoding="ascii")
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert facts["NoNewPrivs"] == "1"
    if engine.layers["capabilities"].endswith("none kept"):
        assert {facts[name] for name in ("CapPrm", "CapEff", "CapBnd")} == {"0" * 16}
    devices = Path(f"/proc/{engine.pid}/net/dev").read_text(encoding="ascii").splitlines()[2:]
    assert [line.split(":")[0].strip() for line in devices] in ([], ["lo"])
    routes = Path(f"/proc/{engine.pid}/net/route").read_text(encoding="ascii").splitlines()[1:]
    assert routes == []
    assert os.readlink(f"/proc/{engine.pid}/ns/net") != os.readlink("/proc/self/ns/net")


def test_environment_of_the_engine_is_three_fixed_words(
    monkeypatch: pytest.MonkeyPatch,
    new_engine: Callable[[Path], EngineProcess],
    tmp_path: Path,
    loop_thread: Loop,
) -> None:
    """Whatever secrets the service's own environment holds."""
    monkeypatch.setenv("AIDATALABS_DATA_CLICKHOUSE_PASSWORD", "hunter2-of-the-test")
    process = new_engine(tmp_path / "quiet")
    try:
        environ = Path(f"/proc/{process.pid}/environ").read_bytes().rstrip(b"\0").split(b"\0")
        fixed = [b"JE_MALLOC_CONF=dirty_decay_ms:60000", b"LANG=C.UTF-8", b"OMP_NUM_THREADS=1"]
        assert sorted(environ) == fixed
    finally:
        loop_thread.run(process.stop())


def test_queries_that_exceed_the_engines_memory_together_are_refused_and_it_lives(
    new_engine: Callable[[Path], EngineProcess], tmp_path: Path, loop_thread: Loop
) -> None:
    limits = EngineLimits(max_query_memory_bytes=400 * MIB, max_server_memory_bytes=600 * MIB)
    process = loop_thread.run(EngineProcess.start(tmp_path / "small", limits))
    codes: list[int] = []

    def heavy() -> None:
        client = sync_client(process.address)
        try:
            client.query("SELECT length(groupArray(toString(number) || 'x')) FROM numbers(6000000)")
            codes.append(0)
        except DatabaseError as error:
            codes.append(error.code or -1)
        client.close()

    try:
        threads = [threading.Thread(target=heavy) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(codes) <= {0, 241}
        assert 241 in codes
        assert not process.exited.is_set()
        assert sync_client(process.address).command("SELECT 1") == 1
        score = Path(f"/proc/{process.pid}/oom_score_adj").read_text(encoding="ascii")
        assert int(score) >= int(Path("/proc/self/oom_score_adj").read_text(encoding="ascii"))
    finally:
        loop_thread.run(process.stop())


def test_a_further_folder_is_writable_only_where_it_was_named(tmp_path: Path) -> None:
    """Asked of the sandbox itself: no statement of an engine writes outside its folder."""
    home, named, other = tmp_path / "home", tmp_path / "named", tmp_path / "other"
    for folder in (home, named, other):
        folder.mkdir()
    program = f"""
from pathlib import Path
from aidatalabs_services.data.engine import sandbox
print(sandbox.keep_to_directory(Path({str(home)!r}), [Path({str(named)!r})]))
for folder in ({str(home)!r}, {str(named)!r}, {str(other)!r}):
    try:
        Path(folder, 'x').write_text('x')
        print('WRITTEN')
    except PermissionError:
        print('DENIED')
"""
    run = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    if "OSError" in run.stderr:
        pytest.skip("this kernel has no Landlock")
    assert run.stdout.splitlines()[1:] == ["WRITTEN", "WRITTEN", "DENIED"], run.stderr


READER_DENIED = [
    "SELECT count() FROM numbers(3)",
    "SELECT name FROM system.tables",
    "SELECT 'x' IN system.one",
    "SELECT file('x')",
    "SELECT version()",
    "SELECT 1 SETTINGS max_threads = 1",
    "SELECT * APPLY(x -> file(x)) FROM gate",
    "SELECT 1 FROM gate WHERE s IN tables",
    "EXPLAIN SELECT 1",
    "SHOW TABLES",
    "KILL QUERY WHERE 1",
    "SET ROLE owner",
    "INSERT INTO gate VALUES ('x')",
    "DROP TABLE gate",
    "SELECT * FROM `a\n Function b`",
]


@pytest.mark.parametrize("sql", READER_DENIED)
def test_reader_is_denied(client: Client, sql: str) -> None:
    client.command("CREATE TABLE IF NOT EXISTS gate (s String) ENGINE=MergeTree ORDER BY s")
    with pytest.raises(DatabaseError) as refused:
        client.raw_query(sql, settings={"role": "reader"})
    assert refused.value.code in {60, 164, 344, 497}
    assert client.command("SELECT count() FROM gate") == 0


def test_reader_reads_its_platforms_tables_however_it_asks_for_more(client: Client) -> None:
    client.command("CREATE TABLE IF NOT EXISTS read (s String) ENGINE=MergeTree ORDER BY s")
    sql = "SELECT count(), 'file(1)', max(s) FROM read AS r WHERE r.s IN (SELECT s FROM analytics.read)"
    for asked in ({"role": "reader"}, {"role": "reader", "readonly": "0"}):
        assert client.raw_query(sql, settings=asked, fmt="CSV") == b'0,"file(1)",""\n'
    with pytest.raises(DatabaseError) as unknown:
        client.raw_query("SELECT 1", settings={"role": "owner"})
    assert unknown.value.code == 497
