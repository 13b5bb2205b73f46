"""Methods with an HTTP rule as OpenAPI operations: path, parameters, body, answer, refusals."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from google.api import annotations_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from openapi_source.comments import Comments, first_sentence
from openapi_source.reasons import EVERY_CALL, WITH_BODY, Reason, Reasons
from openapi_source.rules import Schema, keywords
from openapi_source.schemas import Schemas, Way, is_required, set_by_server

_VARIABLE = re.compile(r"\{([a-z_.]+)(?:=([a-z]+)/\*)?\}")
_FILE = "google.api.HttpBody"
# Messages that are one word of text in a URL.
_IN_A_URL = ("google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask")

FILE_TYPES: Mapping[str, tuple[str, ...]] = {
    "aidatalabs.data.v1.DataService.Export": (
        "text/csv",
        "application/x-ndjson",
        "application/vnd.apache.parquet",
        "application/vnd.apache.arrow.stream",
    ),
    "aidatalabs.agent.v1.AgentService.DrawAnswer": ("image/png", "image/svg+xml"),
}
"""What the methods that answer with a file send; the contract's types cannot say it."""

ON_REQUEST: Mapping[str, tuple[str, ...]] = {
    "aidatalabs.agent.v1.AgentService.Query": FILE_TYPES["aidatalabs.agent.v1.AgentService.DrawAnswer"],
}
"""Files that methods send in place of their message, where the Accept header asks for them."""

_EVENTS = (
    "Server-sent events as they happen: each has one `data:` line, a JSON object of the schema that "
    "`x-event-schema` names."
)

_REFUSED_INSIDE = (
    "Where the stream has begun, a refusal is its last event: `event` is `error`, and `error` has the shape "
    "of every refusal. So come:"
)


@dataclass(frozen=True)
class Binding:
    """One way to call a method over REST."""

    method: MethodDescriptor
    verb: str
    """In lower case."""

    template: str
    """Path with variables, `/api/v1/{name=platforms/*}`."""

    body: str
    """`*`, the field that the body is, or empty."""

    is_first: bool
    """Whether it is the method's main binding."""

    @property
    def path(self) -> str:
        """The path as OpenAPI writes it: `/api/v1/platforms/{platform}`."""
        return _VARIABLE.sub(
            lambda found: f"{found[2] + '/' if found[2] else ''}{{{_name(found)}}}", self.template
        )

    @property
    def operation_id(self) -> str:
        """`DataService_Query`; a further binding has its verb behind it."""
        service = self.method.containing_service
        return f"{service.name}_{self.method.name}" + ("" if self.is_first else f"_{self.verb}")


def bindings(method: MethodDescriptor) -> Iterator[Binding]:
    """The method's HTTP rule and its additional bindings; none where it has no rule."""
    options = method.GetOptions()
    if not options.HasExtension(annotations_pb2.http):
        return
    rule = options.Extensions[annotations_pb2.http]
    for index, one in enumerate((rule, *rule.additional_bindings)):
        verb = one.WhichOneof("pattern")
        if one.response_body or verb == "custom":
            raise ValueError(f"{method.full_name}: response_body and custom verbs have no OpenAPI here")
        yield Binding(method, verb, getattr(one, verb), one.body, index == 0)


