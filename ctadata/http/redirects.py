"""Decide where a redirect may lead, and which headers of a request are sent there."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from urllib.parse import unquote, unquote_to_bytes

from ctadata.errors import ServerTrouble, Untrusted
from ctadata.http.messages import Origin, Response, resolve_location, split_url
from ctadata.http.redaction import sanitize

MAX_HOPS = 5

_STATUSES = frozenset({301, 302, 303, 307, 308})

_FORWARDED = {
    "GET": frozenset({"range", "if-range", "want-digest", "want-repr-digest"}),
    "HEAD": frozenset({"range", "if-range", "want-digest", "want-repr-digest"}),
    "PUT": frozenset({"content-md5", "want-digest", "want-repr-digest"}),  # a dCache pool says 501 to other Content-*
}

_PRIVATE = ("authorization", "cookie", "cookie2")


def is_redirect(response: Response) -> bool:
    """Whether the response names another URL to ask."""
    return response.status in _STATUSES


def is_expired(response: Response) -> bool:
    """Whether a dCache pool answers that its URL has been used; this answer does not name the door."""
    return response.status == 400 and bool(response.hops) and "no longer valid" in response.reason


def next_url(response: Response, *, http_pools: bool) -> str:
    """Return the URL that a redirect leads to.

    Args:
        response: The redirect.
        http_pools: Allow a redirect from https to http.

    Raises:
        ServerTrouble: The redirect has no `Location`, or it changes the method of a request that is no GET or HEAD.
        Untrusted: The target is no http or https URL, or the redirect leads from https to http without `http_pools`.
    """
    location = response.headers.get("Location")
    changes_method = response.status == 303 and response.method not in ("GET", "HEAD")
    if not location or changes_method:
        words = f"a redirect that cannot be followed: {response.status} {response.reason}"
        raise ServerTrouble(words, status=response.status)
    before, path = split_url(response.url)
    try:
        url = resolve_location(response.url, _encode_location(path, location) if "%" in path else location)
    except Untrusted as error:
        raise Untrusted(f"a redirect that must not be followed, from {before}: {error.what}") from error
    after, _ = split_url(url)
    if before.scheme == "https" and after.scheme == "http" and not http_pools:
        raise Untrusted(
            f"a redirect from https to unprotected http: from {before} to {after}",
            hint="if files may travel unencrypted, set http_pools = true in the profile; the token never does",
        )
    return restore_path(response.url, url) if "%" in path else url


def restore_path(requested: str, url: str) -> str:
    """Return the redirect target `url` with the spelling of the path in `requested`.

    A dCache door writes the path of its redirect in the Unicode normal form NFC, and the pool then refuses a file whose
    name is stored in another form. So this function restores the path if it differs in the normal form only, and if the
    target is another origin, or a mover of dCache, whose path may begin above the requested one. Scheme, host, port and
    query stay.

    Args:
        requested: The URL of the request.
        url: The URL that the redirect leads to.
    """
    origin_before, path_before = split_url(requested)
    origin, target = split_url(url)
    path, mark, query = target.partition("?")
    path_before = path_before.partition("?")[0]
    is_mover = "dcache-http-uuid=" in query
    if "%" not in path_before or path == path_before or not (is_mover or origin != origin_before):
        return url
    above, *names = path.rsplit("/", path_before.count("/") if is_mover else path.count("/"))
    below = "/".join(["", *names])
    if unquote_to_bytes(below) == unquote_to_bytes(path_before) or _composed(below) != _composed(path_before):
        return url
    return f"{origin}{above}{path_before}{mark}{query}"


def _composed(path: str) -> str:
    return unicodedata.normalize("NFC", unquote(path, errors="surrogateescape"))


def _encode_location(requested: str, location: str) -> str:
    """Return a `Location` with its path encoded: XRootD repeats the requested path decoded, so `#` or `%41` mislead."""
    path, _, _ = requested.partition("?")
    decoded = unquote_to_bytes(path).decode("latin-1")
    if decoded == path:
        return location
    before, match, rest = location.partition(decoded)
    origin = before.rstrip("/")  # for a COPY XRootD adds a slash
    is_origin = match and origin.count("/") == 2 and "://" in origin
    return f"{origin}{path}{rest}" if is_origin and rest[:1] in ("", "?") else location


def strip_token(url: str, target: Origin, token: str | None, *, trusted: bool) -> str:
    """Return `url` without the query parameters that repeat our token, as XRootD adds them.

    The target gets the token in a header. XRootD 5.5 refuses every MOVE that has both.

    Args:
        url: The URL that a redirect leads to.
        target: Its origin.
        token: The token that was sent; None if there was none.
        trusted: Whether the target may receive the token.

    Raises:
        Untrusted: The URL holds the token, and the target may not receive it.
    """
    if not token or token not in unquote(url):
        return url
    if not trusted:
        raise Untrusted(
            f"a redirect that puts our token into the address of {target}",
            hint=f'if that server may receive the token, set token_origins = ["{target}"] in the profile',
        )
    address, _, query = url.partition("?")
    kept = "&".join(part for part in query.split("&") if token not in unquote(part))
    return f"{address}?{kept}" if kept else address


def forwarded_headers(
    method: str, headers: Mapping[str, str], pool_headers: Mapping[str, str], *, trusted: bool = False
) -> dict[str, str]:
    """Return the headers that are sent along to another origin: those that a pool needs, and none that identifies us.

    Args:
        method: The method of the request.
        headers: The headers of the request to the door.
        pool_headers: Headers for the other origin; they are always sent.
        trusted: Whether the origin may receive our token, and so also a COPY's token for the remote side
            (`TransferHeaderAuthorization`).
    """
    known, forwarded = _FORWARDED.get(method), {}
    for name, value in headers.items():
        lower = name.lower()
        is_private = lower in _PRIVATE or ("authorization" in lower and not trusted)
        if lower in known if known is not None else not is_private:
            forwarded[name] = value
    forwarded.update(pool_headers)
    return forwarded


def too_many_redirects(hops: tuple[str, ...], status: int) -> ServerTrouble:
    """Return the error after `MAX_HOPS` redirects."""
    return ServerTrouble(f"more than {MAX_HOPS} redirects, the last from {sanitize(hops[-1])}", status=status)
