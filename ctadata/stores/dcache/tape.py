"""The tape behind a store: files are asked for in bulk, and come to disk some time later (WLCG Tape REST API, v1)."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ctadata.errors import CtadataError, NotFound, ServerTrouble, Unsupported, Untrusted
from ctadata.http.messages import Origin
from ctadata.paths import RemotePath
from ctadata.stores.dcache.frontend import Frontend
from ctadata.stores.dcache.json_fields import fields, rows

log = logging.getLogger(__name__)

WELL_KNOWN = "/.well-known/wlcg-tape-rest-api"
MAX_FILES = 500
"""Files of one request (dCache's bulk.limits.max.targets-per-flat-request)."""
MAX_LOCALITIES = 5000
"""Paths whose locality is asked at once; dCache leaves out in silence what is beyond 10,000."""

LOCALITIES = {"DISK": "ONLINE", "TAPE": "NEARLINE", "DISK_AND_TAPE": "ONLINE_AND_NEARLINE"}
"""The words of the tape interface for what listings of dCache call otherwise."""

_ID = re.compile("[A-Za-z0-9_-]{1,200}")
_ENDED = ("COMPLETED", "FAILED", "CANCELLED")


@dataclass(frozen=True, slots=True)
class RecallStatus:
    """How the recall of one file stands: SUBMITTED, STARTED, COMPLETED, FAILED, CANCELLED; and the server's words."""

    path: RemotePath
    state: str
    error: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in _ENDED

    @property
    def online(self) -> bool:
        """Whether the file can be read."""
        return self.state == "COMPLETED"


class TapeLibrary:
    """The tape interface that a site announces at its frontend, or at its door."""

    def __init__(
        self,
        frontend: Frontend,
        announced_at: Sequence[str],
        trusted: frozenset[Origin],
        fallback: str | None = None,
    ) -> None:
        """No request is sent.

        announced_at: origins that may tell where the interface is.   trusted: who may be given the token.
        fallback:     the origin that has the interface where no announcement counts; None: no origin is known.
        """
        self._frontend = frontend
        self._announced_at = announced_at
        self._trusted = trusted
        self._fallback = fallback
        self._known: str | None = None

    @property
    def base(self) -> str:
        """The address of the interface; Unsupported where none is announced, Untrusted where it lies elsewhere."""
        if self._known is None:
            self._known = self._discover()
        return self._known

    def _discover(self) -> str:
        """The first announcement that leads to a trusted origin; dCache is delivered with one of example.org."""
        refused: Untrusted | None = None
        for origin in self._announced_at:
            for uri in self._announced(origin):
                try:
                    return self._checked(uri)
                except Untrusted as error:
                    refused = refused or error
                    log.info("%s%s does not count: %s", origin, WELL_KNOWN, error.what)
        if refused is None:
            raise Unsupported("this site announces no tape interface", hint="ask the site how files come from tape")
        if self._fallback is None:
            raise refused
        log.info("the tape interface of the frontend, %s, is used instead", self._fallback)
        return f"{self._fallback}/api/v1/tape"

    def _announced(self, origin: str) -> Iterator[str]:
        """The addresses that this origin announces."""
        try:
            told = self._frontend.request("GET", origin + WELL_KNOWN)
        except (NotFound, ServerTrouble):
            return
        for endpoint in rows(told.get("endpoints")) if isinstance(told, Mapping) else ():
            if str(endpoint.get("version", "")).startswith("v1"):
                yield str(endpoint.get("uri"))

    def _checked(self, uri: str) -> str:
        origin = Origin.parse(uri)
        if origin not in self._trusted:
            raise Untrusted(
                f"the tape interface is said to be at {origin}, which gets no token",
                hint=f'if that is right, set frontend = "{origin}" in the profile',
            )
        return uri.rstrip("/")

    def stage(self, paths: Sequence[RemotePath], *, lifetime: float | None = None) -> str:
        """Ask for at most `MOST` files; gives the id of the request.

        lifetime: seconds for which they are wanted on disk, None for what the site finds right.
        """
        life = {} if lifetime is None else {"diskLifetime": f"PT{max(1, round(lifetime))}S"}
        files = [{"path": self._frontend.to_native(path), **life} for path in paths]
        told = self._frontend.request("POST", f"{self.base}/stage", payload={"files": files})
        name = told.get("requestId") if isinstance(told, Mapping) else None
        if not (isinstance(name, str) and _ID.fullmatch(name)):
            raise ServerTrouble("the tape interface gives no id for the request")
        return name

    def status(self, request: str) -> list[RecallStatus]:
        """How the files of a request stand; NotFound."""
        try:
            told = self._frontend.request("GET", self._of(request))
        except NotFound as error:
            raise NotFound("no such stage request", path=request, status=error.status) from error
        return [self._recalled(each) for each in rows(fields(told).get("files"))]

    def _of(self, request: str) -> str:
        if not _ID.fullmatch(request):
            raise NotFound("no such stage request", path=request)
        return f"{self.base}/stage/{request}"

    def _recalled(self, told: Mapping[str, Any]) -> RecallStatus:
        state = str(told.get("state") or "SUBMITTED").upper()
        if told.get("error") and state not in _ENDED:
            state = "FAILED"
        return RecallStatus(self._frontend.from_native(str(told.get("path"))), state, str(told.get("error") or ""))

    def release(self, request: str, paths: Sequence[RemotePath]) -> None:
        """Nobody needs these files of a request on disk any more."""
        self._of(request)
        native = [self._frontend.to_native(path) for path in paths]
        self._frontend.request("POST", f"{self.base}/release/{request}", payload={"paths": native})

    def cancel(self, request: str, paths: Sequence[RemotePath]) -> None:
        """Nobody waits for these files of a request any more."""
        native = [self._frontend.to_native(path) for path in paths]
        self._frontend.request("POST", f"{self._of(request)}/cancel", payload={"paths": native})

    def localities(self, paths: Sequence[RemotePath]) -> Iterator[tuple[RemotePath, str | CtadataError]]:
        """Where the bytes of files are: ONLINE, NEARLINE and so on, or why that is not known; in no certain order."""
        for first in range(0, len(paths), MAX_LOCALITIES):
            native = [self._frontend.to_native(path) for path in paths[first : first + MAX_LOCALITIES]]
            for told in rows(self._frontend.request("POST", f"{self.base}/archiveinfo", payload={"paths": native})):
                path = self._frontend.from_native(str(told.get("path")))
                locality = str(told.get("locality") or "")
                yield path, LOCALITIES.get(locality, locality) or _unknown(path, str(told.get("error") or ""))


def _unknown(path: RemotePath, said: str) -> CtadataError:
    if "no such file" in said.lower():
        return NotFound("not found", path=str(path))
    return CtadataError(said or "the server does not say where it is", path=str(path))
