"""The fake server's tables, roll-ups and rows."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from google.protobuf import empty_pb2
from google.protobuf.struct_pb2 import Struct

from aidatalabs.data.v1 import data_service_pb2 as data_pb
from aidatalabs.data.v1 import ingest_pb2, rollup_pb2, table_pb2
from aidatalabs_client.answers import python_value
from aidatalabs_client.row_messages import row_message
from aidatalabs_client.testing.refusals import Failure, invalid, not_found, taken
from aidatalabs_client.testing.typed_paths import misfit_of
from aidatalabs_client.testing.workspace import EVENTS, Kept, Workspace, copied, page


class FakeTables:
    """The methods of DataService about tables and rows."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def create_table(self, request: data_pb.CreateTableRequest) -> table_pb2.Table:
        """DataService.CreateTable."""
        tables = self._workspace.space(request.platform).tables
        name = request.table.name
        known = tables.setdefault(name, Kept(copied(request.table)))
        if known.table != request.table:
            raise taken("TABLE_ALREADY_EXISTS", f"{name} exists with other columns.", table=name)
        return _counted(known)

    async def get_table(self, request: data_pb.GetTableRequest) -> table_pb2.Table:
        """DataService.GetTable."""
        return _counted(self._workspace.kept(request.platform, request.table))

    async def list_tables(self, request: data_pb.ListTablesRequest) -> data_pb.ListTablesResponse:
        """DataService.ListTables."""
        tables = self._workspace.space(request.platform).tables
        found, token = page([_counted(tables[name]) for name in sorted(tables)], request)
        return data_pb.ListTablesResponse(tables=found, next_page_token=token)

    async def add_column(self, request: data_pb.AddColumnRequest) -> table_pb2.Table:
        """DataService.AddColumn."""
        _refuse_standard(request.table)
        kept = self._workspace.kept(request.platform, request.table)
        if request.column.name not in {column.name for column in kept.table.columns}:
            kept.table.columns.append(request.column)
        return _counted(kept)

    async def drop_table(self, request: data_pb.DropTableRequest) -> empty_pb2.Empty:
        """DataService.DropTable."""
        self._workspace.kept(request.platform, request.table)
        _refuse_standard(request.table)
        space = self._workspace.space(request.platform)
        space.dropped[request.table] = space.tables.pop(request.table)
        return empty_pb2.Empty()

    async def create_rollup(self, request: data_pb.CreateRollupRequest) -> rollup_pb2.Rollup:
        """DataService.CreateRollup: kept, and serves nothing."""
        self._workspace.kept(request.platform, request.rollup.table)
        rollups = self._workspace.space(request.platform).rollups
        made = rollup_pb2.Rollup()
        made.CopyFrom(request.rollup)
        made.state = rollup_pb2.Rollup.READY
        if rollups.get(made.name, made) != made:
            raise taken("ROLLUP_ALREADY_EXISTS", f"A roll-up {made.name!r} exists.", rollup=made.name)
        return rollups.setdefault(made.name, made)

    async def list_rollups(self, request: data_pb.ListRollupsRequest) -> data_pb.ListRollupsResponse:
        """DataService.ListRollups."""
        found = self._workspace.space(request.platform).rollups
        return data_pb.ListRollupsResponse(rollups=[found[name] for name in sorted(found)])

    async def get_rollup(self, request: data_pb.GetRollupRequest) -> rollup_pb2.Rollup:
        """DataService.GetRollup."""
        found = self._workspace.space(request.platform).rollups
        if request.rollup not in found:
            raise not_found(
                "ROLLUP_NOT_FOUND", f"There is no roll-up {request.rollup!r}.", rollup=request.rollup
            )
        return found[request.rollup]

    async def drop_rollup(self, request: data_pb.DropRollupRequest) -> empty_pb2.Empty:
        """DataService.DropRollup."""
        await self.get_rollup(data_pb.GetRollupRequest(platform=request.platform, rollup=request.rollup))
        del self._workspace.space(request.platform).rollups[request.rollup]
        return empty_pb2.Empty()

    async def undrop_table(self, request: data_pb.UndropTableRequest) -> table_pb2.Table:
        """DataService.UndropTable."""
        space = self._workspace.space(request.platform)
        if request.table in space.tables:
            raise taken("TABLE_ALREADY_EXISTS", f"{request.table} is there.", table=request.table)
        if request.table not in space.dropped:
            raise Failure("NOT_FOUND", "TABLE_NOT_FOUND", f"No {request.table} was dropped.")
        space.tables[request.table] = space.dropped.pop(request.table)
        return _counted(space.tables[request.table])

    async def update_table(self, request: data_pb.UpdateTableRequest) -> table_pb2.Table:
        """DataService.UpdateTable."""
        kept = self._workspace.kept(request.platform, request.table)
        request.update_mask.MergeMessage(
            table_pb2.Table(ttl=request.ttl, comment=request.comment), kept.table, replace_message_field=True
        )
        return _counted(kept)

    async def describe_schema(self, request: data_pb.DescribeSchemaRequest) -> data_pb.DescribeSchemaResponse:
        """DataService.DescribeSchema: names and types; values are not profiled."""
        answer = data_pb.DescribeSchemaResponse(schema_version="fake", data_version="fake")
        for name, kept in sorted(self._workspace.space(request.platform).tables.items()):
            profile = answer.tables.add(name=name, row_count=len(kept.rows))
            for column in kept.table.columns:
                profile.columns.add(name=column.name, type=column.type)
        return answer

    async def ingest(self, request: data_pb.IngestRequest) -> data_pb.IngestResponse:
        """DataService.Ingest: unknown columns and values that cannot be read are rejected row by row."""
        space = self._workspace.space(request.platform)
        kept = self._workspace.kept(request.platform, request.table or "events")
        key = (kept.table.name, request.request_id)
        content = request.SerializeToString(deterministic=True)
        if request.request_id and key in space.receipts:
            known, receipt = space.receipts[key]
            if known != content:
                wrong = taken("IDEMPOTENCY_MISMATCH", "This request_id was used before with other content.")
                wrong.metadata["first_row_count"] = str(receipt.accepted_count + len(receipt.rejected))
                raise wrong
            receipt.duplicate_count = receipt.accepted_count
            return data_pb.IngestResponse(receipt=receipt)
        receipt = ingest_pb2.Receipt(
            name=f"{request.platform}/receipts/{uuid.uuid4()}", state=ingest_pb2.Receipt.STORED
        )
        kinds = {column.name: column.type for column in kept.table.columns}
        for index, row in enumerate([*request.rows, *map(_event_row, request.events)]):
            try:
                kept.rows.append(_stored(row, kinds))
                receipt.accepted_count += 1
            except Failure as wrong:
                receipt.rejected.add(index=index, reason=wrong.reason, message=wrong.message)
                receipt.rejected_count += 1
                receipt.dead_letter_count += 1
                space.letters[uuid.uuid4().hex] = (kept.table.name, wrong.reason, row)
        space.receipts[key] = (content, receipt)
        return data_pb.IngestResponse(receipt=receipt)

    async def ingest_stream(self, request: data_pb.IngestStreamRequest) -> data_pb.IngestStreamResponse:
        """DataService.IngestStream, message by message: the rows of a batch are stored as those of a call."""
        import pyarrow.ipc

        rows = pyarrow.ipc.open_stream(request.arrow_ipc).read_all().to_pylist()
        answer = data_pb.IngestStreamResponse(batch_id=request.batch_id)
        try:
            call = data_pb.IngestRequest(
                platform=request.platform,
                table=request.table,
                request_id=request.batch_id,
                rows=[row_message(row) for row in rows],
            )
            answer.receipt.CopyFrom((await self.ingest(call)).receipt)
        except Failure as refused:
            answer.error.ParseFromString(refused.packed())
        return answer

    async def get_receipt(self, request: data_pb.GetReceiptRequest) -> ingest_pb2.Receipt:
        """DataService.GetReceipt."""
        known = self._workspace.space(request.platform).receipts.get(
            (request.table or EVENTS.name, request.request_id)
        )
        if known is None:
            raise not_found("RECEIPT_NOT_FOUND", f"There is no receipt of {request.request_id!r}.")
        return known[1]

    async def replay_dead_letters(
        self, request: data_pb.ReplayDeadLettersRequest
    ) -> data_pb.ReplayDeadLettersResponse:
        """DataService.ReplayDeadLetters: all at once, by table, reason and ids; times are not looked at."""
        space, answer = self._workspace.space(request.platform), data_pb.ReplayDeadLettersResponse()
        answer.gone_count = len(set(request.ids) - space.letters.keys())
        for name, (table, reason, row) in sorted(space.letters.items()):
            if request.table not in ("", table) or request.reason not in ("", reason):
                continue
            if request.ids and name not in request.ids:
                continue
            try:
                kept = self._workspace.kept(request.platform, table)
                kept.rows.append(_stored(row, {each.name: each.type for each in kept.table.columns}))
                answer.accepted_count += 1
                del space.letters[name]
            except Failure as wrong:
                answer.rejected.add(id=name, reason=wrong.reason, message=wrong.message)
                answer.rejected_count += 1
        return answer


