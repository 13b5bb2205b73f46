"""One call in three ways through the edge, native gRPC, gRPC-Web and REST, to the same kind of outcome."""

from __future__ import annotations

import base64
import http.client
import json
import re
import struct
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.api import annotations_pb2, httpbody_pb2
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

_HTTP_STATUS = {
    code_pb2.INVALID_ARGUMENT: 400,
    code_pb2.FAILED_PRECONDITION: 400,
    code_pb2.UNAUTHENTICATED: 401,
    code_pb2.PERMISSION_DENIED: 403,
    code_pb2.NOT_FOUND: 404,
    code_pb2.ALREADY_EXISTS: 409,
    code_pb2.ABORTED: 409,
    code_pb2.RESOURCE_EXHAUSTED: 429,
    code_pb2.UNIMPLEMENTED: 501,
}
"""What google/rpc/code.proto maps the codes of the fixtures to."""

_OWN_IDS = ("request_id", "trace_id")
"""Facts of an error that differ from call to call."""

_VARIABLE = re.compile(r"\{([a-z_.]+)(?:=[^}]*)?\}")


@dataclass(frozen=True)
class Refused:
    """A refusal: gRPC code by number, reason, message, facts without its ids, wrong fields."""

    code: int
    reason: str
    message: str
    facts: tuple[tuple[str, str], ...]
    fields: tuple[str, ...]
    has_request_id: bool

    @classmethod
    def of(cls, status: status_pb2.Status) -> Refused:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        for detail in status.details:
            detail.Unpack(info)
            detail.Unpack(bad)
        facts = {key: value for key, value in info.metadata.items() if key not in _OWN_IDS}
        return cls(
            status.code,
            info.reason,
            status.message,
            tuple(sorted(facts.items())),
            tuple(violation.field for violation in bad.field_violations),
            "request_id" in info.metadata,
        )


Outcome = list[Any] | Refused
"""The messages of an answer (one where the method does not stream), or the refusal."""


def request_of(method: MethodDescriptor, fields: Mapping[str, Any]) -> Message:
    """The method's request message with these fields, written as JSON."""
    return json_format.ParseDict(dict(fields), message_factory.GetMessageClass(method.input_type)())


def path_of(method: MethodDescriptor) -> str:
    """The path of a method over gRPC."""
    return f"/{method.containing_service.full_name}/{method.name}"


def over_grpc(port: int, method: MethodDescriptor, request: Message, token: str) -> Outcome:
    """The call over native gRPC."""
    answer = message_factory.GetMessageClass(method.output_type)
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        kind: Any = channel.unary_stream if method.server_streaming else channel.unary_unary
        if method.client_streaming:
            kind = channel.stream_stream
        call = kind(path_of(method), type(request).SerializeToString, answer.FromString)
        try:
            sent = iter([request]) if method.client_streaming else request
            answered = call(sent, metadata=metadata, timeout=30)
            return list(answered) if method.server_streaming else [answered]
        except grpc.RpcError as error:
            return _refused(error)


def _refused(error: Any) -> Refused:
    packed = dict(error.trailing_metadata())["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(packed)
    assert (status.code, status.message) == (error.code().value[0], error.details())
    return Refused.of(status)


def over_grpc_web(port: int, method: MethodDescriptor, request: Message, token: str) -> Outcome:
    """The call over gRPC-Web in its binary form, framed here by hand."""
    body = request.SerializeToString()
    headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    status, replied, raw = _http(
        port, "POST", path_of(method), struct.pack(">BI", 0, len(body)) + body, headers, token
    )
    assert status == 200, raw
    trailers = {key.lower(): value for key, value in replied.items()}
    messages = []
    answer = message_factory.GetMessageClass(method.output_type)
    for flags, frame in _frames(raw):
        if flags & 0x80:
            lines = [line.partition(":") for line in frame.decode().split("\r\n") if line]
            trailers |= {key.strip().lower(): value.strip() for key, _, value in lines}
        else:
            messages.append(answer.FromString(frame))
    if trailers["grpc-status"] == "0":
        return messages
    packed = trailers["grpc-status-details-bin"]
    found = status_pb2.Status.FromString(base64.b64decode(packed + "=" * (-len(packed) % 4)))
    assert found.code == int(trailers["grpc-status"])
    assert found.message == urllib.parse.unquote(trailers["grpc-message"])
    return Refused.of(found)


def _frames(raw: bytes) -> Iterator[tuple[int, bytes]]:
    while raw:
        flags, length = struct.unpack(">BI", raw[:5])
        yield flags, raw[5 : 5 + length]
        raw = raw[5 + length :]


def has_rest(method: MethodDescriptor) -> bool:
    """Whether the method has an HTTP rule."""
    return method.GetOptions().HasExtension(annotations_pb2.http)


def over_rest(port: int, method: MethodDescriptor, request: Message, token: str) -> Outcome:
    """The call by the method's HTTP rule."""
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    verb = rule.WhichOneof("pattern")
    fields = json_format.MessageToDict(request, preserving_proto_field_name=True)
    path = _VARIABLE.sub(
        lambda found: urllib.parse.quote(str(_take(fields, found[1])), safe="/"), getattr(rule, verb)
    )
    body = None
    headers = {}
    if rule.body:
        content = fields if rule.body == "*" else fields.pop(rule.body, {})
        body = json.dumps(content).encode()
        headers["content-type"] = "application/json"
    if rule.body != "*":
        path += "?" + urllib.parse.urlencode(list(_query(fields, method.input_type.fields_by_name)))
    status, replied, raw = _http(port, verb.upper(), path.removesuffix("?"), body, headers, token)
    kind = message_factory.GetMessageClass(method.output_type)
    if status != 200:
        refusal = json_format.Parse(raw, status_pb2.Status())
        assert status == _HTTP_STATUS[refusal.code], (status, refusal)
        return Refused.of(refusal)
    if method.output_type is httpbody_pb2.HttpBody.DESCRIPTOR:
        return [httpbody_pb2.HttpBody(content_type=replied["content-type"], data=raw)]
    if replied["content-type"].startswith("text/event-stream"):
        events = [event.removeprefix("data: ") for event in raw.decode().split("\n\n") if event]
        return [json_format.Parse(event, kind()) for event in events]
    assert replied["content-type"] == "application/json"
    return [json_format.Parse(raw, kind())]


def _take(fields: dict[str, Any], path: str) -> Any:
    """Takes the value of a dotted path out; what a rule binds to the URL is not sent twice."""
    *parents, last = path.split(".")
    for parent in parents:
        fields = fields[parent]
    return fields.pop(last)


def _query(
    fields: Mapping[str, Any], kinds: Mapping[str, FieldDescriptor], prefix: str = ""
) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _query(value, _kinds(kinds[name]), f"{prefix}{name}.")
        elif isinstance(value, list):
            yield from ((f"{prefix}{name}", str(one)) for one in value)
        else:
            yield f"{prefix}{name}", str(value)


def _kinds(field: FieldDescriptor) -> Mapping[str, FieldDescriptor]:
    assert field.message_type is not None
    return field.message_type.fields_by_name


def _http(
    port: int, verb: str, path: str, body: bytes | None, headers: dict[str, str], token: str
) -> tuple[int, dict[str, str], bytes]:
    if token:
        headers = headers | {"authorization": f"Bearer {token}"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(verb, path, body, headers)
        answer = connection.getresponse()
        replied = {key.lower(): value for key, value in answer.getheaders()}
        return answer.status, replied, answer.read()
    finally:
        connection.close()
