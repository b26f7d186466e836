"""What lies below a prefix of a bucket, page by page; directories are what the keys have in common up to a slash.

Always asked with the whole prefix and its slash: some servers allow a key to list its own directory, and not the
bucket or what is above (a policy with `s3:prefix`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from ctadata.entries import Entry, Kind
from ctadata.errors import UsageError
from ctadata.paths import RemotePath, printable
from ctadata.stores.s3_connection import Connection
from ctadata.stores.s3_place import Name

log = logging.getLogger(__name__)

PAGE = 1000
"""Keys in one answer, at most."""


def pages(connection: Connection, bucket: str, prefix: str, *, delimiter: str = "", most: int = PAGE) -> Iterator[Any]:
    """The answers of ListObjectsV2, one after the other; NotFound (no such bucket), Forbidden."""
    asked: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": most}
    if delimiter:
        asked["Delimiter"] = delimiter
    while True:
        page = connection.call("list_objects_v2", **asked)
        yield page
        token = page.get("NextContinuationToken")
        if not page.get("IsTruncated") or not token:
            return
        asked["ContinuationToken"] = token


def keys_below(connection: Connection, name: Name) -> Iterator[str]:
    """Every key below a directory, however deep, its own mark included."""
    for page in pages(connection, name.bucket, name.prefix):
        yield from (item["Key"] for item in page.get("Contents", ()))


def exists_below(connection: Connection, name: Name) -> bool:
    """Whether there is anything at or below the prefix; a bucket always is, NotFound where there is none."""
    page = next(pages(connection, name.bucket, name.prefix, most=1))
    return not name.key or bool(page.get("Contents"))


def others_below(connection: Connection, name: Name) -> bool:
    """Whether anything lies below a directory beside its own mark."""
    page = next(pages(connection, name.bucket, name.prefix, most=2))
    return any(item["Key"] != name.prefix for item in page.get("Contents", ()))


def entries_below(connection: Connection, name: Name, path: RemotePath) -> Iterator[Entry | None]:
    """The entries directly below a directory, `path` in the store, as they come; a None first where it is there."""
    known = not name.key
    for page in pages(connection, name.bucket, name.prefix, delimiter="/"):
        contents, below = page.get("Contents", ()), page.get("CommonPrefixes", ())
        known = known or bool(contents or below)
        if known:
            yield None
        for item in contents:
            if item["Key"] != name.prefix and (entry := _file(item, path, len(name.prefix))):
                yield entry
        for item in below:
            if place := _place(item["Prefix"][len(name.prefix) : -1], path, item["Prefix"]):
                yield Entry(place, Kind.DIRECTORY)


def _file(item: Any, path: RemotePath, cut: int) -> Entry | None:
    place = _place(item["Key"][cut:], path, item["Key"])
    # whole seconds, as the date in the answer to HEAD
    mtime = float(int(item["LastModified"].timestamp()))
    return Entry(place, Kind.FILE, item["Size"], mtime, item.get("ETag")) if place else None


def _place(text: str, path: RemotePath, key: str) -> RemotePath | None:
    try:
        return path / text
    except UsageError:
        log.warning("passed over: the key %s, which no path can name", printable(key))
        return None
