"""Check that the server did what a DELETE, MKCOL or MOVE asked for, if its answer alone does not say so."""

from __future__ import annotations

from collections.abc import Callable

from ctadata.errors import PartialFailure, ServerTrouble
from ctadata.http.messages import Response, split_url
from ctadata.paths import RemotePath
from ctadata.stores.webdav.multistatus import read_refused_members

CONFIRMING = (201, 204)
"""The statuses that say that a change was made (RFC 4918 sections 9.3.1, 9.6.1 and 9.9.4)."""


def check_change(response: Response, path: RemotePath, is_done: Callable[[], object], *, root: RemotePath) -> None:
    """Check a successful response with another status than `CONFIRMING`, or from a server that nobody has named.

    With 202 a server promises to do it later, a 207 may hold a refusal, and a 200 may come from a proxy.

    Args:
        response: The response.
        path: The path that the request was for.
        is_done: Looks whether the change was made.
        root: What the store puts before every path.

    Raises:
        PartialFailure: A 207 says that members of the tree were kept (RFC 4918 sections 9.6.1 and 9.9.4).
        CtadataError: A 207 refuses the change, or the look does not find it made.
    """
    failures = read_refused_members(response, path, root=root) if response.status == 207 else []
    if not failures and is_done():
        return
    where = f" at {split_url(response.url)[0]}" if response.hops else ""
    what = f"the server did not confirm {response.method}{where}: {response.status} {response.reason}"
    unconfirmed = ServerTrouble(what, path=str(path), status=response.status)
    if response.status == 207 and response.method != "MKCOL" and response.url.endswith("/"):  # a tree
        raise PartialFailure(failures or [unconfirmed], [])
    raise failures[0] if failures else unconfirmed
