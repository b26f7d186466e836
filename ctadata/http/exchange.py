"""Exchange: one request and its response on one curl handle: curl's options, its callbacks, and the time limits."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import pycurl

from ctadata.errors import Stopped, TimedOut
from ctadata.http import failures
from ctadata.http.credentials import SigningKey
from ctadata.http.curl_pool import TICK, CurlHandle
from ctadata.http.messages import BODY_LIMIT, Accept, Consumer, Headers, Response, Watch, is_loopback
from ctadata.http.redaction import redact, sanitize
from ctadata.http.request import Request, Upload
from ctadata.http.timeouts import Limits

log = logging.getLogger("ctadata.http")

PIECE = 1 << 20
"""The least number of bytes that the consumer of a longer body receives at a time.

A body that is not longer, or does not tell its length, is given on as it arrives.
"""

SLICE = 128 << 10
"""The largest number of bytes that the consumer of any other body receives at a time."""

LISTING_BLOCK = 64 << 10
"""The largest number of bytes of a listing that libcurl reads at a time; it reads some 100 times before it returns."""

PIECE_SECONDS = 0.25
"""Seconds after which the consumer receives fewer bytes too."""

_ABORT = -1  # aborts the transfer as the result of any callback
_BLANK = (b"\r\n", b"\n")  # the lines that end a head


class _Enough(Exception):
    """The rest of the body is not wanted."""


class Exchange:
    """One request and its response; used once.

    Attributes:
        request: The request.
        sent: Whether bytes of the request had been sent.
        accepted: Whether `accept` was called.
        unanswered: Whether the body was sent although neither `100 Continue` nor a refusal had come in time.
    """

    def __init__(
        self,
        request: Request,
        accept: Accept | None,
        limits: Limits,
        stop: threading.Event,
        clock: Callable[[], float],
        watch: Watch | None = None,
    ) -> None:
        """Prepare an exchange; nothing is sent.

        Args:
            request: The request.
            accept: Takes the body of a 2xx response; None to collect it.
            limits: The time limits.
            stop: When it is set, the exchange ends and raises Stopped.
            clock: Return the seconds of a monotonic clock.
            watch: Receives the seconds since the server's last byte, and may end the exchange with an exception.
        """
        self.request = request
        self._accept = accept
        self.sent = False
        self.accepted = False
        self.unanswered = False
        self._limits = limits
        self._stop = stop
        self._clock = clock
        self._lines: list[bytes] = []
        self._continued = False
        self._response: Response | None = None
        self._body = io.BytesIO()
        self._least = 1  # bytes that the consumer receives at a time
        self._collected = bytearray()
        self._consume: Consumer = self._collect
        self._has_enough = False
        self._error: BaseException | None = None
        self._began = self._progress_time = self._answered = clock()
        self._progress_bytes = 0
        self._next_check = self._next_piece = self._progress_time + TICK
        self._watch = watch
        self._last_state: tuple[bool, int] = (False, 0)
        self._last_byte = self._progress_time

    def perform(self, handle: CurlHandle) -> Response:
        """Send the request and return its response, whatever its status.

        Args:
            handle: A handle without options of another request.

        Raises:
            CtadataError: The error of a curl failure, as `failures.error_from_curl` maps it; TimedOut; Stopped; also
                what the callbacks raise.
        """
        started, curl, body = self._clock(), handle.curl, self.request.body
        self._configure(curl)
        code, message = pycurl.E_ABORTED_BY_CALLBACK, ""
        try:
            code, message = self._run(handle)
            no_answer = self._response is None and not self._continued
            if code == pycurl.E_SEND_ERROR and body and no_answer and curl.getinfo(pycurl.NUM_CONNECTS) == 0:
                # a kept connection was dead; curl retries by itself only if it notices that while it receives
                self._rewind(body)
                curl.setopt(pycurl.FRESH_CONNECT, 1)
                code, message = self._run(handle)
        except _Enough:
            pass
        finally:
            self.sent = curl.getinfo(pycurl.REQUEST_SIZE) > 0
            if log.isEnabledFor(logging.DEBUG):
                self._log(curl, code, self._clock() - started)
            self._consume = (
                _discard  # a method of its own would keep this, and all that it reads into, for the collector
            )
        return self._outcome(code, message)

    def _run(self, handle: CurlHandle) -> tuple[int, str]:
        code, message = handle.run(partial(self._on_step, handle.curl))
        if self._response is None:
            self._read_heads()
        if self._body.tell():
            self._deliver()
        return code, message

    def _outcome(self, code: int, message: str) -> Response:
        if self._error is not None:
            error, self._error = self._error, None  # its traceback leads back here, and to the handle
            try:
                raise error
            finally:
                del error
        response = self._response
        if response is not None and (code == pycurl.E_OK or self._has_enough or response.status >= 300):
            # a refusal counts as soon as its headers are complete, also if the connection broke during the upload
            response.body = bytes(self._collected)
            return response
        moved = self.accepted or (self.request.body is not None and self.request.body.begun)
        raise failures.error_from_curl(code, message, self.request.origin, moved=moved)

    def _log(self, curl: Any, code: int, seconds: float) -> None:
        down, up = curl.getinfo(pycurl.SIZE_DOWNLOAD_T), curl.getinfo(pycurl.SIZE_UPLOAD_T)
        outcome = str(self._response.status) if self._response else f"curl {code}"
        url = redact(self.request.url)
        log.debug("%s %s %s, %d bytes up, %d down, %.3f s", self.request.method, url, outcome, up, down, seconds)

    # The options of curl

    def _configure(self, curl: Any) -> None:
        request, option = self.request, curl.setopt
        option(pycurl.URL, request.url)
        option(pycurl.HTTPHEADER, request.lines)
        # libcurl calls these for each line and each TLS record, and waits until no other thread runs Python
        option(pycurl.HEADERFUNCTION, self._lines.append if request.expect is None else self._on_header)
        option(pycurl.WRITEFUNCTION, self._body.write)
        option(pycurl.CONNECTTIMEOUT_MS, int(self._limits.connect * 1000))
        if request.fresh:
            option(pycurl.FRESH_CONNECT, 1)
        if is_loopback(request.origin.host):
            option(pycurl.PROXY, "")  # a proxy from the environment is not used for loopback
        if request.method == "HEAD":
            option(pycurl.NOBODY, 1)
        elif request.body is not None:
            self._configure_upload(curl, request.body)
        if request.method not in ("GET", "HEAD", "PUT") or (request.method == "PUT" and request.body is None):
            option(pycurl.CUSTOMREQUEST, request.method)
            option(pycurl.BUFFERSIZE, LISTING_BLOCK)
        if request.sign is not None:
            _sign(curl, request.sign)

    def _configure_upload(self, curl: Any, body: Upload) -> None:
        curl.setopt(pycurl.UPLOAD, 1)
        curl.setopt(pycurl.INFILESIZE_LARGE, body.size)
        curl.setopt(pycurl.READFUNCTION, self._on_read)
        curl.setopt(pycurl.SEEKFUNCTION, self._on_seek)
        if self.request.expect is not None:
            curl.setopt(pycurl.EXPECT_100_TIMEOUT_MS, int(self.request.expect * 1000))

    # The callbacks of curl. `perform` raises their exceptions: an older pycurl prints and drops them.

    def _keep(self, error: BaseException) -> int:
        self._error = error
        return _ABORT

    def _on_header(self, line: bytes) -> int | None:
        try:
            self._lines.append(line)
            if line.strip(b"\r\n"):
                return None
            self._read_heads()
        except BaseException as error:  # noqa: BLE001
            return self._keep(error)
        # after a 417 curl would send the same request without end, because it did not add the Expect header itself
        self._has_enough = self._response is not None and self._response.status == 417
        return _ABORT if self._has_enough else None

    def _read_heads(self) -> None:
        """Read the complete heads that have come, up to that of the final response; further lines are trailers."""
        while self._response is None:
            for end, line in enumerate(self._lines):  # noqa: B007  (`end` is used below)
                if line in _BLANK:
                    break
            else:
                return
            (status, reason), lines = _parse_status(self._lines[0]), self._lines[1:end]
            del self._lines[: end + 1]
            if status < 200:
                self._continued = status == 100
                continue
            request = self.request
            headers = Headers.parse(b"".join(lines))
            response = Response(request.method, request.url, status, reason, headers, b"", request.hops)
            self._response = response
            self._progress_time = self._answered = self._clock()
            self._progress_bytes = 0
            if status < 300 and self._accept is not None:
                self.accepted = True
                self._consume = self._accept(response) or self._collect
                length = headers.values.get("content-length", "")
                self._least = PIECE if length.isdecimal() and int(length) > PIECE else 1
        self._lines.clear()

    def _deliver(self) -> None:
        """Give the bytes of the body that have come to the consumer."""
        if size := self._body.tell():
            step = size if self._least == PIECE else SLICE
            # nothing is copied; the collector of Python 3.12 crashes at a piece of `getbuffer` (python/cpython 111049)
            with memoryview(self._body.getvalue()) as buffer:
                for start in range(0, size, step):
                    with buffer[start : min(start + step, size)] as block:
                        self._consume(block)
            self._body.seek(0)
        self._next_piece = self._clock() + PIECE_SECONDS

    def _collect(self, block: memoryview) -> None:
        room = BODY_LIMIT - len(self._collected)
        self._collected += block[:room]
        if len(block) > room:
            self._has_enough = True
            raise _Enough

    def _on_read(self, limit: int) -> bytes | int:
        body = self.request.body
        assert body is not None
        try:
            if not body.begun:
                self.unanswered = self.request.expect is not None and not self._continued
            return body.read(limit)
        except BaseException as error:  # noqa: BLE001
            self._keep(error)
            return int(pycurl.READFUNC_ABORT)

    def _on_seek(self, offset: int, origin: int) -> int:
        """Rewind the body: curl sends it again after a kept connection was dead, and asks for no other position."""
        body = self.request.body
        if body is None or offset != 0 or origin != 0:
            return int(pycurl.SEEKFUNC_FAIL)
        try:
            self._rewind(body)
        except BaseException as error:  # noqa: BLE001
            self._keep(error)
            return int(pycurl.SEEKFUNC_FAIL)
        return int(pycurl.SEEKFUNC_OK)

    def _rewind(self, body: Upload) -> None:
        body.rewind()
        self._progress_time, self._progress_bytes = self._clock(), 0

    # The time limits

    def _on_step(self, curl: Any) -> None:
        """Deliver what has come, check the stop event, and check the time limits every `TICK` seconds."""
        now, is_stopped = self._clock(), self._stop.is_set()
        if self._response is None and self._lines:
            self._read_heads()
        if self._body.tell() >= self._least or now >= self._next_piece or is_stopped:
            self._deliver()
        if is_stopped:
            raise Stopped("stopped")
        if now >= self._next_check:
            self._next_check = now + TICK
            self._check_silence(curl, now)

    def _check_silence(self, curl: Any, now: float) -> None:
        """Raise TimedOut if too few bytes moved for too long; curl's own limit cannot tell waiting from stalling."""
        limits, answered = self._limits, self._response is not None
        self._check_total(now)
        moved = curl.getinfo(pycurl.SIZE_DOWNLOAD_T if answered else pycurl.SIZE_UPLOAD_T)
        if self._watch is not None:
            if self._last_state != (answered, moved):
                self._last_state, self._last_byte = (answered, moved), now
            self._watch(now - self._last_byte)
        size = self.request.body.size if self.request.body else 0
        least = limits.stall_seconds * limits.stall_bytes_per_second
        if moved - self._progress_bytes >= least or (not answered and moved == size > self._progress_bytes):
            self._progress_time, self._progress_bytes = now, moved
            return
        flowing = answered or 0 < moved < size
        allowed = limits.stall_seconds if flowing else limits.first_byte
        if now - self._progress_time > allowed:
            event = "the transfer stalled" if flowing else "no answer"
            raise TimedOut(f"{event}: {self.request.origin}, {allowed:g} s of silence", hint="try again later")

    def _check_total(self, now: float) -> None:
        """End a request that takes too long in total, and a response whose body no consumer reads."""
        limits, origin = self._limits, self.request.origin
        if limits.total is not None and now - self._began > limits.total:
            raise TimedOut(f"no complete answer in time: {origin}, {limits.total:g} s", hint="try again later")
        unread = self._response is not None and not self.accepted
        if unread and now - self._answered > limits.stall_seconds:
            if self._response and self._response.status < 300:
                raise TimedOut(
                    f"no complete answer in time: {origin}, {limits.stall_seconds:g} s", hint="try again later"
                )
            self._has_enough = True
            raise _Enough


def _discard(_block: memoryview) -> None:
    """Take a block when the exchange is over."""


def _sign(curl: Any, key: SigningKey) -> None:
    curl.setopt(pycurl.PATH_AS_IS, 0)  # libcurl signs only so; no path of ours has dots to resolve
    curl.setopt(pycurl.AWS_SIGV4, f"aws:amz:{key.region}:s3")
    curl.setopt(pycurl.USERNAME, key.id)
    curl.setopt(pycurl.PASSWORD, key.secret)


@lru_cache(maxsize=64)
def _parse_status(line: bytes) -> tuple[int, str]:
    """Return the status, and the sanitized reason, of a status line; curl has checked its form."""
    _, _, rest = line.decode("latin-1").strip().partition(" ")
    status, _, reason = rest.strip().partition(" ")
    return int(status[:3]), sanitize(reason)
