"""Broken rules of the contract in words, not in patterns."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from google.protobuf.message import Message

from aidatalabs.agent.v1 import agent_service_pb2 as agent_pb
from aidatalabs.common.v1 import access_service_pb2 as access_pb
from aidatalabs.data.v1 import data_service_pb2 as data_pb
from aidatalabs.data.v1 import ingest_pb2, typed_path_pb2
from aidatalabs.platform.v1 import platform_pb2
from aidatalabs.platform.v1 import platform_service_pb2 as platform_pb
from aidatalabs_services.runtime.errors import InvalidRequest
from aidatalabs_services.runtime.interceptors.validation import RequestRules

P = "platforms/demo"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (agent_pb.QueryRequest(question="x"), "platform is required, such as platforms/my-shop"),
        (agent_pb.QueryRequest(platform="Shop", question="x"), "platform should be platforms/{id} with"),
        (platform_pb.GetPlatformRequest(name="platforms/My_Shop"), "name should be platforms/{id} with"),
        (
            platform_pb.CreatePlatformRequest(platform_id="My_Shop"),
            "platform_id should have lower-case letters, digits and -, and begin with a letter, such as my",
        ),
        (data_pb.GetTableRequest(platform=P, table="1st"), "table should have letters, digits and _"),
        (data_pb.GetTableRequest(platform=P), "table is required, such as orders"),
        (
            platform_pb.SetMemberRequest(
                platform=P, member=platform_pb2.Member(member="ben", role=access_pb.ROLE_VIEWER)
            ),
            "member.member should be users/{id}, the e-mail of a user or allUsers, such as ben@example.com",
        ),
        (
            platform_pb.CreatePlatformRequest(platform=platform_pb2.Platform(display_name="a\nb")),
            "platform.display_name should hold no control characters",
        ),
        (data_pb.IngestRequest(platform=P, request_id="a b"), "request_id should have at most 128"),
    ],
)
def test_a_field_that_does_not_fit_is_told_in_words(message: Message, told: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        RequestRules().check(message)
    assert f"The request breaks the contract: {told}" in caught.value.message
    assert "regex" not in str(caught.value.violations)


@pytest.mark.parametrize("member", ["ben@example.com", "allUsers", "users/" + "0" * 36, "a/b+c@x-y.example"])
def test_members_may_be_named_in_three_ways(member: str) -> None:
    RequestRules().check(platform_pb.RemoveMemberRequest(platform=P, member=member))


def test_messages_that_no_rule_is_about_are_not_visited_and_all_others_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A call of ten thousand events has rules at three of its fields."""
    rules, visited = RequestRules(), list[Message]()
    real = rules._validator.collect_violations

    def noting(message: Message) -> object:
        visited.append(message)
        return real(message)

    monkeypatch.setattr(rules, "_validator", SimpleNamespace(collect_violations=noting))
    ingest = data_pb.IngestRequest(platform=P, request_id="a b", events=[ingest_pb2.Event()] * 3)
    with pytest.raises(InvalidRequest) as caught:
        rules.check(ingest)
    assert [each.field for each in caught.value.violations] == ["request_id"]
    assert visited == [data_pb.IngestRequest(platform=P, request_id="a b")]
    assert len(ingest.events) == 3, "the message itself stays as it came"
    typing = typed_path_pb2.TypePathsRequest(
        platform=P, table="t", column="p", paths=[typed_path_pb2.TypedPath()], untyped_paths=["x"]
    )
    with pytest.raises(InvalidRequest) as caught:
        rules.check(typing)
    assert {each.field for each in caught.value.violations} == {"paths[0].path", "paths[0].type"}
