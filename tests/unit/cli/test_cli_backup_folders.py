"""Backups as folders and tar files: what is brought in, what is taken out, what is refused."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from aidatalabs_services.cli.backup_folders import bring, take_out
from aidatalabs_services.cli.failures import CommandFailed

KEY = "0" * 31 + "a"
ID = "01a2087b5120fe2fc2a465"


def backup(folder: Path, content: bytes = b"rows") -> Path:
    """What looks like a backup."""
    (folder / "parts" / "orders" / "all_1_1_0").mkdir(parents=True)
    (folder / "parts" / "orders" / "all_1_1_0" / "data.bin").write_bytes(content)
    (folder / "manifest.json").write_text(json.dumps({"key": KEY}))
    return folder


def content_of(folder: Path) -> bytes:
    return (folder / "parts" / "orders" / "all_1_1_0" / "data.bin").read_bytes()


def test_a_backup_goes_out_as_a_tar_and_comes_in_again(tmp_path: Path) -> None:
    backup(tmp_path / "mesh" / "uid" / ID)
    take_out(ID, tmp_path / "one.tar", tmp_path / "mesh")
    assert bring(tmp_path / "one.tar", tmp_path / "other") == KEY
    assert content_of(tmp_path / "other" / "imports" / KEY) == b"rows"
    assert os.listdir(tmp_path / "other" / "imports") == [KEY]


def test_a_second_copy_takes_the_place_of_a_first_that_may_be_damaged(tmp_path: Path) -> None:
    bring(backup(tmp_path / "damaged", b"?"), tmp_path / "mesh")
    bring(backup(tmp_path / "sound"), tmp_path / "mesh")
    assert content_of(tmp_path / "mesh" / "imports" / KEY) == b"rows"
    assert os.listdir(tmp_path / "mesh" / "imports") == [KEY]


def test_a_copy_that_was_cut_short_does_not_hinder_the_next(tmp_path: Path) -> None:
    backup(tmp_path / "mesh" / "uid" / ID)
    (tmp_path / ".out.part" / "half").mkdir(parents=True)
    take_out(ID, tmp_path / "out", tmp_path / "mesh")
    assert content_of(tmp_path / "out") == b"rows"
    assert not (tmp_path / ".out.part").exists()


def test_what_is_no_backup_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no tar")
    (tmp_path / "empty").mkdir()
    for number, manifest in enumerate((b"[]", b'{"key": "../x"}', b'{"key": 5}', b"{")):
        (tmp_path / f"bad{number}").mkdir()
        (tmp_path / f"bad{number}" / "manifest.json").write_bytes(manifest)
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "manifest.json").symlink_to("/etc/passwd")
    for source in ("text", "empty", "bad0", "bad1", "bad2", "bad3", "linked"):
        with pytest.raises(CommandFailed):
            bring(tmp_path / source, tmp_path / "mesh")
    assert os.listdir(tmp_path / "mesh" / "imports") == []
    for name in ("../../etc", ID, "*"):
        with pytest.raises(CommandFailed):
            take_out(name, tmp_path / "out", tmp_path / "mesh")


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside-of-it", "a/../../outside"])
def test_a_tar_that_leaves_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        member = tarfile.TarInfo(name)
        member.size = 4
        archive.addfile(member, io.BytesIO(b"evil"))
    with pytest.raises(CommandFailed):
        bring(tmp_path / "evil.tar", tmp_path / "mesh" / "backups")
    assert not list(tmp_path.rglob("outside*"))
