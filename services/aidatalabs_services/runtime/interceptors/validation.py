"""The field rules of the contract, checked on the decoded request."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from protovalidate import Validator, Violation

from aidatalabs_services.runtime.errors import FieldViolation, InvalidRequest

# What a field with this in its pattern holds.
_PATTERNS = (
    ("users/", "should be users/{id}, the e-mail of a user or allUsers, such as ben@example.com"),
    (
        "platforms/",
        "should be platforms/{id} with lower-case letters, digits and - in the id, such as platforms/my-shop",
    ),
    (
        "[a-z0-9-]{0,61}",
        "should have lower-case letters, digits and -, and begin with a letter, such as my-shop",
    ),
    (
        "[a-zA-Z0-9_]{0,62}",
        "should have letters, digits and _, at most 63, and begin with no digit, such as orders",
    ),
    ("[A-Za-z0-9._:-]{0,128}", "should have at most 128 letters, digits and . _ : -, such as a UUID"),
    ("\\x00-\\x1f", "should hold no control characters"),
)
# The tag of extension 1159 (buf.validate) in serialised field, message and oneof options.
_RULES_TAG = b"\xba\x48"


@cache
def request_rules() -> RequestRules:
    """The rules of this process: compiled once, however many servers it has."""
    return RequestRules()


class RequestRules:
    """Checks messages against their `buf.validate` rules; types without any cost one lookup."""

    def __init__(self) -> None:
        self._validator = Validator()
        self._has_rules: dict[str, bool] = {}
        self._prepared: set[str] = set()
        self._free_fields: dict[str, frozenset[str]] = {}

    def prepare(self, types: Iterable[Descriptor]) -> None:
        """Compiles the rules of these types, so that a rule that does not compile stops the start."""
        for descriptor in types:
            if self._applies(descriptor) and descriptor.full_name not in self._prepared:
                self._validator.collect_violations(GetMessageClass(descriptor)(), fail_fast=True)
                self._prepared.add(descriptor.full_name)

    def check(self, message: Message) -> None:
        """Raises InvalidRequest with one violation per broken rule."""
        descriptor = cast("Descriptor", message.DESCRIPTOR)
        if not self._applies(descriptor):
            return
        found = self._validator.collect_violations(self._ruled(message, descriptor))
        if found:
            violations = [FieldViolation(_path(item), _words(item)) for item in found]
            first = violations[0]
            raise InvalidRequest(
                f"The request breaks the contract: {first.field or 'the message'} {first.description}.",
                violations=violations,
            )

    def _ruled(self, message: Message, descriptor: Descriptor) -> Message:
        """The message without its lists of messages that no rule is about.

        The validator would visit every one of a thousand events, for more time than their ingest takes.
        """
        free = self._free_fields.get(descriptor.full_name)
        if free is None:
            free = self._free_fields[descriptor.full_name] = self._without_rules(descriptor)
        if not free:
            return message
        ruled = type(message)()
        for field, value in message.ListFields():
            if field.name in free:
                continue
            if field.is_repeated:
                getattr(ruled, field.name).MergeFrom(value)
            elif field.message_type is not None:
                getattr(ruled, field.name).CopyFrom(value)
            else:
                setattr(ruled, field.name, value)
        return ruled

    def _without_rules(self, descriptor: Descriptor) -> frozenset[str]:
        """Names of the lists of messages that carry no rule; none where a rule is about the whole message."""
        if any(map(_carries, (descriptor, *descriptor.oneofs))):
            return frozenset()
        return frozenset(
            field.name
            for field in descriptor.fields
            if field.is_repeated
            and field.message_type is not None
            and not _carries(field)
            and not self._applies(field.message_type)
        )

    def _applies(self, descriptor: Descriptor) -> bool:
        known = self._has_rules.get(descriptor.full_name)
        if known is None:
            known = self._has_rules[descriptor.full_name] = _has_rules(descriptor, set())
        return known


def _has_rules(descriptor: Descriptor, seen: set[str]) -> bool:
    """True if the type or one inside it carries a rule."""
    if descriptor.full_name in seen:
        return False
    seen.add(descriptor.full_name)
    if any(map(_carries, (descriptor, *descriptor.fields, *descriptor.oneofs))):
        return True
    return any(_has_rules(field.message_type, seen) for field in descriptor.fields if field.message_type)


def _carries(carrier: Any) -> bool:
    """Whether rules stand at a message type, a field or a oneof itself."""
    return _RULES_TAG in carrier.GetOptions().SerializeToString()


def _words(violation: Violation) -> str:
    """What is wrong with the field, to be read after its name; a rule's pattern is told as an example."""
    wrong = violation.proto.message or "breaks a rule"
    if violation.proto.rule_id != "string.pattern":
        return wrong
    told = next((words for part, words in _PATTERNS if part in wrong), "")
    if not told:
        return wrong
    return f"is required, {told.rpartition(', ')[2]}" if violation.field_value == "" else told


def _path(violation: Violation) -> str:
    """The field's path as people write it: `events[3].properties["page"]`."""
    text = ""
    for element in violation.proto.field.elements if violation.proto.field else ():
        text += f".{element.field_name}" if text else element.field_name
        text += _subscript(element.subscript)
    return text


def _subscript(subscript: Any) -> str:
    if subscript is None:
        return ""
    value = subscript.value
    return f'["{value}"]' if isinstance(value, str) else f"[{value}]"
