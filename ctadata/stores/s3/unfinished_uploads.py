"""Unfinished uploads in parts to one name: list them with their parts, join the parts to the object, abort them."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ctadata.errors import CtadataError, ServerTrouble
from ctadata.stores.base import Source
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.boto3_pages import call_pages
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.head import refuse_existing

PARTS_STAY = "its parts stay on the storage for the same command; multipart abort deletes them"
"""The remark about a file whose upload or copy was stopped, and can continue."""

_JOINED = {"Location", "Bucket", "Key", "ETag"}
"""The elements of an answer that says which object the parts have become; Ceph leaves the tag empty."""

PARTS_ARE_LOST = "it begins anew, because the server lists no unfinished uploads to this key"
"""The remark about a file whose upload was stopped, and cannot continue."""


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part that the server has."""

    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class UnfinishedUpload:
    """An unfinished upload.

    Attributes:
        id: The server's name of the upload.
        stored: The parts that the server has, by number.
        changed: When it last changed, in seconds since 1970; None if the server does not tell.
    """

    id: str
    stored: Mapping[int, StoredPart]
    changed: float | None

    def fits(self, source: Source, size: int) -> bool:
        """Return whether there are parts, and all have the size of a part of the source, `size` bytes or the rest."""
        count = -(-source.size // size)
        return bool(self.stored) and all(
            1 <= number <= count and part.size == min(size, source.size - (number - 1) * size)
            for number, part in self.stored.items()
        )

    def begins_like(self, source: Source, size: int) -> bool:
        """Return whether the tag of the first stored part is the MD5 of the source's bytes."""
        number, part = next(iter(self.stored.items()))
        start = (number - 1) * size
        md5 = hashlib.md5(usedforsecurity=False)
        for block in source.peek(start, start + part.size):
            md5.update(block)
        return md5.hexdigest() == part.etag.strip('"')


def list_unfinished(connection: Connection, name: Name) -> Iterator[UnfinishedUpload]:
    """Yield the unfinished uploads to exactly this name."""
    response = connection.call("list_multipart_uploads", Bucket=name.bucket, Prefix=name.key)
    for each in response.get("Uploads", ()):
        if each["Key"] != name.key:
            continue
        stored: dict[int, StoredPart] = {}
        moments = [each.get("Initiated")]
        for part in list_parts(connection, name, each["UploadId"]):
            stored[part["PartNumber"]] = StoredPart(part["Size"], part["ETag"])
            moments.append(part.get("LastModified"))
        known = [moment.timestamp() for moment in moments if moment]
        yield UnfinishedUpload(each["UploadId"], stored, max(known, default=None))


def list_parts(connection: Connection, name: Name, upload: str) -> Iterator[Any]:
    """Yield the parts that the server has of an upload, in boto3's form; raise NotFound if the upload has ended."""
    place = {"Bucket": name.bucket, "Key": name.key, "UploadId": upload}
    for page in call_pages(connection, "list_parts", ("PartNumberMarker",), **place):
        yield from page.get("Parts", ())


def join_parts(connection: Connection, name: Name, upload: str, tags: Mapping[int, str], *, new: bool) -> str | None:
    """Make the server join the parts of an upload to an object, and return the tag of its answer, if it has one.

    Args:
        connection: The server.
        name: The object.
        upload: The server's name of the upload.
        tags: The tag of each part, by number.
        new: Whether an object of this name is an error. If the server does not support If-None-Match, a HEAD decides.

    Raises:
        AlreadyExists: With `new`, an object has this name.
        ServerTrouble: The answer does not say that there is an object, whatever its status is.
    """
    parts = [{"PartNumber": number, "ETag": tag} for number, tag in sorted(tags.items())]
    place = {"Bucket": name.bucket, "Key": name.key, "UploadId": upload}
    join = functools.partial(connection.call, "complete_multipart_upload", **place, MultipartUpload={"Parts": parts})
    if new and connection.condition.is_refused:
        refuse_existing(connection, name)
        new = False
    try:
        response = join(IfNoneMatch="*") if new else join()
    except CtadataError as error:
        if not new or not connection.quirks.may_be_refusal(error):
            raise
        refuse_existing(connection, name)
        response = join()
        connection.condition.note_refused()
    if not response.keys() & _JOINED:
        raise ServerTrouble("the server has not confirmed that it has joined the parts")
    tag = response.get("ETag")
    return str(tag) if tag else None


def abort_upload(connection: Connection, name: Name, upload: str) -> None:
    """Abort an upload, which deletes its parts; raise NotFound if it does not exist any more."""
    connection.call("abort_multipart_upload", Bucket=name.bucket, Key=name.key, UploadId=upload)
