"""Ask the server what it has stored: the digests that it keeps, else the size.

The sizes of files that were stored in one directory at about the same time are asked for together, by one listing of
the directory. As in the group commit of a database, the files that come while a request is under way wait for the next.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from ctadata.entries import NO_CHECKSUMS, Entry
from ctadata.errors import CtadataError, LoginNeeded, Stopped
from ctadata.fibers import Beside, Condition
from ctadata.paths import RemotePath
from ctadata.stores.channel import for_each
from ctadata.transfer.moved_files import MovedFiles, MovingRun
from ctadata.transfer.new_names import NewNames
from ctadata.transfer.read_after_write import wait_for_entry

LARGE = 1000
"""The number of entries from which a directory is not listed for a few files."""

ENTRIES_PER_FILE = 20
"""The largest number of entries of a large directory for each file that waits; if there are more, each file is looked
up by itself."""


@dataclass(slots=True)
class _Batch:
    """Files of one directory that are looked up together; `found` holds their entries once `is_done`."""

    names: set[str] = field(default_factory=set)
    found: dict[str, Entry] = field(default_factory=dict)
    is_done: bool = False


@dataclass(slots=True)
class _Directory:
    """The batch that is being looked up, and the batch of the files that came meanwhile."""

    changed: Condition
    current: _Batch | None = None
    following: _Batch | None = None


class StoredFiles:
    """The files that a run has stored. Any number of threads and fibers may use it.

    Attributes:
        moved: Finds the versions of those that were moved to their names.
        new_names: The names of those that are new.
    """

    def __init__(self, run: MovingRun) -> None:
        """Send no request yet."""
        self._run = run
        self.moved = MovedFiles(run)
        self.new_names = NewNames()
        known = run.store.features.digests
        self._has_digests = "adler32" in known if known else None  # None: the server has not answered yet
        self._directories: dict[RemotePath, _Directory] = {}
        self._large: dict[RemotePath, int] = {}
        self._lock = threading.Lock()

    def note_entries(self, directory: RemotePath, count: int) -> None:
        """Take note of the number of entries in a directory."""
        if count >= LARGE:
            self._large[directory] = count

    def look(self, path: RemotePath, size: int) -> tuple[Mapping[str, str], Entry | None]:
        """Ask what the server has stored.

        Args:
            path: The file that was just stored.
            size: The bytes that it should have.

        Returns:
            The digests that the server keeps, and the entry; None if only the digests were asked for. No digests if
            adler32, which an upload computes, cannot be among them.
        """
        store = self._run.store
        if self._has_digests is None:
            asked = Beside(lambda: store.digests(path))
            entry = self.entry(path, size)
            digests = asked.result()
            self._has_digests = bool(digests)
            return digests, entry
        digests = store.digests(path) if self._has_digests else NO_CHECKSUMS
        return (digests, None) if digests else (digests, self.entry(path, size))

    def entry(self, path: RemotePath, size: int) -> Entry:
        """Return the entry of a file that was just stored, however late the server shows it; see `wait_for_entry`."""
        entry = self._look_together(path)
        return entry if entry is not None and entry.size == size else wait_for_entry(self._run, path, size)

    def _look_together(self, path: RemotePath) -> Entry | None:
        """Return the entry of a file from the request for its batch; None if that did not show it."""
        with self._lock:
            directory = self._directories.setdefault(path.parent, _Directory(Condition(self._lock)))
            batch = directory.following = directory.following or _Batch()
            batch.names.add(path.name)
            while not batch.is_done and directory.current is not None:
                directory.changed.wait()
            if batch.is_done:
                return batch.found.get(path.name)
            directory.current, directory.following = batch, None
        try:
            self._look_up(path.parent, batch)
        finally:
            with self._lock:
                directory.current, batch.is_done = None, True
                if directory.following is None:
                    del self._directories[path.parent]
                directory.changed.notify_all()
        return batch.found.get(path.name)

    def _look_up(self, path: RemotePath, batch: _Batch) -> None:
        """Find the entries of a batch; an error leaves them out, because each file is then looked up by itself."""
        count = 0

        def take(entry: Entry) -> None:
            nonlocal count
            count += 1
            if entry.path.name in batch.names:
                batch.found[entry.path.name] = entry

        try:
            if len(batch.names) == 1:
                take(self._run.store.info(path / next(iter(batch.names))))
            elif self._large.get(path, 0) <= ENTRIES_PER_FILE * len(batch.names):
                for_each(self._run.store.list(path), take)
                self.note_entries(path, count)
        except (Stopped, LoginNeeded):
            raise
        except CtadataError:
            batch.found.clear()
