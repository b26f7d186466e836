"""The functions of `ctadata.direct`, and the names that scripts written for 0.6 import from here."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypedDict

from ctadata.entries import Entry, Kind
from ctadata.errors import AccessError, ConfigError, CtadataError, PartialFailure
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import Silent

if TYPE_CHECKING:
    from ctadata.session import Session
    from ctadata.transfer.report import Outcome, Reporter, Summary

    Progress = AbstractContextManager[Reporter]

PathText = str | os.PathLike[str]

# The exception names of 0.6. Each catches the errors that ours of today correspond to.
DirectApiError = CtadataError
StorageException = CtadataError
TokenError = AccessError
ClientSecretNotFound = ConfigError
EnvironmentError = ConfigError


class Upload(TypedDict):
    """What an upload gives back.

    path: where the file is, from the root, without a slash in front.
    status: `uploaded`; `unchanged`, where an equal file was there; `kept`, where `no_clobber` kept another one.
    total_written: bytes of the file.
    """

    path: str
    status: str
    total_written: int


class Listed(str):
    """A path of a listing: from the root, without a slash in front, decoded; a directory's ends in `/`.

    kind:  `file` or `directory`.
    size:  bytes; None for directories and files that are still being uploaded.
    mtime: in UTC; None where the storage does not say.
    """

    kind: str
    size: int | None
    mtime: datetime | None

    __slots__ = ("kind", "mtime", "size")

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """The listed path of an entry."""
        text = str(entry.path).removeprefix("/")
        listed = cls(text + "/" if entry.is_directory else text)
        listed.kind = str(entry.kind)
        listed.size = entry.size if entry.kind is Kind.FILE else None
        listed.mtime = None if entry.mtime is None else datetime.fromtimestamp(entry.mtime, UTC)
        return listed


@contextmanager
def _session() -> Iterator[Session]:
    from ctadata.config.resolve import resolve
    from ctadata.session import Session

    with Session.open(resolve(None), stop=threading.Event()) as session:
        yield session


def list_dir(path: PathText, recursive: bool = False, n_threads: int | None = None) -> list[Listed]:
    """The paths in a directory; with `recursive`, in all below it as well. The directory itself is not among them.

    path: from the root of the storage; `home:x` is below your home. A file's listing is the file.
    n_threads: directories listed at a time, None for what suits most doors.
    Raises NotFound, LoginNeeded, Forbidden, TemporaryError (all of `ctadata.errors`).
    """
    with _session() as session:
        return [Listed.of(entry) for entry in session.list(os.fspath(path), recursive=recursive, threads=n_threads)]


def fetch_and_save_file(path: PathText, save_to_fn: PathText | None = None, *, progress: Progress | None = None) -> int:
    """Download one file and verify it; gives its size in bytes.

    save_to_fn: the local file, or a directory to put it in; None: its own name, here. An equal file that is
    there already is not fetched again; one that differs is replaced once the new one is verified.
    Raises NotFound, UsageError (a directory), IntegrityError, LocalError and what `list_dir` raises.
    """
    return fetch_and_save_file_or_dir(path, save_to_fn=save_to_fn, progress=progress)


def fetch_and_save_file_or_dir(
    path: PathText, recursive: bool = False, *, save_to_fn: PathText | None = None, progress: Progress | None = None
) -> int:
    """Download a file, or with `recursive` a directory with all it holds, to here; gives the bytes of all files.

    `a/b` becomes `./b/...`; `a/b/`, with a slash, its contents here. Every file is tried; PartialFailure tells
    then which failed, and with `.done` the number of bytes of each that did not.
    progress: who is told meanwhile, as `ctadata.progress.choice.shown()` gives; None: nobody.
    """
    with _session() as session, _told(progress) as collected:
        local = None if save_to_fn is None else os.fspath(save_to_fn)
        summary = session.get([os.fspath(path)], local, recursive=recursive, reporter=collected)
    sizes = [outcome.size for outcome in collected.outcomes]
    _raise_failures(summary, sizes, one=not recursive)
    return sum(sizes)


def upload_file(
    local_fn: PathText, path: PathText, *, no_clobber: bool = False, progress: Progress | None = None
) -> Upload:
    """Upload one file and verify it.

    path: the file's new name, below your home unless it is absolute; a directory where it ends in `/` or is one.
    no_clobber: a file that is there and differs stays as it is.
    Raises NotFound (the local file), Forbidden, StorageFull, IntegrityError and what `list_dir` raises.
    """
    with _session() as session, _told(progress) as collected:
        rules = Rules(no_clobber=no_clobber)
        summary = session.put([os.fspath(local_fn)], os.fspath(path), rules=rules, reporter=collected)
    _raise_failures(summary, collected.uploads, one=True)
    return collected.uploads[0]


def upload_dir(
    local_dir: PathText, path: PathText, *, no_clobber: bool = False, progress: Progress | None = None
) -> list[Upload]:
    """Upload the contents of a local directory into the directory `path`, which is made where it is missing.

    Gives what `upload_file` gives, for each file. Every file is tried; PartialFailure tells then which failed.
    """
    contents = os.path.join(os.fspath(local_dir), "")  # noqa: PTH118  (the slash at the end says: the contents)
    if not Path(contents).is_dir():
        raise NotADirectoryError(f"not a directory: {local_dir}")
    with _session() as session, _told(progress) as collected:
        rules = Rules(no_clobber=no_clobber)
        summary = session.put([contents], os.fspath(path), recursive=True, rules=rules, reporter=collected)
    _raise_failures(summary, collected.uploads, one=False)
    return collected.uploads


@contextmanager
def _told(progress: Progress | None) -> Iterator[_Collected]:
    with nullcontext(Silent()) if progress is None else progress as reporter:
        yield _Collected(reporter)


def _raise_failures(summary: Summary, done: list[int] | list[Upload], *, one: bool) -> None:
    if one and summary.errors:
        raise summary.errors[0]
    if summary.errors:
        raise PartialFailure(summary.errors, done)


class _Collected:
    """The reporter that keeps what was done, for the return value."""

    def __init__(self, inner: Reporter) -> None:
        self.outcomes: list[Outcome] = []
        self.planned = inner.planned
        self.moved = inner.moved
        self._inner = inner
        self._lock = threading.Lock()

    def ended(self, outcome: Outcome) -> None:
        """Keep it, unless it failed or could not be copied at all."""
        self._inner.ended(outcome)
        if outcome.state in _STATUS:
            with self._lock:
                self.outcomes.append(outcome)

    @property
    def uploads(self) -> list[Upload]:
        """What the upload functions give back."""
        return [
            Upload(path=str(o.remote).removeprefix("/"), status=_STATUS[o.state], total_written=o.size)
            for o in self.outcomes
        ]


_STATUS = {"done": "uploaded", "skipped": "unchanged", "kept": "kept"}


class APIClient:
    """The class of 0.6, for scripts that use it: the same functions as methods."""

    list_dir = staticmethod(list_dir)
    fetch_and_save_file = staticmethod(fetch_and_save_file)
    fetch_and_save_file_or_dir = staticmethod(fetch_and_save_file_or_dir)
    upload_file = staticmethod(upload_file)
    upload_dir = staticmethod(upload_dir)
