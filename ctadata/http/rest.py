"""Send JSON over HTTP to token issuers and REST interfaces.

No file's bytes are sent this way, and each call has a time limit. From the environment only the proxies count: a netrc
file would replace our Authorization header, and REQUESTS_CA_BUNDLE our choice of CA certificates. Redirects are not
followed. Bodies and headers are never logged.
"""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import urlencode

import requests
from requests.utils import get_environ_proxies

from ctadata.errors import CtadataError, Interrupted, ServerTrouble, Stopped, TimedOut, Unreachable, Untrusted
from ctadata.http import failures
from ctadata.http.ca import choose_ca
from ctadata.http.curl_pool import CurlPool
from ctadata.http.exchange import Exchange
from ctadata.http.messages import BODY_LIMIT, NO_HEADERS, Consumer, Headers, InMemory, Origin, Response, split_url
from ctadata.http.redaction import sanitize
from ctadata.http.request import Request, Upload, header_lines
from ctadata.http.timeouts import Limits

CONNECT_TIMEOUT = 10.0
"""Seconds to connect."""
READ_TIMEOUT = 30.0
"""Seconds of silence."""
_FORM = "application/x-www-form-urlencoded"
TICK = 0.2
"""Seconds between two checks of the clock and of the stop event during a call."""
MAX_BODY = 8 * 1024 * 1024
"""The largest response, in bytes; a longer one is refused."""

Raw = requests.Response
"""A response of the library requests."""


@dataclass(frozen=True, slots=True, repr=False)
class JsonResponse:
    """A response, whatever its status. It may hold tokens, so its repr shows the status only.

    Attributes:
        method: The method of the request.
        url: The URL of the request.
        status: The status.
        reason: The reason phrase, or the standard one.
        headers: The headers.
        json: The body as JSON; None if it is no JSON.
        text: The first 64 KiB of the body.
    """

    method: str
    url: str
    status: int
    reason: str
    headers: Headers
    json: Any
    text: str

    def raise_for_status(self) -> None:
        """Raise the error of a status other than 2xx, with the server's words."""
        if not 200 <= self.status < 300:
            body = self.text.encode()
            raise failures.error_from_response(
                Response(self.method, self.url, self.status, self.reason, self.headers, body)
            )

    def __repr__(self) -> str:
        """Show the status only."""
        return f"<Answer {self.status} {self.reason}>"


