"""The files of one platform's ingest journal: numbered segments, and receipts of segments that are done with.

    NNNNNNNNNNNNNNNN.journal    groups and confirmations, in the order they were written
    NNNNNNNNNNNNNNNN.receipts   the calls of a finished segment without their rows, kept for repeated calls

Nothing here is asynchronous or locked: `Journal` runs the writing calls one at a time in a thread. Segments
are finished oldest first, because a segment also holds confirmations of older ones.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from aidatalabs_services.data.durable_files import durable_file, sync_directory
from aidatalabs_services.data.gathered_writes import write_pieces
from aidatalabs_services.data.journal_records import (
    GroupRecord,
    Pieces,
    ReadGroup,
    Span,
    group_frame,
    holds_intact_frame,
    read_frames,
    read_heads,
)

_LOG = logging.getLogger(__name__)
_HEADER = b"ADLJ-SEGMENT-1\n\0"
_SEGMENT_SUFFIX = ".journal"
_RECEIPTS_SUFFIX = ".receipts"
# Of the folder of a platform's journal that is being deleted.
REMOVED_SUFFIX = ".removed"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class NoRoom(Exception):
    """The disk has too little room left for more groups."""


class JournalBroken(Exception):
    """The disk failed in a way that leaves the end of the segment unknown; only opening anew helps."""


class JournalInUse(Exception):
    """Another process works with the directory of the journals."""


class JournalLock:
    """Holds the directory of all journals for this process; the kernel lets go when the process ends."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise JournalInUse(str(directory)) from None

    def release(self) -> None:
        """Lets another process in."""
        os.close(self._descriptor)


@dataclass
class Segment:
    """One file of groups; `live` counts the groups in it whose blocks are not all confirmed."""

    path: Path
    size: int = 0
    live: int = 0


@dataclass
class PendingGroup:
    """A group that the engine has not confirmed whole: where its blocks lie and which are confirmed."""

    record: GroupRecord
    segment: Segment
    spans: tuple[Span, ...]
    stored: set[int] = field(default_factory=set)
    refused: bool = False

    @property
    def complete(self) -> bool:
        """Whether nothing of it is left to do."""
        return len(self.stored) == len(self.spans)

    @property
    def row_count(self) -> int:
        """How many rows it brings into its table."""
        return sum(request.accepted_count for request in self.record.requests)

    @property
    def block_rows(self) -> int:
        """Rows in all its blocks: those of the table, and rejected ones that are kept."""
        return self.row_count + sum(request.letter_count for request in self.record.requests)

    @property
    def waiting_sizes(self) -> list[int]:
        """Bytes of each block that is left to store."""
        return [length for index, (_, length) in enumerate(self.spans) if index not in self.stored]

    def is_letters(self, index: int) -> bool:
        """Whether a block is of the table of rejected rows."""
        return index >= len(self.spans) - self.record.letter_blocks

    def read_block(self, index: int) -> bytes:
        """One block, byte for byte as it was journalled."""
        offset, length = self.spans[index]
        with self.segment.path.open("rb") as file:
            block = os.pread(file.fileno(), length, offset)
        if len(block) != length:
            raise JournalBroken(f"a journalled block of {self.segment.path.name} cannot be read back")
        return block


@dataclass
class Recovered:
    """What a journal held when it was opened: groups not too old, and those not confirmed, in order."""

    groups: list[PendingGroup] = field(default_factory=list)

    @property
    def pending(self) -> list[PendingGroup]:
        """Groups with blocks left to insert."""
        return [group for group in self.groups if not group.complete]


