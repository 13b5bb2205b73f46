"""What has no translation stops the generator: the document never says less than the contract in silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from tests.architecture.test_house_rules import ROOT


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "proto"))


def message_with(change: Callable[[Any], None], kind: int = FieldDescriptorProto.TYPE_STRING) -> Descriptor:
    """A message `a.Thing` with one field, whose rules `change` sets."""
    field = FieldDescriptorProto(name="word", number=1, label=1, type=kind)  # type: ignore[arg-type]
    change(field.options.Extensions[validate_pb2.field])
    file = FileDescriptorProto(name="a.proto", package="a", syntax="proto3")
    file.message_type.append(DescriptorProto(name="Thing", field=[field]))
    pool = DescriptorPool()
    pool.Add(file)
    return pool.FindMessageTypeByName("a.Thing")


def field_with(
    change: Callable[[Any], None], kind: int = FieldDescriptorProto.TYPE_STRING
) -> FieldDescriptor:
    return message_with(change, kind).fields_by_name["word"]


def test_a_rule_becomes_its_keyword() -> None:
    from openapi_source.rules import keywords, must_be_there

    field = field_with(lambda rules: rules.string.MergeFrom(validate_pb2.StringRules(min_len=1, max_len=5)))
    assert keywords(field) == {"minLength": 1, "maxLength": 5}
    assert must_be_there(field)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda rules: setattr(rules.string, "email", True), FieldDescriptorProto.TYPE_STRING),
        (lambda rules: setattr(rules.string, "prefix", "x"), FieldDescriptorProto.TYPE_STRING),
        (lambda rules: setattr(rules.int64, "gte", 1), FieldDescriptorProto.TYPE_INT64),
        (lambda rules: rules.cel.add(id="x", expression="true"), FieldDescriptorProto.TYPE_STRING),
    ],
    ids=["email", "prefix", "int64", "cel"],
)
def test_a_rule_without_a_keyword_stops_it(change: Callable[[Any], None], kind: int) -> None:
    from openapi_source.rules import keywords

    with pytest.raises(ValueError, match=r"a\.Thing\.word: the rule.* no JSON Schema"):
        keywords(field_with(change, kind))


def test_what_has_no_comment_stops_it() -> None:
    from openapi_source.schemas import Schemas, Way

    with pytest.raises(KeyError, match=r"a\.Thing"):
        Schemas({}, []).message(message_with(lambda _: None), Way.ANSWER)


def test_a_comment_loses_its_line_breaks_and_keeps_its_examples() -> None:
    from openapi_source.comments import first_sentence, flowing

    text = flowing(' One thing: two\n lines.\n\n Another. Example:\n     {"a": 1}\n')
    assert text == 'One thing: two lines.\n\nAnother. Example:\n    {"a": 1}'
    assert first_sentence(text) == "One thing"
