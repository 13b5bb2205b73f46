"""The journal's files: exactly the intact prefix comes back, whatever happened to the tail."""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aidatalabs_services.data import journal_files
from aidatalabs_services.data.errors import JournalFull
from aidatalabs_services.data.journal import Journal, JournalLimits
from aidatalabs_services.data.journal_files import JournalFiles, JournalInUse, JournalLock, PendingGroup
from aidatalabs_services.data.journal_records import (
    GroupRecord,
    ReadGroup,
    RequestRecord,
    StoredRecord,
    group_pieces,
    read_frames,
    read_heads,
    stored_frame,
)
from aidatalabs_services.data.verdicts import RejectedRow
from aidatalabs_services.runtime.errors import ServiceUnavailable

_GROUPS = st.builds(
    GroupRecord,
    sequence=st.just(0),
    created_seconds=st.just(1.0),
    table=st.sampled_from(["events", "t"]),
    identity=st.just("i"),
    token=st.text("0123456789abcdef", min_size=4, max_size=4),
    columns=st.just(("a", "b")),
    requests=st.lists(
        st.builds(
            RequestRecord,
            request_id=st.text(max_size=5),
            digest=st.binary(max_size=4),
            name=st.just("platforms/demo/receipts/1"),
            accepted_count=st.integers(0, 9),
            rejected=st.just((RejectedRow(3, "VALUE_INVALID", "column a …"),)),
        ),
        max_size=3,
    ).map(tuple),
    # Blocks that look like frames must not confuse the reader.
    blocks=st.lists(st.binary(max_size=60) | st.just(b"ADLJ" + bytes(12)), max_size=3).map(tuple),
)


def _files(directory: Path, segment_bytes: int = 1 << 20, receipt_seconds: float = 3600.0) -> JournalFiles:
    return JournalFiles(
        directory,
        segment_bytes=segment_bytes,
        free_bytes=0,
        receipt_bytes=1 << 20,
        receipt_seconds=receipt_seconds,
    )


def _numbered(groups: list[GroupRecord]) -> list[GroupRecord]:
    return [GroupRecord(**{**vars(group), "sequence": place}) for place, group in enumerate(groups, start=1)]


def _contents(found: list[PendingGroup]) -> list[tuple[int, tuple[RequestRecord, ...], tuple[bytes, ...]]]:
    return [
        (group.record.sequence, group.record.requests, tuple(map(group.read_block, range(len(group.spans)))))
        for group in found
    ]


@settings(max_examples=150, deadline=None)
@given(groups=st.lists(_GROUPS, min_size=1, max_size=6), data=st.data())
def test_a_torn_or_flipped_tail_leaves_exactly_the_intact_prefix(
    groups: list[GroupRecord], data: st.DataObject
) -> None:
    records = _numbered(groups)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        files = _files(directory)
        files.recover()
        frames = [group_pieces(record) for record in records]
        places = files.write(frames, sync=True)
        files.close()
        path = places[0][0].path
        ends = [offset + sum(map(len, frame)) for frame, (_, offset) in zip(frames, places, strict=True)]
        raw = bytearray(path.read_bytes())
        start = places[0][1]
        spot = data.draw(st.integers(start, len(raw) - 1), label="spot")
        if data.draw(st.booleans(), label="truncate"):
            raw = raw[:spot]
        else:
            raw[spot] ^= 1 << data.draw(st.integers(0, 7), label="bit")
        path.write_bytes(raw)
        intact = [record for record, end in zip(records, ends, strict=True) if end <= spot]
        for _ in range(2):  # the second opening finds a clean file
            again = _files(directory)
            expected = [(record.sequence, record.requests, record.blocks) for record in intact]
            assert _contents(again.recover().groups) == expected
        assert path.stat().st_size == (ends[len(intact) - 1] if intact else start)


