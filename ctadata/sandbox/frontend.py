"""The REST frontend, as far as a client needs it to find its home: `GET /api/v1/user` (dcache.md 5, 6)."""

from __future__ import annotations

import json

from ctadata.sandbox.exchange import Exchange
from ctadata.sandbox.login import Login, LoginFailed, Logins
from ctadata.sandbox.permissions import Homes

PATH = "/api/v1/user"


class Frontend:
    """Answers for logged-in users."""

    def __init__(self, logins: Logins, homes: Homes) -> None:
        self._logins = logins
        self._homes = homes

    def disconnected(self, connection: int) -> None:
        """Nothing hangs on a connection."""

    def answer(self, exchange: Exchange) -> None:
        """Answer one request, in JSON, errors too."""
        try:
            login = self._logins.login(exchange.request, exchange.wire.peer)
        except LoginFailed as failed:
            _json(exchange, 401, "Unauthorized", _problem(401, "Unauthorized", str(failed)))
            return
        if exchange.request.path != PATH:
            _json(exchange, 404, "Not Found", _problem(404, "Not Found", "HTTP 404 Not Found"))
        elif exchange.request.method not in ("GET", "HEAD"):
            _json(exchange, 405, "Method Not Allowed", _problem(405, "Method Not Allowed", "HTTP 405"))
        elif login is None:
            _json(exchange, 401, "Unauthorized", _problem(401, "Unauthorized", "Access denied"))
        else:
            _json(exchange, 200, "OK", self._user(login))

    def _user(self, login: Login) -> dict[str, object]:
        return {
            "status": "AUTHENTICATED",
            "uid": 2000,
            "gids": [2000],
            "username": login.user,
            "homeDirectory": self._homes.of(login.user)[0],
            "rootDirectory": "/",
            "email": [login.email] if login.email else [],
            "roles": [],
            "unassertedRoles": [],
        }


def _problem(status: int, title: str, detail: str) -> dict[str, object]:
    return {"status": str(status), "title": title, "detail": detail}


def _json(exchange: Exchange, status: int, reason: str, body: dict[str, object]) -> None:
    exchange.reply(status, reason, [("Content-Type", "application/json")], json.dumps(body).encode())
