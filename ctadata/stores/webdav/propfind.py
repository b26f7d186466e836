"""PROPFIND (RFC 4918 section 9.1): send the request, and read its Multi-Status while it arrives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ctadata.entries import Entry
from ctadata.errors import ServerTrouble
from ctadata.http.client import Client
from ctadata.http.messages import Consumer, Response
from ctadata.paths import RemotePath
from ctadata.stores.http_reader import get_content_encoding
from ctadata.stores.webdav.dialect import Dialect
from ctadata.stores.webdav.multistatus import Multistatus
from ctadata.stores.webdav.quirks import find_quirks
from ctadata.stores.webdav.response_template import Templates

PROPFIND_BODY = (
    '<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/>'
    "<getlastmodified/><getetag/>{}</prop></propfind>"
)
"""The body that requests the usual four properties, and those put into the braces."""


class Propfind:
    """The PROPFIND requests to one server.

    Attributes:
        quirks: How the server takes names; None if neither the dialect nor a response has said so yet.
    """

    def __init__(self, client: Client, root: RemotePath, dialect: Dialect) -> None:
        """Send no request yet; `root` is what the store puts before every path."""
        self.quirks = dialect.quirks
        self._client = client
        self._root = root
        self._dialect = dialect
        self._templates = Templates()

    def send(self, path: RemotePath, url: str, *, depth: str, put: Callable[[Sequence[Entry]], None]) -> Multistatus:
        """Send one PROPFIND, and return its parsed Multi-Status after the body has ended.

        Args:
            path: The path of the resource in the store.
            url: Its address.
            depth: `0` for the resource alone, `1` for a collection and its members.
            put: Receives the entries of the members as they arrive.

        Raises:
            ServerTrouble: The response is no Multi-Status, or not complete.
        """
        listings: list[Multistatus] = []

        def accept(response: Response) -> Consumer:
            if response.status != 207:
                raise ServerTrouble(f"the server does not speak WebDAV: {response.status} {response.reason}")
            if encoding := get_content_encoding(response):
                raise ServerTrouble(f"the listing is encoded as {encoding}, which the client did not request")
            self.quirks = self._dialect.quirks or find_quirks(response.headers.get("Server"))
            raw, alone = self.quirks.raw, depth == "0"
            listing = Multistatus(path, root=self._root, raw=raw, alone=alone, templates=self._templates)
            listings.append(listing)

            def consume(block: memoryview) -> None:
                if entries := listing.feed(block):
                    put(entries)

            return consume

        headers = {"Depth": depth, "Content-Type": "application/xml; charset=utf-8", **dict(self._dialect.headers)}
        body = PROPFIND_BODY.format(self._dialect.properties).encode()
        self._client.send("PROPFIND", url, headers=headers, body=body, accept=accept)
        if entries := listings[-1].close():
            put(entries)
        return listings[-1]
