"""Aliases: objects without a byte that stand for another one in their bucket.

Such an object carries `x-amz-website-redirect-location: /key`. A website endpoint answers with 301 and that Location;
the REST endpoint answers with 200, no bytes and the header, so that whoever does not look at it holds an empty file
(Amazon S3 user guide, "Configuring a webpage redirect"; GA4GH refget stores sequences so).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from urllib.parse import quote, unquote

from ctadata.errors import AlreadyExists, NotFound, Unsupported, Untrusted, UsageError
from ctadata.http.messages import Headers, Response
from ctadata.paths import escape_unprintable
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.connection import NOTHING, Connection
from ctadata.stores.s3.head import head

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
        raise UsageError("no alias can name this", path=escape_unprintable(key)) from None
    return f"/%2F{path[1:]}" if path.startswith("/") else f"/{path}"  # // would name a host


def key_behind(location: str) -> str:
    """The key that an alias names in its own bucket; Untrusted where it leads elsewhere."""
    if not location.startswith("/") or location.startswith("//") or "?" in location or "#" in location:
        raise Untrusted(
            f"an alias that leads out of its bucket: {escape_unprintable(location)!r}",
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
            raise Untrusted(f"aliases that lead round in a circle, by way of {escape_unprintable(target)}")
        if len(seen) > MAX_HOPS:
            raise Untrusted(f"more than {MAX_HOPS} aliases on the way to the file")
        seen.append(target)
    return seen[-1]


KEPT = 1000
"""Primary names that are remembered, so that each is looked at once however many aliases it gets."""


def location_in(headers: Headers) -> str | None:
    """What an alias carries; None for a file, also for one that has the header and bytes of its own."""
    return headers.get(REDIRECT) if headers.get("Content-Length") == "0" else None


def head_behind(connection: Connection, name: Name) -> tuple[Name, Response]:
    """The name of the file behind `name`, itself where it is no alias, and the answer to its HEAD.

    NotFound, also where an alias leads nowhere; Untrusted where aliases lead out of the bucket, or in a circle.
    """
    answers: dict[str, Response] = {}

    def look(key: str) -> str | None:
        try:
            answers[key] = head(connection, Name(name.bucket, key))
        except NotFound as error:
            if key == name.key:
                raise
            raise NotFound(
                f"an alias of {escape_unprintable(key)}, which does not exist", status=error.status
            ) from None
        return location_in(answers[key].headers)

    key = final_key(name.key, look)
    return Name(name.bucket, key), answers[key]


class Aliasing:
    """Makes aliases, from any number of threads."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is asked."""
        self._connection = connection
        self._proved = False
        self._files: dict[Name, Name] = {}
        self._lock = threading.Lock()

    def make(self, alias: Name, primary: Name, *, replace: bool = False) -> bool:
        """Make `alias` stand for the file `primary`, or for what that itself stands for; False where it does already.

        NotFound (no such primary), UsageError (two buckets, itself), AlreadyExists (a file; another alias, unless
        `replace`), Unsupported (the server does not keep aliases).
        """
        if alias.bucket != primary.bucket:
            raise UsageError("an alias and its file lie in one bucket")
        if not (alias.key and primary.key):
            raise UsageError("a bucket has no aliases, and is none")
        file = self._file(primary)
        if alias in (file, primary):
            raise UsageError("an alias of itself")
        try:
            there = head(self._connection, alias)
        except NotFound:
            self._write(alias, file, new=True)
            return True
        if location_in(there.headers) in (location_of(file.key), f"/{file.key}"):
            return False
        _refuse(there, replace=replace)
        self._write(alias, file, new=False)
        return True

    def _file(self, primary: Name) -> Name:
        with self._lock:
            known = self._files.get(primary)
        if known is None:
            known, _ = head_behind(self._connection, primary)
            with self._lock:
                if len(self._files) >= KEPT:
                    self._files.clear()
                self._files[primary] = known
        return known

    def _write(self, alias: Name, file: Name, *, new: bool) -> None:
        headers = {REDIRECT: location_of(file.key), **({"If-None-Match": "*"} if new else {})}
        self._connection.send("PUT", alias, headers=headers, body=b"", payload=NOTHING)
        if not self._proved:
            self._prove(alias, new=new)

    def _prove(self, alias: Name, *, new: bool) -> None:
        """Whether the server keeps what makes an alias: looked at once, because some take it and forget it."""
        if location_in(head(self._connection, alias).headers) is None:
            if new:
                self._connection.send("DELETE", alias)
            raise Unsupported("this server forgets what makes an object an alias: the header " + REDIRECT)
        self._proved = True


def _refuse(there: Response, *, replace: bool) -> None:
    """AlreadyExists where a name may not become an alias: never where it is a file."""
    location = location_in(there.headers)
    if location is None:
        raise AlreadyExists("a file has this name", hint="an alias takes no file's place")
    if not replace:
        raise AlreadyExists(
            f"an alias of {escape_unprintable(location)}", hint="--replace makes it stand for another file"
        )
