from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from aidatalabs.common.v1 import access_service_pb2 as access_pb
from aidatalabs.platform.v1 import platform_pb2
from aidatalabs.platform.v1 import platform_service_pb2 as pb
from aidatalabs_services.runtime.caller import Role
from tests.rpc.platform.world import PlatformWorld, User, refusal, refused

INVALID = ("INVALID_ARGUMENT", "INVALID_REQUEST")
DENIED = ("PERMISSION_DENIED", "PERMISSION_DENIED")
MISSING = ("NOT_FOUND", "PLATFORM_NOT_FOUND")
P = platform_pb2.Platform

Call = Callable[[PlatformWorld, User, str], Any]

CALLS: dict[str, tuple[Call, access_pb.Role.ValueType]] = {
    "get": (
        lambda w, u, name: w.platforms.GetPlatform(pb.GetPlatformRequest(name=name), metadata=u.metadata),
        access_pb.ROLE_VIEWER,
    ),
    "members": (
        lambda w, u, name: w.platforms.ListMembers(pb.ListMembersRequest(platform=name), metadata=u.metadata),
        access_pb.ROLE_VIEWER,
    ),
    "share": (
        lambda w, u, name: w.platforms.SetMember(
            pb.SetMemberRequest(
                platform=name, member=platform_pb2.Member(member="allUsers", role=access_pb.ROLE_VIEWER)
            ),
            metadata=u.metadata,
        ),
        access_pb.ROLE_ADMIN,
    ),
    "unshare": (
        lambda w, u, name: w.platforms.RemoveMember(
            pb.RemoveMemberRequest(platform=name, member="allUsers"), metadata=u.metadata
        ),
        access_pb.ROLE_ADMIN,
    ),
    "update": (
        lambda w, u, name: w.platforms.UpdatePlatform(
            pb.UpdatePlatformRequest(platform=P(name=name, display_name="x")), metadata=u.metadata
        ),
        access_pb.ROLE_ADMIN,
    ),
    "delete": (
        lambda w, u, name: w.platforms.DeletePlatform(
            pb.DeletePlatformRequest(name=name), metadata=u.metadata
        ),
        access_pb.ROLE_ADMIN,
    ),
}
ROLES = (access_pb.ROLE_VIEWER, access_pb.ROLE_EDITOR, access_pb.ROLE_ADMIN)


@pytest.mark.parametrize("method", CALLS)
async def test_each_method_lets_through_its_least_role_and_refuses_the_ones_below(
    world: PlatformWorld, method: str
) -> None:
    """AUTHZ-010 (viewer deletes) is one cell of it."""
    owner = await world.user("owner", Role.EDITOR)
    call, least = CALLS[method]
    for role in ROLES:
        await world.create(owner, f"demo{role}")
        user = await world.user(f"user{role}", Role.VIEWER)
        await world.share(owner, f"demo{role}", user.name, role)
        answer = call(world, user, f"platforms/demo{role}")
        if role < least:
            found = await refusal(answer)
            assert (found.code, found.reason) == DENIED
            assert found.metadata["needed_role"] == "admin"
        else:
            await answer


@pytest.mark.parametrize("method", CALLS)
async def test_a_foreign_platform_and_a_missing_one_get_the_same_answer(
    world: PlatformWorld, method: str
) -> None:
    """AUTHZ-002 and AUTHZ-003 are two cells of it."""
    owner, eve = await world.user("owner", Role.EDITOR), await world.user("eve", Role.EDITOR)
    await world.create(owner, "secret")
    call, _ = CALLS[method]
    foreign = await refusal(call(world, eve, "platforms/secret"))
    missing = await refusal(call(world, eve, "platforms/absent"))
    assert (foreign.code, foreign.reason) == MISSING
    assert (missing.code, missing.reason) == MISSING
    assert foreign.message.replace("secret", "absent") == missing.message
    assert foreign.metadata == {"platform": "platforms/secret"}
    assert (foreign.fields, foreign.retry_seconds) == (missing.fields, missing.retry_seconds)


