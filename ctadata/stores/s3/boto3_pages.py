"""Ask boto3's operations that list in pages for all their pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ctadata.errors import ServerTrouble
from ctadata.stores.s3.connection import Connection


def call_pages(connection: Connection, operation: str, markers: tuple[str, ...], **arguments: Any) -> Iterator[Any]:
    """Yield the pages of a listing.

    Args:
        connection: The server.
        operation: The name of the operation, as `list_object_versions`.
        markers: The arguments that ask for the next page; a page has their values under `Next` and their names.
        arguments: The other arguments, `Bucket` among them.

    Raises:
        ServerTrouble: The server says that there is more, and names no next page, or the same one again.
    """
    while True:
        page = connection.call(operation, **arguments)
        yield page
        if not page.get("IsTruncated"):
            return
        following = {marker: page[f"Next{marker}"] for marker in markers if page.get(f"Next{marker}")}
        if not following or following.items() <= arguments.items():
            raise ServerTrouble(
                "the listing does not advance: the server says that there is more, and names no next page"
            )
        arguments |= following
