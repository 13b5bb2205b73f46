"""Why a call is refused: the catalogue of the contract, and which of its reasons a method names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from openapi_source.comments import Comments
from openapi_source.rules import keywords

_REFERENCE = re.compile(r"\bas (?:(\w+Service)\.)?([A-Z]\w+) does\b(, inside the stream)?")
_CATALOGUE = "aidatalabs.common.v1.ErrorReason"
_PREFIX = "ERROR_REASON_"

# gRPC codes by name: number, and HTTP status as the edge maps it.
_CODES = {
    "CANCELLED": (1, 499),
    "INVALID_ARGUMENT": (3, 400),
    "DEADLINE_EXCEEDED": (4, 504),
    "NOT_FOUND": (5, 404),
    "ALREADY_EXISTS": (6, 409),
    "PERMISSION_DENIED": (7, 403),
    "RESOURCE_EXHAUSTED": (8, 429),
    "FAILED_PRECONDITION": (9, 400),
    "ABORTED": (10, 409),
    "UNIMPLEMENTED": (12, 501),
    "INTERNAL": (13, 500),
    "UNAVAILABLE": (14, 503),
    "UNAUTHENTICATED": (16, 401),
}
# The edge refuses these itself, with a status that says more; a service's own limit is a 429.
_EDGE_STATUSES = {
    "URI_TOO_LONG": (414,),
    "CONTENT_TYPE_NOT_SUPPORTED": (415,),
    "ACCEPT_NOT_SUPPORTED": (406,),
    "REQUEST_TOO_LARGE": (413, 429),
}
EVERY_CALL = (
    *("BAD_HTTP_REQUEST", "TOKEN_MISSING", "TOKEN_INVALID", "TOKEN_EXPIRED", "SESSION_INVALID"),
    *("CROSS_SITE_REQUEST", "URI_TOO_LONG", "OVERLOADED", "SERVICE_UNAVAILABLE", "DEADLINE_EXCEEDED"),
)
"""Refusals of the edge and of every service, whichever method is called."""

WITH_BODY = ("REQUEST_TOO_LARGE", "CONTENT_TYPE_NOT_SUPPORTED")
"""Refusals of calls that bring a body."""

NEGOTIATED = {"aidatalabs.agent.v1.AgentService.Query": ("ACCEPT_NOT_SUPPORTED", "CHART_NOT_AVAILABLE")}
"""Refusals of methods that answer over REST with what the Accept header asks for."""


@dataclass(frozen=True)
class Reason:
    """An entry of the catalogue."""

    name: str
    """As in ErrorInfo, without the enum's prefix."""

    sentence: str
    """What it means."""

    code: int
    """Number of its gRPC code."""

    statuses: tuple[int, ...]
    """HTTP statuses it comes with."""

    example: dict[str, Any]
    """The literal ErrorInfo of the catalogue."""


class Reasons:
    """The catalogue by name, and the reasons of each method."""

    def __init__(self, pool: DescriptorPool, comments: Comments) -> None:
        self._comments = comments
        values = pool.FindEnumTypeByName(_CATALOGUE).values
        listed = [
            _entry(value.name.removeprefix(_PREFIX), comments[f"{_CATALOGUE}.{value.name}"])
            for value in values
            if value.number
        ]
        self.catalogue = {reason.name: reason for reason in listed}

    def of(self, method: MethodDescriptor, *, with_body: bool) -> list[Reason]:
        """What the method may refuse with, in the order of the catalogue."""
        names = {*EVERY_CALL, *(WITH_BODY if with_body else ()), *self._named(method)}
        names.update(NEGOTIATED.get(method.full_name, ()))
        if any(keywords(field) for field in method.input_type.fields):
            names.add("INVALID_REQUEST")
        return [reason for name, reason in self.catalogue.items() if name in names]

    def inside_stream(self, method: MethodDescriptor) -> list[Reason]:
        """What the method tells in an event of its stream, once that has begun: no HTTP status says it."""
        names = {
            name
            for other, is_inside in self._referred(method)
            if is_inside
            for name in self._named(other)
            if name not in EVERY_CALL and name not in self._own_words(method)
        }
        return [reason for name, reason in self.catalogue.items() if name in names]

    def _named(self, method: MethodDescriptor) -> Iterable[str]:
        """Named by its comment, by its service's, and by the methods that the comment refers to."""
        yield from self._own_words(method)
        for other, _ in self._referred(method):
            yield from self._named(other)

    def _own_words(self, method: MethodDescriptor) -> Sequence[str]:
        texts = self._comments[method.full_name], self._comments[method.containing_service.full_name]
        return [word for text in texts for word in self._words(text)]

    def _referred(self, method: MethodDescriptor) -> Iterable[tuple[MethodDescriptor, bool]]:
        """The methods that it refuses as, in this service or another one, and whether inside its stream."""
        service = method.containing_service
        for other, name, inside in _REFERENCE.findall(self._comments[method.full_name]):
            home = service
            if other:
                owner = other.removesuffix("Service").lower()
                home = service.file.pool.FindServiceByName(f"aidatalabs.{owner}.v1.{other}")
            yield home.methods_by_name[name], bool(inside)

    def _words(self, text: str) -> Sequence[str]:
        return [word for word in re.findall(r"\b[A-Z][A-Z_]+\b", text) if word in self.catalogue]


def _entry(name: str, comment: str) -> Reason:
    found = re.fullmatch(r"(.+?) (?:HTTP status \d+\. )?Code ([A-Z_]+)\. Example:\n +(\{.+\})", comment, re.S)
    if found is None:
        raise ValueError(f"{name}: its comment does not end with code and example")
    code, status = _CODES[found[2]]
    statuses = _EDGE_STATUSES.get(name, (status,))
    return Reason(name, found[1], code, statuses, json.loads(found[3]))
