"""The platform's download service as a store: `/list`, `/fetch`, `/upload`, and `/webdav` for what those do not say.

What the service teaches (downloadservice 0.7.11; each has a test):

- It decodes a path twice, so names are encoded twice.
- Without a login it sends browsers to the hub; asked with `Content-Type: application/json` it says 401. A redirect is
  never followed.
- `/upload` writes below the home of the token's user, in place: it can neither rename nor delete, so an upload that
  breaks off leaves a broken file. A body with a length that is cut is taken for whole; a chunked one is not.
- Overwriting, it answers 204 and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn

from ctadata import fibers
from ctadata.checksums import parse_digests, want_digest_header
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
from ctadata.stores.download_service.listing import Row, read_rows
from ctadata.stores.download_service.messages import check_receipt
from ctadata.stores.download_service.requests import CHUNKED, Whole, Wire
from ctadata.stores.duplicates import contradiction_error
from ctadata.stores.path_errors import add_path_to_errors, refuse_inside, refuse_root
from ctadata.stores.unlisted import Unlisted
from ctadata.stores.webdav.multistatus import Multistatus
from ctadata.stores.webdav.store import PROPFIND
from ctadata.tokens.user_name import platform_name

BASES = ("lst", "cta")
"""Where homes may be; the service takes the first whose `users` it may list."""

BROKEN = "what is there now may be broken: send it again"
"""What to know of an upload that failed: it was in place."""

LONGEST = 256 << 20
"""Bytes of a listing at most."""

_XML = {"Content-Type": "application/xml; charset=utf-8", "Depth": "0"}
_WAITS = (0.1, 0.2, 0.4, 0.8)  # seconds; dCache may know a checksum only after its 201


Rows = list[Row]  # the class below has a method of that name


class DownloadService:
    """The files that the service at `address`, `https://host/services/downloadservice`, gives access to."""

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
        """No request is sent; the client is closed with the store.

        user: the name of the token's user at the hub, asked for once where the home is needed.
        chunk_size: bytes that the service reads at a time; None: as it likes.   wait: waits for seconds.
        """
        self._client = client
        self._wire = Wire(client, address, chunk_size)
        self._user = user
        self._wait = wait
        self._ranged: dict[RemotePath, bool] = {}
        self._tells_digests = False
        self._home: RemotePath | None = None
        self._lock = fibers.Lock()

    # --- what is there

    def info(self, path: RemotePath) -> Entry:
        """The entry of one file or collection; NotFound."""
        return self._rows(path)[0][0].entry

    def list(self, path: RemotePath) -> Iterator[Entry]:
        """The entries directly below a collection; NotFound, UsageError for a file, Incomplete."""
        (itself, *below), unlisted = self._rows(path)
        if not itself.entry.is_directory:
            raise UsageError("a file, not a directory", path=str(path))
        yield from (row.entry for row in below)
        unlisted.raise_if_any(path)

    def rows(self, path: RemotePath) -> Rows:
        """What the service lists, as it tells it: the collection or file itself, then what lies in it.

        NotFound; Incomplete where it lists what does not lie there.
        """
        rows, unlisted = self._rows(path)
        unlisted.raise_if_any(path)
        return rows

    def _rows(self, path: RemotePath) -> tuple[Rows, Unlisted]:
        body = bytearray()

        def consume(block: bytes) -> None:
            if len(body) > LONGEST:
                raise ServerTrouble("the listing has no end")
            body.extend(block)

        with add_path_to_errors(path):
            self._wire.ask("GET", "list", path, accept=lambda _: consume)
            return read_rows(bytes(body), path)

    def version(self, path: RemotePath) -> Entry:
        """A file as `/webdav` knows it now: size, tag, digests; as `/list` does where that is no help. NotFound."""
        try:
            return self._properties(path)
        except (NotFound, AccessError, Stopped):
            raise
        except CtadataError:
            return self.info(path)

    def _properties(self, path: RemotePath) -> Entry:
        listing = Multistatus(path, root=self._wire.webdav, alone=True)

        def accept(response: Response) -> Consumer:
            if response.status != 207:
                raise ServerTrouble(f"the service answers no WebDAV: {response.status} {response.reason}")

            def consume(block: bytes) -> None:
                listing.feed(block)

            return consume

        self._wire.ask(
            "PROPFIND", "webdav", path, headers=_XML, body=PROPFIND.format(CHECKSUMS).encode(), accept=accept
        )
        listing.close()
        if listing.ambiguous:
            raise contradiction_error(path)
        if listing.requested is None:
            raise ServerTrouble(f"the service tells nothing of it: {listing.status}")
        self._tells_digests = self._tells_digests or bool(listing.requested.checksums)
        return listing.requested

    def digests(self, path: RemotePath) -> Mapping[str, str]:
        """What the storage behind knows of a file's digests; waited for a little where it has told others. NotFound."""
        with add_path_to_errors(path):
            for pause in (*_WAITS, 0.0):
                digests = self._ask_digests(path)
                if digests or not self._tells_digests:
                    return digests
                self._wait(pause)
        return NO_CHECKSUMS

    def _ask_digests(self, path: RemotePath) -> Mapping[str, str]:
        try:
            response = self._wire.ask("HEAD", "webdav", path, headers={"Want-Digest": want_digest_header()})
        except (ServerTrouble, Unsupported):
            return NO_CHECKSUMS
        digests = parse_digests(response.headers.get("Digest") or "")
        self._tells_digests = self._tells_digests or bool(digests)
        return digests

    # --- reading

    def open(self, path: RemotePath) -> ServiceReading:
        """A file, to be read; no request is sent before the first `send`."""
        return ServiceReading(self._wire, self.version, path, self._ranged)

    # --- writing

    @property
    def home(self) -> RemotePath:
        """Where the service puts uploads: below it alone may be written; Forbidden where there is none."""
        with self._lock:
            if self._home is None:
                self._home = self._base() / platform_name(self._user())
            return self._home

    def _base(self) -> RemotePath:
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

    def write(self, path: RemotePath, source: Source, *, new: bool = False) -> Written:  # noqa: ARG002  (it cannot tell)
        """Upload a file below the home, in place; Forbidden elsewhere, AlreadyExists for a collection's name.

        IntegrityError where the service counted other bytes than were sent.
        """
        with add_path_to_errors(path):
            below = self._below_home(path)
            body = Whole(source)
            try:
                if ".." in str(path):  # no name that /upload takes
                    self._wire.ask("PUT", "webdav", path, body=body, headers=CHUNKED)
                    return Written()
                response = self._wire.ask("POST", "upload", below, body=body, headers=CHUNKED)
                if response.status != 204:
                    check_receipt(response, path, source.size)
            except CtadataError as error:
                self._why_not(path, error)
        return Written()

    def _below_home(self, path: RemotePath) -> RemotePath:
        try:
            below = RemotePath(path.relative_to(self.home))
        except ValueError:
            below = RemotePath()
        if not below.parts:
            raise Forbidden("you may write below your home alone", hint=f"that is {self.home}")
        return below

    def _why_not(self, path: RemotePath, error: CtadataError) -> NoReturn:
        """The error of an upload, with what is to be said of it."""
        if error.status in (405, 409) and self._look(path) is Kind.DIRECTORY:
            raise AlreadyExists("a directory has this name", status=error.status) from error
        if error.status == 409:
            raise NotFound("the directory above does not exist", status=409) from error
        if error.retryable:
            error.hint = BROKEN
        raise error

    def mkdir(self, path: RemotePath) -> None:
        """Make a collection, and those above it where need be; AlreadyExists where a file is in the way."""
        with add_path_to_errors(path):
            if self._is_there(path):
                return
            if path != self.home:
                self._below_home(path)
            try:
                self._mkcol(path)
            except CtadataError as error:
                if error.status not in (404, 409):
                    raise
                self.mkdir(path.parent)
                self._mkcol(path)

    def _mkcol(self, path: RemotePath) -> None:
        try:
            self._wire.ask("MKCOL", "webdav", path, slash=True)  # the home itself counts as such with the slash alone
        except CtadataError as error:
            if error.status in (404, 409) or not self._is_there(path):
                raise

    def _is_there(self, path: RemotePath) -> bool:
        there = self._look(path)
        if there is Kind.FILE:
            raise AlreadyExists("a file has this name")
        return there is Kind.DIRECTORY

    def _look(self, path: RemotePath) -> Kind | None:
        try:
            return self.info(path).kind
        except NotFound:
            return None

    # --- what the service has no way to do

    def delete(self, path: RemotePath) -> None:
        """Unsupported; NotFound, UsageError for the root."""
        refuse_root(path)
        self.info(path)
        raise _unsupported("delete", path)

    def delete_tree(self, path: RemotePath) -> None:
        """Unsupported; NotFound, UsageError for the root."""
        self.delete(path)

    def move(self, source: RemotePath, target: RemotePath, *, replace: bool) -> None:  # noqa: ARG002
        """Unsupported; NotFound, UsageError onto itself."""
        if source == target:
            raise UsageError("a file cannot be moved onto itself", path=str(source))
        self.info(source)
        raise _unsupported("rename", source)

    def move_tree(self, source: RemotePath, target: RemotePath) -> None:
        """Unsupported; UsageError for the root, or into itself."""
        refuse_inside(source, target)
        raise _unsupported("rename", source)

    def close(self) -> None:
        """Close the client's connections."""
        self._client.close()


def _unsupported(verb: str, path: RemotePath) -> Unsupported:
    return Unsupported(f"the download service cannot {verb}", hint="the storage itself can", path=str(path))
