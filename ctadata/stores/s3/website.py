"""A bucket served as a website: files read by anybody who knows their names, and redirects followed within it.

A website lists nothing, takes nothing and knows no keys; an alias answers with 301 (Amazon S3 user guide, "Website
endpoints"). GA4GH refget's sequences are published so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

from ctadata.entries import Entry, Kind
from ctadata.errors import ServerTrouble, Unsupported, Untrusted
from ctadata.http.client import Client
from ctadata.http.curl_pool import Route
from ctadata.http.messages import Accept, Origin, Response, resolve_location
from ctadata.http.redaction import redact
from ctadata.paths import RemotePath
from ctadata.stores.base import Features, Source, Written
from ctadata.stores.dates import parse_date
from ctadata.stores.http_reader import HttpReader
from ctadata.stores.path_errors import add_path_to_errors
from ctadata.stores.s3.alias import MAX_HOPS
from ctadata.stores.s3.digests import digests_in


@dataclass(frozen=True, slots=True)
class Asking:
    """Requests to one website; a redirect leads to another file of it, or is refused."""

    client: Client
    origin: Origin

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        accept: Accept | None = None,
        follow: bool = True,
        repeat: bool = True,
        route: Route = Route(),  # noqa: B008  (frozen)
    ) -> Response:
        """One request to the file itself; Untrusted where redirects lead elsewhere, or round in a circle."""
        del follow, repeat
        seen = [url]
        while True:
            response = self.client.send(method, seen[-1], headers=headers, accept=accept, follow=False, route=route)
            if response.status < 300:
                return response
            seen.append(self._next(response, seen))

    def _next(self, response: Response, seen: list[str]) -> str:
        location = response.headers.get("Location")
        if not location:
            raise ServerTrouble(f"a redirect that leads nowhere: {response.status}", status=response.status)
        target = resolve_location(seen[-1], location)
        if Origin.parse(target) != self.origin:
            raise Untrusted(f"a redirect that leads out of the website: {redact(target)}")
        if target in seen or len(seen) > MAX_HOPS:
            raise Untrusted("redirects that lead round in a circle, or on and on")
        return target


class WebsiteStore:
    """The files of a website, below `root`."""

    features = Features(atomic_put=False, can_move=False, digests=("md5",), has_collections=False)

    def __init__(self, client: Client, origin: Origin, root: RemotePath) -> None:
        """No request is sent; the client is closed with the store."""
        self._client = client
        self._asking = Asking(client, origin)
        self._root = root

    def _url(self, path: RemotePath) -> str:
        return f"{self._asking.origin}{self._root.join(path.parts).encoded}"

    def _head(self, path: RemotePath) -> Response:
        return self._asking.send("HEAD", self._url(path), headers={})

    def info(self, path: RemotePath) -> Entry:
        """The entry of a file, which what it redirects to tells of; NotFound, or Forbidden where nobody may know."""
        if not path.parts:
            return Entry(path, Kind.DIRECTORY)
        with add_path_to_errors(path):
            response = self._head(path)
            length = response.headers.get("Content-Length") or ""
            size = int(length) if length.isascii() and length.isdigit() else None
            modified, etag = parse_date(response.headers.get("Last-Modified")), response.headers.get("ETag")
            return Entry(path, Kind.FILE, size, modified, etag)

    def list(self, path: RemotePath) -> Iterator[Entry]:
        """Unsupported."""
        raise Unsupported("a website lists nothing", hint="name the files", path=str(path))

    def digests(self, path: RemotePath) -> Mapping[str, str]:
        """What the tag of a file tells."""
        with add_path_to_errors(path):
            return digests_in(self._head(path).headers, whole=True)

    def open(self, path: RemotePath) -> HttpReader:
        """A file, to be read; no request is sent before the first `send`."""
        return HttpReader(self._asking, self._url(path), path, self._size, None, digests=_digests_of)

    def _size(self, path: RemotePath) -> int | None:
        return self.info(path).size

    def write(self, path: RemotePath, source: Source, *, new: bool = False) -> Written:  # noqa: ARG002
        """Unsupported."""
        _refuse(path)

    def mkdir(self, path: RemotePath) -> None:
        """Unsupported."""
        _refuse(path)

    def delete(self, path: RemotePath) -> None:
        """Unsupported."""
        _refuse(path)

    def delete_tree(self, path: RemotePath) -> None:
        """Unsupported."""
        _refuse(path)

    def move(self, source: RemotePath, target: RemotePath, *, replace: bool) -> None:  # noqa: ARG002
        """Unsupported."""
        _refuse(source)

    def move_tree(self, source: RemotePath, target: RemotePath) -> None:  # noqa: ARG002
        """Unsupported."""
        _refuse(source)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _digests_of(response: Response) -> Mapping[str, str]:
    return digests_in(response.headers, whole=response.status == 200)


def _refuse(path: RemotePath) -> NoReturn:
    raise Unsupported("a website is only read", hint="use the endpoint of the store itself", path=str(path))
