"""The contract of stores that rename a directory in many steps, because their servers cannot rename it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ctadata.paths import RemotePath


@dataclass(frozen=True, slots=True)
class TreeRename:
    """A directory that was renamed by copies.

    Attributes:
        files: The number of objects that have the new names.
        size: The sum of their sizes in bytes.
        late: The names that came into the old directory meanwhile; they are still there.
    """

    files: int
    size: int
    late: tuple[str, ...] = ()


@runtime_checkable
class RenamesByCopy(Protocol):
    """A store that copies the files of a directory at the server, and then deletes the old ones."""

    def rename_by_copy(self, source: RemotePath, target: RemotePath, *, jobs: int) -> TreeRename:
        """Give a directory a new name. This is not atomic: for some time, files have both names.

        Nothing is deleted before each file has its copy, compared with it. If the rename breaks off, a second call with
        the same names continues.

        Args:
            source: The directory.
            target: Its new name, which must be free unless an unfinished rename has begun to fill it.
            jobs: The number of files that are copied at a time.

        Raises:
            NotFound: There is no such directory.
            AlreadyExists: The new name is taken.
            UsageError: `source` is the root, or `target` lies inside it.
        """

    def has_begun_rename(self, source: RemotePath, target: RemotePath) -> bool:
        """Return whether this machine has begun to rename `source` to `target`, and has not ended."""
