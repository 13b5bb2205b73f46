from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from aidatalabs.platform.v1 import platform_pb2
from aidatalabs_services.runtime.caller import Role
from tests.rpc.platform.test_platform_creation import config
from tests.rpc.platform.test_platform_requests import nested, text
from tests.rpc.platform.world import PlatformWorld, User, refusal, refused

INVALID = ("INVALID_ARGUMENT", "INVALID_REQUEST")
CHANGED = ("ABORTED", "ETAG_MISMATCH")
NOT_ACTIVE = ("FAILED_PRECONDITION", "PLATFORM_NOT_ACTIVE")
P = platform_pb2.Platform


async def made(world: PlatformWorld) -> tuple[User, P]:
    ann = await world.user("ann", Role.EDITOR)
    return ann, await world.create(ann, "demo", display_name="Demo", config=config(a=1, b=2))


async def test_without_a_mask_name_and_config_are_replaced(world: PlatformWorld) -> None:
    ann, before = await made(world)
    after = await world.update(ann, "demo", display_name="Other", config=config(c=3))
    assert (after.display_name, after.config) == ("Other", config(c=3))
    assert (after.uid, after.owner, after.state, after.create_time) == (
        before.uid,
        before.owner,
        before.state,
        before.create_time,
    )
    assert after.etag != before.etag
    assert after.update_time.ToNanoseconds() > before.update_time.ToNanoseconds()
    assert await world.get(ann, "demo") == after


async def test_what_is_left_out_without_a_mask_is_emptied_and_an_empty_name_is_the_id(
    world: PlatformWorld,
) -> None:
    ann, _ = await made(world)
    after = await world.update(ann, "demo")
    assert (after.display_name, after.config) == ("demo", Struct())


@pytest.mark.parametrize(
    ("mask", "name", "number"),
    [
        (["display_name"], "Other", 1),
        (["config"], "Demo", 9),
        (["config", "display_name"], "Other", 9),
        (["config", "config"], "Demo", 9),
    ],
)
async def test_with_a_mask_only_what_it_names_changes(
    world: PlatformWorld, mask: list[str], name: str, number: int
) -> None:
    ann, _ = await made(world)
    after = await world.update(ann, "demo", mask=mask, display_name="Other", config=config(a=9))
    assert (after.display_name, after.config["a"]) == (name, number)


@pytest.mark.parametrize(
    "path", ["*", "", "name", "uid", "state", "owner", "etag", "config.a", "displayName", "nope", "x" * 5000]
)
async def test_a_path_that_names_nothing_to_change_is_refused(world: PlatformWorld, path: str) -> None:
    ann, before = await made(world)
    found = await refusal(world.update(ann, "demo", mask=["display_name", path], display_name="Other"))
    assert (found.code, found.reason, found.fields) == (*INVALID, ("update_mask",))
    assert await world.get(ann, "demo") == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("uid", "00000000-0000-4000-8000-000000000000"),
        ("state", P.ACTIVE),
        ("owner", "users/00000000-0000-4000-8000-000000000000"),
        ("create_time", Timestamp(seconds=1)),
        ("update_time", Timestamp()),
        ("delete_time", Timestamp(seconds=1)),
    ],
)
@pytest.mark.parametrize("mask", [[], ["display_name"]])
async def test_a_field_that_only_the_server_sets_is_refused(
    world: PlatformWorld, field: str, value: Any, mask: list[str]
) -> None:
    ann, before = await made(world)
    found = await refusal(world.update(ann, "demo", mask=mask, display_name="Other", **{field: value}))
    assert (found.code, found.reason, found.fields) == (*INVALID, (f"platform.{field}",))
    assert await world.get(ann, "demo") == before


@pytest.mark.parametrize("bad", [text(65_529), nested(17), config(x="a\x00b"), config(x=float("nan"))])
async def test_a_config_out_of_its_bounds_is_refused(world: PlatformWorld, bad: Struct) -> None:
    ann, before = await made(world)
    found = await refusal(world.update(ann, "demo", config=bad))
    assert (found.code, found.reason, found.fields) == (*INVALID, ("platform.config",))
    assert await world.get(ann, "demo") == before
    # Not named, hence not taken and not looked at.
    await world.update(ann, "demo", mask=["display_name"], display_name="Other", config=bad)


async def test_an_etag_must_be_the_newest_and_without_one_the_last_write_wins(world: PlatformWorld) -> None:
    ann, first = await made(world)
    second = await world.update(ann, "demo", display_name="Second", etag=first.etag)
    found = await refusal(world.update(ann, "demo", display_name="Third", etag=first.etag))
    assert (found.code, found.reason) == CHANGED
    assert found.metadata == {"platform": "platforms/demo"}
    assert await refused(world.update(ann, "demo", display_name="Third", etag="nonsense")) == CHANGED
    assert await world.get(ann, "demo") == second
    third = await world.update(ann, "demo", display_name="Third")
    assert (await world.update(ann, "demo", display_name="Fourth", etag=third.etag)).display_name == "Fourth"


