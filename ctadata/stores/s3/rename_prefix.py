"""Rename a directory of S3: copy each object, verify that all copies are there, and only then delete the old ones.

S3 has no rename, so this is not atomic. A file on this machine remembers an unfinished rename. The same command then
continues it, though its target exists by now. The listings of both prefixes decide what is left to do, so that the
rename of any number of objects takes constant memory, and the delete requests name only keys whose copies are listed.
If copies have other tags than their sources, the file has these tags, because no listing proves such a copy.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from ctadata.errors import (
    AlreadyExists,
    CtadataError,
    LoginNeeded,
    NotDeleted,
    NotFound,
    PartialFailure,
    Stopped,
    UsageError,
)
from ctadata.printable import escape_unprintable
from ctadata.stores.s3.address import Name, s3_address
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.copy_object import CopyOptions, copy_object
from ctadata.stores.s3.digests import digests_from_headers, object_size
from ctadata.stores.s3.head import head
from ctadata.stores.s3.listing import has_keys, list_items
from ctadata.stores.s3.object_ops import delete_keys
from ctadata.stores.s3.pages import Item, sort_key
from ctadata.stores.s3.state_file import StateFile
from ctadata.stores.tree_renames import TreeRename

_CONTINUE = "the same command continues; see mv --help"
_SHOWN = 10  # names of late objects in a report


def journal_of(connection: Connection, source: Name, target: Name) -> StateFile:
    """Return the file that remembers an unfinished rename; it exists from the beginning of the rename to its end."""
    return StateFile.of("renames", connection.endpoint.origin, source, target)


def rename_prefix(connection: Connection, source: Name, target: Name, *, jobs: int) -> TreeRename:
    """Copy all objects below one directory to another one, verify that they are there, and delete the old ones.

    Args:
        connection: The server.
        source: The directory.
        target: Its new name.
        jobs: The number of objects that are copied at a time.

    Raises:
        NotFound: There is no such directory.
        AlreadyExists: The new name is taken, or an object there differs from the one that would get this name.
        UsageError: No request can name one of the keys (`a/../b`). Nothing was copied.
        CtadataError: A copy failed. Nothing was deleted, unless the error says so.
    """
    journal = journal_of(connection, source, target)
    begun = {"source": list(source), "target": list(target)}
    tags = _tags_in(journal) if journal.exists() else {}
    if journal.exists():
        journal.try_to_write(begun)  # without tags, which are written when this run ends
    else:
        _check_keys(connection, source)
        _refuse_taken(connection, target)
        journal.write(begun)
    rename = _Rename(connection, source, target, knows_copies=tags is not None, tags=dict(tags or {}))
    try:
        rename.copy_all(jobs)
        rename.verify_all()
    except CtadataError as error:
        journal.try_to_write({**begun, "tags": rename.tags} if rename.knows_copies else begun)
        error.hint = "; ".join(filter(None, (error.hint, f"nothing was deleted, and {_CONTINUE}")))
        raise
    late = rename.delete_old()
    journal.delete()
    return dataclasses.replace(rename.done, late=tuple(late))


def _tags_in(journal: StateFile) -> dict[str, tuple[str | None, str | None]] | None:
    """Return the tags as in `_Rename.tags`; None if they are not complete, or the file is damaged."""
    tags = journal.read().get("tags")
    if not isinstance(tags, dict):
        return None
    return {name: (pair[0], pair[1]) for name, pair in tags.items() if isinstance(pair, list) and len(pair) == 2}


def _check_keys(connection: Connection, source: Name) -> None:
    """Raise NotFound if the directory holds nothing, UsageError if it holds a key that no request can name."""
    is_there = False
    for item in list_items(connection, source):
        is_there = True
        try:
            connection.endpoint.url(Name(source.bucket, item.key))
        except UsageError as error:
            error.path = s3_address(source.bucket, item.key)
            error.hint = "rm --raw-key can delete it"
            raise
    if not is_there:
        raise NotFound("there is no such file or directory")


def _refuse_taken(connection: Connection, target: Name) -> None:
    try:
        head(connection, target)
    except NotFound:
        if not has_keys(connection, target):
            return
    raise AlreadyExists("the name is taken")


@dataclass(slots=True)
class _Rename:
    """One rename under way.

    Attributes:
        knows_copies: Whether `tags` is complete: no run that was killed, and no request that broke off, may have made
            another copy. An object that cannot be compared is then another client's.
        done: The number and size of the objects whose copies are verified.
        tags: For each copy whose tag is not the source's, by its name below the directory: the tags of both.
    """

    connection: Connection
    source: Name
    target: Name
    knows_copies: bool
    done: TreeRename = field(default_factory=lambda: TreeRename(0, 0))
    tags: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def copy_all(self, jobs: int) -> None:
        """Copy each object that has no equal copy yet; the first failure ends it."""
        with ThreadPoolExecutor(jobs, thread_name_prefix="ctadata-rename") as pool:
            running: set[Future[None]] = set()
            try:
                for item, existing in self._pairs(looks=False):
                    if not self._is_verified(item, existing):
                        running.add(pool.submit(self._copy, item, existing))
                    if len(running) >= 2 * jobs:
                        running = self._wait_for_one(running)
                while running:
                    running = self._wait_for_one(running)
            finally:
                pool.shutdown(cancel_futures=True)

    def _wait_for_one(self, running: set[Future[None]]) -> set[Future[None]]:
        ended, others = wait(running, return_when=FIRST_COMPLETED)
        for each in ended:
            each.result()
        return others

    def _copy(self, item: Item, existing: Item | None) -> None:
        name = item.key[len(self.source.prefix) :]
        source, target = Name(self.source.bucket, item.key), Name(self.target.bucket, self.target.prefix + name)
        try:
            if existing is None and self._copy_new(item, source, target):
                return
            if self._is_verified(item, existing or self._look(name)):
                return
            is_equal = self._is_equal(source, target)
            if is_equal is False or (is_equal is None and self.knows_copies):
                hint = f"delete it, or {s3_address(target.bucket, target.key)}"
                raise AlreadyExists("another file has the new name", hint=hint)
            self._copy_object(item, source, target, new=False)
        except CtadataError as error:
            error.path = s3_address(source.bucket, source.key)
            raise

    def _copy_new(self, item: Item, source: Name, target: Name) -> bool:
        """Copy an object to a free name; return False if the name is taken."""
        try:
            self._copy_object(item, source, target, new=True)
        except AlreadyExists:
            return False
        return True

    def _copy_object(self, item: Item, source: Name, target: Name, *, new: bool) -> None:
        try:
            copied = copy_object(self.connection, source, target, CopyOptions(new=new, relocate=self._relocate))
        except CtadataError as error:
            if error.retryable or isinstance(error, LoginNeeded | Stopped):
                self.knows_copies = False
            raise
        etag = copied.response.headers.get("ETag")
        if etag != item.etag:
            with self._lock:
                self.tags[item.key[len(self.source.prefix) :]] = (item.etag, etag)

    def _is_equal(self, source: Name, target: Name) -> bool | None:
        """Return whether two objects have the same bytes, by their sizes and digests; None if no digest can tell."""
        ours, theirs = (head(self.connection, name).headers for name in (source, target))
        if ours.get("Content-Length") != theirs.get("Content-Length"):
            return False
        ours_by, theirs_by = (digests_from_headers(headers, whole=True) for headers in (ours, theirs))
        equal = [theirs_by[algorithm] == ours_by[algorithm] for algorithm in ours_by.keys() & theirs_by.keys()]
        return all(equal) if equal else None

    def _relocate(self, key: str) -> str:
        """Return the key that a copied alias points to: an alias of a file of the directory goes along with it."""
        inside = key.startswith(self.source.prefix) and self.source.bucket == self.target.bucket
        return self.target.prefix + key[len(self.source.prefix) :] if inside else key

    def verify_all(self) -> None:
        """Count the copies; raise NotFound or NotDeleted for an object that has no equal copy."""
        files = size = 0
        for item, existing in self._pairs():
            if not self._is_verified(item, existing):
                address = s3_address(self.source.bucket, item.key)
                if existing is None:
                    raise NotFound("the server lists no copy of it", path=address)
                copy = s3_address(self.target.bucket, existing.key)
                raise NotDeleted("it, or its copy, has changed since then", hint=f"delete {copy}", path=address)
            files, size = files + 1, size + (item.size or 0)
        self.done = TreeRename(files, size)

    def _is_verified(self, item: Item, existing: Item | None) -> bool:
        if existing is None:
            return False
        tags = self.tags.get(item.key[len(self.source.prefix) :])
        return _is_copy(item, existing) or (item.size == existing.size and tags == (item.etag, existing.etag))

    def delete_old(self) -> list[str]:
        """Delete the old objects whose copies are there; return the names of some that came meanwhile.

        Raises:
            PartialFailure: The server kept some of the old objects. All copies are there.
        """
        late: list[str] = []

        def verified_keys() -> Iterator[str]:
            for item, existing in self._pairs():
                if self._is_verified(item, existing):
                    yield item.key
                elif len(late) < _SHOWN:
                    late.append(escape_unprintable(item.key))

        failures, done = delete_keys(self.connection, self.source.bucket, verified_keys())
        for error in failures:
            error.hint = f"all files have their new names, and this old one is still there: {_CONTINUE}"
        if failures:
            raise PartialFailure(failures, [None] * done)
        return late

    def _pairs(self, *, looks: bool = True) -> Iterator[tuple[Item, Item | None]]:
        """Yield each object of the old directory with the object of the same name in the new one.

        Args:
            looks: Whether a request for the one name follows if the listing has no such object at its place in S3's
                order, because some servers do not sort their listings.
        """
        copies = list_items(self.connection, self.target)
        copy = next(copies, None)
        for item in list_items(self.connection, self.source):
            name = item.key[len(self.source.prefix) :]
            while copy is not None and sort_key(copy.key[len(self.target.prefix) :]) < sort_key(name):
                copy = next(copies, None)
            is_there = copy is not None and copy.key[len(self.target.prefix) :] == name
            yield item, copy if is_there else self._look(name) if looks else None

    def _look(self, name: str) -> Item | None:
        """Return the object of the new directory by a request of its own: the server does not sort its listings."""
        key = self.target.prefix + name
        try:
            headers = head(self.connection, Name(self.target.bucket, key)).headers
        except NotFound:
            return None
        return Item(key, object_size(headers), None, headers.get("ETag"))


def _is_copy(item: Item, existing: Item | None) -> bool:
    return existing is not None and item.size == existing.size and item.etag is not None and item.etag == existing.etag
