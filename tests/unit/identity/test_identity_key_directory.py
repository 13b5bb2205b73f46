from __future__ import annotations

import json
import multiprocessing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aidatalabs_services.identity.adapters.key_directory import KeyDirectory
from aidatalabs_services.identity.errors import KeyDirectoryUnsafe
from aidatalabs_services.identity.keys import SigningKey
from aidatalabs_services.runtime.errors import Overloaded

START = datetime(2026, 1, 1, tzinfo=UTC)


def directory(path: Path, now: datetime = START) -> KeyDirectory:
    return KeyDirectory(path, lambda: now)


def load_in_process(path: str) -> str:
    return directory(Path(path)).load().signing.kid


def test_four_processes_that_start_at_once_make_one_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.map(load_in_process, [str(tmp_path / "keys")] * 4)
    assert len(set(found)) == 1
    # The one that signs and the next one.
    assert len(list((tmp_path / "keys").glob("key-*.json"))) == 2


def rotate_in_process(path: str, rotation: str) -> str:
    return directory(Path(path)).rotate(rotation).public()[0].kid


def test_the_newest_key_signs_whatever_the_order_of_the_files(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    kids = [directory(tmp_path).load().signing.kid]
    for hour in range(1, 5):
        kids.append(directory(tmp_path, START + timedelta(hours=hour)).rotate(str(hour)).signing.kid)
    assert len(set(kids)) == 5
    ring = directory(tmp_path, START + timedelta(hours=5)).load()
    assert ring.signing.kid == kids[-1]
    assert ring.ahead is not None
    assert [key["kid"] for key in ring.jwks()["keys"]] == [*kids[::-1], ring.ahead.kid]


def test_the_first_rotation_signs_at_once_with_a_key_that_was_published_before(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    before = directory(tmp_path).load()
    after = directory(tmp_path, START + timedelta(seconds=1)).rotate("a")
    assert after.signing.kid != before.signing.kid
    assert after.signing.kid in [key["kid"] for key in before.jwks()["keys"]]


def test_a_second_rotation_at_once_signs_when_verifiers_had_a_minute_to_see_its_key(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    directory(tmp_path).load()
    first = directory(tmp_path, START + timedelta(seconds=1)).rotate("a")
    second = directory(tmp_path, START + timedelta(seconds=2)).rotate("b")
    waiting = second.public()[0].kid
    assert (second.signing.kid, waiting) == (first.signing.kid, first.ahead and first.ahead.kid)
    for seconds, kid in ((60, first.signing.kid), (62, waiting)):
        assert directory(tmp_path, START + timedelta(seconds=seconds)).load().signing.kid == kid


def test_one_rotation_sent_again_within_a_day_changes_nothing(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    first = directory(tmp_path, START + timedelta(hours=1)).rotate("a")
    again = directory(tmp_path, START + timedelta(hours=2)).rotate("a")
    assert again.public() == first.public()
    next_day = directory(tmp_path, START + timedelta(hours=26)).rotate("a")
    assert next_day.public()[0].kid != first.public()[0].kid


def test_an_old_key_stays_until_its_last_token_is_over_and_its_file_goes_with_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    old = directory(tmp_path).load().signing.kid
    rotated = START + timedelta(days=30)
    assert directory(tmp_path, rotated).rotate("a").public()[1].kid == old
    in_time = directory(tmp_path, rotated + timedelta(hours=24, minutes=4)).load()
    assert old in [key["kid"] for key in in_time.jwks()["keys"]]
    late = directory(tmp_path, rotated + timedelta(hours=24, minutes=6)).load()
    assert old not in [key["kid"] for key in late.jwks()["keys"]]
    assert not (tmp_path / f"key-{old}.json").exists()


def test_rotations_of_four_processes_at_once_are_four(tmp_path: Path) -> None:
    path = str(tmp_path / "keys")
    first = directory(tmp_path / "keys").load()
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.starmap(rotate_in_process, [(path, str(number)) for number in range(4)])
    assert len({*found, first.signing.kid}) == 5
    ring = directory(tmp_path / "keys", START + timedelta(hours=1)).load()
    assert len(ring.public()) == 5
    assert [key.expire_time is None for key in ring.public()] == [True, False, False, False, False]


def test_a_rotation_that_was_killed_before_the_next_key_was_made_is_completed(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    ring = directory(tmp_path).rotate("a")
    assert ring.ahead is not None
    (tmp_path / f"key-{ring.ahead.kid}.json").unlink()
    again = directory(tmp_path).load()
    assert again.public() == ring.public()
    assert again.ahead is not None


def test_a_clock_that_went_back_does_not_bring_an_old_key_back_for_good(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    directory(tmp_path, START + timedelta(hours=2)).load()
    rotated = directory(tmp_path, START).rotate("a").public()[0].kid
    assert directory(tmp_path, START + timedelta(hours=3)).load().signing.kid == rotated


def test_a_key_of_before_keys_were_published_ahead_goes_on_signing(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    made = SigningKey.generate(START)
    path = tmp_path / f"key-{made.kid}.json"
    path.write_text(
        json.dumps({"create_time": START.isoformat(), "private_key": made.private_jwk()}), encoding="utf-8"
    )
    path.chmod(0o600)
    ring = directory(tmp_path, START + timedelta(days=90)).load()
    assert ring.signing.kid == made.kid
    assert ring.ahead is not None
    rotated = directory(tmp_path, START + timedelta(days=91)).rotate("a")
    assert rotated.signing.kid == ring.ahead.kid


def test_the_rest_of_a_killed_start_is_removed_and_never_read(tmp_path: Path) -> None:
    (tmp_path / ".part-0123").write_text('{"create_time": "2026-')
    tmp_path.chmod(0o700)
    ring = directory(tmp_path).load()
    assert {path.name for path in tmp_path.iterdir()} == {
        f"key-{key['kid']}.json" for key in ring.jwks()["keys"]
    }


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"create_time": "2026-01-01T00:00:00+00:00", "private_key": {"kty": "oct", "k": "AA"}}',
        json.dumps(
            {"create_time": "2026-01-01T00:00:00", "private_key": SigningKey.generate(START).private_jwk()}
        ),
    ],
)
def test_a_file_that_is_no_key_is_refused_with_its_name(tmp_path: Path, content: str) -> None:
    tmp_path.chmod(0o700)
    path = tmp_path / "key-x.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeyDirectoryUnsafe, match=r"key-x\.json"):
        directory(tmp_path).load()


def test_a_key_under_another_keys_name_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    ring = directory(tmp_path).load()
    first, second = ring.signing, ring.ahead
    assert second is not None
    content = json.loads((tmp_path / f"key-{second.kid}.json").read_text())
    (tmp_path / f"key-{first.kid}.json").write_text(json.dumps(content))
    with pytest.raises(KeyDirectoryUnsafe, match="another key"):
        directory(tmp_path).load()


def test_a_link_in_place_of_a_key_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    key = directory(elsewhere).load().signing
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    (keys / f"key-{key.kid}.json").symlink_to(elsewhere / f"key-{key.kid}.json")
    with pytest.raises(KeyDirectoryUnsafe):
        directory(keys).load()


def test_a_rotation_waits_for_room_in_the_key_set_and_is_made_when_the_oldest_key_has_gone(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o700)
    directory(tmp_path).load()
    for hour in range(1, 7):
        directory(tmp_path, START + timedelta(hours=hour)).rotate(str(hour))
    late = START + timedelta(hours=10)
    with pytest.raises(Overloaded) as refusal:
        directory(tmp_path, late).rotate("7")
    assert len(directory(tmp_path, late).load().jwks()["keys"]) == 8
    room = late + timedelta(seconds=refusal.value.retry_after_seconds or 0.0)
    assert room == START + timedelta(hours=1 + 24, minutes=5)
    with pytest.raises(Overloaded):
        directory(tmp_path, room - timedelta(seconds=1)).rotate("7")
    assert len(directory(tmp_path, room).rotate("7").jwks()["keys"]) == 8
