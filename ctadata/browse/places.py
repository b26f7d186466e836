"""The places that a pane can show: this machine, and the storage of each profile, behind one small contract."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ctadata.entries import Entry, Kind
from ctadata.errors import AlreadyExists, ConfigError, LocalError, NotFound, UsageError
from ctadata.local_names import check_local_name
from ctadata.namespace.digests import get_digests
from ctadata.namespace.du import measure_deletion
from ctadata.namespace.filters import Filters
from ctadata.namespace.listing import list_children
from ctadata.namespace.mkdir import make_directory
from ctadata.namespace.name_check import check_for_others
from ctadata.namespace.remove import drop_nested, refuse_home, remove
from ctadata.namespace.rename import plan_renames, rename
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.session import Session
from ctadata.stores.described import Describes
from ctadata.stores.sharing import Link
from ctadata.transfer.partial_file import local_errors
from ctadata.transfer.staging import is_on_tape, unknown_locality_error, with_current_locality

LINK_LIFETIME = 3600.0
"""Seconds that a link is valid, as for the command `share`."""

OpenSession = Callable[[str, threading.Event], Session]
"""Opens the session of a profile; the event stops its requests."""


@dataclasses.dataclass(frozen=True, slots=True)
class Amount:
    """What a deletion deletes: files, directories (the named ones included), bytes, and links of this machine."""

    files: int
    directories: int
    size: int
    links: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class LocalLink(Entry):
    """A link on this machine. Its kind, size and time are those of what it leads to; a link to nothing is a file.

    Attributes:
        leads_to: What the link holds.
    """

    leads_to: str = ""


def shown_name(entry: Entry) -> str:
    """Return a name, safe for a terminal: `directory/`, or `link -> what it leads to`."""
    name = escape_unprintable(entry.path.name)
    if isinstance(entry, LocalLink):
        return f"{name} -> {escape_unprintable(entry.leads_to)}"
    return name + ("/" if entry.is_directory else "")


class Place(Protocol):
    """A tree of files that a pane shows. Each method may take long, so it runs in a thread of its own.

    All methods raise errors of `ctadata.errors`.
    """

    profile: str | None  # None: this machine

    def start(self, text: str | None) -> RemotePath:
        """Return the directory to show first: the one that the user typed, or else the home."""

    def list(self, path: RemotePath) -> Iterator[Entry]:
        """Yield the entries directly below a directory, as they arrive."""

    def make_directory(self, path: RemotePath) -> None:
        """Make a directory; the name must be free."""

    def rename(self, entries: Sequence[Entry], target: RemotePath) -> None:
        """Give the entries a new path: `target`, or their names in it if it is a directory. Nothing is replaced."""

    def measure(self, entries: Sequence[Entry]) -> Amount:
        """Count what `delete` would delete. Raises UsageError for what is never deleted: the root and the home."""

    def delete(self, entry: Entry) -> None:
        """Delete a file, or a directory with all it holds."""

    def describe(self, entry: Entry) -> Mapping[str, str]:
        """Return all that the place knows about an entry, in words: name and value."""

    def interrupt(self) -> None:
        """End all requests of this place that wait; later requests work again."""


def local_path(path: RemotePath) -> Path:
    """Return a path of `Here` as the file system has it."""
    return Path("/", *path.parts)


class Here:
    """This machine."""

    profile: str | None = None

    def start(self, text: str | None) -> RemotePath:
        """Return the directory `text`, or the current one."""
        return RemotePath.parse(str(Path(text or ".").absolute()))

    def list(self, path: RemotePath) -> Iterator[Entry]:
        """Yield the entries of a directory."""
        folder = local_path(path)
        with local_errors(folder), os.scandir(folder) as entries:
            for each in entries:
                below = path / each.name
                if not below.is_temporary:
                    yield _local_entry(below, each)

    def make_directory(self, path: RemotePath) -> None:
        """Make a directory."""
        check_local_name(path.name)
        with local_errors(local_path(path)):
            local_path(path).mkdir()

    def rename(self, entries: Sequence[Entry], target: RemotePath) -> None:
        """Rename or move, as `mv -n` does."""
        into = local_path(target).is_dir()
        if len(entries) > 1 and not into:
            raise NotFound("no such local directory", path=escape_unprintable(str(target)))
        for entry in entries:
            new = local_path(target / entry.path.name if into else target)
            if os.path.lexists(new):
                raise AlreadyExists("local: the name is taken", path=escape_unprintable(str(new)))
            with local_errors(new):
                local_path(entry.path).rename(new)

    def measure(self, entries: Sequence[Entry]) -> Amount:
        """Count what lies below the entries; links are counted, and not followed."""
        home, files, directories, size, links = Path.home(), 0, 0, 0, 0
        for entry in entries:
            top = local_path(entry.path)
            if home.is_relative_to(top):
                raise UsageError("it is your home, or it holds your home, and is never deleted", path=str(top))
            with local_errors(top):
                for status in _walk(top):
                    if stat.S_ISLNK(status.st_mode):
                        links += 1
                    elif stat.S_ISDIR(status.st_mode):
                        directories += 1
                    else:
                        files, size = files + 1, size + status.st_size
        return Amount(files, directories, size, links)

    def delete(self, entry: Entry) -> None:
        """Delete a file, a link, or a directory with all it holds."""
        path = local_path(entry.path)
        with local_errors(path):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def describe(self, entry: Entry) -> Mapping[str, str]:
        """Return what stat(2) says."""
        path = local_path(entry.path)
        with local_errors(path):
            status = path.lstat()
            link = {"link to": str(path.readlink())} if path.is_symlink() else {}
        return {**link, "mode": oct(status.st_mode & 0o7777)[2:], "owner": f"{status.st_uid}:{status.st_gid}"}

    def interrupt(self) -> None:
        """Do nothing: the file system cannot be interrupted."""


def _walk(top: Path) -> Iterator[os.stat_result]:
    """Yield what lstat(2) says of a path, and of all that lies below it."""
    status = top.lstat()
    yield status
    if stat.S_ISDIR(status.st_mode):
        for folder, below, names in os.walk(top, onerror=_raise):
            yield from (os.lstat(Path(folder, name)) for name in (*below, *names))


def _raise(error: OSError) -> None:
    raise error


def _local_entry(path: RemotePath, found: os.DirEntry[str]) -> Entry:
    kind, size, mtime = Kind.FILE, None, None
    with contextlib.suppress(OSError):
        status = found.stat()
        kind, mtime = Kind.DIRECTORY if found.is_dir() else Kind.FILE, status.st_mtime
        size = None if found.is_dir() else status.st_size
    if not found.is_symlink():
        return Entry(path, kind, size, mtime)
    leads_to = ""
    with contextlib.suppress(OSError):
        leads_to = str(Path(found).readlink())
    return LocalLink(path, kind, size, mtime, leads_to=leads_to)


class Site:
    """The storage of a profile."""

    def __init__(self, profile: str, open_session: OpenSession) -> None:
        """Open no session yet."""
        self.profile: str | None = profile
        self.name, self._open_session = profile, open_session
        self._session: Session | None = None
        self._lock = threading.Lock()

    @property
    def session(self) -> Session:
        """The session of the pane. Paths are names, never patterns."""
        with self._lock:
            if self._session is None:
                self._session = self._open_session(self.name, threading.Event())
                self._session.is_literal = True
            return self._session

    def interrupt(self) -> None:
        """End the requests that wait; the next one opens a new session."""
        with self._lock:
            session, self._session = self._session, None
        if session:
            session.stop.set()

    def start(self, text: str | None) -> RemotePath:
        """Return the path that the user typed, or the home, or the root if the profile leads to no home."""
        if text:
            return self.session.resolve(text, make=False)
        try:
            home = self.session.resolve("home:", make=False)
            self.session.store.info(home)
        except (ConfigError, NotFound):
            return RemotePath()
        return home

    def list(self, path: RemotePath) -> Iterator[Entry]:
        """Yield the entries of a directory."""
        return list_children(self.session.store, path, Filters())

    def make_directory(self, path: RemotePath) -> None:
        """Make a directory."""
        make_directory(self.session.store, path)

    def rename(self, entries: Sequence[Entry], target: RemotePath) -> None:
        """Rename or move, as the command `mv` does."""
        session = self.session
        refuse_home(entries, lambda: session.resolve("home:", make=False))
        for planned in plan_renames(session.store, entries, target):
            rename(session.store, planned, jobs=session.profile.jobs)

    def measure(self, entries: Sequence[Entry]) -> Amount:
        """Count, as the command `rm` does."""
        session = self.session
        refuse_home(entries, lambda: session.resolve("home:", make=False))
        usages = [measure_deletion(session.store, entry) for entry in drop_nested(entries)]
        directories = sum(usage.directories for usage in usages) + sum(entry.is_directory for entry in entries)
        return Amount(sum(usage.files for usage in usages), directories, sum(usage.size for usage in usages))

    def delete(self, entry: Entry) -> None:
        """Delete, as the command `rm -r` does."""
        remove(self.session.store, entry, recursive=True)

    def describe(self, entry: Entry) -> Mapping[str, str]:
        """Return locality, checksums and tag, and what the site's frontend or S3 server says beside."""
        session = self.session
        known = {"locality": with_current_locality(session.store, entry).locality or "", "etag": entry.etag or ""}
        if isinstance(session.store, Describes) and not entry.is_directory:
            digests, more = session.store.describe(entry)
            known |= digests
            for name, value in more.items():
                known |= {name: value} if isinstance(value, str) else {f"{name} {key}": it for key, it in value.items()}
        else:
            known |= get_digests(session.store, entry)
        if session.profile.frontend:
            details = session.site.frontend.details(entry.path)
            known |= {"qos": details.quality or "", "labels": ", ".join(details.labels), "id": details.pnfsid}
            known |= {f"attribute {name}": value for name, value in details.attributes.items()}
        return {name: value for name, value in known.items() if value}

    def stage(self, entries: Sequence[Entry]) -> tuple[str, int]:
        """Request the files that are on tape only; return the request's id and the number of files."""
        session = self.session
        current = [with_current_locality(session.store, entry) for entry in entries]
        on_tape = [entry.path for entry in current if is_on_tape(entry)]
        if not on_tape:
            unknown = filter(None, (unknown_locality_error(session.store, entry) for entry in current))
            raise next(unknown, UsageError("none of these files is on tape only"))
        return session.site.tape.stage(on_tape), len(on_tape)

    def share(self, entry: Entry) -> Link:
        """Return a link that opens the file or directory to others for an hour."""
        session = self.session
        check_for_others(session.store, entry.path)
        return session.site.link_maker(session.store).share(entry.path, lifetime=LINK_LIFETIME)

    def close(self) -> None:
        """End the requests, and close the connections."""
        with self._lock:
            session, self._session = self._session, None
        if session:
            session.stop.set()
            session.close()


def require_site(place: Place, what: str) -> Site:
    """Return the site of a pane; raise UsageError if the pane shows this machine."""
    if not isinstance(place, Site):
        raise UsageError(f"{what} works on a storage, and this pane shows this machine", hint="Tab changes the pane")
    return place


def check_target(place: Place, path: RemotePath, name: str) -> RemotePath:
    """Return the path of a new name that the user typed: from `path`, or from the root if it begins with a slash.

    On this machine, `..` is the directory above, as the pane shows it.
    """
    if not name.strip("/"):
        raise LocalError("a name is missing")
    if place.profile is None:
        return RemotePath.parse(os.path.normpath(name if name.startswith("/") else f"{path}/{name}"))
    return RemotePath.parse(name) if name.startswith("/") else path.join(RemotePath.parse(name).parts)
