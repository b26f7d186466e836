"""Make a client of the library webdav4 with our CA certificates, our token, and our rules for sending it."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import httpx
from webdav4.client import Client

from ctadata.errors import CtadataError, LoginNeeded, Unsupported, Untrusted, UsageError
from ctadata.http.ca import choose_ca
from ctadata.http.messages import Origin
from ctadata.http.redirects import restore_path
from ctadata.paths import first_changed_by_nfc, first_control_character, to_nfc
from ctadata.printable import escape_unprintable

Explain = Callable[[httpx.Response], CtadataError | None]
"""Return the error of this package for a failed response; None to let webdav4 raise its own."""

_TIMEOUT = httpx.Timeout(200.0, connect=15.0)  # a dCache door may take 180 s to answer


def webdav4_client(
    url: str,
    token: Callable[[], str | None],
    *,
    ca: Path | None = None,
    twice: bool = False,
    composes: bool = False,
    explain: Explain = lambda _: None,
) -> Client:
    """Return a webdav4 client whose root is `url`.

    Its `uploadFile` is `upload_file`, the name that older notebooks use.

    A redirect to another origin is followed without the token; a redirect from https to http is refused (Untrusted).

    Args:
        url: The URL of the client's root.
        token: Called for each request, so that the token is always fresh. The token goes to the origin of `url` only.
        ca: The profile's CA certificates, as for `choose_ca`.
        twice: Percent-encode paths twice, as the platform's download service wants.
        composes: The server is a dCache, or stands before one. Such a server never gives back a file whose name holds a
            control character, nor, to other clients, a file whose name NFC changes. A request that would create such a
            name raises Unsupported.
        explain: Reads the failed responses of a server that has its own error texts.
    """
    home = Origin.parse(url)

    def authorize(request: httpx.Request) -> httpx.Request:
        if composes:
            _check_names(request)
        if twice:
            request.url = request.url.copy_with(raw_path=request.url.raw_path.replace(b"%", b"%25"))
        secret = token() if Origin.parse(str(request.url)) == home else None
        if secret:
            request.headers["Authorization"] = f"Bearer {secret}"
        return request

    def check_response(response: httpx.Response) -> None:
        error = explain(response)
        if error is None and response.status_code == 401:
            error = LoginNeeded("the server does not accept the login", hint="log in again", status=401)
        if error is None and response.has_redirect_location:
            error = _downgrade_error(response)
        if error is not None:
            raise error
        if response.has_redirect_location and composes:
            requested, url = str(response.request.url), str(response.url.join(response.headers["Location"]))
            response.headers["Location"] = restore_path(requested, url)

    client = Client(
        url,
        auth=authorize,
        verify=_context(ca),
        timeout=_TIMEOUT,
        event_hooks={"response": [check_response]},
        trust_env=not home.is_loopback,  # a proxy from the environment is not used for loopback
    )
    _encode_whole_names(client)
    client.uploadFile = client.upload_file
    return client


def _encode_whole_names(client: Client) -> None:
    """Make the client percent-encode every name of a path, so that `#`, `?` and `%41` in a name stay part of the name.

    httpx would end the path at `#` and `?`, read `%41` as a letter, and resolve `..`; here `..` raises UsageError.
    """

    def join_url(path: str, add_trailing_slash: bool = False) -> httpx.URL:
        names = [name for name in path.split("/") if name]
        if ".." in names:
            raise UsageError("'..' cannot be a name in a remote path", path=path)
        root = client.base_url.raw_path.decode("ascii").rstrip("/")
        encoded = "/".join([root, *(quote(name, safe="") for name in names)]) + "/" * add_trailing_slash
        url: httpx.URL = client.base_url.copy_with(raw_path=(encoded or "/").encode("ascii"))
        return url

    client.join_url = join_url


_CREATING_METHODS = ("PUT", "MKCOL")
"""Methods that create the name in their URL; other methods create the name in `Destination`, or none."""


def _check_names(request: httpx.Request) -> None:
    created = str(request.url) if request.method in _CREATING_METHODS else request.headers.get("Destination")
    path = unquote(urlsplit(created).path).rstrip("/") if created else ""
    character = first_control_character(path.rpartition("/")[2]) or first_changed_by_nfc(path)
    if character:
        raise Unsupported(
            f"the storage cannot give a file back whose path holds {character}",
            hint=f"name it {escape_unprintable(to_nfc(path.rpartition('/')[2]))}"
            if first_changed_by_nfc(path)
            else "rename it",
            path=escape_unprintable(path),
        )


def _downgrade_error(response: httpx.Response) -> Untrusted | None:
    target = response.url.join(response.headers["Location"])
    if response.url.scheme == "https" and target.scheme != "https":
        return Untrusted(f"a redirect from https to unprotected http: to {target.host}")
    return None


def _context(ca: Path | None) -> ssl.SSLContext:
    trust = choose_ca(ca)
    return ssl.create_default_context(
        cafile=str(trust.file) if trust.file else None, capath=str(trust.directory) if trust.directory else None
    )
