"""The platform's download service as a store: `/list`, `/fetch`, `/upload`, and `/webdav` for what these do not tell.

Facts about the service (downloadservice 0.7.11; each has a test):

- It decodes a path twice, so this store encodes names twice.
- It redirects a request without a login to the hub, but answers 401 to `Content-Type: application/json`. The store
  never follows a redirect.
- `/upload` writes below the home of the token's user, in place. It can neither rename nor delete, so an upload that
  breaks off leaves a broken file. The service takes a truncated body with a Content-Length for complete, but not a
  chunked one.
- When it overwrites a file, it answers 204 and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn

from ctadata import fibers
from ctadata.digest_headers import parse_digests, want_digest_header
from ctadata.entries import NO_CHECKSUMS, Entry, Kind
from ctadata.errors import (
    AccessError,
    AlreadyExists,
    CtadataError,
    Forbidden,
    LoginNeeded,
    NotFound,
    ServerTrouble,
    Stopped,
    Unsupported,
    UsageError,
)
from ctadata.http.client import Client
from ctadata.http.messages import Consumer, Response
from ctadata.paths import RemotePath
from ctadata.stores.base import Features, Source, Written
from ctadata.stores.dcache.dialect import CHECKSUMS
from ctadata.stores.download_service.fetch import ServiceReading
from ctadata.stores.download_service.listing import Row, parse_listing
from ctadata.stores.download_service.messages import check_receipt
from ctadata.stores.download_service.requests import CHUNKED, ChunkedBody, ServiceRequests
from ctadata.stores.duplicates import contradiction_error
from ctadata.stores.late_answers import WAITS
from ctadata.stores.path_errors import add_path_to_errors, refuse_inside, refuse_root
from ctadata.stores.unlisted import Unlisted
from ctadata.stores.webdav.multistatus import Multistatus
from ctadata.stores.webdav.propfind import PROPFIND_BODY
from ctadata.tokens.user_name import platform_name

BASES = ("lst", "cta")
"""The directories that may contain `users`; the service takes the first one whose `users` it may list."""

BROKEN_HINT = "the file there may be broken now: upload it again"
"""The cure for an upload that failed in place."""

MAX_LISTING = 256 << 20
"""The largest listing in bytes."""

_XML = {"Content-Type": "application/xml; charset=utf-8", "Depth": "0"}


Rows = list[Row]  # the class below has a method of that name


class DownloadService:
    """The files that the service at `address` gives access to, for example `https://host/services/downloadservice`."""

    features = Features(
        can_move=False,
        parallel_reads=False,
        hides_forbidden=True,
        digests=("adler32", "md5", "sha", "sha-256", "sha-512"),
    )

    def __init__(
        self,
        client: Client,
        address: str,
        *,
        user: Callable[[], str],
        chunk_size: int | None = None,
        wait: Callable[[float], object] = fibers.sleep,
    ) -> None:
        """Keep the client, which is closed with the store; no request is sent.

        Args:
            client: The HTTP client.
            address: The address of the service.
            user: Returns the name of the token's user at the hub; called once, when the home is needed.
            chunk_size: Bytes that the service reads at a time; None for its default.
            wait: Waits for a number of seconds.
        """
        self._client = client
        self._requests = ServiceRequests(client, address, chunk_size)
        self._user = user
        self._wait = wait
        self._ranged: dict[RemotePath, bool] = {}
        self._tells_digests = False
        self._home: RemotePath | None = None
        self._lock = fibers.Lock()

    # --- entries

    def info(self, path: RemotePath) -> Entry:
        """Return the entry of a file or a collection; raise NotFound if there is none."""
        return self._rows(path)[0][0].entry

    def list(self, path: RemotePath) -> Iterator[Entry]:
        """Yield the entries directly below a collection.

        Raises:
            NotFound: There is no such collection.
            UsageError: The path is a file.
            Incomplete: After all entries: the service listed elements that do not lie there.
        """
        (itself, *below), unlisted = self._rows(path)
        if not itself.entry.is_directory:
            raise UsageError("a file, not a directory", path=str(path))
        yield from (row.entry for row in below)
        unlisted.raise_if_any(path)

    def rows(self, path: RemotePath) -> Rows:
        """Return the service's listing with its texts: the collection or file itself, then what lies directly below it.

        Raises:
            NotFound: There is no such collection or file.
            Incomplete: The service listed elements that do not lie there.
        """
        rows, unlisted = self._rows(path)
        unlisted.raise_if_any(path)
        return rows

    def _rows(self, path: RemotePath) -> tuple[Rows, Unlisted]:
        body = bytearray()

        def consume(block: memoryview) -> None:
            if len(body) > MAX_LISTING:
                raise ServerTrouble(f"the listing is longer than {MAX_LISTING >> 20} MiB")
            body.extend(block)

        with add_path_to_errors(path):
            self._requests.send("GET", "list", path, accept=lambda _: consume)
            return parse_listing(bytes(body), path)

    def version(self, path: RemotePath) -> Entry:
        """Return the entry of a file with the size, tag and digests that `/webdav` tells, or else as `/list` does.

        Raises:
            NotFound: There is no such file.
        """
        try:
            return self._properties(path)
        except (NotFound, AccessError, Stopped):
            raise
        except CtadataError:
            return self.info(path)

    def _properties(self, path: RemotePath) -> Entry:
        listing = Multistatus(path, root=self._requests.webdav, alone=True)

        def accept(response: Response) -> Consumer:
            if response.status != 207:
                raise ServerTrouble(f"the service's answer is no WebDAV: {response.status} {response.reason}")

            def consume(block: memoryview) -> None:
                listing.feed(block)

            return consume

        self._requests.send(
            "PROPFIND", "webdav", path, headers=_XML, body=PROPFIND_BODY.format(CHECKSUMS).encode(), accept=accept
        )
        listing.close()
        if listing.ambiguous:
            raise contradiction_error(path)
        if listing.requested is None:
            raise ServerTrouble(f"the service returns no properties of it: {listing.status}")
        self._tells_digests = self._tells_digests or bool(listing.requested.checksums)
        return listing.requested

    def digests(self, path: RemotePath) -> Mapping[str, str]:
        """Return the digests that the storage knows of a file; raise NotFound if there is none.

        If the storage has digests of other files, wait up to 1.5 s for this one's.
        """
        with add_path_to_errors(path):
            for pause in (*WAITS, 0.0):
                digests = self._request_digests(path)
                if digests or not self._tells_digests:
                    return digests
                self._wait(pause)
        return NO_CHECKSUMS

    def _request_digests(self, path: RemotePath) -> Mapping[str, str]:
        try:
            response = self._requests.send("HEAD", "webdav", path, headers={"Want-Digest": want_digest_header()})
        except (ServerTrouble, Unsupported):
            return NO_CHECKSUMS
        digests = parse_digests(response.headers.get("Digest") or "")
        self._tells_digests = self._tells_digests or bool(digests)
        return digests

    # --- reading

    def open(self, path: RemotePath) -> ServiceReading:
        """Open a file for reading; the first `send` sends the first request."""
        return ServiceReading(self._requests, self.version, path, self._ranged)

    # --- writing

    @property
    def home(self) -> RemotePath:
        """The directory that the service uploads to; raises Forbidden if there is none."""
        with self._lock:
            if self._home is None:
                self._home = self._users_directory() / platform_name(self._user())
            return self._home

    def _users_directory(self) -> RemotePath:
        refusals, advice = [], ""
        for base in BASES:
            users = RemotePath((base, "users"))
            try:
                self.version(users)
            except LoginNeeded:
                raise
            except (NotFound, Forbidden) as error:
                refusals.append(f"{users}: {error.what}")
                advice = advice or error.hint
            else:
                return users
        raise Forbidden(f"you have no home to upload to: {'; '.join(refusals)}", hint=advice)

    def write(self, path: RemotePath, source: Source, *, new: bool = False) -> Written:  # noqa: ARG002
        """Upload a file below the home, in place.

        `new` is ignored, because the service cannot tell whether the name is taken.

        Raises:
            Forbidden: The path is not below the home.
            AlreadyExists: A collection has this name.
            NotFound: The collection above does not exist.
            IntegrityError: The service received another number of bytes.
        """
        with add_path_to_errors(path):
            below = self._below_home(path)
            body = ChunkedBody(source)
            try:
                if ".." in str(path):  # /upload refuses such a name
                    self._requests.send("PUT", "webdav", path, body=body, headers=CHUNKED)
                    return Written()
                response = self._requests.send("POST", "upload", below, body=body, headers=CHUNKED)
                if response.status != 204:
                    check_receipt(response, path, source.size)
            except CtadataError as error:
                self._raise_upload_error(path, error)
        return Written()

    def _below_home(self, path: RemotePath) -> RemotePath:
        try:
            below = RemotePath(path.relative_to(self.home))
        except ValueError:
            below = RemotePath()
        if not below.parts:
            raise Forbidden("you may write only below your home", hint=f"your home is {self.home}")
        return below

    def _raise_upload_error(self, path: RemotePath, error: CtadataError) -> NoReturn:
        """Raise the error of an upload with the reason that its status does not tell."""
        if error.status in (405, 409) and self._kind_of(path) is Kind.DIRECTORY:
            raise AlreadyExists("a directory has this name", status=error.status) from error
        if error.status == 409:
            raise NotFound("the directory above does not exist", status=409) from error
        if error.retryable:
            error.hint = BROKEN_HINT
        raise error

    def mkdir(self, path: RemotePath) -> bool:
        """Create a collection, and the missing ones above; raise AlreadyExists if a file has one of the names."""
        with add_path_to_errors(path):
            if self._is_there(path):
                return False
            if path != self.home:
                self._below_home(path)
            try:
                self._mkcol(path)
            except CtadataError as error:
                if error.status not in (404, 409):
                    raise
                self.mkdir(path.parent)
                self._mkcol(path)
        return False

    def _mkcol(self, path: RemotePath) -> None:
        try:
            self._requests.send("MKCOL", "webdav", path, slash=True)  # the home itself needs the slash
        except CtadataError as error:
            if error.status in (404, 409) or not self._is_there(path):
                raise

    def _is_there(self, path: RemotePath) -> bool:
        kind = self._kind_of(path)
        if kind is Kind.FILE:
            raise AlreadyExists("a file has this name")
        return kind is Kind.DIRECTORY

    def _kind_of(self, path: RemotePath) -> Kind | None:
        try:
            return self.info(path).kind
        except NotFound:
            return None

    # --- operations that the service does not have

    def delete(self, path: RemotePath, *, directory: bool = False) -> None:  # noqa: ARG002
        """Raise Unsupported; NotFound for a missing name, UsageError for the root."""
        refuse_root(path)
        self.info(path)
        raise _unsupported("delete", path)

    def delete_tree(self, path: RemotePath) -> None:
        """Raise Unsupported; NotFound for a missing name, UsageError for the root."""
        self.delete(path)

    def move(self, source: RemotePath, target: RemotePath, *, replace: bool) -> None:  # noqa: ARG002
        """Raise Unsupported; NotFound for a missing source, UsageError if both paths are the same."""
        if source == target:
            raise UsageError("a file cannot be moved onto itself", path=str(source))
        self.info(source)
        raise _unsupported("rename", source)

    def move_tree(self, source: RemotePath, target: RemotePath) -> None:
        """Raise Unsupported; UsageError for the root, or for a target inside the source."""
        refuse_inside(source, target)
        raise _unsupported("rename", source)

    def close(self) -> None:
        """Close the client's connections."""
        self._client.close()


def _unsupported(verb: str, path: RemotePath) -> Unsupported:
    what, hint = f"the download service cannot {verb}", "use the storage itself: cta-data-direct"
    return Unsupported(what, hint=hint, path=str(path))
