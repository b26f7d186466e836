"""Client: one logical request, with the login where it belongs, redirects followed and failures repeated."""

from __future__ import annotations

import dataclasses
import functools
import random
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from ctadata import fibers
from ctadata.errors import AccessError, CtadataError, Interrupted
from ctadata.http import failures, redirects
from ctadata.http.ca import choose_ca
from ctadata.http.credentials import Credentials, SigningKey
from ctadata.http.curl_pool import CurlPool, Route
from ctadata.http.exchange import Exchange
from ctadata.http.host_limits import BUSY_STATUSES, HostLimiters, Slot
from ctadata.http.messages import Accept, Body, InMemory, Origin, Response, split_url
from ctadata.http.request import Request, Upload, header_line
from ctadata.http.retries import Retries, is_repeatable
from ctadata.http.timeouts import Limits
from ctadata.retry import retry

NO_HEADERS: Mapping[str, str] = MappingProxyType({})

CURL_EXPECT_THRESHOLD = 1 << 20
"""Bytes of a body above which curl by itself waits for `100 Continue`."""

EXPECT_THRESHOLD = 1 << 16
"""Bytes of a body that no server is asked about first which is not known to redirect: sockets mostly take so much
whatever the other end does, and to send it again where it was refused costs less than to ask each time."""


@dataclass(slots=True, repr=False)
class _Call:
    """One logical request, and how far it has come."""

    method: str
    url: str
    headers: Mapping[str, str]
    pool_headers: Mapping[str, str]
    upload: Upload | None
    streams: bool
    accept: Accept | None
    await_redirect: bool
    follow: bool
    sign: SigningKey | None
    route: Route = Route()  # noqa: RUF009  (frozen)
    total: float | None = None
    door: Origin = field(init=False)
    renewed: str | None = None
    waited: float = 0.0
    sent: bool = False
    begun: bool = False

    def __post_init__(self) -> None:
        self.door, target = split_url(self.url)
        self.url = f"{self.door}{target}"


class _Hop(NamedTuple):
    """Where one exchange goes: url, origin, the URLs before it, and the token where it may go there."""

    url: str
    origin: Origin
    hops: tuple[str, ...]
    token: str | None


