"""List the objects and directories below a prefix of a bucket; a directory is a prefix that keys share up to a slash.

Each request carries the whole prefix with its slash, because a policy with `s3:prefix` may allow a key to list its own
directory, and not the bucket or the directories above.

A key that no path can name (`a//b`, `./a`, a name with a slash at its end and with bytes) is no entry of the listing:
the listing reports it after all entries (`Unnameable`), and is complete. A key that does not begin with the prefix
makes the listing incomplete. If an object and a directory have the same name, both are listed and marked as twins.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from ctadata.entries import Entry, Kind
from ctadata.errors import CtadataError, Forbidden, NotFound, ServerTrouble, UsageError
from ctadata.paths import RemotePath
from ctadata.stores.optional import TreeCount
from ctadata.stores.s3.address import Name, s3_address
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.locality import locality_of
from ctadata.stores.s3.pages import Item, Page, list_pages, sort_key
from ctadata.stores.unlisted import NAMED, Unlisted

SIMILAR = 100
"""The number of keys that begin with a name, and among which one request looks for it."""


def list_keys(connection: Connection, name: Name) -> Iterator[str]:
    """Yield every key below a directory, at any depth, and the directory's own mark.

    Raises:
        ServerTrouble: The server listed a key that is not below the directory.
    """
    return (item.key for item in list_items(connection, name))


def list_items(connection: Connection, name: Name) -> Iterator[Item]:
    """Yield every object below a directory, for callers that delete; raise ServerTrouble for an object elsewhere."""
    for page in list_pages(connection, name.bucket, name.prefix):
        for item in page.items:
            if not item.key or not item.key.startswith(name.prefix):
                raise _misplaced_key_error(name, item.key)
            yield item


def _misplaced_key_error(name: Name, key: str) -> ServerTrouble:
    what = "the server lists this key below a prefix that it does not begin with"
    return ServerTrouble(
        what, hint="report this to the administrators of the storage", path=s3_address(name.bucket, key)
    )


def count_tree_below(connection: Connection, name: Name) -> TreeCount:
    """Count what lies below a directory, at any depth: all that its deletion deletes, but not marks without bytes."""
    counted, above = TreeCount(), tuple[str, ...]()
    for item in list_items(connection, name):
        *folders, last = item.key[len(name.prefix) :].split("/")
        shared = next((i for i, pair in enumerate(zip(above, folders, strict=False)) if pair[0] != pair[1]), None)
        shared = min(len(above), len(folders)) if shared is None else shared
        counted.directories += len(folders) - shared
        above = tuple(folders)
        if item.is_mark:
            continue
        counted.files += 1
        counted.size += item.size or 0
        counted.unsized += item.size is None
        if not _is_path((*folders, last)) and len(counted.unnamed) < NAMED:
            counted.unnamed.append(s3_address(name.bucket, item.key))
    return counted


def has_keys(connection: Connection, name: Name) -> bool:
    """Return whether any key is at or below the prefix; a bucket always counts.

    Raises:
        NotFound: There is no such bucket.
    """
    page = next(list_pages(connection, name.bucket, name.prefix, most=1))
    return not name.key or bool(page.items)


def is_listed(connection: Connection, name: Name) -> bool:
    """Return whether a listing shows an object with exactly this key, for access keys that may list and not read.

    Raises:
        Forbidden: The access key may not list either.
    """
    page = next(list_pages(connection, name.bucket, name.key, most=1))  # a key sorts before its own extensions
    return any(item.key == name.key for item in page.items)


def find_entry(connection: Connection, name: Name, path: RemotePath) -> Entry | None:
    """Return the entry of an object or a directory by one listing of the keys that begin with its name.

    `run-1` and `run.log` sort between the object `run` and the directory `run/`, so the first page may not show both.

    Args:
        connection: The server.
        name: The object or directory.
        path: Its path in the store.

    Returns:
        The entry; an object comes before a directory. None if the page does not tell, or the server lists no name
        without a slash at its end, as Amazon's directory buckets.

    Raises:
        NotFound: Nothing has this name.
        Forbidden: The access key may not list it.
    """
    if not name.key:
        return None
    try:
        page = next(list_pages(connection, name.bucket, name.key, delimiter="/", most=SIMILAR))
    except CtadataError as error:
        if connection.quirks.may_be_refusal(error):
            return None
        raise
    item = next((item for item in page.items if item.key == name.key), None)
    is_directory, is_last = name.prefix in page.prefixes, page.token is None and page.marker is None
    if item and (item.size or not is_directory):  # S3Proxy shows an empty directory as an empty object too
        return _entry_of_item(path, item)
    if item or not is_last:
        return None
    if not is_directory:
        raise NotFound("there is no such file or directory", status=404)
    return Entry(path, Kind.DIRECTORY)


def has_other_keys(connection: Connection, name: Name) -> bool:
    """Return whether a directory holds more than its own mark, or the mark holds bytes."""
    for page in list_pages(connection, name.bucket, name.prefix, most=2):
        if any(item.key != name.prefix or not item.is_mark for item in page.items):
            return True
    return False


def list_entries(connection: Connection, name: Name, path: RemotePath) -> Iterator[Entry | None]:
    """Yield the entries directly below a directory, as the server's pages arrive.

    Args:
        connection: The server.
        name: The directory in its bucket.
        path: The directory's path in the store; the entries have paths below it.

    Yields:
        None before the entries of each page if the directory exists, then the entries.

    Raises:
        Unnameable: After all entries: no path can name some keys.
        Incomplete: After all entries: the server listed keys that do not lie below the directory.
    """
    is_there, unlisted = not name.key, Unlisted()
    twins = _TwinMarker(lambda file: _is_bare_mark(connection, Name(name.bucket, f"{name.prefix}{file.path.name}")))
    try:
        for page in list_pages(connection, name.bucket, name.prefix, delimiter="/"):
            is_there = is_there or bool(page.items or page.prefixes)
            if is_there:
                yield None
            yield from twins.sort(_entries_of_page(connection, name, path, page, unlisted))
    except CtadataError:
        yield from twins.flush()
        raise
    yield from twins.flush()
    unlisted.raise_if_any(path)


def _entries_of_page(
    connection: Connection, name: Name, path: RemotePath, page: Page, unlisted: Unlisted
) -> Sequence[tuple[bytes, Entry]]:
    """Return the entries of a page, each with its sort key: that of the key, or of the prefix with its slash."""
    entries = []
    for item in page.items:
        if item.key == name.prefix:
            if not item.is_mark:
                why = "the key ends in a slash, and the object holds bytes"
                unlisted.add_key(s3_address(name.bucket, item.key), why, counterpart=path.parts)
        elif entry_path := _path_of_key(item.key, name.prefix, path):
            entries.append((sort_key(item.key), _entry_of_item(entry_path, item)))
        else:
            _report_key(unlisted, name, item.key, path)
    for prefix in page.prefixes:
        if entry_path := _path_of_key(prefix.removesuffix("/"), name.prefix, path):
            entries.append((sort_key(prefix), Entry(entry_path, Kind.DIRECTORY)))
        else:
            _report_keys(connection, name, prefix, unlisted, path)
    return sorted(entries, key=lambda pair: pair[0])


def _entry_of_item(path: RemotePath, item: Item) -> Entry:
    locality = locality_of(item.storage_class, None)
    return Entry(path, Kind.FILE, item.size, item.mtime, item.etag, locality=locality)


def _report_keys(connection: Connection, name: Name, prefix: str, unlisted: Unlisted, path: RemotePath) -> None:
    """Report the keys below a prefix that no path can name; those of the first page one by one."""
    if not prefix.startswith(name.prefix):
        _report_key(unlisted, name, prefix, path)
        return
    page = next(list_pages(connection, name.bucket, prefix))
    for item in page.items:
        _report_key(unlisted, name, item.key, path)
    if page.token or page.marker or not page.items:
        unlisted.add_key(s3_address(name.bucket, f"{prefix}..."), stands_for_more=True)


def _report_key(unlisted: Unlisted, name: Name, key: str, path: RemotePath) -> None:
    """Report a key that has no path; a key outside the listed prefix is an error of the server."""
    if key.startswith(name.prefix):
        unlisted.add_key(s3_address(name.bucket, key), counterpart=_counterpart(key[len(name.prefix) :], path))
    else:
        unlisted.add(_misplaced_key_error(name, key))


def _counterpart(key: str, path: RemotePath) -> tuple[str, ...] | None:
    """Return the path that file systems and other clients make of a key below a directory; None if they make none."""
    parts = list(path.parts)
    for part in key.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return None if "\0" in key else tuple(parts)


class _TwinMarker:
    """Marks an object and a directory of the same name, which S3 may list pages apart: `a`, `a-1`, `a.txt`, `a/`.

    An empty directory that has the name of an object is left out: nothing lies in it.

    An object waits until no directory of its name can follow. Each waiting key is a prefix of the next one, so they
    are few.
    """

    def __init__(self, is_bare_mark: Callable[[Entry], bool]) -> None:
        self._is_bare_mark = is_bare_mark  # whether the twin of a file is an empty directory
        self._waiting: list[tuple[bytes, Entry]] = []

    def sort(self, entries: Sequence[tuple[bytes, Entry]]) -> Iterator[Entry]:
        """Yield the entries that cannot get a twin any more, in order."""
        for key, entry in entries:
            while self._waiting and self._waiting[-1][0] + b"/" < key:
                yield self._waiting.pop()[1]
            if entry.is_directory:
                twin = next((pair for pair in self._waiting if pair[0] + b"/" == key), None)
                if twin and self._is_bare_mark(twin[1]):
                    continue
                if twin:
                    self._waiting.remove(twin)
                    yield dataclasses.replace(twin[1], has_twin=True)
                    entry = dataclasses.replace(entry, has_twin=True)
                yield entry
            else:
                self._waiting.append((key, entry))

    def flush(self) -> Iterator[Entry]:
        """Yield the entries that still wait at the end of the listing."""
        yield from (entry for _, entry in self._waiting)


def _is_bare_mark(connection: Connection, name: Name) -> bool:
    """Return whether a directory holds nothing but its mark; False if the key may not find out."""
    try:
        return not has_other_keys(connection, name)
    except Forbidden:
        return False


def _path_of_key(key: str, prefix: str, path: RemotePath) -> RemotePath | None:
    if key.startswith(prefix):  # a faulty server may list other keys
        try:
            return path / key[len(prefix) :]
        except UsageError:
            pass
    return None


def _is_path(names: Sequence[str]) -> bool:
    return not any(name in ("", ".", "..") or "\0" in name for name in names)
