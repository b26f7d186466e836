"""An S3 store: objects as files, and as directories what their keys have in common up to a slash.

A directory is there as long as anything lies below it; an empty one is an object `name/` without bytes. A key and a
directory may have one name: then the name means the object. Nothing is asked of a server that a key for one directory
may not ask: no list of buckets, no head of a bucket, no location, no access lists.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from ctadata.checksums import STRONGEST_FIRST, etag_digest
from ctadata.entries import NO_CHECKSUMS, Entry, Kind
from ctadata.errors import (
    AlreadyExists,
    CtadataError,
    Forbidden,
    NotFound,
    Unsupported,
    UsageError,
)
from ctadata.http.client import NO_HEADERS
from ctadata.http.messages import Response
from ctadata.paths import RemotePath
from ctadata.stores.base import Features, Source, TreeCount, Written
from ctadata.stores.dates import parse_date
from ctadata.stores.http_reader import HttpReader
from ctadata.stores.path_errors import add_path_to_errors, refuse_root
from ctadata.stores.s3.address import Name, name_of
from ctadata.stores.s3.alias import head_behind
from ctadata.stores.s3.connection import NOTHING, Connection
from ctadata.stores.s3.digests import digests_in
from ctadata.stores.s3.get_object import ObjectGet
from ctadata.stores.s3.head import head, refuse_taken
from ctadata.stores.s3.listing import count_below, entries_below, exists_below, others_below
from ctadata.stores.s3.mtime import MTIME, kept_mtime, written_mtime
from ctadata.stores.s3.multipart import fingerprint, part_size, upload_in_parts
from ctadata.stores.s3.object_ops import copy_object, delete_below
from ctadata.stores.s3.pages import size_in
from ctadata.stores.s3.presigned import presigned, wished
from ctadata.stores.sharing import Link

FEATURES = Features(
    atomic_put=True,
    digests=tuple(name for name in STRONGEST_FIRST if name not in ("sha-512", "adler32")),
    has_collections=False,
    etag_may_be_md5=True,
    has_aliases=True,
    digests_uploads=True,
    mtime_in_metadata=True,
)


class S3Store:
    """The objects below `root`, `/bucket/prefix`, or of all buckets; paths begin with the bucket then."""

    features = FEATURES

    def __init__(
        self,
        connection: Connection,
        root: RemotePath,
        *,
        part: int | None = None,
        description: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        """No request is sent; the connection is closed with the store.

        part: bytes of a part of a large upload.   description: headers that each upload carries: its type, an alias.
        """
        self.connection = connection
        self._description = description
        self.root = root
        self._part = part

    def name(self, path: RemotePath) -> Name:
        """The bucket and key of a path; both empty above the buckets."""
        return name_of(self.root, path)

    def described(self, description: Mapping[str, str]) -> S3Store:
        """The same store, over the same connection, with uploads that carry this description."""
        return S3Store(self.connection, self.root, part=self._part, description=description)

    def is_described(self, path: RemotePath) -> bool:
        """Whether an object carries the description that uploads do; NotFound."""
        with add_path_to_errors(path):
            said = head(self.connection, self.name(path)).headers
            return all(said.get(header) == value for header, value in self._description.items())

    # --- looking

    def info(self, path: RemotePath) -> Entry:
        """The entry of an object or directory; NotFound. An alias has the size, time and tag of its file.

        Where a key may read and not list, and the other way round, what it may is enough.
        """
        return self._look(path, self._behind)

    def _behind(self, path: RemotePath, name: Name) -> Entry:
        file, answer = head_behind(self.connection, name)
        return _entry(path, answer, alias_of=None if file == name else file.key)

    def _bare(self, path: RemotePath) -> Entry:
        """The entry of the name itself: no alias is followed."""
        return self._look(path, lambda path, name: _entry(path, head(self.connection, name)))

    def _look(self, path: RemotePath, entry: Callable[[RemotePath, Name], Entry]) -> Entry:
        name = self.name(path)
        with add_path_to_errors(path):
            if not path.parts:
                return Entry(path, Kind.DIRECTORY)  # nobody asks after what the profile says
            if not name.key:
                exists_below(self.connection, name)
                return Entry(path, Kind.DIRECTORY)
            try:
                return entry(path, name)
            except (NotFound, Forbidden) as error:
                if self._is_directory(name, error):
                    return Entry(path, Kind.DIRECTORY)
                raise

    def _is_directory(self, name: Name, error: CtadataError) -> bool:
        try:
            return exists_below(self.connection, name)
        except Forbidden as refusal:  # it may be a directory: nobody says that it does not exist
            raise (refusal if isinstance(error, NotFound) else error) from None

    def list(self, path: RemotePath) -> Iterator[Entry]:
        """The entries directly below a directory, as they arrive; NotFound, UsageError for a file, Incomplete.

        Above the buckets: the buckets of whoever asks.
        """
        name = self.name(path)
        with add_path_to_errors(path):
            if not name.bucket:
                yield from self._buckets(path)
                return
            found = not path.parts
            for entry in entries_below(self.connection, name, path):
                found = True
                if entry is not None:
                    yield entry
            if not found:
                head(self.connection, name)
                raise UsageError("a file, not a directory")

    def _buckets(self, path: RemotePath) -> Iterator[Entry]:
        for bucket in self.connection.call("list_buckets").get("Buckets", ()):
            created = bucket.get("CreationDate")
            yield Entry(path / bucket["Name"], Kind.DIRECTORY, mtime=created and created.timestamp())

    def digests(self, path: RemotePath) -> Mapping[str, str]:
        """What the server knows of an object's digests; NotFound."""
        with add_path_to_errors(path):
            name, answer = head_behind(self.connection, self.name(path))
            headers = answer.headers
            return digests_in(headers, whole=True) or self._of_parts(name, headers.get("ETag"))

    def _of_parts(self, name: Name, etag: str | None) -> Mapping[str, str]:
        """The digest of what came in parts, where the server tells of the first part how long it is."""
        try:
            first = self.connection.send("HEAD", name, query="partNumber=1").headers
        except CtadataError:
            return NO_CHECKSUMS
        count, length = first.get("x-amz-mp-parts-count"), first.get("Content-Length")
        known = count is not None and length is not None and length.isdecimal() and (etag or "").endswith(f'-{count}"')
        return etag_digest(etag, int(length or 0)) if known else NO_CHECKSUMS

    # --- reading

    def open(self, path: RemotePath) -> HttpReader:
        """An object, to be read; no request is sent before the first `send`."""
        name = self.name(path)
        getting = ObjectGet(self.connection, name)
        url = self.connection.endpoint.url(name)
        return HttpReader(getting, url, path, self._size, None, digests=_digests_of, kept_mtime=kept_mtime)

    def _size(self, path: RemotePath) -> int | None:
        entry = self.info(path)
        if entry.is_directory:
            raise UsageError("a directory, not a file", path=str(path))
        return entry.size

    # --- writing

    def write(self, path: RemotePath, source: Source, *, new: bool = False) -> Written:
        """Upload a file: it appears, or replaces the old one, when its last byte is there.

        AlreadyExists (with `new` a file of that name, if the server looks; a directory may bear it too), Interrupted,
        StorageFull, IntegrityError (the server got other bytes).
        """
        name, headers = self.name(path), self._description
        if source.mtime is not None:
            headers = {MTIME: written_mtime(source.mtime), **headers}
        with add_path_to_errors(path):
            if not name.key:
                raise AlreadyExists("a directory has this name")
            size = part_size(source.size, self._part)
            if source.size > size:
                return upload_in_parts(self.connection, name, source, size, headers, new=new)
            return self._put(name, source, headers, new=new)

    def _put(self, name: Name, source: Source, headers: Mapping[str, str], *, new: bool) -> Written:
        md5, payload = fingerprint(self.connection, source)
        said = {**headers, "Content-MD5": base64.b64encode(md5).decode()}
        if new:
            said["If-None-Match"] = "*"
        try:
            response = self.connection.upload(name, source, headers=said, payload=payload)
        except Unsupported:
            if not new:
                raise
            refuse_taken(self.connection, name)
            said.pop("If-None-Match")
            source.rewind()
            response = self.connection.upload(name, source, headers=said, payload=payload)
        etag = response.headers.get("ETag")
        checked = "md5" if (etag or "").strip('"') == md5.hex() else ""
        return Written(etag=etag, checked=checked, sent=f"md5:{md5.hex()}")

    def mkdir(self, path: RemotePath) -> None:
        """Make an empty directory, which those above it then are too; AlreadyExists where a file is in the way."""
        name = self.name(path)
        with add_path_to_errors(path):
            if not name.key:
                if path.parts:
                    exists_below(self.connection, name)
                return
            with contextlib.suppress(Forbidden):  # whoever may not look may write the mark all the same
                if exists_below(self.connection, name):
                    return
            self._refuse_files_above(path)
            self.connection.send("PUT", Name(name.bucket, name.prefix), body=b"", payload=NOTHING)

    def _refuse_files_above(self, path: RemotePath) -> None:
        for length in range(len(path.parts), 0, -1):
            above = RemotePath(path.parts[:length])
            if self.name(above).key and self._is_object(above):
                raise AlreadyExists("a file has this name", path=str(above))

    def _is_object(self, path: RemotePath) -> bool:
        try:
            head(self.connection, self.name(path))
        except (NotFound, Forbidden):  # what may not be looked at is not ours to make either
            return False
        return True

    def delete(self, path: RemotePath) -> None:
        """Delete an object or an empty directory; NotFound, UsageError where it is not empty."""
        refuse_root(path)
        name = self.name(path)
        with add_path_to_errors(path):
            if not self._bare(path).is_directory:
                self.connection.send("DELETE", name)
                return
            if not name.key:
                raise UsageError("a bucket is no directory", hint="remove-bucket takes it away")
            if others_below(self.connection, name):
                raise UsageError("the directory is not empty")
            self.connection.send("DELETE", Name(name.bucket, name.prefix))

    def count_tree(self, path: RemotePath) -> TreeCount:
        """All that `delete_tree` deletes below a directory, keys that no path can name included."""
        with add_path_to_errors(path):
            return count_below(self.connection, self.name(path))

    def delete_tree(self, path: RemotePath) -> None:
        """Delete a directory with all that lies below it, or an object; NotFound, UsageError (the root, a bucket).

        PartialFailure where the server kept some of it.
        """
        refuse_root(path)
        name = self.name(path)
        with add_path_to_errors(path):
            if not name.key:
                raise UsageError("a bucket is no directory", hint="remove-bucket -r takes it away with all it holds")
            if self._bare(path).is_directory:
                delete_below(self.connection, name, path)
            else:
                self.connection.send("DELETE", name)

    def move(self, source: RemotePath, target: RemotePath, *, replace: bool) -> None:
        """Rename an object, by a copy at the server; AlreadyExists where the target is taken, NotFound.

        What it carries goes along: its type, its metadata, what it is an alias of.
        """
        if source == target:
            raise UsageError("a file cannot be moved onto itself", path=str(source))
        with add_path_to_errors(source):
            if self._bare(source).is_directory:
                raise UsageError("a directory: only files are moved")
            self._refuse_target(target, replace=replace)
            name = self.name(source)
            copy_object(self.connection, name, self.name(target), head(self.connection, name).headers)
            self.connection.send("DELETE", name)

    def _refuse_target(self, target: RemotePath, *, replace: bool) -> None:
        try:
            there = self._bare(target)
        except NotFound:
            return
        if there.is_directory or not replace:
            raise AlreadyExists("the name is taken", path=str(target))

    def move_tree(self, source: RemotePath, target: RemotePath) -> None:  # noqa: ARG002
        """Unsupported: objects are renamed one by one."""
        raise Unsupported("S3 has no directories to rename", path=str(source))

    def share(
        self, path: RemotePath, *, lifetime: float, activities: Sequence[str] = (), addresses: Sequence[str] = ()
    ) -> Link:
        """A presigned URL of an object, for an alias of its file; NotFound (to download), UsageError, Unsupported."""
        name = self.name(path)
        with add_path_to_errors(path):
            wish = wished(lifetime=lifetime, activities=activities, addresses=addresses)
            there = self.info(path) if wish.method == "GET" else None
            if not name.key or (there and there.is_directory):
                raise Unsupported("a presigned URL opens one file, and this is a directory")
            if there and there.alias_of is not None:
                name = Name(name.bucket, there.alias_of)
            return presigned(self.connection, name, wish)

    def close(self) -> None:
        """Close the connections."""
        self.connection.close()


def _entry(path: RemotePath, response: Response, alias_of: str | None = None) -> Entry:
    headers = response.headers
    modified, etag = parse_date(headers.get("Last-Modified")), headers.get("ETag")
    size = size_in(headers.get("Content-Length") or "")
    return Entry(path, Kind.FILE, size, modified, etag, alias_of=alias_of, kept_mtime=kept_mtime(response))


def _digests_of(response: Response) -> Mapping[str, str]:
    return digests_in(response.headers, whole=response.status == 200)
