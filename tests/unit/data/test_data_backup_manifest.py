"""What a backup's folder may hold: everything else is refused with the name of the file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aidatalabs_services.data.backups import folders
from aidatalabs_services.data.backups.manifest import (
    Manifest,
    StoredFile,
    StoredPart,
    StoredTable,
    read_manifest,
    sum_of_hashes,
    written,
)
from aidatalabs_services.data.errors import BackupDamaged, BackupVersionNotSupported
from aidatalabs_services.data.rollups.declarations import STANDARD
from aidatalabs_services.data.schema import ColumnSchema, TableSchema

CONTENT = b"rows" * 1000
FILE = StoredFile("data.bin", len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), 7)
PART = StoredPart("all_1_1_0", 3, (FILE,), "00000000000000ff")
TABLE = StoredTable(TableSchema("orders", (ColumnSchema("id", "UInt64"),), ("id",)), (PART,))
MANIFEST = Manifest("0a" * 6, "0" * 32, "platforms/demo", "u", 1.5, "26.9.2.1", (TABLE,), STANDARD)


def kept(folder: Path, manifest: Manifest = MANIFEST) -> Path:
    """A whole backup in `folder`."""
    part = folder / "parts" / "orders" / "all_1_1_0"
    part.mkdir(parents=True)
    (part / "data.bin").write_bytes(CONTENT)
    folders.write_manifest(folder, written(manifest))
    return folder


def rewritten(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """The same backup with another manifest, its checksum right."""
    document = json.loads((folder / "manifest.json").read_bytes())
    change(document)
    folders.write_manifest(folder, json.dumps(document).encode())


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_manifest(kept(tmp_path)) == MANIFEST
    assert MANIFEST.tables[0].row_hash == "00000000000000ff"
    assert sum_of_hashes(["ffffffffffffffff", "2"]) == "0000000000000001"
    assert sum_of_hashes(["1", ""]) == ""


@pytest.mark.parametrize(
    "path",
    ["../../../etc/passwd", "/etc/passwd", "a/../../b", "..", ".", "", "a//b", "a/b/c/d", ".hidden", "a\0b"],
)
def test_a_path_that_leaves_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    def leave(document: dict[str, Any]) -> None:
        document["tables"][0]["parts"][0]["files"][0]["path"] = path

    rewritten(kept(tmp_path), leave)
    with pytest.raises(BackupDamaged):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("tables", 0, "schema", "name"), "../orders"),
        (("tables", 0, "schema", "name"), "_dropped_1_2_x"),
        (("tables", 0, "parts", 0, "name"), "../../x"),
        (("tables", 0, "parts", 0, "row_count"), -1),
        (("tables", 0, "parts", 0, "row_hash"), "zz"),
        (("tables", 0, "parts", 0, "files", 0, "sha256"), "00"),
        (("tables", 0), 7),
        (("tables",), None),
        (("rollups",), [{"name": "x"}]),
        (("key",), "short"),
        (("engine_version",), 26),
        (("engine_version",), "26.9\ud800"),
        (("snapshot_seconds",), "soon"),
        (("snapshot_seconds",), float("inf")),
        (("tables", 0, "parts", 0, "row_count"), 2**63),
        (("tables", 0, "parts", 0, "row_count"), float("inf")),
        (("tables", 0, "parts", 0, "row_hash"), "-0x_1"),
        (("tables", 0, "parts", 0, "files", 0, "size"), 10**30),
        (("tables", 0, "schema", "comment"), "\udcff"),
        (("tables", 0, "schema", "columns", 0, "type"), ["UInt64"]),
        (("surprise",), 1),
    ],
)
def test_what_is_no_manifest_is_refused_as_damaged(
    tmp_path: Path, place: tuple[Any, ...], value: Any
) -> None:
    def change(document: dict[str, Any]) -> None:
        held: Any = document
        for step in place[:-1]:
            held = held[step]
        held[place[-1]] = value

    rewritten(kept(tmp_path), change)
    with pytest.raises(BackupDamaged) as caught:
        read_manifest(tmp_path)
    assert caught.value.metadata["file"] == "manifest.json"


def test_a_later_format_is_refused_as_one(tmp_path: Path) -> None:
    rewritten(kept(tmp_path), lambda document: document.update(format=2))
    with pytest.raises(BackupVersionNotSupported):
        read_manifest(tmp_path)


def test_every_damage_to_a_file_is_found_and_named(tmp_path: Path) -> None:
    folder = kept(tmp_path / "whole")
    file = folder / "parts" / "orders" / "all_1_1_0" / "data.bin"
    seen: list[int] = []
    folders.verified(folder, "orders", PART, seen.append)
    assert seen == [len(CONTENT)]

    def change() -> None:
        file.write_bytes(CONTENT[:-1] + b"x")

    def cut() -> None:
        file.write_bytes(CONTENT[:-1])

    def point_elsewhere() -> None:
        (tmp_path / "elsewhere").write_bytes(CONTENT)
        file.symlink_to(tmp_path / "elsewhere")

    for damage in (change, cut, point_elsewhere, lambda: None):
        file.unlink(missing_ok=True)
        damage()
        looks: list[Callable[[], object]] = [
            lambda: folders.verified(folder, "orders", PART, seen.append),
            lambda: folders.put_back(folder, "orders", PART, tmp_path / "detached", seen.append),
        ]
        for look in looks:
            folders.removed(tmp_path / "detached")
            with pytest.raises(BackupDamaged) as caught:
                look()
            assert caught.value.metadata["file"] == "parts/orders/all_1_1_0/data.bin"


def test_nothing_outside_of_an_engines_folder_is_ever_taken(tmp_path: Path) -> None:
    engine, secret = tmp_path / "engine", tmp_path / "secret"
    (engine / "part").mkdir(parents=True)
    secret.write_text("secret")
    (engine / "part" / "data.bin").symlink_to(secret)
    with pytest.raises(folders.Unfit):
        folders.link_part(engine / "part", tmp_path / "staged")
    (engine / "link").symlink_to(tmp_path)
    for path in (tmp_path, engine / "..", engine / "link" / "engine", Path("/etc")):
        with pytest.raises(folders.Unfit):
            folders.inside(engine, path)
    assert folders.inside(engine, engine / "part") == (engine / "part").resolve()


def test_a_part_that_did_not_change_is_kept_once_and_one_that_did_is_copied(tmp_path: Path) -> None:
    staged = tmp_path / "staged"
    staged.mkdir()
    (staged / "data.bin").write_bytes(CONTENT)
    (staged / "checksums.txt").write_text("one")
    files, count = folders.keep_part(staged, tmp_path / "a", None, None, lambda done: None)
    assert count == len(CONTENT) + 3
    part = StoredPart("p", 1, files)
    again, count = folders.keep_part(staged, tmp_path / "b", part, tmp_path / "a", lambda done: None)
    assert (again, count) == (files, 0)
    assert (tmp_path / "b" / "data.bin").samefile(tmp_path / "a" / "data.bin")
    assert not (tmp_path / "b" / "data.bin").samefile(staged / "data.bin")
    # What is shorter than it was is not taken over, whatever the manifest says.
    (tmp_path / "b" / "data.bin").write_bytes(CONTENT[1:])
    _, count = folders.keep_part(staged, tmp_path / "d", part, tmp_path / "b", lambda done: None)
    assert count == len(CONTENT)
    (staged / "checksums.txt").write_text("two")
    _, count = folders.keep_part(staged, tmp_path / "c", part, tmp_path / "a", lambda done: None)
    assert count == len(CONTENT) + 3
