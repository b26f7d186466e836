"""JSON over HTTP, for issuers and REST interfaces; bytes of files never come this way, and each call has an end.

Of the environment only the proxies count: netrc would replace our Authorization, and REQUESTS_CA_BUNDLE our choice
of CA certificates. Redirects are not followed. Neither bodies nor headers are ever logged.
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
from ctadata.http.messages import BODY_LIMIT, Consumer, Headers, InMemory, Origin, Response, split_url
from ctadata.http.redaction import sanitize
from ctadata.http.request import Request, Upload, header_line
from ctadata.http.timeouts import Limits

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
_FORM = "application/x-www-form-urlencoded"
TICK = 0.2
"""Seconds after which a call that waits looks at the clock, and whether it is to stop."""
MAX_BODY = 8 * 1024 * 1024
"""Bytes of an answer at most; a longer one is refused."""

Raw = requests.Response
"""The library's own answer."""


@dataclass(frozen=True, slots=True, repr=False)
class JsonResponse:
    """What a server said, whatever its status.

    json: the body as JSON, None where it is none.  text: the beginning of the body.
    It may hold tokens, so it has no telling repr.
    """

    method: str
    url: str
    status: int
    reason: str
    headers: Headers
    json: Any
    text: str

    def raise_for_status(self) -> None:
        """Raise the error that a status other than 2xx means, with the server's own words."""
        if not 200 <= self.status < 300:
            body = self.text.encode()
            raise failures.error_from_response(
                Response(self.method, self.url, self.status, self.reason, self.headers, body)
            )

    def __repr__(self) -> str:
        """The status alone."""
        return f"<Answer {self.status} {self.reason}>"


class JsonClient:
    """A client for JSON; any thread may use it. Only https, or http to this very machine."""

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
        """No connection is made.

        trusted: who may be given a token.  ca: CA certificates, None for the system's (ConfigError where missing).
        timeouts: seconds to connect, and seconds of silence; both together are the most that a call takes in all.
        stop: once set, calls end within a second (Stopped).  clock: seconds that run, for tests.
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
        """GET; the token only to trusted origins (else Untrusted)."""
        return self._send("GET", url, token=token)

    def post_form(self, url: str, fields: Mapping[str, str], basic: tuple[str, str] | None = None) -> JsonResponse:
        """POST a form, as OAuth does; `basic`: client id and secret for the Authorization header."""
        return self._send("POST", url, data=urlencode(fields), content_type=_FORM, basic=basic)

    def post_json(self, url: str, payload: Any, token: str | None = None) -> JsonResponse:
        """POST a JSON document; the token only to trusted origins (else Untrusted)."""
        return self._send("POST", url, data=json.dumps(payload), content_type="application/json", token=token)

    def get_raw(self, url: str, token: str, *, stream: bool = False, large: bool = False) -> Raw:
        """GET for scripts that work with the library's own answer, whatever its status; the token as in `get`.

        stream: the body is left to the caller, who closes the answer.
        large: the body may be a file: it may take longer than a call may in all, and only silence ends it.
        """
        origin, target = split_url(url)
        self._check(origin, token)
        headers = {"User-Agent": self._user_agent, "Accept": "*/*", "Content-Type": "application/json"}
        headers["Authorization"] = f"Bearer {token}"
        proxies = {} if origin.is_loopback else get_environ_proxies(url)

        def ask() -> Raw:
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
            answer = self._in_time(ask, origin)
            if large and not stream:
                _ = answer.content
        except requests.RequestException as error:
            raise _error_of(error, origin) from None  # its traceback would hold the request
        return answer

    def _in_time(self, ask: Callable[[], Raw], origin: Origin) -> Raw:
        """What `ask` gives or raises; TimedOut, Stopped. The library ends a silence, but not what moves on for ever.

        So it has a thread of its own, which ends when the server does, where nobody waits for it any more.
        """
        answers, total, began = Future[Raw](), self._limits.total or 0.0, self._clock()

        def run() -> None:
            try:
                answer = ask()
            except BaseException as error:  # noqa: BLE001
                if answers.set_running_or_notify_cancel():
                    answers.set_exception(error)
            else:
                if answers.set_running_or_notify_cancel():
                    answers.set_result(answer)
                else:
                    answer.close()

        Thread(target=run, name="rest", daemon=True).start()
        try:
            while not wait([answers], TICK).done:
                if self._stop.is_set():
                    raise Stopped("stopped")
                if self._clock() - began > total:
                    raise TimedOut(f"no whole answer in time: {origin}, {total:g} s", hint="try again later")
            return answers.result()
        finally:
            answers.cancel()

    def _send(
        self,
        method: str,
        url: str,
        *,
        data: str = "",
        content_type: str | None = None,
        token: str | None = None,
        basic: tuple[str, str] | None = None,
    ) -> JsonResponse:
        origin, target = split_url(url)
        self._check(origin, token)
        lines = [header_line("Accept", "application/json")]
        if content_type:
            lines += [header_line("Content-Type", content_type), "Expect:"]
        if basic:
            lines.append(header_line("Authorization", f"Basic {b64encode(':'.join(basic).encode()).decode()}"))
        if token:
            lines.append(header_line("Authorization", f"Bearer {token}"))
        body = Upload(InMemory(data.encode())) if content_type else None
        whole = bytearray()

        def accept(response: Response) -> Consumer:  # noqa: ARG001
            return lambda block: _gather(whole, block, origin)

        request = Request(method, origin, f"{origin}{target}", lines, body)
        exchange = Exchange(request, accept, self._limits, self._stop, self._clock)
        handles = CurlPool(self._trust, self._user_agent)
        handle = handles.lend()
        try:
            response = exchange.perform(handle)
        except Interrupted as error:
            if exchange.accepted:
                raise
            raise Unreachable(error.what) from None  # it was the question that broke off, not the answer
        finally:
            handles.take_back(handle)
            handles.close()
        return _answer(response, bytes(whole) or response.body)

    def _check(self, origin: Origin, token: str | None) -> None:
        if origin.scheme != "https" and not origin.is_loopback:
            raise Untrusted(f"{origin} is not protected by TLS", hint="use its https address")
        if token and origin not in self._trusted:
            raise Untrusted(
                f"the token is not sent to {origin}",
                hint=f'if it may be, set token_origins = ["{origin}"] in the profile',
            )


def _gather(whole: bytearray, block: bytes, origin: Origin) -> None:
    whole += block
    if len(whole) > MAX_BODY:
        raise ServerTrouble(f"the answer is too long: {origin}")


def _answer(response: Response, body: bytes) -> JsonResponse:
    status = response.status
    reason = response.reason or (HTTPStatus(status).phrase if status in set(HTTPStatus) else "")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    text = body[:BODY_LIMIT].decode("utf-8", "replace")
    return JsonResponse(response.method, response.url, status, reason, response.headers, document, text)


def _error_of(error: requests.RequestException, origin: Origin) -> CtadataError:
    """The same errors as the pool's."""
    root = _root(error)
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


def _root(error: BaseException) -> BaseException:
    """What lies at the bottom: requests and urllib3 wrap the cause, URL and all, several times."""
    deeper = error.__cause__ or error.__context__
    return _root(deeper) if deeper else error
