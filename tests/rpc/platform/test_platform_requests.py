from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from aidatalabs.platform.v1 import platform_pb2
from aidatalabs.platform.v1 import platform_service_pb2 as pb
from aidatalabs_services.runtime.caller import Role
from tests.rpc.platform.world import PlatformWorld, refusal, refused

INVALID = ("INVALID_ARGUMENT", "INVALID_REQUEST")
P = platform_pb2.Platform


def nested(depth: int) -> Struct:
    """A config of so many objects inside one another."""
    struct = Struct()
    struct["leaf"] = 1
    for _ in range(depth - 1):
        outer = Struct()
        outer["inner"] = struct
        struct = outer
    return struct


def text(size: int) -> Struct:
    struct = Struct()
    struct["t"] = "x" * size
    return struct


@pytest.mark.parametrize(
    "platform_id",
    ["A", "1a", "-a", "a-", "a_b", "a.b", "a/b", "a" * 64, "ä", "a b", "a\n", "..", "a%2f", "platforms/a"],
)
async def test_an_id_out_of_its_alphabet_is_refused(world: PlatformWorld, platform_id: str) -> None:
    ann = await world.user("ann", Role.EDITOR)
    found = await refusal(world.create(ann, platform_id))
    assert (found.code, found.reason) == INVALID
    assert found.fields == ("platform_id",)


@pytest.mark.parametrize("platform_id", ["a", "a1", "a--b", "a" * 63])
async def test_an_id_within_its_alphabet_is_taken(world: PlatformWorld, platform_id: str) -> None:
    ann = await world.user("ann", Role.EDITOR)
    assert (await world.create(ann, platform_id)).name == f"platforms/{platform_id}"


@pytest.mark.parametrize("name", ["n" * 101, "n" * 256, "a\nb", "a\x00", "a\x7f", "\x1b[31m"])
async def test_idem_014_a_name_too_long_or_with_control_characters_is_refused(
    world: PlatformWorld, name: str
) -> None:
    ann = await world.user("ann", Role.EDITOR)
    found = await refusal(world.create(ann, "demo", display_name=name))
    assert (found.code, found.reason) == INVALID
    assert found.fields == ("platform.display_name",)


async def test_idem_014_an_empty_name_is_the_id(world: PlatformWorld) -> None:
    ann = await world.user("ann", Role.EDITOR)
    assert (await world.create(ann, "demo", display_name="")).display_name == "demo"


@pytest.mark.parametrize("size", [65_529, 65_536, 900_000, 1_000_000])
async def test_idem_015_a_config_over_64_kib_is_refused(world: PlatformWorld, size: int) -> None:
    ann = await world.user("ann", Role.EDITOR)
    found = await refusal(world.create(ann, "demo", config=text(size)))
    assert (found.code, found.reason) == INVALID
    assert found.fields == ("platform.config",)


async def test_a_config_of_64_kib_and_16_levels_comes_back_as_it_was(world: PlatformWorld) -> None:
    ann = await world.user("ann", Role.EDITOR)
    large, deep = text(65_528), nested(16)
    assert (await world.create(ann, "large", config=large)).config == large
    assert (await world.create(ann, "deep", config=deep)).config == deep


@pytest.mark.parametrize("depth", [17, 25])
async def test_a_config_nested_too_deep_is_refused(world: PlatformWorld, depth: int) -> None:
    ann = await world.user("ann", Role.EDITOR)
    assert await refused(world.create(ann, "demo", config=nested(depth))) == INVALID


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), "a\x00b"])
async def test_a_value_json_or_the_store_cannot_hold_is_refused(world: PlatformWorld, value: Any) -> None:
    ann = await world.user("ann", Role.EDITOR)
    struct = Struct()
    struct["list"] = [1, {"x": value}]
    assert await refused(world.create(ann, "demo", config=struct)) == INVALID


async def test_a_key_with_a_zero_byte_is_refused(world: PlatformWorld) -> None:
    ann = await world.user("ann", Role.EDITOR)
    struct = Struct()
    struct["a\x00"] = 1
    assert await refused(world.create(ann, "demo", config=struct)) == INVALID


async def test_numbers_and_texts_of_a_config_come_back_exactly(world: PlatformWorld) -> None:
    ann = await world.user("ann", Role.EDITOR)
    struct = Struct()
    struct.update(
        {"n": [0.1, 1e23, 5e-324, 1.7976931348623157e308, 2.0**53 + 2], "t": "\u2028'\"\\ \U0001f600"}
    )
    struct.fields["unset"].CopyFrom(Value())
    made = await world.create(ann, "demo", config=struct, request_id="r1")
    assert made.config["n"] == struct["n"]
    assert made.config["t"] == struct["t"]
    assert made.config.fields["unset"].WhichOneof("kind") == "null_value"
    assert await world.create(ann, "demo", config=struct, request_id="r1") == made


SET = [
    ("platform.name", P(name="platforms/demo")),
    ("platform.uid", P(uid="00000000-0000-4000-8000-000000000000")),
    ("platform.state", P(state=P.ACTIVE)),
    ("platform.owner", P(owner="users/00000000-0000-4000-8000-000000000000")),
    ("platform.create_time", P(create_time=Timestamp(seconds=1))),
    ("platform.update_time", P(update_time=Timestamp())),
    ("platform.etag", P(etag="x")),
]


@pytest.mark.parametrize(("field", "platform"), SET)
async def test_a_field_that_only_the_server_sets_is_refused(
    world: PlatformWorld, field: str, platform: platform_pb2.Platform
) -> None:
    ann = await world.user("ann", Role.EDITOR)
    request = pb.CreatePlatformRequest(platform_id="demo", platform=platform)
    found = await refusal(world.platforms.CreatePlatform(request, metadata=ann.metadata))
    assert (found.code, found.reason, found.fields) == (*INVALID, (field,))
    assert await world.sql("SELECT 1 FROM platforms") == []


@pytest.mark.parametrize("request_id", ["a b", "x" * 129, "ä", "a\n", "a/b"])
async def test_a_request_id_out_of_its_alphabet_is_refused(world: PlatformWorld, request_id: str) -> None:
    ann = await world.user("ann", Role.EDITOR)
    assert await refused(world.create(ann, "demo", request_id=request_id)) == INVALID


async def test_authz_006_an_owner_in_an_update_is_refused(world: PlatformWorld) -> None:
    ann = await world.user("ann", Role.EDITOR)
    await world.create(ann, "demo")
    request = pb.UpdatePlatformRequest(platform=P(name="platforms/demo", owner=ann.name))
    assert await refused(world.platforms.UpdatePlatform(request, metadata=ann.metadata)) == INVALID


async def test_a_negative_zero_is_kept_as_zero_so_that_a_failed_creation_can_be_taken_up(
    world: PlatformWorld,
) -> None:
    ann = await world.user("ann", Role.EDITOR)
    struct = Struct()
    struct["zero"] = -0.0
    world.data.failure = RuntimeError()
    assert (await refused(world.create(ann, "demo", config=struct)))[1] == "INTERNAL"
    world.data.failure = None
    assert (await world.create(ann, "demo", config=struct)).state == P.ACTIVE
