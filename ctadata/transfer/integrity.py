"""Compare size and digest of a file with those of the other side, and two statements of one server."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from ctadata.checksums import new_hasher, strongest_digest
from ctadata.entries import Entry
from ctadata.errors import Changed, CtadataError, IntegrityError, LocalError
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.stores.base import Delivery, Store
from ctadata.versions import opaque_tag, tags_differ

BLOCK = 1 << 20
"""Bytes read at a time from a local file."""

CheckStop = Callable[[], object]
"""Raises Stopped if a run is to end, as `Run.check_stop`."""


def check_size(received: int, expected: int | None) -> None:
    """Raise IntegrityError if the sizes differ; an unknown size (`expected` is None) passes."""
    if expected is not None and received != expected:
        raise IntegrityError(f"{received} bytes arrived instead of {expected}")


def check_end(end: int, size: int | None) -> None:
    """Raise IntegrityError if bytes arrive beyond the end of the file; an unknown size (None) passes."""
    if size is not None and end > size:
        raise IntegrityError(f"more bytes arrive than the {size} of the file")


def algorithms_to_compare(known: Mapping[str, str], listed: Mapping[str, str], *, hashed: bool = True) -> list[str]:
    """Return the algorithms by which the bytes of a download are compared; empty if there are none.

    Args:
        known: The digests that the server has stated.
        listed: The digests that the listing has.
        hashed: Whether the adler32 is computed in any case, so that it is preferred to stronger digests.
    """
    names = ["adler32"] if hashed and "adler32" in known else []
    if names and "adler32" in listed:
        return names
    # if the listing has other checksums than the pool, the bytes have to agree with both
    best = strongest_digest(listed if names else known)
    return [*names, best[0]] if best else names


def check_digest(algorithm: str, computed: str, digests: Mapping[str, str]) -> bool:
    """Compare a computed digest with the known one.

    Returns:
        Whether there is a known digest of this algorithm.

    Raises:
        IntegrityError: The digests differ.
    """
    expected = digests.get(algorithm)
    if expected is None:
        return False
    if computed != expected:
        raise IntegrityError(f"the {algorithm} is {computed} instead of {expected}")
    return True


def check_delivery(delivery: Delivery, size: int | None) -> None:
    """Raise IntegrityError if an answer's end cannot be seen, or its bytes were encoded on the way.

    Bytes that are stored encoded have the length of the file, and pass.

    Args:
        delivery: The answer.
        size: Bytes of the file in the listing; None if unknown.
    """
    if size is None and not delivery.is_framed:
        raise IntegrityError("neither the listing nor the answer states the size of the file")
    if delivery.coding and (size is None or delivery.total != size):
        sent = "bytes of unknown number" if delivery.total is None else f"{delivery.total} bytes"
        listed = "a file of unknown size" if size is None else f"the {size} of the file"
        raise IntegrityError(f"the server sends {sent}, encoded as {delivery.coding}, instead of {listed}")


class Disagreement(Changed):
    """The listing and the answer to a read say different things about one file."""


def check_agreement(entry: Entry, delivery: Delivery, *, tags: bool) -> None:
    """Raise Disagreement if a listing and an answer cannot both be right.

    Args:
        entry: The listing.
        delivery: The answer to a read.
        tags: Whether the tags of both are of one kind, so that they can be compared.
    """
    for name, stated in delivery.digests.items():
        if (listed := entry.checksums.get(name, stated)) != stated:
            raise Disagreement(f"its {name} is {listed} in the listing, and {stated} where its bytes come from")
    if tags and entry.etag != delivery.etag and tags_differ(entry.etag, delivery.etag):
        was, now = escape_unprintable(opaque_tag(entry.etag)), escape_unprintable(opaque_tag(delivery.etag))
        raise Disagreement(f"its tag is {was} in the listing, and {now} where its bytes come from")


def catalogue_error(entry: Entry, stored: Entry) -> IntegrityError:
    """Return the error for a file that is not the one of the catalogue.

    Args:
        entry: The file as the catalogue has it.
        stored: The file as the storage has it.
    """
    digest, was = stored.checksums.get("adler32", "unknown"), entry.checksums.get("adler32", "unknown")
    return IntegrityError(
        f"the storage has {stored.size} bytes with adler32 {digest}, and the catalogue {entry.size} with {was}",
        hint="ask the administrators of the catalogue",
    )


def check_entry(store: Store, entry: Entry, size: int) -> None:
    """Raise IntegrityError unless the file has `size` bytes; if its entry has no size, the file is read."""
    stored = _size_by_reading(store, entry.path) if entry.size is None else entry.size
    if stored != size:
        raise IntegrityError(f"the file on the storage has {stored} bytes instead of {size}")


def _size_by_reading(store: Store, path: RemotePath) -> int:
    """Return the size that the answer to a read of the first byte states; without one, count all bytes."""
    count = _Count()
    with store.open(path) as reader:
        try:
            total = reader.send(count, 0, 1).total
        except CtadataError as error:
            if error.status == 416:  # an empty file has no first byte
                return 0
            raise
        if total is not None:
            return total
        check_delivery(reader.send(count), None)
    return count.size


class _Count:
    """Counts the bytes of a read."""

    def begin(self, delivery: Delivery) -> None:  # noqa: ARG002
        """Start at zero."""
        self.size = 0

    def write(self, block: bytes | memoryview) -> None:
        """Count the bytes of a block."""
        self.size += len(block)


def digest_of(local: Path | int, algorithm: str, check_stop: CheckStop | None = None) -> str:
    """Return the digest of a local file, or of an open file from its first byte, in lower-case hexadecimal.

    Args:
        local: The path of the file, or its descriptor.
        algorithm: As for `new_hasher`.
        check_stop: Called before each block; what it raises ends the reading.

    Raises:
        LocalError: The file cannot be read.
    """
    work = new_hasher(algorithm)
    try:
        with open(local, "rb", buffering=0, closefd=not isinstance(local, int)) as file:
            file.seek(0)
            most = min(BLOCK, os.fstat(file.fileno()).st_size + 1)  # a block is allocated before it is filled
            while block := file.read(most):
                if check_stop is not None:
                    check_stop()
                work.update(block)
    except OSError as error:
        raise LocalError(f"local: {error.strerror}", path=escape_unprintable(str(local))) from error
    return work.hexdigest()


def have_same_bytes(fd: int, local: Path, check_stop: CheckStop | None = None) -> bool:
    """Return whether an open file and one with a path have the same bytes; `check_stop` as in `digest_of`.

    Raises:
        LocalError: One of them cannot be read.
    """
    return digest_of(fd, "sha-256", check_stop) == digest_of(local, "sha-256", check_stop)
