"""The client of the WLCG Tape REST API, version 1: stage files in bulk, and ask where the bytes of files are.

A stage request names many files; they come to disk some time later.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ctadata.errors import CtadataError, NotFound, ServerTrouble, Unsupported, Untrusted
from ctadata.http.messages import Origin
from ctadata.paths import RemotePath
from ctadata.stores.dcache.frontend import Frontend, unconfirmed_error
from ctadata.stores.dcache.json_fields import as_object, as_objects, unexpected_json_error
from ctadata.stores.recalls import ENDED, Recall

log = logging.getLogger(__name__)

WELL_KNOWN = "/.well-known/wlcg-tape-rest-api"
MAX_FILES = 500
"""The largest number of files in one request (dCache's bulk.limits.max.targets-per-flat-request)."""
MAX_LOCALITIES = 5000
"""The number of paths in one request for localities. dCache ignores those beyond 10,000 without an error."""

LOCALITIES = {"DISK": "ONLINE", "TAPE": "NEARLINE", "DISK_AND_TAPE": "ONLINE_AND_NEARLINE"}
"""The localities of the tape interface, and what dCache's listings call them."""

_DONE = (200, 204)
"""The statuses that say that files were released or cancelled; dCache sends 200 without a body."""
_ID = re.compile("[A-Za-z0-9_-]{1,200}")


class TapeLibrary:
    """The tape interface that a site announces at its frontend or at its door."""

    def __init__(
        self,
        frontend: Frontend,
        announced_at: Sequence[str],
        trusted: frozenset[Origin],
        fallback: str | None = None,
    ) -> None:
        """Send no request yet.

        Args:
            frontend: Sends the requests.
            announced_at: The origins that may announce the interface.
            trusted: The origins that may receive the token.
            fallback: The origin that has the interface if no announcement can be trusted; None: no origin is known.
        """
        self._frontend = frontend
        self._announced_at = announced_at
        self._trusted = trusted
        self._fallback = fallback
        self._known: str | None = None

    @property
    def base(self) -> str:
        """The address of the interface.

        Raises Unsupported if the site announces none, Untrusted if all announcements lead to origins that get no token.
        """
        if self._known is None:
            self._known = self._discover()
        return self._known

    def _discover(self) -> str:
        """Return the first announced address at a trusted origin; a fresh dCache announces one at example.org."""
        refused: Untrusted | None = None
        for origin in self._announced_at:
            for uri in self._announced(origin):
                try:
                    return self._check_origin(uri)
                except Untrusted as error:
                    refused = refused or error
                    log.info("%s%s is ignored: %s", origin, WELL_KNOWN, error.what)
        if refused is None:
            raise Unsupported("this site announces no tape interface", hint="ask the site how files come from tape")
        if self._fallback is None:
            raise refused
        log.info("the tape interface of the frontend, %s, is used instead", self._fallback)
        return f"{self._fallback}/api/v1/tape"

    def _announced(self, origin: str) -> Iterator[str]:
        """Yield the addresses that this origin announces."""
        try:
            response = self._frontend.request("GET", origin + WELL_KNOWN).json
        except (NotFound, ServerTrouble):
            return
        for endpoint in as_objects(response.get("endpoints")) if isinstance(response, Mapping) else ():
            if str(endpoint.get("version", "")).startswith("v1"):
                yield str(endpoint.get("uri"))

    def _check_origin(self, uri: str) -> str:
        origin = Origin.parse(uri)
        if origin not in self._trusted:
            raise Untrusted(
                f"the site announces its tape interface at {origin}, which gets no token",
                hint=f'if that is right, set frontend = "{origin}" in the profile',
            )
        return uri.rstrip("/")

    def stage(self, paths: Sequence[RemotePath], *, lifetime: float | None = None) -> str:
        """Request that files come to disk, and return the id of the request.

        Args:
            paths: At most `MAX_FILES` files.
            lifetime: The seconds for which the files are needed on disk; None: the site decides.
        """
        life = {} if lifetime is None else {"diskLifetime": f"PT{max(1, round(lifetime))}S"}
        files = [{"path": self._frontend.to_native(path), **life} for path in paths]
        response = self._frontend.request("POST", f"{self.base}/stage", payload={"files": files}).json
        request_id = response.get("requestId") if isinstance(response, Mapping) else None
        if not (isinstance(request_id, str) and _ID.fullmatch(request_id)):
            raise ServerTrouble("the tape interface sent no id of the request")
        return request_id

    def status(self, request: str) -> list[Recall]:
        """Return the state of each file of a request; raise NotFound if the server does not know the request."""
        try:
            response = self._frontend.request("GET", self._request_url(request)).json
        except NotFound as error:
            raise NotFound("no such stage request", path=request, status=error.status) from error
        files = as_object(response).get("files")
        if files is None:
            raise unexpected_json_error()
        return [self._parse_status(each) for each in as_objects(files)]

    def _request_url(self, request: str) -> str:
        if not _ID.fullmatch(request):
            raise NotFound("no such stage request", path=request)
        return f"{self.base}/stage/{request}"

    def _parse_status(self, fields: Mapping[str, Any]) -> Recall:
        state = str(fields.get("state") or "SUBMITTED").upper()
        if fields.get("error") and state not in ENDED:
            state = "FAILED"
        return Recall(self._frontend.from_native(str(fields.get("path"))), state, str(fields.get("error") or ""))

    def release(self, request: str, paths: Sequence[RemotePath]) -> None:
        """Release these files of a request: they need not stay on disk any longer."""
        self._request_url(request)
        self._send_paths(f"{self.base}/release/{request}", paths, "the release")

    def cancel(self, request: str, paths: Sequence[RemotePath]) -> None:
        """Cancel these files of a request: they need not come to disk."""
        self._send_paths(f"{self._request_url(request)}/cancel", paths, "the cancellation")

    def _send_paths(self, url: str, paths: Sequence[RemotePath], what: str) -> None:
        native = [self._frontend.to_native(path) for path in paths]
        response, _ = self._frontend.request("POST", url, payload={"paths": native})
        if response.status not in _DONE:
            raise unconfirmed_error(what, response)

    def localities(self, paths: Sequence[RemotePath]) -> Iterator[tuple[RemotePath, str | CtadataError]]:
        """Yield the locality of each file (ONLINE, NEARLINE and so on), or the error that explains why it is not known.

        The order is not that of `paths`.
        """
        for first in range(0, len(paths), MAX_LOCALITIES):
            native = [self._frontend.to_native(path) for path in paths[first : first + MAX_LOCALITIES]]
            response = self._frontend.request("POST", f"{self.base}/archiveinfo", payload={"paths": native}).json
            for fields in as_objects(response):
                path = self._frontend.from_native(str(fields.get("path")))
                locality = str(fields.get("locality") or "")
                yield path, LOCALITIES.get(locality, locality) or _unknown(path, str(fields.get("error") or ""))


def _unknown(path: RemotePath, reason: str) -> CtadataError:
    if "no such file" in reason.lower():
        return NotFound("not found", path=str(path))
    return CtadataError(reason or "the server does not say where it is", path=str(path))
