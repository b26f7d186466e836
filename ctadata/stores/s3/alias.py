"""Aliases: objects without a byte that stand for another one in their bucket.

Such an object carries `x-amz-website-redirect-location: /key`. A website endpoint answers with 301 and that Location;
the REST endpoint answers with 200, no bytes and the header, so that whoever does not look at it holds an empty file
(Amazon S3 user guide, "Configuring a webpage redirect"; GA4GH refget stores sequences so).
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, unquote

from ctadata.errors import Untrusted, UsageError
from ctadata.paths import printable

REDIRECT = "x-amz-website-redirect-location"
"""The header, in an upload and in its answers."""

MAX_HOPS = 5
"""Aliases from the first name to the file; more are taken for a mistake."""

_PLAIN = "/:@!$&'()*+,;=~"  # what a path in a URL may hold bare (RFC 3986, pchar)


def location_of(key: str) -> str:
    """What an alias of `key` carries; UsageError for half a surrogate pair, which no URL can name."""
    try:
        path = quote(key, safe=_PLAIN, errors="surrogateescape")
    except UnicodeEncodeError:
        raise UsageError("no alias can name this", path=printable(key)) from None
    return f"/%2F{path[1:]}" if path.startswith("/") else f"/{path}"  # // would name a host


def key_behind(location: str) -> str:
    """The key that an alias names in its own bucket; Untrusted where it leads elsewhere."""
    if not location.startswith("/") or location.startswith("//") or "?" in location or "#" in location:
        raise Untrusted(
            f"an alias that leads out of its bucket: {printable(location)!r}",
            hint="only an alias of a file in the same bucket is followed",
        )
    return unquote(location[1:], errors="surrogateescape")


def final_key(key: str, look: Callable[[str], str | None]) -> str:
    """The key of the file behind `key`, itself where it is none; `look` gives what an alias carries, None for a file.

    Untrusted: aliases that lead round in a circle, or on and on, or out of the bucket.
    """
    seen = [key]
    while (location := look(seen[-1])) is not None:
        target = key_behind(location)
        if target in seen:
            raise Untrusted(f"aliases that lead round in a circle, by way of {printable(target)}")
        if len(seen) > MAX_HOPS:
            raise Untrusted(f"more than {MAX_HOPS} aliases on the way to the file")
        seen.append(target)
    return seen[-1]
