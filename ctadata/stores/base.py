"""Store: the few things that every place with files can do; Features: what a place can do beyond, as data.

The contract, tested for every store by one conformance suite (`tests/stores/suite.py`):

- Methods raise the errors of `ctadata.errors` with `path` set: `NotFound`, `Forbidden`, `LoginNeeded`,
  `AlreadyExists`, `StorageFull`, `TemporaryError` and the rest. A missing name is `NotFound`, never an empty answer.
- A listing is whole, or it ends in an error. A member that has no name below the collection, or that the server tells
  nothing of, makes it `Incomplete`: raised after all other entries, with an error for each such member. What may not
  be listed is `Forbidden`. A size that the server does not tell is None. Nobody deletes anything because a name is
  missing from a listing that did not end well.
- A store repeats a request only until its first body byte. What breaks after that is raised as a retryable
  error, and the caller decides.
- A store may be used by many threads at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from ctadata.entries import Entry, no_checksums
from ctadata.errors import CtadataError, LoginNeeded, UsageError
from ctadata.paths import RemotePath


@dataclass(frozen=True, slots=True)
class Features:
    """What a store can do, as data, so that the engine asks and never guesses from a type.

    atomic_put:      its own upload appears whole or not at all, and `new=True` is honoured.
    moves:           `move` works, so an upload can go to a temporary name first.
    moves_trees:     `move_tree` works.
    keeps_mtime:     an upload's mtime may be kept; the entry tells whether it was.
    mtime_beside:    an upload's mtime is kept beside the file's own one; `info` and a read tell it, listings do not.
    digests:         algorithms it may tell of a file while transferring it; empty where it knows none.
    lists_checksums: listings carry checksums.
    divides:         several streams may read a large file at once; where not, it comes in one.
    redirects:       bytes come from elsewhere than the listing: uploads wait for the redirect before they send.
    collections:     a collection is made before files go into it; where not, the files make it.
    aliases:         an empty file in a listing may stand for another one: `info` tells.
    tags_content:    a tag that is the MD5 of a file proves it equal; one that is not proves nothing.
    controls:        a file is given back whose name holds control characters.
    composes:        it writes paths in the Unicode normal form NFC when it asks its own pools: a file whose name NFC
                     changes is given back by some servers of this kind, and not by others.
    hides:           a collection that may not be listed looks empty, so that one listing is no proof.
    hashes_uploads:  an upload tells the digest of what it sent, so nobody else need compute one.
    """

    atomic_put: bool = False
    can_move: bool = True
    can_move_trees: bool = False
    keeps_mtime: bool = False
    mtime_in_metadata: bool = False
    digests: tuple[str, ...] = ()
    lists_checksums: bool = False
    parallel_reads: bool = True
    redirects: bool = False
    has_collections: bool = True
    etag_may_be_md5: bool = False
    has_aliases: bool = False
    hides_forbidden: bool = False
    digests_uploads: bool = False
    serves_control_characters: bool = True
    normalizes_paths: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is known when the first byte of a read arrives.

    start, stop: where the bytes begin, and where they end (exclusive; None: not said).
    total: how long the whole file is, None where not said.
    digests: of the whole file, algorithm to lower-case hexadecimal; only ones that were asked for.
    etag: of the version that is being read, None where not said.
    coding: what the bytes are encoded with though nobody asked for it, as `gzip`; empty where they are as stored. The
        caller compares `total` with the size that the listing tells: only if they are equal, this is how it is stored.
    is_framed: whether the answer shows where its bytes end; if not, a connection that is cut looks as one that ends.
    kept_mtime: as in `Entry`.
    """

    start: int
    total: int | None
    digests: Mapping[str, str] = field(default_factory=no_checksums, hash=False)
    etag: str | None = None
    stop: int | None = None
    coding: str = ""
    is_framed: bool = True
    kept_mtime: float | None = None


class StopReading(Exception):
    """Raised by a sink that wants no further bytes: the read ends, and that is no error."""


class Sink(Protocol):
    """Where the bytes of a read go."""

    def begin(self, delivery: Delivery) -> None:
        """Bytes follow from `delivery.start` on; it may be 0 where a later start was asked (no ranges there).

        Called again where the store had to start anew: what came since the last call is void.
        """

    def write(self, block: bytes) -> None:
        """The next bytes; may raise Enough."""


