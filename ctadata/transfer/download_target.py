"""The targets of a download: a remote entry or path, and the local name that it gets."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from ctadata.entries import Entry
from ctadata.paths import RemotePath
from ctadata.transfer.report import InvalidPath


@dataclass(slots=True)  # a frozen one takes four times as long to make, and there is one for each file
class DownloadTarget:
    """A remote entry and its local target.

    Attributes:
        entry: The entry.
        base: The directory that the user named; it may be a link.
        parts: The names below it, never links, of the directory that holds the file or the collection's contents.
        name: The file's name; unused for a collection.
        inside: The names from the top of the tree, for the filters; for a file that was named, its name.
    """

    entry: Entry
    base: Path
    parts: tuple[str, ...] = ()
    name: str = ""
    inside: tuple[str, ...] = ()

    @property
    def local(self) -> Path:
        """The file, or the directory for a collection's contents."""
        return self.base.joinpath(*self.parts, self.name)

    def absolute(self) -> DownloadTarget:
        """Return the target with an absolute local path."""
        return dataclasses.replace(self, base=self.base.absolute())


@dataclass(frozen=True, slots=True)
class PendingTarget:
    """A path whose entry is still to be asked for, and its local target as in `DownloadTarget`.

    Attributes:
        path: The remote path.
        base: The directory that the user named.
        parts: The names below it.
        name: The name of the file or of the collection's directory.
        recursive: Whether a collection is downloaded; without, it is a failure.
        size: The bytes of the file, as far as they are known without a request.
    """

    path: RemotePath
    base: Path
    parts: tuple[str, ...]
    name: str
    recursive: bool = False
    size: int | None = None

    @property
    def is_one_file(self) -> bool:
        """Whether the path counts as one file when several tasks divide the targets, without a look at the storage."""
        return self.size is not None or not self.recursive


@dataclass(frozen=True, slots=True)
class DirectoryTarget:
    """A local directory that is made, and into which nothing is downloaded.

    Attributes:
        path: The remote collection.
        base: The directory that the user named.
        parts: The names below it.
    """

    path: RemotePath
    base: Path
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NamedEntry:
    """A remote file, and the local names that a catalogue gives it.

    Attributes:
        entry: The file.
        parts: The names below the local directory.
    """

    entry: Entry
    parts: tuple[str, ...]


Target = DownloadTarget | PendingTarget | DirectoryTarget | InvalidPath
"""What a download begins with."""


def share_key(target: DownloadTarget | PendingTarget) -> str:
    """Return the name by which several tasks divide the targets: a path may have two local targets."""
    path = target.path if isinstance(target, PendingTarget) else target.entry.path
    return "\0".join(("/".join(path.parts), *target.parts, target.name))


def share_size(target: DownloadTarget | PendingTarget) -> int | None:
    """Return the bytes by which several tasks divide the targets; None if they are not known."""
    return target.size if isinstance(target, PendingTarget) else target.entry.size
