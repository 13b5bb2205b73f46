"""Typed paths of JSON columns: suggested from the rows, declared where every value fits, taken back."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pyarrow as pa
import pytest

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import rollup_pb2, table_pb2
from aidatalabs.data.v1 import typed_path_pb2 as tpb
from aidatalabs_services.data import ingest, judged_batches
from aidatalabs_services.runtime.errors import ServiceError
from aidatalabs_services.runtime.testing import ALICE
from tests.rpc.data.conftest import DEMO, VIEWER, Data, python
from tests.rpc.data.test_data_deletions import delete, make, put

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def suggested(data: Data, table: str, column: str = "p") -> dict[str, tpb.PathSuggestion]:
    """The suggestions by path."""
    request = tpb.SuggestPathsRequest(platform=DEMO, table=table, column=column)
    answer: tpb.SuggestPathsResponse = await data.call("SuggestPaths", request, user=VIEWER)
    return {each.path: each for each in answer.paths}


def typing(table: str, types: dict[str, str], *untyped: str, **more: Any) -> tpb.TypePathsRequest:
    """A request over column `p`, or another one in `more`."""
    fields = {"platform": DEMO, "table": table, "column": "p", **more}
    paths = [tpb.TypedPath(path=path, type=kind) for path, kind in types.items()]
    return tpb.TypePathsRequest(paths=paths, untyped_paths=untyped, **fields)


async def typed(data: Data, table: str, types: dict[str, str], *untyped: str, **more: Any) -> Any:
    """TypePaths."""
    return await data.call("TypePaths", typing(table, types, *untyped, **more), timeout=60.0)


async def refused(data: Data, table: str, types: dict[str, str], *untyped: str, **more: Any) -> ServiceError:
    """The refusal of a TypePaths."""
    return await data.refusal("TypePaths", typing(table, types, *untyped, **more))


def arrow(table: str, batch_id: str, p: pa.Array, ids: list[int]) -> pb.IngestStreamRequest:
    """One batch of a stream."""
    batch = pa.RecordBatch.from_arrays([pa.array(ids, pa.uint32()), p], names=["id", "p"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    ipc = sink.getvalue().to_pybytes()
    return pb.IngestStreamRequest(platform=DEMO, table=table, batch_id=batch_id, arrow_ipc=ipc)


async def stream(data: Data, *requests: pb.IngestStreamRequest) -> list[pb.IngestStreamResponse]:
    """The answers to batches of a stream."""

    async def sent() -> Any:
        for request in requests:
            yield request

    call: Any = data.stub.IngestStream(sent(), metadata=data.mint.metadata(ALICE), timeout=60.0)
    return [answer async for answer in call]


async def type_of(data: Data, table: str, column: str = "p") -> str:
    """The column's type as GetTable tells it."""
    found = await data.call("GetTable", pb.GetTableRequest(platform=DEMO, table=table))
    kind: str = next(each.type for each in found.columns if each.name == column)
    return kind


async def test_paths_are_suggested_with_share_types_and_reason(data: Data) -> None:
    await make(data, "learn", ("id", "UInt32"), ("p", "JSON"))
    rows = []
    for each in range(200):
        p: dict[str, Any] = {"page": f"p{each % 5}", "n": each, "mixed": each if each % 2 else f"t{each}"}
        p["score"] = each / 4
        p["ref"] = f"r{each}"
        if each % 50 == 0:
            p["rare"] = True
        if each % 2:
            p["cart"] = {"total": each + 0.5, "items": [1, 2]}
        rows.append({"id": each, "p": p})
    await put(data, "learn", *rows)
    found = await suggested(data, "learn")
    assert found["page"].suggested_type == "LowCardinality(Nullable(String))"
    assert found["ref"].suggested_type == "Nullable(String)"
    assert found["n"].suggested_type == "Nullable(Int64)"
    assert found["score"].suggested_type == "Nullable(Float64)"
    assert [each.type for each in found["score"].seen] == ["Float64", "Int64"]
    assert (found["mixed"].suggested_type, len(found["mixed"].seen)) == ("", 2)
    assert "2 types" in found["mixed"].explanation
    assert (found["rare"].suggested_type, found["rare"].share) == ("", 0.02)
    assert found["cart.total"].suggested_type == "Nullable(Float64)"
    assert found["cart.total"].share == 0.5
    assert found["cart.items"].suggested_type == ""


