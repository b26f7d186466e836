"""Aliases at a server: followed to the file that they stand for, and made."""

from __future__ import annotations

import threading

from ctadata.errors import AlreadyExists, NotFound, Unsupported, UsageError
from ctadata.http.messages import Headers, Response
from ctadata.paths import printable
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.alias import REDIRECT, final_key, location_of
from ctadata.stores.s3.connection import NOTHING, Connection
from ctadata.stores.s3.head import head

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
            raise NotFound(f"an alias of {printable(key)}, which does not exist", status=error.status) from None
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
        raise AlreadyExists(f"an alias of {printable(location)}", hint="--replace makes it stand for another file")
