"""The contract of every store: `Store`, what it reads and writes, and `Features`, what a store can do beyond it.

A store is one place that holds files: a WebDAV door, a dCache, an S3 bucket, the platform's download service. The
engine (`namespace`, `transfer`) knows this contract alone. One suite of tests holds every store to it
(`tests/stores/suite.py`).

Each store keeps these promises in every method:

- It raises the errors of `ctadata.errors`, with `path` set: `NotFound`, `Forbidden`, `LoginNeeded`, `AlreadyExists`,
  `StorageFull`, `TemporaryError` and the others. It never returns an empty answer for a name that does not exist.
- A listing is complete, or it ends in an error. If a member has no valid name below the directory, or the server
  refuses to describe it, the listing yields all other entries and then raises `Incomplete`, which holds one error for
  each such member. A directory that the caller may not list raises `Forbidden`. A size that the server does not send
  is None. The caller never deletes anything because a name is missing from a listing that ended in an error.
- It repeats a request only until the first byte of the response body. A failure after that byte is raised as a
  retryable error, and the caller decides whether to begin again.
- Many threads may use one store at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from ctadata.entries import Entry, no_checksums
from ctadata.paths import RemotePath


@dataclass(frozen=True, slots=True)
class Features:
    """What a store can do beyond the contract, as data: the engine reads it and never looks at the store's type.

    Attributes:
        atomic_put: An upload appears under its name complete or not at all, and the store honours `new=True`.
        can_move: `move` works, so an upload can go to a temporary name first.
        can_move_trees: `move_tree` works.
        keeps_mtime: The store can set the mtime of an upload. Its entry then shows whether it did.
        mtime_in_metadata: The store keeps the mtime of an upload in the object's metadata, beside its own mtime. `info`
            and a read return it in the entry; a listing does not.
        digests: The algorithms that the store may send with a transfer. Empty if it sends none.
        lists_checksums: The entries of a listing carry checksums.
        parallel_reads: Several streams may read one large file at the same time. If False, one stream reads it.
        reads_change_nothing: A read has no effect on the server, so it may begin before the entry is known. If False, a
            read may bring the file back from tape.
        reads_tell_entries: The first response of a read says all that `info` says of a file (`Delivery.entry`).
        redirects: Other servers carry the bytes. An upload waits for the redirect before it sends the body.
        has_directories: A directory has to be made before files go into it. If False, the name of a file makes it.
        has_aliases: An empty file in a listing may be an alias of another file. `info` finds out.
        etag_may_be_md5: If the ETag of a file is the MD5 of some bytes, the file holds these bytes. An ETag that is
            anything else proves nothing.
        serves_control_characters: The store can send a file back if its name holds control characters.
        normalizes_paths: The server asks its pools for paths in NFC. Not all send a file back whose name NFC changes.
        hides_forbidden: A directory that the caller may not list looks empty, so one empty listing proves nothing.
        lists_localities: The entries of files carry localities, so a file without one may be on tape.
        lists_old_locality: A listing shows a file as NEARLINE that has come to disk meanwhile; `info` knows better.
        digests_uploads: An upload returns the digest of the bytes that it sent, so the caller need not compute one.
    """

    atomic_put: bool = False
    can_move: bool = True
    can_move_trees: bool = False
    keeps_mtime: bool = False
    mtime_in_metadata: bool = False
    digests: tuple[str, ...] = ()
    lists_checksums: bool = False
    parallel_reads: bool = True
    reads_change_nothing: bool = False
    reads_tell_entries: bool = False
    redirects: bool = False
    has_directories: bool = True
    etag_may_be_md5: bool = False
    has_aliases: bool = False
    hides_forbidden: bool = False
    lists_localities: bool = False
    lists_old_locality: bool = False
    digests_uploads: bool = False
    serves_control_characters: bool = True
    normalizes_paths: bool = False


@dataclass(slots=True)  # a frozen one takes four times as long to make, and there is one for each file
class Delivery:
    """What the response headers say about a read, known before its first byte.

    Attributes:
        start: The offset of the first byte.
        total: The length of the whole file in bytes. None if the server does not send it.
        digests: The digests of the whole file, algorithm to lower-case hexadecimal. Only digests that the client
            requested.
        etag: The ETag of the version that is being read, or else a weak one of its time; None if the server sends none.
        stop: The offset after the last byte. None if the server does not send it.
        coding: The `Content-Encoding` of the bytes, for example `gzip`, though the client requested none. Empty if the
            bytes are as stored. If `total` equals the size in the listing, the file is stored in this encoding.
        is_framed: Whether the response shows where its bytes end. If False, a cut connection looks like the end.
        entry: The entry of the file, if the response says all of it. None: ask the store.
    """

    start: int
    total: int | None
    digests: Mapping[str, str] = field(default_factory=no_checksums)
    etag: str | None = None
    stop: int | None = None
    coding: str = ""
    is_framed: bool = True
    entry: Entry | None = None


class StopReading(Exception):
    """A sink raises this to end the read early. It is no error."""


class Sink(Protocol):
    """The receiver of the bytes of a read."""

    def begin(self, delivery: Delivery) -> None:
        """Take note of what follows; the bytes from `delivery.start` on come next.

        `delivery.start` is 0 if the caller requested a later start and the server sends no ranges. The store calls this
        method again if it has to start anew: all bytes since the last call are then invalid.
        """

    def write(self, block: bytes | memoryview) -> None:
        """Take the next bytes. They are valid until the method returns: it copies what it keeps.

        Raises:
            StopReading: The sink wants no further bytes.
        """


class Source(Protocol):
    """The origin of the bytes of an upload."""

    @property
    def size(self) -> int:
        """The exact number of bytes."""

    @property
    def mtime(self) -> float | None:
        """Seconds since 1970 UTC; None if the upload has no mtime to keep."""

    def read(self, limit: int) -> bytes:
        """Return the next bytes, at most `limit`; empty at the end."""

    def rewind(self) -> None:
        """Go back to the first byte, and reset the checksum and the progress."""

    def peek(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from offset `start` up to `stop` (exclusive; None: the end), apart from the upload.

        These bytes count neither for the checksum nor for the progress.

        Raises:
            LocalError: The range ends early, because the source got shorter.
        """

    def check_md5(self, md5: bytes, start: int = 0, stop: int | None = None) -> None:
        """Check that a change of the source, if there was one, has not changed the bytes of a range.

        A store that computes digests itself (`Features.digests_uploads`) calls this method before the uploaded bytes
        become a file. The bytes are read again only if anything about the source has changed since the upload began.

        Args:
            md5: The MD5 of the bytes that were sent.
            start: The offset of the first one.
            stop: The offset after the last one; None: the end.

        Raises:
            LocalError: The source has other bytes now.
        """

    def part(self, start: int, stop: int) -> Source:
        """Return the bytes from offset `start` up to `stop` (exclusive) as a source of their own.

        Several threads may read several parts at the same time. The progress remains that of the whole source, so each
        byte has to be in exactly one part. No part knows the bytes of the others: the store that has sent all parts
        calls `check_md5` of the whole source.
        """


