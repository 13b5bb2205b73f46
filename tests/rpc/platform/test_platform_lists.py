from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from aidatalabs.common.v1 import access_service_pb2 as access_pb
from aidatalabs.platform.v1 import platform_service_pb2 as pb
from aidatalabs_services.platform.listings import ORDERS
from aidatalabs_services.platform.messages import FIELDS, listing_of
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.paging import page_token
from tests.rpc.platform.world import PlatformWorld, User, refusal, refused

INVALID = ("INVALID_ARGUMENT", "INVALID_REQUEST")
BAD_TOKEN = ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")
FACE = "\U0001f600"
DAY = "2026-01-0{}T00:00:00Z"


async def seeded(world: PlatformWorld) -> tuple[User, User]:
    """Five platforms of Ann: ids a to e, names that repeat and differ in case, a day apart; one of Bob's."""
    ann, bob = await world.user("ann", Role.EDITOR), await world.user("bob", Role.EDITOR)
    names = {"a": "Shop", "b": "shop ÄÖ", "c": "Zoo", "d": "Shop", "e": "50% off_"}
    for day, (platform_id, name) in enumerate(names.items(), 1):
        await world.create(ann, platform_id, display_name=name)
        await world.sql(
            "UPDATE platforms SET created_at = $2, updated_at = $3 WHERE platform_id = $1",
            platform_id,
            datetime(2026, 1, day, tzinfo=UTC),
            datetime(2026, 2, 1, 0, 0, 0, 9 - day, tzinfo=UTC),
        )
    await world.create(bob, "f", display_name="Shop")
    await world.share(bob, "f", "allUsers", access_pb.ROLE_VIEWER)
    await world.sql("UPDATE platforms SET status = 'failed' WHERE platform_id = 'c'")
    return ann, bob


async def listed(world: PlatformWorld, user: User, text: str = "", order: str = "", size: int = 100) -> str:
    """The ids of all pages, in the order they came in."""
    found, token = "", ""
    for _ in range(20):
        request = pb.ListPlatformsRequest(page_size=size, page_token=token, order_by=order, filter=text)
        page = await world.platforms.ListPlatforms(request, metadata=user.metadata)
        assert len(page.platforms) <= size
        found += "".join(platform.name.removeprefix("platforms/") for platform in page.platforms)
        token = page.next_page_token
        if not token:
            return found
    raise AssertionError("the pages do not end")


async def test_a_filter_keeps_what_meets_all_its_conditions(world: PlatformWorld) -> None:
    ann, bob = await seeded(world)
    for text, wanted in {
        "": "abcdef",
        'display_name = "Shop"': "adf",
        'display_name != "Shop"': "bce",
        'display_name : "SHOP"': "abdf",
        'display_name : "äö"': "b",
        'display_name : "%"': "e",
        'display_name : "_"': "e",
        'display_name : "\' OR true --"': "",
        'display_name < "Shop"': "e",
        'display_name > "Shop"': "bc",
        "state = FAILED": "c",
        "state != FAILED": "abdef",
        "state = DELETING": "",
        f"owner = {bob.name}": "f",
        f"owner != {bob.name}": "abcde",
        "name = platforms/b": "b",
        "name : forms/b": "b",
        "name > platforms/d": "ef",
        f"create_time = {DAY.format(3)}": "c",
        "create_time < 2026-01-03T01:00:00+01:00": "ab",
        f"create_time > {DAY.format(3)} AND owner = {ann.name}": "de",
        f"create_time != {DAY.format(3)} AND create_time < {DAY.format(9)}": "abde",
        'update_time < "2026-02-01T00:00:00.000006Z" AND update_time > 2026-01-31T00:00:00Z': "de",
        f'display_name : shop AND state = ACTIVE AND name < platforms/d AND owner : "{ann.name[6:10]}"': "ab",
    }.items():
        assert await listed(world, ann, text) == wanted, text


@pytest.mark.parametrize("size", [1, 2, 5, 6])
async def test_every_order_holds_across_pages_of_every_size(world: PlatformWorld, size: int) -> None:
    ann, _ = await seeded(world)
    orders = {
        "": "abcdef",
        "name": "abcdef",
        "name desc": "fedcba",
        "display_name": "eadfcb",
        "display_name desc": "bcfdae",
        "create_time": "abcdef",
        "create_time desc": "fedcba",
        "update_time": "edcbaf",
        "update_time desc": "fabcde",
    }
    for order, wanted in orders.items():
        assert await listed(world, ann, order=order, size=size) == wanted, order
    assert await listed(world, ann, 'display_name : "shop"', "display_name desc", size) == "bfda"


