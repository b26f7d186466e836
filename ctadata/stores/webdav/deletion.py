"""Delete a collection with all that lies below it, whether or not the server's DELETE does so.

A DELETE of a collection takes everything below along (RFC 4918 section 9.6.1). dCache deletes one member after the
other and stops at the first that it may not delete (dcache.md 1.7); other servers report what they kept. XRootD deletes
no collection that holds anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ctadata.entries import Entry, Kind
from ctadata.errors import CtadataError, LoginNeeded, NotFound, PartialFailure, Stopped, TimedOut, UsageError
from ctadata.paths import RemotePath

THREADS = 4
"""The number of files deleted at the same time if the client has to delete one by one."""
_PAUSES = (5.0,) * 12 + (30.0,) * 58  # seconds between two looks at a tree that the server still deletes: half an hour


@dataclass(frozen=True, slots=True)
class Deletion:
    """The deletion of files and trees on one server.

    Attributes:
        send_delete: Sends one DELETE, for a file or (True) a collection; raises UsageError if a collection is not
            empty.
        look: Returns the kind of a path; None if nothing has this name.
        list_members: Returns the entries directly below a collection.
        wait: Waits for a number of seconds.
    """

    send_delete: Callable[[RemotePath, bool], object]
    look: Callable[[RemotePath], Kind | None]
    list_members: Callable[[RemotePath], Iterable[Entry]]
    wait: Callable[[float], object]

    def delete(self, path: RemotePath, *, tree: bool) -> None:
        """Delete a file, or (`tree`) a collection with all that lies below it.

        Deleting a large tree takes longer than the client waits for a response: the server goes on, and this method
        looks until the tree is gone. It enters a collection only after the server has said that it is not empty, so it
        never follows a link to a collection.

        Raises:
            NotFound: Nothing has this name.
            PartialFailure: Some members could not be deleted.
            UsageError: The server deletes no collection that holds anything, and `tree` is False.
        """
        try:
            self.send_delete(path, tree)
        except UsageError:
            if not tree:
                raise
            self._empty(path)
            self.send_delete(path, tree)
        except CtadataError as error:
            if (isinstance(error, TimedOut) or error.status in (202, 504)) and self._wait_until_gone(path):
                return
            if tree and error.status not in (401, 404, 405, 429, 501):
                error.hint = "; ".join(filter(None, (error.hint, "part of the tree may be gone, list it first")))
            raise

    def _empty(self, path: RemotePath) -> None:
        """Delete all that lies below, go on after a failure, and raise PartialFailure at the end."""
        from concurrent.futures import ThreadPoolExecutor

        members = list(self.list_members(path))
        with ThreadPoolExecutor(THREADS) as pool:
            failures = [error for error in pool.map(self._try_file, members) if error]
        failures += [error for entry in members if entry.is_directory for error in self._try_tree(entry)]
        if failures:
            raise PartialFailure(failures, [path] * (len(failures) < len(members)))

    def _try_file(self, entry: Entry) -> CtadataError | None:
        return None if entry.is_directory else next(iter(self._try_tree(entry)), None)

    def _try_tree(self, entry: Entry) -> list[CtadataError]:
        try:
            self.delete(entry.path, tree=entry.is_directory)
        except NotFound as error:
            return [error] if self.look(entry.path) else []  # another client may have deleted it
        except (Stopped, LoginNeeded):
            raise
        except PartialFailure as error:
            return error.failures
        except CtadataError as error:
            error.path = error.path or str(entry.path)
            return [error]
        return []

    def _wait_until_gone(self, path: RemotePath) -> bool:
        for pause in _PAUSES:
            self.wait(pause)
            if self.look(path) is None:
                return True
        return False
