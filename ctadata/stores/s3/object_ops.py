"""Delete objects, a thousand in one request; one by one if the server refuses such requests."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

from ctadata.errors import CtadataError, LoginNeeded, NotFound, PartialFailure, ServerTrouble, Stopped, UsageError
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.listing import list_keys
from ctadata.stores.s3.pages import PAGE


def delete_below(connection: Connection, name: Name, path: RemotePath) -> None:
    """Delete all that lies below a directory, and its mark.

    Args:
        connection: The server.
        name: The directory in its bucket.
        path: The directory's path in the store; errors name paths below it.

    Raises:
        PartialFailure: Some objects are still there.
    """
    cut = len(name.prefix)
    failures, done = delete_keys(
        connection, name.bucket, list_keys(connection, name), lambda key: f"{path}/{key[cut:]}"
    )
    if failures:
        raise PartialFailure(failures, [None] * done)


def delete_keys(
    connection: Connection, bucket: str, keys: Iterable[str], display_name: Callable[[str], str] = str
) -> tuple[list[CtadataError], int]:
    """Delete objects, and the marks of directories after all others.

    S3Proxy deletes the mark of a directory only if the directory is empty. A deletion that breaks off leaves marks,
    so it can be repeated.

    Args:
        connection: The server.
        bucket: The bucket of all keys.
        keys: The keys.
        display_name: Returns the text by which an error names a key.

    Returns:
        The errors of the objects that are still there, and the number of deleted ones.

    Raises:
        LoginNeeded: The server does not accept the access key any more.
        Stopped: The user stopped the command.
    """
    failures: list[CtadataError] = []
    done, use_batches = 0, True
    remaining = _marks_last(keys)
    while batch := list(itertools.islice(remaining, PAGE)):
        remaining_keys = batch
        if use_batches:
            try:
                remaining_keys = _delete_batch(connection, bucket, batch)
            except (LoginNeeded, Stopped):
                raise
            except CtadataError:
                use_batches = False
        done += len(batch) - len(remaining_keys)
        for key in remaining_keys:
            error = _delete_one(connection, Name(bucket, key))
            if error is None:
                done += 1
            else:
                error.path = escape_unprintable(display_name(key))
                failures.append(error)
    return failures, done


def _marks_last(keys: Iterable[str]) -> Iterator[str]:
    """Yield the keys, those that end in a slash after the others, and the deepest of them first."""
    marks: list[str] = []
    for key in keys:
        if key.endswith("/"):
            marks.append(key)
        else:
            yield key
    yield from sorted(marks, key=lambda key: key.count("/"), reverse=True)


def _delete_batch(connection: Connection, bucket: str, keys: list[str]) -> list[str]:
    """Delete up to a thousand objects in one request, and return the keys that the server does not name as deleted."""
    response = connection.call("delete_objects", Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    deleted = {each["Key"] for each in response.get("Deleted", ())}
    return [key for key in keys if key not in deleted]


def _delete_one(connection: Connection, name: Name) -> CtadataError | None:
    try:
        connection.send("DELETE", name)
    except (LoginNeeded, Stopped):
        raise
    except NotFound:
        return None
    except UsageError as error:  # its deletion was asked for in a list of keys
        return ServerTrouble(f"{error.what}, and the server has not confirmed its deletion")
    except CtadataError as error:
        return error
    return None
