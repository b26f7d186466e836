"""The journal of a part: what lies in it, so that a later run goes on where a killed one ended.

A text file beside the part: one line of JSON that names the version of the remote file, then `start stop adler32` for
each piece that is here; a later line with the same start replaces an earlier one. Lines are written after the
bytes they speak of, without a flush to disk: a killed process loses nothing by that. After a crash of the machine,
when the boot is another one, the pieces are read again and only those that are what the journal says count.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ctadata.checksums import adler32
from ctadata.entries import Entry
from ctadata.transfer import temporaries
from ctadata.transfer.pieces import Piece

SUFFIX = ".journal"
BLOCK = 4 << 20
"""Bytes of a stream after which its piece is noted anew: what a kill can cost at most, for each stream."""

LASTING = 4 * BLOCK
"""Bytes from which a part keeps a journal; a smaller file is fetched again."""

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LARGEST = 1 << 24  # bytes of a journal that are read; one of a file of 100 TB is smaller


def is_lasting(entry: Entry) -> bool:
    """Whether what is fetched of a file lasts beyond the run, for the next one to go on with."""
    return (entry.size or 0) >= LASTING


def version_of(entry: Entry) -> dict[str, Any]:
    """What two runs must agree on to speak of the same version of a file."""
    return {
        "path": str(entry.path),
        "size": entry.size,
        "etag": (entry.etag or "").removeprefix("W/"),
        "mtime": entry.mtime,
        "checksums": dict(entry.checksums),
    }


def is_another(now: Entry, before: Entry) -> bool:
    """Whether a file has become another version, as far as both entries tell: the tag is believed before the time."""
    if now.size != before.size or any(now.checksums.get(name, was) != was for name, was in before.checksums.items()):
        return True
    tags = [(entry.etag or "").removeprefix("W/") for entry in (now, before)]
    if all(tags):
        return tags[0] != tags[1]
    return now.mtime is not None and before.mtime is not None and abs(now.mtime - before.mtime) > 1


@dataclass(slots=True)
class Journal:
    """An open journal; `note` may be called by several threads."""

    folder: int
    name: str
    fd: int

    @classmethod
    def begin(cls, folder: int, name: str, version: dict[str, Any], here: list[Piece]) -> Journal:
        """Write a journal anew, in the open directory `folder`; raises OSError."""
        header = {"version": version, "by": temporaries.new_name(), "boot": temporaries.this_boot()}
        lines = [json.dumps(header), *(_line(piece) for piece in here)]
        fresh = f"{name}-new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh, dir_fd=folder)
        fd = os.open(fresh, _FLAGS, 0o600, dir_fd=folder)
        os.write(fd, "".join(f"{line}\n" for line in lines).encode())
        os.rename(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
        return cls(folder, name, fd)

    def note(self, piece: Piece) -> None:
        """These bytes are here. A journal that cannot be written costs a later run its start, this one nothing."""
        with contextlib.suppress(OSError):
            os.write(self.fd, f"{_line(piece)}\n".encode())

    def close(self, *, keep: bool) -> None:
        """Let go of it, and remove it unless a later run is to go on from it."""
        with contextlib.suppress(OSError):
            if not keep:
                os.unlink(self.name, dir_fd=self.folder)
            os.close(self.fd)


def recall(folder: int, name: str, part: int, version: dict[str, Any]) -> list[Piece] | None:
    """The pieces in the open `part` that its journal vouches for, in order.

    Empty where it speaks of another version or cannot be read; None where another host may still be at it.
    """
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return []
    with open(fd, encoding="utf-8", errors="replace") as file:  # noqa: PTH123  (a descriptor)
        mtime = os.fstat(fd).st_mtime
        lines = file.read(_LARGEST).split("\n")[:-1]  # what follows the last newline is half a line
    try:
        header = json.loads(lines[0])
        if temporaries.may_be_alive_elsewhere(str(header["by"]), mtime):
            return None
        if header["version"] != version:
            return []
        pieces = list(_apart(lines[1:], min(version["size"], os.fstat(part).st_size)))
        same_boot = header["boot"] == temporaries.this_boot()
    except (ValueError, LookupError, TypeError):
        return []
    return pieces if same_boot else [piece for piece in pieces if _adler32(part, piece) == piece.adler32]


def writer_of(folder: int, name: str) -> str:
    """The name that the writer of a journal has left in it; empty if there is none. Raises OSError."""
    with open(os.open(name, _READ, dir_fd=folder), encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        try:
            return str(json.loads(file.readline(1 << 16))["by"])
        except (ValueError, LookupError, TypeError):
            return ""


def _line(piece: Piece) -> str:
    return f"{piece.start} {piece.stop} {piece.adler32}"


def _apart(lines: list[str], size: int) -> Iterator[Piece]:
    """The pieces of the lines that lie within `size` and do not overlap."""
    last: dict[int, Piece] = {}
    for line in lines:
        words = line.split()
        if len(words) == 3 and all(word.isascii() and word.isdigit() for word in words):
            piece = Piece(*map(int, words))
            last[piece.start] = piece
    at = 0
    for piece in sorted(last.values(), key=lambda piece: piece.start):
        if at <= piece.start < piece.stop <= size:
            yield piece
            at = piece.stop


def _adler32(fd: int, piece: Piece) -> int:
    value, at = 1, piece.start
    while at < piece.stop and (block := os.pread(fd, min(BLOCK, piece.stop - at), at)):
        value, at = adler32(block, value), at + len(block)
    return value
