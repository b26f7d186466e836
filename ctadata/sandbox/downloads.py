"""GET and HEAD at the door (dcache.md 1.2): files are redirected to a pool, directories are pages."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterator
from email.utils import formatdate
from urllib.parse import quote

from ctadata.sandbox.checksums import chosen
from ctadata.sandbox.door_request import Denied, DoorRequest, content_type, entity
from ctadata.sandbox.exchange import CHUNKED
from ctadata.sandbox.faults import Hangup
from ctadata.sandbox.movers import Mover
from ctadata.sandbox.namespace import Node, read_range
from ctadata.sandbox.pool import is_readable, range_response, requested_ranges
from ctadata.sandbox.receive import Refused

BARE_IN_PATH = "/-_.!~*'():@&=+$,;"
"""What Java's URI leaves as it is in a path, beside letters and digits."""
PATIENCE = 180.0
"""Seconds that the door waits for a file to come from tape, while its client hears nothing."""


def head(visit: DoorRequest) -> None:
    """HEAD: never redirected, ignores Range."""
    node = visit.node()
    visit.need("READ_METADATA")
    if node.is_directory:
        _page(visit, node)
    else:
        length = CHUNKED if node.size is None else ("Content-Length", str(node.size))
        visit.exchange.stream(200, "OK", [*_about(visit, node), length], ())


def get(visit: DoorRequest) -> None:
    """GET: a page for a directory, 302 to a pool for a file, or its bytes where redirects are off."""
    node = visit.node()
    visit.need("DOWNLOAD")
    if node.is_directory:
        _page(visit, node)
    elif node.size is None:
        raise Denied(500, "Internal problem: File upload not yet completed")
    elif node.broken:
        raise Denied(500, "Internal problem: File is broken")
    elif node.locality == "UNAVAILABLE":
        raise Denied(500, f"Internal problem: No online replica of {node.pnfsid}")
    elif visit.site.tape and visit.site.tape.is_on_tape(node) and not visit.site.tape.wait(visit.path, PATIENCE):
        raise Denied(500, "Internal problem: Request to [>PoolManager@local] timed out.")
    elif visit.redirects:
        _redirect(visit, node)
    else:
        _proxied(visit, node)


def _redirect(visit: DoorRequest, node: Node) -> None:
    action = visit.exchange.request.query.get("action", ["download"])[0]
    kind = "inline" if action == "show" else "attachment"
    mover = Mover(visit.path, visit.url, node, visit.site.clock(), checksums=dict(node.checksums), disposition=kind)
    visit.reply(302, [("Location", pool_url(visit, mover))])


def pool_url(visit: DoorRequest, mover: Mover) -> str:
    """Start a mover and tell where its pool answers: path, UUID, and the way back to the door.

    The path is written by Java's `URI.toASCIIString`, which turns it into its Unicode normal form NFC.
    """
    origin = visit.site.start(mover)
    path = quote(unicodedata.normalize("NFC", visit.path), safe=BARE_IN_PATH, errors="surrogateescape")
    reference = quote(visit.site.url(), safe="")
    return f"{origin}{path}?dcache-http-uuid={mover.uuid}&dcache-http-ref={reference}"


def _about(visit: DoorRequest, node: Node) -> list[tuple[str, str]]:
    kind = content_type(node, visit.path.rstrip("/"))
    digest = chosen(visit.header("Want-Digest"), node.checksums)
    return [
        *visit.usual(),
        *entity(node),
        ("Last-Modified", formatdate(node.mtime, usegmt=True)),
        *([("Content-Type", kind)] if kind else []),
        *([("Digest", digest)] if digest else []),
    ]


def _proxied(visit: DoorRequest, node: Node) -> None:
    try:
        ranges = requested_ranges(visit.exchange, node.size or 0)
    except Refused as refused:
        raise Denied(500, f"Internal problem: {refused.reason}") from refused
    about = [*_about(visit, node), ("Content-Disposition", "attachment")]
    if not reaches_pool(visit.path) or not is_readable(visit.path.rpartition("/")[2]):
        headers = [*about, ("Content-Length", str(node.size or 0))]
        visit.exchange.stream(200, "OK", headers, _nothing())
    if ranges:
        length, extra, blocks = range_response(node, ranges)
        about = [pair for pair in about if pair[0] != extra[0]]
        visit.exchange.stream(206, "Partial Content", [*about, extra, ("Content-Length", str(length))], blocks)
    else:
        size = node.size or 0
        blocks = read_range(node, 0, size)
        visit.exchange.stream(200, "OK", [*about, ("Content-Length", str(size))], blocks)


def reaches_pool(path: str) -> bool:
    """Whether the door, which goes to the pool by the `Location` that it would give, finds the file there."""
    return unicodedata.normalize("NFC", path) == path


def _nothing() -> Iterator[bytes]:
    """No byte of a body: the pool refused the door when the head was sent already."""
    yield b""
    raise Hangup


def _page(visit: DoorRequest, node: Node) -> None:
    """A directory as a page for people; a GET without the slash is sent there by 302."""
    query = visit.exchange.request.target.partition("?")[2]
    if visit.method == "GET" and not visit.raw_path.endswith("/"):
        where = visit.url + "/" + (f"?{query}" if query else "")
        visit.reply(302, [("Location", where)])
        return
    rows = "".join(f"<li>{html.escape(name)}</li>\n" for name, _ in visit.site.namespace.children(node))
    link = f'<{visit.url}?type=metalink>; rel=describedby; type="application/metalink4+xml"'
    modified = ("Last-Modified", formatdate(node.mtime, usegmt=True))
    headers = [*entity(node), modified, ("Link", link), ("Content-Type", "text/html;charset=utf-8")]
    fresh = [("Cache-Control", "no-cache")] if visit.method == "GET" else []
    page = f"<html><body><h1>{html.escape(visit.path)}</h1>\n<ul>\n{rows}</ul></body></html>\n"
    visit.reply_in_chunks(200, [*headers, *fresh], page.encode())
