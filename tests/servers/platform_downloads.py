"""The download service of the tests: its addresses, its answers, its oddities; written from what is known of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

from flask import Blueprint, Response, jsonify, request
from servers.platform_certificates import Certificates, Refusal, fragment
from servers.platform_door import BASE, Answer, Door, buffered
from servers.platform_hub import NO_SCOPE, Hub, Model, given_token, may_use, to_login

NAME = "downloadservice"
PREFIX = f"/services/{NAME}"
BASES = ("lst", "cta")  # where homes may be, in this order
DAV = "{DAV:}"
READS, WRITES = ("GET", "HEAD", "OPTIONS", "PROPFIND", "TRACE"), ("PUT", "MKCOL", "PROPPATCH")
DROPPED = {"host", "authorization", "content-length", "content-encoding", "connection", "keep-alive", "te", "upgrade"}
DROPPED |= {"proxy-authorization", "proxy-authenticate", "trailer", "transfer-encoding"}
BLOCK = 10 * 2**20
Said = Response | tuple[str | Response, int | str]


def service(hub: Hub, door: Door, certificates: Certificates) -> Blueprint:
    """Its addresses."""
    at = Blueprint(NAME, __name__, url_prefix=PREFIX)

    def checked(answer: Callable[..., Said]) -> Callable[..., Said]:
        """Who it is, and whether the storage can be opened for them."""

        def with_user(path: str = "") -> Said:
            user = hub.user(given_token())
            if user is None and request.content_type == "application/json":
                return jsonify(message="Invalid or missing Bearer token"), 401
            if user is None:
                return to_login(NAME)
            if not may_use(user, NAME):
                return NO_SCOPE, 403
            try:
                certificates.of(user["name"], certificates.key_of(path))
            except Refusal as refusal:
                return f"Error while retrieving certificate: {refusal}", 400
            return answer(user, path)

        return with_user

    def route(address: str, methods: tuple[str, ...], answer: Callable[..., Said]) -> None:
        for rule in (f"/{address}", f"/{address}/<path:path>"):
            at.add_url_rule(
                rule, f"{address} {rule}", checked(answer), methods=methods, provide_automatic_options=False
            )

    @at.get("/health")
    def health() -> str:
        return "OK - DownloadService is up and running"

    @at.get("/storage-status")
    def storage_status() -> Said:
        if door.ask("PROPFIND", "cta", [("Depth", "1")]).code in (200, 207):
            return "OK - DCache is accessible using configured shared certificate", 200
        return "Unhealthy! - DCache is not accessible using configured shared certificate", 500

    route("list", ("GET", "POST"), lambda user, path: listing(door, path))
    route("fetch", ("GET", "POST", "HEAD"), lambda user, path: fetch(door, path))
    route("upload", ("POST",), lambda user, path: upload(door, user, path))
    route("webdav", READS + WRITES, lambda user, path: proxied(door, user, path))
    return at


def listing(door: Door, path: str) -> Said:
    """`/list`: the directory itself first; its own path is taken for a regular expression."""
    answer = door.ask("PROPFIND", path, [("Depth", "1")])
    if answer.code not in (200, 207):
        return f"Error: {answer.code} {answer.read().decode()}", answer.code
    parts = urlsplit(request.url)
    address = f"{parts.scheme}://{parts.netloc}{re.sub(path, '', unquote(parts.path))}"
    found = ElementTree.fromstring(answer.read()).iter(f"{DAV}response")
    return jsonify([row(element, address) for element in found])


def row(element: ElementTree.Element, address: str) -> dict[str, str]:
    """One entry: the href stays percent-encoded, the size is text, a directory is what ends in a slash."""
    href = re.sub(f"^/*{BASE}/", "", element.findtext(f"{DAV}href", ""))
    told = {
        "href": href,
        "type": "directory" if href.endswith("/") else "file",
        "url": f"{address.rstrip('/')}/{href}",
    }
    for key, name in (("size", "getcontentlength"), ("mtime", "getlastmodified")):
        if value := element.findtext(f".//{DAV}{name}"):
            told[key] = value
    return told


def fetch(door: Door, path: str) -> Said:
    """`/fetch`: 200, whatever the storage says."""
    if ".." in path:
        return "Error: path cannot contain '..'", 400
    answer = door.ask("GET", path)
    headers = {"Content-Disposition": f"attachment; filename={path.rpartition('/')[2]}"}
    return Response(streamed(answer), headers=headers, content_type="application/octet-stream")


def streamed(answer: Answer) -> Iterator[bytes]:
    """The body in pieces, so that no length is told."""
    for piece in answer.body:
        for start in range(0, len(piece), 2**16):
            yield piece[start : start + 2**16]


def upload(door: Door, user: Model, path: str) -> Said:
    """`/upload`: below the home, in the first base whose `users` can be listed."""
    if ".." in path:
        return "Error: path cannot contain '..'", 400
    if not path:
        raise TypeError("upload() missing 1 required positional argument: 'path'")
    listed = (base for base in BASES if door.ask("PROPFIND", f"{base}/users", [("Depth", "1")]).code in (200, 207))
    base = next(listed, None)
    if base is None:
        return "Access denied", "403 Missing rights to upload files"
    home = f"{base}/users/{fragment(user['name'])}"
    door.ask("MKCOL", home)
    content, whole = buffered(request.stream, BLOCK)
    answer = door.ask("PUT", f"{home}/{path}", body=content if whole else b"")
    if not whole:
        raise ConnectionError("the client left in the middle of its body")
    if answer.code in (200, 201):
        return jsonify(status="uploaded", path=f"{home}/{path}", total_written=len(content))
    return f"Error: {answer.code} {answer.read().decode()}", answer.code


def proxied(door: Door, user: Model, path: str) -> Said:
    """`/webdav`: honest codes and ranges; every body is searched for hrefs to rewrite, files as well."""
    homes = [f"{base}/users/{fragment(user['name'])}/" for base in BASES]
    if request.method in WRITES and not any(path.startswith(home) for home in homes):
        said = f"403 Missing rights to write in : {path}, you are not allowed to write in this folder"
        return "Access denied", said.encode("ascii", "replace").decode()
    passed = [(name, value) for name, value in request.headers if name.lower() not in DROPPED]
    content, _ = buffered(request.stream, BLOCK)
    answer = door.ask(request.method, path, passed, content or None)
    body = answer.read().replace(f":href>/{BASE}/".encode(), f":href>{PREFIX}/webdav/".encode())
    kept = [(name, value) for name, value in answer.headers if name.lower() not in DROPPED]
    return Response(body, status=answer.status, headers=kept)
