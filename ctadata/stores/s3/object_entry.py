"""Read the entry of an object from the response to a HEAD or GET of it."""

from __future__ import annotations

from ctadata.entries import Entry, Kind
from ctadata.http.messages import Headers, Response
from ctadata.paths import RemotePath
from ctadata.stores.dates import parse_date
from ctadata.stores.s3.digests import object_size
from ctadata.stores.s3.locality import locality_of
from ctadata.stores.s3.mtime import kept_mtime


def is_directory_mark(headers: Headers) -> bool:
    """Return whether an object without bytes stands for a directory though its key has no slash, as at S3Proxy."""
    return headers.get("Content-Type") == "application/x-directory" and headers.get("Content-Length") == "0"


def response_of(entry: Entry) -> Response | None:
    """Return the response that `entry_of` has read an entry from; None if it is from a listing."""
    return entry.response if isinstance(entry.response, Response) else None


def entry_of(path: RemotePath, response: Response, alias_of: str | None = None) -> Entry:
    """Return the entry of an object.

    Args:
        path: Its path in the store.
        response: The response about the object, or about the file that an alias points to.
        alias_of: The key of that file; None if the object is no alias.
    """
    headers = response.headers
    if is_directory_mark(headers):
        return Entry(path, Kind.DIRECTORY)
    modified, etag = parse_date(headers.get("Last-Modified")), headers.get("ETag")
    size = object_size(headers)
    locality = locality_of(headers.get("x-amz-storage-class"), headers.get("x-amz-restore"))
    kept = kept_mtime(response)
    return Entry(
        path, Kind.FILE, size, modified, etag, locality=locality, alias_of=alias_of, kept_mtime=kept, response=response
    )