async def test_of_twenty_updates_on_one_etag_one_wins(world: PlatformWorld) -> None:
    ann, first = await made(world)
    calls = [world.update(ann, "demo", display_name=f"n{turn}", etag=first.etag) for turn in range(20)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    won = [outcome for outcome in outcomes if isinstance(outcome, P)]
    lost = [outcome for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
    assert (len(won), {error.code() for error in lost}) == (1, {grpc.StatusCode.ABORTED})
    assert await world.get(ann, "demo") == won[0]


async def test_the_same_request_gets_the_first_answer_and_changes_nothing_again(world: PlatformWorld) -> None:
    ann, first = await made(world)
    answer = await world.update(ann, "demo", display_name="Mine", etag=first.etag, request_id="r1")
    later = await world.update(ann, "demo", display_name="Later")
    assert await world.update(ann, "demo", display_name="Mine", etag=first.etag, request_id="r1") == answer
    assert await world.get(ann, "demo") == later
    assert (await world.sql("SELECT count(*) FROM audit_logs WHERE action = 'UpdatePlatform'"))[0][0] == 2


async def test_equal_requests_at_once_are_one_update(world: PlatformWorld) -> None:
    ann, first = await made(world)
    calls = (world.update(ann, "demo", display_name="x", etag=first.etag, request_id="r1") for _ in range(10))
    answers = await asyncio.gather(*calls)
    assert len({answer.SerializeToString(deterministic=True) for answer in answers}) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"display_name": "y"},
        {"display_name": "x", "config": config(a=1)},
        {"display_name": "x", "mask": ["display_name"]},
        {"display_name": "x", "etag": "e"},
    ],
)
async def test_the_same_request_id_with_another_change_is_refused(
    world: PlatformWorld, other: dict[str, Any]
) -> None:
    ann, _ = await made(world)
    answer = await world.update(ann, "demo", display_name="x", request_id="r1")
    found = await refusal(world.update(ann, "demo", request_id="r1", **other))
    assert (found.code, found.reason) == ("ALREADY_EXISTS", "IDEMPOTENCY_MISMATCH")
    assert found.metadata["repeated_request_id"] == "r1"
    assert await world.get(ann, "demo") == answer


async def test_the_same_request_id_on_another_platform_is_refused_and_as_another_user_is_another(
    world: PlatformWorld,
) -> None:
    ann, _ = await made(world)
    root = await world.user("root", Role.ADMIN)
    await world.create(ann, "second")
    await world.update(ann, "demo", display_name="x", request_id="r1")
    again = world.update(ann, "second", display_name="x", request_id="r1")
    assert (await refused(again))[1] == "IDEMPOTENCY_MISMATCH"
    assert (await world.update(root, "second", display_name="x", request_id="r1")).display_name == "x"


async def test_an_old_update_sent_again_is_refused_on_the_next_platform_of_that_id(
    world: PlatformWorld,
) -> None:
    ann, _ = await made(world)
    await world.update(ann, "demo", display_name="x", request_id="r1")
    await world.delete(ann, "demo")
    second = await world.create(ann, "demo")
    found = await refusal(world.update(ann, "demo", display_name="x", request_id="r1"))
    assert (found.code, found.reason) == ("ALREADY_EXISTS", "IDEMPOTENCY_MISMATCH")
    assert await world.get(ann, "demo") == second
    answer = await world.update(ann, "demo", display_name="x", request_id="r2")
    assert (answer.uid, answer.display_name) == (second.uid, "x")


async def test_a_refused_update_leaves_its_request_id_free(world: PlatformWorld) -> None:
    ann, _ = await made(world)
    assert await refused(world.update(ann, "demo", display_name="x", etag="old", request_id="r1")) == CHANGED
    assert (await world.update(ann, "demo", display_name="y", request_id="r1")).display_name == "y"


async def test_every_update_is_written_down_with_what_it_changed(world: PlatformWorld) -> None:
    ann, _ = await made(world)
    after = await world.update(ann, "demo", mask=["config"])
    (line,) = await world.sql(
        "SELECT actor, platform_id, details->>'fields' AS fields, details->>'etag' AS etag FROM audit_logs "
        "WHERE action = 'UpdatePlatform'"
    )
    assert (line["actor"], str(line["platform_id"])) == (ann.name, after.uid)
    assert (line["fields"], line["etag"]) == ("config", after.etag)


async def test_a_platform_that_is_being_deleted_takes_no_update(world: PlatformWorld) -> None:
    ann, first = await made(world)
    answer = await world.update(ann, "demo", display_name="x", request_id="r1")
    await world.sql("UPDATE platforms SET status = 'deleting', deleted_at = now()")
    world.data.failure = RuntimeError()  # it stays, whoever looks
    found = await refusal(world.update(ann, "demo", display_name="y"))
    assert (found.code, found.reason) == NOT_ACTIVE
    assert found.metadata == {"platform": "platforms/demo", "state": "DELETING"}
    assert await refused(world.update(ann, "demo", display_name="y", etag=first.etag)) == NOT_ACTIVE
    assert await world.update(ann, "demo", display_name="x", request_id="r1") == answer


async def test_the_etag_of_the_database_is_that_of_the_domain(world: PlatformWorld) -> None:
    ann, platform = await made(world)
    for turn in range(12):  # versions of two digits too
        platform = await world.update(ann, "demo", display_name=f"n{turn}", etag=platform.etag)
        assert (await world.get(ann, "demo")).etag == platform.etag
