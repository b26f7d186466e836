"""The digests of the body of an upload: before it is sent, or while it is sent."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field

from ctadata.stores.base import Source
from ctadata.stores.s3.connection import UNSIGNED, Connection


def fingerprint(connection: Connection, source: Source) -> tuple[bytes, str]:
    """Read a source, and return its MD5 and the digest that its signature carries.

    Returns:
        The raw MD5, which the server compares; and for `x-amz-content-sha256` the SHA-256 in hexadecimal over http,
        `UNSIGNED-PAYLOAD` over https.

    Raises:
        LocalError: The source has not as many bytes as it should.
    """
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    for block in source.peek():
        md5.update(block)
        if not connection.is_protected:
            sha256.update(block)
    return md5.digest(), UNSIGNED if connection.is_protected else sha256.hexdigest()


@dataclass(slots=True)
class HashingSource:
    """A source that computes its MD5 while it is read.

    Attributes:
        inner: The source of the bytes.
        md5: The MD5 of the bytes so far.
    """

    inner: Source
    md5: hashlib._Hash = field(default_factory=functools.partial(hashlib.md5, usedforsecurity=False))

    @property
    def size(self) -> int:
        """The exact number of bytes."""
        return self.inner.size

    def read(self, limit: int) -> bytes:
        """Return the next bytes, at most `limit`; empty at the end."""
        block = self.inner.read(limit)
        self.md5.update(block)
        return block

    def rewind(self) -> None:
        """Go back to the first byte, and start the MD5 anew."""
        self.inner.rewind()
        self.md5 = hashlib.md5(usedforsecurity=False)


@dataclass(slots=True)
class CheckedSource:
    """A source whose MD5 is known. It gives its last bytes only if a change of the source has not changed its MD5.

    Attributes:
        inner: The source of the bytes.
        md5: Its MD5, computed before.
        offset: Bytes read so far.
    """

    inner: Source
    md5: bytes
    offset: int = 0

    @property
    def size(self) -> int:
        """The exact number of bytes."""
        return self.inner.size

    def read(self, limit: int) -> bytes:
        """Return the next bytes, at most `limit`; empty at the end. Raises LocalError instead of the last bytes."""
        block = self.inner.read(limit)
        self.offset += len(block)
        if self.offset == self.size:
            self.inner.check_md5(self.md5)
        return block

    def rewind(self) -> None:
        """Go back to the first byte."""
        self.inner.rewind()
        self.offset = 0
