"""`get` and `put` of the filesystem: fsspec says what goes where, and the transfer engine moves it."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.utils import stringify_path

from ctadata.entries import Entry
from ctadata.errors import AlreadyExists, PartialFailure
from ctadata.filesystem.listings import ListingFileSystem
from ctadata.filesystem.os_errors import raise_os_errors
from ctadata.filesystem.sessions import Place
from ctadata.paths import RemotePath
from ctadata.transfer.download_target import DownloadTarget, PendingTarget
from ctadata.transfer.download_tree import download
from ctadata.transfer.local_tree import UploadSource
from ctadata.transfer.path_mapping import refuse_duplicates
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import NullReporter, Outcome, Summary
from ctadata.transfer.upload_tree import upload


class CallbackReporter(NullReporter):
    """A reporter that drives a callback of fsspec: one step for each file, and a branch with its bytes."""

    def __init__(self, callback: Callback, *, alone: bool = False) -> None:
        """Start the progress.

        Args:
            callback: What fsspec's caller gave.
            alone: It is about one file, and receives the bytes itself.
        """
        self._callback = callback
        self._alone = alone
        self._branches: dict[str, Callback] = {}
        self._lock = threading.Lock()

    def expect(self, remote: RemotePath, paths: tuple[str, str], size: int | None) -> None:
        """Branch the callback for a file of `size` bytes.

        Args:
            paths: Where it comes from, and where it goes.
        """
        branch = self._callback if self._alone else self._callback.branched(*paths)
        self._branches[str(remote)] = branch
        if size is not None:
            branch.set_size(size)

    def moved(self, name: str, size: int) -> None:
        """Add bytes to the branch of a file."""
        branch = self._branches.get(name)
        if branch is not None:
            with self._lock:
                branch.relative_update(size)

    def ended(self, outcome: Outcome) -> None:
        """Close the branch of a file, and count it."""
        with self._lock:
            branch = self._branches.pop(str(outcome.remote), None)
            if branch is not None and not self._alone:
                branch.close()
                self._callback.relative_update(1)


def get_files(
    place: Place,
    pairs: Sequence[tuple[RemotePath, Entry | None, str]],
    callback: Callback = DEFAULT_CALLBACK,
    *,
    alone: bool = False,
) -> None:
    """Download files, several at a time; each is verified, and appears whole or not at all.

    Args:
        pairs: Path, entry as far as it is known, and local name; a directory is made.

    Raises:
        UsageError: Two files have the same local name.
        NotFound, LocalError, IntegrityError and others: For one file that failed.
        PartialFailure: For several.
    """
    with raise_os_errors():
        refuse_duplicates(local for _, entry, local in pairs if entry is None or not entry.is_directory)
    reporter = CallbackReporter(callback, alone=alone)
    targets: list[DownloadTarget | PendingTarget] = []
    for path, entry, local in pairs:
        place_here = Path(local)
        if entry is not None and entry.is_directory:
            place_here.mkdir(parents=True, exist_ok=True)
            continue
        place_here.parent.mkdir(parents=True, exist_ok=True)
        reporter.expect(path, (str(path), local), entry.size if entry else None)
        name = place_here.name
        if entry is None:
            targets.append(PendingTarget(path, place_here.parent, (), name))
        else:
            targets.append(DownloadTarget(entry, place_here.parent, (), name, (path.name,)))
    if targets:
        _raise_failures(download(place.session.run(None, reporter), targets))


def put_files(
    place: Place,
    pairs: Sequence[tuple[str, RemotePath]],
    callback: Callback = DEFAULT_CALLBACK,
    *,
    new: bool = False,
    alone: bool = False,
) -> None:
    """Upload files, several at a time; each is verified, and appears whole or not at all.

    Args:
        pairs: Local name and path; a directory is made.
        new: A name that is taken is a failure.

    Raises:
        UsageError: Two files have the same path.
        AlreadyExists, Forbidden, IntegrityError and others: For one file that failed.
        PartialFailure: For several.
    """
    with raise_os_errors():
        refuse_duplicates(str(path) for local, path in pairs if not Path(local).is_dir())
    reporter = CallbackReporter(callback, alone=alone)
    by_directory: dict[RemotePath, list[tuple[Path, str]]] = defaultdict(list)
    for local, path in pairs:
        place.forget(path)
        if Path(local).is_dir():
            place.store.mkdir(path)
            continue
        reporter.expect(path, (local, str(path)), Path(local).stat().st_size)
        by_directory[path.parent].append((Path(local), path.name))
    sources = [UploadSource(target, files=tuple(files)) for target, files in by_directory.items()]
    summary = upload(place.session.run(Rules(no_clobber=new), reporter), sources)
    if new and (summary.kept or summary.skipped):
        raise AlreadyExists("the name is taken", path=str(pairs[0][1]))
    _raise_failures(summary)


def _raise_failures(summary: Summary) -> None:
    errors = summary.errors
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise PartialFailure(errors, [None] * summary.done)
    if summary.kept:
        raise AlreadyExists(f"nothing was written: {summary.kept[0].why}", path=str(summary.kept[0].remote))


class TransferPlan(ListingFileSystem):
    """Lets fsspec work out which file goes where, and transfers nothing.

    pairs: Remote and local name of each file and directory.   known: Entries that a search has found on the way.
    """

    cachable = False

    def __init__(self, profile: str | None) -> None:
        """Start without a pair."""
        super().__init__(profile)
        self.pairs: list[tuple[str, str]] = []
        self.known: dict[str, Entry] = {}

    def _find(self, path: Any, maxdepth: int | None, *, withdirs: bool) -> dict[str, Entry]:
        found = super()._find(path, maxdepth, withdirs=withdirs)
        self.known |= found
        return found

    def isdir(self, path: Any) -> bool:
        """Return whether a directory is there, without a request for what a search has found."""
        known = self.known.get(self._strip_protocol(path))
        return super().isdir(path) if known is None else known.is_directory

    def get_file(self, rpath: Any, lpath: Any = None, *_: Any, **__: Any) -> None:
        """Note the pair."""
        self.pairs.append((rpath, stringify_path(lpath)))

    def put_file(self, lpath: Any, rpath: Any, *_: Any, **__: Any) -> None:
        """Note the pair."""
        self.pairs.append((rpath, stringify_path(lpath)))