class Client:
    """Requests over a pool of connections, from any number of threads.

    The token of `credentials` goes to `trusted` origins alone: over https, or to an http door of this very machine.
    """

    def __init__(
        self,
        *,
        trusted: Collection[Origin],
        credentials: Credentials | None,
        ca: Path | None = None,
        http_pools: bool = False,
        follows: bool = True,
        explain: Callable[[Response], CtadataError | None] = lambda response: None,  # noqa: ARG005
        limits: Limits = Limits(),  # noqa: B008  (frozen)
        retries: Retries = Retries(),  # noqa: B008
        jobs: int = 64,
        pinned: bool = False,
        stop: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
        jitter: Callable[[], float] = random.random,
        user_agent: str = "ctadata",
    ) -> None:
        """No connection is made.

        trusted: who may be given the token.  ca: CA certificates, None for the system's (ConfigError where missing).
        http_pools: whether a redirect may lead from https to http.  stop: set, it ends every request within 1 s.
        follows: False takes a redirect for a failure.
        explain: reads a failed answer where the server has words of its own for it; None: the usual table does.
        jobs: requests to one server at a time; fewer while it is slow, busy or broken, unless they are `pinned`.
        clock, sleep, jitter: seconds that run, seconds to wait, a number in [0, 1); for tests.
        """
        self._trusted = frozenset(trusted)
        self._credentials = credentials
        self._http_pools = http_pools
        self._follows = follows
        self._explain = explain
        self.limits = limits
        self._retries = retries
        self._stop = stop or threading.Event()
        self._clock = clock
        self._sleep = sleep or functools.partial(fibers.wait_for_event, self._stop)
        self._jitter = jitter
        self._handles = CurlPool(choose_ca(ca), user_agent)
        self._gates = HostLimiters(jobs, pinned=pinned, clock=clock, spread=lambda: jitter() * retries.first_pause)
        self._given_up: set[Origin] = set()
        self._waits: dict[Origin, float | None] = {}  # for `100 Continue`, where a server has shown what it does

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes | Body | None = None,
        accept: Accept | None = None,
        pool_headers: Mapping[str, str] = NO_HEADERS,
        await_redirect: bool = False,
        follow: bool = True,
        sign: SigningKey | None = None,
        repeat: bool = True,
        total: float | None = None,
        route: Route = Route(),  # noqa: B008  (frozen)
    ) -> Response:
        """One request to its 2xx answer, redirects and repetitions included; any other answer is raised as its error.

        headers: sent to the door; at another origin only what a pool needs of them, and `pool_headers`.
        body:    a `Body` stands at its first byte and is rewound where it has to be sent anew.
        accept:  takes the body of the answer; from then on nothing is repeated.
        await_redirect: the server redirects uploads, so no byte of the body is sent before it has answered.
        follow:  False gives a redirect back as the answer.
        sign:    signs the request to the door (S3); what it redirects to gets no signature.
        repeat:  False sends it once, however it ends: somebody else may be asked instead.
        total:   seconds for one such request with its whole answer; None where the body may be large.
        route:   connections of one's own, and who watches.
        """
        streams = body is not None and not isinstance(body, bytes)
        upload = Upload(InMemory(body) if isinstance(body, bytes) else body) if body is not None else None
        call = _Call(
            method, url, headers, pool_headers, upload, streams, accept, await_redirect, follow, sign, route, total
        )
        try:
            response = retry(
                lambda: self._walk(call),
                self._retries,
                may_retry=lambda error: repeat and self._may_repeat(call, error),
                wait=self._wait,
                clock=lambda: self._clock() - call.waited,
                jitter=self._jitter,
            )
        except CtadataError as error:
            if error.given_up:
                self._given_up.add(call.door)
            elif 0 < error.status < 500 and error.status not in BUSY_STATUSES:
                self._given_up.discard(call.door)
            raise
        self._given_up.discard(call.door)
        return response

    def _may_repeat(self, call: _Call, error: CtadataError) -> bool:
        """Whether a request may be sent again; not to a server that a request was given up at, until it answers one."""
        repeatable = is_repeatable(call.method, error, sent=call.sent, begun=call.begun)
        error.given_up = repeatable and call.door in self._given_up
        return repeatable and not error.given_up

    def _wait(self, error: CtadataError, seconds: float) -> None:
        """Wait for the next attempt; what a busy server has named is waited for at its gate, by everybody."""
        if error.status not in BUSY_STATUSES or error.retry_after is None:
            self._sleep(seconds)

    def separate_pool(self) -> CurlPool:
        """Connections of one's own, for the `route` of requests; closed by the caller."""
        return self._handles.separate_pool()

    def close(self) -> None:
        """Close the connections."""
        self._handles.close()

    def _walk(self, call: _Call) -> Response:
        """From the door, along redirects, to the final answer."""
        url, origin = call.url, call.door
        hops: tuple[str, ...] = ()
        shown: str | None = None
        while len(hops) <= redirects.MAX_HOPS:
            token = self._token(call, origin)
            shown = token or shown
            response = self._exchange(call, _Hop(url, origin, hops, token))
            if response.status == 401 and token and self._renew(call, token):
                url, origin = call.url, call.door
                continue
            follow = call.follow and self._follows and redirects.is_redirect(response)
            if not follow and not redirects.is_expired(response):
                return self._judge(response, call, origin, token)
            if follow and call.streams:
                self._waits[origin] = self.limits.expect_redirect
            hops = (*hops, url)
            url, origin = self._next(response, call, origin)
            url = redirects.strip_token(url, origin, shown, trusted=self._may_have_token(call, origin))
        raise redirects.too_many_redirects(hops, response.status)

    def _next(self, response: Response, call: _Call, origin: Origin) -> tuple[str, Origin]:
        """The next hop; a pool that sends us back to the door means: ask again, so the whole request starts over."""
        if redirects.is_expired(response):
            return call.url, call.door
        url = redirects.next_url(response, http_pools=self._http_pools)
        target = Origin.parse(url)
        bounced = target == call.door != origin and target in self._trusted
        return (call.url, call.door) if bounced else (url, target)

    def _judge(self, response: Response, call: _Call, origin: Origin, token: str | None) -> Response:
        if 200 <= response.status < 300 or (redirects.is_redirect(response) and not call.follow):
            return response
        error = self._explain(response)
        error = error or failures.error_from_response(response, secret=token, at=origin if response.hops else None)
        if isinstance(error, AccessError) and token is None and not call.sign:
            error.hint = self._without_token(call, response, origin) or error.hint
        raise error

    def _without_token(self, call: _Call, response: Response, origin: Origin) -> str:
        """What to do about a refusal of a request that had no token with it; empty where that was as it should be."""
        if self._credentials is None:
            return ""
        if self._may_have_token(call, origin):
            return "no token was sent: the profile has no login, and none was given"
        named = f'the token was not sent there; if it may be, set token_origins = ["{origin}"] in the profile'
        return named if response.hops else ""

    # The login

    def _token(self, call: _Call, origin: Origin) -> str | None:
        if self._credentials is None or not self._may_have_token(call, origin):
            return None
        came = self._clock()
        try:
            return call.renewed or self._credentials.bearer()
        finally:
            call.waited += self._clock() - came  # for an issuer that was away

    def _may_have_token(self, call: _Call, origin: Origin) -> bool:
        local = origin.is_loopback and call.door.scheme == "http"
        return origin in self._trusted and (origin.scheme == "https" or local)

    def _renew(self, call: _Call, refused: str) -> bool:
        """Once for each request: a dCache door shuts out who is refused three times within 20 s."""
        if call.renewed is not None or self._credentials is None:
            return False
        call.renewed = self._credentials.renew(refused)
        return call.renewed is not None

    # One exchange

    def _exchange(self, call: _Call, hop: _Hop) -> Response:
        while True:
            request = self._request(call, hop)
            response = self._perform(call, request)
            if response.status != 417 or request.expect is None:
                return response
            self._waits[request.origin] = None

    def _request(self, call: _Call, hop: _Hop) -> Request:
        at_door = hop.origin == call.door
        sign = None if hop.hops else call.sign
        expect = self._expectation(call, hop.origin) if at_door else None
        headers = call.headers if at_door else self._carried(call, hop.origin)
        lines = [header_line(name, value) for name, value in headers.items()]
        if hop.token:
            lines.append(header_line("Authorization", f"Bearer {hop.token}"))
        if sign and sign.token:
            lines.append(header_line("x-amz-security-token", sign.token))
        if call.upload and not (sign and expect is not None):
            # an empty one keeps curl from adding its own, which it does not sign: proxies take it away
            lines.append("Expect:" if expect is None else "Expect: 100-continue")
        return Request(call.method, hop.origin, hop.url, lines, call.upload, expect, hop.hops, sign, call.route.fresh)

    def _carried(self, call: _Call, origin: Origin) -> Mapping[str, str]:
        trusted = self._may_have_token(call, origin)
        return redirects.forwarded_headers(call.method, call.headers, call.pool_headers, trusted=trusted)

    def _expectation(self, call: _Call, origin: Origin) -> float | None:
        if not call.streams:
            return None
        if origin in self._waits:
            return self._waits[origin]
        if (
            not call.await_redirect
            and call.upload
            and call.upload.size <= (CURL_EXPECT_THRESHOLD if call.sign else EXPECT_THRESHOLD)
        ):
            return None
        return self.limits.expect_redirect if call.await_redirect else self.limits.expect

    def _perform(self, call: _Call, request: Request) -> Response:
        if request.fresh:
            return self._run(call, request, call.accept)
        with self._turn(call, request.origin) as turn:
            if request.body:
                request.body.rewind()
            response = self._run(call, request, turn.watched(call.accept))
            turn.end(response)
        return response

    def _turn(self, call: _Call, origin: Origin) -> Slot:
        came = self._clock()
        # an upload's answer comes when its body has gone, and says nothing about how quick the server is
        kind = "" if call.streams else call.method
        turn = self._gates.of(origin).enter(kind, self._stop, self._sleep, self._retries.time_limit)
        call.waited += self._clock() - came
        return turn

    def _run(self, call: _Call, request: Request, accept: Accept | None) -> Response:
        limits = self.limits if call.total is None else dataclasses.replace(self.limits, total=call.total)
        exchange = Exchange(request, accept, limits, self._stop, self._clock, call.route.watch)
        handles = call.route.own if call.route.own and (request.hops or not call.follow) else self._handles
        handle = handles.lend()
        try:
            return exchange.perform(handle)
        except Interrupted:
            if call.streams and request.expect is None and not call.sign:
                # what it said may be lost with the connection (XRootD's redirects are): it is asked the next time
                self._waits.setdefault(request.origin, self.limits.expect)
            raise
        finally:
            handles.take_back(handle)
            call.sent = exchange.sent
            call.begun = exchange.accepted or (call.streams and request.body is not None and request.body.begun)
            if exchange.silent:
                self._waits[request.origin] = None
