"""A WebDAV server as a store (RFC 4918), over the curl pool; what a kind of server adds is its `Dialect`."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from ctadata import fibers
from ctadata.checksums import parse_digests, want_digest_header
from ctadata.entries import NO_CHECKSUMS, Entry, Kind
from ctadata.errors import AlreadyExists, CtadataError, NotFound, PartialFailure, ServerTrouble, TimedOut, UsageError
from ctadata.http.client import Client
from ctadata.http.messages import Consumer, Response
from ctadata.paths import RemotePath
from ctadata.stores.base import Source, Written
from ctadata.stores.channel import ThreadedIterator
from ctadata.stores.duplicates import contradiction_error
from ctadata.stores.http_reader import HttpReader, get_content_encoding
from ctadata.stores.path_errors import add_path_to_errors, refuse_inside, refuse_root
from ctadata.stores.webdav.deletion import Deletion
from ctadata.stores.webdav.dialect import Dialect
from ctadata.stores.webdav.multistatus import Multistatus, read_refused_members, refusal_error
from ctadata.stores.webdav.quirks import SUSPICIOUS, UNKNOWN, Quirks, find_quirks
from ctadata.stores.webdav.read_error import explain_read_error

T = TypeVar("T")
_WAITS = (0.1, 0.2, 0.4, 0.8)  # seconds; dCache may show a checksum, even the name, only after its 201 (its issue 7467)
PROPFIND = (
    '<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/>'
    "<getlastmodified/><getetag/>{}</prop></propfind>"
)
"""The body that asks for the usual four properties, and for those put into the braces."""


class WebDAVStore:
    """The files below `root` at the WebDAV server `door`, `https://host:port`."""

    def __init__(
        self,
        client: Client,
        door: str,
        *,
        root: RemotePath,
        dialect: Dialect,
        wait: Callable[[float], object] = fibers.sleep,
    ) -> None:
        """No request is sent; the client is closed with the store. `wait` waits for seconds."""
        self.features = dialect.features
        self._client = client
        self._root = root
        self._top = door + (root.encoded if root.parts else "")
        self._dialect = dialect
        self._wait = wait
        self._quirks = dialect.quirks
        self._mute = False  # has answered without a digest

    def info(self, path: RemotePath) -> Entry:
        """The entry of one file or collection; NotFound."""
        with add_path_to_errors(path):
            for _ in range(2):
                listing = self._propfind(path, self._url(path), "0", lambda _: None)
                if not listing.ambiguous:
                    if listing.requested is None:
                        raise refusal_error(listing.status)
                    return listing.requested
            raise contradiction_error(path)

    def list(self, path: RemotePath) -> Iterator[Entry]:
        """The entries directly below a collection, as they arrive; NotFound, UsageError for a file, Incomplete.

        The request is sent when the first entry is asked for.
        """
        return ThreadedIterator(lambda give: self._list(path, give))

    def _list(self, path: RemotePath, give: Callable[[Sequence[Entry]], None]) -> None:
        with add_path_to_errors(path):
            try:
                listing = self._propfind(path, self._url(path, slash=True), "1", give)
            except CtadataError as error:
                # with the slash, Apache answers 400 for a file, others 404 or 405
                if error.status in (400, 404, 405, 409) and not self.info(path).is_directory:
                    raise _a_file() from error
                raise
            if listing.requested is None:
                raise refusal_error(listing.status)
            give(listing.recheck_ambiguous(self.info))
            if not listing.requested.is_directory:
                raise _a_file()
            listing.unlisted.raise_if_any(path)

    def _propfind(self, path: RemotePath, url: str, depth: str, give: Callable[[Sequence[Entry]], None]) -> Multistatus:
        listings: list[Multistatus] = []

        def accept(response: Response) -> Consumer:
            if response.status != 207:
                raise ServerTrouble(f"the server answers no WebDAV: {response.status} {response.reason}")
            if coding := get_content_encoding(response):
                raise ServerTrouble(f"the listing is encoded as {coding}, which nobody has asked for")
            self._quirks = self._dialect.quirks or find_quirks(response.headers.get("Server"))
            listing = Multistatus(path, root=self._root, raw=self._quirks.raw, alone=depth == "0")
            listings.append(listing)

            def consume(block: bytes) -> None:
                if entries := listing.feed(block):
                    give(entries)

            return consume

        headers = {"Depth": depth, "Content-Type": "application/xml; charset=utf-8", **dict(self._dialect.headers)}
        body = PROPFIND.format(self._dialect.properties).encode()
        self._client.send("PROPFIND", url, headers=headers, body=body, accept=accept)
        if entries := listings[-1].close():
            give(entries)
        return listings[-1]

    def open(self, path: RemotePath) -> HttpReader:
        """A file, to be read; no request is sent before the first `send`."""
        wanted = want_digest_header() if self.features.digests else None
        explain = functools.partial(self._explained, path)
        url = self._url(path)
        return HttpReader(self._client, url, path, self._size, wanted, explain=explain, mover_client=self._client)

    def _explained(self, path: RemotePath, error: CtadataError) -> CtadataError:
        return explain_read_error(error, path, self.features, self.info) if self.features.hides_forbidden else error

    def _size(self, path: RemotePath) -> int | None:
        entry = self.info(path)
        if entry.is_directory:
            raise UsageError("a directory, not a file", path=str(path))
        return entry.size

    def write(self, path: RemotePath, source: Source, *, new: bool = False) -> Written:
        """Upload a file; AlreadyExists for a collection's name, and with `new` for any taken one, if the server looks.

        NotFound where the collection above does not exist and the server does not make it.
        """
        headers = {}
        if new:
            headers["If-None-Match"] = "*"
        if self.features.keeps_mtime and source.mtime is not None:
            headers["X-OC-Mtime"] = str(int(source.mtime))
        if "adler32" in self.features.digests:
            headers["Want-Digest"] = "adler32"
        with add_path_to_errors(path):
            self._check_kept(path)
            try:
                response = self._client.send(
                    "PUT", self._url(path), headers=headers, body=source, await_redirect=self.features.redirects
                )
            except NotFound as error:
                if error.status == 409 and self._look(path) is Kind.DIRECTORY:
                    raise AlreadyExists("a directory has this name", status=409) from error
                raise
            if response.status not in (200, 201, 204):
                raise ServerTrouble(f"the server did not say that it has the file: {response.status} {response.reason}")
        digests = parse_digests(response.headers.get("Digest") or "") if "Want-Digest" in headers else NO_CHECKSUMS
        return Written(digests, response.headers.get("ETag"))

    def digests(self, path: RemotePath) -> Mapping[str, str]:
        """What the server knows of a stored file's digests, asked again for a second and a half; NotFound.

        One that is not known to keep any is asked as long as it answers: XRootD computes them.
        """
        with add_path_to_errors(path):
            if not self.features.digests:
                return self._digests_if_told(path)
            return self._soon(lambda: self._head(path), bool)

    def _digests_if_told(self, path: RemotePath) -> Mapping[str, str]:
        if self._mute:
            return NO_CHECKSUMS
        digests: Mapping[str, str] = NO_CHECKSUMS
        with contextlib.suppress(TimedOut):  # it would have to read a large file first
            digests = self._soon(lambda: self._head(path), lambda _: True)
        self._mute = not digests
        return digests

    def _head(self, path: RemotePath) -> dict[str, str]:
        response = self._client.send("HEAD", self._url(path), headers={"Want-Digest": want_digest_header()})
        return parse_digests(response.headers.get("Digest") or "")

    def mkdir(self, path: RemotePath) -> None:
        """Make a collection, and those above it where need be; AlreadyExists where a file is in the way."""
        with add_path_to_errors(path):
            self._check_kept(path)
            try:
                self._mkcol(path)
            except CtadataError as error:
                # no collection above: 409, or Apache's 400 below a file
                if error.status not in (400, 404, 409) or not path.parts:
                    raise
                self.mkdir(path.parent)
                self._mkcol(path, has_parent=True)

    def _mkcol(self, path: RemotePath, *, has_parent: bool = False, attempts: int = 3) -> None:
        try:
            self._client.send("MKCOL", self._url(path, slash=True))  # nginx wants the slash
        except CtadataError as error:
            # taken: 405, with the slash Apache's 400 for a file, 403 where one may not even ask; where two make it at
            # once, 500, 409, 423 and others; a busy server, and none at all, say nothing of the name
            if error.status in (0, 401, 429, 503) or (error.status in (404, 409) and path.parts and not has_parent):
                raise
            being_made = error.status in (405, 423)
            there = self._soon(lambda: self._look(path), bool) if being_made else self._look(path)
            if there is None:
                if error.status != 423 or attempts == 1:
                    raise
                self._mkcol(path, has_parent=has_parent, attempts=attempts - 1)  # the lock's holder has not made it
            if there is Kind.FILE:
                raise AlreadyExists("a file has this name", status=error.status) from error

    def delete(self, path: RemotePath) -> None:
        """Delete a file or an empty collection; NotFound, UsageError where it is not empty.

        DELETE of a collection takes all that is in it along (RFC 4918 section 9.6.1), so we look first; a file
        that somebody puts there in between is lost. Where one listing is no proof, we look twice: what may not be
        listed, the server does not delete either (it looks itself), and a trouble that passes is not met twice.
        """
        with add_path_to_errors(path):
            entry = self.info(path)
            looks = 2 if self.features.hides_forbidden else 1
            if entry.is_directory and (not path.parts or any(self._holds_any(path) for _ in range(looks))):
                raise UsageError("the directory is not empty")
            self._delete(path, entry.is_directory)

    def _holds_any(self, path: RemotePath) -> bool:
        return any(True for _ in self.list(path))

    def delete_tree(self, path: RemotePath) -> None:
        """Delete a collection with all that lies below it, or a file; NotFound, UsageError (the root)."""
        refuse_root(path)
        with add_path_to_errors(path):
            deletion = Deletion(self._delete, self._look, self.list, self._wait)
            deletion.delete(path, tree=self.info(path).is_directory)

    def _delete(self, path: RemotePath, collection: bool) -> None:
        self._check_all_done(self._client.send("DELETE", self._url(path, slash=collection)), path)

    def move(self, source: RemotePath, target: RemotePath, *, replace: bool) -> None:
        """Rename a file; AlreadyExists where the target is taken, a collection also with `replace`, NotFound.

        XRootD replaces whatever `replace` says. Unsupported for a name that this server is known to take for another;
        where nothing is known of it, one that has to be encoded is looked for afterwards: CtadataError.
        """
        with add_path_to_errors(source):
            if source == target:
                raise UsageError("a file cannot be moved onto itself")
            before = self._entry(target) if replace else None
            if before is not None and before.is_directory:  # the server would delete it with all that is in it
                raise AlreadyExists("a directory has this name", path=str(target))
            headers = {"Destination": self._destination(target), "Overwrite": "T" if replace else "F"}
            try:
                self._client.send("MOVE", self._url(source), headers=headers)
            except AlreadyExists as error:
                error.path = str(target)
                raise
            self._check_name(target, before)

    def move_tree(self, source: RemotePath, target: RemotePath) -> None:
        """Rename a collection; AlreadyExists where the target is taken, NotFound, UsageError (file, root, inside it).

        Both names end in a slash, which nginx wants. Servers that replace whatever they are told are never asked to.
        """
        refuse_inside(source, target)
        with add_path_to_errors(source):
            if not self.info(source).is_directory:
                raise _a_file()
            if self._look(target):
                raise AlreadyExists("the name is taken", path=str(target))
            headers = {"Destination": self._destination(target, slash=True), "Overwrite": "F"}
            try:
                response = self._client.send("MOVE", self._url(source, slash=True), headers=headers)
            except CtadataError as error:
                if self._look(target.parent) is not Kind.DIRECTORY:  # 409, Apache's 500
                    raise NotFound("the directory above does not exist", path=str(target)) from error
                raise
            self._check_all_done(response, source)
            self._check_name(target, None)

    def _check_all_done(self, response: Response, path: RemotePath) -> None:
        """PartialFailure where a 207 says that something below `path` was kept (RFC 4918 sections 9.6.1, 9.9.3)."""
        if response.status == 207:
            failures = read_refused_members(response, path, root=self._root)
            if failures or self._look(path):
                raise PartialFailure(failures or [refusal_error(500)], [])

    def _check_name(self, target: RemotePath, before: Entry | None) -> None:
        """CtadataError where a name that has to be encoded stands for what it stood for before the move."""
        if _is_plain(target) or self._quirks_for(target).proven:
            return
        if self._soon(lambda: self._entry(target), lambda there: there != before) == before:
            hint = "letters, digits and . _ - are understood everywhere"
            raise CtadataError("the server gave the file another name", hint=hint, path=str(target))

    def _check_kept(self, path: RemotePath) -> None:
        if any(letter in name for name in path.parts for letter in SUSPICIOUS):
            self._quirks_for(path).check(path)

    def _destination(self, target: RemotePath, *, slash: bool = False) -> str:
        return self._quirks_for(target).destination(self._url(target, slash=slash), target)

    def _quirks_for(self, path: RemotePath) -> Quirks:
        """How this server takes names; asked for where it has not answered yet, and the name is one to ask about.

        A listing tells, so the collection is looked at: what is to get the name is not there yet.
        """
        if self._quirks is None and not _is_plain(path):
            self._look(path.parent)
        return self._quirks or UNKNOWN

    def close(self) -> None:
        """Close the client's connections."""
        self._client.close()

    def _soon(self, ask: Callable[[], T], is_enough: Callable[[T], object]) -> T:
        """What `ask` gives; asked again for a second and a half, because some servers show late what they have.

        NotFound.
        """
        for pause in _WAITS:
            with contextlib.suppress(NotFound):
                if is_enough(found := ask()):
                    return found
            self._wait(pause)
        return ask()

    def _look(self, path: RemotePath) -> Kind | None:
        entry = self._entry(path)
        return None if entry is None else entry.kind

    def _entry(self, path: RemotePath) -> Entry | None:
        try:
            return self.info(path)
        except NotFound:
            return None

    def _url(self, path: RemotePath, *, slash: bool = False) -> str:
        url = self._top + (path.encoded if path.parts or not self._root.parts else "")
        return url + "/" if slash and not url.endswith("/") else url


def _is_plain(path: RemotePath) -> bool:
    return path.encoded == str(path)


def _a_file() -> UsageError:
    return UsageError("a file, not a directory")
