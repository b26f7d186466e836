"""PUT at the door (dcache.md 1.5): redirected to a pool, or received by the door itself."""

from __future__ import annotations

from ctadata.sandbox.checksums import choose_digest
from ctadata.sandbox.door_request import Denied, DoorRequest, entity_headers
from ctadata.sandbox.downloads import can_reach_pool, start_mover
from ctadata.sandbox.faults import Hangup
from ctadata.sandbox.movers import Mover, Upload
from ctadata.sandbox.namespace import IsDirectory, NamespaceError, Node, NotFound
from ctadata.sandbox.receive import Refused, receive

BELOW_A_FILE = (
    'Cannot invoke "io.milton.resource.Resource.authorise(io.milton.http.Request, io.milton.http.Request$Method,'
    ' io.milton.http.Auth)" because "resource" is null'
)
"""The door's message for a PUT below a file."""


def put(request: DoorRequest) -> None:
    """Answer PUT: check the preconditions, create the parents and the new entry, then receive the bytes.

    The old entry is deleted before the bytes come. The door redirects only if Expect is exactly `100-continue` and no
    byte of the body has arrived.
    """
    old = _existing(request)
    _check(request, old)
    node = _create(request, old)
    exchange = request.exchange
    upload = Upload(
        expected_size=_expected_size(request),
        want_digest=request.header("Want-Digest"),
        content_md5=request.header("Content-MD5"),
        mtime=_mtime(request),
    )
    may_redirect = request.header("Expect") == "100-continue" and not exchange.body_arrived()
    if may_redirect and request.redirects:
        mover = Mover(request.path, request.url, node, request.site.clock(), upload=upload)
        exchange.keep = False
        exchange.stream(
            307, "Temporary Redirect", [*request.common_headers(), ("Location", start_mover(request, mover))], ()
        )
    else:
        _receive_at_door(request, node, upload)


def _existing(request: DoorRequest) -> Node | None:
    try:
        return request.site.namespace.find(request.path)
    except NotFound:
        return None


def _check(request: DoorRequest, old: Node | None) -> None:
    if_match, if_none_match = request.header("If-Match"), request.header("If-None-Match")
    if if_match is not None and not (old and _matches(if_match, old)):
        raise Denied(412)
    if if_none_match is not None and old and _matches(if_none_match, old):
        raise Denied(412)
    request.need("UPLOAD")
    _check_quota(request)
    if old is None:
        return
    if not request.site.overwrite:
        raise Denied(409)
    if old.is_directory:
        raise Denied(405)
    request.need("DELETE")


def _check_quota(request: DoorRequest) -> None:
    quota, coming = request.site.quota, _expected_size(request) or 0
    if quota is not None and request.site.used_by(request.login.user) + coming > quota:
        raise Denied(507, "Insufficient storage: SER_QUOTA_EXCEEDED")


def _matches(header: str, node: Node) -> bool:
    return header.strip() == "*" or node.etag in [tag.strip() for tag in header.split(",")]


def _create(request: DoorRequest, old: Node | None) -> Node:
    namespace = request.site.namespace
    try:
        if old is None:
            namespace.make_parents(request.path)
        return namespace.create(request.path, request.header("Content-Type"))
    except IsDirectory as error:
        raise Denied(405) from error
    except NamespaceError as error:
        raise Denied(500, f"Internal problem: {BELOW_A_FILE}") from error


def _expected_size(request: DoorRequest) -> int | None:
    announced = request.header("X-Expected-Entity-Length") or request.header("Content-Length")
    return int(announced) if announced is not None and announced.isdigit() else None


def _mtime(request: DoorRequest) -> float | None:
    value = request.header("X-OC-Mtime")
    try:
        return None if value is None else float(value)
    except ValueError as error:
        raise Denied(400) from error


def _receive_at_door(request: DoorRequest, node: Node, upload: Upload) -> None:
    exchange = request.exchange
    exchange.send_continue()
    if not can_reach_pool(request.path):
        _clean_up(request, node)
        raise Denied(400)
    try:
        digests = receive(exchange, request.site.namespace, node, upload)
    except (Hangup, OSError):
        _clean_up(request, node)
        raise
    except Refused as refused:
        _clean_up(request, node)
        raise _door_error(refused) from refused
    digest = choose_digest(request.header("Want-Digest"), digests)
    headers = [
        *request.common_headers(),
        *entity_headers(node),
        *([("Digest", digest)] if digest else []),
        *([("X-OC-MTime", "accepted")] if upload.mtime is not None else []),
    ]
    exchange.reply_in_chunks(201, "Created", headers)


def _door_error(refused: Refused) -> Denied:
    """Return the door's error for a refusal by a pool (dcache.md 4)."""
    if refused.status == 507:
        return Denied(507, "Insufficient storage: SER_DISK_FULL")
    if refused.status == 400:
        return Denied(400)
    return Denied(500, f"Internal problem: {refused.reason}")


def _clean_up(request: DoorRequest, node: Node) -> None:
    """Delete the entry that a failed upload through the door has left, unless another entry has its name by now."""
    if _existing(request) is node:
        request.site.namespace.remove(request.path)
