"""PUT at the door (dcache.md 1.5): redirected to a pool, or taken in by the door itself."""

from __future__ import annotations

from ctadata.sandbox.checksums import chosen
from ctadata.sandbox.door_request import Denied, DoorRequest, entity
from ctadata.sandbox.downloads import pool_url, reaches_pool
from ctadata.sandbox.faults import Hangup
from ctadata.sandbox.movers import Mover, Upload
from ctadata.sandbox.namespace import IsDirectory, NamespaceError, Node, NotFound
from ctadata.sandbox.receive import Refused, receive

BELOW_A_FILE = (
    'Cannot invoke "io.milton.resource.Resource.authorise(io.milton.http.Request, io.milton.http.Request$Method,'
    ' io.milton.http.Auth)" because "resource" is null'
)
"""What the door says of a PUT below a file."""


def put(visit: DoorRequest) -> None:
    """Preconditions, parents, the new entry (the old one is gone from here on), then the bytes.

    Redirected only where Expect is exactly `100-continue` and no byte of the body has come yet.
    """
    old = _existing(visit)
    _check(visit, old)
    node = _create(visit, old)
    exchange = visit.exchange
    upload = Upload(
        expected_size=_expected_size(visit),
        want_digest=visit.header("Want-Digest"),
        content_md5=visit.header("Content-MD5"),
        mtime=_mtime(visit),
    )
    patient = visit.header("Expect") == "100-continue" and not exchange.body_arrived()
    if patient and visit.redirects:
        mover = Mover(visit.path, visit.url, node, visit.site.clock(), upload=upload)
        exchange.keep = False
        exchange.stream(307, "Temporary Redirect", [*visit.usual(), ("Location", pool_url(visit, mover))], ())
    else:
        _proxied(visit, node, upload)


def _existing(visit: DoorRequest) -> Node | None:
    try:
        return visit.site.namespace.find(visit.path)
    except NotFound:
        return None


def _check(visit: DoorRequest, old: Node | None) -> None:
    if_match, if_none_match = visit.header("If-Match"), visit.header("If-None-Match")
    if if_match is not None and not (old and _matches(if_match, old)):
        raise Denied(412)
    if if_none_match is not None and old and _matches(if_none_match, old):
        raise Denied(412)
    visit.need("UPLOAD")
    _check_quota(visit)
    if old is None:
        return
    if not visit.site.overwrite:
        raise Denied(409)
    if old.is_directory:
        raise Denied(405)
    visit.need("DELETE")


def _check_quota(visit: DoorRequest) -> None:
    quota, coming = visit.site.quota, _expected_size(visit) or 0
    if quota is not None and visit.site.used_by(visit.login.user) + coming > quota:
        raise Denied(507, "Insufficient storage: SER_QUOTA_EXCEEDED")


def _matches(header: str, node: Node) -> bool:
    return header.strip() == "*" or node.etag in [tag.strip() for tag in header.split(",")]


def _create(visit: DoorRequest, old: Node | None) -> Node:
    namespace = visit.site.namespace
    try:
        if old is None:
            namespace.make_parents(visit.path)
        return namespace.create(visit.path, visit.header("Content-Type"))
    except IsDirectory as error:
        raise Denied(405) from error
    except NamespaceError as error:
        raise Denied(500, f"Internal problem: {BELOW_A_FILE}") from error


def _expected_size(visit: DoorRequest) -> int | None:
    announced = visit.header("X-Expected-Entity-Length") or visit.header("Content-Length")
    return int(announced) if announced is not None and announced.isdigit() else None


def _mtime(visit: DoorRequest) -> float | None:
    value = visit.header("X-OC-Mtime")
    try:
        return None if value is None else float(value)
    except ValueError as error:
        raise Denied(400) from error


def _proxied(visit: DoorRequest, node: Node, upload: Upload) -> None:
    exchange = visit.exchange
    exchange.send_continue()
    if not reaches_pool(visit.path):
        _clean_up(visit, node)
        raise Denied(400)
    try:
        digests = receive(exchange, visit.site.namespace, node, upload)
    except (Hangup, OSError):
        _clean_up(visit, node)
        raise
    except Refused as refused:
        _clean_up(visit, node)
        raise _as_the_door_says(refused) from refused
    digest = chosen(visit.header("Want-Digest"), digests)
    headers = [
        *visit.usual(),
        *entity(node),
        *([("Digest", digest)] if digest else []),
        *([("X-OC-MTime", "accepted")] if upload.mtime is not None else []),
    ]
    exchange.reply_in_chunks(201, "Created", headers)


def _as_the_door_says(refused: Refused) -> Denied:
    """What a pool refused, in the words of the door (dcache.md 4)."""
    if refused.status == 507:
        return Denied(507, "Insufficient storage: SER_DISK_FULL")
    if refused.status == 400:
        return Denied(400)
    return Denied(500, f"Internal problem: {refused.reason}")


def _clean_up(visit: DoorRequest, node: Node) -> None:
    """The door deletes what a failed upload through it has left, unless something else is there by now."""
    if _existing(visit) is node:
        visit.site.namespace.remove(visit.path)
