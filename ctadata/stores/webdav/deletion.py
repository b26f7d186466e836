"""Deleting a collection with all that lies below it, whether or not the server's DELETE does that.

WebDAV's takes everything along (RFC 4918 section 9.6.1): dCache deletes one by one, and stops at the first that it may
not (dcache.md 1.7); others say what they kept. XRootD's takes no collection that holds anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ctadata.entries import Entry, Kind
from ctadata.errors import CtadataError, LoginNeeded, NotFound, PartialFailure, Stopped, TimedOut, UsageError
from ctadata.paths import RemotePath

THREADS = 4
"""Files deleted at a time where we do it one by one."""
_LOOKS = (5.0,) * 12 + (30.0,) * 58  # seconds between looks at a tree that the server goes on deleting: half an hour


@dataclass(frozen=True, slots=True)
class Deletion:
    """What deletes at one server.

    once: sends one DELETE, for a file or (True) a collection; UsageError where a collection holds anything.
    look: what is there.   listing: what lies directly below.   wait: for seconds.
    """

    once: Callable[[RemotePath, bool], object]
    look: Callable[[RemotePath], Kind | None]
    listing: Callable[[RemotePath], Iterable[Entry]]
    wait: Callable[[float], object]

    def delete(self, path: RemotePath, *, tree: bool) -> None:
        """Delete a file, or a collection (`tree`) with all that lies below it.

        A large tree takes longer than a request is waited for; the server goes on, and we look when it is done.
        A collection is entered only where the server has said that it holds something: not so a link to one.
        """
        try:
            self.once(path, tree)
        except UsageError:
            if not tree:
                raise
            self._empty(path)
            self.once(path, tree)
        except CtadataError as error:
            if (isinstance(error, TimedOut) or error.status == 504) and self._goes_at_last(path):
                return
            if tree and error.status not in (401, 404, 405, 429, 501):
                error.hint = "; ".join(filter(None, (error.hint, "some of what lay below may be gone, look first")))
            raise

    def _empty(self, path: RemotePath) -> None:
        """Delete all that lies below, whatever of it fails; PartialFailure."""
        below = list(self.listing(path))
        with ThreadPoolExecutor(THREADS) as pool:
            failed = [error for error in pool.map(self._try_file, below) if error]
        failed += [error for entry in below if entry.is_directory for error in self._try_tree(entry)]
        if failed:
            raise PartialFailure(failed, [path] * (len(failed) < len(below)))

    def _try_file(self, entry: Entry) -> CtadataError | None:
        return None if entry.is_directory else next(iter(self._try_tree(entry)), None)

    def _try_tree(self, entry: Entry) -> list[CtadataError]:
        try:
            self.delete(entry.path, tree=entry.is_directory)
        except NotFound:  # somebody else was quicker
            return []
        except (Stopped, LoginNeeded):
            raise
        except PartialFailure as error:
            return error.failures
        except CtadataError as error:
            error.path = error.path or str(entry.path)
            return [error]
        return []

    def _goes_at_last(self, path: RemotePath) -> bool:
        for pause in _LOOKS:
            self.wait(pause)
            if self.look(path) is None:
                return True
        return False
