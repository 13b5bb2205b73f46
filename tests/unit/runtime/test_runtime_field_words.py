"""Broken rules of the contract in words, not in patterns."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from aidatalabs.agent.v1 import agent_service_pb2 as agent_pb
from aidatalabs.common.v1 import access_service_pb2 as access_pb
from aidatalabs.data.v1 import data_service_pb2 as data_pb
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
