"""What the fake server keeps in memory: platforms, members, tables, rows, users."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from google.protobuf import empty_pb2
from google.protobuf.struct_pb2 import Struct

from aidatalabs.common.v1.access_service_pb2 import ROLE_ADMIN
from aidatalabs.data.v1 import data_service_pb2 as data_pb
from aidatalabs.data.v1 import ingest_pb2, rollup_pb2, table_pb2
from aidatalabs.identity.v1 import identity_service_pb2 as identity_pb
from aidatalabs.identity.v1 import user_pb2
from aidatalabs.platform.v1 import platform_pb2
from aidatalabs.platform.v1 import platform_service_pb2 as platform_pb
from aidatalabs_client.answers import python_value
from aidatalabs_client.row_messages import row_message
from aidatalabs_client.testing.refusals import Failure, invalid, not_found, taken

_Item = TypeVar("_Item")
_EVENTS = table_pb2.Table(
    name="events",
    columns=[
        table_pb2.Column(name="timestamp", type="DateTime64(3)"),
        table_pb2.Column(name="event_type", type="String"),
        table_pb2.Column(name="user_id", type="UInt64"),
        table_pb2.Column(name="properties", type="JSON"),
        table_pb2.Column(name="value", type="Float64"),
    ],
    order_by=["timestamp", "event_type"],
)
ME = user_pb2.User(name=f"users/{uuid.UUID(int=1)}", email="ana@example.com")


@dataclass
class Kept:
    """A table with its rows in Python values."""

    table: table_pb2.Table
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Space:
    """A platform with all that is in it."""

    platform: platform_pb2.Platform
    members: dict[str, platform_pb2.Member] = field(default_factory=dict)
    tables: dict[str, Kept] = field(default_factory=dict)
    rollups: dict[str, rollup_pb2.Rollup] = field(default_factory=dict)
    dropped: dict[str, Kept] = field(default_factory=dict)
    receipts: dict[tuple[str, str], tuple[bytes, ingest_pb2.Receipt]] = field(default_factory=dict)
    letters: dict[str, tuple[str, str, Struct]] = field(default_factory=dict)  # table, reason, row by id


class Workspace:
    """All platforms of the fake server."""

    def __init__(self, platforms: Sequence[str]) -> None:
        self._spaces: dict[str, Space] = {}
        self._deleted: dict[str, Space] = {}
        for name in platforms:
            self.add(name, name)

    def space(self, name: str) -> Space:
        """A platform. Raises Failure where there is none."""
        if name not in self._spaces:
            raise not_found("PLATFORM_NOT_FOUND", f"The fake server has no platform {name!r}.", platform=name)
        return self._spaces[name]

    def kept(self, platform: str, table: str) -> Kept:
        """A table. Raises Failure where there is none."""
        tables = self.space(platform).tables
        if table not in tables:
            raise not_found("TABLE_NOT_FOUND", f"{platform} has no table {table!r}.", table=table)
        return tables[table]

    def add(self, name: str, display_name: str) -> Space:
        """Makes a platform with the standard table, owned by the one user there is."""
        platform = platform_pb2.Platform(
            name=name,
            uid=str(uuid.uuid4()),
            display_name=display_name,
            state=platform_pb2.Platform.ACTIVE,
            owner=ME.name,
            etag=uuid.uuid4().hex,
        )
        space = Space(platform, {ME.name: platform_pb2.Member(member=ME.name, role=ROLE_ADMIN)})
        space.tables["events"] = Kept(_copied(_EVENTS))
        self._spaces[name] = space
        return space

    async def create_platform(self, request: platform_pb.CreatePlatformRequest) -> platform_pb2.Platform:
        """PlatformService.CreatePlatform."""
        name = f"platforms/{request.platform_id or 'p-' + uuid.uuid4().hex[:8]}"
        if name in self._deleted:
            raise taken("PLATFORM_DELETED", f"{name} was deleted and can be brought back.", platform=name)
        if name in self._spaces:
            raise taken("PLATFORM_ALREADY_EXISTS", f"{name} is taken.", platform=name)
        return self.add(name, request.platform.display_name or name.partition("/")[2]).platform

    async def get_platform(self, request: platform_pb.GetPlatformRequest) -> platform_pb2.Platform:
        """PlatformService.GetPlatform."""
        return self.space(request.name).platform

    async def list_platforms(
        self, request: platform_pb.ListPlatformsRequest
    ) -> platform_pb.ListPlatformsResponse:
        """PlatformService.ListPlatforms."""
        found, token = page([space.platform for space in self._spaces.values()], request)
        return platform_pb.ListPlatformsResponse(platforms=found, next_page_token=token)

    async def update_platform(self, request: platform_pb.UpdatePlatformRequest) -> platform_pb2.Platform:
        """PlatformService.UpdatePlatform."""
        platform = self._matching(request.platform.name, request.platform.etag).platform
        paths = request.update_mask.paths or ("display_name", "config")
        if "display_name" in paths:
            platform.display_name = request.platform.display_name
        if "config" in paths:
            platform.config.CopyFrom(request.platform.config)
        platform.etag = uuid.uuid4().hex
        return platform

    async def delete_platform(self, request: platform_pb.DeletePlatformRequest) -> empty_pb2.Empty:
        """PlatformService.DeletePlatform."""
        if request.purge and request.name in self._deleted:
            del self._deleted[request.name]
            return empty_pb2.Empty()
        self._matching(request.name, request.etag)
        space = self._spaces.pop(request.name)
        if not request.purge:
            self._deleted[request.name] = space
        return empty_pb2.Empty()

    async def undelete_platform(self, request: platform_pb.UndeletePlatformRequest) -> platform_pb2.Platform:
        """PlatformService.UndeletePlatform."""
        if request.name in self._deleted:
            self._spaces[request.name] = self._deleted.pop(request.name)
        return self.space(request.name).platform

    def _matching(self, name: str, etag: str) -> Space:
        space = self.space(name)
        if etag and etag != space.platform.etag:
            raise Failure("ABORTED", "ETAG_MISMATCH", f"{name} was changed since it was read.")
        return space

    async def set_member(self, request: platform_pb.SetMemberRequest) -> platform_pb2.Member:
        """PlatformService.SetMember."""
        self.space(request.platform).members[request.member.member] = request.member
        return request.member

    async def remove_member(self, request: platform_pb.RemoveMemberRequest) -> empty_pb2.Empty:
        """PlatformService.RemoveMember."""
        self.space(request.platform).members.pop(request.member, None)
        return empty_pb2.Empty()

    async def list_members(self, request: platform_pb.ListMembersRequest) -> platform_pb.ListMembersResponse:
        """PlatformService.ListMembers."""
        return platform_pb.ListMembersResponse(members=self.space(request.platform).members.values())

    async def get_current_user(self, request: identity_pb.GetCurrentUserRequest) -> user_pb2.User:
        """IdentityService.GetCurrentUser: whatever the token, the one user there is."""
        return ME

    async def list_users(self, request: identity_pb.ListUsersRequest) -> identity_pb.ListUsersResponse:
        """IdentityService.ListUsers."""
        found, token = page([ME], request)
        return identity_pb.ListUsersResponse(users=found, next_page_token=token)

    async def rotate_signing_key(
        self, request: identity_pb.RotateSigningKeyRequest
    ) -> identity_pb.RotateSigningKeyResponse:
        """IdentityService.RotateSigningKey: a key that signs nothing."""
        return identity_pb.RotateSigningKeyResponse(keys=[identity_pb.SigningKey(key_id=uuid.uuid4().hex)])


class FakeTables:
    """The methods of DataService about tables and rows."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def create_table(self, request: data_pb.CreateTableRequest) -> table_pb2.Table:
        """DataService.CreateTable."""
        tables = self._workspace.space(request.platform).tables
        name = request.table.name
        known = tables.setdefault(name, Kept(_copied(request.table)))
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
            (request.table or _EVENTS.name, request.request_id)
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
    if table == _EVENTS.name:
        raise Failure(
            "FAILED_PRECONDITION", "TABLE_PROTECTED", f"{table} is a standard table and stays as it is."
        )


def _copied(table: table_pb2.Table) -> table_pb2.Table:
    made = table_pb2.Table()
    made.CopyFrom(table)
    return made


def _counted(kept: Kept) -> table_pb2.Table:
    table = _copied(kept.table)
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
    missing = [name for name, kind in kinds.items() if stored[name] is None and "Nullable" not in kind]
    if missing:
        raise invalid("COLUMN_MISSING", f"column {missing[0]} has no value")
    return stored


def page(items: Sequence[_Item], request: Any) -> tuple[Sequence[_Item], str]:
    """One page of a list and where the next begins. Raises Failure for what the fake does not do."""
    if request.filter or request.order_by:
        raise invalid("INVALID_REQUEST", "The fake server neither filters nor orders lists.")
    if not (request.page_token or "0").isdecimal():
        raise invalid("PAGE_TOKEN_INVALID", "The page token is not one of this list.")
    start, size = int(request.page_token or 0), request.page_size or 100
    end = start + size
    return items[start:end], str(end) if end < len(items) else ""
