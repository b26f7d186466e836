"""Find the version that listings show of an uploaded file after its move, for the record of the transfer.

Most servers keep the mtime and the tag of a file that they move. If a file has another tag after the move, either the
server makes tags from names, or another client has replaced the file, and its bytes are not those that were sent. A
trial with names that no other client knows tells which of the two it is.
"""

from __future__ import annotations

from typing import Protocol

from ctadata.entries import Entry
from ctadata.errors import CtadataError, IntegrityError, LoginNeeded, NotFound, Stopped
from ctadata.fibers import Lock
from ctadata.paths import RemotePath
from ctadata.stores.one_byte import OneByte
from ctadata.transfer import temp_names
from ctadata.transfer.read_after_write import WaitingRun, wait_for_entry
from ctadata.transfer.records import Version, remote_version
from ctadata.versions import opaque_tag


class MovingRun(WaitingRun, Protocol):
    """The run, as far as the moves of its files need it."""

    def discard(self, temporary: RemotePath) -> None:
        """Delete a temporary; errors are ignored."""


class MovedFiles:
    """The files of a run that have got their names by a move. Any number of threads and fibers may use it.

    Attributes:
        keep_version: Whether files have the same mtime and tag after a move; None: not known yet.
    """

    def __init__(self, run: MovingRun) -> None:
        """Send no request yet."""
        self.keep_version: bool | None = None
        self._run = run
        self._trial = Lock()

    def find_version(self, before: Entry, target: RemotePath, replaced: Entry | None = None) -> Version | None:
        """Return the version of a moved file that listings show; None if these may be the bytes of another client.

        No request is sent if files keep their versions.

        Args:
            before: The entry of the file before the move.
            target: Its name after the move.
            replaced: The file that had this name before; None if there was none, or it is not known.

        Raises:
            IntegrityError: There is no such file, it has another size, or the replaced file is still there.
        """
        if before.size is None:
            return None
        if self.keep_version:
            return remote_version(before)
        try:
            now = wait_for_entry(self._run, target, before.size)
        except NotFound:
            self._run.discard(before.path)
            raise IntegrityError("the server confirmed the move, and shows no such file", path=str(target)) from None
        except CtadataError:  # the token may not look, or the run is to end: the file has no record
            return None
        if now.size is None:
            return None
        if now.size != before.size:
            what = f"the file on the storage has {now.size} bytes instead of {before.size} after its move"
            raise IntegrityError(what, path=str(target))
        if _is_same(before, now):
            self.keep_version = self.keep_version is not False
            return remote_version(now)
        if replaced is not None and now.mtime not in (None, before.mtime) and _is_same(replaced, now):
            self._run.discard(before.path)
            what = "the server confirmed the move, and the file that it was to replace has not changed"
            raise IntegrityError(what, path=str(target))
        with self._trial:
            if self.keep_version is None:
                self.keep_version = _try_move(self._run, target.parent)
        is_kept_mtime = now.mtime is not None and now.mtime == before.mtime
        return remote_version(now) if is_kept_mtime and not self.keep_version else None


def _is_same(before: Entry, now: Entry) -> bool:
    return (
        opaque_tag(before.etag) == opaque_tag(now.etag) and before.mtime == now.mtime
    )  # Apache's tag is weak at first


def _try_move(run: MovingRun, directory: RemotePath) -> bool:
    """Move a file of one byte, and return whether its version is the same, or may be the same."""
    name, moved = directory / temp_names.new_name(), directory / temp_names.new_name()
    present = name
    try:
        run.store.write(name, OneByte(), new=True)
        before = wait_for_entry(run, name, 1)
        run.store.move(name, moved, replace=False)
        present = moved
        return _is_same(before, wait_for_entry(run, moved, 1))
    except (Stopped, LoginNeeded):
        raise
    except CtadataError:
        return True
    finally:
        run.discard(present)