class Operations:
    """Makes operations out of bindings."""

    def __init__(self, schemas: Schemas, reasons: Reasons, comments: Comments) -> None:
        self._schemas = schemas
        self._reasons = reasons
        self._comments = comments

    def operation(self, binding: Binding) -> Schema:
        """The Operation Object of one binding."""
        method = binding.method
        text = self._comments[method.full_name]
        made: Schema = {
            "operationId": binding.operation_id,
            "tags": [tag_name(method.containing_service.name)],
            "summary": first_sentence(text),
            "description": text,
        }
        if parameters := [*self._path_parameters(binding), *self._query_parameters(binding)]:
            made["parameters"] = parameters
        if binding.body:
            made["requestBody"] = self._body(binding)
        reasons = self._reasons.of(method, with_body=bool(binding.body))
        inside = self._reasons.inside_stream(method)
        outside = [reason for reason in reasons if reason not in inside]
        made["responses"] = {"200": self._answer(method, inside), **_refusals(outside)}
        return made

    def _path_parameters(self, binding: Binding) -> Iterator[Schema]:
        for found in _VARIABLE.finditer(binding.template):
            field = _field(binding.method.input_type, found[1])
            collection = found[2] or ""
            rules = keywords(field)
            if collection:
                text = f"The id in `{collection}/{{id}}`."
                rules["pattern"] = _id_pattern(field, rules["pattern"], collection)
                rules |= {"examples": ["demo"]} if collection == "platforms" else {}
            else:
                text = self._comments[field.full_name]
            if field.enum_type is not None:
                rules = {"enum": [value.name for value in field.enum_type.values if value.number]}
            yield {
                "name": _name(found),
                "in": "path",
                "required": True,
                "description": text,
                "schema": {"type": "string"} | rules,
            }

    def _query_parameters(self, binding: Binding) -> Iterator[Schema]:
        """What is neither in the path nor in the body; a body of `*` leaves nothing."""
        if binding.body == "*":
            return
        taken = {found[1].partition(".")[0] for found in _VARIABLE.finditer(binding.template)}
        for field in binding.method.input_type.fields:
            if field.name in taken | {binding.body}:
                continue
            if field.message_type is not None and field.message_type.full_name not in _IN_A_URL:
                raise ValueError(f"{field.full_name}: a message in a query has no OpenAPI here")
            schema = self._schemas.field(field, Way.REQUEST)
            yield {
                "name": field.name,
                "in": "query",
                **({"required": True} if is_required(field) else {}),
                "description": schema.pop("description"),
                "schema": schema,
            }

    def _body(self, binding: Binding) -> Schema:
        message = binding.method.input_type
        variables = [found[1] for found in _VARIABLE.finditer(binding.template)]
        if binding.body == "*":
            if any("." in one for one in variables):
                raise ValueError(f"{binding.method.full_name}: a body of * beside a part of a message")
            schema = self._schemas.body(message, variables)
            # The edge takes no such call without a content type, though its body be empty braces.
            needed = True
        else:
            field = message.fields_by_name[binding.body]
            inside = [one for one in variables if one.startswith(f"{binding.body}.")]
            if not all(set_by_server(_field(message, one)) for one in inside):
                raise ValueError(f"{binding.method.full_name}: path and body both bring a field")
            schema = self._schemas.field(field, Way.REQUEST)
            needed = is_required(field)
        return {"required": needed, "content": {"application/json": {"schema": schema}}}

    def _answer(self, method: MethodDescriptor, inside: Sequence[Reason]) -> Schema:
        message = method.output_type
        content: Schema
        if message.full_name == _FILE:
            text = "The file."
            content = {kind: dict(_BINARY) for kind in FILE_TYPES[method.full_name]}
        elif method.server_streaming:
            text = "\n\n".join((_EVENTS, _REFUSED_INSIDE, _listed(inside))) if inside else _EVENTS
            event = self._schemas.message(message, Way.ANSWER)
            content = {"text/event-stream": {"schema": {"type": "string", "x-event-schema": event}}}
        else:
            text = self._comments.get(message.full_name, "Done; there is nothing to tell.")
            content = {"application/json": {"schema": self._schemas.message(message, Way.ANSWER)}}
            content |= {kind: dict(_BINARY) for kind in ON_REQUEST.get(method.full_name, ())}
        return {"description": text, "headers": dict(HEADERS), "content": content}


HEADERS = {
    "X-Request-Id": {"$ref": "#/components/headers/RequestId"},
    "traceresponse": {"$ref": "#/components/headers/TraceResponse"},
}
"""What every answer brings along."""

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ERROR = {"$ref": "#/components/schemas/Error"}
_ALWAYS = frozenset((*EVERY_CALL, *WITH_BODY))


def tag_name(service: str) -> str:
    """`DataService` → `Data`."""
    return service.removesuffix("Service")


def shared_name(status: int) -> str:
    """The component that is the answer with this status where only the edge's own reasons have it."""
    return f"Refused{status}"


def by_status(reasons: Sequence[Reason]) -> dict[int, list[Reason]]:
    """Reasons by the HTTP status they come with, lowest first."""
    statuses = sorted({status for reason in reasons for status in reason.statuses})
    return {status: [reason for reason in reasons if status in reason.statuses] for status in statuses}


def refusal(reasons: Sequence[Reason]) -> Schema:
    """The Response Object for refusals with one status: what each reason means, and an example of it."""
    return {
        "description": _listed(reasons),
        "headers": dict(HEADERS),
        "content": {
            "application/json": {
                "schema": _ERROR,
                "examples": {
                    reason.name: {"$ref": f"#/components/examples/{reason.name}"} for reason in reasons
                },
            }
        },
    }


def _listed(reasons: Sequence[Reason]) -> str:
    return "\n".join(f"- `{reason.name}`: {reason.sentence}" for reason in reasons)


def _refusals(reasons: Sequence[Reason]) -> dict[str, Schema]:
    made: dict[str, Schema] = {}
    for status, here in by_status(reasons).items():
        if _ALWAYS.issuperset(reason.name for reason in here) and _is_whole(status, here):
            made[str(status)] = {"$ref": f"#/components/responses/{shared_name(status)}"}
        else:
            made[str(status)] = refusal(here)
    made["default"] = {"$ref": "#/components/responses/Refused"}
    return made


def _is_whole(status: int, here: Sequence[Reason]) -> bool:
    """Whether `here` are all reasons of the shared component; a 429 without a body has one less."""
    return status != 429 or len(here) == len(_ALWAYS & {"OVERLOADED", "REQUEST_TOO_LARGE"})


def _name(variable: re.Match[str]) -> str:
    """`{name=platforms/*}` → `platform`; `{table}` → `table`."""
    return variable[2].removesuffix("s") if variable[2] else variable[1]


def _field(message: Descriptor, path: str) -> FieldDescriptor:
    name, _, rest = path.partition(".")
    field = message.fields_by_name[name]
    return _field(field.message_type, rest) if rest and field.message_type is not None else field


def _id_pattern(field: FieldDescriptor, pattern: str, collection: str) -> str:
    """`^platforms/X$` and `^(platforms/X)?$` → `^X$`."""
    inner = pattern.removeprefix("^").removesuffix("$")
    if inner.startswith("(") and inner.endswith(")?"):
        inner = inner[1:-2]
    if not inner.startswith(f"{collection}/"):
        raise ValueError(f"{field.full_name}: its pattern does not begin with {collection}/")
    return f"^{inner.removeprefix(f'{collection}/')}$"
