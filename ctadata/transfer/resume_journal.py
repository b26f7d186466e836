"""The journal of a part: which blocks an earlier run has left in it, so that a later run goes on where that one ended.

A text file beside the part: one line of JSON that names the version of the remote file, then `start stop crc32` for
each block of at most 4 MiB; a later line with the same start replaces an earlier one. A line is written after its
bytes, without a flush to disk. The next run believes no line: it reads the bytes back, and what has another digest is
fetched again. A journal that is not a small regular file of our own, or cannot be understood, means that the file
starts anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ctadata.checksums import crc32
from ctadata.entries import Entry
from ctadata.transfer import temp_names
from ctadata.versions import can_prove_version

SUFFIX = ".journal"
BLOCK = 4 << 20
"""Bytes of a block. They end at multiples of it; a kill can cost one for each stream."""

RESUMABLE_FROM = 4 * BLOCK
"""Bytes from which a part keeps a journal; a smaller file is fetched again."""

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_LINE = re.compile(r"([0-9]{1,18}) ([0-9]{1,18}) ([0-9a-f]{8})")
_HEADER = 1 << 16  # bytes for the version at most
_PER_BLOCK = 4096  # bytes: a line has 46 at most, and a block that breaks off again and again has many


def is_resumable(entry: Entry) -> bool:
    """Whether what is fetched of a file lasts beyond the run, for the next one to go on with."""
    return (entry.size or 0) >= RESUMABLE_FROM and can_prove_version(entry)


def version_of(entry: Entry) -> dict[str, Any]:
    """What two runs must agree on to speak of the same version of a file."""
    return {
        "path": str(entry.path),
        "size": entry.size,
        "etag": entry.etag or "",
        "mtime": entry.mtime,
        "checksums": dict(entry.checksums),
    }


@dataclass(frozen=True, slots=True)
class Block:
    """Bytes that a run has written into a part: from `start` up to `stop`, and their crc32."""

    start: int
    stop: int
    crc32: int

    def read(self, part: int) -> bytes | None:
        """The bytes, read back from the open part; None if they are not what was written. OSError."""
        content = os.pread(part, self.stop - self.start, self.start)
        return content if len(content) == self.stop - self.start and crc32(content) == self.crc32 else None


@dataclass(slots=True)
class Journal:
    """An open journal; `note` may be called by several threads."""

    folder: int
    name: str
    fd: int

    @classmethod
    def begin(cls, folder: int, name: str, version: dict[str, Any], here: Iterable[Block]) -> Journal:
        """Write a journal anew, in the open directory `folder`; OSError, also if no file can get that name."""
        header = {"version": version, "by": temp_names.new_name()}
        fresh = f"{name}-new"
        with contextlib.suppress(OSError):
            os.unlink(fresh, dir_fd=folder)
        fd = os.open(fresh, _WRITE, 0o600, dir_fd=folder)
        try:
            with open(fd, "w", encoding="ascii", closefd=False) as file:
                file.write(json.dumps(header) + "\n")
                file.writelines(_line(block) for block in here)
            os.rename(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            os.close(fd)
            with contextlib.suppress(OSError):
                os.unlink(fresh, dir_fd=folder)
            raise
        return cls(folder, name, fd)

    def note(self, block: Block) -> None:
        """These bytes are here. A journal that cannot be written costs a later run its start, this one nothing."""
        with contextlib.suppress(OSError):
            os.write(self.fd, _line(block).encode())

    def close(self, *, keep: bool) -> None:
        """Let go of it, and remove it unless a later run is to go on from it."""
        with contextlib.suppress(OSError):
            if not keep:
                os.unlink(self.name, dir_fd=self.folder)
        with contextlib.suppress(OSError):
            os.close(self.fd)


class Notes:
    """Notes the blocks that one stream writes, from `at` on, each when it is complete and the last one at the end."""

    def __init__(self, journal: Journal, at: int) -> None:
        """Nothing is written yet."""
        self._journal = journal
        self._start = self._at = at
        self._crc32 = 0

    def add(self, content: memoryview) -> None:
        """The next bytes are in the part."""
        while content:
            end = (self._at // BLOCK + 1) * BLOCK
            taken, content = content[: end - self._at], content[end - self._at :]
            self._crc32 = crc32(taken, self._crc32)
            self._at += len(taken)
            if self._at == end:
                self.end()

    def end(self) -> None:
        """Note what there is of the block."""
        if self._at > self._start:
            self._journal.note(Block(self._start, self._at, self._crc32))
            self._start, self._crc32 = self._at, 0


def recall(folder: int, name: str, size: int, version: dict[str, Any]) -> list[Block] | None:
    """The blocks that a journal names in a part of `size` bytes, in order; they are to be read back.

    Empty if it speaks of another version, is not ours, or cannot be understood; None if another host may be at it.
    """
    try:
        fd = os.open(name, _READ, dir_fd=folder)
    except OSError:
        return []
    try:
        found = os.fstat(fd)
        most = _HEADER + _PER_BLOCK * (version["size"] // BLOCK + 16)
        ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_nlink == 1
        if not ours or found.st_size > most:
            return []
        return _read(fd, found.st_mtime, min(version["size"], size), version)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return []
    finally:
        os.close(fd)


def _read(fd: int, mtime: float, size: int, version: dict[str, Any]) -> list[Block] | None:
    with open(fd, encoding="ascii", errors="replace", newline="\n", closefd=False) as file:
        header = json.loads(file.readline(_HEADER))
        if temp_names.may_be_written_elsewhere(str(header["by"]), mtime):
            return None
        return list(_apart(file, size)) if header["version"] == version else []


def writer_of(folder: int, name: str) -> str:
    """The name that the writer of a journal has left in it; empty if there is none. Raises OSError."""
    with open(os.open(name, _READ, dir_fd=folder), encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        try:
            return str(json.loads(file.readline(1 << 16))["by"])
        except (ValueError, LookupError, TypeError, RecursionError):
            return ""


def _line(block: Block) -> str:
    return f"{block.start} {block.stop} {block.crc32:08x}\n"


def _apart(lines: Iterable[str], size: int) -> Iterator[Block]:
    """The blocks of the lines that lie within `size` and do not overlap; half a line at the end is none."""
    last: dict[int, Block] = {}
    for line in lines:
        if line.endswith("\n") and (match := _LINE.fullmatch(line[:-1])):
            block = Block(int(match[1]), int(match[2]), int(match[3], 16))
            last[block.start] = block
    at = 0
    for block in sorted(last.values(), key=lambda block: block.start):
        if at <= block.start < block.stop <= min(size, block.start + BLOCK):
            yield block
            at = block.stop