@dataclass(frozen=True, slots=True)
class Written:
    """What the store said about an upload that it accepted.

    Attributes:
        digests: The digests that the store computed over the bytes it received. Empty if it sent none.
        etag: The ETag of the new version. None if the store sent none.
        checked: The algorithm by which the store compared the bytes received with those sent; empty if by none.
        sent: The digest of the bytes sent, for example `md5:5eb63bbb...`, if the upload computed one. Else empty.
        was_repeated: Whether the server may still handle an earlier copy of the request, and replace the file.
    """

    digests: Mapping[str, str] = field(default_factory=no_checksums, hash=False)
    etag: str | None = None
    checked: str = ""
    sent: str = ""
    was_repeated: bool = False


class Reader(Protocol):
    """One version of one file, open for reading.

    The first read sends a request; later reads use what its response said. The reader is a context manager that closes
    itself.
    """

    def send(self, sink: Sink, start: int = 0, stop: int | None = None) -> Delivery:
        """Send the bytes from offset `start` up to `stop` (exclusive; None: the end) into the sink.

        Several threads may send ranges of one reader at the same time. If the sink raises `StopReading`, the read ends
        early and the method returns as usual.

        Returns:
            What the response headers said about the bytes.

        Raises:
            NotFound: The file does not exist.
            Interrupted: The body ended too early. The caller may read again.
            Changed: The file is another version than at the first read.
            IntegrityError: The server sent another range than the one requested.
        """

    def close(self) -> None:
        """End the reads, and the transfer on the server (a dCache mover)."""

    def __enter__(self) -> Self:
        """Return the reader."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the reader."""


