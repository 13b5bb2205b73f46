from __future__ import annotations

import asyncio

import pytest

from aidatalabs.common.v1 import access_service_pb2 as access_pb
from aidatalabs.identity.v1 import identity_service_pb2 as pb
from aidatalabs_services.identity.errors import EmailInvalid, LifetimeInvalid
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.testing import TokenMint
from tests.rpc.identity.world import IdentityWorld, bearer, refused

ME = pb.GetCurrentUserRequest()
NO_EMAILS = [
    *("", "ann", "@example.com", "ann@", "a b@example.com", "ann@exa_mple.com", "ann@-x.com"),
    *("\u00e4nn@example.com", "\u212aarl@example.com", "ann@example.com\n.", "'; DROP TABLE users;--"),
    *("ann@" + "x" * 64 + ".com", "a" * 65 + "@example.com", "a@" + "x." * 130 + "com"),
]


async def test_a_new_user_without_a_role_is_a_viewer_and_reads_themselves(world: IdentityWorld) -> None:
    me = await world.stub.GetCurrentUser(ME, metadata=await world.caller(" Ann@Example.COM "))
    assert me.email == "ann@example.com"
    assert me.mesh_role == access_pb.ROLE_VIEWER
    assert me.subscription_tier == ""
    assert me.name.startswith("users/")
    assert me.create_time.seconds > 1_700_000_000


async def test_a_role_given_to_a_known_user_takes_effect_for_the_old_token_too(world: IdentityWorld) -> None:
    old = await world.caller("ann@example.com")
    before = await world.stub.GetCurrentUser(ME, metadata=old)
    await world.caller("ANN@example.com", Role.ADMIN)
    after = await world.stub.GetCurrentUser(ME, metadata=old)
    assert after.name == before.name
    assert after.mesh_role == access_pb.ROLE_ADMIN
    assert (await world.stub.ListUsers(pb.ListUsersRequest(), metadata=old)).users[0].name == before.name


async def test_a_token_without_a_role_keeps_the_role_there_is(world: IdentityWorld) -> None:
    await world.caller("ann@example.com", Role.EDITOR)
    me = await world.stub.GetCurrentUser(ME, metadata=await world.caller("ann@example.com"))
    assert me.mesh_role == access_pb.ROLE_EDITOR


async def test_ten_tokens_at_once_for_one_email_make_one_user(world: IdentityWorld) -> None:
    await asyncio.gather(*(world.token("ann@example.com") for _ in range(10)))
    assert (await world.sql("SELECT count(*) FROM users"))[0][0] == 1


@pytest.mark.parametrize("role", [Role.NONE, Role.VIEWER, Role.EDITOR])
async def test_only_admins_list_users(world: IdentityWorld, role: Role) -> None:
    caller = await world.caller("bob@example.com", role)
    assert await refused(world.stub.ListUsers(pb.ListUsersRequest(), metadata=caller)) == (
        "PERMISSION_DENIED",
        "PERMISSION_DENIED",
    )


async def test_users_are_listed_oldest_first_in_pages(world: IdentityWorld) -> None:
    admin = await world.caller("admin@example.com", Role.ADMIN)
    for number in range(4):
        await world.token(f"user{number}@example.com")
    # Users of one moment are told apart by id.
    await world.sql("UPDATE users SET created_at = '2026-01-01T00:00:00Z' WHERE email LIKE 'user%'")
    found: list[str] = []
    token, pages = "", 0
    while pages == 0 or token:
        page = await world.stub.ListUsers(pb.ListUsersRequest(page_size=2, page_token=token), metadata=admin)
        found += [user.email for user in page.users]
        token, pages = page.next_page_token, pages + 1
    assert pages == 3
    assert sorted(found[:4]) == [f"user{number}@example.com" for number in range(4)]
    assert found[4:] == ["admin@example.com"]


async def test_a_page_larger_than_allowed_is_clamped_and_a_negative_one_refused(world: IdentityWorld) -> None:
    admin = await world.caller("admin@example.com", Role.ADMIN)
    page = await world.stub.ListUsers(pb.ListUsersRequest(page_size=1_000_000), metadata=admin)
    assert len(page.users) == 1
    negative = world.stub.ListUsers(pb.ListUsersRequest(page_size=-1), metadata=admin)
    assert await refused(negative) == ("INVALID_ARGUMENT", "INVALID_REQUEST")


@pytest.mark.parametrize("token", ["x", "AAAA", "e30", "\u00e9", "a" * 1024])
async def test_a_page_token_of_somebody_elses_making_is_refused(world: IdentityWorld, token: str) -> None:
    admin = await world.caller("admin@example.com", Role.ADMIN)
    call = world.stub.ListUsers(pb.ListUsersRequest(page_token=token), metadata=admin)
    assert await refused(call) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")


async def test_a_token_whose_user_is_gone_is_invalid_for_every_method(world: IdentityWorld) -> None:
    gone = await world.caller("gone@example.com", Role.ADMIN)
    await world.stub.GetCurrentUser(ME, metadata=gone)
    await world.sql("DELETE FROM users WHERE email = 'gone@example.com'")
    assert await refused(world.stub.GetCurrentUser(ME, metadata=gone)) == ("UNAUTHENTICATED", "TOKEN_INVALID")
    listing = world.stub.ListUsers(pb.ListUsersRequest(), metadata=gone)
    assert await refused(listing) == ("UNAUTHENTICATED", "TOKEN_INVALID")


async def test_no_token_a_foreign_token_and_an_expired_one_have_their_own_reasons(
    world: IdentityWorld,
) -> None:
    assert await refused(world.stub.GetCurrentUser(ME)) == ("UNAUTHENTICATED", "TOKEN_MISSING")
    foreign = bearer(TokenMint().token())
    assert await refused(world.stub.GetCurrentUser(ME, metadata=foreign)) == (
        "UNAUTHENTICATED",
        "TOKEN_INVALID",
    )


@pytest.mark.parametrize("email", NO_EMAILS)
async def test_what_is_no_email_makes_no_user(world: IdentityWorld, email: str) -> None:
    with pytest.raises(EmailInvalid):
        await world.token(email)
    assert await world.sql("SELECT 1 FROM users") == []


@pytest.mark.parametrize("seconds", [0, -1, 86_401, float("nan"), float("inf")])
async def test_a_lifetime_out_of_range_makes_no_user_and_no_token(
    world: IdentityWorld, seconds: float
) -> None:
    with pytest.raises(LifetimeInvalid):
        await world.token("ann@example.com", seconds=seconds)
    assert await world.sql("SELECT 1 FROM users") == []


async def test_a_token_lives_up_to_24_hours(world: IdentityWorld) -> None:
    caller = bearer(await world.token("ann@example.com", seconds=86_400))
    assert (await world.stub.GetCurrentUser(ME, metadata=caller)).email == "ann@example.com"
