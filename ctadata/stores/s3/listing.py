"""What lies below a prefix of a bucket; directories are what the keys have in common up to a slash.

Always asked with the whole prefix and its slash: some servers allow a key to list its own directory, and not the
bucket or what is above (a policy with `s3:prefix`).

A key that no path can name (`a//b`, `./a`, a name with a slash at its end that holds bytes) has no place in a listing:
it is named after all entries, and the listing is whole (`Unnameable`). A key that does not begin with the prefix makes
the listing incomplete. An object and a directory of one name are both listed, and say so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from ctadata.entries import Entry, Kind
from ctadata.errors import ServerTrouble, UsageError
from ctadata.paths import RemotePath, escape_unprintable
from ctadata.stores.base import TreeCount
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.pages import Item, Page, in_order, pages
from ctadata.stores.unlisted import NAMED, Unlisted


def keys_below(connection: Connection, name: Name) -> Iterator[str]:
    """Every key below a directory, however deep, its own mark included; ServerTrouble for one that is not below it."""
    return (item.key for item in _items_below(connection, name))


def _items_below(connection: Connection, name: Name) -> Iterator[Item]:
    """Every object below a directory, for what deletes: one that was not asked for ends it."""
    for page in pages(connection, name.bucket, name.prefix):
        for item in page.items:
            if not item.key or not item.key.startswith(name.prefix):
                raise _misplaced(name, item.key)
            yield item


def _misplaced(name: Name, key: str) -> ServerTrouble:
    what = "the server lists this key where it does not lie"
    return ServerTrouble(what, hint="tell whoever runs the storage", path=_address(name.bucket, key))


def count_below(connection: Connection, name: Name) -> TreeCount:
    """What lies below a directory, however deep: all that deleting it deletes, but for marks without bytes."""
    counted, above = TreeCount(), tuple[str, ...]()
    for item in _items_below(connection, name):
        *folders, last = item.key[len(name.prefix) :].split("/")
        shared = next((i for i, pair in enumerate(zip(above, folders, strict=False)) if pair[0] != pair[1]), None)
        shared = min(len(above), len(folders)) if shared is None else shared
        counted.directories += len(folders) - shared
        above = tuple(folders)
        if not last and item.size == 0:
            continue
        counted.files += 1
        counted.size += item.size or 0
        counted.unsized += item.size is None
        if not _is_path((*folders, last)) and len(counted.unnamed) < NAMED:
            counted.unnamed.append(_address(name.bucket, item.key))
    return counted


def exists_below(connection: Connection, name: Name) -> bool:
    """Whether there is anything at or below the prefix; a bucket always is, NotFound where there is none."""
    page = next(pages(connection, name.bucket, name.prefix, most=1))
    return not name.key or bool(page.items)


def is_listed(connection: Connection, name: Name) -> bool:
    """Whether an object of this very name is there, for a key that may list and not look; Forbidden."""
    page = next(pages(connection, name.bucket, name.key, most=1))  # it sorts before all that it begins
    return any(item.key == name.key for item in page.items)


def others_below(connection: Connection, name: Name) -> bool:
    """Whether anything lies below a directory beside its own mark, or the mark holds bytes."""
    for page in pages(connection, name.bucket, name.prefix, most=2):
        if any(item.key != name.prefix or item.size != 0 for item in page.items):
            return True
    return False


def entries_below(connection: Connection, name: Name, path: RemotePath) -> Iterator[Entry | None]:
    """The entries directly below a directory, `path` in the store, as they come; a None first where it is there.

    After all of them Unnameable, where no path can name a key, and Incomplete, where a key does not lie there.
    """
    known, unlisted, twins = not name.key, Unlisted(), _Twins()
    for page in pages(connection, name.bucket, name.prefix, delimiter="/"):
        known = known or bool(page.items or page.prefixes)
        if known:
            yield None
        yield from twins.sort(_entries(connection, name, path, page, unlisted))
    yield from twins.rest()
    unlisted.raise_if_any(path)


def _entries(
    connection: Connection, name: Name, path: RemotePath, page: Page, unlisted: Unlisted
) -> Sequence[tuple[bytes, Entry]]:
    """The entries of a page, each with what its place in the order is: the key, a directory's with its slash."""
    found = []
    for item in page.items:
        if item.key == name.prefix:
            if item.size != 0:
                why = "its name ends in a slash, and it holds bytes"
                unlisted.add_key(_address(name.bucket, item.key), why, counterpart=path.parts)
        elif place := _place(item.key, name.prefix, path):
            found.append((in_order(item.key), Entry(place, Kind.FILE, item.size, item.mtime, item.etag)))
        else:
            _add_key(unlisted, name, item.key, path)
    for prefix in page.prefixes:
        if place := _place(prefix.removesuffix("/"), name.prefix, path):
            found.append((in_order(prefix), Entry(place, Kind.DIRECTORY)))
        else:
            _add_keys(connection, name, prefix, unlisted, path)
    return sorted(found, key=lambda pair: pair[0])


