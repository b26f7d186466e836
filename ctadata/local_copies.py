"""Verified local copies of remote files, kept in the cache directory, for libraries that take local paths only.

Each version of a file has a directory of its own, whose name is a digest of the storage, the path and the version::

    ~/.cache/ctadata/copies/3f8a...c1/events.h5

A copy is downloaded into a directory beside it, verified by the engine, and renamed as a whole. So any number of
processes on any number of machines may use the cache, and no file is locked. A copy is read-only.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ctadata.entries import Entry
from ctadata.errors import Changed, LocalError, UsageError
from ctadata.progress.units import read_size
from ctadata.session import Session
from ctadata.system import user_id
from ctadata.transfer.download_target import DownloadTarget
from ctadata.transfer.download_tree import download
from ctadata.transfer.plan import Rules
from ctadata.transfer.record_cache import cache_directory
from ctadata.transfer.records import Records
from ctadata.transfer.report import Reporter
from ctadata.transfer.results import raise_failures
from ctadata.versions import is_other_version

ROOM = 20 << 30
"""Bytes of all copies, unless the caller says otherwise."""

KEPT = 3600.0
"""Seconds for which a copy that was used stays, also beyond the room: its reader may be about to open it."""

ABANDONED = 86_400.0
"""Seconds after which an unfinished copy belongs to nobody."""

ATTEMPTS = 3
"""Downloads of a file that changes while it is read."""

_COPY = re.compile("[0-9a-f]{32}")
_UNFINISHED = re.compile(r"[0-9a-f]{32}\.[0-9a-f]{12}")


@dataclasses.dataclass(frozen=True, slots=True)
class Copy:
    """A copy in the cache.

    Attributes:
        path: The local file.
        size: Bytes.
        used: When it was last asked for, in seconds since 1970.
    """

    path: Path
    size: int
    used: float


def directory() -> Path:
    """Return the directory of all copies.

    Raises:
        LocalError: The user has no home, so there is no cache directory.
    """
    cache = cache_directory()
    if cache is None:
        raise LocalError("there is no cache directory", hint="set HOME or XDG_CACHE_HOME")
    return cache / "copies"


def read_room(env: Mapping[str, str] = os.environ) -> float:
    """Return the bytes that `CTADATA_CACHE_SIZE` gives to all copies together.

    Raises:
        UsageError: It is no size.
    """
    text = env.get("CTADATA_CACHE_SIZE", "")
    try:
        return read_size(text) if text else ROOM
    except ValueError as error:
        raise UsageError(f"CTADATA_CACHE_SIZE: {error}", hint="20G is the usual value") from None


def local_copy(
    session: Session, text: str, *, room: float = ROOM, stage: bool = False, reporter: Reporter | None = None
) -> Path:
    """Return a local file with the bytes of a remote one; download it only if the cache has no copy of this version.

    Args:
        session: The storage.
        text: The path of one file, as a person writes it.
        room: Bytes that all copies may have together. The copies that were not used for longest go first.
        stage: Bring a file on tape to disk first, and wait for it.
        reporter: Receives the progress of the download.

    Returns:
        A read-only file that bears the remote name. It stays for at least an hour after this call.

    Raises:
        UsageError: The path is a directory.
        Changed: The file changed during each of three downloads.
        CtadataError: Everything that `Session.info` and a download raise.
    """

    def download_into(entry: Entry, folder: Path) -> None:
        run = session.run(Rules(stage=stage), reporter, 1)
        run.records = Records("")  # the directory of the copy is the record
        raise_failures(download(run, [DownloadTarget(entry, folder, name=_name(entry))]), (), one=True)

    return keep_copy(session, text, download_into, room=room)


def keep_copy(
    session: Session,
    text: str,
    write_into: Callable[[Entry, Path], None],
    *,
    room: float = ROOM,
    nodes: Sequence[str] = (),
) -> Path:
    """Return a local file that is made of a remote one; make it only if the cache has none of this version.

    Args:
        session: The storage.
        text: The path of one file, as a person writes it.
        write_into: Writes the local file into a directory, under the remote name.
        room: As in `local_copy`.
        nodes: The parts of the remote file that the local one holds; none means all bytes.

    Returns:
        As `local_copy`.

    Raises:
        UsageError: The path is a directory.
        Changed: The file changed during each of three attempts.
        CtadataError: Everything that `Session.info` and `write_into` raise.
    """
    folder, address = directory(), session.profile.address
    entry = session.info(text)
    if entry.is_directory:
        raise UsageError("it is a directory, and a copy is of one file", hint="get -r fetches it", path=str(entry.path))
    for _ in range(ATTEMPTS):
        place = folder / _key(address, entry, nodes)
        size = None if nodes else entry.size
        if (found := _look_up(place, entry, size)) is not None:
            return found
        prune(folder, room - (size or 0))
        before, entry = entry, _make(session, entry, place, size, write_into)
        if not is_other_version(entry, before):
            return place / _name(before)
    raise Changed(f"this happened {ATTEMPTS} times", path=str(entry.path))


def _name(entry: Entry) -> str:
    return entry.path.parts[-1]


def _key(address: str, entry: Entry, nodes: Sequence[str]) -> str:
    """Return the name of the directory of this version."""
    version = [address, str(entry.path), entry.size, entry.mtime, entry.etag, sorted(entry.checksums.items())]
    text = json.dumps([*version, list(nodes)] if nodes else version)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _look_up(place: Path, entry: Entry, size: int | None) -> Path | None:
    """Return the copy of this version and note that it is used; None unless it is ours, whole and read-only."""
    copy = place / _name(entry)
    try:
        found = copy.lstat()
        is_whole = stat.S_ISREG(found.st_mode) and size in (None, found.st_size)
        if not is_whole or found.st_uid != user_id() or found.st_mode & 0o222:
            return None
        os.utime(place)
    except OSError:
        return None
    return copy


def _make(
    session: Session, entry: Entry, place: Path, size: int | None, write_into: Callable[[Entry, Path], None]
) -> Entry:
    """Write one version into `place`, unless the file has changed meanwhile; return its entry of afterwards."""
    unfinished = place.with_name(f"{place.name}.{secrets.token_hex(6)}")
    try:
        unfinished.mkdir(mode=0o700, parents=True)
        write_into(entry, unfinished)
        now = session.store.info(entry.path)
        if not is_other_version(now, entry):
            (unfinished / _name(entry)).chmod(0o400)
            _publish(unfinished, place, entry, size)
    except OSError as error:
        raise LocalError(f"local: {error.strerror}", path=str(error.filename or place)) from error
    else:
        return now
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _publish(unfinished: Path, place: Path, entry: Entry, size: int | None) -> None:
    """Rename the directory, unless another process has published this version. A damaged copy is replaced."""
    for _ in range(ATTEMPTS):
        if _look_up(place, entry, size) is not None:
            return
        set_aside = place.with_name(f"{place.name}.{secrets.token_hex(6)}")
        with contextlib.suppress(FileNotFoundError):
            place.rename(set_aside)
            shutil.rmtree(set_aside, ignore_errors=True)
        try:
            unfinished.rename(place)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        else:
            return
    raise LocalError("other processes write the same copy", path=str(place))


def copies(folder: Path) -> Iterator[Copy]:
    """Yield the copies in the cache, in no order."""
    for place in _directories(folder, _COPY):
        with contextlib.suppress(OSError):
            used = place.stat().st_mtime
            for copy in place.iterdir():
                yield Copy(copy, copy.lstat().st_size, used)


def prune(folder: Path, room: float) -> None:
    """Remove the copies that were not used for longest, until the others have room, and abandoned downloads.

    A copy that was used within the last hour stays.
    """
    now = time.time()
    for copy in sorted(copies(folder), key=lambda copy: -copy.used):
        room -= copy.size
        if room < 0 and now - copy.used > KEPT:
            shutil.rmtree(copy.path.parent, ignore_errors=True)
    for place in _directories(folder, _UNFINISHED):
        with contextlib.suppress(OSError):
            if now - max(path.stat().st_mtime for path in (place, *place.iterdir())) > ABANDONED:
                shutil.rmtree(place, ignore_errors=True)


def clear(folder: Path) -> tuple[int, int]:
    """Remove all copies, and return their number and their bytes.

    Raises:
        OSError: A copy cannot be removed.
    """
    count = size = 0
    for copy in list(copies(folder)):
        shutil.rmtree(copy.path.parent)
        count, size = count + 1, size + copy.size
    for place in _directories(folder, _UNFINISHED):
        shutil.rmtree(place, ignore_errors=True)
    return count, size


def _directories(folder: Path, name: re.Pattern[str]) -> Iterator[Path]:
    """Yield the directories of the cache that have such a name; a link is none."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if name.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                yield Path(entry.path)
