"""A client of the library webdav4, ready to use: our CA certificates, our token, our rules about where it goes."""

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
from ctadata.paths import escape_unprintable, first_changed_by_nfc, first_control_character, to_nfc

Explain = Callable[[httpx.Response], CtadataError | None]
"""The error that an answer is, in words of ours; None leaves it to webdav4."""

_PATIENCE = httpx.Timeout(200.0, connect=15.0)  # a dCache door may take 180 s to answer


def webdav4_client(
    url: str,
    token: Callable[[], str | None],
    *,
    ca: Path | None = None,
    twice: bool = False,
    composes: bool = False,
    explain: Explain = lambda _: None,
) -> Client:
    """A client whose root is `url`; its `uploadFile` is `upload_file`, as older notebooks say.

    token: asked at every request, so that it is always fresh; it goes to the origin of `url` alone, and a redirect
    elsewhere is followed without it, never from https to http.   ca: as in the profile.
    twice: paths are encoded twice, for the platform's service.
    composes: the server is a dCache, or stands before one: it gives no file back whose name holds a control character,
    and none whose name NFC changes to other clients. Unsupported for a request that would make such a name.
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

    def judge(response: httpx.Response) -> None:
        error = explain(response)
        if error is None and response.status_code == 401:
            error = LoginNeeded("the server does not accept the login", hint="log in again", status=401)
        if error is None and response.has_redirect_location:
            error = _downgrade(response)
        if error is not None:
            raise error
        if response.has_redirect_location and composes:
            asked, url = str(response.request.url), str(response.url.join(response.headers["Location"]))
            response.headers["Location"] = restore_path(asked, url)

    client = Client(
        url,
        auth=authorize,
        verify=_context(ca),
        timeout=_PATIENCE,
        event_hooks={"response": [judge]},
        trust_env=not home.is_loopback,  # a proxy of the environment is not between us and ourselves
    )
    _spell_names_out(client)
    client.uploadFile = client.upload_file
    return client


def _spell_names_out(client: Client) -> None:
    """A path is names: `#`, `?` and `%41` in one are no part of a URL, and `..` is a UsageError.

    httpx takes the first two for the end of the path, the third for a letter, and `..` away with the name before it.
    """

    def join_url(path: str, add_trailing_slash: bool = False) -> httpx.URL:
        names = [name for name in path.split("/") if name]
        if ".." in names:
            raise UsageError("'..' cannot be a name in a remote path", path=path)
        root = client.base_url.raw_path.decode("ascii").rstrip("/")
        spelt = "/".join([root, *(quote(name, safe="") for name in names)]) + "/" * add_trailing_slash
        url: httpx.URL = client.base_url.copy_with(raw_path=(spelt or "/").encode("ascii"))
        return url

    client.join_url = join_url


_MAKING = ("PUT", "MKCOL")
"""Methods that make the name that they are sent to; others make the one in `Destination`, or none."""


def _check_names(request: httpx.Request) -> None:
    made = str(request.url) if request.method in _MAKING else request.headers.get("Destination")
    path = unquote(urlsplit(made).path).rstrip("/") if made else ""
    found = first_control_character(path.rpartition("/")[2]) or first_changed_by_nfc(path)
    if found:
        raise Unsupported(
            f"the storage cannot give a file back whose path holds {found}",
            hint=f"name it {escape_unprintable(to_nfc(path.rpartition('/')[2]))}"
            if first_changed_by_nfc(path)
            else "rename it",
            path=escape_unprintable(path),
        )


def _downgrade(response: httpx.Response) -> Untrusted | None:
    target = response.url.join(response.headers["Location"])
    if response.url.scheme == "https" and target.scheme != "https":
        return Untrusted(f"a redirect from https to unprotected http: to {target.host}")
    return None


def _context(ca: Path | None) -> ssl.SSLContext:
    trust = choose_ca(ca)
    return ssl.create_default_context(
        cafile=str(trust.file) if trust.file else None, capath=str(trust.directory) if trust.directory else None
    )
