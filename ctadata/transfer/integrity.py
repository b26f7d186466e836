"""Are these the bytes? Size and digest, compared with what the other side says; and what it says, with itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ctadata.checksums import new_hasher
from ctadata.entries import Entry
from ctadata.errors import Changed, CtadataError, IntegrityError, LocalError
from ctadata.paths import RemotePath, escape_unprintable
from ctadata.stores.base import Delivery, Store
from ctadata.versions import opaque_tag, tags_differ

BLOCK = 1 << 20
"""Bytes read at a time from a local file."""


def check_size(got: int, expected: int | None) -> None:
    """IntegrityError where the sizes differ; None for `expected` proves nothing and passes."""
    if expected is not None and got != expected:
        raise IntegrityError(f"{got} bytes arrived instead of {expected}")


def check_digest(algorithm: str, computed: str, digests: Mapping[str, str]) -> bool:
    """Whether there is a digest to compare with; IntegrityError where it differs."""
    expected = digests.get(algorithm)
    if expected is None:
        return False
    if computed != expected:
        raise IntegrityError(f"the {algorithm} is {computed} instead of {expected}")
    return True


def check_delivery(delivery: Delivery, size: int | None) -> None:
    """IntegrityError for bytes of unknown number, and for those that were encoded on the way.

    Those that are stored encoded have the length of the file.
    """
    if size is None and not delivery.is_framed:
        raise IntegrityError("neither the listing nor the answer tells how long the file is")
    if delivery.coding and (size is None or delivery.total != size):
        came = "bytes of unknown number" if delivery.total is None else f"{delivery.total} bytes"
        listed = "a file of unknown size" if size is None else f"the {size} of the file"
        raise IntegrityError(f"the server sends {came}, encoded as {delivery.coding}, instead of {listed}")


class Disagreement(Changed):
    """The listing and the answer to a read say different things about one file."""


def check_agreement(entry: Entry, delivery: Delivery, *, tags: bool) -> None:
    """Disagreement where a listing and an answer cannot both be right.  tags: whether their tags are of one kind."""
    for name, said in delivery.digests.items():
        if (listed := entry.checksums.get(name, said)) != said:
            raise Disagreement(f"its {name} is {listed} in the listing, and {said} where its bytes come from")
    if tags and tags_differ(entry.etag, delivery.etag):
        was, now = escape_unprintable(opaque_tag(entry.etag)), escape_unprintable(opaque_tag(delivery.etag))
        raise Disagreement(f"its tag is {was} in the listing, and {now} where its bytes come from")


def check_entry(store: Store, entry: Entry, size: int) -> None:
    """IntegrityError unless the file has so many bytes; where its entry tells no size, it is read."""
    check_size(_size_by_reading(store, entry.path) if entry.size is None else entry.size, size)


def _size_by_reading(store: Store, path: RemotePath) -> int:
    """The size that the answer to a read of the first byte tells; else all bytes are counted."""
    count = _Count()
    with store.open(path) as reading:
        try:
            total = reading.send(count, 0, 1).total
        except CtadataError as error:
            if error.status == 416:  # of an empty file there is no first byte
                return 0
            raise
        if total is not None:
            return total
        check_delivery(reading.send(count), None)
    return count.size


class _Count:
    """Counts the bytes of a read."""

    def begin(self, delivery: Delivery) -> None:  # noqa: ARG002
        """None so far."""
        self.size = 0

    def write(self, block: bytes) -> None:
        """So many more."""
        self.size += len(block)


def digest_of(local: Path | int, algorithm: str) -> str:
    """The digest of a local file, or of an open one from its beginning; LocalError where it cannot be read."""
    work = new_hasher(algorithm)
    try:
        with open(local, "rb", buffering=0, closefd=not isinstance(local, int)) as file:
            file.seek(0)
            most = min(BLOCK, os.fstat(file.fileno()).st_size + 1)  # a block is allocated before it is filled
            while block := file.read(most):
                work.update(block)
    except OSError as error:
        raise LocalError(f"local: {error.strerror}", path=escape_unprintable(str(local))) from error
    return work.hexdigest()
