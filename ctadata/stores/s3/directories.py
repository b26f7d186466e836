"""Create a directory of S3: an object `name/` without bytes, its mark."""

from __future__ import annotations

import contextlib

from ctadata.errors import AlreadyExists, Forbidden, NotFound
from ctadata.paths import RemotePath
from ctadata.stores.s3.address import Name, resolve_name
from ctadata.stores.s3.connection import EMPTY_SHA256, Connection
from ctadata.stores.s3.head import head
from ctadata.stores.s3.listing import has_keys
from ctadata.stores.s3.object_entry import is_directory_mark


def make_directory(connection: Connection, root: RemotePath, path: RemotePath) -> None:
    """Create an empty directory, and with it the directories above.

    Args:
        connection: The server.
        root: The bucket and prefix of all paths.
        path: The directory.

    Raises:
        AlreadyExists: One of the names is a file's.
    """
    name = resolve_name(root, path)
    if not name.key:
        if path.parts:
            has_keys(connection, name)
        return
    with contextlib.suppress(Forbidden):  # a key that may not list may still write the mark
        if has_keys(connection, name):
            return
    _refuse_files_above(connection, root, path)
    connection.send("PUT", Name(name.bucket, name.prefix), body=b"", payload=EMPTY_SHA256)


def _refuse_files_above(connection: Connection, root: RemotePath, path: RemotePath) -> None:
    for length in range(len(path.parts), 0, -1):
        above = RemotePath(path.parts[:length])
        name = resolve_name(root, above)
        if name.key and _is_object(connection, name):
            raise AlreadyExists("a file has this name", path=str(above))


def _is_object(connection: Connection, name: Name) -> bool:
    try:
        return not is_directory_mark(head(connection, name).headers)
    except (NotFound, Forbidden):  # a directory above that the key may not read is none of its own
        return False