@settings(max_examples=50, deadline=None)
@given(groups=st.lists(_GROUPS, min_size=1, max_size=6), most=st.integers(1, 7), cut=st.integers(0, 400))
def test_heads_alone_are_those_of_the_whole_frames_up_to_a_torn_end(
    groups: list[GroupRecord], most: int, cut: int
) -> None:
    pieces = [piece for record in _numbered(groups) for piece in group_pieces(record)]
    pieces.append(stored_frame(StoredRecord(1, 0)))
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        pwritev = os.pwritev
        # A disk that takes a few bytes at a time.
        patch.setattr(
            os, "pwritev", lambda number, data, offset: pwritev(number, [b"".join(data)[:most]], offset)
        )
        files = _files(Path(name))
        files.recover()
        ((segment, start),) = files.write([pieces], sync=True)
        files.close()
        raw = segment.path.read_bytes()
    assert raw[start:] == b"".join(pieces)
    data = raw[: max(start, len(raw) - cut)]
    whole = [read for _, read in read_frames(data, start) if isinstance(read, ReadGroup)]
    assert list(read_heads(lambda at, size: data[at : at + size], start, len(data))) == whole


def test_damage_before_intact_groups_is_kept_aside(tmp_path: Path) -> None:
    files = _files(tmp_path)
    files.recover()
    frames = [group_pieces(GroupRecord(number, 1.0, "t", "", "k", (), (), (b"rows",))) for number in (1, 2)]
    (segment, first), (_, second) = files.write(frames, sync=True)
    files.close()
    raw = bytearray(segment.path.read_bytes())
    raw[first + 20] ^= 1
    segment.path.write_bytes(raw)
    assert _files(tmp_path).recover().groups == []
    assert segment.path.with_suffix(".damaged").read_bytes() == bytes(raw[first:])
    assert second > first


def test_confirmed_segments_become_receipts_and_old_receipts_go(tmp_path: Path) -> None:
    files = _files(tmp_path, segment_bytes=200)
    files.recover()
    request = RequestRecord("id-1", b"d", "platforms/demo/receipts/id-1", 1)
    group = GroupRecord(1, time.time(), "t", "", "k", ("a",), (request,), (b"r" * 300,))
    files.write([group_pieces(group)], sync=True)
    files.write([group_pieces(GroupRecord(2, time.time(), "t", "", "k", (), (), (b"s" * 300,)))], sync=True)
    files.write([[stored_frame(StoredRecord(1, 0))]], sync=False)
    files.close()

    reopened = _files(tmp_path, segment_bytes=200)
    assert [each.record.sequence for each in reopened.recover().pending] == [2]
    before = reopened.size
    reopened.finish()
    assert reopened.size < before - 250
    third = _files(tmp_path)
    groups = third.recover().groups
    assert [(each.record.sequence, each.complete) for each in groups] == [(1, True), (2, False)]
    assert groups[0].record.requests == (request,)

    assert [each.record.sequence for each in _files(tmp_path, receipt_seconds=-1.0).recover().groups] == [2]


def test_a_journal_directory_belongs_to_one_process(tmp_path: Path) -> None:
    held = JournalLock(tmp_path)
    with pytest.raises(JournalInUse):
        JournalLock(tmp_path)
    held.release()
    JournalLock(tmp_path).release()


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    with ThreadPoolExecutor(2) as executor:
        made = Journal(tmp_path / "j", JournalLimits(journal_bytes=4096, free_bytes=0), executor)
        await made.recover()
        yield made
        await made.close()


def _record(journal: Journal, size: int = 10) -> GroupRecord:
    return GroupRecord(journal.next_sequence(), time.time(), "t", "", "k", (), (), (b"x" * size,))


async def test_a_full_journal_refuses_before_it_acknowledges_and_takes_again_when_drained(
    journal: Journal,
) -> None:
    kept: list[PendingGroup] = []

    async def fill() -> None:
        for _ in range(100):
            kept.append(await journal.append(_record(journal, 300)))

    with pytest.raises(JournalFull) as refused:
        await fill()
    assert refused.value.retry_after_seconds
    assert len(kept) > 3
    for group in kept:
        journal.mark(group, 0)
    await journal.flush()
    again = await journal.append(_record(journal, 300))
    assert await journal.read_block(again, 0) == b"x" * 300


