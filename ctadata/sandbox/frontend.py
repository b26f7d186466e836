"""The REST frontend (dCache, `/api/v1`): user, namespace, tape, quotas and labels."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from ctadata.sandbox.door_request import Site, challenge_headers, common_headers
from ctadata.sandbox.exchange import Exchange
from ctadata.sandbox.json_text import dump_pretty
from ctadata.sandbox.login import UID, Login, LoginFailed, Logins
from ctadata.sandbox.rest import RestError, RestRequest, reply_error
from ctadata.sandbox.rest_namespace import QUALITIES, namespace
from ctadata.sandbox.rest_tape import list_bulk_requests, tape

BASE = "/api/v1"
"""The path of the REST interface."""
WELL_KNOWN = "/.well-known/wlcg-tape-rest-api"
"""The path of the document that names the tape interface."""
TEMPLATE = """\
{
    "endpoints": [{
        "metadata": {},
        "uri": "ORIGIN/api/v1/tape",
        "version": "v1"
    }],
    "sitename": "dcache-example-org",
    "description": "This is the dCache WLCG TAPE REST API endpoint for example.org"
}
"""
"""The document that comes with dCache."""
DOOR_TAGS = ["cdmi", "dcache-view", "glue", "srm", "storage-descriptor"]
"""The tags of the door in `/doors`."""


class Frontend:
    """The frontend; it answers users that are logged in."""

    def __init__(self, site: Site, logins: Logins) -> None:
        """Create a frontend of a site."""
        self._site = site
        self._logins = logins

    def disconnected(self, connection: int, broken: bool) -> None:
        """Do nothing: no state of the frontend depends on a connection."""

    def answer(self, exchange: Exchange) -> None:
        """Answer one request in JSON, also with an error."""
        try:
            if exchange.request.path == WELL_KNOWN and self._site.tape_origin:
                reply_well_known(exchange, self._site.tape_origin())
            else:
                login = self._login(exchange)
                _answer(RestRequest(self._site.as_seen_by(login.user), exchange, login))
        except LoginFailed as failed:
            exchange.reply(401, str(failed), challenge_headers())
        except RestError as problem:
            reply_error(exchange, problem)

    def _login(self, exchange: Exchange) -> Login:
        login = self._logins.login(exchange.request, exchange.wire.peer)
        if login is None:
            raise LoginFailed("login failed")
        return login


def reply_well_known(exchange: Exchange, origin: str) -> None:
    """Answer with the document that names the tape interface; it needs no login."""
    text = TEMPLATE.replace("ORIGIN", origin)
    exchange.reply_in_chunks(
        200, "OK", [*common_headers(), ("Content-Type", "application/json;charset=utf-8")], text.encode()
    )


def _answer(call: RestRequest) -> None:
    path = call.exchange.request.path
    for prefix, resource in _RESOURCES.items():
        if path == prefix or path.startswith(prefix + "/"):
            resource(RestRequest(call.site, call.exchange, call.login, path.removeprefix(prefix) or "/"))
            return
    raise RestError(404)


def _only_get(call: RestRequest) -> None:
    if call.method not in ("GET", "HEAD"):
        raise RestError(405)


def _user(call: RestRequest) -> None:
    _only_get(call)
    login = call.login
    call.reply(
        200,
        {
            "status": "AUTHENTICATED",
            "uid": UID,
            "gids": [UID],
            "username": login.user,
            "rootDirectory": call.site.root,
            "homeDirectory": call.site.homes.paths_of(login.user)[0],
        },
        written=dump_pretty,
    )


def _quota(call: RestRequest) -> None:
    """Answer with the user's quota. The usage is counted at each request, where dCache does so once a day.

    Groups have no quota.
    """
    _only_get(call)
    if call.site.quota is None or call.exchange.request.path.startswith(f"{BASE}/quota/group"):
        raise RestError(404, "No such quota exists")
    used = call.site.used_by(call.login.user)
    call.reply(
        200,
        [
            {
                "id": UID,
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


def _qualities(call: RestRequest) -> None:
    _only_get(call)
    call.reply(200, {"name": list(QUALITIES), "message": "successful", "status": "200"})


def _labels(call: RestRequest) -> None:
    """Answer with all labels in use, or with the files that have one label."""
    _only_get(call)
    wanted = call.path.strip("/")
    everything = list(call.site.namespace.walk())
    if not wanted:
        known = sorted({label for _, node in everything for label in node.labels})
        if not known:
            raise RestError(500, "there are no any labels added to files : ")
        call.reply(200, {"labels": known})
        return
    found = [{"fileName": path.rpartition("/")[2]} for path, node in everything if wanted in node.labels]
    call.reply(200, {"children": found})


def _doors(call: RestRequest) -> None:
    """Answer with the one door of the site."""
    _only_get(call)
    door = urlsplit(call.site.url())
    call.reply(
        200,
        [
            {
                "cellName": None,
                "domainName": None,
                "protocol": door.scheme,
                "version": "1.1",
                "root": "/",
                "identifier": None,
                "addresses": [door.hostname],
                "port": door.port,
                "load": 0.0,
                "updateTime": 0,
                "tags": DOOR_TAGS,
                "readPaths": ["/"],
                "writePaths": ["/"],
            }
        ],
    )


_RESOURCES: dict[str, Callable[[RestRequest], None]] = {
    f"{BASE}/user": _user,
    f"{BASE}/namespace": namespace,
    f"{BASE}/tape": tape,
    f"{BASE}/bulk-requests": list_bulk_requests,
    f"{BASE}/doors": _doors,
    f"{BASE}/quota/user": _quota,
    f"{BASE}/quota/group": _quota,
    f"{BASE}/qos-management/qos/file": _qualities,
    f"{BASE}/labels": _labels,
}
