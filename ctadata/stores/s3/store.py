"""An S3 store: objects are files; prefixes that keys share up to a slash are directories.

A directory exists as long as a key lies below it; an empty directory is an object `name/` without bytes (its mark). An
object and a directory may have the same name; the name then means the object. The store sends no request that a key
for one directory may not send: no list of buckets, no HEAD of a bucket, no location, no access lists.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

from ctadata.entries import Entry, Kind
from ctadata.errors import AlreadyExists, CtadataError, Forbidden, NotFound, Unsupported, UsageError
from ctadata.http.messages import Response
from ctadata.paths import RemotePath
from ctadata.stores.base import Source, Written
from ctadata.stores.described import Description
from ctadata.stores.http_reader import HttpReader
from ctadata.stores.optional import TreeCount
from ctadata.stores.path_errors import add_path_to_errors, refuse_inside, refuse_root
from ctadata.stores.s3.address import Name, resolve_name
from ctadata.stores.s3.alias import resolve_alias
from ctadata.stores.s3.buckets import list_buckets
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.copy_check import CopiedObject
from ctadata.stores.s3.copy_object import CopyOptions, copy_object
from ctadata.stores.s3.description import UploadDescription, check_is_kept, describe
from ctadata.stores.s3.digests import digests_from_headers
from ctadata.stores.s3.directories import make_directory
from ctadata.stores.s3.errors import refusal
from ctadata.stores.s3.features import FEATURES
from ctadata.stores.s3.get_object import ObjectGet
from ctadata.stores.s3.head import digests_of_object, head
from ctadata.stores.s3.listing import count_tree_below, find_entry, has_keys, has_other_keys, list_entries
from ctadata.stores.s3.mtime import MTIME, format_mtime
from ctadata.stores.s3.multipart import part_size, upload_multipart
from ctadata.stores.s3.object_entry import entry_of, response_of
from ctadata.stores.s3.object_ops import delete_below
from ctadata.stores.s3.presigned import check_link_options, presign_entry
from ctadata.stores.s3.put_object import put_object
from ctadata.stores.s3.rename_prefix import journal_of, rename_prefix
from ctadata.stores.s3.unlisted_name import refuse_unlisted
from ctadata.stores.sharing import Link
from ctadata.stores.tree_renames import TreeRename


class S3Store:
    """The objects below `root`, `/bucket/prefix`; without a bucket in the root, paths begin with the bucket."""

    features = FEATURES

    def __init__(
        self,
        connection: Connection,
        root: RemotePath,
        *,
        part_size: int | None = None,
        uploads: UploadDescription = UploadDescription(),  # noqa: B008  (frozen)
    ) -> None:
        """Keep the connection, which is closed with the store; no request is sent.

        Args:
            connection: The server.
            root: The bucket and prefix of all paths; empty for all buckets.
            part_size: Bytes of a part of a large upload; None for the default.
            uploads: What each upload says about its object.
        """
        self.connection = connection
        self.uploads = uploads
        self._listed: set[int] = set()  # directories that the server has listed, by the hash of their names
        self.root = root
        self._part_size = part_size

    def name(self, path: RemotePath) -> Name:
        """Return the bucket and key of a path; both are empty above the buckets."""
        return resolve_name(self.root, path)

    def with_uploads(self, uploads: UploadDescription) -> S3Store:
        """Return the same store over the same connection, whose uploads say this about their objects."""
        return S3Store(self.connection, self.root, part_size=self._part_size, uploads=uploads)

    def is_described(self, path: RemotePath) -> bool:
        """Return whether an object has the description that uploads get; raise NotFound if there is no such object."""
        with add_path_to_errors(path):
            return self.uploads.is_that_of(self.connection, self.name(path))

    def describe(self, entry: Entry) -> tuple[Mapping[str, str], Description]:
        """Return the digests of an object, and what the server says about it beside its entry; see `Describes`."""
        with add_path_to_errors(entry.path):
            return describe(self.connection, self.name(entry.path), entry)

    def info(self, path: RemotePath) -> Entry:
        """Return the entry of an object or a directory; an alias has the size, time and tag of its file.

        A key that may read and not list, or list and not read, gets the answer from what it may do.

        Raises:
            NotFound: There is neither.
            Forbidden: The key may not find out whether there is one.
        """
        return self._stat(path, self._stat_target)

    def _stat_target(self, path: RemotePath, name: Name) -> Entry:
        """Return the entry of a name, with aliases followed to the file."""
        file, response = resolve_alias(self.connection, name)
        return entry_of(path, response, alias_of=None if file == name else file.key)

    def file_info(self, path: RemotePath) -> Entry:
        """Return the entry of an object, with one request; see `ReplacesNothing`."""
        with add_path_to_errors(path):
            return self._stat_target(path, self.name(path))

    def find_name(self, path: RemotePath) -> Entry:
        """Return the entry of the name itself, if possible with one request; see `FindsNames`."""
        with add_path_to_errors(path):
            return find_entry(self.connection, self.name(path), path) or self._lstat(path)

    def is_proven_to_refuse(self, path: RemotePath) -> bool:
        """Return whether the server has proved that it replaces nothing in this bucket; see `ReplacesNothing`."""
        return self.connection.condition.is_honoured(self.name(path).bucket)

    def _lstat(self, path: RemotePath) -> Entry:
        """Return the entry of the name itself; no alias is followed."""
        return self._stat(path, lambda path, name: entry_of(path, head(self.connection, name)))

    def _stat(self, path: RemotePath, entry: Callable[[RemotePath, Name], Entry]) -> Entry:
        name = self.name(path)
        with add_path_to_errors(path):
            if not path.parts:
                return Entry(path, Kind.DIRECTORY)  # the profile says that its root exists
            if not name.key:
                has_keys(self.connection, name)
                return Entry(path, Kind.DIRECTORY)
            try:
                return entry(path, name)
            except (NotFound, Forbidden) as error:
                if self._is_directory(name, error):
                    return Entry(path, Kind.DIRECTORY)
                raise

    def _is_directory(self, name: Name, error: CtadataError) -> bool:
        try:
            return has_keys(self.connection, name)
        except Forbidden as refused:  # it may be a directory, so this is no NotFound
            if isinstance(error, NotFound):
                raise refused from None
            signed = self.connection.signing_key(name.bucket) is not None
            raise refusal("read or listed", refused, signed=signed) from None

    def list(self, path: RemotePath) -> Iterator[Entry]:
        """Yield the entries directly below a directory as they arrive; above the buckets, the caller's buckets.

        Raises:
            NotFound: There is no such directory.
            UsageError: The path is a file.
            Unnameable: After all entries: no path can name some keys.
            Incomplete: After all entries: the server listed keys that lie elsewhere.
        """
        name = self.name(path)
        with add_path_to_errors(path):
            if not name.bucket:
                for bucket in list_buckets(self.connection):
                    yield Entry(path / bucket.name, Kind.DIRECTORY, mtime=bucket.created)
                return
            is_there = not path.parts
            for entry in list_entries(self.connection, name, path):
                is_there = True
                if entry is None:
                    continue
                if entry.is_directory:
                    self._listed.add(hash(self.name(entry.path)))
                yield entry
            if not is_there:
                refuse_unlisted(self.connection, name, was_listed=hash(name) in self._listed)

    def digests(self, path: RemotePath) -> Mapping[str, str]:
        """Return the digests that the server knows of an object; raise NotFound if there is none."""
        with add_path_to_errors(path):
            name, response = resolve_alias(self.connection, self.name(path))
            return digests_of_object(self.connection, name, response.headers)

    def open(self, path: RemotePath) -> HttpReader:
        """Open an object for reading; the first `send` sends the first request."""
        name = self.name(path)
        requests = ObjectGet(self.connection, name)
        url = self.connection.endpoint.url(name, as_is=True)
        tell = functools.partial(requests.entry, path)
        return HttpReader(requests, url, path, self._size, None, digests=_digests_of, entry=tell)

    def _size(self, path: RemotePath) -> int | None:
        entry = self.info(path)
        if entry.is_directory:
            raise UsageError("a directory, not a file", path=str(path))
        return entry.size

    def write(self, path: RemotePath, source: Source, *, new: bool = False) -> Written:
        """Upload a file; the object appears, or replaces the old one, when its last byte has arrived.

        Raises:
            AlreadyExists: With `new`, an object has this name. A directory may have the same name.
            Unsupported: The server has stored the file without the redirect, the encryption or the tags asked for.
            CtadataError: As `Store.write`.
        """
        name = self.name(path)
        headers = self.uploads.headers_of(name)
        if source.mtime is not None:
            headers = {MTIME: format_mtime(source.mtime), **headers}
        with add_path_to_errors(path):
            if not name.key:
                raise AlreadyExists("a directory has this name")
            size = part_size(source.size, self._part_size)
            if source.size > size:
                written = upload_multipart(self.connection, name, source, size, headers, new=new)
            else:
                written = put_object(self.connection, name, source, headers, new=new)
            check_is_kept(self.connection, name, headers)
            return written

    def mkdir(self, path: RemotePath) -> bool:
        """Create an empty directory, and with it the directories above; return False.

        Raises:
            AlreadyExists: One of the names is a file's.
        """
        with add_path_to_errors(path):
            make_directory(self.connection, self.root, path)
        return False

    def delete(self, path: RemotePath, *, directory: bool = False) -> None:
        """Delete an object or an empty directory; see `Store.delete`. It raises UsageError for a bucket too."""
        refuse_root(path)
        name = self.name(path)
        with add_path_to_errors(path):
            if not self._lstat(path).is_directory:
                if directory:
                    raise UsageError("it is a file, not a directory")
                self.connection.send("DELETE", name)
                return
            if not name.key:
                raise UsageError("a bucket is no directory", hint="remove-bucket deletes it")
            if has_other_keys(self.connection, name):
                raise UsageError("the directory is not empty")
            self.connection.send("DELETE", Name(name.bucket, name.prefix))

    def count_tree(self, path: RemotePath) -> TreeCount:
        """Count all that `delete_tree` deletes below a directory, keys that no path can name included."""
        with add_path_to_errors(path):
            return count_tree_below(self.connection, self.name(path))

    def delete_tree(self, path: RemotePath) -> None:
        """Delete a directory with all that lies below it, or an object; raise UsageError for the root and a bucket."""
        refuse_root(path)
        self.delete_entry(self._lstat(path) if self.name(path).key else Entry(path, Kind.DIRECTORY))

    def delete_entry(self, entry: Entry) -> None:
        """Delete a directory with all that lies below it, or an object, without asking for it; see `DeletesEntries`."""
        refuse_root(entry.path)
        name = self.name(entry.path)
        with add_path_to_errors(entry.path):
            if not name.key:
                raise UsageError("a bucket is no directory", hint="remove-bucket -r deletes it with all it holds")
            if entry.is_directory:
                delete_below(self.connection, name, entry.path)
            else:
                self.connection.send("DELETE", name)

    def move(self, source: RemotePath, target: RemotePath, *, replace: bool) -> None:
        """Rename an object: copy it at the server, then delete the old name. Its type, metadata and alias go along.

        Raises:
            NotFound: There is no such object.
            AlreadyExists: The target is a directory, or an object and `replace` is False.
            UsageError: The source is a directory, or the target itself.
        """
        if source == target:
            raise UsageError("a file cannot be moved onto itself", path=str(source))
        entry = self._lstat(source)
        if entry.is_directory:
            raise UsageError("this is a directory, and only files can be moved", path=str(source))
        with contextlib.suppress(NotFound):
            if self.find_name(target).is_directory or not replace:
                raise AlreadyExists("the name is taken", path=str(target))
        self.move_entry(entry, target, replace=replace)

    def move_entry(self, entry: Entry, target: RemotePath, *, replace: bool) -> None:
        """Rename an object as `move` does, but look at neither name again; see `MovesEntries`."""
        with add_path_to_errors(entry.path):
            name, found = self.name(entry.path), None if entry.alias_of else response_of(entry)
            copy_object(self.connection, name, self.name(target), CopyOptions(new=not replace, found=found))
            self.connection.send("DELETE", name)

    def copy_from(self, source: Name, target: RemotePath, options: CopyOptions) -> tuple[Entry, CopiedObject]:
        """Copy an object of this server to `target` at the server; return the copy, and how it was compared."""
        with add_path_to_errors(target):
            if not self.name(target).key:
                raise AlreadyExists("a directory has this name")
            copied = copy_object(self.connection, source, self.name(target), options)
            return entry_of(target, copied.response), copied

    def move_tree(self, source: RemotePath, target: RemotePath) -> None:  # noqa: ARG002
        """Raise Unsupported: S3 renames objects only one by one, as `rename_by_copy` does."""
        raise Unsupported("S3 has no directories to rename", path=str(source))

    def rename_by_copy(self, source: RemotePath, target: RemotePath, *, jobs: int) -> TreeRename:
        """Rename a directory by copies; see `RenamesByCopy`."""
        refuse_inside(source, target)
        names = self.name(source), self.name(target)
        with add_path_to_errors(source):
            if not (names[0].key and names[1].key):
                raise UsageError("a bucket cannot be renamed", hint="copy -r copies what it holds")
            return rename_prefix(self.connection, *names, jobs=jobs)

    def has_begun_rename(self, source: RemotePath, target: RemotePath) -> bool:
        """Return whether a rename of `source` to `target` is unfinished; see `RenamesByCopy`."""
        return journal_of(self.connection, self.name(source), self.name(target)).exists()

    def share(
        self, path: RemotePath, *, lifetime: float, activities: Sequence[str] = (), addresses: Sequence[str] = ()
    ) -> Link:
        """Return a presigned URL of an object; a link to an alias downloads its file.

        Args:
            path: The object.
            lifetime: Seconds that the link is valid.
            activities: `download` or `upload`; empty means `download`.
            addresses: Has to be empty.

        Raises:
            NotFound: There is no such object to download.
            UsageError: The lifetime is not between 1 second and 7 days.
            Unsupported: The path is a directory, or the link cannot do what the options ask for.
        """
        with add_path_to_errors(path):
            request = check_link_options(lifetime=lifetime, activities=activities, addresses=addresses)
            entry = self.info(path) if request.method == "GET" else None
            return presign_entry(self.connection, self.name(path), request, entry)

    def close(self) -> None:
        """Close the connections."""
        self.connection.close()


def _digests_of(response: Response) -> Mapping[str, str]:
    whole = response.status == 200 and response.headers.get("Content-Range") is None
    return digests_from_headers(response.headers, whole=whole)
