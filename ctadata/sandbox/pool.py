"""A pool: sends or receives the bytes of one file for each UUID, without a credential (dcache.md 1.3, 1.4, 1.6).

All error responses have an empty body; the reason phrase is the message.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote

from ctadata.sandbox.checksums import choose_digest
from ctadata.sandbox.exchange import Exchange
from ctadata.sandbox.faults import FailedMover, Hangup, WholeFile
from ctadata.sandbox.http_messages import Headers
from ctadata.sandbox.listener import Limits
from ctadata.sandbox.movers import Mover, Movers
from ctadata.sandbox.namespace import Namespace, Node, read_range
from ctadata.sandbox.receive import Refused, merge_request_headers, receive, settle_abandoned
from ctadata.sandbox.transfer_log import TransferLog

LIMITS = Limits(line=4096, headers=8192, silent=True)
UUID = re.compile(r"[0-9a-fA-F]+(-[0-9a-fA-F]+){4}")
BOUNDARY = "__AAAAAAAAAAAAAAAA__"
Range = tuple[int, int]


@dataclass(frozen=True)
class _RedirectToDoor(Exception):
    """The UUID is not valid any more: redirect the client to the door."""

    location: str


class Pool:
    """One pool."""

    def __init__(
        self, namespace: Namespace, clock: Callable[[], float], server: str, transfer_log: TransferLog
    ) -> None:
        """Create a pool without movers.

        Args:
            namespace: The files.
            clock: Returns Unix seconds.
            server: The value of the header Server.
            transfer_log: Records what the pool is asked for.
        """
        self._namespace = namespace
        self._server: Headers = [("Server", server)]
        self.movers = Movers(clock, self._timed_out, transfer_log)

    def _timed_out(self, mover: Mover) -> None:
        if mover.upload is not None:
            settle_abandoned(mover.node, mover.upload, self._namespace)

    def disconnected(self, connection: int, broken: bool) -> None:
        """End the downloads of a connection that ended; fail them if it broke off."""
        self.movers.disconnected(connection, broken)

    def answer(self, exchange: Exchange) -> None:
        """Answer GET, HEAD or PUT with a UUID."""
        actions = {"GET": self._get, "HEAD": self._head, "PUT": self._put}
        try:
            actions.get(exchange.request.method, _unsupported)(exchange)
        except Refused as refused:
            exchange.reply(refused.status, refused.reason, self._server)
        except _RedirectToDoor as redirect:
            exchange.reply(307, "Request is no longer valid", [*self._server, ("Location", redirect.location)])

    def _open(self, exchange: Exchange) -> Mover:
        request = exchange.request
        identifier = request.query.get("dcache-http-uuid", [""])[0]
        if not identifier:
            raise Refused(400, "Query string does not include any UUID.")
        if not UUID.fullmatch(identifier):
            raise Refused(400, f"Invalid UUID string: {identifier}")
        mover = self.movers.open(identifier)
        if mover is None:
            references = request.query.get("dcache-http-ref", [])
            if len(references) == 1:
                raise _RedirectToDoor(references[0].rstrip("/") + request.raw_path)
            raise Refused(400, "Request is no longer valid. Please resubmit to door.")
        if PurePosixPath(request.path) != PurePosixPath(mover.path):
            raise Refused(400, "The file you specified does not match the UUID you specified!")
        self.movers.join(mover, exchange.wire.number, exchange.wire.socket)
        if mover.upload is None and not is_readable(PurePosixPath(mover.path).name):
            raise Hangup
        return mover

    # ---- downloads

    def _common_headers(self, exchange: Exchange, mover: Mover) -> list[tuple[str, str]]:
        digest = choose_digest(exchange.request.header("Want-Digest"), mover.checksums)
        return [*self._server, ("Accept-Ranges", "bytes"), *([("Digest", digest)] if digest else [])]

    def _file_headers(self, exchange: Exchange, mover: Mover) -> list[tuple[str, str]]:
        return [
            *self._common_headers(exchange, mover),
            ("Content-Length", str(mover.node.size or 0)),
            ("Content-Disposition", content_disposition(mover.disposition, PurePosixPath(mover.path).name)),
            ("Content-Location", mover.url),
        ]

    def _head(self, exchange: Exchange) -> None:
        mover = self._open(exchange)
        exchange.stream(200, "OK", self._file_headers(exchange, mover), ())

    def _get(self, exchange: Exchange) -> None:
        mover = self._open(exchange)
        if mover.upload is not None:
            raise Refused(405, "Resource is not open for reading")
        size = mover.node.size or 0
        ranges = requested_ranges(exchange, size)
        if not ranges:
            blocks = self._stream_blocks(exchange, mover, [(0, size - 1)], read_range(mover.node, 0, size), last=True)
            exchange.stream(200, "OK", self._file_headers(exchange, mover), blocks)
            return
        length, extra, blocks = range_response(mover.node, ranges)
        headers = [*self._common_headers(exchange, mover), ("Content-Length", str(length)), extra]
        last = len(ranges) == 1 and (exchange.request.header("Connection") or "").lower() == "close"
        exchange.stream(206, "Partial Content", headers, self._stream_blocks(exchange, mover, ranges, blocks, last))

    def _stream_blocks(
        self, exchange: Exchange, mover: Mover, ranges: list[Range], blocks: Iterator[bytes], last: bool
    ) -> Iterator[bytes]:
        """Yield the blocks while the mover lives, and then fall silent.

        A mover that this request uses up (`last`) ends before the last block is sent, so that a client with all bytes
        finds it ended.
        """
        connection, sent = exchange.wire.number, 0
        failing = exchange.fault(FailedMover)
        self.movers.begin(mover, connection, ranges)
        for block, is_last in mark_last(blocks):
            if failing is not None and sent + len(block) > failing.after:
                yield block[: failing.after - sent]
                self.movers.fail(mover)
            if mover.is_over_for(connection):
                exchange.fall_silent()
            if is_last and last:
                self.movers.end(mover, connection)
            yield block
            sent += len(block)
        if last:
            self.movers.end(mover, connection)
        self.movers.finish(mover, connection)

    # ---- uploads

    def _put(self, exchange: Exchange) -> None:
        for name, _ in exchange.request.headers:
            if name.lower().startswith("content-") and name.lower() not in ("content-length", "content-md5"):
                raise Refused(501, f"{name} is not implemented")
        mover = self._open(exchange)
        if mover.upload is None:
            raise Refused(405, "Resource is not open for writing")
        self.movers.end(mover, exchange.wire.number)
        exchange.send_continue(self._server)
        upload = merge_request_headers(mover.upload, exchange)
        digests = receive(exchange, self._namespace, mover.node, upload)
        digest = choose_digest(exchange.request.header("Want-Digest"), digests)
        headers = [
            *self._server,
            ("Content-Type", "text/plain; charset=UTF-8"),
            ("Location", mover.url),
            *([("Digest", digest)] if digest else []),
            ("X-OC-MTime", "accepted"),
        ]
        exchange.reply(201, "Created", headers, f"{mover.node.size} bytes uploaded\r\n\r\n".encode())


def mark_last(blocks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield each block with whether it is the last one."""
    held: bytes | None = None
    for block in blocks:
        if held is not None:
            yield held, False
        held = block
    if held is not None:
        yield held, True


