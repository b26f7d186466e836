"""A client of the library webdav4 for the service's `/webdav`, with clear errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ctadata.errors import CtadataError, Forbidden
from ctadata.http.messages import Headers, Response
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.service.endpoints import PathText, ServiceEndpoints
from ctadata.service.factory import open_store
from ctadata.stores.download_service.messages import redirect_error

if TYPE_CHECKING:
    import httpx
    from webdav4.client import Client

_REDIRECTS = range(300, 400)


def webdav4_client(endpoints: ServiceEndpoints) -> Client:
    """Return a client of the library webdav4, which reads the token before each request.

    Args:
        endpoints: The services' addresses and the token.

    Raises:
        LoginNeeded: There is no token.
    """
    from ctadata.http import dav4

    endpoints.token()
    address = f"{endpoints.downloadservice}/webdav"

    def explain(response: httpx.Response) -> CtadataError | None:
        if response.status_code in _REDIRECTS:
            said = Headers(response.headers.items())
            answer = Response(response.request.method, str(response.url), response.status_code, "", said)
            return redirect_error(answer, endpoints.downloadservice)
        if response.status_code == 403 and response.request.method in ("PUT", "MKCOL", "PROPPATCH"):
            path = unquote(unquote(str(response.url).removeprefix(address))).strip("/")
            return _not_below_home(endpoints, path, response.reason_phrase)
        return None

    client = dav4.webdav4_client(address, lambda: endpoints.token().text, twice=True, composes=True, explain=explain)
    _make_parents_first(client, endpoints)
    return client


def _make_parents_first(client: Client, endpoints: ServiceEndpoints) -> None:
    """Let uploads create the missing directories above a file. dCache's door does that itself, other servers do not."""
    plain = client.upload_file

    def upload_file(
        from_path: PathText,
        to_path: str,
        overwrite: bool = False,
        chunk_size: int | None = None,
        callback: Callable[[int], object] | None = None,
    ) -> None:
        """Upload a file from a local path to a remote one below your home; directories above it are made."""
        target = RemotePath.parse(to_path)
        store = open_store(endpoints)
        try:
            if store.home.parts == target.parts[: len(store.home.parts)] and target != store.home:
                store.mkdir(target.parent)
        finally:
            store.close()
        plain(from_path, to_path, overwrite=overwrite, chunk_size=chunk_size, callback=callback)

    client.upload_file = client.uploadFile = upload_file


def _not_below_home(endpoints: ServiceEndpoints, path: str, said: str) -> Forbidden:
    store = open_store(endpoints)
    try:
        home = str(store.home).removeprefix("/")
    except CtadataError as error:
        return Forbidden(f"you may write only below your home: {escape_unprintable(said)}", hint=str(error), path=path)
    finally:
        store.close()
    if path == home or path.startswith(f"{home}/"):
        return Forbidden(f"not allowed: 403 {escape_unprintable(said)}", path=path, status=403)
    return Forbidden(
        "you may write only below your home", hint=f"write {home}/{path}", path=escape_unprintable(path), status=403
    )