@pytest.mark.parametrize("method", CALLS)
async def test_a_mesh_admin_is_admin_of_every_platform_but_not_of_missing_ones(
    world: PlatformWorld, method: str
) -> None:
    owner, root = await world.user("owner", Role.EDITOR), await world.user("root", Role.ADMIN)
    await world.create(owner, "demo")
    call, _ = CALLS[method]
    assert await refused(call(world, root, "platforms/absent")) == MISSING
    await call(world, root, "platforms/demo")


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("name", ["", "demo", "platforms/", "platforms/A", "platforms/a/b", "platforms/a\n"])
async def test_what_names_no_platform_is_refused(world: PlatformWorld, method: str, name: str) -> None:
    root = await world.user("root", Role.ADMIN)
    call, _ = CALLS[method]
    assert await refused(call(world, root, name)) == INVALID


async def test_no_method_answers_without_a_token(world: PlatformWorld) -> None:
    nobody = User("", ())
    for call, _ in CALLS.values():
        assert await refused(call(world, nobody, "platforms/demo")) == ("UNAUTHENTICATED", "TOKEN_MISSING")
    assert (await refused(world.create(nobody, "demo")))[1] == "TOKEN_MISSING"
    assert (await refused(world.platforms.ListPlatforms(pb.ListPlatformsRequest())))[1] == "TOKEN_MISSING"
    resolve = world.access.ResolveAccess(access_pb.ResolveAccessRequest())
    assert (await refused(resolve))[1] == "TOKEN_MISSING"


@pytest.mark.parametrize("role", [Role.NONE, Role.VIEWER])
async def test_creating_needs_an_editor_of_the_mesh(world: PlatformWorld, role: Role) -> None:
    user = await world.user("user", role)
    found = await refusal(world.create(user, "demo"))
    assert (found.code, found.reason) == DENIED
    assert found.metadata["needed_role"] == "editor"
    assert await world.sql("SELECT 1 FROM platforms") == []


async def test_a_user_sees_own_and_shared_platforms_in_pages_and_an_admin_all(world: PlatformWorld) -> None:
    ann, bob = await world.user("ann", Role.EDITOR), await world.user("bob", Role.EDITOR)
    root = await world.user("root", Role.ADMIN)
    for platform_id in ("a-own", "c-own", "e-own"):
        await world.create(ann, platform_id)
    for platform_id in ("b-open", "d-shared", "f-secret"):
        await world.create(bob, platform_id)
    await world.share(bob, "b-open", "allUsers", access_pb.ROLE_VIEWER)
    await world.share(bob, "d-shared", ann.name, access_pb.ROLE_EDITOR)
    await world.share(bob, "d-shared", "allUsers", access_pb.ROLE_VIEWER)  # listed once all the same
    assert await listed(world, ann, 2) == ["a-own", "b-open", "c-own", "d-shared", "e-own"]
    assert await listed(world, bob, 1) == ["b-open", "d-shared", "f-secret"]
    assert await listed(world, root, 6) == ["a-own", "b-open", "c-own", "d-shared", "e-own", "f-secret"]


async def listed(world: PlatformWorld, user: User, size: int) -> list[str]:
    found: list[str] = []
    token = ""
    while True:
        request = pb.ListPlatformsRequest(page_size=size, page_token=token)
        page = await world.platforms.ListPlatforms(request, metadata=user.metadata)
        assert len(page.platforms) <= size
        found += [platform.name.removeprefix("platforms/") for platform in page.platforms]
        token = page.next_page_token
        if not token:
            return found


async def test_authz_015_a_page_size_of_a_million_is_clamped_and_a_bad_token_refused(
    world: PlatformWorld,
) -> None:
    ann = await world.user("ann", Role.EDITOR)
    await world.create(ann, "demo")
    page = await world.platforms.ListPlatforms(
        pb.ListPlatformsRequest(page_size=1_000_000), metadata=ann.metadata
    )
    assert len(page.platforms) == 1
    bad = world.platforms.ListPlatforms(pb.ListPlatformsRequest(page_token="zz"), metadata=ann.metadata)
    assert await refused(bad) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")


