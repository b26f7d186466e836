"""The REST frontend: who the user is, the namespace, tape, quotas and labels (dCache, `/api/v1`)."""

from __future__ import annotations

import json
from collections.abc import Callable

from ctadata.sandbox.exchange import Exchange
from ctadata.sandbox.login import Login, LoginFailed, Logins
from ctadata.sandbox.rest import Call, Problem, tell_problem
from ctadata.sandbox.rest_namespace import QUALITIES, namespace
from ctadata.sandbox.rest_tape import tape
from ctadata.sandbox.visit import Site

BASE = "/api/v1"
WELL_KNOWN = "/.well-known/wlcg-tape-rest-api"


class Frontend:
    """Answers for logged-in users."""

    def __init__(self, site: Site, logins: Logins) -> None:
        self._site = site
        self._logins = logins

    def disconnected(self, connection: int, broken: bool) -> None:
        """Nothing hangs on a connection."""

    def answer(self, exchange: Exchange) -> None:
        """Answer one request, in JSON, errors too."""
        try:
            if exchange.request.path == WELL_KNOWN:
                well_known(exchange, f"https://{exchange.request.header('Host')}")
            else:
                login = self._login(exchange)
                _answer(Call(self._site.as_seen_by(login.user), exchange, login))
        except Problem as problem:
            tell_problem(exchange, problem)

    def _login(self, exchange: Exchange) -> Login:
        try:
            login = self._logins.login(exchange.request, exchange.wire.peer)
        except LoginFailed as failed:
            raise Problem(401, str(failed)) from failed
        if login is None:
            raise Problem(401, "Access denied")
        return login


def well_known(exchange: Exchange, origin: str) -> None:
    """Where the tape interface is: a static file of the site, for everybody."""
    endpoint = {"uri": f"{origin}{BASE}/tape", "version": "v1", "metadata": {}}
    body = {"sitename": "sandbox", "description": "a tape library that is none", "endpoints": [endpoint]}
    exchange.reply(200, "OK", [("Content-Type", "application/json")], json.dumps(body).encode())


def _answer(call: Call) -> None:
    path = call.exchange.request.path
    for prefix, resource in _RESOURCES.items():
        if path == prefix or path.startswith(prefix + "/"):
            resource(Call(call.site, call.exchange, call.login, path.removeprefix(prefix) or "/"))
            return
    raise Problem(404)


def _only_get(call: Call) -> None:
    if call.method not in ("GET", "HEAD"):
        raise Problem(405)


def _user(call: Call) -> None:
    _only_get(call)
    login = call.login
    call.reply(
        200,
        {
            "status": "AUTHENTICATED",
            "uid": 2000,
            "gids": [2000],
            "username": login.user,
            "homeDirectory": call.site.homes.of(login.user)[0],
            "rootDirectory": call.site.root,
            "email": [login.email] if login.email else [],
            "roles": [],
            "unassertedRoles": [],
        },
    )


def _quota(call: Call) -> None:
    """What the user has, counted anew, which dCache does once a day; 503 where quotas are off."""
    _only_get(call)
    if call.site.quota is None:
        raise Problem(503, "Quota service is not available.")
    used = call.site.used_by(call.login.user)
    call.reply(
        200,
        [
            {
                "id": 2000,
                "type": "USER",
                "custodial": 0,
                "replica": used,
                "output": 0,
                "custodialLimit": None,
                "replicaLimit": call.site.quota,
                "outputLimit": None,
            }
        ],
    )


def _qualities(call: Call) -> None:
    _only_get(call)
    call.reply(200, {"name": list(QUALITIES), "message": "successful", "status": "200"})


def _labels(call: Call) -> None:
    """Every label in use, or the files that have one."""
    _only_get(call)
    wanted = call.path.strip("/")
    everything = list(call.site.namespace.walk())
    if not wanted:
        call.reply(200, {"labels": sorted({label for _, node in everything for label in node.labels})})
        return
    found = [{"fileName": path.rpartition("/")[2]} for path, node in everything if wanted in node.labels]
    call.reply(200, {"children": found})


_RESOURCES: dict[str, Callable[[Call], None]] = {
    f"{BASE}/user": _user,
    f"{BASE}/namespace": namespace,
    f"{BASE}/tape": tape,
    f"{BASE}/quota/user": _quota,
    f"{BASE}/qos-management/qos/file": _qualities,
    f"{BASE}/labels": _labels,
}
