"""Old versions of objects: list them, and bring deleted objects back.

A bucket with versioning keeps each version of an object. A plain DELETE adds a delete marker, which hides the object
and deletes nothing (Amazon S3 User Guide, "Retaining multiple versions of objects").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ctadata.errors import NotFound, UsageError
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.boto3_pages import call_pages
from ctadata.stores.s3.connection import Connection

_MARKERS = ("KeyMarker", "VersionIdMarker")
_MAX_MARKERS = 1000  # delete markers of one key in a row


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of an object, or a delete marker.

    Attributes:
        key: The key of the object.
        id: The id of the version; `null` for an object that is older than the versioning of its bucket.
        is_latest: Whether this is what a plain request for the key finds.
        is_delete_marker: Whether it marks the object as deleted; it has no bytes then.
        size: The bytes; None for a delete marker.
        mtime: When it was made, in seconds since 1970 UTC; None if the server does not say.
        etag: Its tag; None for a delete marker.
    """

    key: str
    id: str
    is_latest: bool
    is_delete_marker: bool
    size: int | None
    mtime: float | None
    etag: str | None


def list_versions(connection: Connection, name: Name, *, recursive: bool = False) -> Iterator[ObjectVersion]:
    """Yield all versions of an object, and of the objects below a directory of this name, deleted ones included.

    Args:
        connection: The server.
        name: The object or directory.
        recursive: Whether objects in deeper directories count.

    Raises:
        Forbidden: The key may not list versions.
        Unsupported: The server has no versions.
    """
    if name.key:
        yield from versions_of_object(connection, name)
    yield from _list_below(connection, name, name.prefix, delimiter="" if recursive else "/")


def versions_of_object(connection: Connection, name: Name) -> Iterator[ObjectVersion]:
    """Yield all versions of exactly this object, the newest first."""
    for version in _list_below(connection, name, name.key, delimiter=""):
        if version.key != name.key:
            return  # the key sorts before all its extensions
        yield version


def _list_below(connection: Connection, name: Name, prefix: str, *, delimiter: str) -> Iterator[ObjectVersion]:
    more = {"Delimiter": delimiter} if delimiter else {}
    pages = call_pages(connection, "list_object_versions", _MARKERS, Bucket=name.bucket, Prefix=prefix, **more)
    for page in pages:
        items = [(each, False) for each in page.get("Versions", ())]
        items += [(each, True) for each in page.get("DeleteMarkers", ())]
        versions = [
            ObjectVersion(
                each["Key"],
                each["VersionId"],
                bool(each.get("IsLatest")),
                is_marker,
                each.get("Size"),
                modified.timestamp() if (modified := each.get("LastModified")) else None,
                each.get("ETag"),
            )
            for each, is_marker in items
        ]
        yield from sorted(versions, key=lambda each: (each.key, not each.is_latest, -(each.mtime or 0)))


def find_deleted(connection: Connection, name: Name, *, recursive: bool) -> Iterator[str]:
    """Return the keys whose newest version is a delete marker: this one, or with `recursive` all below a directory."""
    versions = list_versions(connection, name, recursive=True) if recursive else versions_of_object(connection, name)
    return (version.key for version in versions if version.is_latest and version.is_delete_marker)


def undelete(connection: Connection, name: Name) -> None:
    """Remove the delete markers that hide an object; its newest version is then the object again.

    Raises:
        NotFound: The object has no version to bring back.
        UsageError: The object is not deleted.
    """
    for _ in range(_MAX_MARKERS):
        versions = list(versions_of_object(connection, name))
        latest = next((each for each in versions if each.is_latest), None)
        if latest is None or all(each.is_delete_marker for each in versions):
            raise NotFound("the store keeps no version of it")
        if not latest.is_delete_marker:
            return
        connection.send("DELETE", name._replace(version=latest.id))
    raise UsageError(f"more than {_MAX_MARKERS} delete markers hide it", hint="rm --version-id removes one")