async def test_everybody_may_only_read(world: PlatformWorld) -> None:
    ann, bob = await world.user("ann", Role.EDITOR), await world.user("bob", Role.VIEWER)
    await world.create(ann, "demo")
    for role in (access_pb.ROLE_EDITOR, access_pb.ROLE_ADMIN):
        found = await refusal(world.share(ann, "demo", "allUsers", role))
        assert (found.code, found.reason, found.fields) == (*INVALID, ("member.role",))
    assert await refused(world.get(bob, "demo")) == MISSING
    await world.share(ann, "demo", "allUsers", access_pb.ROLE_VIEWER)
    assert (await world.get(bob, "demo")).name == "platforms/demo"
    assert await refused(world.share(bob, "demo", bob.name, access_pb.ROLE_ADMIN)) == DENIED


async def test_the_higher_of_the_own_role_and_that_of_everybody_counts(world: PlatformWorld) -> None:
    ann, bob = await world.user("ann", Role.EDITOR), await world.user("bob", Role.VIEWER)
    await world.create(ann, "demo")
    await world.share(ann, "demo", bob.name, access_pb.ROLE_EDITOR)
    await world.share(ann, "demo", "allUsers", access_pb.ROLE_VIEWER)
    assert (await resolved(world, bob, "platforms/demo")).platform_role == access_pb.ROLE_EDITOR


async def test_the_owner_stays_admin_whoever_tries(world: PlatformWorld) -> None:
    ann, bob = await world.user("ann", Role.EDITOR), await world.user("bob", Role.VIEWER)
    root = await world.user("root", Role.ADMIN)
    await world.create(ann, "demo")
    await world.share(ann, "demo", bob.name, access_pb.ROLE_ADMIN)
    for user in (ann, bob, root):
        found = await refusal(world.share(user, "demo", ann.name, access_pb.ROLE_VIEWER))
        assert (found.code, found.reason, found.fields) == (*INVALID, ("member.role",))
    await world.share(bob, "demo", ann.name, access_pb.ROLE_ADMIN)
    assert (await resolved(world, ann, "platforms/demo")).platform_role == access_pb.ROLE_ADMIN


@pytest.mark.parametrize(
    "member", ["", "allusers", "users/", "users/" + "-" * 36, "groups/x", "users/" + "A" * 36]
)
async def test_what_names_no_member_is_refused(world: PlatformWorld, member: str) -> None:
    ann = await world.user("ann", Role.EDITOR)
    await world.create(ann, "demo")
    assert await refused(world.share(ann, "demo", member, access_pb.ROLE_VIEWER)) == INVALID


@pytest.mark.parametrize("role", [0, 4, -1])
async def test_a_role_out_of_the_contract_is_refused(world: PlatformWorld, role: Any) -> None:
    ann = await world.user("ann", Role.EDITOR)
    await world.create(ann, "demo")
    assert await refused(world.share(ann, "demo", "allUsers", role)) == INVALID


async def test_members_are_listed_with_the_owner_first_and_each_change_is_written_down(
    world: PlatformWorld,
) -> None:
    ann, bob = await world.user("ann", Role.EDITOR), await world.user("bob", Role.VIEWER)
    await world.create(ann, "demo")
    await world.share(ann, "demo", "allUsers", access_pb.ROLE_VIEWER)
    await world.share(ann, "demo", bob.name, access_pb.ROLE_VIEWER)
    await world.share(ann, "demo", bob.name, access_pb.ROLE_EDITOR)
    request = pb.ListMembersRequest(platform="platforms/demo")
    found = await world.platforms.ListMembers(request, metadata=bob.metadata)
    assert [(member.member, member.role) for member in found.members] == [
        (ann.name, access_pb.ROLE_ADMIN),
        ("allUsers", access_pb.ROLE_VIEWER),
        (bob.name, access_pb.ROLE_EDITOR),
    ]
    lines = await world.sql(
        "SELECT actor, details->>'role_before' AS before, details->>'role' AS role FROM audit_logs "
        "WHERE action = 'SetMember' ORDER BY timestamp"
    )
    changes = [(line["actor"], line["before"], line["role"]) for line in lines]
    assert changes == [
        (ann.name, "none", "viewer"),
        (ann.name, "none", "viewer"),
        (ann.name, "viewer", "editor"),
    ]