async def test_a_full_disk_refuses_and_leaves_no_trace(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await journal.append(_record(journal))

    def no_room(descriptor: int, pieces: list[memoryview], offset: int) -> int:
        os.pwrite(descriptor, pieces[0][:5], offset)
        raise OSError(errno.ENOSPC, "no space left")

    os_pwritev = os.pwritev
    monkeypatch.setattr(os, "pwritev", no_room)
    with pytest.raises(JournalFull):
        await journal.append(_record(journal))
    journal.mark(kept, 0)  # cannot be written now, must be later
    monkeypatch.setattr(os, "pwritev", os_pwritev)
    after = await journal.append(_record(journal))
    await journal.flush()
    found = _files(tmp_path / "j").recover()
    assert [group.record.sequence for group in found.groups] == [kept.record.sequence, after.record.sequence]
    assert [group.record.sequence for group in found.pending] == [after.record.sequence]


async def test_a_disk_without_the_reserve_refuses(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as executor:
        journal = Journal(tmp_path / "j", JournalLimits(free_bytes=1 << 62), executor)
        await journal.recover()
        with pytest.raises(JournalFull):
            await journal.append(_record(journal))
        await journal.close()


async def test_a_failing_fsync_is_told_and_its_group_is_gone(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.fdatasync, []

    def fail_once(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 1:
            raise OSError(errno.EIO, "input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", fail_once)
    with pytest.raises(ServiceUnavailable):
        await journal.append(_record(journal))
    kept = await journal.append(_record(journal))
    found = _files(tmp_path / "j").recover()
    assert [group.record.sequence for group in found.groups] == [kept.record.sequence]


class Faulty:
    """The module `os` for the journal's files, of which some functions fail once."""

    def __init__(self, **errors: Exception) -> None:
        self.errors = errors

    def __getattr__(self, name: str) -> Any:
        if name in self.errors and name != "errors":
            error = self.errors.pop(name)

            def fails(*_: object) -> None:
                raise error

            return fails
        return getattr(os, name)


IO = OSError(errno.EIO, "input/output error")
FAULTS: list[dict[str, Exception]] = [
    {"statvfs": IO},
    {"fdatasync": ValueError("unforeseen")},
    {"fdatasync": IO, "ftruncate": ValueError("unforeseen")},
]


@pytest.mark.parametrize("faults", FAULTS)
async def test_whatever_a_write_meets_is_told_and_the_next_one_is_taken(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: dict[str, Exception]
) -> None:
    kept = [await journal.append(_record(journal))]
    monkeypatch.setattr(journal_files, "os", Faulty(**faults))
    async with asyncio.timeout(5):
        with pytest.raises(ServiceUnavailable):
            await journal.append(_record(journal))
        if "ftruncate" in faults:  # what could not be taken back would be read behind the next one
            with pytest.raises(ServiceUnavailable):
                await journal.append(_record(journal))
        else:
            kept.append(await journal.append(_record(journal)))
    monkeypatch.undo()
    found = _files(tmp_path / "j").recover()
    assert [each.record.sequence for each in found.groups][: len(kept)] == [
        each.record.sequence for each in kept
    ]
    assert "ftruncate" in faults or len(found.groups) == len(kept)


@pytest.mark.parametrize("faults", [{"close": IO}, {"fsync": IO, "close": IO}])
async def test_a_segment_that_cannot_be_ended_or_begun_leaves_the_journal_at_work(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: dict[str, Exception]
) -> None:
    kept = [await journal.append(_record(journal))]
    faulty = Faulty(**faults)
    monkeypatch.setattr(journal_files, "os", faulty)
    async with asyncio.timeout(5):
        for _ in range(8):  # more than one segment
            try:
                kept.append(await journal.append(_record(journal, 200)))
            except ServiceUnavailable:
                assert len(faults) == 2
    assert len(kept) == 10 - len(faults)
    assert not faulty.errors, "the faults were met"
    found = _files(tmp_path / "j").recover()
    assert [each.record.sequence for each in found.groups] == [each.record.sequence for each in kept]


async def test_a_journalled_group_keeps_none_of_its_blocks_in_memory(tmp_path: Path) -> None:
    large = bytes(2 * 1024 * 1024)
    with ThreadPoolExecutor(2) as executor:
        journal = Journal(tmp_path / "j", JournalLimits(free_bytes=0), executor)
        await journal.recover()
        record = GroupRecord(journal.next_sequence(), 1.0, "t", "i", "ab", ("a",), (), (large, b"small"))
        group = await journal.append(record)
        assert group.record.blocks == ()
        assert [await journal.read_block(group, index) for index in (0, 1)] == [large, b"small"]
        await journal.close()