async def test_declared_paths_keep_every_value_and_undo_brings_the_type_back(data: Data) -> None:
    await make(data, "kept_paths", ("id", "UInt32"), ("p", "JSON"))
    rows = [
        {"id": 1, "p": {"page": "a", "n": 1, "f": 0.5, "b": True, "day": "2026-01-31", "x": {"y": "z"}}},
        {"id": 2, "p": {}},
        {"id": 3, "p": {"page": "b", "other": "kept", "n": -7}},
    ]
    await put(data, "kept_paths", *rows)
    seen = "SELECT id, p FROM kept_paths ORDER BY id"
    before = await data.rows(seen)
    wanted = {"page": "LowCardinality(String)", "n": "Int64", "f": "Float64", "x.y": "Nullable(String)"}
    plan = await typed(data, "kept_paths", wanted, validate_only=True, allow_retyping=True)
    assert not plan.changed
    assert await type_of(data, "kept_paths") == "JSON" == plan.type_before
    assert [(each.path, each.row_count) for each in plan.changes] == [
        ("f", 1),
        ("n", 2),
        ("page", 2),
        ("x.y", 1),
    ]
    done = await typed(data, "kept_paths", wanted, allow_retyping=True)
    assert done.changed
    declared = (
        "JSON(f Nullable(Float64), n Nullable(Int64), page LowCardinality(Nullable(String)), "
        "`x.y` Nullable(String))"
    )
    assert done.type_after == declared == await type_of(data, "kept_paths")
    assert await data.rows(seen) == before
    assert not (await typed(data, "kept_paths", wanted)).changed
    await put(
        data, "kept_paths", {"id": 4, "p": {"n": "17", "fresh": 1}}, {"id": 5, "p": {"page": "c", "f": 2}}
    )
    assert await data.rows("SELECT p.n, p.page, p.f, toTypeName(p.n) FROM kept_paths ORDER BY id") == [
        [1.0, "a", 0.5, "Nullable(Int64)"],
        [None, None, None, "Nullable(Int64)"],
        [-7.0, "b", None, "Nullable(Int64)"],
        [17.0, None, None, "Nullable(Int64)"],
        [None, "c", 2.0, "Nullable(Int64)"],
    ]
    after = await data.rows(seen)
    assert [value for _, value in after[3:]] == [{"fresh": 1, "n": 17}, {"f": 2, "page": "c"}]
    undone = await typed(data, "kept_paths", {}, *wanted, allow_retyping=True)
    assert (undone.changed, undone.type_after) == (True, "JSON")
    assert await data.rows(seen) == after


async def test_values_that_do_not_fit_refuse_the_declaration_and_change_nothing(data: Data) -> None:
    await make(data, "misfits", ("id", "UInt32"), ("p", "JSON"))
    await put(
        data,
        "misfits",
        *({"id": each, "p": {"n": each if each else "none", "o": {"k": 1}}} for each in range(9)),
    )
    error = await refused(data, "misfits", {"n": "Int64"})
    assert (error.code.name, error.reason) == ("FAILED_PRECONDITION", "PATH_VALUES_MISFIT")
    assert error.metadata["row_count"] == "1"
    assert error.metadata["example"] == "String: none"
    plan = await typed(data, "misfits", {"n": "Int64"}, validate_only=True)
    assert [(each.path, each.row_count, each.example) for each in plan.misfits] == [("n", 1, "String: none")]
    assert (await refused(data, "misfits", {"n": "Int8", "o.k": "Bool"})).metadata["path"] == "n"
    assert (await refused(data, "misfits", {"o": "String"})).reason == "TABLE_INVALID"
    assert (await refused(data, "misfits", {"o.k": "Array(Int64)"})).reason == "TYPE_NOT_ALLOWED"
    assert (await refused(data, "misfits", {})).reason == "TABLE_INVALID"
    assert (await refused(data, "misfits", {"n": "String"}, "n")).reason == "TABLE_INVALID"
    assert (await refused(data, "misfits", {"a..b": "String"})).reason == "TABLE_INVALID"
    assert (await refused(data, "misfits", {"n": "Int64"}, column="id")).reason == "TABLE_INVALID"
    assert (await refused(data, "misfits", {"n": "Int64"}, column="none")).reason == "COLUMN_NOT_KNOWN"
    assert (await refused(data, "nothing", {"n": "Int64"})).reason == "TABLE_NOT_FOUND"
    viewer = await data.refusal("TypePaths", typing("misfits", {"o.k": "Int64"}), user=VIEWER)
    assert viewer.reason == "PERMISSION_DENIED"
    assert await type_of(data, "misfits") == "JSON"


