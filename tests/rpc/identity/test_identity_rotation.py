from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from pathlib import Path

import asyncpg
import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from aidatalabs.identity.v1 import identity_service_pb2 as pb
from aidatalabs_services.identity.local import issue_local_token
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.tokens import TokenVerifier, jwks_source
from tests.rpc.identity.world import IdentityWorld, bearer, refused

ME = pb.GetCurrentUserRequest()


def kid_of(token: str) -> str:
    header = token.partition(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"])


async def published(world: IdentityWorld) -> list[str]:
    async with world.http("/.well-known/jwks.json") as response:
        return [key["kid"] for key in (await response.json())["keys"]]


async def rotate(world: IdentityWorld, request_id: str = "", email: str = "admin@example.com") -> list[str]:
    caller = await world.caller(email, Role.ADMIN)
    request = pb.RotateSigningKeyRequest(request_id=request_id)
    answer = await world.stub.RotateSigningKey(request, metadata=caller)
    return [key.key_id for key in answer.keys]


async def test_new_tokens_have_the_new_key_old_ones_stay_good_and_the_key_set_holds_both(
    world: IdentityWorld,
) -> None:
    old = await world.token("ann@example.com")
    elsewhere = TokenVerifier(jwks_source(f"unix:{world.http_socket}"))
    await elsewhere.verify(old)
    caller = await world.caller("admin@example.com", Role.ADMIN)
    answer = await world.stub.RotateSigningKey(pb.RotateSigningKeyRequest(), metadata=caller)
    new = await world.token("ann@example.com")
    assert [key.key_id for key in answer.keys] == [kid_of(new), kid_of(old)]
    assert kid_of(new) != kid_of(old)
    assert [key.HasField("expire_time") for key in answer.keys] == [False, True]
    until = answer.keys[1].expire_time.seconds - answer.keys[1].create_time.seconds
    assert 24 * 3600 < until < 25 * 3600
    assert (await published(world))[:2] == [kid_of(new), kid_of(old)]
    for token in (old, new):
        assert (await world.stub.GetCurrentUser(ME, metadata=bearer(token))).email == "ann@example.com"
        # A verifier that fetched the set before the rotation may not ask again so soon, and knows the key.
        assert (await elsewhere.verify(token)).user.startswith("users/")


async def test_the_same_request_id_gets_the_first_answer_and_rotates_once(world: IdentityWorld) -> None:
    caller = await world.caller("admin@example.com", Role.ADMIN)
    request = pb.RotateSigningKeyRequest(request_id="once")
    first = await world.stub.RotateSigningKey(request, metadata=caller)
    await rotate(world, "another")
    assert await world.stub.RotateSigningKey(request, metadata=caller) == first
    assert len(await published(world)) == 4  # first, "once", "another", and the next
    # Somebody else's id is another request.
    await rotate(world, "once", "eve@example.com")
    assert len(await published(world)) == 5


async def test_equal_calls_at_once_rotate_once_and_different_ones_each(world: IdentityWorld) -> None:
    await world.token("admin@example.com", Role.ADMIN)
    same = await asyncio.gather(*(rotate(world, "same") for _ in range(6)))
    assert all(answer == same[0] for answer in same)
    assert len(await published(world)) == 3
    different = await asyncio.gather(*(rotate(world, f"id-{number}") for number in range(4)))
    assert len({answer[0] for answer in different}) == 4
    assert len(await published(world)) == 7


async def test_a_call_that_was_cut_off_after_its_keys_were_changed_is_not_done_twice(
    world: IdentityWorld,
) -> None:
    first = await rotate(world, "cut")
    await world.sql("DELETE FROM requests")  # what a kill before the commit leaves
    assert await rotate(world, "cut") == first
    assert len(await published(world)) == 3


async def test_a_request_id_of_yesterday_is_forgotten(world: IdentityWorld) -> None:
    first = await rotate(world, "daily")
    await world.sql("UPDATE requests SET created_at = now() - interval '25 hours'")
    for file in world.keys.iterdir():
        content = json.loads(file.read_text())
        if content["rotation"]:
            content["sign_time"] = "2026-01-02T03:04:05+00:00"
            content["create_time"] = "2026-01-02T03:04:04+00:00"
        elif content["sign_time"]:
            content["sign_time"] = content["create_time"] = "2026-01-01T03:04:05+00:00"
        file.write_text(json.dumps(content))
    assert (await rotate(world, "daily"))[0] != first[0]


@pytest.mark.parametrize("role", [Role.NONE, Role.VIEWER, Role.EDITOR])
async def test_only_admins_rotate(world: IdentityWorld, role: Role) -> None:
    before = await published(world)
    caller = await world.caller("bob@example.com", role)
    call = world.stub.RotateSigningKey(pb.RotateSigningKeyRequest(), metadata=caller)
    assert await refused(call) == ("PERMISSION_DENIED", "PERMISSION_DENIED")
    assert await published(world) == before


async def test_who_rotated_stands_in_an_audit_log_that_only_grows(world: IdentityWorld) -> None:
    key = (await rotate(world, "r-1"))[0]
    await rotate(world, "r-1")
    (line,) = await world.sql("SELECT actor, action, details FROM audit_logs")
    (admin,) = await world.sql("SELECT id FROM users")
    assert (line["actor"], line["action"]) == (f"users/{admin['id']}", "RotateSigningKey")
    assert json.loads(line["details"]) == {"key_id": key}
    for change in ("UPDATE audit_logs SET actor = 'x'", "DELETE FROM audit_logs", "TRUNCATE audit_logs"):
        with pytest.raises(asyncpg.RaiseError):
            await world.sql(change)


async def test_a_restart_keeps_all_keys_and_the_answer(postgres_url: str, tmp_path: Path) -> None:
    world = IdentityWorld(postgres_url, tmp_path)
    async with world.running():
        old = await world.token("ann@example.com")
        answer = await rotate(world, "before")
        keys = await published(world)
    async with world.running():
        assert await published(world) == keys
        assert await rotate(world, "before") == answer
        assert (await world.stub.GetCurrentUser(ME, metadata=bearer(old))).email == "ann@example.com"


async def test_a_second_process_and_a_second_service_use_the_new_key_at_once(
    world: IdentityWorld, tmp_path: Path
) -> None:
    other = IdentityWorld(world.postgres_url, tmp_path)
    async with other.running():
        await other.stub.GetCurrentUser(ME, metadata=await other.caller("ann@example.com"))
        key = (await rotate(world))[0]
        assert (await published(other))[0] == key
        token = await token_of_another_process(world)
        assert kid_of(token) == key
        for service in (world, other):
            me = await service.stub.GetCurrentUser(ME, metadata=bearer(token))
            assert me.email == "cli@example.com"


async def token_of_another_process(world: IdentityWorld) -> str:
    code = (
        "import asyncio, sys, pathlib; from aidatalabs_services.identity.local import issue_local_token;"
        "keys = pathlib.Path(sys.argv[2]);"
        "print(asyncio.run(issue_local_token(sys.argv[1], keys, 'cli@example.com', None, 60)))"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, world.postgres_url, str(world.keys)),
        env={"PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode().strip()


async def test_keys_that_others_can_read_are_no_longer_rotated_and_no_path_is_told(
    world: IdentityWorld,
) -> None:
    caller = bearer(await issue_local_token(world.postgres_url, world.keys, "a@example.com", Role.ADMIN, 60))
    await world.stub.GetCurrentUser(ME, metadata=caller)
    world.keys.chmod(0o755)
    request = pb.RotateSigningKeyRequest(request_id="unsafe")
    call = world.stub.RotateSigningKey(request, metadata=caller)
    assert await refused(call) == ("UNAVAILABLE", "SERVICE_UNAVAILABLE")
    world.keys.chmod(0o700)
    # The refusal was not remembered as the answer.
    assert len((await world.stub.RotateSigningKey(request, metadata=caller)).keys) == 2


async def test_at_most_eight_keys_are_published_and_the_refusal_says_when_there_is_room(
    world: IdentityWorld,
) -> None:
    caller = await world.caller("admin@example.com", Role.ADMIN)
    made = [await rotate(world, f"r-{number}") for number in range(6)]
    keys = await published(world)
    assert len(keys) == 8
    for request_id in ("r-6", ""):
        call = world.stub.RotateSigningKey(pb.RotateSigningKeyRequest(request_id=request_id), metadata=caller)
        assert await refused(call) == ("RESOURCE_EXHAUSTED", "OVERLOADED")
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await rotate(world, "r-6")
    packed = dict(error.value.trailing_metadata() or ())["grpc-status-details-bin"]
    retry = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(retry) for detail in status_pb2.Status.FromString(packed).details)
    assert 24 * 3600 < retry.retry_delay.seconds <= 24 * 3600 + 300  # as long as the oldest key's last token
    assert await published(world) == keys
    # A repetition makes no key, so it is answered.
    assert await rotate(world, "r-0") == made[0]
    await world.sql("DELETE FROM requests")
    assert (await rotate(world, "r-5"))[0] == made[5][0]
