"""Asking a door how it behaves, for a diagnosis: its certificate and clock, where its bytes come from and go to."""

from __future__ import annotations

import contextlib
import email.utils
import socket
import ssl
import threading
import time
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path

from ctadata.checksums import parse_digests
from ctadata.errors import Stopped, TimedOut, Unreachable, Untrusted
from ctadata.http import failures
from ctadata.http.ca import CaCertificates, choose_ca
from ctadata.http.client import Client
from ctadata.http.messages import Consumer, Origin, Response

PATIENCE = 10.0
"""Seconds to connect, TLS included."""

LOOK = 0.1
"""Seconds between two looks at the stop."""

PROBE = b"ctadata probes whether uploads work\n"


@dataclass(frozen=True, slots=True)
class Certificate:
    """The certificate of a server that we trust: who issued it, for how long it is good (seconds since 1970)."""

    issuer: str
    ends: float
    protocol: str


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How one transfer went.

    redirected_to: the origin that the bytes came from or went to; None where that is the door itself.
    seconds:   until its answer.   digests: of the file, as told on the way, by algorithm.
    """

    redirected_to: str | None
    seconds: float
    digests: dict[str, str]


def certificate_of(url: str, ca: Path | None, stop: threading.Event) -> Certificate | None:
    """The certificate of the server at `url`; None for http.

    Unreachable, TimedOut, Untrusted, ConfigError (ca), Stopped. A thread of its own asks: neither the look-up of a name
    nor a handshake can be interrupted.
    """
    origin = Origin.parse(url)
    if origin.scheme != "https":
        return None
    trust = choose_ca(ca)
    found: Future[Certificate] = Future()
    threading.Thread(target=_into, args=(found, origin, trust), name="certificate", daemon=True).start()
    ends = time.monotonic() + PATIENCE
    while not wait([found], timeout=LOOK).done:
        if stop.is_set():
            raise Stopped("stopped")
        if time.monotonic() > ends:
            raise TimedOut(f"no answer from {origin} within {PATIENCE:.0f} s", hint=failures.CHECK_NETWORK)
    return found.result()


def _into(found: Future[Certificate], origin: Origin, trust: CaCertificates) -> None:
    try:
        found.set_result(_ask(origin, trust))
    except Exception as error:  # noqa: BLE001  (raised again by who waits)
        found.set_exception(error)


def _ask(origin: Origin, trust: CaCertificates) -> Certificate:
    context = ssl.create_default_context(cafile=trust.file, capath=trust.directory)
    try:
        with (
            socket.create_connection((origin.host.strip("[]"), origin.port), PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=origin.host.strip("[]")) as secure,
        ):
            return _certificate(secure)
    except ssl.SSLCertVerificationError as error:
        hint = failures.bad_certificate_error(origin, error.verify_message).hint
        raise Untrusted(f"its certificate is not trusted: {error.verify_message}", hint=hint) from error
    except TimeoutError as error:
        words = f"no answer from {origin} within {PATIENCE:.0f} s"
        raise TimedOut(words, hint="check the network, or try again later") from error
    except OSError as error:
        words = f"no connection to {origin}: {error.strerror or error}"
        raise Unreachable(words, hint=failures.CHECK_NETWORK) from error


def _certificate(secure: ssl.SSLSocket) -> Certificate:
    told = secure.getpeercert() or {}
    names = dict(pair for group in told.get("issuer", ()) for pair in group)  # type: ignore[misc]
    issuer = names.get("commonName") or names.get("organizationName") or "somebody without a name"
    ends = ssl.cert_time_to_seconds(str(told["notAfter"]))
    return Certificate(str(issuer), float(ends), secure.version() or "")


class Probe:
    """Requests to a door that show how it behaves."""

    def __init__(self, client: Client) -> None:
        """The client is somebody else's."""
        self._client = client

    def look(self, url: str) -> tuple[str, float | None]:
        """What the server calls itself, and how many seconds its clock is ahead of ours (None: it tells no time)."""
        before = time.time()
        answer = self._client.send("OPTIONS", url, repeat=False)
        middle = (before + time.time()) / 2
        return answer.headers.get("Server") or "it does not say what it is", _ahead(answer, middle)

    def read(self, url: str) -> ProbeResult:
        """Read the first byte of a file."""
        began = time.monotonic()
        asked = {"Range": "bytes=0-0", "Want-Digest": "adler32"}

        def accept(_: Response) -> Consumer:
            return lambda _: None

        return _route(self._client.send("GET", url, headers=asked, pool_headers=asked, accept=accept), began)

    def write(self, url: str) -> ProbeResult:
        """Upload a small file, as uploads go: the door is asked before a byte is sent."""
        began = time.monotonic()
        asked = {"Want-Digest": "adler32"}
        answer = self._client.send("PUT", url, headers=asked, body=_Probing(), pool_headers=asked, await_redirect=True)
        return _route(answer, began)


class _Probing:
    """The few bytes of an upload."""

    size = len(PROBE)

    def __init__(self) -> None:
        self._sent = 0

    def read(self, limit: int) -> bytes:
        block = PROBE[self._sent : self._sent + limit]
        self._sent += len(block)
        return block

    def rewind(self) -> None:
        self._sent = 0


def _route(answer: Response, began: float) -> ProbeResult:
    redirected_to = str(Origin.parse(answer.url)) if answer.hops else None
    return ProbeResult(redirected_to, time.monotonic() - began, parse_digests(answer.headers.get("Digest") or ""))


def _ahead(answer: Response, now: float) -> float | None:
    with contextlib.suppress(TypeError, ValueError):
        return email.utils.parsedate_to_datetime(answer.headers.get("Date") or "").timestamp() - now
    return None
