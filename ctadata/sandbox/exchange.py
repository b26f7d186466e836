"""One HTTP/1.1 request and its one answer, with the faults that apply to it."""

from __future__ import annotations

import contextlib
import select
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, TypeVar

from ctadata.sandbox.body_faults import apply_body_faults
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
from ctadata.sandbox.http_messages import (
    CHUNKED,
    Headers,
    Request,
    Wire,
    content_length,
    corrupt_digest,
    encode_chunks,
    shift_range,
)
from ctadata.sandbox.request_log import RequestLog, Seen
from ctadata.sandbox.rules import Rule, first_fault

Kind = TypeVar("Kind", bound=Fault)
BLOCK = 1 << 18
"""The largest number of bytes that are read from a connection at a time."""


@dataclass
class Exchange:
    """A request: reads its body, and answers it once.

    Attributes:
        wire: The connection.
        request: The head of the request.
        rules: The faults that apply to the request.
        request_log: Receives a record of the request.
        keep: Whether the connection stays open after the answer.
        answered: Whether the answer has been sent, or never will be.
        on_status: Receives the status before the answer is sent; None for a request that gets no answer.
        body_bytes: The bytes of the body that were read.
    """

    wire: Wire
    request: Request
    rules: Sequence[Rule]
    request_log: RequestLog
    keep: bool = True
    answered: bool = False
    on_status: Callable[[int | None], None] | None = None
    body_bytes: int = 0
    _body_done: bool = field(default=False, init=False)
    _incoming: Iterator[bytes] = field(init=False)
    _continued: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Prepare to read the body."""
        self._incoming = self._read_body()

    # ---- the request

    def fault(self, kind: type[Kind]) -> Kind | None:
        """Return the fault of this kind, if one applies to the request."""
        return first_fault(self.rules, kind)

    @property
    def length(self) -> int | None:
        """The request's Content-Length; None if the body is chunked, or if there is no body."""
        value = self.request.header("Content-Length")
        return int(value) if value is not None and value.isdigit() and not self.chunked else None

    @property
    def chunked(self) -> bool:
        """Whether the request's body is chunked."""
        return (self.request.header("Transfer-Encoding") or "").lower() == "chunked"

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for `100 Continue`."""
        return (self.request.header("Expect") or "").lower() == "100-continue"

    def body_arrived(self) -> bool:
        """Whether the first byte of the body has arrived. With a fault, wait 50 ms for bytes that are under way."""
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
        """Send `100 Continue`, once, to a client that waits for it."""
        if self.expects_continue and not self._continued:
            self._continued = True
            lines = ["HTTP/1.1 100 Continue", *(f"{name}: {value}" for name, value in headers), "", ""]
            self._send("\r\n".join(lines).encode())

    def blocks(self) -> Iterator[bytes]:
        """Yield the body as it arrives, changed by the faults.

        Raises:
            Hangup: The body ends too early.
        """
        for block in apply_body_faults(self._incoming, self.rules if self._upload else (), self.fall_silent):
            self.body_bytes += len(block)
            yield block

    def body(self, limit: int = 1 << 20) -> bytes:
        """Return a small body, cut to `limit` bytes."""
        self.send_continue()
        return b"".join(self.blocks())[:limit]

    @property
    def _upload(self) -> bool:
        return self.request.method in ("PUT", "POST")

    def _read_body(self) -> Iterator[bytes]:
        yield from self._read_chunks() if self.chunked else self._read_exactly(self.length or 0)
        self._body_done = True

    def _read_exactly(self, length: int) -> Iterator[bytes]:
        while length:
            block = self.wire.reader.read1(min(BLOCK, length))
            if not block:
                raise Hangup
            length -= len(block)
            yield block

    def _read_chunks(self) -> Iterator[bytes]:
        while size := int(self._read_line().partition(b";")[0], 16):
            yield from self._read_exactly(size)
            self._read_line()
        while self._read_line().strip():
            pass

    def _read_line(self) -> bytes:
        line = self.wire.reader.readline(4096)
        if not line.endswith(b"\n"):
            raise Hangup
        return line

    # ---- the answer

    def reply(self, status: int, reason: str, headers: Headers = (), body: bytes = b"") -> None:
        """Answer with a small body and its Content-Length (a 204 has none)."""
        length = [("Content-Length", str(len(body)))] if status != 204 else []
        self.stream(status, reason, [*headers, *length], [body] if body else [])

    def reply_in_chunks(self, status: int, reason: str, headers: Headers = (), body: bytes = b"") -> None:
        """Answer with a small body in chunks."""
        self.stream(status, reason, [*headers, CHUNKED], [body] if body else [], len(body))

    def stream(self, status: int, reason: str, headers: Headers, blocks: Iterable[bytes], length: int = 0) -> None:
        """Answer with a body in blocks, or in chunks if the headers say so.

        Args:
            status: The status.
            reason: The reason phrase.
            headers: The headers, with the Content-Length or `CHUNKED`.
            blocks: The body.
            length: The bytes of a chunked body.
        """
        if self._body_will_not_come():
            self.keep = False
        headers, blocks = self._apply_answer_faults(headers, blocks, length)
        if CHUNKED in headers and self.request.method != "HEAD":
            blocks = encode_chunks(blocks)
        self._hold_answer()
        self._record(status, headers)
        if (lost := self.fault(LostAnswer)) is not None:
            raise Hangup(lost.reset)
        if not self.keep:
            headers = [*headers, ("Connection", "close")]
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers), "", ""]
        self._send_all("\r\n".join(lines).encode("utf-8"), blocks)

    def _body_will_not_come(self) -> bool:
        """Whether the client waits for a `100 Continue` that it never gets."""
        return self.expects_continue and not self._continued and not self.body_arrived()

    def _hold_answer(self) -> None:
        for rule in self.rules:
            if isinstance(rule.fault, Delay) and rule.fault.late:
                rule.hold()

    def _send_all(self, head: bytes, blocks: Iterable[bytes]) -> None:
        """Send the head with the first block; with a fault, which may hold or cut the body, send the head alone."""
        if self.rules:
            self._send(head)
            head = b""
        for block in blocks:
            self._send(head + block if head else block)
            self.request_log.count(self.wire.server, len(block))
            head = b""
        if head:
            self._send(head)

    def _send(self, data: bytes) -> None:
        self.wire.socket.sendall(data)

    def _apply_answer_faults(
        self, headers: Headers, blocks: Iterable[bytes], length: int
    ) -> tuple[Headers, Iterable[bytes]]:
        """Return the headers and the body of the answer, changed by the faults."""
        if self.fault(LateChecksum):
            headers = [pair for pair in headers if pair[0] != "Digest"]
        if self.fault(WrongDigest):
            headers = [(name, corrupt_digest(value) if name == "Digest" else value) for name, value in headers]
        if (other := self.fault(WrongRange)) is not None:
            headers = [
                (name, shift_range(value, other.by) if name == "Content-Range" else value) for name, value in headers
            ]
        body = () if self.request.method == "HEAD" else blocks
        if self._upload:
            return headers, body
        length = content_length(headers) or length
        if (long := self.fault(Long)) is not None:
            self.keep = self.keep and long.announced
            total = str(length + long.by if long.announced else length)
            headers = [(name, total if name == "Content-Length" else value) for name, value in headers]
        return headers, apply_body_faults(body, self.rules, self.fall_silent, length)

    def _record(self, status: int | None, headers: Headers = ()) -> None:
        self.answered = True
        if self.on_status is not None:
            self.on_status(status)
        request, wire = self.request, self.wire
        self.request_log.record(
            Seen(
                wire.server, request.method, request.target, request.headers, status, self.body_bytes,
                content_length(headers),
                wire.number, time.monotonic(),
            )
        )  # fmt: skip

    # ---- around the server's own work

    def apply_faults(self) -> bool:
        """Apply the faults that come before the server's work; return whether the request is answered thereby."""
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

    def record_unanswered(self) -> None:
        """Record a request whose connection ends, if there is no record of it."""
        if not self.answered:
            self._record(None)

    def never_answer(self) -> NoReturn:
        """Read until the client closes the connection, without an answer; then raise Hangup."""
        self._record(None)
        self.fall_silent()

    def fall_silent(self) -> NoReturn:
        """Send nothing more until the client closes the connection; then raise Hangup."""
        while self.wire.reader.read1(BLOCK):
            pass
        raise Hangup

    def finish(self) -> None:
        """Read the rest of the body after the answer, so that no reset of the connection destroys the answer."""
        if self._body_will_not_come():
            return
        with contextlib.suppress(Hangup, ValueError):
            for _ in self._incoming:
                pass
        self.keep = self.keep and self._body_done
