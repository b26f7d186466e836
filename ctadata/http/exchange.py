"""One request and its answer on one curl handle: what curl is told, what it reports, and the limits of patience."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pycurl

from ctadata.errors import Stopped, TimedOut
from ctadata.http import failures
from ctadata.http.credentials import SigningKey
from ctadata.http.curl_pool import TICK, CurlHandle
from ctadata.http.messages import BODY_LIMIT, Accept, Consumer, Headers, Response, Watch
from ctadata.http.redaction import redact, sanitize
from ctadata.http.request import Request, Upload
from ctadata.http.timeouts import Limits

log = logging.getLogger("ctadata.http")

BATCH_BLOCKS = 6
"""Blocks of a body (of 16 KiB, libcurl's CURL_MAX_WRITE_SIZE) that are handed on together at most.

For each block libcurl waits until no other thread runs Python, so it is only put by; and of memory that is freed, up to
128 KiB stay with the process (M_TRIM_THRESHOLD, mallopt(3)), so that it need not be had anew.
"""

_ABORT = -1  # no callback's good answer
_BLANK = (b"\r\n", b"\n")  # what ends a head


class _Enough(Exception):
    """No more of the body is wanted."""


class Exchange:
    """One request and its answer; used once.

    sent:     whether a connection was there to send it over.
    accepted: whether `accept` was called.
    silent:   whether the body had to be sent without `100 Continue` or a refusal having come.
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
        """Prepare; nothing is sent.

        accept: takes the body of a 2xx answer.  watch: hears how long the server has been silent, and may end it.
        """
        self.request = request
        self._accept = accept
        self.sent = False
        self.accepted = False
        self.silent = False
        self._limits = limits
        self._stop = stop
        self._clock = clock
        self._lines: list[bytes] = []
        self._continued = False
        self._response: Response | None = None
        self._blocks: list[bytes] = []
        self._collected = bytearray()
        self._consume: Consumer = self._collect
        self._enough = False
        self._error: BaseException | None = None
        self._began = self._mark = self._answered = clock()
        self._marked = 0
        self._next_look = self._mark + TICK
        self._on_look = watch
        self._heard: tuple[bool, int] = (False, 0)
        self._heard_at = self._mark

    def perform(self, handle: CurlHandle) -> Response:
        """Send and receive; the answer, whatever its status. Raises what curl reports and what callbacks raise."""
        started, curl = self._clock(), handle.curl
        self._configure(curl)
        code, message = pycurl.E_ABORTED_BY_CALLBACK, ""
        try:
            code, message = self._run(handle)
            self._take_in()
        except _Enough:
            pass
        finally:
            self.sent = curl.getinfo(pycurl.REQUEST_SIZE) > 0
            self._report(curl, code, self._clock() - started)
        return self._outcome(code, message)

    def _run(self, handle: CurlHandle) -> tuple[int, str]:
        curl, body = handle.curl, self.request.body
        code, message = handle.run(lambda: self._watch(curl))
        unheard = self._response is None and not self._continued
        if code == pycurl.E_SEND_ERROR and body and unheard and curl.getinfo(pycurl.NUM_CONNECTS) == 0:
            # a kept connection was dead; curl starts anew by itself where it learns that by receiving, not by sending
            self._start_anew(body)
            curl.setopt(pycurl.FRESH_CONNECT, 1)
            return handle.run(lambda: self._watch(curl))
        return code, message

    def _outcome(self, code: int, message: str) -> Response:
        if self._error is not None:
            error, self._error = self._error, None  # its traceback leads back here, and to the handle
            try:
                raise error
            finally:
                del error
        response = self._response
        if response is not None and (code == pycurl.E_OK or self._enough or response.status >= 300):
            # a refusal counts once its headers are there, also where the connection broke while we were sending
            response.body = bytes(self._collected)
            return response
        moved = self.accepted or (self.request.body is not None and self.request.body.begun)
        raise failures.error_from_curl(code, message, self.request.origin, moved=moved)

    def _report(self, curl: Any, code: int, seconds: float) -> None:
        if not log.isEnabledFor(logging.DEBUG):
            return
        down, up = curl.getinfo(pycurl.SIZE_DOWNLOAD_T), curl.getinfo(pycurl.SIZE_UPLOAD_T)
        outcome = str(self._response.status) if self._response else f"curl {code}"
        where = redact(self.request.url)
        log.debug("%s %s %s, %d bytes up, %d down, %.3f s", self.request.method, where, outcome, up, down, seconds)

    # What curl is told

    def _configure(self, curl: Any) -> None:
        request, option = self.request, curl.setopt
        option(pycurl.URL, request.url)
        option(pycurl.HTTPHEADER, request.lines)
        # for a call of ours libcurl has to wait until no other thread runs Python, and a list that appends is quick
        option(pycurl.HEADERFUNCTION, self._lines.append if request.body is None else self._on_header)
        option(pycurl.WRITEFUNCTION, self._on_body)
        option(pycurl.CONNECTTIMEOUT_MS, int(self._limits.connect * 1000))
        if request.fresh:
            option(pycurl.FRESH_CONNECT, 1)
        if request.origin.is_loopback:
            option(pycurl.PROXY, "")  # a proxy of the environment is not between us and ourselves
        if request.method == "HEAD":
            option(pycurl.NOBODY, 1)
        elif request.body is not None:
            self._configure_upload(curl, request.body)
        if request.method not in ("GET", "HEAD", "PUT") or (request.method == "PUT" and request.body is None):
            option(pycurl.CUSTOMREQUEST, request.method)
        if request.sign is not None:
            _sign(curl, request.sign)

    def _configure_upload(self, curl: Any, body: Upload) -> None:
        curl.setopt(pycurl.UPLOAD, 1)
        curl.setopt(pycurl.INFILESIZE_LARGE, body.size)
        curl.setopt(pycurl.READFUNCTION, self._on_read)
        curl.setopt(pycurl.SEEKFUNCTION, self._on_seek)
        if self.request.expect is not None:
            curl.setopt(pycurl.EXPECT_100_TIMEOUT_MS, int(self.request.expect * 1000))

    # What curl reports. What these raise is kept, and raised by perform: older pycurl would print and forget it.

    def _keep(self, error: BaseException) -> int:
        self._error = error
        return _ABORT

    def _on_header(self, line: bytes) -> int | None:
        try:
            self._lines.append(line)
            if line.strip(b"\r\n"):
                return None
            self._heed()
        except BaseException as error:  # noqa: BLE001
            return self._keep(error)
        # given a 417 curl would send the same again, without end, since the Expect line is ours
        self._enough = self._response is not None and self._response.status == 417
        return _ABORT if self._enough else None

    def _heed(self) -> None:
        """Read the heads that have come whole, up to that of the answer; what follows it are trailers."""
        while self._response is None:
            end = min((self._lines.index(blank) for blank in _BLANK if blank in self._lines), default=None)
            if end is None:
                return
            head = self._lines[:end]
            del self._lines[: end + 1]
            self._headers_complete(head)
        self._lines.clear()

    def _headers_complete(self, head: list[bytes]) -> None:
        status, reason = _read_status(head[0])
        headers = Headers.parse(b"".join(head[1:]))
        if status < 200:
            self._continued = status == 100
            return
        request = self.request
        response = Response(request.method, request.url, status, reason, headers, b"", request.hops)
        self._response = response
        self._mark = self._answered = self._clock()
        self._marked = 0
        if status < 300 and self._accept is not None:
            self.accepted = True
            self._consume = self._accept(response) or self._collect

    def _on_body(self, block: bytes) -> int | None:
        self._blocks.append(block)
        if len(self._blocks) < BATCH_BLOCKS:
            return None
        try:
            self._take_in()
        except _Enough:
            return _ABORT
        except BaseException as error:  # noqa: BLE001
            return self._keep(error)
        return None

    def _take_in(self) -> None:
        """Hand on what has come: first the head, then the blocks of the body."""
        if self._response is None:
            self._heed()
        if self._blocks:
            blocks, self._blocks = self._blocks, []
            for block in blocks:
                self._consume(block)

    def _collect(self, block: bytes) -> None:
        room = BODY_LIMIT - len(self._collected)
        self._collected += block[:room]
        if len(block) > room:
            self._enough = True
            raise _Enough

    def _on_read(self, limit: int) -> bytes | int:
        body = self.request.body
        assert body is not None
        try:
            if not body.begun:
                self.silent = self.request.expect is not None and not self._continued
            return body.read(limit)
        except BaseException as error:  # noqa: BLE001
            self._keep(error)
            return int(pycurl.READFUNC_ABORT)

    def _on_seek(self, offset: int, origin: int) -> int:
        """Curl starts a body anew where a kept connection turned out to be dead; it never asks for another place."""
        body = self.request.body
        if body is None or offset != 0 or origin != 0:
            return int(pycurl.SEEKFUNC_FAIL)
        try:
            self._start_anew(body)
        except BaseException as error:  # noqa: BLE001
            self._keep(error)
            return int(pycurl.SEEKFUNC_FAIL)
        return int(pycurl.SEEKFUNC_OK)

    def _start_anew(self, body: Upload) -> None:
        body.rewind()
        self._mark, self._marked = self._clock(), 0

    # What we look after while it runs

    def _watch(self, curl: Any) -> None:
        """Called at every step: what has come, the stop, and now and then whether anything moves."""
        self._take_in()
        if self._stop.is_set():
            raise Stopped("stopped")
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + TICK
            self._bear_silence(curl, now)

    def _bear_silence(self, curl: Any, now: float) -> None:
        """TimedOut where too little moved for too long; curl's own limit cannot tell waiting from stalling."""
        limits, answered = self._limits, self._response is not None
        self._end_in_time(now)
        moved = curl.getinfo(pycurl.SIZE_DOWNLOAD_T if answered else pycurl.SIZE_UPLOAD_T)
        if self._on_look is not None:
            if self._heard != (answered, moved):
                self._heard, self._heard_at = (answered, moved), now
            self._on_look(now - self._heard_at)
        size = self.request.body.size if self.request.body else 0
        enough = limits.stall_seconds * limits.stall_bytes_per_second
        if moved - self._marked >= enough or (not answered and moved == size > self._marked):
            self._mark, self._marked = now, moved
            return
        flowing = answered or 0 < moved < size
        allowed = limits.stall_seconds if flowing else limits.first_byte
        if now - self._mark > allowed:
            what = "the transfer stalled" if flowing else "no answer"
            raise TimedOut(f"{what}: {self.request.origin}, {allowed:g} s of silence", hint="try again later")

    def _end_in_time(self, now: float) -> None:
        """End what moves on, and would do so for ever: a request with a limit, and an answer that nobody reads."""
        limits, origin = self._limits, self.request.origin
        if limits.total is not None and now - self._began > limits.total:
            raise TimedOut(f"no whole answer in time: {origin}, {limits.total:g} s", hint="try again later")
        unread = self._response is not None and not self.accepted
        if unread and now - self._answered > limits.stall_seconds:
            if self._response and self._response.status < 300:
                raise TimedOut(f"no whole answer in time: {origin}, {limits.stall_seconds:g} s", hint="try again later")
            self._enough = True
            raise _Enough


def _sign(curl: Any, key: SigningKey) -> None:
    curl.setopt(pycurl.PATH_AS_IS, 0)  # libcurl refuses to sign otherwise; no path of ours has dots to resolve
    curl.setopt(pycurl.AWS_SIGV4, f"aws:amz:{key.region}:s3")
    curl.setopt(pycurl.USERNAME, key.id)
    curl.setopt(pycurl.PASSWORD, key.secret)


@lru_cache(maxsize=64)
def _read_status(line: bytes) -> tuple[int, str]:
    """Status, and reason fit to be shown, of a status line; curl has checked its form."""
    _, _, rest = line.decode("latin-1").strip().partition(" ")
    status, _, reason = rest.strip().partition(" ")
    return int(status[:3]), sanitize(reason)
