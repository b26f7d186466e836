"""Requests to the download service: the encoding of paths, the body of an upload, and the errors."""

from __future__ import annotations

from collections.abc import Mapping

from ctadata.errors import CtadataError, LocalError
from ctadata.http.client import Client
from ctadata.http.messages import NO_HEADERS, Accept, Response, split_url
from ctadata.http.timeouts import JSON_TOTAL
from ctadata.paths import RemotePath
from ctadata.stores.base import Source
from ctadata.stores.download_service.messages import explain_error, redirect_error

CHUNKED = {"Transfer-Encoding": "chunked"}
"""The header of uploads: the service takes a truncated body with a Content-Length for complete, a chunked one not."""

_JSON = {"Content-Type": "application/json"}  # gets a 401 instead of a redirect to the login page


class ChunkedBody:
    """A source as the body of a chunked upload.

    A chunked body tells no length, so `read` raises if the source ends early, and the service gets a broken body.
    """

    def __init__(self, source: Source) -> None:
        """Keep the source, which stands at its first byte."""
        self.size = source.size
        self._source = source
        self._sent = 0

    def rewind(self) -> None:
        """Go back to the first byte."""
        self._source.rewind()
        self._sent = 0

    def read(self, limit: int) -> bytes:
        """Return the next bytes.

        Raises:
            LocalError: The source ends before its size.
        """
        block = self._source.read(limit)
        self._sent += len(block)
        if not block and self._sent < self.size:
            raise LocalError("local: the file ended before its size")
        return block


class ServiceRequests:
    """Sends requests to the service at `address`, for example `https://host/services/downloadservice`."""

    def __init__(self, client: Client, address: str, chunk_size: int | None) -> None:
        """Keep the arguments; no request is sent.

        Args:
            client: The HTTP client.
            address: The address of the service.
            chunk_size: Bytes that the service reads at a time; None for its default.
        """
        self.client = client
        self._address = address.rstrip("/")
        self._query = f"?chunk_size={chunk_size}" if chunk_size else ""
        self.webdav = RemotePath.decode(split_url(self._address)[1]) / "webdav"

    def url(self, endpoint: str, path: RemotePath) -> str:
        """Return the URL of a path at an endpoint of the service: `list`, `fetch`, `upload` or `webdav`.

        The root's URL has no slash at its end; with one, the service answers 404.
        """
        return f"{self._address}/{endpoint}{path.twice_encoded if path.parts else ''}"

    def send(
        self,
        method: str,
        endpoint: str,
        path: RemotePath,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes | ChunkedBody | None = None,
        accept: Accept | None = None,
        slash: bool = False,
    ) -> Response:
        """Send one request, and return its 2xx response.

        Args:
            method: The HTTP method.
            endpoint: `list`, `fetch`, `upload` or `webdav`.
            path: The path of the file or collection.
            headers: Further headers.
            body: None for a request without a body.
            accept: Receives the response's header, and returns the consumer of its body.
            slash: Whether the URL ends in a slash.

        Raises:
            LoginNeeded: The service refuses the token, or redirects to the hub's login page.
            CtadataError: Any other error of the service, in clearer words.
        """
        url = self.url(endpoint, path) + "/" * slash + (self._query if endpoint in ("fetch", "upload") else "")
        total = JSON_TOTAL if endpoint == "list" else None
        try:
            response = self.client.send(
                method, url, headers={**_JSON, **headers}, body=body, accept=accept, follow=False, total=total
            )
        except CtadataError as error:
            raise explain_error(error, path, self._address) from error
        if response.status >= 300:
            raise redirect_error(response, self._address)
        return response