class JsonClient:
    """A client for JSON over https, or over http to this machine. Any thread may use it."""

    def __init__(
        self,
        *,
        trusted: Collection[Origin] = (),
        ca: Path | None = None,
        user_agent: str = "ctadata",
        timeouts: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT),
        stop: Event | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create a client; no connection is opened.

        Args:
            trusted: The origins that may receive a token.
            ca: The profile's CA certificates, as for `choose_ca`.
            user_agent: The `User-Agent` header.
            timeouts: Seconds to connect, and seconds of silence. Their sum is the limit of a whole call.
            stop: When it is set, a call ends within a second and raises Stopped.
            clock: Return the seconds of a monotonic clock.

        Raises:
            ConfigError: `ca` does not exist.
        """
        connect, silence = timeouts
        self._trusted = frozenset(trusted)
        self._trust = choose_ca(ca)
        self._user_agent = user_agent
        self._timeouts = timeouts
        self._limits = Limits(connect, silence, silence, total=connect + silence)
        self._stop = stop or Event()
        self._clock = clock

    def get(self, url: str, token: str | None = None) -> JsonResponse:
        """Send a GET request.

        Raises:
            Untrusted: A token is given, and the origin is not trusted.
        """
        return self._send("GET", url, token=token)

    def post_form(
        self,
        url: str,
        fields: Mapping[str, str],
        basic: tuple[str, str] | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> JsonResponse:
        """Send a POST request with a form, as OAuth does.

        Args:
            url: The URL.
            fields: The fields of the form.
            basic: The client id and the secret for the Authorization header (RFC 6749 section 2.3.1); None for neither.
            headers: Further headers, such as those of a signature.
        """
        return self._send("POST", url, data=urlencode(fields), content_type=_FORM, basic=basic, headers=headers)

    def post_json(self, url: str, payload: Any, token: str | None = None) -> JsonResponse:
        """Send a POST request with a JSON document.

        Raises:
            Untrusted: A token is given, and the origin is not trusted.
        """
        return self._send("POST", url, data=json.dumps(payload), content_type="application/json", token=token)

    def get_raw(self, url: str, token: str, *, stream: bool = False, large: bool = False) -> Raw:
        """Send a GET request for a script that reads the response of the library requests, whatever its status.

        Args:
            url: The URL.
            token: The token, sent as for `get`.
            stream: Leave the body to the caller, who closes the response.
            large: The body may be a file: the call may take longer than the limit of a call, and only silence ends it.

        Raises:
            Untrusted: The origin is not trusted.
        """
        origin, target = split_url(url)
        self._check(origin, token)
        headers = {"User-Agent": self._user_agent, "Accept": "*/*", "Content-Type": "application/json"}
        headers["Authorization"] = f"Bearer {token}"
        proxies = {} if origin.is_loopback else get_environ_proxies(url)

        def request() -> Raw:
            with requests.Session() as session:
                session.trust_env = False
                return session.get(
                    f"{origin}{target}",
                    headers=headers,
                    timeout=self._timeouts,
                    verify=self._trust.verify,
                    allow_redirects=False,
                    proxies=proxies,
                    stream=stream or large,
                )

        try:
            response = self._call_in_time(request, origin)
            if large and not stream:
                _ = response.content  # requests reads the body here
        except requests.RequestException as error:
            raise _error_of(error, origin) from None  # its traceback would hold the request
        return response

    def _call_in_time(self, request: Callable[[], Raw], origin: Origin) -> Raw:
        """Call `request` in a thread and return its response; raise TimedOut or Stopped if it takes too long.

        requests ends a silence, but not a response that goes on for ever. A thread that is given up ends with its
        response.
        """
        future, total, began = Future[Raw](), self._limits.total or 0.0, self._clock()

        def run() -> None:
            try:
                response = request()
            except BaseException as error:  # noqa: BLE001
                if future.set_running_or_notify_cancel():
                    future.set_exception(error)
            else:
                if future.set_running_or_notify_cancel():
                    future.set_result(response)
                else:
                    response.close()

        Thread(target=run, name="rest", daemon=True).start()
        try:
            while not wait([future], TICK).done:
                if self._stop.is_set():
                    raise Stopped("stopped")
                if self._clock() - began > total:
                    raise TimedOut(f"no complete answer in time: {origin}, {total:g} s", hint="try again later")
            return future.result()
        finally:
            future.cancel()

    def _send(
        self,
        method: str,
        url: str,
        *,
        data: str = "",
        content_type: str | None = None,
        token: str | None = None,
        basic: tuple[str, str] | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> JsonResponse:
        origin, target = split_url(url)
        self._check(origin, token)
        sent = [*{"Accept": "application/json", **headers}.items()]
        if content_type:
            sent.append(("Content-Type", content_type))
        if basic:
            sent.append(("Authorization", f"Basic {b64encode(':'.join(basic).encode()).decode()}"))
        if token:
            sent.append(("Authorization", f"Bearer {token}"))
        lines = [*header_lines(sent), *(["Expect:"] if content_type else [])]
        body = Upload(InMemory(data.encode())) if content_type else None
        content = bytearray()

        def accept(response: Response) -> Consumer:  # noqa: ARG001
            return lambda block: _append(content, block, origin)

        request = Request(method, origin, f"{origin}{target}", lines, body)
        exchange = Exchange(request, accept, self._limits, self._stop, self._clock)
        pool = CurlPool(self._trust, self._user_agent)
        handle = pool.acquire()
        try:
            response = exchange.perform(handle)
        except Interrupted as error:
            if exchange.accepted:
                raise
            raise Unreachable(error.what) from None  # the request broke off, not its response
        finally:
            pool.release(handle)
            pool.close()
        return _json_response(response, bytes(content) or response.body)

    def _check(self, origin: Origin, token: str | None) -> None:
        if origin.scheme != "https" and not origin.is_loopback:
            raise Untrusted(f"{origin} is not protected by TLS", hint="use its https address")
        if token and origin not in self._trusted:
            raise Untrusted(
                f"the token is not sent to {origin}",
                hint=f'if it may receive the token, set token_origins = ["{origin}"] in the profile',
            )


def _append(content: bytearray, block: memoryview, origin: Origin) -> None:
    content += block
    if len(content) > MAX_BODY:
        raise ServerTrouble(f"the answer is too long: {origin}")


def _json_response(response: Response, body: bytes) -> JsonResponse:
    status = response.status
    reason = response.reason or (HTTPStatus(status).phrase if status in set(HTTPStatus) else "")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    text = body[:BODY_LIMIT].decode("utf-8", "replace")
    return JsonResponse(response.method, response.url, status, reason, response.headers, document, text)


def _error_of(error: requests.RequestException, origin: Origin) -> CtadataError:
    """Return the error of a failure of requests; the same failure of curl gets the same error."""
    root = _root_cause(error)
    said = sanitize(str(root) or type(root).__name__)
    if isinstance(error, requests.exceptions.SSLError):
        if "certificate" in said.lower():
            return failures.bad_certificate_error(origin, said)
        return Unreachable(f"no secure connection: {origin}, {said}")
    if isinstance(error, requests.Timeout) or isinstance(root, TimeoutError):
        return TimedOut(f"no answer in time: {origin}", hint="try again later")
    if isinstance(error, requests.ConnectionError):
        return Unreachable(f"no connection: {origin}, {said}")
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
        return Interrupted(f"the answer broke off: {origin}, {said}")
    return CtadataError(f"the request could not be sent: {origin}, {said}")


def _root_cause(error: BaseException) -> BaseException:
    """Return the first cause of an error: requests and urllib3 wrap it several times, together with the URL."""
    deeper = error.__cause__ or error.__context__
    return _root_cause(deeper) if deeper else error
