"""Where a redirect may lead, and what of a request goes along."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from urllib.parse import unquote, unquote_to_bytes

from ctadata.errors import ServerTrouble, Untrusted
from ctadata.http.messages import Origin, Response, resolve_location, split_url
from ctadata.http.redaction import redact

MAX_HOPS = 5

_STATUSES = frozenset({301, 302, 303, 307, 308})

_KEPT = {
    "GET": frozenset({"range", "if-range", "want-digest", "want-repr-digest"}),
    "HEAD": frozenset({"range", "if-range", "want-digest", "want-repr-digest"}),
    "PUT": frozenset({"content-md5", "want-digest", "want-repr-digest"}),  # a dCache pool says 501 to other Content-*
}


def is_redirect(response: Response) -> bool:
    """Whether the answer says to ask elsewhere."""
    return response.status in _STATUSES


def is_expired(response: Response) -> bool:
    """Whether a dCache pool that we were sent to says that its URL has been used up, and does not name the door."""
    return response.status == 400 and bool(response.hops) and "no longer valid" in response.reason


def next_url(response: Response, *, http_pools: bool) -> str:
    """Where a redirect leads.

    ServerTrouble where it does not say; Untrusted where it is no http(s) URL, or leads from https to http
    without `http_pools`.
    """
    location = response.headers.get("Location")
    changes_method = response.status == 303 and response.method not in ("GET", "HEAD")
    if not location or changes_method:
        words = f"a redirect that cannot be followed: {response.status} {response.reason}"
        raise ServerTrouble(words, status=response.status)
    before = Origin.parse(response.url)
    try:
        url = resolve_location(response.url, _encoded(response.url, location))
    except Untrusted as error:
        raise Untrusted(f"a redirect that must not be followed: {before} sends us on, and {error.what}") from error
    after = Origin.parse(url)
    if before.scheme == "https" and after.scheme == "http" and not http_pools:
        raise Untrusted(
            f"a redirect from https to unprotected http: {before} sends us to {after}",
            hint="if files may go over the net in clear, set http_pools = true in the profile; the token never does",
        )
    return restore_path(response.url, url)


def restore_path(asked: str, url: str) -> str:
    """`url`, to which a request for `asked` was redirected, with the path as it was asked for.

    A dCache door writes the Unicode normal form NFC of the path, and the pool then refuses a file whose name is stored
    otherwise. So the path is replaced if it differs from ours by its normal form alone, at another origin or at a mover
    of dCache, whose path may start above ours. Scheme, host, port and query stay.
    """
    home, ours = split_url(asked)
    origin, target = split_url(url)
    path, mark, query = target.partition("?")
    ours = ours.partition("?")[0]
    is_mover = "dcache-http-uuid=" in query
    if "%" not in ours or path == ours or not (is_mover or origin != home):
        return url
    above, *names = path.rsplit("/", ours.count("/") if is_mover else path.count("/"))
    below = "/".join(["", *names])
    if unquote_to_bytes(below) == unquote_to_bytes(ours) or _composed(below) != _composed(ours):
        return url
    return f"{origin}{above}{ours}{mark}{query}"


def _composed(path: str) -> str:
    return unicodedata.normalize("NFC", unquote(path, errors="surrogateescape"))


def _encoded(asked: str, location: str) -> str:
    """A `Location` as it is meant: XRootD puts the path that was asked for into it decoded, so `#` or `%41` mislead."""
    path, _, _ = split_url(asked)[1].partition("?")
    decoded = unquote_to_bytes(path).decode("latin-1")
    if decoded == path:
        return location
    before, found, rest = location.partition(decoded)
    origin = before.rstrip("/")  # for a COPY it puts one slash more
    is_origin = found and origin.count("/") == 2 and "://" in origin
    return f"{origin}{path}{rest}" if is_origin and rest[:1] in ("", "?") else location


def strip_token(url: str, target: Origin, token: str | None, *, trusted: bool) -> str:
    """`url` without the parameters that repeat our token, as XRootD adds one; a `trusted` target gets the header.

    With both, XRootD 5.5 refuses every MOVE. Untrusted where the target may not have the token.
    """
    if not token or token not in unquote(url):
        return url
    if not trusted:
        raise Untrusted(
            f"a redirect that hands our token to {target}, in the address",
            hint=f'if that server may have the token, set token_origins = ["{target}"] in the profile',
        )
    address, _, query = url.partition("?")
    kept = "&".join(part for part in query.split("&") if token not in unquote(part))
    return f"{address}?{kept}" if kept else address


def forwarded_headers(
    method: str, headers: Mapping[str, str], pool_headers: Mapping[str, str], *, trusted: bool = False
) -> dict[str, str]:
    """The headers that go along to another origin: what a pool needs, and nothing about who we are.

    trusted: it may have our token, and so what a COPY hands it for the other side (`TransferHeaderAuthorization`).
    """
    kept = _KEPT.get(method)
    along = {name: value for name, value in headers.items() if _goes_along(name.lower(), kept, trusted=trusted)}
    return {**along, **pool_headers}


def _goes_along(name: str, kept: frozenset[str] | None, *, trusted: bool) -> bool:
    if kept is not None:
        return name in kept
    return (trusted or "authorization" not in name) and name not in ("authorization", "cookie", "cookie2")


def too_many_redirects(hops: tuple[str, ...], status: int) -> ServerTrouble:
    """The error after the last hop that we follow."""
    return ServerTrouble(f"more than {MAX_HOPS} redirects, the last from {redact(hops[-1])}", status=status)