def is_readable(name: str) -> bool:
    """Return whether a pool can send a file of this name: a control character makes its Content-Disposition invalid."""
    return all(unicodedata.category(character) != "Cc" for character in name)


def _unsupported(_: Exchange) -> None:
    raise Refused(501, "The requested operation is not supported by dCache")


def requested_ranges(exchange: Exchange, size: int) -> list[Range]:
    """Return the requested byte ranges (first and last byte), clipped to the file; empty for the whole file.

    Raises:
        Refused: 416 if no range lies in the file.
    """
    header = exchange.request.header("Range")
    if header is None or not header.startswith("bytes=") or exchange.fault(WholeFile) is not None:
        return []
    ranges = [byte_range for spec in header[6:].split(",") if (byte_range := _range(spec.strip(), size)) is not None]
    if not ranges and exchange.request.header("If-Range") is None:
        raise Refused(416, "Invalid (empty) list of valid ranges")
    return ranges


def _range(spec: str, size: int) -> Range | None:
    match = re.fullmatch(r"(\d*)-(\d*)", spec)
    if match is None or spec == "-":
        return None
    first, last = match.groups()
    if not first:
        lower, upper = max(0, size - int(last)), size - 1
    else:
        lower, upper = int(first), min(int(last), size - 1) if last else size - 1
    return (lower, upper) if lower <= upper else None


def range_response(node: Node, ranges: list[Range]) -> tuple[int, tuple[str, str], Iterator[bytes]]:
    """Return the length of a response with one or several ranges, its header about the ranges, and its bytes."""
    size = node.size or 0
    if len(ranges) == 1:
        first, last = ranges[0]
        length = last - first + 1
        return length, ("Content-Range", f"bytes {first}-{last}/{size}"), read_range(node, first, length)
    length = sum(last - first + 1 + len(_marker(first, last, size)) for first, last in ranges) + len(_END)
    kind = ("Content-Type", f'multipart/byteranges; boundary="{BOUNDARY}"')
    return length, kind, _multipart(node, ranges, size)


_END = f"\r\n--{BOUNDARY}--\r\n".encode()


def _marker(first: int, last: int, size: int) -> bytes:
    return f"\r\n--{BOUNDARY}\r\nContent-Range: bytes {first}-{last}/{size}\r\n\r\n".encode()


def _multipart(node: Node, ranges: list[Range], size: int) -> Iterator[bytes]:
    for first, last in ranges:
        yield _marker(first, last, size)
        yield from read_range(node, first, last - first + 1)
    yield _END


def content_disposition(kind: str, name: str) -> str:
    """Return Content-Disposition as the pool writes it: plain, quoted, or as RFC 2231 for long and non-ASCII names."""
    if len(name) > 78 or not (name.isascii() and name.isprintable()):  # a line break would end the header
        return f"{kind};filename*=UTF-8''{quote(name, safe='', errors='surrogateescape')}"
    if any(character in '()<>@,;:\\"/[]?=' for character in name):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'{kind};filename="{escaped}"'
    return f"{kind};filename={name}"
