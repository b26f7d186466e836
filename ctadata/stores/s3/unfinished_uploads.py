"""Unfinished uploads in parts to one name, as an earlier run leaves them (ListMultipartUploads, ListParts)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ctadata.stores.base import Source
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.boto3_pages import call_pages
from ctadata.stores.s3.connection import Connection


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
        changed: When it last changed, in seconds since 1970.
    """

    id: str
    stored: Mapping[int, StoredPart]
    changed: float

    def matches(self, source: Source, size: int) -> bool:
        """Return whether all parts have `size` bytes, and the first one has the source's bytes."""
        count = -(-source.size // size)
        for number, part in self.stored.items():
            if number > count or part.size != min(size, source.size - (number - 1) * size):
                return False
        if not self.stored:
            return False
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
        changed = each["Initiated"].timestamp()
        for part in list_parts(connection, name, each["UploadId"]):
            stored[part["PartNumber"]] = StoredPart(part["Size"], part["ETag"])
            changed = max(changed, part["LastModified"].timestamp())
        yield UnfinishedUpload(each["UploadId"], stored, changed)


def list_parts(connection: Connection, name: Name, upload: str) -> Iterator[Any]:
    """Yield the parts that the server has of an upload, in boto3's form; raise NotFound if the upload has ended."""
    place = {"Bucket": name.bucket, "Key": name.key, "UploadId": upload}
    for page in call_pages(connection, "list_parts", ("PartNumberMarker",), **place):
        yield from page.get("Parts", ())


def abort_upload(connection: Connection, name: Name, upload: str) -> None:
    """Abort an upload, which deletes its parts; raise NotFound if it does not exist any more."""
    connection.call("abort_multipart_upload", Bucket=name.bucket, Key=name.key, UploadId=upload)
