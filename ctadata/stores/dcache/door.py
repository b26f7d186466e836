"""What a dCache door offers besides files: macaroons, and copies between it and another server (HTTP-TPC).

Macaroons: dCache User Guide, "Requesting macaroons". Copies: the WLCG's HTTP-TPC as dCache's CopyFilter implements it.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence

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
from ctadata.stores.dcache.macaroons import READING, Limits, missing_path
from ctadata.stores.path_errors import add_path_to_errors
from ctadata.stores.sharing import Link

Progress = Callable[[int], None]
"""Receives the number of bytes transferred so far."""

_TRANSFERRED = re.compile(r"\s*Stripe Bytes Transferred:\s*([0-9]{1,18})\s*")
_NO_COPIES = (404, 405, 501)
_ACCEPTED = (201, 202)  # dCache sends 202, XRootD 201; both before they know how the copy ends
_REFUSED = re.compile(r"\b(?:rejected \w+:|failed with status code) ([0-9]{3})\b")
"""dCache writes `rejected PUT: 409 Conflict`, XRootD `Remote side failed with status code 403`."""
_FAILURES: dict[int, type[CtadataError]] = {
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    405: AlreadyExists,
    409: AlreadyExists,
    412: AlreadyExists,
    507: StorageFull,
}
"""The error for each status of the other server. All other failures may be temporary."""


class Door:
    """The door at `origin` (`https://host:port`); all paths start at `root`."""

    def __init__(self, client: Client, origin: str, *, root: RemotePath) -> None:
        """Send no request yet; the caller closes the client."""
        self._client = client
        self._origin = origin
        self._root = root

    def url(self, path: RemotePath) -> str:
        """Return the address of a file or directory."""
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
        """Request a macaroon for `path`, and return the link that holds it.

        Args:
            path: What the link opens.
            lifetime: Seconds from now; dCache counts them from the request.
            activities: What the link allows; see `macaroons.ACTIVITIES`. Empty: reading.
            addresses: The networks that may use the link (CIDR). Empty: all.
            may_be_shorter: The link may end together with the login that requests it. Some dCaches allow no later end.

        Raises:
            UsageError: An activity or a network is not valid, or the lifetime is longer than seven days or the login.
            Unsupported: The server gives no macaroons.
            Forbidden: The user may request none.
            ServerTrouble: The macaroon has expired already, or is none.
            Untrusted: The macaroon allows more than requested.
        """
        limits, at_door = Limits.read(activities or READING, addresses, lifetime), self._root.join(path.parts)
        caveats, validity = limits.caveats, limits.validity
        with add_path_to_errors(path):
            try:
                secret = self._request_macaroon(path, caveats, validity)
            except CtadataError as error:
                if "cannot extend session" not in error.what:
                    raise
                if not may_be_shorter:
                    raise UsageError(
                        "a link cannot live longer than the login that requests it",
                        hint="choose a shorter time with --expires",
                    ) from error
                validity = {}
                secret = self._request_macaroon(path, caveats, validity)
            if missing := missing_path(secret, at_door):
                secret = self._request_macaroon(path, caveats + missing, validity)
            ends = limits.check(secret, at_door, time.time())
        return Link(f"{self.url(path)}?authz={secret}", ends, secret)

    def _request_macaroon(self, path: RemotePath, caveats: Sequence[str], validity: Mapping[str, str]) -> str:
        request = {"caveats": caveats, **validity}
        kind = {"Content-Type": "application/macaroon-request", "Accept": "application/json"}
        body = bytearray()
        try:
            self._client.send(
                "POST", self.url(path), headers=kind, body=json.dumps(request).encode(), accept=lambda _: body.extend
            )
        except CtadataError as error:
            if error.status in (400, 405, 501):
                raise Unsupported(f"the server refuses the macaroon: {error.what}", status=error.status) from error
            raise
        with contextlib.suppress(ValueError, RecursionError):
            response = json.loads(body)
            if isinstance(response, dict) and isinstance(response.get("macaroon"), str):
                register_secret(response["macaroon"])
                return str(response["macaroon"])
        raise Unsupported("this server gives no macaroons")

    # ---- copies

    def pull(self, path: RemotePath, source: str, bearer: str | None, progress: Progress) -> None:
        """Make the door fetch the file at the URL `source` and store it as `path`. No byte passes this machine.

        dCache deletes an existing file at `path` first.

        Args:
            path: The new file.
            source: The URL of the file on the other server.
            bearer: The token for the other server; None if everybody may read the file.
            progress: Receives the number of bytes transferred so far.

        Raises:
            Unsupported: The server copies nothing.
            Forbidden: One of the servers refuses.
            TemporaryError: The copy failed and may work later.
            ServerTrouble: The response cannot be understood.
        """
        self._copy(path, "Source", source, bearer, progress)

    def push(self, path: RemotePath, target: str, bearer: str | None, progress: Progress) -> None:
        """Make the door send the file `path` to the URL `target`. No byte passes this machine.

        Args:
            path: The file.
            target: The URL of the new file on the other server.
            bearer: The token for the other server; None if everybody may write there.
            progress: Receives the number of bytes transferred so far.

        Raises:
            CtadataError: As in `pull`.
        """
        self._copy(path, "Destination", target, bearer, progress)

    def _copy(self, path: RemotePath, side: str, url: str, bearer: str | None, progress: Progress) -> None:
        headers = {side: url, "Credential": "none", "RequireChecksumVerification": "true"}
        if bearer is not None:
            headers["TransferHeaderAuthorization"] = f"Bearer {bearer}"
        markers = _Markers(progress)

        def accept(response: Response) -> Consumer:
            if response.status not in _ACCEPTED:
                raise Unsupported(f"this server cannot copy from other servers: {response.status} {response.reason}")
            return markers.feed

        with add_path_to_errors(path):
            try:
                self._client.send("COPY", self.url(path), headers=headers, accept=accept)
            except CtadataError as error:
                if error.status in _NO_COPIES and side == "Source":
                    raise Unsupported(f"this server cannot copy from other servers: {error.what}") from error
                raise
            markers.raise_outcome()


class _Markers:
    """The body of the response to a COPY: performance markers, and a last line that says how the copy ended."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._rest = b""
        self._last = ""

    def feed(self, block: memoryview) -> None:
        *lines, self._rest = (self._rest + block).split(b"\n")
        if len(self._rest) > 1 << 16:
            raise ServerTrouble("the server's answer to the copy cannot be understood")
        for line in lines:
            self._read_line(line.decode("utf-8", "replace").rstrip("\r"))

    def _read_line(self, line: str) -> None:
        if line.strip():
            self._last = line.strip()
        if match := _TRANSFERRED.fullmatch(line):
            self._progress(int(match[1]))

    def raise_outcome(self) -> None:
        """Raise the error that the last line describes. The status is 202 however the copy ends."""
        self._read_line(self._rest.decode("utf-8", "replace"))
        outcome, _, words = self._last.partition(":")
        if outcome == "success":
            return
        if outcome != "failure":
            raise Interrupted("the copy broke off: the server did not say how it ended")
        raise _failure(sanitize(words.strip()))


def _failure(words: str) -> CtadataError:
    """Return the error for the server's words about a failed copy."""
    if (meaning := find_phrase("GET", 500, words)) and meaning.final:
        return meaning.as_error(f"the copy failed: {meaning.words}: {words}")
    status = _REFUSED.search(words)
    kind = _FAILURES.get(int(status[1]), TemporaryError) if status else TemporaryError
    return kind(f"the copy failed: {words}")