async def test_a_wrong_value_at_a_declared_path_refuses_its_row_alone(data: Data) -> None:
    await make(
        data, "strict", ("id", "UInt32"), ("p", "JSON(n Int64, `a.b` LowCardinality(Nullable(String)))")
    )
    assert await type_of(data, "strict") == "JSON(`a.b` LowCardinality(Nullable(String)), n Int64)"
    receipt = await put(
        data,
        "strict",
        {"id": 1, "p": {"n": 1, "a": {"b": "x"}}},
        {"id": 2, "p": {"n": "one"}},
        {"id": 3, "p": {"n": 1, "a": {"b": 5}}},
        {"id": 4, "p": {"n": 1, "a.b": {"c": 1}}},
        {"id": 5, "p": {"n": None}},
        {"id": 6, "p": {"n": 1.5}},
        {"id": 7, "p": {"a": {"b": None}}},
    )
    assert (receipt.accepted_count, receipt.rejected_count) == (2, 5)
    assert {each.index: each.reason for each in receipt.rejected} == dict.fromkeys(
        (1, 2, 3, 4, 5), "VALUE_INVALID"
    )
    assert receipt.rejected[0].message == "column p at path n must be a whole number (Int64)"
    assert await data.rows("SELECT id, p.n, p.a.b FROM strict ORDER BY id") == [
        [1.0, 1.0, "x"],
        [7.0, 0.0, None],
    ]


async def test_a_rollup_of_the_dynamic_text_stands_in_the_way(data: Data) -> None:
    await make(data, "rolled", ("t", "DateTime"), ("p", "JSON"), order_by=["t"])
    await put(
        data, "rolled", *({"t": "2026-01-01T00:00:00Z", "p": {"page": f"p{each % 2}"}} for each in range(10))
    )

    async def rollup(name: str, dimension: str) -> None:
        made = rollup_pb2.Rollup(
            name=name, table="rolled", time_column="t", grain=rollup_pb2.Rollup.DAY, dimensions=[dimension]
        )
        await data.call("CreateRollup", pb.CreateRollupRequest(platform=DEMO, rollup=made))

    await rollup("pages_typed", "p.page.:String")
    await rollup("pages_any", "p.page")
    error = await refused(data, "rolled", {"page": "String"})
    assert (error.reason, error.metadata["rollup"]) == ("PATH_IN_ROLLUP", "pages_typed")
    await data.call("DropRollup", pb.DropRollupRequest(platform=DEMO, rollup="pages_typed"))
    await typed(data, "rolled", {"page": "String"})
    await put(
        data,
        "rolled",
        *({"t": "2026-01-02T00:00:00Z", "p": {"page": "p0"} if each else {}} for each in range(4)),
    )
    for form in ("CAST(p.page AS Nullable(String))", "toString(p.page)", "p.page"):
        sql = f"SELECT {form} AS page, count() FROM rolled GROUP BY page ORDER BY page NULLS FIRST"
        request = pb.QueryRequest(platform=DEMO, sql=sql)
        served = await data.call("Query", request)
        assert [python(row) for row in served.result.rows] == [[None, 1.0], ["p0", 8.0], ["p1", 5.0]]
        assert bool(served.statistics.rollup) == form.startswith("CAST")


