"""Requests to the download service: how a path is written, how an upload is sent, and what its refusals mean."""

from __future__ import annotations

from collections.abc import Mapping

from ctadata.errors import CtadataError, LocalError
from ctadata.http.client import NO_HEADERS, Client
from ctadata.http.messages import Accept, Response, split_url
from ctadata.http.timeouts import JSON_TOTAL
from ctadata.paths import RemotePath
from ctadata.stores.base import Source
from ctadata.stores.download_service.messages import clearer, not_logged_in

CHUNKED = {"Transfer-Encoding": "chunked"}
"""For uploads: the service takes a body with a length that is cut for a whole one."""

_JSON = {"Content-Type": "application/json"}  # asks for an honest 401 instead of the way to the login page


class Whole:
    """A source as a body that is whole or broken, never short: a chunked one ends where its reader does."""

    def __init__(self, source: Source) -> None:
        """Of a source that stands at its first byte."""
        self.size = source.size
        self._source = source
        self._sent = 0

    def rewind(self) -> None:
        """Start again."""
        self._source.rewind()
        self._sent = 0

    def read(self, limit: int) -> bytes:
        """The next bytes; LocalError where the source ends before its size."""
        block = self._source.read(limit)
        self._sent += len(block)
        if not block and self._sent < self.size:
            raise LocalError("local: the file ended before its size")
        return block


class Wire:
    """The service at `address`, `https://host/services/downloadservice`."""

    def __init__(self, client: Client, address: str, chunk_size: int | None) -> None:
        """No request is sent. chunk_size: bytes that the service is to read at a time; None: as it likes."""
        self.client = client
        self._address = address.rstrip("/")
        self._query = f"?chunk_size={chunk_size}" if chunk_size else ""
        self.webdav = RemotePath.decode(split_url(self._address)[1]) / "webdav"

    def url(self, verb: str, path: RemotePath) -> str:
        """The address of a path at one of the service's verbs; the root has no slash at its end, which would be 404."""
        return f"{self._address}/{verb}{path.twice_encoded if path.parts else ''}"

    def ask(
        self,
        method: str,
        verb: str,
        path: RemotePath,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes | Whole | None = None,
        accept: Accept | None = None,
        slash: bool = False,
    ) -> Response:
        """One request to a 2xx answer; LoginNeeded where we are sent to the hub, and the errors in clearer words."""
        url = self.url(verb, path) + "/" * slash + (self._query if verb in ("fetch", "upload") else "")
        total = JSON_TOTAL if verb == "list" else None
        try:
            response = self.client.send(
                method, url, headers={**_JSON, **headers}, body=body, accept=accept, follow=False, total=total
            )
        except CtadataError as error:
            raise clearer(error, path, self._address) from error
        if response.status >= 300:
            raise not_logged_in(response, self._address)
        return response
