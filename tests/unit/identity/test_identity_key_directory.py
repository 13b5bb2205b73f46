from __future__ import annotations

import json
import multiprocessing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aidatalabs_services.identity.adapters.key_directory import KeyDirectory
from aidatalabs_services.identity.errors import KeyDirectoryUnsafe

START = datetime(2026, 1, 1, tzinfo=UTC)


def directory(path: Path, now: datetime = START) -> KeyDirectory:
    return KeyDirectory(path, lambda: now)


def load_in_process(path: str) -> str:
    return directory(Path(path)).load().signing.kid


def test_four_processes_that_start_at_once_make_one_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.map(load_in_process, [str(tmp_path / "keys")] * 4)
    assert len(set(found)) == 1
    assert len(list((tmp_path / "keys").glob("key-*.json"))) == 1


def test_the_newest_key_signs_whatever_the_order_of_the_files(tmp_path: Path) -> None:
    kids = [directory(tmp_path, START + timedelta(days=day)).add().kid for day in range(5)]
    ring = directory(tmp_path).load()
    assert ring.signing.kid == kids[-1]
    assert [key["kid"] for key in ring.jwks()["keys"]] == kids[::-1]


def test_the_rest_of_a_killed_start_is_removed_and_never_read(tmp_path: Path) -> None:
    (tmp_path / ".part-0123").write_text('{"create_time": "2026-')
    tmp_path.chmod(0o700)
    ring = directory(tmp_path).load()
    assert [path.name for path in tmp_path.iterdir()] == [f"key-{ring.signing.kid}.json"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"create_time": "2026-01-01T00:00:00+00:00", "private_key": {"kty": "oct", "k": "AA"}}',
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
    first = directory(tmp_path).add()
    second = directory(tmp_path).add()
    content = json.loads((tmp_path / f"key-{second.kid}.json").read_text())
    (tmp_path / f"key-{first.kid}.json").write_text(json.dumps(content))
    with pytest.raises(KeyDirectoryUnsafe, match="another key"):
        directory(tmp_path).load()


def test_a_link_in_place_of_a_key_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    key = directory(elsewhere).add()
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    (keys / f"key-{key.kid}.json").symlink_to(elsewhere / f"key-{key.kid}.json")
    with pytest.raises(KeyDirectoryUnsafe):
        directory(keys).load()
