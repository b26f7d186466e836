"""Objects copied at the server, with their type, metadata and alias; objects deleted, a thousand in one request."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

from ctadata.errors import CtadataError, LoginNeeded, NotFound, PartialFailure, Stopped, Unsupported
from ctadata.http.messages import Headers
from ctadata.paths import RemotePath, escape_unprintable
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.alias import REDIRECT
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.listing import keys_below
from ctadata.stores.s3.multipart import LARGEST_PIECE
from ctadata.stores.s3.pages import PAGE


def copy_object(connection: Connection, source: Name, target: Name, head: Headers) -> None:
    """Copy `source`, of which a HEAD has said `head`, to `target`; Unsupported for more than 5 GiB.

    What makes it an alias is no part of its metadata, and said anew (Amazon S3 API reference, CopyObject).
    """
    if int(head.get("Content-Length") or 0) > LARGEST_PIECE:
        raise Unsupported("S3 copies at most 5 GiB at once", hint="get it, and put it under the new name")
    location = head.get(REDIRECT)
    extra = {"WebsiteRedirectLocation": location} if location else {}
    whence = {"Bucket": source.bucket, "Key": source.key}
    connection.call("copy_object", Bucket=target.bucket, Key=target.key, CopySource=whence, **extra)


def delete_below(connection: Connection, name: Name, path: RemotePath) -> None:
    """Delete all that lies below a directory, `path` in the store, and its mark; PartialFailure where some stayed."""
    cut = len(name.prefix)
    failures, done = delete_keys(
        connection, name.bucket, keys_below(connection, name), lambda key: f"{path}/{key[cut:]}"
    )
    if failures:
        raise PartialFailure(failures, [None] * done)


def delete_keys(
    connection: Connection, bucket: str, keys: Iterable[str], place: Callable[[str], str] = str
) -> tuple[list[CtadataError], int]:
    """Delete objects; the errors of those that stayed, and how many went. `place` names a key in words.

    Raises what ends everything: LoginNeeded, Stopped.
    """
    failures: list[CtadataError] = []
    done, together = 0, True
    remaining = iter(keys)
    while batch := list(itertools.islice(remaining, PAGE)):
        left = batch
        if together:
            try:
                left = _together(connection, bucket, batch)
            except (LoginNeeded, Stopped):
                raise
            except CtadataError:
                together = False
        done += len(batch) - len(left)
        for key in left:
            error = _alone(connection, Name(bucket, key))
            if error is None:
                done += 1
            else:
                error.path = escape_unprintable(place(key))
                failures.append(error)
    return failures, done


def _together(connection: Connection, bucket: str, keys: list[str]) -> list[str]:
    """Delete in one request; the keys that stayed."""
    wanted = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
    told = connection.call("delete_objects", Bucket=bucket, Delete=wanted)
    return [failed["Key"] for failed in told.get("Errors", ())]


def _alone(connection: Connection, name: Name) -> CtadataError | None:
    try:
        connection.send("DELETE", name)
    except (LoginNeeded, Stopped):
        raise
    except NotFound:
        return None
    except CtadataError as error:
        return error
    return None