async def test_a_filter_shows_nobody_what_the_list_would_not(world: PlatformWorld) -> None:
    ann, bob = await seeded(world)
    root = await world.user("root", Role.ADMIN)
    assert await listed(world, bob, f"owner = {ann.name}") == ""
    assert await listed(world, bob, "name = platforms/a") == ""
    assert await listed(world, root, f"owner = {ann.name}") == "abcde"


@pytest.mark.parametrize(
    "text",
    ["nope = 1", "state = BROKEN", "state : ACTIVE", "create_time > today", "name", "a OR b", "uid = x"],
)
async def test_a_filter_that_cannot_be_read_is_refused_with_the_fields_there_are(
    world: PlatformWorld, text: str
) -> None:
    ann = await world.user("ann", Role.EDITOR)
    found = await refusal(
        world.platforms.ListPlatforms(pb.ListPlatformsRequest(filter=text), metadata=ann.metadata)
    )
    assert (found.code, found.reason, found.fields) == (*INVALID, ("filter",))
    assert all(field in found.message for field in FIELDS)


@pytest.mark.parametrize("order", ["state", "name asc", "name, display_name", "name;drop", "x" * 101])
async def test_an_order_that_cannot_be_read_is_refused(world: PlatformWorld, order: str) -> None:
    ann = await world.user("ann", Role.EDITOR)
    found = await refusal(
        world.platforms.ListPlatforms(pb.ListPlatformsRequest(order_by=order), metadata=ann.metadata)
    )
    assert (found.code, found.reason, found.fields) == (*INVALID, ("order_by",))


async def test_a_page_token_belongs_to_its_filter_and_its_order(world: PlatformWorld) -> None:
    ann, _ = await seeded(world)
    lists = [
        ("", ""),
        ("", "name desc"),
        ("", "display_name"),
        ('display_name : "shop"', ""),
        ("state = ACTIVE", ""),
    ]
    tokens = []
    for text, order in lists:
        request = pb.ListPlatformsRequest(page_size=1, filter=text, order_by=order)
        page = await world.platforms.ListPlatforms(request, metadata=ann.metadata)
        tokens.append(page.next_page_token)
    for (number, token), (other, (text, order)) in itertools.product(enumerate(tokens), enumerate(lists)):
        request = pb.ListPlatformsRequest(page_size=1, page_token=token, filter=text, order_by=order)
        call = world.platforms.ListPlatforms(request, metadata=ann.metadata)
        if number == other:
            await call
        else:
            assert await refused(call) == BAD_TOKEN
    # The same conditions and order in another spelling are the same list.
    request = pb.ListPlatformsRequest(
        page_size=1, page_token=tokens[3], filter="display_name:'shop'", order_by=" name "
    )
    await world.platforms.ListPlatforms(request, metadata=ann.metadata)


FORGED = [("a",), (1, "a"), ("a", 1), ("a", "b", "c")]
FORGED_TIMES = [("a", "b"), ("2026-01-01T00:00:00", "b"), ("2026-01-01", "b"), ("", "b"), ("1" * 300, "b")]


@pytest.mark.parametrize("order", ORDERS)
async def test_a_forged_page_token_is_refused(world: PlatformWorld, order: str) -> None:
    """The checksum in a token is no secret, so anybody can make one with any position."""
    ann, _ = await seeded(world)
    _, parameters = listing_of("", order)
    for position in FORGED + (FORGED_TIMES if order.endswith("time") else []):
        token = page_token(position, parameters)
        request = pb.ListPlatformsRequest(page_token=token, order_by=order)
        assert await refused(world.platforms.ListPlatforms(request, metadata=ann.metadata)) == BAD_TOKEN
    extreme = ("0001-01-01T00:00:00+00:00", "") if order.endswith("time") else ("\uffff", "\U0010ffff")
    request = pb.ListPlatformsRequest(page_token=page_token(extreme, parameters), order_by=order)
    await world.platforms.ListPlatforms(request, metadata=ann.metadata)


async def test_a_page_token_stays_short_enough_to_be_sent_back(world: PlatformWorld) -> None:
    ann = await world.user("ann", Role.EDITOR)
    for platform_id in ("a" * 63, "b" * 63):
        await world.create(ann, platform_id, display_name=FACE * 100)
    text = " AND ".join(["state = ACTIVE", *[f"display_name : '{FACE * 20}'"] * 19])
    assert await listed(world, ann, text, "display_name", 1) == "a" * 63 + "b" * 63


async def test_the_most_conditions_are_answered_and_one_more_is_refused(world: PlatformWorld) -> None:
    ann, _ = await seeded(world)
    most = " AND ".join(["name != platforms/a"] * 20)
    assert await listed(world, ann, most) == "bcdef"
    request = pb.ListPlatformsRequest(filter=most + " AND name != platforms/b")
    assert await refused(world.platforms.ListPlatforms(request, metadata=ann.metadata)) == INVALID
