"""Say why the listing of a directory is empty: nothing has this name, it is a file, or all its files are deleted.

MinIO, versitygw and moto list a directory of a bucket with versioning as long as old versions lie below it.
"""

from __future__ import annotations

from ctadata.errors import CtadataError, NotFound, UsageError
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.head import head
from ctadata.stores.s3.object_entry import is_directory_mark


def refuse_unlisted(connection: Connection, name: Name, *, was_listed: bool) -> None:
    """Raise the error of a name below which nothing is listed; return if old versions lie below it, or it is a mark.

    Args:
        connection: The server.
        name: The name.
        was_listed: Whether the server has listed a directory of this name; only then it is asked for old versions.

    Raises:
        NotFound: Nothing has this name.
        UsageError: It is a file.
    """
    try:
        found = head(connection, name)
    except NotFound:
        if was_listed and _holds_old_versions(connection, name):
            return
        raise
    if not is_directory_mark(found.headers):
        raise UsageError("a file, not a directory")


def _holds_old_versions(connection: Connection, name: Name) -> bool:
    try:
        page = connection.call("list_object_versions", Bucket=name.bucket, Prefix=name.prefix, MaxKeys=1)
    except CtadataError:  # a key that may not list versions, a server without them, or no boto3
        return False
    return bool(page.get("Versions") or page.get("DeleteMarkers"))