async def test_a_role_taken_away_is_gone_at_once_and_written_down(world: PlatformWorld) -> None:
    ann, bob = await world.user("ann", Role.EDITOR), await world.user("bob", Role.VIEWER)
    await world.create(ann, "demo")
    await world.share(ann, "demo", bob.name, access_pb.ROLE_EDITOR)
    await world.get(bob, "demo")
    request = pb.RemoveMemberRequest(platform="platforms/demo", member=bob.name)
    for _ in range(2):  # the second time there is nothing to take away
        await world.platforms.RemoveMember(request, metadata=ann.metadata)
        assert await refused(world.get(bob, "demo")) == MISSING
    lines = await world.sql("SELECT actor, details FROM audit_logs WHERE action = 'RemoveMember'")
    assert [(line["actor"], json.loads(line["details"])) for line in lines] == [
        (ann.name, {"member": bob.name, "role_before": "editor"})
    ]


async def test_who_loses_the_own_role_keeps_that_of_everybody(world: PlatformWorld) -> None:
    ann, bob = await world.user("ann", Role.EDITOR), await world.user("bob", Role.VIEWER)
    await world.create(ann, "demo")
    await world.share(ann, "demo", bob.name, access_pb.ROLE_ADMIN)
    await world.share(ann, "demo", "allUsers", access_pb.ROLE_VIEWER)
    request = pb.RemoveMemberRequest(platform="platforms/demo", member=bob.name)
    await world.platforms.RemoveMember(request, metadata=bob.metadata)
    assert (await resolved(world, bob, "platforms/demo")).platform_role == access_pb.ROLE_VIEWER
    everybody = pb.RemoveMemberRequest(platform="platforms/demo", member="allUsers")
    await world.platforms.RemoveMember(everybody, metadata=ann.metadata)
    assert await refused(world.get(bob, "demo")) == MISSING


async def test_the_owners_role_cannot_be_taken_away(world: PlatformWorld) -> None:
    ann, root = await world.user("ann", Role.EDITOR), await world.user("root", Role.ADMIN)
    await world.create(ann, "demo")
    for user in (ann, root):
        request = pb.RemoveMemberRequest(platform="platforms/demo", member=ann.name)
        found = await refusal(world.platforms.RemoveMember(request, metadata=user.metadata))
        assert (found.code, found.reason, found.fields) == (*INVALID, ("member",))


async def resolved(world: PlatformWorld, user: User, platform: str = "") -> access_pb.ResolveAccessResponse:
    return await world.access.ResolveAccess(
        access_pb.ResolveAccessRequest(platform=platform), metadata=user.metadata
    )


async def test_access_is_resolved_for_the_mesh_and_for_a_platform(world: PlatformWorld) -> None:
    ann, root = await world.user("ann", Role.EDITOR), await world.user("root", Role.ADMIN)
    made = await world.create(ann, "demo")
    assert await resolved(world, ann) == access_pb.ResolveAccessResponse(
        user=ann.name, mesh_role=access_pb.ROLE_EDITOR
    )
    assert await resolved(world, ann, "platforms/demo") == access_pb.ResolveAccessResponse(
        user=ann.name,
        mesh_role=access_pb.ROLE_EDITOR,
        platform_role=access_pb.ROLE_ADMIN,
        platform_uid=made.uid,
    )
    assert (await resolved(world, root, "platforms/demo")).platform_role == access_pb.ROLE_ADMIN
    eve = await world.user("eve", Role.EDITOR)
    foreign = world.access.ResolveAccess(
        access_pb.ResolveAccessRequest(platform="platforms/demo"), metadata=eve.metadata
    )
    assert await refused(foreign) == MISSING
    bad = world.access.ResolveAccess(
        access_pb.ResolveAccessRequest(platform="platforms/A"), metadata=eve.metadata
    )
    assert await refused(bad) == INVALID


