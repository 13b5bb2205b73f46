"""Sharing by e-mail: who it reaches, what an admin and a viewer learn of it."""

from __future__ import annotations

from uuid import uuid4

import pytest

from aidatalabs.common.v1 import access_service_pb2 as access_pb
from aidatalabs.identity.v1 import identity_service_pb2 as identity_pb
from aidatalabs.identity.v1 import identity_service_pb2_grpc as identity_pb_grpc
from aidatalabs.platform.v1 import platform_pb2
from aidatalabs.platform.v1 import platform_service_pb2 as pb
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.channels import open_channel
from tests.rpc.platform.world import PlatformWorld, User, refusal

VIEWER = access_pb.ROLE_VIEWER


async def members(world: PlatformWorld, user: User) -> list[platform_pb2.Member]:
    answer = await world.platforms.ListMembers(
        pb.ListMembersRequest(platform="platforms/demo"), metadata=user.metadata
    )
    return list(answer.members)


async def test_a_colleague_is_reached_by_e_mail_and_kept_by_id(world: PlatformWorld) -> None:
    ann, bob = await world.user("ann", Role.EDITOR), await world.user("bob", Role.VIEWER)
    await world.create(ann, "demo")
    shared = await world.share(ann, "demo", "Bob@Example.com", VIEWER)
    assert (shared.member, shared.email, shared.role) == (bob.name, "bob@example.com", VIEWER)
    assert (await world.get(bob, "demo")).name == "platforms/demo"
    (noted,) = await world.sql("SELECT details FROM audit_logs WHERE action = 'SetMember'")
    assert bob.name in str(noted["details"])

    request = pb.RemoveMemberRequest(platform="platforms/demo", member="bob@example.com")
    await world.platforms.RemoveMember(request, metadata=ann.metadata)
    assert [one.member for one in await members(world, ann)] == [ann.name]


@pytest.mark.parametrize(
    "member", ["nobody@example.com", "users/11111111-1111-4111-8111-111111111111", "ann@-nowhere-"]
)
async def test_nobody_gets_no_role_and_the_next_step_is_named(world: PlatformWorld, member: str) -> None:
    ann = await world.user("ann", Role.EDITOR)
    await world.create(ann, "demo")
    found = await refusal(world.share(ann, "demo", member, VIEWER))
    assert (found.code, found.reason) == ("NOT_FOUND", "USER_NOT_FOUND")
    assert found.metadata == {"member": member}
    assert "mesh admin" in found.message
    assert [one.member for one in await members(world, ann)] == [ann.name]


async def test_the_owner_keeps_the_role_by_e_mail_too(world: PlatformWorld) -> None:
    ann = await world.user("ann", Role.EDITOR)
    await world.create(ann, "demo")
    assert (await refusal(world.share(ann, "demo", "ann@example.com", VIEWER))).reason == "INVALID_REQUEST"
    request = pb.RemoveMemberRequest(platform="platforms/demo", member="ann@example.com")
    found = await refusal(world.platforms.RemoveMember(request, metadata=ann.metadata))
    assert found.reason == "INVALID_REQUEST"


async def test_admins_read_everybodys_e_mail_and_others_their_own(world: PlatformWorld) -> None:
    ann, bob = await world.user("ann", Role.EDITOR), await world.user("bob", Role.VIEWER)
    carl = await world.user("carl", Role.VIEWER)
    await world.create(ann, "demo")
    await world.share(ann, "demo", bob.name, VIEWER)
    await world.share(ann, "demo", "allUsers", VIEWER)
    for user, told in (
        (ann, {ann.name: "ann@example.com", bob.name: "bob@example.com"}),
        (bob, {bob.name: "bob@example.com"}),
        (carl, {}),
    ):
        assert {one.member: one.email for one in await members(world, user) if one.email} == told


async def test_who_may_not_share_learns_of_no_e_mail(world: PlatformWorld) -> None:
    ann, bob = await world.user("ann", Role.EDITOR), await world.user("bob", Role.EDITOR)
    await world.create(ann, "demo")
    for role, reason in ((None, "PLATFORM_NOT_FOUND"), (access_pb.ROLE_EDITOR, "PERMISSION_DENIED")):
        if role is not None:
            await world.share(ann, "demo", bob.name, role)
        for member in ("ann@example.com", "nobody@example.com"):
            assert (await refusal(world.share(bob, "demo", member, VIEWER))).reason == reason


async def test_identity_resolves_e_mails_and_names_once_each(world: PlatformWorld) -> None:
    ann = await world.user("ann", Role.VIEWER)
    channel = open_channel(f"unix:{world.sockets}/identity.sock")
    try:
        asked = [ann.name, "ANN@example.com", "nobody@example.com", f"users/{uuid4()}", "no e-mail", "\x00@x"]
        answer = await identity_pb_grpc.IdentityServiceStub(channel).ResolveUsers(
            identity_pb.ResolveUsersRequest(members=asked), metadata=ann.metadata
        )
    finally:
        await channel.close()
    assert [(user.name, user.email) for user in answer.users] == [(ann.name, "ann@example.com")]
