"""What only some stores can do, beyond the contract of `ctadata.stores.base`: `isinstance` finds out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ctadata.entries import Entry
from ctadata.errors import NotFound
from ctadata.paths import RemotePath

if TYPE_CHECKING:
    from ctadata.stores.base import Store


@runtime_checkable
class DeletesFiles(Protocol):
    """A store that deletes a file without looking first whether the path is one."""

    def delete_file(self, path: RemotePath) -> None:
        """Delete a file. The caller has just looked it up, or has made it under a name of its own.

        Raises:
            NotFound: Nothing has this name.
        """


@runtime_checkable
class ReplacesNothing(Protocol):
    """A store that may be proven to replace nothing where `write` is called with `new`."""

    def is_proven_to_refuse(self, path: RemotePath) -> bool:
        """Return whether `write` with `new` is certain to raise AlreadyExists if a file has this name."""

    def file_info(self, path: RemotePath) -> Entry:
        """Return the entry of a file, and do not ask whether a directory has its name; raise NotFound otherwise."""


@runtime_checkable
class FindsNames(Protocol):
    """A store that tells with one request whether a name is free, a file or a directory."""

    def find_name(self, path: RemotePath) -> Entry:
        """Return the entry of a name as a listing shows it: no alias is followed.

        Raises:
            NotFound: Nothing has this name.
            Forbidden: The user may not find out.
        """


def find_or_none(store: Store, path: RemotePath) -> Entry | None:
    """Return the entry of a name, with one request if the store can; None if nothing has this name.

    Raises:
        CtadataError: What the store raises, except NotFound.
    """
    try:
        return store.find_name(path) if isinstance(store, FindsNames) else store.info(path)
    except NotFound:
        return None


@runtime_checkable
class TellsDigests(Protocol):
    """A store that can tell the digests of a file at once."""

    def digests_now(self, path: RemotePath) -> Mapping[str, str]:
        """Return the digests as `Store.digests` does, but without waiting for a file that was just uploaded.

        Raises:
            NotFound: Nothing has this name.
        """


@runtime_checkable
class TellsCreation(Protocol):
    """A store whose files have a time of creation."""

    def created(self, path: RemotePath) -> float | None:
        """Return when the file was created, in seconds since 1970 UTC; None if the server does not tell.

        Raises:
            NotFound: Nothing has this name.
        """


@runtime_checkable
class MovesEntries(Protocol):
    """A store that moves what the caller has just seen, and asks for neither name again."""

    def move_entry(self, entry: Entry, target: RemotePath, *, replace: bool) -> None:
        """Rename the file of an entry that `info` has returned.

        Args:
            entry: The file.
            target: The new path. The caller has just seen that it is free, or with `replace`, that it is no directory.
            replace: Whether a file with this path is replaced.

        Raises:
            AlreadyExists: Without `replace`, a file has taken the path meanwhile, and the server noticed it.
        """


@runtime_checkable
class DeletesEntries(Protocol):
    """A store that deletes what the caller has just seen, and does not ask for it again."""

    def delete_entry(self, entry: Entry) -> None:
        """Delete the file, or the directory with all that lies below it, of an entry that `info` has returned."""


@dataclass(slots=True)
class TreeCount:
    """The number of files and directories below a directory, itself not counted.

    Attributes:
        size: The sum of the sizes in bytes of the files whose size is known.
        unsized: The number of files whose size is not known.
        unnamed: The addresses of some files that no path can name. They count among `files`.
    """

    files: int = 0
    directories: int = 0
    size: int = 0
    unsized: int = 0
    unnamed: list[str] = field(default_factory=list)


@runtime_checkable
class CountsTrees(Protocol):
    """A store whose `delete_tree` deletes more than its listings can name."""

    def count_tree(self, path: RemotePath) -> TreeCount:
        """Count all that `delete_tree` would delete below a directory."""
