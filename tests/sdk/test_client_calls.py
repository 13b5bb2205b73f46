"""Client calls against a small gRPC server of the tests' own, which refuses as it is told to."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any, cast

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs.data.v1 import ingest_pb2, table_pb2
from aidatalabs_client import ApiError, Client


class RefusingData:
    """Refuses the first calls with the statuses it is given, then answers."""

    def __init__(self, *refusals: status_pb2.Status) -> None:
        self.refusals = list(refusals)
        self.requests: list[Any] = []
        self.tokens: list[object] = []

    def __getattr__(self, name: str) -> Any:
        if name in pb.DESCRIPTOR.services_by_name["DataService"].methods_by_name:
            return self.GetTable  # the contract's other methods, which no test calls
        raise AttributeError(name)

    async def _refuse_next(self, request: Any, context: Any) -> None:
        self.requests.append(request)
        self.tokens.append(dict(context.invocation_metadata())["authorization"])
        if self.refusals:
            await context.abort_with_status(rpc_status.to_status(self.refusals.pop(0)))

    async def GetTable(self, request: Any, context: Any) -> table_pb2.Table:
        await self._refuse_next(request, context)
        return table_pb2.Table(name=request.table)

    async def Ingest(self, request: Any, context: Any) -> pb.IngestResponse:
        await self._refuse_next(request, context)
        return pb.IngestResponse(receipt=ingest_pb2.Receipt(accepted_count=len(request.rows)))

    async def ListTables(self, request: Any, context: Any) -> pb.ListTablesResponse:
        await self._refuse_next(request, context)
        number = int(request.page_token or 0)
        return pb.ListTablesResponse(
            tables=[table_pb2.Table(name=f"t{number}")], next_page_token=str(number + 1) if number < 2 else ""
        )


@contextlib.asynccontextmanager
async def client_of(servicer: RefusingData, *, patience_seconds: float = 20.0) -> AsyncIterator[Client]:
    server = grpc.aio.server()
    pb_grpc.add_DataServiceServicer_to_server(cast(Any, servicer), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with Client(f"127.0.0.1:{port}", "a-token", patience_seconds=patience_seconds) as client:
            yield client
    finally:
        await server.stop(0)


def status(
    code: int, reason: str, *, retry_seconds: float | None = None, **metadata: str
) -> status_pb2.Status:
    made = status_pb2.Status(code=code, message=f"told: {reason}")
    if reason:
        info = error_details_pb2.ErrorInfo(reason=reason, domain="aidatalabs", metadata=metadata)
        made.details.add().Pack(info)
    if retry_seconds is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(int(retry_seconds * 1e9))
        made.details.add().Pack(retry)
    return made


DOWN = status(14, "SERVICE_UNAVAILABLE", retry_seconds=0.05)


async def test_a_call_is_repeated_after_the_time_the_service_names() -> None:
    servicer = RefusingData(
        status(14, "SERVICE_UNAVAILABLE", retry_seconds=0.3), status(8, "OVERLOADED", retry_seconds=0.1)
    )
    async with client_of(servicer) as client:
        begun = time.monotonic()
        assert (await client.get_table("platforms/demo", "t")).name == "t"
    assert 0.4 <= time.monotonic() - begun < 1.5
    assert len(servicer.requests) == 3


async def test_a_service_that_is_restarting_is_waited_for_longer_than_five_attempts() -> None:
    servicer = RefusingData(*[DOWN] * 12)
    async with client_of(servicer) as client:
        assert (await client.get_table("platforms/demo", "t")).name == "t"
    assert len(servicer.requests) == 13


async def test_patience_ends() -> None:
    servicer = RefusingData(*[DOWN] * 50)
    async with client_of(servicer, patience_seconds=0.2) as client:
        with pytest.raises(ApiError) as caught:
            await client.get_table("platforms/demo", "t")
    assert (caught.value.code, caught.value.exit_code) == ("UNAVAILABLE", 14)
    assert 5 <= len(servicer.requests) < 15


async def test_a_refusal_that_waiting_does_not_mend_is_raised_at_once() -> None:
    servicer = RefusingData(status(5, "TABLE_NOT_FOUND", table="t", request_id="r-1"))
    async with client_of(servicer) as client:
        with pytest.raises(ApiError) as caught:
            await client.get_table("platforms/demo", "t")
    error = caught.value
    assert len(servicer.requests) == 1
    assert (error.code, error.exit_code, error.reason) == ("NOT_FOUND", 5, "TABLE_NOT_FOUND")
    assert (error.request_id, error.metadata) == ("r-1", {"table": "t"})
    assert (error.violations, error.retry_after_seconds) == ([], None)
    assert str(error) == "told: TABLE_NOT_FOUND (TABLE_NOT_FOUND)"


async def test_violations_of_fields_are_told() -> None:
    refusal = status(3, "INVALID_REQUEST")
    request = error_details_pb2.BadRequest()
    request.field_violations.add(field="table", description="is empty")
    refusal.details.add().Pack(request)
    async with client_of(RefusingData(refusal)) as client:
        with pytest.raises(ApiError) as caught:
            await client.get_table("platforms/demo", "")
    assert caught.value.violations == [("table", "is empty")]


async def test_rows_are_sent_again_under_the_same_request_id() -> None:
    servicer = RefusingData(DOWN, DOWN)
    async with client_of(servicer) as client:
        receipt = await client.ingest_rows("platforms/demo", "t", [Struct(), Struct()])
    assert receipt.accepted_count == 2
    assert len({request.request_id for request in servicer.requests}) == 1
    assert servicer.requests[0].request_id
    assert len(servicer.requests) == 3


async def test_an_ingest_without_a_request_id_is_never_sent_twice() -> None:
    servicer = RefusingData(DOWN)
    async with client_of(servicer) as client:
        with pytest.raises(ApiError):
            await client.ingest(pb.IngestRequest(platform="platforms/demo", table="t", rows=[Struct()]))
    assert len(servicer.requests) == 1


async def test_nobody_listening_is_unavailable_without_a_reason_within_seconds(unused_tcp_port: int) -> None:
    begun = time.monotonic()
    async with Client(f"127.0.0.1:{unused_tcp_port}", "a-token") as client:
        with pytest.raises(ApiError) as caught:
            await client.get_table("platforms/demo", "t")
    assert (caught.value.code, caught.value.reason, caught.value.request_id) == ("UNAVAILABLE", "", "")
    assert time.monotonic() - begun < 8


async def test_details_that_are_no_status_leave_code_and_message() -> None:
    class Garbled(RefusingData):
        async def GetTable(self, request: Any, context: Any) -> table_pb2.Table:
            context.set_trailing_metadata((("grpc-status-details-bin", b"\xff\xff"),))
            await context.abort(grpc.StatusCode.INTERNAL, "plain")
            raise AssertionError

    async with client_of(Garbled()) as client:
        with pytest.raises(ApiError) as caught:
            await client.get_table("platforms/demo", "t")
    assert (caught.value.code, caught.value.message, caught.value.reason) == ("INTERNAL", "plain", "")


async def test_lists_are_read_to_their_last_page_with_the_token_each_time() -> None:
    servicer = RefusingData()
    async with client_of(servicer) as client:
        tables = await client.list_tables("platforms/demo")
    assert [table.name for table in tables] == ["t0", "t1", "t2"]
    assert servicer.tokens == ["Bearer a-token"] * 3
