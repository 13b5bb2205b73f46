"""Between platform.proto and the domain's nouns."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from aidatalabs.common.v1 import access_service_pb2 as access_pb
from aidatalabs.platform.v1 import platform_pb2 as pb
from aidatalabs_services.platform.configs import JsonValue
from aidatalabs_services.platform.members import Member
from aidatalabs_services.platform.platforms import Draft, Platform, State
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.errors import FieldViolation, InvalidRequest

_STATES = {
    State.PROVISIONING: pb.Platform.PROVISIONING,
    State.ACTIVE: pb.Platform.ACTIVE,
    State.FAILED: pb.Platform.FAILED,
    State.DELETING: pb.Platform.DELETING,
}
_SET_BY_SERVER = ("name", "create_time", "update_time", "etag")


def draft_of(platform_id: str, message: pb.Platform) -> Draft:
    """What the caller wants created. Raises InvalidRequest for a field that only the server sets.

    The contract's rules refuse a set uid, state and owner already.
    """
    present = {field.name for field, _ in message.ListFields()}
    violations = [
        FieldViolation(f"platform.{name}", "is set by the server; leave it out")
        for name in _SET_BY_SERVER
        if name in present
    ]
    if violations:
        raise InvalidRequest(
            "The platform has fields that only the server sets. Leave them out; an id goes into platform_id.",
            violations=violations,
        )
    return Draft(platform_id, message.display_name, _plain_object(message.config))


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
    )


def member_of(message: pb.Member) -> Member:
    """The member of a message that keeps the contract's rules."""
    return Member(message.member, Role(message.role))


def member_message(member: Member) -> pb.Member:
    """The member as the contract has it."""
    return pb.Member(member=member.member, role=role_number(member.role))


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
