"""A large file to S3 in parts, several at a time; what an earlier run has left of it is gone on with.

The object appears, whole, when the server puts the parts together. Where the upload ends without that, it is aborted,
since parts cost room that no listing shows; only a connection that broke, or a kill, leaves them, and the next upload
of the same file finds them (ListMultipartUploads, ListParts): parts whose MD5 is that of the file's bytes count. What
does not fit and has not moved for a day is nobody's any more, and aborted.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ctadata.checksums import PARTS_PREFIX
from ctadata.errors import (
    ConfigError,
    CtadataError,
    Interrupted,
    NotFound,
    ServerTrouble,
    TemporaryError,
    TimedOut,
    Unsupported,
)
from ctadata.fibers import run_in_thread
from ctadata.http.messages import Body
from ctadata.stores.base import Source, Written
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.connection import NOTHING, UNSIGNED, Connection
from ctadata.stores.s3.digests import PART_SIZE, is_encrypted
from ctadata.stores.s3.errors import told_in
from ctadata.stores.s3.head import refuse_taken
from ctadata.stores.s3.mtime import MTIME

USUAL = 32 << 20
"""Bytes of a part where nobody has said; a file that is not larger goes in one piece."""

LARGEST_PIECE = 5 << 30
"""Bytes that S3 takes, or copies, in one request at most."""

MANY = 200
"""Parts above which they grow: a store with many small parts reads slowly, and 10 000 are the most there may be."""

AT_ONCE = 4
"""Parts on their way at a time."""

COMPLETE = "complete_multipart_upload"

ABANDONED = 86400.0
"""Seconds after which an upload that has not moved is taken for dead."""


def part_size(size: int, wished: int | None = None) -> int:
    """Bytes of a part for a file of `size` bytes; those that have grown are whole MiB."""
    least = wished or USUAL
    needed = -(-size // (MANY << 20)) << 20
    return min(least if least * MANY >= size else needed, LARGEST_PIECE)


def fingerprint(connection: Connection, source: Source) -> tuple[bytes, str]:
    """The MD5 of a source, which the server checks; and what its signature says of it: over http its SHA-256.

    Interrupted where the source ends early.
    """
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    for block in source.peek():
        md5.update(block)
        if not connection.is_protected:
            sha256.update(block)
        size += len(block)
    if size != source.size:
        raise Interrupted(f"{size} bytes came instead of {source.size}")
    return md5.digest(), UNSIGNED if connection.is_protected else sha256.hexdigest()


@dataclass(frozen=True, slots=True)
class _Kept:
    """A part that the server has."""

    size: int
    etag: str


@dataclass(slots=True)
class _Hashed:
    """A source whose MD5 is computed while it is sent."""

    inner: Source
    md5: hashlib._Hash = field(default_factory=functools.partial(hashlib.md5, usedforsecurity=False))

    @property
    def size(self) -> int:
        return self.inner.size

    def read(self, limit: int) -> bytes:
        block = self.inner.read(limit)
        self.md5.update(block)
        return block

    def rewind(self) -> None:
        self.inner.rewind()
        self.md5 = hashlib.md5(usedforsecurity=False)


@dataclass(slots=True)
class _Upload:
    """One upload in parts of `size` bytes, under way.

    tags_tell: the tag of a part is taken for its MD5, so that it can be computed while the part is sent.
    """

    connection: Connection
    name: Name
    id: str
    size: int
    kept: Mapping[int, _Kept]
    tags_tell: bool = False
    md5s: dict[int, bytes] = field(default_factory=dict)
    tags: dict[int, str] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)

    def take(self, number: int, part: Source) -> None:
        """Bring one part there, unless it is."""
        if not self.ended.is_set() and not (self.tags_tell and self._compared_by_us(number, part)):
            self._compared_by_server(number, part)

    def _compared_by_us(self, number: int, part: Source) -> bool:
        """Send a part, and compare its tag with its MD5.

        False where they differ: other bytes have arrived, or the server's tags are no MD5, and it is to compare.
        """
        hashed = _Hashed(part)
        tag = self._send(number, hashed, {}, UNSIGNED)
        if tag.strip('"') != hashed.md5.hexdigest():
            self.tags_tell = False
            part.rewind()
            return False
        self.md5s[number], self.tags[number] = hashed.md5.digest(), tag
        return True

    def _compared_by_server(self, number: int, part: Source) -> None:
        md5, payload = fingerprint(self.connection, part)
        self.md5s[number] = md5
        kept = self.kept.get(number)
        if kept and kept.size == part.size and kept.etag.strip('"') == md5.hex():
            while part.read(1 << 20):  # for the progress
                pass
            self.tags[number] = kept.etag
        else:
            said = {"Content-MD5": base64.b64encode(md5).decode()}
            self.tags[number] = self._send(number, part, said, payload)

    def _send(self, number: int, part: Body, headers: Mapping[str, str], payload: str) -> str:
        query = f"partNumber={number}&uploadId={quote(self.id, safe='')}"
        response = self.connection.upload(self.name, part, query=query, headers=headers, payload=payload)
        etag = response.headers.get("ETag")
        if not etag:
            raise ServerTrouble(f"the server did not say that it has the part {number}")
        return etag

    def complete(self, *, new: bool) -> Written:
        """Have the parts put together."""
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in sorted(self.tags.items())]
        joined = hashlib.md5(b"".join(self.md5s[number] for number in sorted(self.md5s)), usedforsecurity=False)
        digest, algorithm = f"{joined.hexdigest()}-{len(parts)}", f"{PARTS_PREFIX}{self.size}"
        expected = f'"{digest}"'
        try:
            etag = self._complete(parts, new=new) or self._tag()  # Ceph's answer has an empty one
        except (TemporaryError, TimedOut, NotFound):
            etag = self._tag()
            if etag != expected:  # else it has happened, and the answer was lost
                raise
        checked = algorithm if etag == expected else ""
        return Written(etag=etag, checked=checked, sent=f"{algorithm}:{digest}")

    def _complete(self, parts: list[dict[str, Any]], *, new: bool) -> str | None:
        asked: dict[str, Any] = {"Bucket": self.name.bucket, "Key": self.name.key, "UploadId": self.id}
        condition = {"IfNoneMatch": "*"} if new else {}
        try:
            told = self.connection.call(COMPLETE, **asked, **condition, MultipartUpload={"Parts": parts})
        except Unsupported:
            if not new:
                raise
            refuse_taken(self.connection, self.name)
            told = self.connection.call(COMPLETE, **asked, MultipartUpload={"Parts": parts})
        tag = told.get("ETag")
        return str(tag) if tag else None

    def _tag(self) -> str | None:
        with contextlib.suppress(CtadataError):
            return self.connection.send("HEAD", self.name).headers.get("ETag")
        return None

    def abort(self) -> None:
        """Give the parts up; an upload that is gone is no error."""
        with contextlib.suppress(NotFound):
            asked = {"Bucket": self.name.bucket, "Key": self.name.key, "UploadId": self.id}
            self.connection.call("abort_multipart_upload", **asked)


def upload_in_parts(
    connection: Connection, name: Name, source: Source, size: int, headers: Mapping[str, str], *, new: bool
) -> Written:
    """Upload a source in parts of `size` bytes; the errors are those of a `Store.write`."""
    may_go_on = headers.keys() <= {MTIME}  # what the parts of an earlier run were said to be, no server tells
    upload = (_found(connection, name, source, size) if may_go_on else None) or _begun(connection, name, size, headers)
    try:
        run_in_thread(lambda: _bring(upload, source, size))
        return upload.complete(new=new)
    except (TemporaryError, TimedOut):
        raise  # the next try, or the next run, goes on with what is there
    except BaseException:
        connection.after_stop(upload.abort)
        raise


def _bring(upload: _Upload, source: Source, size: int) -> None:
    ranges = [(start, min(start + size, source.size)) for start in range(0, source.size, size)]
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="ctadata-part") as pool:
        work = [pool.submit(upload.take, number, source.part(*each)) for number, each in enumerate(ranges, 1)]
        try:
            wait(work, return_when=FIRST_EXCEPTION)
        finally:
            upload.ended.set()
            pool.shutdown(cancel_futures=True)
    for each in work:
        if each.done() and not each.cancelled():
            each.result()


def _begun(connection: Connection, name: Name, size: int, headers: Mapping[str, str]) -> _Upload:
    said = {**headers, PART_SIZE: str(size)}
    answer = connection.send("POST", name, query="uploads=", headers=said, body=b"", payload=NOTHING)
    upload = told_in(answer.body).get("UploadId")
    if not upload:
        raise ServerTrouble("the server did not begin the upload in parts")
    # over http a part is signed for with its SHA-256, and so read before it is sent
    return _Upload(connection, name, upload, size, {}, connection.is_protected and not is_encrypted(answer.headers))


# What an earlier run has left


def _found(connection: Connection, name: Name, source: Source, size: int) -> _Upload | None:
    """An upload of this very file that was begun before; the abandoned ones are aborted. None where there is none."""
    try:
        for upload, moved in _uploads(connection, name, size):
            if upload.kept and _fits(upload.kept, source, size):
                return upload
            if time.time() - moved > ABANDONED:
                upload.abort()
    except (TemporaryError, TimedOut, ConfigError):  # without boto3 the parts could not be put together
        raise
    except CtadataError:  # a key that may not look, a server that cannot: then all of it is sent
        return None
    return None


def _uploads(connection: Connection, name: Name, size: int) -> Iterator[tuple[_Upload, float]]:
    """The uploads under way to this very name, and when each last moved, in seconds since 1970."""
    told = connection.call("list_multipart_uploads", Bucket=name.bucket, Prefix=name.key)
    for each in told.get("Uploads", ()):
        if each["Key"] != name.key:
            continue
        kept: dict[int, _Kept] = {}
        moved = each["Initiated"].timestamp()
        for part in _parts(connection, name, each["UploadId"]):
            kept[part["PartNumber"]] = _Kept(part["Size"], part["ETag"])
            moved = max(moved, part["LastModified"].timestamp())
        yield _Upload(connection, name, each["UploadId"], size, kept), moved


def _parts(connection: Connection, name: Name, upload: str) -> Iterator[Any]:
    asked = {"Bucket": name.bucket, "Key": name.key, "UploadId": upload}
    marker = 0
    while True:
        told = connection.call("list_parts", **asked, PartNumberMarker=marker)
        yield from told.get("Parts", ())
        if not told.get("IsTruncated") or told.get("NextPartNumberMarker", marker) <= marker:
            return
        marker = told["NextPartNumberMarker"]


def _fits(kept: Mapping[int, _Kept], source: Source, size: int) -> bool:
    """Whether the parts are of this size, and one of them of this file."""
    count = -(-source.size // size)
    if any(number > count or part.size != _length(number, source.size, size) for number, part in kept.items()):
        return False
    number, part = next(iter(kept.items()))
    start = (number - 1) * size
    md5 = hashlib.md5(usedforsecurity=False)
    for block in source.peek(start, start + part.size):
        md5.update(block)
    return md5.hexdigest() == part.etag.strip('"')


def _length(number: int, whole: int, size: int) -> int:
    return min(size, whole - (number - 1) * size)
