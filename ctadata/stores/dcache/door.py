"""What a dCache door offers beside files: macaroons, and copies between it and another server (HTTP-TPC).

Macaroons: dCache User Guide, "Requesting macaroons". Copies: the WLCG's HTTP-TPC, as dCache's CopyFilter has it.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from ctadata.errors import (
    AlreadyExists,
    CtadataError,
    Forbidden,
    Interrupted,
    NotFound,
    ServerTrouble,
    StorageFull,
    TemporaryError,
    Unsupported,
    UsageError,
)
from ctadata.http.client import Client
from ctadata.http.error_phrases import find_phrase
from ctadata.http.messages import Consumer, Response
from ctadata.http.redaction import register_secret, sanitize
from ctadata.paths import RemotePath
from ctadata.stores.dcache.macaroons import READING, Limits
from ctadata.stores.path_errors import add_path_to_errors
from ctadata.stores.sharing import Link

Progress = Callable[[int], None]
"""Is told how many bytes have gone by so far."""

_MOVED = re.compile(r"\s*Stripe Bytes Transferred:\s*([0-9]{1,18})\s*")
_NO_COPIES = (404, 405, 501)
_BEGUN = (201, 202)  # dCache says 202, XRootD 201: both before they know how it ends
_REFUSED = re.compile(r"\b(?:rejected \w+:|failed with status code) ([0-9]{3})\b")
"""`rejected PUT: 409 Conflict` of dCache, `Remote side failed with status code 403` of XRootD."""
_FAILURES: dict[int, type[CtadataError]] = {
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    405: AlreadyExists,
    409: AlreadyExists,
    412: AlreadyExists,
    507: StorageFull,
}
"""What the other server's refusal means; every other failure may pass."""


class Door:
    """The door at `origin` (`https://host:port`), whose paths start from `root`."""

    def __init__(self, client: Client, origin: str, *, root: RemotePath) -> None:
        """No request is sent; the client is somebody else's."""
        self._client = client
        self._origin = origin
        self._root = root

    def url(self, path: RemotePath) -> str:
        """The address of a file or collection."""
        return self._origin + self._root.join(path.parts).encoded

    # ---- macaroons

    def share(
        self,
        path: RemotePath,
        *,
        lifetime: float,
        activities: Sequence[str] = (),
        addresses: Sequence[str] = (),
        may_be_shorter: bool = False,
    ) -> Link:
        """A macaroon for `path`, and the link that it is in; dCache counts its life from now.

        may_be_shorter: it may end with the login that makes it, where dCache lets none outlive that.
        UsageError (an unknown activity, no network, more than seven days), Unsupported (no macaroons here), Forbidden,
        Untrusted where it opens more than was asked for.
        """
        wanted = Limits.read(activities or READING, addresses, lifetime)
        with add_path_to_errors(path):
            try:
                secret = self._request_macaroon(path, wanted.caveats | wanted.validity)
            except CtadataError as error:
                if "cannot extend session" not in error.what:
                    raise
                if not may_be_shorter:
                    raise UsageError(
                        "no link outlives the login that makes it", hint="ask for less with --expires"
                    ) from error
                secret = self._request_macaroon(path, wanted.caveats)
            register_secret(secret)
            ends = wanted.check(secret, time.time())
        return Link(f"{self.url(path)}?authz={secret}", ends, secret)

    def _request_macaroon(self, path: RemotePath, asked: dict[str, Any]) -> str:
        kind = {"Content-Type": "application/macaroon-request", "Accept": "application/json"}
        taken = bytearray()
        try:
            self._client.send(
                "POST", self.url(path), headers=kind, body=json.dumps(asked).encode(), accept=lambda _: taken.extend
            )
        except CtadataError as error:
            if error.status in (400, 405, 501):
                raise Unsupported(f"no macaroon is given: {error.what}", status=error.status) from error
            raise
        with contextlib.suppress(ValueError, RecursionError):
            told = json.loads(taken)
            if isinstance(told, dict) and isinstance(told.get("macaroon"), str):
                return str(told["macaroon"])
        raise Unsupported("this server gives no macaroons")

    # ---- copies

    def pull(self, path: RemotePath, source: str, bearer: str | None, progress: Progress) -> None:
        """Have the door fetch the file at the URL `source` as `path`; nothing of it comes through this machine.

        bearer: proves the right to read it there, None where everybody may.
        What is at `path` before is deleted first. Unsupported, Forbidden, TemporaryError, ServerTrouble.
        """
        self._copy(path, "Source", source, bearer, progress)

    def push(self, path: RemotePath, target: str, bearer: str | None, progress: Progress) -> None:
        """Have the door send the file `path` to the URL `target`; the errors are those of `pull`."""
        self._copy(path, "Destination", target, bearer, progress)

    def _copy(self, path: RemotePath, side: str, url: str, bearer: str | None, progress: Progress) -> None:
        headers = {side: url, "Credential": "none", "RequireChecksumVerification": "true"}
        if bearer is not None:
            headers["TransferHeaderAuthorization"] = f"Bearer {bearer}"
        markers = _Markers(progress)

        def accept(response: Response) -> Consumer:
            if response.status not in _BEGUN:
                raise Unsupported(f"this server copies nothing from others: {response.status} {response.reason}")
            return markers.feed

        with add_path_to_errors(path):
            try:
                self._client.send("COPY", self.url(path), headers=headers, accept=accept)
            except CtadataError as error:
                if error.status in _NO_COPIES and side == "Source":
                    raise Unsupported(f"this server copies nothing from others: {error.what}") from error
                raise
            markers.judge()


class _Markers:
    """The answer to a COPY: performance markers, and a last line that says how it ended."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._rest = b""
        self._last = ""

    def feed(self, block: bytes) -> None:
        *lines, self._rest = (self._rest + block).split(b"\n")
        if len(self._rest) > 1 << 16:
            raise ServerTrouble("the answer to the copy is none")
        for line in lines:
            self._line(line.decode("utf-8", "replace").rstrip("\r"))

    def _line(self, line: str) -> None:
        if line.strip():
            self._last = line.strip()
        if match := _MOVED.fullmatch(line):
            self._progress(int(match[1]))

    def judge(self) -> None:
        """Raise what the last line says; the status was 202 whatever happened."""
        self._line(self._rest.decode("utf-8", "replace"))
        outcome, _, words = self._last.partition(":")
        if outcome == "success":
            return
        if outcome != "failure":
            raise Interrupted("the copy broke off: the server did not say how it ended")
        raise _failure(sanitize(words.strip()))


def _failure(words: str) -> CtadataError:
    """What the server says of a copy that failed."""
    if (meaning := find_phrase("GET", 500, words)) and meaning.final:
        return meaning.as_error(f"the copy failed: {meaning.words}: {words}")
    status = _REFUSED.search(words)
    kind = _FAILURES.get(int(status[1]), TemporaryError) if status else TemporaryError
    return kind(f"the copy failed: {words}")