def _add_keys(connection: Connection, name: Name, prefix: str, unlisted: Unlisted, path: RemotePath) -> None:
    """Name the keys below a prefix that is none of a directory; those of the first page one by one."""
    if not prefix.startswith(name.prefix):
        _add_key(unlisted, name, prefix, path)
        return
    page = next(pages(connection, name.bucket, prefix))
    for item in page.items:
        _add_key(unlisted, name, item.key, path)
    if page.token or page.marker or not page.items:
        unlisted.add_key(_address(name.bucket, f"{prefix}..."), stands_for_more=True)


def _add_key(unlisted: Unlisted, name: Name, key: str, path: RemotePath) -> None:
    """Name a key without a place; a server that tells of what was not asked is not believed in anything."""
    if key.startswith(name.prefix):
        unlisted.add_key(_address(name.bucket, key), counterpart=_counterpart(key[len(name.prefix) :], path))
    else:
        unlisted.add(_misplaced(name, key))


def _counterpart(key: str, path: RemotePath) -> tuple[str, ...] | None:
    """The path that file systems and other clients make of a key below a directory; None for one that is none."""
    parts = list(path.parts)
    for part in key.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return None if "\0" in key else tuple(parts)


class _Twins:
    """Finds an object and a directory of one name, which S3 may list pages apart: `a`, `a-1`, `a.txt`, `a/`.

    Objects wait until no directory of their name can follow. Those that wait begin with each other, so they are few.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[bytes, Entry]] = []

    def sort(self, entries: Sequence[tuple[bytes, Entry]]) -> Iterator[Entry]:
        """The entries of the next page, as far as it is known whether they have a twin."""
        for key, entry in entries:
            while self._waiting and self._waiting[-1][0] + b"/" < key:
                yield self._waiting.pop()[1]
            if entry.is_directory:
                twin = next((pair for pair in self._waiting if pair[0] + b"/" == key), None)
                if twin:
                    self._waiting.remove(twin)
                    yield dataclasses.replace(twin[1], has_twin=True)
                    entry = dataclasses.replace(entry, has_twin=True)
                yield entry
            else:
                self._waiting.append((key, entry))

    def rest(self) -> Iterator[Entry]:
        """Those that wait at the end."""
        yield from (entry for _, entry in self._waiting)


def _place(key: str, prefix: str, path: RemotePath) -> RemotePath | None:
    if key.startswith(prefix):  # a server that tells of what was not asked is not believed
        try:
            return path / key[len(prefix) :]
        except UsageError:
            pass
    return None


def _is_path(names: Sequence[str]) -> bool:
    return not any(name in ("", ".", "..") or "\0" in name for name in names)


def _address(bucket: str, key: str) -> str:
    return escape_unprintable(f"s3://{bucket}/{key}")