class Source(Protocol):
    """Where the bytes of an upload come from.

    size:  bytes, exact.
    mtime: seconds since 1970 UTC, None where there is none to keep.
    """

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def mtime(self) -> float | None:
        """Seconds since 1970 UTC."""

    def read(self, limit: int) -> bytes:
        """At most `limit` next bytes; empty at the end."""

    def rewind(self) -> None:
        """Start again at the first byte: checksum and progress as well."""

    def peek(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `stop`, read beside the upload: not for the checksum, nor for the progress."""

    def part(self, start: int, stop: int) -> Source:
        """The bytes from `start` up to `stop` as a source of their own; checksum and progress are those of the whole.

        Several parts may be read at once; each byte is to be in one of them.
        """


@dataclass(frozen=True, slots=True)
class Written:
    """What the store said of an upload that it took.

    digests: computed by the store over what it received; empty where it said none.
    etag:    of the new version, None where not said.
    checked: the digest by which the store has itself compared what was sent with what arrived; empty for none.
    sent:    a digest of what was sent, as `md5:5eb63bbb...`, where it was computed for the upload; else empty.
    """

    digests: Mapping[str, str] = field(default_factory=no_checksums, hash=False)
    etag: str | None = None
    checked: str = ""
    sent: str = ""


class Reader(Protocol):
    """One version of one file, open for reading; the first read asks the store, later ones reuse its answer."""

    def send(self, sink: Sink, start: int = 0, stop: int | None = None) -> Delivery:
        """Send the bytes from `start` up to `stop` (exclusive; None: the end) into the sink.

        Several threads may read ranges at once. The sink ends it early with Enough.
        Raises NotFound, Interrupted (short body), Changed, IntegrityError (another range than asked).
        """

    def close(self) -> None:
        """End it, at the store as well (a dCache mover)."""

    def __enter__(self) -> Self:
        """Itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""


class Store(Protocol):
    """A place with files."""

    features: Features

    def info(self, path: RemotePath) -> Entry:
        """The entry of one file or collection; NotFound where there is none."""

    def list(self, path: RemotePath) -> Iterator[Entry]:
        """The entries directly below a collection, in the store's order, as they arrive; itself is not among them.

        NotFound where there is none; a file's listing is UsageError. Incomplete, after all entries that could be
        placed, where the collection holds more than these.
        """

    def open(self, path: RemotePath) -> Reader:
        """A file, to be read; no request is sent before the first `send`."""

    def write(self, path: RemotePath, source: Source, *, new: bool = False) -> Written:
        """Upload a file; with `new`, AlreadyExists where the name is taken and the store can tell.

        The collection above exists, or is made by the store.
        """

    def digests(self, path: RemotePath) -> Mapping[str, str]:
        """What the store knows of a stored file's digests; empty where it keeps none.

        To be asked after an upload whose answer had none: a store that computes them late waits a little for them.
        """

    def mkdir(self, path: RemotePath) -> None:
        """Make a collection and those above it; one that exists is no error, a file there is AlreadyExists."""

    def delete(self, path: RemotePath) -> None:
        """Delete a file or an empty collection; NotFound where there is none, UsageError where it is not empty."""

    def delete_tree(self, path: RemotePath) -> None:
        """Delete a collection with all that lies below it, or a file; NotFound, UsageError for the root.

        PartialFailure where the server says what it kept. After any error part of the tree may be gone.
        """

    def move(self, source: RemotePath, target: RemotePath, *, replace: bool) -> None:
        """Rename a file; AlreadyExists where the target is taken and `replace` is False."""

    def move_tree(self, source: RemotePath, target: RemotePath) -> None:
        """Rename a collection with all that lies below it, in one go; it only gets a name that is free.

        AlreadyExists where the target is taken, NotFound where one of the two collections is missing, UsageError for
        a file, the root, or a target inside the collection itself; Unsupported unless `features.can_move_trees`.
        """

    def close(self) -> None:
        """Let go of its connections."""


@dataclass(slots=True)
class TreeCount:
    """What lies below a collection, itself not counted; bytes of the files whose size is known.

    unsized: files whose size is not known.   unnamed: the addresses of files that no path can name, some of them.
    """

    files: int = 0
    directories: int = 0
    size: int = 0
    unsized: int = 0
    unnamed: list[str] = field(default_factory=list)


@runtime_checkable
class CountsTrees(Protocol):
    """A store whose `delete_tree` takes more along than its listings can name."""

    def count_tree(self, path: RemotePath) -> TreeCount:
        """All that `delete_tree` would delete below a collection."""


def refuse_root(path: RemotePath) -> None:
    """UsageError for the root, which no verb takes away."""
    if not path.parts:
        raise UsageError("the root of a store stays where it is", path="/")


def refuse_inside(source: RemotePath, target: RemotePath) -> None:
    """UsageError where a collection, or the root, is to be moved to itself or below itself."""
    refuse_root(source)
    if target.parts[: len(source.parts)] == source.parts:
        raise UsageError("a directory cannot be moved into itself", path=str(source))


class add_path_to_errors:  # noqa: N801  (reads as a preposition; a class, because a generator costs each request more)
    """Errors that pass here, and are about no path yet, are about this one; but not that nobody is logged in."""

    __slots__ = ("_path",)

    def __init__(self, path: RemotePath) -> None:
        """Nothing happens yet."""
        self._path = path

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say which path it was."""
        unasked = isinstance(error, LoginNeeded) and not error.status
        if isinstance(error, CtadataError) and not unasked:
            error.path = error.path or str(self._path)