class JournalFiles:
    """One directory of segments, open for appending."""

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes: int,
        free_bytes: int,
        receipt_bytes: int,
        receipt_seconds: float,
    ) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._free_bytes = free_bytes
        self._receipt_bytes = receipt_bytes
        self._receipt_seconds = receipt_seconds
        self._sealed: list[Segment] = []
        self._receipts: dict[Path, tuple[float, int]] = {}
        self._active: Segment | None = None
        self._descriptor = -1
        self._next_number = 1
        self._broken = False
        self._refused: set[int] = set()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        # Copies: a thread may be finishing segments at this moment.
        segments = [*self._sealed, *([self._active] if self._active else [])]
        return sum(segment.size for segment in segments) + sum(
            size for _, size in list(self._receipts.values())
        )

    def segment_paths(self) -> list[Path]:
        """The ended segments that are still there."""
        return [segment.path for segment in list(self._sealed)]

    def sync_directory(self) -> None:
        """Makes what was removed stay removed."""
        sync_directory(self._directory)

    def recover(self) -> Recovered:
        """Reads everything that is there, cuts a torn tail off, and forgets receipts that are too old."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for rest in self._directory.glob("*.tmp"):
            rest.unlink()
        found = Recovered()
        oldest = time.time() - self._receipt_seconds
        for path in sorted(self._directory.glob(f"*{_RECEIPTS_SUFFIX}")):
            self._recover_receipts(path, oldest, found)
        groups: dict[int, PendingGroup] = {}
        for path in sorted(self._directory.glob(f"*{_SEGMENT_SUFFIX}")):
            self._recover_segment(path, groups)
        for group in groups.values():
            group.segment.live += not group.complete
            if group.refused:
                self._refused.add(group.record.sequence)
        found.groups.extend(groups[sequence] for sequence in sorted(groups))
        return found

    def _recover_receipts(self, path: Path, oldest: float, found: Recovered) -> None:
        data = path.read_bytes()
        records = [record for _, record in read_frames(data, len(_HEADER)) if isinstance(record, ReadGroup)]
        newest = max((read.record.created_seconds for read in records), default=0.0)
        self._note_number(path)
        if newest < oldest:
            path.unlink()
            return
        self._receipts[path] = (newest, len(data))
        segment = Segment(path, len(data))
        found.groups.extend(
            PendingGroup(read.record, segment, (), refused=read.record.refused) for read in records
        )

    def _recover_segment(self, path: Path, groups: dict[int, PendingGroup]) -> None:
        data = path.read_bytes()
        segment = Segment(path)
        self._note_number(path)
        end = len(_HEADER) if data.startswith(_HEADER) else 0
        if end:
            for behind, record in read_frames(data, end):
                end = behind
                if isinstance(record, ReadGroup):
                    groups[record.record.sequence] = PendingGroup(record.record, segment, record.spans)
                elif record.sequence in groups:
                    groups[record.sequence].stored.add(record.block)
                    groups[record.sequence].refused |= not record.kept
        if end < len(data):
            _cut(path, data, end)
        segment.size = end
        self._sealed.append(segment)

    def _note_number(self, path: Path) -> None:
        self._next_number = max(self._next_number, int(path.stem) + 1)

    def write(self, frames: Sequence[Pieces], *, sync: bool) -> list[tuple[Segment, int]]:
        """Appends the frames, each in its pieces, all into one segment; returns segment and offset of each.

        `sync` returns only when the bytes are on the disk. Raises NoRoom or JournalBroken; then none of the
        frames is in the journal, and so it is where anything else is raised.
        """
        if self._broken:
            raise JournalBroken("the journal was left in an unknown state")
        if sync and self._room() < self._free_bytes:
            raise NoRoom
        sizes = [sum(map(len, frame)) for frame in frames]
        active = self._segment_for(sum(sizes))
        start, places, offset = active.size, [], active.size
        for size in sizes:
            places.append((active, offset))
            offset += size
        try:
            write_pieces(self._descriptor, [piece for frame in frames for piece in frame], start)
            if sync:
                os.fdatasync(self._descriptor)
        except BaseException as error:
            self._take_back(start)
            if not isinstance(error, OSError):
                raise
            if error.errno in _NO_ROOM:
                raise NoRoom from error
            self.seal()  # a failed sync may have lost marks that stood before: what follows stands apart
            raise JournalBroken("the journal's disk does not take writes") from error
        active.size = offset
        return places

    def _room(self) -> int:
        """Bytes left on the journal's disk."""
        try:
            status = os.statvfs(self._directory)
        except OSError as error:
            raise JournalBroken("the room on the journal's disk is not known") from error
        return status.f_bavail * status.f_frsize

    def _take_back(self, size: int) -> None:
        """Cuts off what a failed write may have left: it was never acknowledged and must not come back."""
        self._broken = True  # where it stays, it would be read again behind a later frame
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, size)
            os.fdatasync(self._descriptor)
            self._broken = False

    def _segment_for(self, length: int) -> Segment:
        active = self._active
        if active is not None and active.size + length > self._segment_bytes and active.size > len(_HEADER):
            self.seal()
            active = None
        return active or self._new_segment()

    def _new_segment(self) -> Segment:
        path = self._directory / f"{self._next_number:016d}{_SEGMENT_SUFFIX}"
        self._next_number += 1
        descriptor = -1
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            write_pieces(descriptor, [_HEADER], 0)
            os.fsync(descriptor)
            sync_directory(self._directory)
        except OSError as error:
            if descriptor >= 0:
                _close(descriptor)
                with contextlib.suppress(OSError):  # an empty segment is harmless, and read as such
                    path.unlink(missing_ok=True)
            if error.errno in _NO_ROOM:
                raise NoRoom from error
            raise JournalBroken("a segment of the journal cannot be made") from error
        self._descriptor, self._active = descriptor, Segment(path, len(_HEADER))
        return self._active

    def note_refused(self, group: PendingGroup) -> None:
        """Remembers that a block of the group will never be in the table."""
        group.refused = True
        self._refused.add(group.record.sequence)

    def seal(self) -> None:
        """Ends the active segment; the next write begins a new one."""
        if self._active is None:
            return
        descriptor, self._descriptor = self._descriptor, -1
        self._sealed.append(self._active)
        self._active = None
        _close(descriptor)

    def finish(self) -> None:
        """Turns the oldest segments with nothing left to store into receipts; drops old receipts."""
        while self._sealed and self._sealed[0].live == 0:
            segment = self._sealed[0]
            self._keep_receipts(segment)
            segment.path.unlink()
            self._sealed.pop(0)
        oldest = time.time() - self._receipt_seconds
        room = self._receipt_bytes
        for path, (newest, size) in sorted(self._receipts.items(), reverse=True):
            room -= size
            if newest < oldest or room < 0:
                path.unlink()
                del self._receipts[path]

    def _keep_receipts(self, segment: Segment) -> None:
        oldest = time.time() - self._receipt_seconds
        frames, newest = [_HEADER], 0.0
        for read in _heads(segment):
            if read.record.created_seconds < oldest:
                continue
            named = tuple(request for request in read.record.requests if request.request_id)
            if named:
                refused = read.record.sequence in self._refused
                kept = replace(read.record, requests=named, columns=(), refused=refused, letter_blocks=0)
                frames.append(group_frame(kept))
                newest = max(newest, read.record.created_seconds)
        if len(frames) == 1:
            return
        path = segment.path.with_suffix(_RECEIPTS_SUFFIX)
        data = b"".join(frames)
        durable_file(path, data)
        self._receipts[path] = (newest, len(data))

    def close(self) -> None:
        """Closes the active segment."""
        self.seal()


