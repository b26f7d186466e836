"""A bucket that is served as a website: anybody who knows a file's name can read it.

A website has no listing, accepts no uploads and knows no keys. It answers a request for an alias with 301, which this
store follows inside the website (Amazon S3 User Guide, "Website endpoints"). GA4GH refget publishes sequences this way.
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
from ctadata.stores.s3.digests import digests_from_headers, object_size


@dataclass(frozen=True, slots=True)
class WebsiteRequests:
    """Requests to one website.

    A redirect to another file of the website is followed; any other redirect is refused.
    """

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
        """Send a request, and follow redirects to the file; `follow` and `repeat` are ignored.

        Raises:
            Untrusted: A redirect leads to another origin, or the redirects form a circle or are more than `MAX_HOPS`.
            ServerTrouble: A redirect has no Location.
        """
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
            raise ServerTrouble(f"the redirect has no Location: {response.status}", status=response.status)
        target = resolve_location(seen[-1], location)
        if Origin.parse(target) != self.origin:
            raise Untrusted(f"the redirect leads out of the website: {redact(target)}")
        if target in seen or len(seen) > MAX_HOPS:
            raise Untrusted("the redirects form a circle, or are too many")
        return target


class WebsiteStore:
    """The files of a website below `root`. A store that only reads, and lists nothing."""

    features = Features(atomic_put=False, can_move=False, digests=("md5",), has_directories=False)

    def __init__(self, client: Client, origin: Origin, root: RemotePath) -> None:
        """Keep the client, which is closed with the store; no request is sent."""
        self._client = client
        self._requests = WebsiteRequests(client, origin)
        self._root = root

    def _url(self, path: RemotePath) -> str:
        return f"{self._requests.origin}{self._root.join(path.parts).encoded}"

    def _head(self, path: RemotePath) -> Response:
        return self._requests.send("HEAD", self._url(path), headers={})

    def info(self, path: RemotePath) -> Entry:
        """Return the entry of a file; an alias has the size, time and tag of its file.

        Raises:
            NotFound: There is no such file.
            Forbidden: The bucket lets nobody find out whether there is one.
        """
        if not path.parts:
            return Entry(path, Kind.DIRECTORY)
        with add_path_to_errors(path):
            response = self._head(path)
            modified, etag = parse_date(response.headers.get("Last-Modified")), response.headers.get("ETag")
            return Entry(path, Kind.FILE, object_size(response.headers), modified, etag)

    def list(self, path: RemotePath) -> Iterator[Entry]:
        """Raise Unsupported: a website has no listing."""
        raise Unsupported("a website has no listing", hint="name the files", path=str(path))

    def digests(self, path: RemotePath) -> Mapping[str, str]:
        """Return the digests that the headers of a file tell."""
        with add_path_to_errors(path):
            return digests_from_headers(self._head(path).headers, whole=True)

    def open(self, path: RemotePath) -> HttpReader:
        """Open a file for reading; the first `send` sends the first request."""
        return HttpReader(self._requests, self._url(path), path, self._size, None, digests=_digests_of)

    def _size(self, path: RemotePath) -> int | None:
        return self.info(path).size

    def write(self, path: RemotePath, source: Source, *, new: bool = False) -> Written:  # noqa: ARG002
        """Raise Unsupported."""
        _refuse_change(path)

    def mkdir(self, path: RemotePath) -> bool:
        """Raise Unsupported."""
        _refuse_change(path)

    def delete(self, path: RemotePath, *, directory: bool = False) -> None:  # noqa: ARG002
        """Raise Unsupported."""
        _refuse_change(path)

    def delete_tree(self, path: RemotePath) -> None:
        """Raise Unsupported."""
        _refuse_change(path)

    def move(self, source: RemotePath, target: RemotePath, *, replace: bool) -> None:  # noqa: ARG002
        """Raise Unsupported."""
        _refuse_change(source)

    def move_tree(self, source: RemotePath, target: RemotePath) -> None:  # noqa: ARG002
        """Raise Unsupported."""
        _refuse_change(source)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _digests_of(response: Response) -> Mapping[str, str]:
    whole = response.status == 200 and response.headers.get("Content-Range") is None
    return digests_from_headers(response.headers, whole=whole)


def _refuse_change(path: RemotePath) -> NoReturn:
    raise Unsupported("a website is read-only", hint="use the S3 endpoint of the bucket", path=str(path))
