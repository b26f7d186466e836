"""The files of the cache directory that keep the records of transfers: read, replace, list and remove them.

Each holds the records of one pair of directories::

    ~/.cache/ctadata/records/<hash of both directories>.records

A file is written whole beside its place and renamed, so any number of processes may use it, on NFS as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ctadata import system
from ctadata.paths import NO_HOME, user_directory

SUFFIX = ".records"

ROOM = 128 << 20
"""Bytes of all records. Beyond it, the files that were not used for longest are removed."""

PRUNED_AFTER = 3600.0
"""Seconds after which the cache is checked against `ROOM` again."""

Stamp = tuple[int, ...]
"""Size, mtime, ctime and inode: what differs if a file was replaced."""


def cache_directory() -> Path | None:
    """Return the user's cache directory of this program; None if the user has no home."""
    path = user_directory("cache")
    return None if path.is_relative_to(NO_HOME) else path


def directory() -> Path | None:
    """Return the directory of all records; None if the user has no home."""
    cache = cache_directory()
    return cache and cache / "records"


def load(path: Path | None) -> tuple[dict[str, Any], Stamp | None]:
    """Return the content of a file of the cache, and its stamp; nothing if other users can write the file."""
    if path is None:
        return {}, None
    try:
        fd = system.open_file(path, os.O_RDONLY)
    except OSError:
        return {}, None
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        return {}, None
    with open(fd, "rb") as file:  # noqa: PTH123  (a descriptor)
        if status.st_uid != system.user_id() or system.permission_bits(status) & 0o022:
            return {}, None
        if status.st_size > ROOM:
            return {}, None
        if time.time() - status.st_mtime > 86400:  # used today: `prune` removes others first
            with contextlib.suppress(OSError):
                os.utime(path)
                status = os.fstat(fd)
        try:
            content = json.loads(file.read())
        except (OSError, ValueError, RecursionError):
            return {}, None
    return (content if isinstance(content, dict) else {}), _stamp(status)


def stamp_of(path: Path) -> Stamp | None:
    """Return the stamp of a file; None if it is missing."""
    try:
        return _stamp(path.stat())
    except OSError:
        return None


def replace_file(path: Path, content: bytes) -> None:
    """Write a file beside its place, and rename it. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}-{secrets.token_hex(6)}")
    try:
        with open(system.open_file(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:  # noqa: PTH123
            file.write(content)
        system.replace_path(fresh, path)
    except BaseException:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise


def files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the files of the cache, also those that a killed writer has left."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if SUFFIX in entry.name and entry.is_file(follow_symlinks=False):
                    yield Path(entry.path), entry.stat(follow_symlinks=False)


def describe(path: Path) -> tuple[str, str, int] | None:
    """Return the two directories of a file of the cache, and its number of records; None if it is not valid."""
    content, _ = load(path)
    try:
        return str(content["remote"]), str(content["other"]), len(content["files"])
    except (KeyError, TypeError):
        return None


def prune(folder: Path, room: int | None = None) -> None:
    """Remove the files that were not used for longest until the others fit in `room` bytes (None: `ROOM`)."""
    left = ROOM if room is None else room
    for path, status in sorted(files(folder), key=lambda file: -file[1].st_mtime):
        left -= max(status.st_size, 4096)
        if left < 0 or (path.suffix != SUFFIX and age_of(path) > PRUNED_AFTER):
            with contextlib.suppress(OSError):
                path.unlink()


def clear(folder: Path) -> tuple[int, int]:
    """Remove all records. Raises OSError.

    Returns:
        The number of files, and their bytes.
    """
    count = size = 0
    for path, status in files(folder):
        path.unlink(missing_ok=True)
        count, size = count + 1, size + status.st_size
    with contextlib.suppress(OSError):
        (folder / "pruned").unlink()
    return count, size


def age_of(path: Path) -> float:
    """Return the seconds since a file was written; infinite if it is missing."""
    try:
        return abs(time.time() - path.stat().st_mtime)
    except OSError:
        return float("inf")


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
