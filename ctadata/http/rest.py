"""JSON over HTTP with requests, for issuers and REST interfaces; bytes of files never come this way.

Of the environment only the proxies count: netrc would replace our Authorization, and REQUESTS_CA_BUNDLE our choice
of CA certificates. Redirects are not followed. Neither bodies nor headers are ever logged.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests
from requests.utils import get_environ_proxies

from ctadata.errors import CtadataError, Interrupted, ServerTrouble, TimedOut, Unreachable, Untrusted
from ctadata.http import failures
from ctadata.http.message import BODY_LIMIT, Headers, Origin, Response, dissect
from ctadata.http.redaction import presentable
from ctadata.http.trust import choose_trust

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
LONGEST = 8 * 1024 * 1024
"""Bytes of an answer at most; a longer one is refused."""

Raw = requests.Response
"""The library's own answer."""


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
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
            raise failures.of_response(Response(self.method, self.url, self.status, self.reason, self.headers, body))

    def __repr__(self) -> str:
        """The status alone."""
        return f"<Answer {self.status} {self.reason}>"


class Rest:
    """A client for JSON; any thread may use it. Only https, or http to this very machine."""

    def __init__(
        self,
        *,
        trusted: Collection[Origin] = (),
        ca: Path | None = None,
        user_agent: str = "ctadata",
        timeouts: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT),
    ) -> None:
        """No connection is made.

        trusted: who may be given a token.  ca: CA certificates, None for the system's (ConfigError where missing).
        timeouts: seconds to connect, and seconds of silence.
        """
        self._trusted = frozenset(trusted)
        self._verify = choose_trust(ca).verify
        self._headers = {"User-Agent": user_agent, "Accept": "application/json"}
        self._timeouts = timeouts

    def get(self, url: str, token: str | None = None) -> Answer:
        """GET; the token only to trusted origins (else Untrusted)."""
        return self._send("GET", url, token=token)

    def post_form(self, url: str, fields: Mapping[str, str], basic: tuple[str, str] | None = None) -> Answer:
        """POST a form, as OAuth does; `basic`: client id and secret for the Authorization header."""
        return self._send("POST", url, data=dict(fields), basic=basic)

    def post_json(self, url: str, payload: Any, token: str | None = None) -> Answer:
        """POST a JSON document; the token only to trusted origins (else Untrusted)."""
        return self._send("POST", url, data=json.dumps(payload), content_type="application/json", token=token)

    def response(self, url: str, token: str, *, stream: bool = False) -> Raw:
        """GET for scripts that work with the library's own answer, whatever its status; the token as in `get`.

        stream: the body is left to the caller, who closes the answer.
        """
        origin, target = dissect(url)
        self._check(origin, token)
        headers = {**self._headers, "Accept": "*/*", "Content-Type": "application/json"}
        headers["Authorization"] = f"Bearer {token}"
        proxies = {} if origin.is_loopback else get_environ_proxies(url)
        try:
            with requests.Session() as session:
                session.trust_env = False
                return session.get(
                    f"{origin}{target}",
                    headers=headers,
                    timeout=self._timeouts,
                    verify=self._verify,
                    allow_redirects=False,
                    proxies=proxies,
                    stream=stream,
                )
        except requests.RequestException as error:
            raise _error_of(error, origin) from None  # its traceback would hold the request

    def _send(
        self,
        method: str,
        url: str,
        *,
        data: Any = None,
        content_type: str | None = None,
        token: str | None = None,
        basic: tuple[str, str] | None = None,
    ) -> Answer:
        origin, target = dissect(url)
        self._check(origin, token)
        headers = dict(self._headers)
        if content_type:
            headers["Content-Type"] = content_type
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            with requests.Session() as session:
                session.trust_env = False
                return self._exchange(session, method, f"{origin}{target}", headers=headers, data=data, auth=basic)
        except requests.RequestException as error:
            raise _error_of(error, origin) from None  # its traceback would hold the request

    def _check(self, origin: Origin, token: str | None) -> None:
        if origin.scheme != "https" and not origin.is_loopback:
            raise Untrusted(f"{origin} is not protected by TLS", hint="use its https address")
        if token and origin not in self._trusted:
            raise Untrusted(
                f"the token is not sent to {origin}",
                hint=f'if it may be, set token_origins = ["{origin}"] in the profile',
            )

    def _exchange(
        self, session: requests.Session, method: str, url: str, *, headers: Mapping[str, str], data: Any, auth: Any
    ) -> Answer:
        proxies = {} if Origin.of(url).is_loopback else get_environ_proxies(url)
        with session.request(
            method,
            url,
            headers=headers,
            data=data,
            auth=auth,
            timeout=self._timeouts,
            verify=self._verify,
            allow_redirects=False,
            proxies=proxies,
            stream=True,
        ) as response:
            return _answer(method, url, response, _read(response, url))


def _read(response: requests.Response, url: str) -> bytes:
    body = bytearray()
    for block in response.iter_content(BODY_LIMIT):
        body += block
        if len(body) > LONGEST:
            raise ServerTrouble(f"the answer is too long: {Origin.of(url)}")
    return bytes(body)


def _answer(method: str, url: str, response: requests.Response, body: bytes) -> Answer:
    status = response.status_code
    reason = presentable(response.reason or "") or (HTTPStatus(status).phrase if status in set(HTTPStatus) else "")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    text = body[:BODY_LIMIT].decode("utf-8", "replace")
    return Answer(method, url, status, reason, Headers(response.headers.items()), document, text)


def _error_of(error: requests.RequestException, origin: Origin) -> CtadataError:
    """The same errors as the pool's."""
    root = _root(error)
    said = presentable(str(root) or type(root).__name__)
    if isinstance(error, requests.exceptions.SSLError):
        if "certificate" in said.lower():
            return failures.bad_certificate(origin, said)
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
