from __future__ import annotations

import grpc
import pytest
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2

from aidatalabs.identity.v1 import identity_service_pb2 as pb
from aidatalabs_services.runtime.caller import Role
from tests.rpc.identity.world import IdentityWorld, Metadata, refused

PEOPLE = (
    ("admin@example.com", Role.ADMIN, "2026-01-05T00:00:00Z"),
    ("zoe@example.org", Role.EDITOR, "2026-01-01T00:00:00Z"),
    ("bob@example.com", Role.EDITOR, "2026-01-02T00:00:00Z"),
    ("ann_lee@example.com", Role.VIEWER, "2026-01-03T00:00:00Z"),
    ("annxlee@example.com", Role.NONE, "2026-01-03T00:00:00Z"),
)


async def people(world: IdentityWorld) -> Metadata:
    for email, role, created in PEOPLE:
        await world.token(email, role)
        await world.sql(
            "UPDATE users SET created_at = $2::text::timestamptz WHERE email = $1", email, created
        )
    return await world.caller("admin@example.com", Role.ADMIN)


async def listed(world: IdentityWorld, caller: Metadata, **fields: str) -> list[str]:
    """The names before the @, page by page."""
    names: list[str] = []
    token = ""
    while True:
        request = pb.ListUsersRequest(page_size=2, page_token=token, **fields)
        page = await world.stub.ListUsers(request, metadata=caller)
        names += [user.email.partition("@")[0] for user in page.users]
        token = page.next_page_token
        if not token:
            return names


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {"admin", "zoe", "bob", "ann_lee", "annxlee"}),
        ("role = EDITOR", {"zoe", "bob"}),
        ("role != EDITOR", {"admin", "ann_lee", "annxlee"}),
        ("role = NONE", {"annxlee"}),
        ('role = EDITOR AND email : "example.com"', {"bob"}),
        ('email : "N_L"', {"ann_lee"}),
        ('email : "%"', set()),
        ("email = bob@example.com", {"bob"}),
        ('email = "Bob@example.com"', set()),
        ('email < "b"', {"admin", "ann_lee", "annxlee"}),
        ('email > "bob"', {"bob", "zoe"}),
        ("create_time < 2026-01-02T00:00:00Z", {"zoe"}),
        ("create_time > 2026-01-02T01:00:00+01:00", {"admin", "ann_lee", "annxlee"}),
        ("create_time = 2026-01-03T00:00:00Z AND role = VIEWER", {"ann_lee"}),
        ('email : "\'; DROP TABLE users; --"', set()),
    ],
)
async def test_a_filter_leaves_the_users_that_meet_all_of_it(
    world: IdentityWorld, text: str, found: set[str]
) -> None:
    caller = await people(world)
    names = await listed(world, caller, filter=text)
    assert set(names) == found
    assert len(names) == len(found)


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("email", ["admin", "ann_lee", "annxlee", "bob", "zoe"]),
        ("email desc", ["zoe", "bob", "annxlee", "ann_lee", "admin"]),
        ("create_time desc", ["admin", "ann_lee/annxlee", "bob", "zoe"]),
        ("", ["zoe", "bob", "ann_lee/annxlee", "admin"]),
    ],
)
async def test_users_come_in_the_order_asked_for_over_all_pages(
    world: IdentityWorld, order: str, names: list[str]
) -> None:
    caller = await people(world)
    found = await listed(world, caller, order_by=order)
    tied = {"ann_lee", "annxlee"}
    if "ann_lee/annxlee" in names:  # made in one moment: their order is that of their ids, either way
        place = names.index("ann_lee/annxlee")
        assert set(found[place : place + 2]) == tied
        found[place : place + 2] = ["ann_lee/annxlee"]
    assert found == names


async def test_an_order_by_email_is_by_characters_whatever_the_language_of_the_database(
    world: IdentityWorld,
) -> None:
    caller = await people(world)
    await world.token("bob-x@example.com")
    found = await listed(world, caller, order_by="email", filter='email : "bob"')
    assert found == ["bob-x", "bob"]  # "-" stands before "@"; a dictionary would not see it


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ({"filter": "role = EDITOR"}, {}),
        ({"order_by": "email"}, {}),
        ({"order_by": "create_time desc"}, {}),
        ({}, {"filter": "role = EDITOR"}),
        ({"filter": "role = VIEWER"}, {"filter": "role = EDITOR"}),
    ],
)
async def test_a_page_token_of_another_filter_or_order_is_refused(
    world: IdentityWorld, changed: dict[str, str], kept: dict[str, str]
) -> None:
    caller = await people(world)
    first = await world.stub.ListUsers(pb.ListUsersRequest(page_size=1, **kept), metadata=caller)
    request = pb.ListUsersRequest(page_size=1, page_token=first.next_page_token, **changed)
    call = world.stub.ListUsers(request, metadata=caller)
    assert await refused(call) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")


async def test_a_page_token_goes_on_with_the_same_filter_spelt_otherwise(world: IdentityWorld) -> None:
    caller = await people(world)
    request = pb.ListUsersRequest(page_size=1, filter="role = EDITOR", order_by="create_time")
    first = await world.stub.ListUsers(request, metadata=caller)
    again = pb.ListUsersRequest(page_size=1, filter='role="EDITOR"', page_token=first.next_page_token)
    second = await world.stub.ListUsers(again, metadata=caller)
    assert [user.email for user in (*first.users, *second.users)] == ["zoe@example.org", "bob@example.com"]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("filter", "role = OWNER"),
        ("filter", "role < EDITOR"),
        ("filter", "mesh_role = EDITOR"),
        ("filter", "id = 1"),
        ("filter", "email = 'x' OR email = 'y'"),
        ("filter", "create_time = yesterday"),
        ("filter", "1 = 1; DROP TABLE users"),
        ("order_by", "mesh_role"),
        ("order_by", "email asc"),
        ("order_by", "email; DROP TABLE users"),
    ],
)
async def test_a_filter_or_order_that_cannot_be_read_is_refused_with_its_field(
    world: IdentityWorld, field: str, text: str
) -> None:
    caller = await world.caller("admin@example.com", Role.ADMIN)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.stub.ListUsers(
            json_format.ParseDict({field: text}, pb.ListUsersRequest()), metadata=caller
        )
    status = status_pb2.Status.FromString(
        dict(caught.value.trailing_metadata() or ())["grpc-status-details-bin"]
    )
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(bad)
    assert info.reason == "INVALID_REQUEST"
    assert [violation.field for violation in bad.field_violations] == [field]