class Store(Protocol):
    """A place that holds files. The docstring of this module says what every method promises."""

    features: Features

    def info(self, path: RemotePath) -> Entry:
        """Return the entry of one file or directory.

        Raises:
            NotFound: Nothing has this name.
        """

    def list(self, path: RemotePath) -> Iterator[Entry]:
        """Yield the entries directly below a directory as they arrive, in the order of the server.

        The directory itself is not among them.

        Raises:
            NotFound: Nothing has this name.
            UsageError: The name is that of a file.
            Incomplete: The directory holds more members than the ones yielded. Raised after all entries.
        """

    def open(self, path: RemotePath) -> Reader:
        """Return a reader of a file. The store sends no request before the first `Reader.send`.

        The caller closes the reader. A missing file is an error of `Reader.send`, not of `open`.
        """

    def write(self, path: RemotePath, source: Source, *, new: bool = False) -> Written:
        """Upload a file; it replaces a file of the same name unless `new` is True.

        The directory above has to exist, or the store makes it. The store reads the source from its first byte to its
        last, and rewinds it if it has to send it again. It need not check the digest, because the caller does.

        With `new`, the store refuses to replace anything; only a store with `features.atomic_put` can promise this.

        Returns:
            What the store said about the bytes that it received.

        Raises:
            AlreadyExists: A directory has this name; or, with `new`, anything has.
            NotFound: The directory above does not exist.
            StorageFull: The server has no room, or the user's quota is exhausted.
        """

    def digests(self, path: RemotePath) -> Mapping[str, str]:
        """Return the digests that the store keeps of a stored file; empty if it keeps none.

        No byte of the file is transferred. The caller asks after an upload whose answer held no digest: a store that
        computes digests late waits a little for them.

        Returns:
            Algorithm (`adler32`, `md5`, `sha-256`) to lower-case hexadecimal.

        Raises:
            NotFound: Nothing has this name.
        """

    def mkdir(self, path: RemotePath) -> bool:
        """Make a directory, and the directories above it that are missing. An existing directory is no error.

        Returns:
            True if this call has made the directory, so that it is empty; False if it was there, or may have been.

        Raises:
            AlreadyExists: A file has this name, or the name of a directory above.
        """

    def delete(self, path: RemotePath, *, directory: bool = False) -> None:
        """Delete a file or an empty directory, with `directory` only the latter; never a directory that holds anything.

        Raises:
            NotFound: Nothing has this name.
            UsageError: The directory is not empty, it is the root, or a file has its name.
        """

    def delete_tree(self, path: RemotePath) -> None:
        """Delete a file, or a directory with all that lies below it.

        After any error some of the tree may be deleted.

        Raises:
            NotFound: Nothing has this name.
            UsageError: The path is the root, which is never deleted.
            PartialFailure: The server kept some members, and the error names them.
        """

    def move(self, source: RemotePath, target: RemotePath, *, replace: bool) -> None:
        """Rename a file. With `replace` it replaces a file of that name, but never a directory.

        Raises:
            NotFound: `source` does not exist, or the directory above `target` does not.
            AlreadyExists: `target` is taken and `replace` is False, or a directory has this name.
            Unsupported: `features.can_move` is False, or the server would give the file another name.
        """

    def move_tree(self, source: RemotePath, target: RemotePath) -> None:
        """Rename a directory with all that lies below it, in one request. It never replaces anything.

        Raises:
            NotFound: `source` does not exist, or the directory above `target` does not.
            AlreadyExists: `target` is taken.
            UsageError: `source` is a file or the root, or `target` lies inside `source`.
            Unsupported: `features.can_move_trees` is False.
        """

    def close(self) -> None:
        """Close the connections. The store is not used afterwards."""
