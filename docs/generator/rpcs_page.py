"""The page of RPCs: for each method who may call it, within what limits, with which fields and refusals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, MethodDescriptor
from openapi_source.operations import bindings
from openapi_source.rules import allowed_values, keywords
from openapi_source.schemas import is_required, set_by_server

from aidatalabs_services.runtime.access import Idempotency, MethodAccess, Scope
from aidatalabs_services.runtime.access_table import TABLE
from docs.generator import contract, markdown

_OWN = "aidatalabs."
_ROWS = {row.method: row for row in TABLE}
_SCOPES = {
    Scope.OPEN: "open: no token",
    Scope.SELF: "self: any valid token",
    Scope.MESH: "mesh",
    Scope.PLATFORM: "platform",
    Scope.PLATFORM_OR_MESH: "platform; without one, mesh admins",
}
_REPETITIONS = {
    Idempotency.READ: "changes nothing, so clients repeat it by themselves",
    Idempotency.REQUEST_ID: "harmless with the same `request_id`",
    Idempotency.NATURAL: "leaves the same state",
    Idempotency.NONE: "counts as another call",
}
_ABOUT = """\
Every method of the contract, over gRPC at the edge's port and, where a path stands beside it, over REST.
Who may call it is decided by the service on the decoded message, never on a URL.