async def test_declared_paths_show_in_the_schema_with_their_profiles(data: Data) -> None:
    await make(data, "shown", ("id", "UInt32"), ("p", "JSON"))
    await put(
        data, "shown", *({"id": each, "p": {"page": f"p{each % 3}", "other": each}} for each in range(30))
    )
    await typed(data, "shown", {"page": "String"})
    answer = await data.call("DescribeSchema", pb.DescribeSchemaRequest(platform=DEMO))
    table = next(each for each in answer.tables if each.name == "shown")
    columns = {each.name: each for each in table.columns}
    assert columns["p"].type == "JSON(page Nullable(String))"
    assert columns["p.page"].type == "Nullable(String)"
    assert sorted(columns["p.page"].values) == ["p0", "p1", "p2"]
    assert columns["p.other"].type == "Int64"
    assert isinstance(table, table_pb2.TableProfile)


async def test_a_stream_brings_declared_paths_and_is_told_what_does_not_fit(
    data: Data,
) -> None:
    await make(data, "streamed", ("id", "UInt32"), ("p", "JSON"))
    await typed(data, "streamed", {"n": "Int64", "page": "LowCardinality(String)"})
    good = pa.array([{"n": 1, "page": "a", "free": "2026/01/31"}, {"n": None, "page": None, "free": None}])
    text = pa.array(['{"n": 3, "page": "c"}', '{"n": "three"}', '{"page": 4}', "{}"])
    wrong = pa.array([{"n": "one"}])
    answers = await stream(
        data,
        arrow("streamed", "b-1", good, [1, 2]),
        arrow("streamed", "b-2", text, [3, 4, 5, 6]),
        arrow("streamed", "b-3", wrong, [7]),
    )
    receipts = {each.batch_id: each.receipt for each in answers if each.HasField("receipt")}
    assert receipts["b-1"].accepted_count == 2
    assert [(each.index, each.reason) for each in receipts["b-2"].rejected] == [
        (1, "VALUE_INVALID"),
        (2, "VALUE_INVALID"),
    ]
    assert receipts["b-2"].rejected[0].message == "column p at path n must be a whole number (Int64)"
    assert "b-3" not in receipts
    assert await data.rows("SELECT id, p.n, p.page, p FROM streamed ORDER BY id") == [
        [1.0, 1.0, "a", {"free": "2026/01/31", "n": 1.0, "page": "a"}],
        [2.0, None, None, {}],
        [3.0, 3.0, "c", {"n": 3.0, "page": "c"}],
        [6.0, None, None, {}],
    ]


async def test_a_value_is_taken_or_its_path_is_declared_otherwise_and_never_both(data: Data) -> None:
    await make(data, "racing", ("id", "UInt32"), ("p", "JSON"))
    accepted, declared, refusals = 0, 0, set()

    async def declare(path: str) -> bool:
        try:
            await typed(data, "racing", {path: "Int64"})
            return True
        except ServiceError as error:
            refusals.add(error.reason)
            return False

    async def bring(path: str, number: int) -> int:
        if number % 2:
            return (await put(data, "racing", {"id": number, "p": {path: "text"}})).accepted_count
        request = arrow("racing", f"r-{number}", pa.array([{path: "text"}]), [number])
        (answer,) = await stream(data, request)
        return answer.receipt.accepted_count if answer.HasField("receipt") else 0

    for number in range(16):
        path = f"k{number}"
        first = asyncio.create_task(declare(path))
        await asyncio.sleep(0.004 * number)
        taken = await bring(path, number)
        made = await first
        assert not (taken and made)
        accepted, declared = accepted + taken, declared + made
    assert refusals <= {"PATH_VALUES_MISFIT"}
    assert await data.rows("SELECT count() FROM racing") == [[float(accepted)]]
    assert not list(data.directory.rglob("parked/*"))
    assert len((await type_of(data, "racing")).split("Nullable")) == declared + 1


