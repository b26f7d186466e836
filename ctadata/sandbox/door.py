"""The WebDAV door: who asks, what for, and the answer or the refusal (dcache.md 1, 3, 4)."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import unquote

from ctadata.sandbox.door_request import Denied, DoorRequest, Site, challenge, compacted, entity, problem_text, reason
from ctadata.sandbox.downloads import get, head
from ctadata.sandbox.exchange import Exchange
from ctadata.sandbox.frontend import WELL_KNOWN, well_known
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
ALLOWED = "GET, HEAD, MKCOL, PROPFIND, OPTIONS, PUT, DELETE, MOVE, GET, HEAD, PROPPATCH"
LONGEST = 7 * 86400
"""Seconds that a macaroon may live."""
MACAROON_REQUEST = "application/macaroon-request"


class Door:
    """The door of a site. `options_style` is `dav` (to 11.x: DAV and Allow) or `cors` (12.0: an empty 200)."""

    def __init__(self, site: Site, logins: Logins, macaroons: MacaroonIssuer, options_style: str) -> None:
        self._site = site
        self._logins = logins
        self._macaroons = macaroons
        self._options_style = options_style

    def disconnected(self, connection: int, broken: bool) -> None:
        """Nothing hangs on a connection to the door."""

    def answer(self, exchange: Exchange) -> None:
        """Answer one request."""
        path = unquote(compacted(exchange.request.raw_path), errors="surrogateescape")
        if path == WELL_KNOWN and self._site.tape_origin:
            well_known(exchange, self._site.tape_origin())
            return
        if self._site.tape:
            self._site.tape.finish_due()
        visit = DoorRequest(self._site, exchange, Login(""), path)
        try:
            if exchange.request.method == "OPTIONS" and self._options_style == "cors":
                visit.reply(200)
            else:
                login = self._login(exchange)
                self._visited(DoorRequest(self._site.as_seen_by(login.user), exchange, login, path))
        except LoginFailed as failed:
            self._challenge(visit, str(failed))
        except Denied as denied:
            self._deny(visit, denied)

    def _login(self, exchange: Exchange) -> Login:
        login = self._logins.login(exchange.request, exchange.wire.peer)
        if login is None:
            raise LoginFailed("login failed")
        return login

    def _visited(self, visit: DoorRequest) -> None:
        if visit.method == "POST" and visit.header("Content-Type") == MACAROON_REQUEST:
            self._macaroon(visit)
        elif visit.method == "OPTIONS":
            self._options(visit)
        elif visit.method in METHODS:
            METHODS[visit.method](visit)
        else:
            raise Denied(501)

    def _options(self, visit: DoorRequest) -> None:
        with suppress(Denied):
            about = entity(visit.node())
            visit.reply(200, [("DAV", "1, 2"), ("MS-Author-Via", "DAV"), *about, ("Allow", ALLOWED)])
            return
        visit.reply(200, [("DAV", "1, 2"), ("MS-Author-Via", "DAV"), ("Allow", ALLOWED)])

    def _challenge(self, visit: DoorRequest, phrase: str) -> None:
        """401: only the reason phrase says something."""
        suppressed = [*visit.usual(), ("Suppress-WWW-Authenticate", "suppressed")]
        visit.exchange.reply(401, phrase, suppressed if visit.header("Suppress-WWW-Authenticate") else challenge())

    def _deny(self, visit: DoorRequest, denied: Denied) -> None:
        """An error: plain text, or a page for who prefers that; a conflict is a page to everybody."""
        page = f"<html><body><h1>{reason(denied.status)}</h1></body></html>".encode()
        if denied.reason is not None:
            visit.exchange.reply_in_chunks(denied.status, denied.reason, visit.usual())
        elif denied.status in (409, 412):
            visit.reply_in_chunks(denied.status, body=page if denied.status == 409 else b"")
        elif "text/html" in (visit.header("Accept") or ""):
            visit.reply(denied.status, [("Content-Type", "text/html")], page)
        else:
            text = problem_text(visit, denied) + "\n"
            visit.reply(denied.status, [("Content-Type", "text/plain;charset=utf-8")], text.encode())

    def _macaroon(self, visit: DoorRequest) -> None:
        try:
            asked = json.loads(visit.exchange.body() or b"{}")
            caveats = [str(caveat) for caveat in asked.get("caveats", [])]
            lifetime = _seconds(str(asked.get("validity", "P1D")))
        except (ValueError, AttributeError):
            visit.exchange.reply(400, "Bad macaroon request", visit.usual())
            return
        if lifetime > LONGEST:
            problem = f"requested duration beyond maximum allowed (PT{LONGEST // 3600}H)"
            visit.exchange.reply(400, f"Bad requested caveat: before: {problem}", visit.usual())
            return
        if visit.login.scoped:
            visit.exchange.reply(400, "Cannot serialise with restriction", visit.usual())
            return
        home = self._site.homes.paths_of(visit.login.user)[0]
        ending = iso(self._site.clock() + lifetime)
        caveats = [f"before:{ending}", f"home:{home}", f"path:{visit.path}", *caveats]
        macaroon = self._macaroons.issue(visit.login, f"Optional[{visit.path}]", caveats)
        base = self._site.url() + "/"
        answer = {
            "macaroon": macaroon,
            "uri": {
                "targetWithMacaroon": f"{visit.url}?authz={macaroon}",
                "baseWithMacaroon": f"{base}?authz={macaroon}",
                "target": visit.url,
                "base": base,
            },
        }
        visit.reply(200, [("Content-Type", "application/json")], (json.dumps(answer, indent=4) + "\n").encode())


def _seconds(duration: str) -> float:
    """An ISO 8601 duration of days, hours, minutes and seconds, in seconds. ValueError."""
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
