"""Between platform.proto and the domain's nouns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from aidatalabs.common.v1 import access_service_pb2 as access_pb
from aidatalabs.platform.v1 import platform_pb2 as pb
from aidatalabs_services.platform.configs import JsonValue
from aidatalabs_services.platform.listings import ORDERS, Listing
from aidatalabs_services.platform.members import Member
from aidatalabs_services.platform.platforms import Change, Draft, Platform, State
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.errors import FieldViolation, InvalidRequest
from aidatalabs_services.runtime.filters import FieldKind, parse_filter, parse_order, render_filter

_STATES = {
    State.PROVISIONING: pb.Platform.PROVISIONING,
    State.ACTIVE: pb.Platform.ACTIVE,
    State.FAILED: pb.Platform.FAILED,
    State.DELETING: pb.Platform.DELETING,
    State.DELETED: pb.Platform.DELETED,
}
_SET_BY_SERVER = ("name", "create_time", "update_time", "etag", "delete_time", "purge_time")
_NEVER_CHANGED = ("create_time", "update_time", "delete_time", "purge_time")
_CHANGEABLE = ("display_name", "config")
FIELDS = {
    "name": FieldKind.TEXT,
    "display_name": FieldKind.TEXT,
    "state": FieldKind.CHOICE(*(state.name for state in State)),
    "owner": FieldKind.TEXT,
    "create_time": FieldKind.TIMESTAMP,
    "update_time": FieldKind.TIMESTAMP,
}


def draft_of(platform_id: str, message: pb.Platform) -> Draft:
    """What the caller wants created. Raises InvalidRequest for a field that only the server sets.

    The contract's rules refuse a set uid, state and owner already.
    """
    _refuse_set(message, _SET_BY_SERVER, "Leave them out; an id goes into platform_id.")
    return Draft(platform_id, message.display_name, _plain_object(message.config))


def change_of(message: pb.Platform, paths: Sequence[str]) -> Change:
    """What the caller wants changed: what the mask's paths name; both parts where it names none.

    Raises InvalidRequest for a path that names nothing that can be changed, `*` too, and for a field that
    only the server sets; the contract's rules refuse a set uid, state and owner already.
    """
    violations = [
        FieldViolation("update_mask", f"names no field that can be changed: {path[:100]!r}")
        for path in paths
        if path not in _CHANGEABLE
    ]
    if violations:
        raise InvalidRequest(
            "The update_mask may name display_name and config; leave it out to replace both.",
            violations=violations[:10],
        )
    _refuse_set(message, _NEVER_CHANGED, "Leave them out.")
    named = paths or _CHANGEABLE
    return Change(
        display_name=message.display_name if "display_name" in named else None,
        config=_plain_object(message.config) if "config" in named else None,
        etag=message.etag,
    )


def _refuse_set(message: pb.Platform, names: Sequence[str], next_step: str) -> None:
    present = {field.name for field, _ in message.ListFields()}
    violations = [
        FieldViolation(f"platform.{name}", "is set by the server; leave it out")
        for name in names
        if name in present
    ]
    if violations:
        raise InvalidRequest(
            f"The platform has fields that only the server sets. {next_step}", violations=violations
        )


def platform_message(platform: Platform) -> pb.Platform:
    """The platform as the contract has it."""
    config = Struct()
    config.update(dict(platform.config))
    return pb.Platform(
        name=platform.name,
        uid=str(platform.uid),
        display_name=platform.display_name,
        config=config,
        state=_STATES[platform.state],
        owner=platform.owner,
        create_time=_timestamp(platform.create_time),
        update_time=_timestamp(platform.update_time),
        etag=platform.etag,
        delete_time=_timestamp(platform.delete_time) if platform.delete_time else None,
        purge_time=_timestamp(platform.purge_time) if platform.purge_time else None,
    )


def listing_of(filter_text: str, order_by: str, *, deleted: bool = False) -> tuple[Listing, dict[str, str]]:
    """The list asked for, and what its page tokens are bound to, however it was spelt.

    Raises InvalidRequest for a filter or an order that cannot be read.
    """
    conditions = parse_filter(filter_text, FIELDS)
    order = parse_order(order_by, ORDERS, "name")
    parameters = {
        "list": "platforms",
        "filter": render_filter(conditions),
        "order": f"{order.field} desc" if order.descending else order.field,
    }
    if deleted:
        parameters["deleted"] = "shown"
    return Listing(conditions, order.field, order.descending, deleted), parameters


def member_of(message: pb.Member) -> Member:
    """The member of a message that keeps the contract's rules."""
    return Member(message.member, Role(message.role))


def member_message(member: Member) -> pb.Member:
    """The member as the contract has it."""
    return pb.Member(member=member.member, role=role_number(member.role), email=member.email)


def role_number(role: Role) -> access_pb.Role.ValueType:
    """The role as the contract numbers it."""
    return cast("access_pb.Role.ValueType", role.value)


def _plain_object(struct: Struct) -> dict[str, JsonValue]:
    """Recursion is bounded: the parser refuses messages nested over 100 deep."""
    return {name: _plain(value) for name, value in struct.fields.items()}


def _plain(value: Value) -> JsonValue:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _plain_object(value.struct_value)
    if kind == "list_value":
        return [_plain(item) for item in value.list_value.values]
    if kind is None or kind == "null_value":
        return None
    if kind == "number_value":
        return value.number_value + 0.0  # the store knows no negative zero
    return cast("JsonValue", getattr(value, kind))


def _timestamp(moment: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(moment)
    return found
