"""GET of an object, in the form that HttpReader sends its requests; an alias is resolved to its file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from ctadata.entries import Entry
from ctadata.errors import CtadataError, ServerTrouble, UsageError
from ctadata.http.curl_pool import Route
from ctadata.http.messages import Accept, Consumer, Response
from ctadata.paths import RemotePath
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.alias import MAX_HOPS, alias_location, resolve_alias
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.head import CHECKSUMS
from ctadata.stores.s3.object_entry import entry_of


class _IsAlias(Exception):
    """The response is about an alias, so it holds no bytes of the file."""


@dataclass(slots=True)
class ObjectGet:
    """Sends the GET requests of one reading.

    Attributes:
        connection: The server.
        name: The name of the file; the first response about an alias replaces the alias by its file.
        asked: The name that is read, the alias itself.
    """

    connection: Connection
    name: Name
    asked: Name = field(init=False)

    def __post_init__(self) -> None:
        """Keep the name that is read."""
        self.asked = self.name

    def entry(self, path: RemotePath, response: Response) -> Entry:
        """Return the entry that a response about the file tells; `path` is the path of the name that is read."""
        return entry_of(path, response, alias_of=None if self.name == self.asked else self.name.key)

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
        """Send one signed request; the connection decides `url`, `follow` and `repeat`, so they are ignored.

        Raises:
            UsageError: The name is a bucket.
            ServerTrouble: The name changes between file and alias with each request.
        """
        del url, follow, repeat
        if not self.name.key:
            raise UsageError("a directory, not a file")

        def accept_file(response: Response) -> Consumer | None:
            if alias_location(response.headers) is not None:
                raise _IsAlias
            # a key may end in a slash; HttpReader would take such a URL for a directory's page
            response = dataclasses.replace(response, url=response.url.rstrip("/"))
            return accept(response) if accept else None

        for _ in range(MAX_HOPS):  # another client may replace the file by an alias between two requests
            try:
                return self.connection.send(
                    method, self.name, headers=headers, optional=CHECKSUMS, accept=accept_file, route=route
                )
            except _IsAlias:
                self.name, _ = resolve_alias(self.connection, self.name)
            except CtadataError as error:
                if error.status != 416:
                    raise
                # an alias has no bytes, so a range of it is 416
                file, _ = resolve_alias(self.connection, self.name)
                if file == self.name:
                    raise
                self.name = file
        raise ServerTrouble("the object keeps changing between a file and an alias")