def _refuse_standard(table: str) -> None:
    if table == EVENTS.name:
        raise Failure(
            "FAILED_PRECONDITION", "TABLE_PROTECTED", f"{table} is a standard table and stays as it is."
        )


def _counted(kept: Kept) -> table_pb2.Table:
    table = copied(kept.table)
    table.row_count = len(kept.rows)
    return table


def _event_row(event: ingest_pb2.Event) -> Struct:
    row = Struct()
    row.update({"timestamp": event.timestamp.ToJsonString(), "event_type": event.event_type})
    row.update({"user_id": str(event.user_id), "value": event.value})
    row.fields["properties"].struct_value.CopyFrom(event.properties)
    return row


def _stored(row: Struct, kinds: Mapping[str, str]) -> dict[str, Any]:
    stored: dict[str, Any] = dict.fromkeys(kinds)
    for name, value in row.fields.items():
        if name not in kinds:
            raise invalid("COLUMN_NOT_KNOWN", f"column {name} is not one of the table")
        try:
            stored[name] = python_value(kinds[name], value)
        except (TypeError, ValueError, ArithmeticError):
            raise invalid("VALUE_INVALID", f"column {name} must be a {kinds[name]}") from None
        if kinds[name].startswith("JSON") and (path := misfit_of(kinds[name], stored[name])):
            raise invalid("VALUE_INVALID", f"column {name} at path {path} is not of the declared type")
    missing = [name for name, kind in kinds.items() if stored[name] is None and "Nullable" not in kind]
    if missing:
        raise invalid("COLUMN_MISSING", f"column {missing[0]} has no value")
    return stored
