"""A WebDAV server as a store (RFC 4918). A `Dialect` holds what one kind of server does differently."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

from ctadata import fibers
from ctadata.digest_headers import parse_digests, want_digest_header
from ctadata.entries import NO_CHECKSUMS, Entry, Kind
from ctadata.errors import AlreadyExists, CtadataError, NotFound, PartialFailure, ServerTrouble, TimedOut, UsageError
from ctadata.http.client import Client
from ctadata.http.messages import NO_HEADERS
from ctadata.paths import RemotePath
from ctadata.stores.base import Source, Written
from ctadata.stores.channel import ThreadedIterator
from ctadata.stores.duplicates import contradiction_error
from ctadata.stores.http_reader import HttpReader
from ctadata.stores.late_answers import repeat_until
from ctadata.stores.optional import find_or_none
from ctadata.stores.path_errors import add_path, add_path_to_errors, refuse_inside, refuse_root
from ctadata.stores.webdav.confirmation import CONFIRMING, check_change
from ctadata.stores.webdav.creation_date import read_creation_date
from ctadata.stores.webdav.dialect import Dialect
from ctadata.stores.webdav.multistatus import refusal_error
from ctadata.stores.webdav.propfind import Propfind
from ctadata.stores.webdav.quirks import SUSPICIOUS, UNKNOWN, Quirks
from ctadata.stores.webdav.read_error import explain_read_error

_Headers = Mapping[str, str]
_AskDigests = Callable[[], dict[str, str]]
_Look = Callable[[], object]


class WebDAVStore:
    """The files below `root` on a WebDAV server. `Store` says what each method promises."""

    def __init__(
        self,
        client: Client,
        door: str,
        *,
        root: RemotePath,
        dialect: Dialect,
        wait: Callable[[float], object] = fibers.sleep,
    ) -> None:
        """Create the store. No request is sent; closing the store closes the client.

        Args:
            client: Sends the requests.
            door: The origin of the server.
            root: The path on the server that is the root of the store.
            dialect: What this kind of server does differently.
            wait: Waits for a number of seconds.
        """
        self.features = dialect.features
        self._client = client
        self._root = root
        self._top = door + (root.encoded if root.parts else "")
        self._propfind = Propfind(client, root, dialect)
        self._wait = wait
        self._has_no_digests = False  # the server has answered without a digest

    def info(self, path: RemotePath) -> Entry:
        """Return the entry of one file or collection (PROPFIND, depth 0); see `Store.info`."""
        with add_path_to_errors(path):
            for _ in range(2):
                listing = self._propfind.send(path, self._url(path), depth="0", put=lambda _: None)
                if not listing.ambiguous:
                    if listing.requested is None:
                        raise refusal_error(listing.status)
                    return listing.requested
            raise contradiction_error(path)

    def created(self, path: RemotePath) -> float | None:
        """Return when a resource was created; see `TellsCreation`."""
        with add_path_to_errors(path):
            return read_creation_date(self._client, self._url(path))

    def list(self, path: RemotePath) -> Iterator[Entry]:
        """Yield the entries directly below a collection as they arrive (PROPFIND, depth 1); see `Store.list`.

        The request is sent when the first entry is requested.
        """
        return ThreadedIterator(lambda put: self._list(path, put))

    def _list(self, path: RemotePath, put: Callable[[Sequence[Entry]], None]) -> None:
        with add_path_to_errors(path):
            try:
                listing = self._propfind.send(path, self._url(path, slash=True), depth="1", put=put)
            except CtadataError as error:
                # for a file with a slash, Apache sends 400, others 404 or 405
                if error.status in (400, 404, 405, 409) and not self.info(path).is_directory:
                    raise _not_a_directory() from error
                raise
            if listing.requested is None:
                raise refusal_error(listing.status)
            put(listing.recheck_ambiguous(self.info))
            if not listing.requested.is_directory:
                raise _not_a_directory()
            listing.unlisted.raise_if_any(path)

    def open(self, path: RemotePath) -> HttpReader:
        """Return a reader of a file. No request is sent before the first `send`."""
        client, digests = self._client, want_digest_header() if self.features.digests else None
        explain = functools.partial(self._explain, path)
        return HttpReader(client, self._url(path), path, self._size, digests, explain=explain, mover_client=client)

    def _explain(self, path: RemotePath, error: CtadataError) -> CtadataError:
        return explain_read_error(error, path, self.features, self.info) if self.features.hides_forbidden else error

    def _size(self, path: RemotePath) -> int | None:
        entry = self.info(path)
        if entry.is_directory:
            raise UsageError("a directory, not a file", path=str(path))
        return entry.size

    def write(self, path: RemotePath, source: Source, *, new: bool = False) -> Written:
        """Upload a file; see `Store.write`. With `new` it sends `If-None-Match: *`, which not every server honours."""
        headers = {"If-None-Match": "*"} if new else {}
        if self.features.keeps_mtime and (mtime := source.mtime) is not None:
            headers["X-OC-Mtime"] = str(int(mtime))
        if "adler32" in self.features.digests:
            headers["Want-Digest"] = "adler32"
        try:
            self._check_storable(path)
            response = self._client.send(
                "PUT", self._url(path), headers=headers, body=source, await_redirect=self.features.redirects
            )
            if response.status not in (200, 201, 204):
                raise ServerTrouble(f"the server did not confirm the upload: {response.status} {response.reason}")
        except CtadataError as error:
            if isinstance(error, NotFound) and error.status == 409 and self._look(path) is Kind.DIRECTORY:
                raise AlreadyExists("a directory has this name", path=str(path), status=409) from error
            add_path(error, path)
            raise
        digest = response.headers.values.get("digest")
        digests = parse_digests(digest) if digest and "Want-Digest" in headers else NO_CHECKSUMS
        return Written(digests, response.headers.values.get("etag"), was_repeated=response.was_repeated)

    def digests(self, path: RemotePath) -> Mapping[str, str]:
        """Return the digests that the server keeps of a stored file; the request is repeated for 1.5 s at most.

        If the server is not known to keep any, it receives such requests until it sends no digest: XRootD computes
        them.
        """
        is_enough = bool if self.features.digests else lambda _: True
        return self._ask_digests(path, lambda ask: repeat_until(ask, is_enough, self._wait))

    def digests_now(self, path: RemotePath) -> Mapping[str, str]:
        """Return the digests that the server keeps of a file that is not new; see `TellsDigests`."""
        return self._ask_digests(path, lambda ask: ask())

    def _ask_digests(self, path: RemotePath, repeat: Callable[[_AskDigests], dict[str, str]]) -> Mapping[str, str]:
        digests: Mapping[str, str] = NO_CHECKSUMS
        if self._has_no_digests and not self.features.digests:
            return digests
        with add_path_to_errors(path):
            ask = functools.partial(self._head, path)
            if self.features.digests:
                return repeat(ask)
            try:
                digests = repeat(ask)
            except CtadataError as error:  # the server would have to read a large file first, or has no HEAD
                if not isinstance(error, TimedOut) and error.status not in (405, 501):
                    raise
            self._has_no_digests = not digests
        return digests

    def _head(self, path: RemotePath) -> dict[str, str]:
        response = self._client.send("HEAD", self._url(path), headers={"Want-Digest": want_digest_header()})
        return parse_digests(response.headers.get("Digest") or "")

    def mkdir(self, path: RemotePath) -> bool:
        """Make a collection, and those above it that are missing; see `Store.mkdir`."""
        with add_path_to_errors(path):
            self._check_storable(path)
            try:
                return self._mkcol(path)
            except CtadataError as error:
                # the collection above is missing: 409, or Apache's 400 below a file
                if error.status not in (400, 404, 409) or not path.parts:
                    raise
                self.mkdir(path.parent)
                return self._mkcol(path, has_parent=True)

    def _mkcol(self, path: RemotePath, *, has_parent: bool = False, attempts: int = 3) -> bool:
        try:
            # nginx requires the slash
            return self._change("MKCOL", path, lambda: self._look(path) is Kind.DIRECTORY, slash=True) == 201
        except CtadataError as error:
            # The name is taken: 405; for a file Apache sends 400, because of the slash; 403 if the caller may not look.
            # Two clients make it at the same time: 500, 409, 423 and others. A busy server, or no connection, says
            # nothing about the name.
            if error.status in (0, 401, 429, 503) or (error.status in (404, 409) and path.parts and not has_parent):
                raise
            is_in_progress = error.status in (405, 423)
            kind = repeat_until(lambda: self._look(path), bool, self._wait) if is_in_progress else self._look(path)
            if kind is None:
                if error.status != 423 or attempts == 1:
                    raise
                self._mkcol(path, has_parent=has_parent, attempts=attempts - 1)  # the lock's holder did not make it
            if kind is Kind.FILE:
                raise AlreadyExists("a file has this name", status=error.status) from error
        return False

    def delete(self, path: RemotePath, *, directory: bool = False) -> None:
        """Delete a file or an empty collection; see `Store.delete`.

        DELETE of a collection deletes all that is in it (RFC 4918 section 9.6.1), so this method lists the collection
        first. A file that another client puts there in between is lost. If one empty listing proves nothing
        (`hides_forbidden`), it lists twice: a server does not delete a collection that the caller may not list, because
        it lists it itself, and a passing failure does not happen twice.
        """
        with add_path_to_errors(path):
            entry = self.info(path)
            if directory and not entry.is_directory:
                raise _not_a_directory()
            looks = 2 if self.features.hides_forbidden else 1
            if entry.is_directory and (not path.parts or any(self._holds_any(path) for _ in range(looks))):
                raise UsageError("the directory is not empty")
            self._delete(path, entry.is_directory)

    def delete_file(self, path: RemotePath) -> None:
        """Delete a file that the caller has just looked up, or has made; see `DeletesFiles`."""
        with add_path_to_errors(path):
            self._delete(path, False)

    def _holds_any(self, path: RemotePath) -> bool:
        return any(True for _ in self.list(path))

    def delete_tree(self, path: RemotePath) -> None:
        """Delete a file, or a collection with all that lies below it; see `Store.delete_tree`."""
        from ctadata.stores.webdav.deletion import Deletion  # imported late: most commands delete no tree

        refuse_root(path)
        with add_path_to_errors(path):
            Deletion(self._delete, self._look, self.list, self._wait).delete(path, tree=self.info(path).is_directory)

    def _delete(self, path: RemotePath, collection: bool) -> None:
        self._change("DELETE", path, lambda: self._look(path) is None, slash=collection)

    def move(self, source: RemotePath, target: RemotePath, *, replace: bool) -> None:
        """Rename a file; see `Store.move`.

        XRootD replaces an existing file whatever `replace` says. If the server cannot be identified and the new name
        has to be encoded, this method looks the new name up afterwards, and raises CtadataError if the server gave the
        file another name.
        """
        try:
            if source == target:
                raise UsageError("a file cannot be moved onto itself")
            before = find_or_none(self, target) if replace else None
            if before is not None and before.is_directory:  # the server would delete its members too
                raise AlreadyExists("a directory has this name", path=str(target))
            headers = {"Destination": self._destination(target), "Overwrite": "T" if replace else "F"}
            try:
                self._change("MOVE", source, lambda: self._is_renamed(source, target), headers=headers)
            except AlreadyExists as error:
                error.path = str(target)
                raise
            except NotFound as error:
                if error.status == 409 and self._look(target.parent) is not Kind.DIRECTORY:
                    raise NotFound("the directory above does not exist", path=str(target), status=409) from error
                raise
            self._check_new_name(target, before)
        except CtadataError as error:
            add_path(error, source)
            raise

    def move_tree(self, source: RemotePath, target: RemotePath) -> None:
        """Rename a collection; see `Store.move_tree`.

        Both names end in a slash, because nginx requires it. Some servers replace the target whatever the request says,
        so this method looks the target up first.
        """
        refuse_inside(source, target)
        with add_path_to_errors(source):
            if not self.info(source).is_directory:
                raise _not_a_directory()
            if self._look(target):
                raise AlreadyExists("the name is taken", path=str(target))
            headers = {"Destination": self._destination(target, slash=True), "Overwrite": "F"}
            try:
                self._change("MOVE", source, lambda: self._is_renamed(source, target), slash=True, headers=headers)
            except PartialFailure:
                raise
            except CtadataError as error:
                if self._look(target.parent) is not Kind.DIRECTORY:  # dCache sends 409, Apache 500
                    raise NotFound("the directory above does not exist", path=str(target)) from error
                raise
            self._check_new_name(target, None)

    def _change(
        self, method: str, path: RemotePath, is_done: _Look, *, slash: bool = False, headers: _Headers = NO_HEADERS
    ) -> int:
        """Send a request that changes the storage, and return the status; `check_change` checks an unusual success."""
        response = self._client.send(method, self._url(path, slash=slash), headers=headers)
        if response.status not in CONFIRMING or self._client.is_foreign(response):
            check_change(response, path, lambda: repeat_until(is_done, bool, self._wait), root=self._root)
        return response.status

    def _is_renamed(self, source: RemotePath, target: RemotePath) -> bool:
        return self._look(source) is None and self._look(target) is not None

    def _check_new_name(self, target: RemotePath, before: Entry | None) -> None:
        """Raise CtadataError if an encoded name still stands for the same as before the move."""
        if self._quirks_for(target).proven or _is_plain(target):
            return
        if repeat_until(lambda: find_or_none(self, target), lambda after: after != before, self._wait) == before:
            hint = "letters, digits and . _ - are understood everywhere"
            raise CtadataError("the server gave the file another name", hint=hint, path=str(target))

    def _check_storable(self, path: RemotePath) -> None:
        if any(map(SUSPICIOUS.intersection, path.parts)):
            self._quirks_for(path).check(path)

    def _destination(self, target: RemotePath, *, slash: bool = False) -> str:
        return self._quirks_for(target).destination(self._url(target, slash=slash), target)

    def _quirks_for(self, path: RemotePath) -> Quirks:
        """Return how this server takes names; if it has not answered yet and the path has to be encoded, ask first.

        The new name does not exist yet, so the request is for the collection above.
        """
        if self._propfind.quirks is None and not _is_plain(path):
            self._look(path.parent)
        return self._propfind.quirks or UNKNOWN

    def close(self) -> None:
        """Close the connections of the client."""
        self._client.close()

    def _look(self, path: RemotePath) -> Kind | None:
        return entry.kind if (entry := find_or_none(self, path)) else None

    def _url(self, path: RemotePath, *, slash: bool = False) -> str:
        url = self._top + (path.encoded if path.parts or not self._root.parts else "")
        return url + "/" if slash and not url.endswith("/") else url


def _is_plain(path: RemotePath) -> bool:
    return path.encoded == str(path)


def _not_a_directory() -> UsageError:
    return UsageError("a file, not a directory")
