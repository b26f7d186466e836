"""GET of an object, as a reading asks for it: of the file behind it where it is an alias."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from ctadata.errors import CtadataError, ServerTrouble
from ctadata.http.curl_pool import Route
from ctadata.http.messages import Accept, Consumer, Response
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.alias import MAX_HOPS, head_behind, location_in
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.head import CHECKSUMS


class _IsAlias(Exception):
    """The answer is about an alias, and none of its bytes are the file's."""


@dataclass(slots=True)
class ObjectGet:
    """GET of one object.

    name: where the bytes are; of an alias that of its file, once one request has told.
    """

    connection: Connection
    name: Name

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
        """One signed request; `url`, `follow` and `repeat` are settled by the connection."""
        del url, follow, repeat

        def accepted(response: Response) -> Consumer | None:
            if location_in(response.headers) is not None:
                raise _IsAlias
            # a key may end in a slash, and is no page of a directory for all that
            response = dataclasses.replace(response, url=response.url.rstrip("/"))
            return accept(response) if accept else None

        for _ in range(MAX_HOPS):  # it may become one between two requests
            try:
                said = {**CHECKSUMS, **headers}
                return self.connection.send(method, self.name, headers=said, accept=accepted, route=route)
            except _IsAlias:
                self.name, _answer = head_behind(self.connection, self.name)
            except CtadataError as error:
                if error.status != 416:
                    raise
                file, _answer = head_behind(
                    self.connection, self.name
                )  # an alias has no bytes, and so no range of them
                if file == self.name:
                    raise
                self.name = file
        raise ServerTrouble("the object changes between being a file and an alias")