async def test_a_declaration_waits_for_a_call_that_was_judged_by_the_old_type(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(data, "slow", ("id", "UInt32"), ("p", "JSON"))
    judged = judged_batches.judged

    def slowly(batch: Any, table: Any) -> Any:
        verdict = judged(batch, table)
        time.sleep(0.5)  # in a thread of its own
        return verdict

    monkeypatch.setattr(ingest, "judged", slowly)
    request = arrow("slow", "b-1", pa.array([{"k": "text"}]), [1])
    bringing = asyncio.create_task(stream(data, request))
    await asyncio.sleep(0.2)
    error = await refused(data, "slow", {"k": "Int64"})
    assert error.reason == "PATH_VALUES_MISFIT"
    (answer,) = await bringing
    assert answer.receipt.accepted_count == 1
    assert await data.rows("SELECT p.k FROM slow") == [["text"]]
    assert not list(data.directory.rglob("parked/*"))


async def test_rewriting_files_changes_no_value_and_retypes_what_was_accepted(
    data: Data,
) -> None:
    await make(data, "merged", ("id", "UInt32"), ("p", "JSON"))
    objects = [
        {"n": 1, "day": "2026/01/31", "when": "2026-01-31T00:00:00+02:00", "f": 2.0, "big": None},
        {"n": 2, "day": "31.1.", "when": "soon", "f": 2.5, "big": 1e20},
    ]
    await stream(data, arrow("merged", "b-1", pa.array(objects), [1, 2]))
    await put(data, "merged", {"id": 3, "p": {"n": 3, "day": "2026-02-01", "f": 7}})
    lost = await refused(data, "merged", {"n": "Int64"})
    assert (lost.reason, lost.metadata["path"]) == ("PATH_VALUES_MISFIT", "big")
    retyped = await refused(data, "merged", {"n": "Int64", "big": "Float64"})
    assert (retyped.reason, retyped.metadata["path"]) == ("PATH_VALUES_RETYPED", "day")
    plan = await typed(data, "merged", {"n": "Int64", "big": "Float64"}, validate_only=True)
    assert [(each.path, each.type, each.row_count, each.example) for each in plan.retyped] == [
        ("day", "Date", 1, "2026-02-01"),
        ("f", "Float64", 1, "2"),
    ]
    seen = "SELECT id, p FROM merged ORDER BY id"
    before = await data.rows(seen)
    await typed(data, "merged", {"n": "Int64", "big": "Float64", "f": "Float64"}, allow_retyping=True)
    assert await data.rows(seen) == before
    await data.warehouse.execute(await data.uid(), "OPTIMIZE TABLE merged FINAL", table="merged")
    assert await data.rows(seen) == before
    kinds = "SELECT dynamicType(p.day), dynamicType(p.when) FROM merged ORDER BY id"
    assert await data.rows(kinds) == [["String", "String"], ["String", "String"], ["String", "None"]]
    gone = await refused(data, "merged", {}, "big")
    assert (gone.reason, gone.metadata["path"]) == ("PATH_VALUES_MISFIT", "big")


async def test_rows_are_deleted_by_a_declared_path_from_files_of_either_type(data: Data) -> None:
    await make(data, "erased", ("id", "UInt32"), ("p", "JSON"))
    await put(data, "erased", *({"id": each, "p": {"n": each, "s": "x"}} for each in range(10)))
    await typed(data, "erased", {"n": "Int64"})
    await put(data, "erased", *({"id": each, "p": {"n": each, "s": "y"}} for each in range(10, 20)))
    done = await delete(data, "erased", "p.n >= 5 AND p.n < 15")
    assert (done.tables[0].deleted_count, done.tables[0].remaining_count) == (10, 0)
    left = await data.rows("SELECT p.n, p.s FROM erased ORDER BY id")
    assert left == [[float(each), "x" if each < 10 else "y"] for each in (*range(5), *range(15, 20))]
