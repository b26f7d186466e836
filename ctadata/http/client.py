"""Client: send one request with its token, follow its redirects, and retry it after failures."""

from __future__ import annotations

import functools
import random
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from ctadata import fibers
from ctadata.errors import AccessError, CtadataError
from ctadata.http import failures, redirects
from ctadata.http.ca import choose_ca
from ctadata.http.call import Call, Hop
from ctadata.http.credentials import Credentials, SigningKey
from ctadata.http.curl_pool import CurlPool, Route
from ctadata.http.host_limits import BUSY_STATUSES, HostLimiters
from ctadata.http.messages import NO_HEADERS, Accept, Body, InMemory, Origin, Response, split_url
from ctadata.http.request import Upload
from ctadata.http.retries import Retries, is_repeatable
from ctadata.http.timeouts import Limits
from ctadata.http.transport import Transport
from ctadata.retry import retry


class Client:
    """An HTTP client over a pool of connections. Any number of threads and fibers may use it.

    The token goes to the `trusted` origins only: over https, or to an http door of this machine.
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
        """Create a client; no connection is opened.

        Args:
            trusted: The origins that may receive the token.
            credentials: The source of tokens; None to send none.
            ca: The profile's CA certificates, as for `choose_ca`.
            http_pools: Allow a redirect from https to http.
            follows: Follow redirects; else a redirect is a failure.
            explain: Return the error of a failed response of a server with its own error texts; None for the usual
                table.
            limits: The time limits.
            retries: How often, and for how long, a request is tried.
            jobs: The largest number of requests to one server at a time.
            pinned: Allow always `jobs` requests, also to a slow, busy or broken server.
            stop: When it is set, every request ends within a second and raises Stopped.
            clock: Return the seconds of a monotonic clock.
            sleep: Wait for some seconds; None for a wait that `stop` ends.
            jitter: Return a random number in [0, 1).
            user_agent: The `User-Agent` header.

        Raises:
            ConfigError: `ca` does not exist.
        """
        self._trusted = frozenset(trusted)
        self._credentials = credentials
        self._http_pools = http_pools
        self._follows = follows
        self._explain = explain
        self._retries = retries
        self._clock = clock
        stop = stop or threading.Event()
        self._sleep = sleep or functools.partial(fibers.wait_for_event, stop)
        self._jitter = jitter
        limiters = HostLimiters(jobs, pinned=pinned, clock=clock, spread=lambda: jitter() * retries.first_pause)
        self._transport = Transport(
            CurlPool(choose_ca(ca), user_agent),
            limiters,
            limits,
            patience=retries.time_limit,
            stop=stop,
            clock=clock,
            sleep=self._sleep,
        )
        self._given_up: set[Origin] = set()

    @property
    def limits(self) -> Limits:
        """The time limits."""
        return self._transport.limits

    def limit_requests(self, most: int) -> None:
        """Send at most `most` requests to one server at a time from now on."""
        self._transport.limiters.limit(most)

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
        """Send one request, with redirects and retries, and return its 2xx response.

        Args:
            method: The method.
            url: The URL at the door.
            headers: Headers for the door. Another origin receives only those that a pool needs, and `pool_headers`.
            body: The body. A `Body` stands at its first byte, and is rewound before it is sent again.
            accept: Takes the body of the response. Nothing is retried after it has been called.
            pool_headers: Further headers for another origin.
            await_redirect: Wait for the answer of a server that redirects uploads, before any byte of the body is sent.
            follow: Follow redirects; else a redirect is returned as the response.
            sign: The key that signs the request to the door (S3); a redirected request is not signed.
            repeat: Retry after failures; else the request is sent once.
            total: Seconds for the request with its whole answer; None if the body may be large.
            route: The connections to use, and an observer.

        Returns:
            The response; its body is empty if `accept` took it.

        Raises:
            CtadataError: The error of any other response or failure, as `failures` maps it; Untrusted for a redirect
                that must not be followed; Stopped; also what `accept` and `route.watch` raise.
        """
        streams = body is not None and not isinstance(body, bytes)
        upload = Upload(InMemory(body) if isinstance(body, bytes) else body) if body is not None else None
        door, target = split_url(url)
        url = f"{door}{target}"
        call = Call(
            method,
            url,
            door,
            headers,
            pool_headers,
            upload,
            streams,
            accept,
            await_redirect,
            follow,
            sign,
            route,
            total,
        )
        try:
            response = retry(
                functools.partial(self._follow, call),
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

    def _may_repeat(self, call: Call, error: CtadataError) -> bool:
        """Whether a request may be sent again.

        A server for which a request was given up gets no second attempt until it has answered one request.
        """
        repeatable = is_repeatable(call.method, error, sent=call.sent, begun=call.begun)
        error.given_up = repeatable and call.door in self._given_up
        return repeatable and not error.given_up

    def _wait(self, error: CtadataError, seconds: float) -> None:
        """Wait before the next attempt; for the pause that a busy server asks for, its limiter waits."""
        if error.status not in BUSY_STATUSES or error.retry_after is None:
            self._sleep(seconds)

    def is_foreign(self, response: Response) -> bool:
        """Whether a redirect led to an origin that may not receive the token."""
        return bool(response.hops) and split_url(response.url)[0] not in self._trusted

    def separate_pool(self) -> CurlPool:
        """Return a pool with its own connections, for the `route` of requests; the caller closes it."""
        return self._transport.pool.separate_pool()

    def close(self) -> None:
        """Close the connections."""
        self._transport.pool.close()

    def _follow(self, call: Call) -> Response:
        """Send the request to the door, and follow its redirects to the final response."""
        url, origin = call.url, call.door
        trusted = self._may_have_token(call, origin)
        hops: tuple[str, ...] = ()
        sent_token: str | None = None
        while len(hops) <= redirects.MAX_HOPS:
            token = self._token(call) if trusted else None
            sent_token = token or sent_token
            headers = call.headers
            if origin != call.door:
                headers = redirects.forwarded_headers(call.method, headers, call.pool_headers, trusted=trusted)
            response = self._transport.send(call, Hop(url, origin, hops, headers, token))
            if 200 <= response.status < 300:
                return response
            if response.status == 401 and token and self._renew(call, token):
                url, origin, trusted = call.url, call.door, self._may_have_token(call, call.door)
                continue
            follow = call.follow and self._follows and redirects.is_redirect(response)
            if not follow and not redirects.is_expired(response):
                return self._check(response, call, origin, token)
            if follow and call.streams:
                self._transport.note_redirect(origin)
            hops = (*hops, url)
            url, origin = self._next_hop(response, call, origin)
            trusted = self._may_have_token(call, origin)
            url = redirects.strip_token(url, origin, sent_token, trusted=trusted)
        raise redirects.too_many_redirects(hops, response.status)

    def _next_hop(self, response: Response, call: Call, origin: Origin) -> tuple[str, Origin]:
        """Return the next URL and its origin; if a pool redirects back to the door, the request starts again there."""
        if redirects.is_expired(response):
            return call.url, call.door
        url = redirects.next_url(response, http_pools=self._http_pools)
        target, _ = split_url(url)
        bounced = target == call.door != origin and target in self._trusted
        return (call.url, call.door) if bounced else (url, target)

    def _check(self, response: Response, call: Call, origin: Origin, token: str | None) -> Response:
        """Return a redirect that is not to be followed; raise the error of any other response that is no success."""
        if redirects.is_redirect(response) and not call.follow:
            return response
        error = self._explain(response)
        error = error or failures.error_from_response(response, secret=token, at=origin if response.hops else None)
        if isinstance(error, AccessError) and token is None and not call.sign:
            error.hint = self._hint_without_token(call, response, origin) or error.hint
        raise error

    def _hint_without_token(self, call: Call, response: Response, origin: Origin) -> str:
        """Return the hint for a refused request that was sent without a token; empty if it was right to send none."""
        if self._credentials is None:
            return ""
        if self._may_have_token(call, origin):
            return "no token was sent: log in, or name a token"
        hint = f'the token was not sent there; if it may be, set token_origins = ["{origin}"] in the profile'
        return hint if response.hops else ""

    # Tokens

    def _token(self, call: Call) -> str | None:
        """Return the token for an origin that may receive it."""
        if self._credentials is None:
            return None
        began = self._clock()
        try:
            return call.renewed or self._credentials.bearer()
        finally:
            call.waited += self._clock() - began  # the issuer may have been unreachable

    def _may_have_token(self, call: Call, origin: Origin) -> bool:
        if origin not in self._trusted:
            return False
        return origin.scheme == "https" or (call.door.scheme == "http" and origin.is_loopback)

    def _renew(self, call: Call, refused: str) -> bool:
        """Get another token, once for each request; return False if there is none.

        A dCache door shuts out a client that it has refused three times within 20 s.
        """
        if call.renewed is not None or self._credentials is None:
            return False
        call.renewed = self._credentials.renew(refused)
        return call.renewed is not None