DATA = "/aidatalabs.data.v1.DataService/"


@pytest.mark.parametrize(
    ("status", "method"), [("provisioning", "ProvisionPlatform"), ("deleting", "DeprovisionPlatform")]
)
async def test_only_the_method_that_does_an_attempts_work_resolves_while_the_platform_is_not_active(
    world: PlatformWorld, status: str, method: str
) -> None:
    ann, root = await world.user("ann", Role.EDITOR), await world.user("root", Role.ADMIN)
    await world.create(ann, "demo")
    await world.sql(
        "UPDATE platforms SET status = $1::text, deleted_at = CASE $1::text WHEN 'deleting' THEN now() END, "
        "attempt = gen_random_uuid(), attempt_until = clock_timestamp() + interval '1 minute'",
        status,
    )

    def ask(user: User, method: str) -> Any:
        request = access_pb.ResolveAccessRequest(platform="platforms/demo", method=method)
        return world.access.ResolveAccess(request, metadata=user.metadata)

    assert (await ask(ann, DATA + method)).platform_role == access_pb.ROLE_ADMIN
    others = {"ProvisionPlatform", "DeprovisionPlatform", "Ingest", "Query", "ListTables"} - {method}
    for other in ("", *(DATA + name for name in sorted(others))):
        assert await refused(ask(ann, other)) == ("FAILED_PRECONDITION", "PLATFORM_NOT_ACTIVE"), other
    assert await refused(ask(root, DATA + method)) == ("FAILED_PRECONDITION", "PLATFORM_NOT_ACTIVE")
    for wrong in ("Ingest", "/a", "/a/b/c", "/a/b\n", "/" + "a" * 200 + "/b"):
        assert await refused(ask(ann, wrong)) == INVALID, wrong
    await world.sql("UPDATE platforms SET attempt_until = clock_timestamp()")
    assert await refused(ask(ann, DATA + method)) == ("FAILED_PRECONDITION", "PLATFORM_NOT_ACTIVE")


async def test_authz_018_a_role_taken_away_counts_within_5_seconds_for_a_token_in_use(
    world: PlatformWorld,
) -> None:
    ann = await world.user("ann", Role.EDITOR)
    await world.create(ann, "first")
    await world.user("ann", Role.VIEWER)
    begun = time.monotonic()
    number = 0
    while True:
        number += 1
        try:
            await world.create(ann, f"later{number}")
        except grpc.aio.AioRpcError:
            break
        await asyncio.sleep(0.25)
        assert time.monotonic() - begun < 5.0
    assert await refused(world.create(ann, "last")) == DENIED


async def test_a_membership_counts_at_once(world: PlatformWorld) -> None:
    ann, bob = await world.user("ann", Role.EDITOR), await world.user("bob", Role.VIEWER)
    await world.create(ann, "demo")
    assert await refused(world.get(bob, "demo")) == MISSING
    await world.share(ann, "demo", bob.name, access_pb.ROLE_VIEWER)
    await world.get(bob, "demo")


async def test_a_user_that_is_gone_has_an_invalid_token_here_too(postgres_url: str, tmp_path: Path) -> None:
    world = PlatformWorld(postgres_url, tmp_path)
    async with world.running():
        gone = await world.user("gone", Role.ADMIN)
        await world.sql("DELETE FROM identity.users")
        listing = world.platforms.ListPlatforms(pb.ListPlatformsRequest(), metadata=gone.metadata)
        assert await refused(listing) == ("UNAUTHENTICATED", "TOKEN_INVALID")
        assert await refused(world.get(gone, "demo")) == ("UNAUTHENTICATED", "TOKEN_INVALID")
        assert await refused(world.create(gone, "demo")) == ("UNAUTHENTICATED", "TOKEN_INVALID")
