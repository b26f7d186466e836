"""The WebDAV door: log the user in, and answer or refuse the request (dcache.md 1, 3, 4)."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import unquote

from ctadata.sandbox.door_request import (
    Denied,
    DoorRequest,
    Site,
    challenge_headers,
    entity_headers,
    error_text,
    normalize_path,
    reason_phrase,
)
from ctadata.sandbox.downloads import get, head
from ctadata.sandbox.exchange import Exchange
from ctadata.sandbox.frontend import WELL_KNOWN, reply_well_known
from ctadata.sandbox.login import Login, LoginFailed, Logins
from ctadata.sandbox.macaroons import MacaroonIssuer, iso
from ctadata.sandbox.propfind import propfind
from ctadata.sandbox.proppatch import proppatch
from ctadata.sandbox.third_party_copy import copy
from ctadata.sandbox.tree import delete, mkcol, move
from ctadata.sandbox.uploads import put

METHODS: dict[str, Callable[[DoorRequest], None]] = {
    "GET": get,
    "HEAD": head,
    "PUT": put,
    "PROPFIND": propfind,
    "PROPPATCH": proppatch,
    "MKCOL": mkcol,
    "DELETE": delete,
    "MOVE": move,
    "COPY": copy,
}
"""The WebDAV methods that need a login."""
ALLOWED = "GET, HEAD, MKCOL, PROPFIND, OPTIONS, PUT, DELETE, MOVE, GET, HEAD, PROPPATCH"
"""The Allow header of OPTIONS."""
MAX_MACAROON_SECONDS = 7 * 86400
"""The longest lifetime of a macaroon, in seconds."""
MACAROON_REQUEST = "application/macaroon-request"
"""The content type of a POST that requests a macaroon."""


class Door:
    """The door of a site."""

    def __init__(self, site: Site, logins: Logins, macaroons: MacaroonIssuer, options_style: str) -> None:
        """Create a door.

        Args:
            site: The site.
            logins: Checks the credentials of requests.
            macaroons: Issues macaroons.
            options_style: `dav` for OPTIONS as up to 11.x (DAV and Allow), `cors` for an empty 200 as in 12.0.
        """
        self._site = site
        self._logins = logins
        self._macaroons = macaroons
        self._options_style = options_style

    def disconnected(self, connection: int, broken: bool) -> None:
        """Do nothing: no state of the door depends on a connection."""

    def answer(self, exchange: Exchange) -> None:
        """Answer one request."""
        path = unquote(normalize_path(exchange.request.raw_path), errors="surrogateescape")
        if path == WELL_KNOWN and self._site.tape_origin:
            reply_well_known(exchange, self._site.tape_origin())
            return
        if self._site.tape:
            self._site.tape.finish_due()
        request = DoorRequest(self._site, exchange, Login(""), path)
        try:
            if exchange.request.method == "OPTIONS" and self._options_style == "cors":
                request.reply(200)
            else:
                login = self._login(exchange)
                self._dispatch(DoorRequest(self._site.as_seen_by(login.user), exchange, login, path))
        except LoginFailed as failed:
            self._challenge(request, str(failed))
        except Denied as denied:
            self._deny(request, denied)

    def _login(self, exchange: Exchange) -> Login:
        login = self._logins.login(exchange.request, exchange.wire.peer)
        if login is None:
            raise LoginFailed("login failed")
        return login

    def _dispatch(self, request: DoorRequest) -> None:
        if request.method == "POST" and request.header("Content-Type") == MACAROON_REQUEST:
            self._macaroon(request)
        elif request.method == "OPTIONS":
            self._options(request)
        elif request.method in METHODS:
            METHODS[request.method](request)
        else:
            raise Denied(501)

    def _options(self, request: DoorRequest) -> None:
        with suppress(Denied):
            entity = entity_headers(request.node())
            request.reply(200, [("DAV", "1, 2"), ("MS-Author-Via", "DAV"), *entity, ("Allow", ALLOWED)])
            return
        request.reply(200, [("DAV", "1, 2"), ("MS-Author-Via", "DAV"), ("Allow", ALLOWED)])

    def _challenge(self, request: DoorRequest, phrase: str) -> None:
        """Answer 401; only the reason phrase says why."""
        suppressed = [*request.common_headers(), ("Suppress-WWW-Authenticate", "suppressed")]
        request.exchange.reply(
            401, phrase, suppressed if request.header("Suppress-WWW-Authenticate") else challenge_headers()
        )

    def _deny(self, request: DoorRequest, denied: Denied) -> None:
        """Answer with an error: plain text, or a page if the client prefers one; a conflict is always a page."""
        page = f"<html><body><h1>{reason_phrase(denied.status)}</h1></body></html>".encode()
        if denied.reason is not None:
            request.exchange.reply_in_chunks(denied.status, denied.reason, request.common_headers())
        elif denied.status in (409, 412):
            request.reply_in_chunks(denied.status, body=page if denied.status == 409 else b"")
        elif "text/html" in (request.header("Accept") or ""):
            request.reply(denied.status, [("Content-Type", "text/html")], page)
        else:
            text = error_text(request, denied) + "\n"
            request.reply(denied.status, [("Content-Type", "text/plain;charset=utf-8")], text.encode())

    def _macaroon(self, request: DoorRequest) -> None:
        try:
            fields = json.loads(request.exchange.body() or b"{}")
            caveats = [str(caveat) for caveat in fields.get("caveats", [])]
            lifetime = _seconds(str(fields.get("validity", "P1D")))
        except (ValueError, AttributeError):
            request.exchange.reply(400, "Bad macaroon request", request.common_headers())
            return
        if lifetime > MAX_MACAROON_SECONDS:
            problem = f"requested duration beyond maximum allowed (PT{MAX_MACAROON_SECONDS // 3600}H)"
            request.exchange.reply(400, f"Bad requested caveat: before: {problem}", request.common_headers())
            return
        if request.login.scoped:
            request.exchange.reply(400, "Cannot serialise with restriction", request.common_headers())
            return
        home = self._site.homes.paths_of(request.login.user)[0]
        ending = iso(self._site.clock() + lifetime)
        caveats = [f"before:{ending}", f"home:{home}", f"path:{request.path}", *caveats]
        macaroon = self._macaroons.issue(request.login, f"Optional[{request.path}]", caveats)
        base = self._site.url() + "/"
        answer = {
            "macaroon": macaroon,
            "uri": {
                "targetWithMacaroon": f"{request.url}?authz={macaroon}",
                "baseWithMacaroon": f"{base}?authz={macaroon}",
                "target": request.url,
                "base": base,
            },
        }
        request.reply(200, [("Content-Type", "application/json")], (json.dumps(answer, indent=4) + "\n").encode())


def _seconds(duration: str) -> float:
    """Return the seconds of an ISO 8601 duration of days, hours, minutes and seconds, or raise ValueError."""
    days, _, clock = duration.removeprefix("P").partition("T")
    total = float(days.removesuffix("D") or 0) * 86400
    number = ""
    for character in clock:
        if character in "HMS":
            total += float(number) * {"H": 3600, "M": 60, "S": 1}[character]
            number = ""
        else:
            number += character
    return total
