"""Export on a real engine: files that read back as the rows they came from, refused whole or not at all."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import pytest_asyncio

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs.data.v1 import table_pb2
from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.servers import EmbeddedServers
from aidatalabs_services.data.bootstrap import bootstrap, engine_pool
from aidatalabs_services.runtime.channels import peer_errors
from aidatalabs_services.runtime.errors import ServiceError
from aidatalabs_services.runtime.testing import ALICE, TokenMint, running
from tests.rpc.data.conftest import DEMO, ROLES, VIEWER, Data, settings_in
from tests.rpc.data.test_data_queries import COLUMNS, ROW, create, insert
from tests.rpc.data.test_data_streams import processes, until_stopped

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1024 * 1024
CSV, JSONL = pb.ExportRequest.CSV, pb.ExportRequest.JSONL
PARQUET, ARROW = pb.ExportRequest.PARQUET, pb.ExportRequest.ARROW
TYPES = {
    CSV: ("text/csv; charset=utf-8", "csv"),
    JSONL: ("application/x-ndjson", "jsonl"),
    PARQUET: ("application/vnd.apache.parquet", "parquet"),
    ARROW: ("application/vnd.apache.arrow.stream", "arrows"),
}
# Texts that CSV has to quote, and some that a spreadsheet would take for a formula.
TEXTS = [
    "plain",
    'a "quote"',
    "comma, here",
    "two\nlines",
    "",
    "=1+1",
    "+1",
    "-2",
    "@x",
    " blank ",
    "\\N",
    "é🙂",
]


@dataclass
class File:
    """What one call of Export brought."""

    data: bytes
    pieces: list[int]
    content_types: set[str]
    disposition: str
    length: str | bytes


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def tables(data: Data) -> None:
    columns = [table_pb2.Column(name=name, type=kind) for name, kind in COLUMNS.items()]
    await create(data, "kinds", columns)
    await insert(data, "kinds", [ROW])
    await create(data, "numbered", [table_pb2.Column(name="n", type="UInt64")], order_by=["n"])
    await insert(data, "numbered", [{"n": number} for number in range(30_000)])
    described = [("n", "UInt32"), ("t", "String"), ("maybe", "Nullable(String)"), ("price", "Decimal(18, 2)")]
    await create(data, "texts", [table_pb2.Column(name=name, type=kind) for name, kind in described])
    rows = [
        {"n": n, "t": text, "maybe": text if n % 2 else None, "price": f"{n}.50"}
        for n, text in enumerate(TEXTS)
    ]
    await insert(data, "texts", rows)


async def exported(
    stub: pb_grpc.DataServiceStub, mint: TokenMint, sql: str, format_: Any, user: str = ALICE
) -> File:
    request = pb.ExportRequest(platform=DEMO, sql=sql, format=format_)
    with peer_errors("data"):
        call: Any = stub.Export(request, metadata=mint.metadata(user), timeout=30)
        bodies = [body async for body in call]
        metadata = dict(await call.initial_metadata())
    return File(
        b"".join(body.data for body in bodies),
        [len(body.data) for body in bodies],
        {body.content_type for body in bodies},
        metadata.get("content-disposition", ""),
        metadata.get("x-aidatalabs-content-length", ""),
    )


async def export(data: Data, sql: str, format_: Any, user: str = ALICE) -> File:
    return await exported(data.stub, data.mint, sql, format_, user)


ALL_TEXTS = "SELECT n, t, maybe, price FROM texts ORDER BY n"


@pytest.mark.parametrize("format_", list(TYPES))
async def test_a_file_has_its_type_its_name_and_pieces_of_a_mebibyte(data: Data, format_: Any) -> None:
    sql = "SELECT a.n AS n, cityHash64(a.n, b.n) AS h FROM numbered AS a, numbered AS b WHERE b.n < 6"
    file = await export(data, sql, format_, user=VIEWER)
    content_type, ending = TYPES[format_]
    assert file.content_types == {content_type}
    pattern = rf'attachment; filename="export-\d{{8}}T\d{{6}}Z\.{ending}"'
    assert re.fullmatch(pattern, file.disposition)
    assert len(file.pieces) > 1
    assert set(file.pieces[:-1]) == {MIB}
    assert 0 < file.pieces[-1] <= MIB
    assert file.length == str(len(file.data))


async def test_csv_reads_back_as_the_rows(data: Data) -> None:
    file = await export(data, ALL_TEXTS, CSV)
    lines = list(csv.reader(io.StringIO(file.data.decode(), newline="")))
    assert lines[0] == ["n", "t", "maybe", "price"]
    assert [line[1] for line in lines[1:]] == TEXTS
    assert [line[3] for line in lines[1:3]] == ["0.5", "1.5"]
    # NULL is nothing, an empty text is two quotes: a reader that looks can tell them apart.
    convert = pyarrow.csv.ConvertOptions(
        strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""]
    )
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    table = pyarrow.csv.read_csv(io.BytesIO(file.data), parse_options=parse, convert_options=convert)
    assert table.column("maybe").to_pylist() == [text if n % 2 else None for n, text in enumerate(TEXTS)]
    assert table.column("t").to_pylist() == TEXTS
    frame = pd.read_csv(io.BytesIO(file.data), keep_default_na=False)
    assert frame["t"].tolist() == TEXTS


async def test_csv_has_one_header_however_many_blocks_the_result_has(data: Data) -> None:
    sql = "SELECT a.n AS `a, b` FROM numbered AS a, numbered AS b WHERE b.n < 10"
    file = await export(data, sql, CSV)
    lines = file.data.split(b"\n")
    assert lines[0] == b'"a, b"'
    assert (len(lines), lines[-1]) == (300_002, b"")
    assert sorted(map(int, lines[1:-1])) == sorted(list(range(30_000)) * 10)


async def test_json_lines_read_back_as_query_gives_the_rows(data: Data) -> None:
    file = await export(data, "SELECT * FROM kinds", JSONL)
    (line,) = file.data.decode().splitlines()
    exact = json.loads(line, parse_int=int)
    assert exact["id"] == 18446744073709551615
    assert exact["big"] == int(ROW["big"])
    assert (exact["price"], exact["second"], exact["state"]) == ("1.5", "2026-01-02T03:04:05Z", "done")
    assert (exact["map"], exact["pair"], exact["maybe"]) == (
        {"x": -1000000000000000},
        {"a": 999999999999999, "b": "t"},
        None,
    )
    assert exact["doc"] == ROW["doc"]
    texts = await export(data, ALL_TEXTS, JSONL)
    assert [json.loads(each)["t"] for each in texts.data.decode().splitlines()] == TEXTS


async def test_parquet_and_arrow_read_back_as_the_rows_with_the_same_types(data: Data) -> None:
    sql = "SELECT * FROM kinds"
    arrow = pa.ipc.open_stream((await export(data, sql, ARROW)).data).read_all()
    parquet = pq.read_table(io.BytesIO((await export(data, sql, PARQUET)).data))
    assert parquet.column_names == arrow.column_names == list(COLUMNS)
    left, right = parquet.to_pylist()[0], arrow.to_pylist()[0]
    assert {name: value for name, value in left.items() if right[name] != value} == {}
    assert (left["state"], left["id"], left["note"]) == ("done", ROW["id"], ROW["note"])
    frame = pd.read_parquet(io.BytesIO((await export(data, ALL_TEXTS, PARQUET)).data))
    assert frame["t"].tolist() == TEXTS
    assert [str(price) for price in frame["price"]] == [f"{n}.50" for n in range(len(TEXTS))]


async def test_large_parquet_has_several_row_groups_and_all_rows(data: Data) -> None:
    sql = "SELECT a.n AS n, b.n AS m, 1.5 AS x FROM numbered AS a, numbered AS b WHERE b.n < 60"
    file = pq.ParquetFile(io.BytesIO((await export(data, sql, PARQUET)).data))
    assert file.metadata.num_rows == 1_800_000
    assert file.metadata.num_row_groups > 1
    total = sum(batch.column("n").to_numpy().sum() for batch in file.iter_batches(columns=["n"]))
    assert int(total) == 60 * 449_985_000


@pytest.mark.parametrize("format_", list(TYPES))
async def test_a_result_without_rows_is_a_file_all_the_same(data: Data, format_: Any) -> None:
    file = await export(data, "SELECT n, toString(n) AS t FROM numbered WHERE n < 0", format_)
    assert file.content_types == {TYPES[format_][0]}
    assert file.disposition
    assert file.length == str(len(file.data))
    if format_ == CSV:
        assert file.data == b'"n","t"\n'
    elif format_ == JSONL:
        assert file.data == b""
    elif format_ == PARQUET:
        assert pq.read_table(io.BytesIO(file.data)).column_names == ["n", "t"]
    else:
        assert pa.ipc.open_stream(file.data).read_all().num_rows == 0


FAILS_LATE = "SELECT intDiv(1, toInt64(a.n) - 29999) AS bad FROM numbered AS a, numbered AS b WHERE b.n < 50"


@pytest.mark.parametrize("format_", list(TYPES))
@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("DROP TABLE numbered", "QUERY_NOT_READ_ONLY"),
        ("SELECT * FROM nowhere", "TABLE_NOT_KNOWN"),
        ("SELECT note + 1 FROM kinds", "QUERY_FAILED"),
        (FAILS_LATE, "QUERY_FAILED"),
    ],
)
async def test_a_failing_query_is_an_ordinary_error_before_any_byte(
    data: Data, format_: Any, sql: str, reason: str
) -> None:
    request = pb.ExportRequest(platform=DEMO, sql=sql, format=format_)
    call: Any = data.stub.Export(request, metadata=data.mint.metadata(ALICE), timeout=30)
    bodies = []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        bodies += [body async for body in call]
    assert bodies == []
    assert "content-disposition" not in dict(await call.initial_metadata())
    with pytest.raises(ServiceError) as told, peer_errors("data"):
        raise caught.value
    assert told.value.reason == reason


@pytest.mark.parametrize("format_", [PARQUET, ARROW])
async def test_a_type_that_the_file_cannot_carry_is_refused_and_csv_takes_it(
    data: Data, format_: Any
) -> None:
    sql = "SELECT sumState(n) AS total FROM numbered"
    with pytest.raises(ServiceError) as caught:
        await export(data, sql, format_)
    assert (caught.value.reason, caught.value.metadata["column"]) == ("TYPE_NOT_ALLOWED", "total")
    assert (await export(data, sql, CSV)).data.startswith(b'"total"\n')


NOTHING = "SELECT {} AS x, 'beside' AS y FROM numbered LIMIT 3"


@pytest.mark.parametrize("format_", list(TYPES))
@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("[]", []),
        ("map('a', [])", [("a", [])]),
        ("array(array())", [[]]),
        ("map([], 1)", [([], 1)]),
        ("tuple([])", {"1": []}),
        ("[NULL]", [None]),
        ("tuple(NULL, map('a', map('b', [])))", {"1": None, "2": [("a", [("b", [])])]}),
    ],
)
async def test_a_column_of_nothing_goes_into_every_file(
    data: Data, format_: Any, value: str, read: Any
) -> None:
    file = await export(data, NOTHING.format(value), format_)
    if format_ in (CSV, JSONL):
        assert file.data.count(b"beside") == 3
        return
    if format_ == PARQUET:
        table = pq.read_table(io.BytesIO(file.data))
    else:
        table = pa.ipc.open_stream(file.data).read_all()
        table.validate(full=True)
    assert table.column("x").to_pylist() == [read] * 3
    assert table.column("y").to_pylist() == ["beside"] * 3


@pytest.mark.parametrize("format_", list(TYPES))
# Arrow has no map without a type of keys, Parquet no struct without a field.
@pytest.mark.parametrize(
    ("value", "refusing"),
    [("map()", {PARQUET, ARROW}), ("array(map())", {PARQUET, ARROW}), ("tuple()", {PARQUET})],
)
async def test_a_type_of_nothing_that_a_file_cannot_carry_is_refused_with_its_reason(
    data: Data, format_: Any, value: str, refusing: set[Any]
) -> None:
    if format_ not in refusing:
        assert (await export(data, NOTHING.format(value), format_)).data
        return
    with pytest.raises(ServiceError) as caught:
        await export(data, NOTHING.format(value), format_)
    assert (caught.value.code.name, caught.value.reason) == ("INVALID_ARGUMENT", "TYPE_NOT_ALLOWED")


async def test_a_format_that_is_not_named_is_refused(data: Data) -> None:
    with pytest.raises(ServiceError) as caught:
        await export(data, "SELECT 1", pb.ExportRequest.FORMAT_UNSPECIFIED)
    assert caught.value.reason == "INVALID_REQUEST"


@dataclass
class Small:
    """A service whose spool takes one mebibyte a file and a little more in all."""

    stub: pb_grpc.DataServiceStub
    mint: TokenMint
    directory: Path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def small(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Small]:
    directory = tmp_path_factory.mktemp("small")
    (directory / "exports").mkdir()
    (directory / "exports" / "export-left-over").write_bytes(b"x")
    settings = settings_in(directory, spool_file_bytes=MIB, spool_bytes=MIB + 1)
    warehouse = ClickHouseWarehouse(EmbeddedServers(engine_pool(settings)))
    mint = TokenMint()
    async with running(bootstrap(settings, warehouse=warehouse), mint=mint, roles=ROLES) as channel:
        made: grpc.aio.Channel = channel
        stub = pb_grpc.DataServiceStub(made)
        request = pb.ProvisionPlatformRequest(platform=DEMO)
        await stub.ProvisionPlatform(request, metadata=mint.metadata(ALICE), timeout=30)
        yield Small(stub, mint, directory)


@pytest.mark.parametrize("format_", list(TYPES))
async def test_a_file_beyond_its_bound_is_refused_and_leaves_nothing(small: Small, format_: Any) -> None:
    assert list((small.directory / "exports").iterdir()) == []
    large = "SELECT cityHash64(x) AS h FROM (SELECT arrayJoin(range(400000)) AS x)"
    with pytest.raises(ServiceError) as caught:
        await exported(small.stub, small.mint, large, format_)
    assert (caught.value.code.name, caught.value.reason) == ("RESOURCE_EXHAUSTED", "RESULT_TOO_LARGE")
    assert caught.value.metadata["limit_bytes"] == str(MIB)
    few = await exported(small.stub, small.mint, "SELECT arrayJoin(range(40000)) AS x", format_)
    assert few.data
    assert list((small.directory / "exports").iterdir()) == []


async def test_a_column_of_several_types_goes_into_every_file(data: Data) -> None:
    mixed = "if(n = 0, CAST(1 AS Dynamic), CAST('x' AS Dynamic)) AS d"
    sql = f"SELECT n, {mixed}, NULL AS nothing FROM numbered LIMIT 2"
    arrow = pa.ipc.open_stream((await export(data, sql, ARROW)).data).read_all()
    parquet = pq.read_table(io.BytesIO((await export(data, sql, PARQUET)).data))
    assert parquet.column("d").to_pylist() == arrow.column("d").to_pylist() == ["1", '"x"']
    assert parquet.column("nothing").to_pylist() == [None, None]
    assert b'"x"' in (await export(data, sql, CSV)).data


async def test_a_caller_who_goes_away_stops_the_export_in_the_engine(data: Data) -> None:
    sql = "SELECT cityHash64(a.n, b.n, c.n) AS x FROM numbered AS a, numbered AS b, numbered AS c WHERE x = 1"
    request = pb.ExportRequest(platform=DEMO, sql=sql, format=CSV)
    call: Any = data.stub.Export(request, metadata=data.mint.metadata(ALICE), timeout=30)
    await asyncio.sleep(0.7)
    assert len(await processes(data)) == 1
    call.cancel()
    await until_stopped(data)


async def test_the_transfer_may_take_longer_than_the_query_but_the_query_may_not(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, stream_seconds=1.5)
    warehouse = ClickHouseWarehouse(EmbeddedServers(engine_pool(settings)))
    mint = TokenMint()
    async with running(bootstrap(settings, warehouse=warehouse), mint=mint, roles=ROLES) as channel:
        made: grpc.aio.Channel = channel
        stub = pb_grpc.DataServiceStub(made)
        provision = pb.ProvisionPlatformRequest(platform=DEMO)
        await stub.ProvisionPlatform(provision, metadata=mint.metadata(ALICE), timeout=30)
        request = pb.ExportRequest(
            platform=DEMO,
            sql="SELECT repeat('x', 1000) AS t FROM (SELECT arrayJoin(range(30000)))",
            format=CSV,
        )
        call: Any = stub.Export(request, metadata=mint.metadata(ALICE), timeout=60)
        received = 0
        async for body in call:
            received += len(body.data)
            await asyncio.sleep(0.15)
        assert received == int(dict(await call.initial_metadata())["x-aidatalabs-content-length"]) > 28 * MIB
        begun = asyncio.get_running_loop().time()
        slow = (
            "WITH range(100000) AS r SELECT sum(cityHash64(a, b)) AS s FROM (SELECT arrayJoin(r) AS a) AS x,"
        )
        slow += " (SELECT arrayJoin(r) AS b) AS y"
        with pytest.raises(ServiceError) as caught:
            await exported(stub, mint, slow, CSV)
        assert caught.value.code.name == "DEADLINE_EXCEEDED", caught.value
        assert asyncio.get_running_loop().time() - begun < 10