Over REST, fields are written in snake_case or lowerCamelCase, 64-bit integers as text, bytes as base64,
times as RFC 3339. What does not stand in the path goes into the body, or for GET and DELETE into the query
string. The same as OpenAPI 3.1 is at `/openapi.yaml`.
"""
_KEYWORDS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "minimum": "{} or more",
    "maximum": "at most {}",
    "exclusiveMinimum": "over {}",
    "exclusiveMaximum": "under {}",
}


def text() -> str:
    """The page. Raises KeyError for a method without a row in the access table."""
    methods = contract.methods()
    always = ", ".join(markdown.link(name, name, "errors.md") for name in contract.ALWAYS)
    parts = [f"Any call may be refused with: {always}.", "## All methods", _overview(methods)]
    for service in dict.fromkeys(method.containing_service for method in methods):
        parts.append(f"## {service.name}\n\n{contract.comments()[service.full_name]}")
        parts += [_method(method) for method in service.methods]
    messages = list(_messages(methods))
    parts += ["## Messages", *(_message(one) for one in messages), "## Enums"]
    return markdown.page("RPCs", _ABOUT, [*parts, *(_enum(one) for one in _enums(methods))])


def _overview(methods: list[MethodDescriptor]) -> str:
    rows = []
    for method in methods:
        rest = "<br>".join(_rest(method)) or "gRPC only"
        row = _ROWS[_path(method)]
        reached = rest if "edge" in row.peers else "between services"
        rows.append([markdown.link(_name(method), _name(method)), reached, _who(row)])
    return markdown.table(["method", "REST", "who"], rows)


def _method(method: MethodDescriptor) -> str:
    row = _ROWS[_path(method)]
    stream = ", answers with a stream" if method.server_streaming else ""
    peers = ", ".join(row.peers)
    named = [markdown.link(one.name, one.name, "errors.md") for one in contract.named_reasons(method)]
    lines = [
        f"- **gRPC:** {markdown.code(_path(method))}{stream}",
        *(f"- **REST:** {one}" for one in _rest(method)),
        f"- **Who:** {_who(row)}; called by: {peers}",
        f"- **Limits:** {row.deadline_seconds:g} s, request of {_size(row.request_bytes)}, "
        f"rate class {markdown.code(row.rate_class)}",
        f"- **Called again:** {_REPETITIONS[row.idempotency]}",
        f"- **Refuses with:** {', '.join(named) or 'what any call may meet'}",
    ]
    return "\n\n".join(
        [
            f"### {_name(method)}",
            contract.comments()[method.full_name],
            "\n".join(lines),
            f"Request, {markdown.code(method.input_type.name)}:",
            _fields(method.input_type) or "No fields.",
            f"Answer: {_type_link(method.output_type)}" + (", one after the other." if stream else "."),
        ]
    )


def _name(method: MethodDescriptor) -> str:
    return f"{method.containing_service.name}.{method.name}"


def _path(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


def _rest(method: MethodDescriptor) -> list[str]:
    return [markdown.code(f"{one.verb.upper()} {one.path}") for one in bindings(method)]


def _who(row: MethodAccess) -> str:
    scope = _SCOPES[row.scope]
    return scope if row.scope in (Scope.OPEN, Scope.SELF) else f"{row.least_role.name.lower()} on: {scope}"


def _size(count: int) -> str:
    return f"{count // 2**20} MiB" if count % 2**20 == 0 else f"{count} bytes"


def _message(message: Descriptor) -> str:
    parts = [f"### {_short(message)}", contract.comments()[message.full_name], _fields(message)]
    return "\n\n".join(part for part in parts if part)


def _fields(message: Descriptor) -> str:
    rows = [
        [markdown.code(field.name), _type(field), _rules(field), contract.comments()[field.full_name]]
        for field in message.fields
    ]
    return markdown.table(["field", "type", "rules", "meaning"], rows) if rows else ""


def _rules(field: FieldDescriptor) -> str:
    if set_by_server(field):
        return "set by the server"
    said = ["required"] if is_required(field) else []
    for name, value in keywords(field).items():
        if name == "pattern":
            said.append(markdown.code(value))
        elif (name, value) == ("minLength", 1):
            said.append("not empty")
        elif name in _KEYWORDS:
            said.append(_KEYWORDS[name].format(f"{value:,}"))
    if (values := allowed_values(field)) is not None and len(values) > 1:
        said.append("one of " + ", ".join(markdown.code(one) for one in values))
    return "; ".join(said)


def _type(field: FieldDescriptor) -> str:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return f"map of {_type(field.message_type.fields_by_name['value'])} by text"
    many = "list of " if field.is_repeated else ""
    if field.message_type is not None:
        return many + _type_link(field.message_type)
    if field.enum_type is not None:
        return many + markdown.link(_short(field.enum_type), _short(field.enum_type))
    return many + field_type(field)


def field_type(field: FieldDescriptor) -> str:
    """The scalar type as proto writes it."""
    names = [name for name in dir(FieldDescriptor) if name.startswith("TYPE_")]
    found = next(name for name in names if getattr(FieldDescriptor, name) == field.type)
    return found.removeprefix("TYPE_").lower()


def _type_link(message: Descriptor) -> str:
    own = message.full_name.startswith(_OWN)
    return markdown.link(_short(message), _short(message)) if own else markdown.code(message.full_name)


def _short(kind: Descriptor | EnumDescriptor) -> str:
    """`aidatalabs.data.v1.Receipt.State` → `data.Receipt.State`."""
    return re.sub(r"\.v1\.", ".", kind.full_name.removeprefix(_OWN), count=1)


def _messages(methods: Iterable[MethodDescriptor]) -> Iterator[Descriptor]:
    """Every message of ours that an answer is or holds, or a request holds, by name."""
    found: dict[str, Descriptor] = {}
    requests = [method.input_type for method in methods]
    pending = [method.output_type for method in methods] + [
        field.message_type for one in requests for field in one.fields if field.message_type is not None
    ]
    while pending:
        one = pending.pop()
        if one.full_name not in found and one.full_name.startswith(_OWN):
            if not one.GetOptions().map_entry:
                found[one.full_name] = one
            pending += [field.message_type for field in one.fields if field.message_type is not None]
    return iter(found[name] for name in sorted(found))


def _enums(methods: Iterable[MethodDescriptor]) -> Iterator[EnumDescriptor]:
    holders = [*(method.input_type for method in methods), *_messages(methods)]
    found = {
        field.enum_type.full_name: field.enum_type
        for one in holders
        for field in one.fields
        if field.enum_type is not None
    }
    return iter(found[name] for name in sorted(found))


def _enum(kind: EnumDescriptor) -> str:
    rows = [
        [markdown.code(value.name), contract.comments()[f"{kind.full_name}.{value.name}"]]
        for value in kind.values
    ]
    head = [f"### {_short(kind)}", contract.comments()[kind.full_name]]
    return "\n\n".join([*head, markdown.table(["value", "meaning"], rows)])