def remove_journal(journals: Path, name: str) -> None:
    """Deletes one platform's journal below `journals`; harmless where there is none.

    It is renamed first, so that one which a crash left half deleted is never opened again.
    """
    dying = journals / f"{name}{REMOVED_SUFFIX}"
    with contextlib.suppress(FileNotFoundError):
        (journals / name).rename(dying)
        sync_directory(journals)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(dying)


def _close(descriptor: int) -> None:
    """Gives a file back; all that was acknowledged is on the disk, so one that fails now takes nothing."""
    try:
        os.close(descriptor)
    except OSError as error:
        _LOG.warning("a segment of the ingest journal was closed with an error (%s)", error.errno)


def _cut(path: Path, data: bytes, end: int) -> None:
    """Cuts a segment behind its last intact record; what was damaged rather than torn is put aside."""
    if holds_intact_frame(data, end + 1):
        _LOG.error("journal segment %s is damaged at byte %d; the rest is kept beside it", path.name, end)
        durable_file(path.with_suffix(".damaged"), data[end:])
    else:
        _LOG.warning("journal segment %s had a torn tail of %d bytes", path.name, len(data) - end)
    os.truncate(path, end)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _heads(segment: Segment) -> list[ReadGroup]:
    """The groups of a segment; their blocks, of which the engine has all, are not read again."""
    with segment.path.open("rb") as file:
        number = file.fileno()
        return list(read_heads(lambda start, size: os.pread(number, size, start), len(_HEADER), segment.size))
