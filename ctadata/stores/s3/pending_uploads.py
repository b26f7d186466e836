"""Uploads in parts that nobody has ended: those below a directory, and the size of their parts.

Their parts use quota, and no listing of objects shows them (Amazon S3 User Guide, "Aborting a multipart upload").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ctadata.stores.s3.address import Name
from ctadata.stores.s3.boto3_pages import call_pages
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.unfinished_uploads import list_parts


@dataclass(frozen=True, slots=True)
class PendingUpload:
    """An upload in parts that has not ended.

    Attributes:
        name: The object that it would write.
        id: The server's name of the upload.
        started: When it began, in seconds since 1970 UTC; None if the server does not say.
    """

    name: Name
    id: str
    started: float | None


def list_pending(connection: Connection, name: Name) -> Iterator[PendingUpload]:
    """Yield the unfinished uploads to an object, and to all objects below a directory of this name.

    Raises:
        Forbidden: The key may not list uploads.
        Unsupported: The server does not list them.
    """
    markers = ("KeyMarker", "UploadIdMarker")
    for page in call_pages(connection, "list_multipart_uploads", markers, Bucket=name.bucket, Prefix=name.key):
        for each in page.get("Uploads", ()):
            if each["Key"] == name.key or each["Key"].startswith(name.prefix):
                started = each.get("Initiated")
                yield PendingUpload(Name(name.bucket, each["Key"]), each["UploadId"], started and started.timestamp())


def stored_bytes(connection: Connection, upload: PendingUpload) -> tuple[int, int]:
    """Return the number of parts that the server has of an upload, and their bytes; raise NotFound if it has ended."""
    sizes = [part["Size"] for part in list_parts(connection, upload.name, upload.id)]
    return len(sizes), sum(sizes)
