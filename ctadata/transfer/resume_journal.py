"""Keep a journal of a part: which blocks a run has written, so that a later run resumes the download.

The journal is a text file beside the part. Its first line is JSON and names the version of the remote file. Each
further line is `start stop crc32` of one block of at most 4 MiB; a later line with the same start replaces an earlier
one. A line is written after its bytes, without a flush to disk. So the next run does not trust the lines: it reads the
bytes back, and fetches those again whose crc32 differs. A journal that is not a small regular file of this user, or
that cannot be parsed, is ignored: the file is downloaded from its first byte.
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

from ctadata import system
from ctadata.checksums import crc32
from ctadata.entries import Entry
from ctadata.transfer import temp_names
from ctadata.versions import can_prove_version

SUFFIX = ".journal"
NEW_SUFFIX = ".journal-new"
"""The end of the name of a journal that is not yet complete."""
BLOCK = 4 << 20
"""Bytes of a block. Blocks end at multiples of it. A killed run loses at most one block of each stream."""

RESUMABLE_FROM = 4 * BLOCK
"""Bytes from which a part has a journal. A smaller file is downloaded again."""

_LINE = re.compile(r"([0-9]{1,18}) ([0-9]{1,18}) ([0-9a-f]{8})")
_HEADER = 1 << 16  # bytes for the version at most
_PER_BLOCK = 4096  # bytes: a line has 46 at most, and a block that breaks off again and again has many


def is_resumable(entry: Entry) -> bool:
    """Return whether a later run may resume the download: the file is large, and its version can be proved."""
    return (entry.size or 0) >= RESUMABLE_FROM and can_prove_version(entry)


def version_of(entry: Entry) -> dict[str, Any]:
    """Return what two runs compare to know that they download the same version of a file."""
    return {
        "path": str(entry.path),
        "size": entry.size,
        "etag": entry.etag or "",
        "mtime": entry.mtime,
        "checksums": dict(entry.checksums),
    }


@dataclass(frozen=True, slots=True)
class Block:
    """Bytes that a run has written into a part, from `start` up to `stop` (exclusive), and their crc32."""

    start: int
    stop: int
    crc32: int

    def read(self, part: int) -> bytes | None:
        """Return the bytes from the open file `part`; None if they are not what was written. Raises OSError."""
        content = system.pread(part, self.stop - self.start, self.start)
        return content if len(content) == self.stop - self.start and crc32(content) == self.crc32 else None


@dataclass(slots=True)
class Journal:
    """An open journal. Several threads may call `note`.

    Attributes:
        folder: The open directory that holds it.
        name: Its name there.
        fd: Its own descriptor.
    """

    folder: system.Directory
    name: str
    fd: int

    @classmethod
    def begin(cls, folder: system.Directory, name: str, version: dict[str, Any], blocks: Iterable[Block]) -> Journal:
        """Write a new journal and rename it to its final name.

        Args:
            folder: The open directory.
            name: The journal's name there.
            version: The result of `version_of`.
            blocks: The blocks that the part already holds.

        Raises:
            OSError: The file system refuses, or something other than a file has the name.
        """
        header = {"version": version, "by": temp_names.new_name()}
        fresh = f"{name}-new"
        with contextlib.suppress(OSError):
            system.unlink(folder, fresh)
        fd = system.open_file(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, directory=folder)
        try:
            with open(fd, "w", encoding="ascii", newline="\n") as file:  # noqa: PTH123  (a descriptor)
                file.write(json.dumps(header) + "\n")
                file.writelines(_line(block) for block in blocks)
            system.rename(folder, fresh, name)
            fd = system.open_file(name, os.O_WRONLY | os.O_APPEND, directory=folder)
        except BaseException:
            for left in (fresh, name):
                with contextlib.suppress(OSError):
                    system.unlink(folder, left)
            raise
        return cls(folder, name, fd)

    def note(self, block: Block) -> None:
        """Add a block. An error is ignored: without the line, a later run fetches the block again."""
        with contextlib.suppress(OSError):
            os.write(self.fd, _line(block).encode())

    def close(self, *, keep: bool) -> None:
        """Close the journal, and remove it unless a later run is to use it."""
        with contextlib.suppress(OSError):
            os.close(self.fd)
        with contextlib.suppress(OSError):
            if not keep:
                system.unlink(self.folder, self.name)


class BlockWriter:
    """Add the blocks of one stream to a journal, each one when it is complete, and the last one at the end."""

    def __init__(self, journal: Journal, at: int) -> None:
        """Start at the offset `at`, before its bytes are written."""
        self._journal = journal
        self._start = self._at = at
        self._crc32 = 0

    def add(self, content: memoryview) -> None:
        """Count the next bytes, which are in the part."""
        while content:
            end = (self._at // BLOCK + 1) * BLOCK
            taken, content = content[: end - self._at], content[end - self._at :]
            self._crc32 = crc32(taken, self._crc32)
            self._at += len(taken)
            if self._at == end:
                self.end()

    def end(self) -> None:
        """Add the current block, if it holds any bytes."""
        if self._at > self._start:
            self._journal.note(Block(self._start, self._at, self._crc32))
            self._start, self._crc32 = self._at, 0


def read_journal(folder: system.Directory, name: str, size: int, version: dict[str, Any]) -> list[Block]:
    """Return the blocks that a journal names, in order. The caller has to read them back.

    Args:
        folder: The open directory.
        name: The journal's name there.
        size: Bytes of the part.
        version: The result of `version_of` for the file as it is now.

    Returns:
        An empty list if the journal is of another version, belongs to another user, or cannot be parsed.
    """
    try:
        fd = system.open_file(name, os.O_RDONLY, directory=folder)
    except OSError:
        return []
    try:
        status = os.fstat(fd)
        most = _HEADER + _PER_BLOCK * (version["size"] // BLOCK + 16)
        is_own = stat.S_ISREG(status.st_mode) and status.st_uid == system.user_id() and status.st_nlink == 1
        if not is_own or status.st_size > most:
            return []
        return _read(fd, min(version["size"], size), version)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return []
    finally:
        os.close(fd)


def _read(fd: int, size: int, version: dict[str, Any]) -> list[Block]:
    with open(fd, encoding="ascii", errors="replace", newline="\n", closefd=False) as file:
        header = json.loads(file.readline(_HEADER))
        return list(_without_overlaps(file, size)) if header["version"] == version else []


def writer_of(folder: system.Directory, name: str) -> str:
    """Return the name that the writer of a journal has left in it; empty if it has none. Raises OSError."""
    with open(system.open_file(name, os.O_RDONLY, directory=folder), encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        try:
            return str(json.loads(file.readline(1 << 16))["by"])
        except (ValueError, LookupError, TypeError, RecursionError):
            return ""


def _line(block: Block) -> str:
    return f"{block.start} {block.stop} {block.crc32:08x}\n"


def _without_overlaps(lines: Iterable[str], size: int) -> Iterator[Block]:
    """Yield the blocks that lie within `size` bytes and do not overlap; an incomplete last line is ignored."""
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
