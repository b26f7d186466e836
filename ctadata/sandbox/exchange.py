"""One HTTP/1.1 request and its one answer, with the faults that were switched on for it."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import BufferedReader
from typing import NoReturn, TypeVar
from urllib.parse import parse_qs, unquote

from ctadata.sandbox.body_faults import shaped
from ctadata.sandbox.faults import (
    Cut,
    Delay,
    Fault,
    Hangup,
    LateChecksum,
    Long,
    LostAnswer,
    Meanwhile,
    NoAnswer,
    Redirect,
    Status,
    WrongDigest,
    WrongRange,
)
from ctadata.sandbox.request_log import RequestLog, Seen
from ctadata.sandbox.rules import Rule, first_fault

Headers = Sequence[tuple[str, str]]
Kind = TypeVar("Kind", bound=Fault)
BLOCK = 1 << 18
CHUNKED = ("Transfer-Encoding", "chunked")


@dataclass(frozen=True)
class Wire:
    """One accepted connection."""

    server: str
    number: int
    socket: socket.socket
    reader: BufferedReader
    peer: str


@dataclass(frozen=True)
class Request:
    """What stands above the body. `target` is raw; header names are looked up in any case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]

    @cached_property
    def raw_path(self) -> str:
        """The path as the client wrote it."""
        return self.target.partition("?")[0]

    @cached_property
    def path(self) -> str:
        """The decoded path."""
        return unquote(self.raw_path, errors="surrogateescape")

    @cached_property
    def query(self) -> dict[str, list[str]]:
        """The decoded query."""
        return parse_qs(self.target.partition("?")[2], keep_blank_values=True)

    def header(self, name: str) -> str | None:
        """The first value of a header; None when it was not sent."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass
class Exchange:
    """A request, the way to read its body and to answer it once; `on_status` is told before the answer goes out."""

    wire: Wire
    request: Request
    rules: Sequence[Rule]
    spy: RequestLog
    keep: bool = True
    answered: bool = False
    on_status: Callable[[int | None], None] | None = None
    body_bytes: int = 0
    _body_done: bool = field(default=False, init=False)
    _incoming: Iterator[bytes] = field(init=False)
    _continued: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._incoming = self._arriving()

    # ---- the request

    def fault(self, kind: type[Kind]) -> Kind | None:
        """The fault of that kind, where one is switched on for this request."""
        return first_fault(self.rules, kind)

    @property
    def length(self) -> int | None:
        """Content-Length; None where the body is chunked or there is none."""
        value = self.request.header("Content-Length")
        return int(value) if value is not None and value.isdigit() and not self.chunked else None

    @property
    def chunked(self) -> bool:
        """Whether the body comes in chunks."""
        return (self.request.header("Transfer-Encoding") or "").lower() == "chunked"

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for `100 Continue`."""
        return (self.request.header("Expect") or "").lower() == "100-continue"

    def body_arrived(self) -> bool:
        """Whether a first byte of the body is here already; what was sent while a fault held us surely is."""
        if self.rules:
            select.select([self.wire.socket], [], [], 0.05)
        self.wire.socket.settimeout(0)
        try:
            return bool(self.wire.reader.peek(1))
        except (ssl.SSLWantReadError, BlockingIOError):
            return False
        finally:
            self.wire.socket.settimeout(None)

    def send_continue(self, headers: Headers = ()) -> None:
        """Tell a client that waits for it to send the body."""
        if self.expects_continue and not self._continued:
            self._continued = True
            lines = ["HTTP/1.1 100 Continue", *(f"{name}: {value}" for name, value in headers), "", ""]
            self._send("\r\n".join(lines).encode())

    def blocks(self) -> Iterator[bytes]:
        """The body as it arrives, through the faults. Raises Hangup where it ends too early."""
        for block in shaped(self._incoming, self.rules if self._upload else (), self.fall_silent):
            self.body_bytes += len(block)
            yield block

    def body(self, limit: int = 1 << 20) -> bytes:
        """A small body in one piece; what exceeds `limit` bytes is left out."""
        self.send_continue()
        return b"".join(self.blocks())[:limit]

    @property
    def _upload(self) -> bool:
        return self.request.method in ("PUT", "POST")

    def _arriving(self) -> Iterator[bytes]:
        yield from self._chunks() if self.chunked else self._exactly(self.length or 0)
        self._body_done = True

    def _exactly(self, length: int) -> Iterator[bytes]:
        while length:
            block = self.wire.reader.read1(min(BLOCK, length))
            if not block:
                raise Hangup
            length -= len(block)
            yield block

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._line().partition(b";")[0], 16):
            yield from self._exactly(size)
            self._line()
        while self._line().strip():
            pass

    def _line(self) -> bytes:
        line = self.wire.reader.readline(4096)
        if not line.endswith(b"\n"):
            raise Hangup
        return line

    # ---- the answer

    def reply(self, status: int, reason: str, headers: Headers = (), body: bytes = b"") -> None:
        """Answer with a small body; its Content-Length is added (but to a 204)."""
        length = [("Content-Length", str(len(body)))] if status != 204 else []
        self.stream(status, reason, [*headers, *length], [body] if body else [])

    def reply_in_chunks(self, status: int, reason: str, headers: Headers = (), body: bytes = b"") -> None:
        """Answer with a small body in chunks."""
        self.stream(status, reason, [*headers, CHUNKED], [body] if body else [], len(body))

    def stream(self, status: int, reason: str, headers: Headers, blocks: Iterable[bytes], length: int = 0) -> None:
        """Answer with a body that comes block by block, in chunks where the headers say so.

        The caller announces its length, or gives it as `length` where it comes in chunks.
        """
        if self._body_will_not_come():
            self.keep = False
        headers, blocks = self._distorted(headers, blocks, length)
        if CHUNKED in headers and self.request.method != "HEAD":
            blocks = in_chunks(blocks)
        self._wait_late()
        self._record(status, headers)
        if (lost := self.fault(LostAnswer)) is not None:
            raise Hangup(lost.reset)
        if not self.keep:
            headers = [*headers, ("Connection", "close")]
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers), "", ""]
        self._send_all("\r\n".join(lines).encode("utf-8"), blocks)

    def _body_will_not_come(self) -> bool:
        """Whether the client waits for a `100 Continue` that it does not get."""
        return self.expects_continue and not self._continued and not self.body_arrived()

    def _wait_late(self) -> None:
        for rule in self.rules:
            if isinstance(rule.fault, Delay) and rule.fault.late:
                rule.hold()

    def _send_all(self, head: bytes, blocks: Iterable[bytes]) -> None:
        """The head goes out with the first block, but alone where a fault may hold or cut the body."""
        if self.rules:
            self._send(head)
            head = b""
        for block in blocks:
            self._send(head + block if head else block)
            self.spy.count(self.wire.server, len(block))
            head = b""
        if head:
            self._send(head)

    def _send(self, data: bytes) -> None:
        self.wire.socket.sendall(data)

    def _distorted(self, headers: Headers, blocks: Iterable[bytes], length: int) -> tuple[Headers, Iterable[bytes]]:
        """Headers and body as the faults make them."""
        if self.fault(LateChecksum):
            headers = [pair for pair in headers if pair[0] != "Digest"]
        if self.fault(WrongDigest):
            headers = [(name, wrong(value) if name == "Digest" else value) for name, value in headers]
        if (other := self.fault(WrongRange)) is not None:
            headers = [(name, moved(value, other.by) if name == "Content-Range" else value) for name, value in headers]
        bare = () if self.request.method == "HEAD" else blocks
        if self._upload:
            return headers, bare
        length = announced(headers) or length
        if (long := self.fault(Long)) is not None:
            self.keep = self.keep and long.announced
            total = str(length + long.by if long.announced else length)
            headers = [(name, total if name == "Content-Length" else value) for name, value in headers]
        return headers, shaped(bare, self.rules, self.fall_silent, length)

    def _record(self, status: int | None, headers: Headers = ()) -> None:
        self.answered = True
        if self.on_status is not None:
            self.on_status(status)
        asked, wire = self.request, self.wire
        self.spy.record(
            Seen(
                wire.server, asked.method, asked.target, asked.headers, status, self.body_bytes,
                announced(headers),
                wire.number, time.monotonic(),
            )
        )  # fmt: skip

    # ---- around the server's own work

    def interfere(self) -> bool:
        """Do what the faults say before the server sees the request; True where that was all."""
        for rule in self.rules:
            match rule.fault:
                case Delay(late=False):
                    rule.hold()
                case Meanwhile(after=None):
                    rule.run_action()
                case NoAnswer():
                    rule.reached.set()
                    self.never_answer()
                case Cut(after=0, reset=reset) if self._upload:
                    rule.reached.set()
                    raise Hangup(reset)
                case Status(code, reason, body, headers):
                    rule.reached.set()
                    self.reply(code, reason, headers, body)
                case Redirect(location, code):
                    rule.reached.set()
                    self.reply(code, "Found" if code == 302 else "Temporary Redirect", [("Location", location)])
                case _:
                    continue
            if self.answered:
                return True
        return False

    def unanswered(self) -> None:
        """The connection ends here; leave a record where none was made yet."""
        if not self.answered:
            self._record(None)

    def never_answer(self) -> NoReturn:
        """Read on without a word until the client goes away; raises Hangup then."""
        self._record(None)
        self.fall_silent()

    def fall_silent(self) -> NoReturn:
        """Say nothing more and keep the connection open until the client goes away; raises Hangup then."""
        while self.wire.reader.read1(BLOCK):
            pass
        raise Hangup

    def finish(self) -> None:
        """After the answer: read what is left of the body, so that the answer is not lost in a reset."""
        if self._body_will_not_come():
            return
        with contextlib.suppress(Hangup, ValueError):
            for _ in self._incoming:
                pass
        self.keep = self.keep and self._body_done


def in_chunks(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """A body in chunks, one for each block that is not empty, and their end."""
    for block in blocks:
        yield b"%x\r\n%s\r\n" % (len(block), block) if block else b""
    yield b"0\r\n\r\n"


def announced(headers: Headers) -> int | None:
    """The Content-Length among headers that are about to be sent."""
    return next((int(value) for name, value in headers if name == "Content-Length"), None)


def moved(content_range: str, by: int) -> str:
    """A Content-Range whose bytes lie `by` further on."""
    first, last, total = (int(number) for number in re.findall(r"\d+", content_range))
    return f"bytes {first + by}-{last + by}/{total}"


def wrong(digest: str) -> str:
    """A digest `name=value` with another first digit."""
    name, _, value = digest.partition("=")
    return f"{name}={'1' if value[0] == '0' else '0'}{value[1:]}"
