"""GET and HEAD at the door (dcache.md 1.2): a file is redirected to a pool, a directory is a page."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterator
from email.utils import formatdate
from urllib.parse import quote

from ctadata.sandbox.checksums import choose_digest
from ctadata.sandbox.door_request import Denied, DoorRequest, entity_headers, guess_content_type
from ctadata.sandbox.faults import Hangup
from ctadata.sandbox.http_messages import CHUNKED
from ctadata.sandbox.movers import Mover
from ctadata.sandbox.namespace import Node, read_range
from ctadata.sandbox.pool import is_readable, range_response, requested_ranges
from ctadata.sandbox.receive import Refused

BARE_IN_PATH = "/-_.!~*'():@&=+$,;"
"""The characters that Java's URI leaves unencoded in a path, beside letters and digits."""
TAPE_TIMEOUT = 180.0
"""Seconds that the door waits for a file from tape, while its client gets no answer."""


def head(request: DoorRequest) -> None:
    """Answer HEAD. It is never redirected, and ignores Range."""
    node = request.node()
    request.need("READ_METADATA")
    if node.is_directory:
        _page(request, node)
    else:
        length = CHUNKED if node.size is None else ("Content-Length", str(node.size))
        request.exchange.stream(200, "OK", [*_file_headers(request, node), length], ())


def get(request: DoorRequest) -> None:
    """Answer GET: a page for a directory, 302 to a pool for a file, or the file's bytes if redirects are off."""
    node = request.node()
    request.need("DOWNLOAD")
    if node.is_directory:
        _page(request, node)
    elif node.size is None:
        raise Denied(500, "Internal problem: File upload not yet completed")
    elif node.broken:
        raise Denied(500, "Internal problem: File is broken")
    elif node.locality == "UNAVAILABLE":
        raise Denied(500, f"Internal problem: No online replica of {node.pnfsid}")
    elif (
        request.site.tape
        and request.site.tape.is_on_tape(node)
        and not request.site.tape.wait(request.path, TAPE_TIMEOUT)
    ):
        raise Denied(500, "Internal problem: Request to [>PoolManager@local] timed out.")
    elif request.redirects:
        _redirect(request, node)
    else:
        _send_file(request, node)


def _redirect(request: DoorRequest, node: Node) -> None:
    action = request.exchange.request.query.get("action", ["download"])[0]
    kind = "inline" if action == "show" else "attachment"
    mover = Mover(
        request.path, request.url, node, request.site.clock(), checksums=dict(node.checksums), disposition=kind
    )
    request.reply(302, [("Location", start_mover(request, mover))])


def start_mover(request: DoorRequest, mover: Mover) -> str:
    """Start a mover, and return its URL at the pool: the path, the UUID, and the door's origin.

    Java's `URI.toASCIIString` writes the path, and changes it to the Unicode normal form NFC.
    """
    origin = request.site.start(mover)
    path = quote(unicodedata.normalize("NFC", request.path), safe=BARE_IN_PATH, errors="surrogateescape")
    reference = quote(request.site.url(), safe="")
    return f"{origin}{path}?dcache-http-uuid={mover.uuid}&dcache-http-ref={reference}"


def _file_headers(request: DoorRequest, node: Node) -> list[tuple[str, str]]:
    kind = guess_content_type(node, request.path.rstrip("/"))
    digest = choose_digest(request.header("Want-Digest"), node.checksums)
    return [
        *request.common_headers(),
        *entity_headers(node),
        ("Last-Modified", formatdate(node.mtime, usegmt=True)),
        *([("Content-Type", kind)] if kind else []),
        *([("Digest", digest)] if digest else []),
    ]


def _send_file(request: DoorRequest, node: Node) -> None:
    try:
        ranges = requested_ranges(request.exchange, node.size or 0)
    except Refused as refused:
        raise Denied(500, f"Internal problem: {refused.reason}") from refused
    headers = [*_file_headers(request, node), ("Content-Disposition", "attachment")]
    if not can_reach_pool(request.path) or not is_readable(request.path.rpartition("/")[2]):
        headers = [*headers, ("Content-Length", str(node.size or 0))]
        request.exchange.stream(200, "OK", headers, _broken_body())
    if ranges:
        length, extra, blocks = range_response(node, ranges)
        headers = [pair for pair in headers if pair[0] != extra[0]]
        request.exchange.stream(206, "Partial Content", [*headers, extra, ("Content-Length", str(length))], blocks)
    else:
        size = node.size or 0
        blocks = read_range(node, 0, size)
        request.exchange.stream(200, "OK", [*headers, ("Content-Length", str(size))], blocks)


def can_reach_pool(path: str) -> bool:
    """Whether the door finds the file at the pool: the door uses the same path as its redirects, in NFC."""
    return unicodedata.normalize("NFC", path) == path


def _broken_body() -> Iterator[bytes]:
    """Yield no byte and end the connection: the pool has refused the door after the head was sent."""
    yield b""
    raise Hangup


def _page(request: DoorRequest, node: Node) -> None:
    """Answer with the page of a directory; a GET without the trailing slash is redirected to it by 302."""
    query = request.exchange.request.target.partition("?")[2]
    if request.method == "GET" and not request.raw_path.endswith("/"):
        where = request.url + "/" + (f"?{query}" if query else "")
        request.reply(302, [("Location", where)])
        return
    rows = "".join(f"<li>{html.escape(name)}</li>\n" for name, _ in request.site.namespace.children(node))
    link = f'<{request.url}?type=metalink>; rel=describedby; type="application/metalink4+xml"'
    modified = ("Last-Modified", formatdate(node.mtime, usegmt=True))
    headers = [*entity_headers(node), modified, ("Link", link), ("Content-Type", "text/html;charset=utf-8")]
    fresh = [("Cache-Control", "no-cache")] if request.method == "GET" else []
    page = f"<html><body><h1>{html.escape(request.path)}</h1>\n<ul>\n{rows}</ul></body></html>\n"
    request.reply_in_chunks(200, [*headers, *fresh], page.encode())
