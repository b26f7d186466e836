"""Aliases: empty objects that point to another object of their bucket.

An alias carries the header `x-amz-website-redirect-location: /key`. A website endpoint answers a request for it with
301 and that Location. The REST endpoint answers with 200, no bytes and the header, so a client that ignores the header
gets an empty file (Amazon S3 User Guide, "Configuring a webpage redirect"). GA4GH refget stores sequences this way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from urllib.parse import quote, unquote

from ctadata.errors import AlreadyExists, NotFound, Unsupported, Untrusted, UsageError
from ctadata.http.messages import Headers, Response
from ctadata.printable import escape_unprintable
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.connection import EMPTY_SHA256, Connection
from ctadata.stores.s3.head import head
from ctadata.versions import tags_match

REDIRECT = "x-amz-website-redirect-location"
"""The header of an upload that makes an alias, and of the server's answers about an alias."""

MAX_HOPS = 5
"""Aliases that are followed from the first name to the file; a longer chain is refused as a mistake."""

_PLAIN = "/:@!$&'()*+,;=~"  # characters that need no encoding in a URL's path (RFC 3986, pchar)


def redirect_location(key: str) -> str:
    """Return the header value that makes an alias of `key`.

    Raises:
        UsageError: The key holds half a surrogate pair, which no URL can carry.
    """
    try:
        path = quote(key, safe=_PLAIN, errors="surrogateescape")
    except UnicodeEncodeError:
        raise UsageError("no alias can name this", path=escape_unprintable(key)) from None
    return f"/%2F{path[1:]}" if path.startswith("/") else f"/{path}"  # // would name a host


def target_key(location: str) -> str:
    """Return the key that an alias points to, from its header value `location`.

    Raises:
        Untrusted: The location leads out of the alias's bucket.
    """
    if not location.startswith("/") or location.startswith("//") or "?" in location or "#" in location:
        raise Untrusted(
            f"this alias leads out of its bucket, to {escape_unprintable(location)!r}",
            hint="only an alias of a file in the same bucket is followed",
        )
    return unquote(location[1:], errors="surrogateescape")


def resolve_key(key: str, look: Callable[[str], str | None]) -> str:
    """Return the key of the file that `key` leads to through its aliases; `key` itself if it is a file.

    Args:
        key: The first key.
        look: Returns the location that the alias of a key carries, None for a file.

    Raises:
        Untrusted: The aliases form a circle, are more than `MAX_HOPS`, or lead out of the bucket.
    """
    seen = [key]
    while (location := look(seen[-1])) is not None:
        target = target_key(location)
        if target in seen:
            raise Untrusted(f"the aliases form a circle, through {escape_unprintable(target)}")
        if len(seen) > MAX_HOPS:
            raise Untrusted(f"more than {MAX_HOPS} aliases lead to the file")
        seen.append(target)
    return seen[-1]


MAX_REMEMBERED = 1000
"""The largest number of files that are remembered, so that a file with many aliases is looked up once."""


def alias_location(headers: Headers) -> str | None:
    """Return the location that an alias carries; None for a file, even for one with bytes that has the header too."""
    return headers.get(REDIRECT) if headers.get("Content-Length") == "0" else None


def resolve_alias(connection: Connection, name: Name) -> tuple[Name, Response]:
    """Follow the aliases from `name` to a file, and ask for each name with HEAD.

    Returns:
        The name of the file, which is `name` itself if that is no alias; and the response about the file.

    Raises:
        NotFound: `name` does not exist, or an alias leads to a key that does not exist.
        Untrusted: The aliases lead out of the bucket, form a circle, or are too many.
    """
    responses: dict[str, Response] = {}

    def look(key: str) -> str | None:
        try:
            responses[key] = head(connection, name if key == name.key else Name(name.bucket, key))
        except NotFound as error:
            if key == name.key:
                raise
            raise NotFound(
                f"this is an alias of {escape_unprintable(key)}, which does not exist", status=error.status
            ) from None
        return alias_location(responses[key].headers)

    key = resolve_key(name.key, look)
    return name if key == name.key else Name(name.bucket, key), responses[key]


class AliasWriter:
    """Creates aliases. Many threads may use it at the same time."""

    def __init__(self, connection: Connection) -> None:
        """Keep the connection; no request is sent."""
        self._connection = connection
        self._server_keeps_aliases = False
        self._files: dict[Name, Name] = {}
        self._lock = threading.Lock()

    def create(self, alias: Name, primary: Name, *, replace: bool = False) -> bool:
        """Make `alias` point to the file `primary`; if `primary` is an alias, to the file that it points to.

        Args:
            alias: The name to create.
            primary: An existing file or alias in the same bucket.
            replace: Whether an alias of another file is pointed to this one.

        Returns:
            False if the alias exists already and points to this file.

        Raises:
            NotFound: `primary` does not exist.
            UsageError: The two lie in different buckets, one is a bucket, or `alias` would point to itself.
            AlreadyExists: `alias` is a file, or an alias of another file and `replace` is False.
            Unsupported: The server does not keep the header that makes an alias.
        """
        if alias.bucket != primary.bucket:
            raise UsageError("an alias and its file must lie in one bucket")
        if not (alias.key and primary.key):
            raise UsageError("a bucket cannot be an alias, and has no aliases")
        file = self._resolved_primary(primary)
        if alias in (file, primary):
            raise UsageError("the alias would point to itself")
        try:
            existing = head(self._connection, alias)
        except NotFound:
            self._write(alias, file, new=True)
            return True
        if alias_location(existing.headers) in (redirect_location(file.key), f"/{file.key}"):
            return False
        _refuse_existing(existing, replace=replace)
        self._write(alias, file, new=False)
        return True

    def _resolved_primary(self, primary: Name) -> Name:
        with self._lock:
            file = self._files.get(primary)
        if file is None:
            file, _ = resolve_alias(self._connection, primary)
            with self._lock:
                if len(self._files) >= MAX_REMEMBERED:
                    self._files.clear()
                self._files[primary] = file
        return file

    def _write(self, alias: Name, file: Name, *, new: bool) -> None:
        headers = {REDIRECT: redirect_location(file.key), **({"If-None-Match": "*"} if new else {})}
        written = self._connection.send("PUT", alias, headers=headers, body=b"", payload=EMPTY_SHA256).headers
        if not self._server_keeps_aliases:
            self._check_server_keeps_aliases(alias, written.get("ETag") if new else None)

    def _check_server_keeps_aliases(self, alias: Name, tag: str | None) -> None:
        """Raise Unsupported if the server dropped the header of the new alias; some servers accept and ignore it.

        Args:
            alias: The alias.
            tag: The tag of the empty object that is deleted then; None: none is. An object with bytes is another's.
        """
        found = head(self._connection, alias).headers
        if alias_location(found) is None:
            if tag and found.get("Content-Length") == "0" and tags_match(found.get("ETag"), tag):
                same = {"If-Match": tag}
                self._connection.clean_up(lambda: self._connection.send("DELETE", alias, headers=same))
            raise Unsupported("this server has no aliases: it does not keep the header " + REDIRECT)
        self._server_keeps_aliases = True


def _refuse_existing(existing: Response, *, replace: bool) -> None:
    """Raise AlreadyExists if this object may not become an alias. A file never may."""
    location = alias_location(existing.headers)
    if location is None:
        raise AlreadyExists("a file has this name", hint="an alias never replaces a file")
    if not replace:
        raise AlreadyExists(
            f"the name is an alias of {escape_unprintable(location)}", hint="--replace makes it point to the new file"
        )
