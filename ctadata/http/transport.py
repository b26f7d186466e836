"""Transport: send one request to one server, without redirects and retries.

It waits for a slot at the server, decides whether an upload waits for `100 Continue`, and runs the exchange on a curl
handle of the pool.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from ctadata.errors import Interrupted, TimedOut, Unreachable
from ctadata.http.call import Call, Hop
from ctadata.http.curl_pool import CurlPool
from ctadata.http.exchange import Exchange
from ctadata.http.host_limits import HostLimiters
from ctadata.http.messages import Accept, Consumer, Origin, Response
from ctadata.http.request import Request, header_lines
from ctadata.http.timeouts import Limits

CURL_EXPECT_THRESHOLD = 1 << 20
"""Bytes of a body above which curl itself adds `Expect: 100-continue`, and waits."""

EXPECT_THRESHOLD = 1 << 16
"""Bytes of a body up to which it is sent without `Expect: 100-continue`, to a server that is not known to redirect.

The buffers of a socket usually take so many bytes at once, whatever the server does. To send them again after a refusal
costs less than to wait for `100 Continue` each time.
"""


class Transport:
    """The connections, slots and time limits of one client. Any number of threads and fibers may use it.

    Attributes:
        limits: The time limits.
        pool: The connections.
        limiters: The limiters of all servers.
    """

    def __init__(
        self,
        pool: CurlPool,
        limiters: HostLimiters,
        limits: Limits,
        *,
        patience: float,
        stop: threading.Event,
        clock: Callable[[], float],
        sleep: Callable[[float], object],
    ) -> None:
        """Create a transport; no connection is opened.

        Args:
            pool: The connections.
            limiters: The limiters of all servers.
            limits: The time limits.
            patience: The longest pause of a busy server that a request waits for, in seconds.
            stop: When it is set, every request ends within a second and raises Stopped.
            clock: Return the seconds of a monotonic clock.
            sleep: Wait for some seconds, or until `stop` is set.
        """
        self.limits = limits
        self.pool = pool
        self.limiters = limiters
        self._patience = patience
        self._stop = stop
        self._clock = clock
        self._sleep = sleep
        self._expect_seconds: dict[Origin, float | None] = {}  # for `100 Continue`, as each server has behaved

    def send(self, call: Call, hop: Hop) -> Response:
        """Send a call's request to one server, and return the response, whatever its status.

        A request that the server refuses with 417 (RFC 9110 section 10.1.1) is sent again without `Expect`.

        Args:
            call: The call; its state `sent`, `begun` and `waited` is updated.
            hop: The server.

        Raises:
            CtadataError: As `Exchange.perform` and `HostLimiter.acquire` raise it.
        """
        while True:
            request = self._request(call, hop)
            response = self._send_in_slot(call, request)
            if response.status != 417 or request.expect is None:
                return response
            self._expect_seconds[request.origin] = None

    def note_redirect(self, origin: Origin) -> None:
        """Remember that this server redirects uploads: from now on they wait for its answer."""
        self._expect_seconds[origin] = self.limits.expect_redirect

    def _request(self, call: Call, hop: Hop) -> Request:
        sign = None if hop.before else call.sign
        expect = self._expectation(call) if call.streams and hop.origin == call.door else None
        headers = list(hop.headers.items())
        if hop.token:
            headers.append(("Authorization", f"Bearer {hop.token}"))
        if sign and sign.token:
            headers.append(("x-amz-security-token", sign.token))
        lines = header_lines(headers)
        if call.upload and not (sign and expect is not None):
            # the empty header keeps curl from adding its own one, which it does not sign: proxies remove it
            lines.append("Expect:" if expect is None else "Expect: 100-continue")
        return Request(call.method, hop.origin, hop.url, lines, call.upload, expect, hop.before, sign, call.route.fresh)

    def _expectation(self, call: Call) -> float | None:
        """Return the seconds to wait for `100 Continue` at the door; None to send the body at once."""
        if call.door in self._expect_seconds:
            return self._expect_seconds[call.door]
        threshold = CURL_EXPECT_THRESHOLD if call.sign else EXPECT_THRESHOLD
        if not call.await_redirect and call.upload and call.upload.size <= threshold:
            return None
        return self.limits.expect_redirect if call.await_redirect else self.limits.expect

    def _send_in_slot(self, call: Call, request: Request) -> Response:
        if request.fresh:
            return self._run(call, request, call.accept)
        began = self._clock()
        # the answer to an upload comes after its body: if that is large, the time says nothing about the server's speed
        is_small = call.upload is None or call.upload.size <= EXPECT_THRESHOLD
        kind = call.method if is_small or not call.streams else ""
        limiter = self.limiters[request.origin]
        slot = limiter.acquire(kind, self._stop, self._sleep, self._patience)
        accept = call.accept

        def record_and_accept(response: Response) -> Consumer | None:
            limiter.record_response(slot, response, complete=False)
            return accept(response) if accept else None

        try:
            call.waited += self._clock() - began
            if request.body and request.body.begun:
                request.body.rewind()
            response = self._run(call, request, record_and_accept if accept else None)
            if not slot.is_answered:
                limiter.record_response(slot, response)
        except (Unreachable, TimedOut, Interrupted):
            limiter.record_failure(slot)
            raise
        finally:
            limiter.release(slot)
        return response

    def _run(self, call: Call, request: Request, accept: Accept | None) -> Response:
        limits = self.limits if call.total is None else self.limits._replace(total=call.total)
        exchange = Exchange(request, accept, limits, self._stop, self._clock, call.route.watch)
        pool = call.route.pool if call.route.pool and (request.hops or not call.follow) else self.pool
        handle = pool.acquire()
        try:
            response = exchange.perform(handle)
        except BaseException as error:
            call.repeated |= exchange.sent
            if isinstance(error, Interrupted) and call.streams and request.expect is None and not call.sign:
                # a response may be lost with the connection (XRootD's redirects are), so the next upload waits for it
                self._expect_seconds.setdefault(request.origin, self.limits.expect)
            raise
        else:
            closes = response.headers.values.get("connection", "").lower() == "close"
            call.repeated |= handle.may_have_repeated(request.origin, closes=closes)
            response.was_repeated = call.repeated
            if not (limiter := self.limiters[request.origin]).is_measured:
                limiter.note_round_trip(handle.round_trip())
            return response
        finally:
            pool.release(handle)
            call.sent = exchange.sent
            call.begun = exchange.accepted or (call.streams and request.body is not None and request.body.begun)
            if exchange.unanswered:
                self._expect_seconds[request.origin] = None
