"""Probe a door for `doctor`: its certificate, its clock, and which server its bytes come from and go to."""

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

from ctadata.digest_headers import parse_digests
from ctadata.errors import Stopped, TimedOut, Unreachable, Untrusted
from ctadata.http import failures
from ctadata.http.ca import CaCertificates, choose_ca
from ctadata.http.client import Client
from ctadata.http.messages import Consumer, Origin, Response

PATIENCE = 10.0
"""The time to connect, TLS included, in seconds."""

LOOK = 0.1
"""The time between two checks of `stop`, in seconds."""

PROBE = b"ctadata probes whether uploads work\n"


@dataclass(frozen=True, slots=True)
class Certificate:
    """The certificate of a server that the client trusts.

    Attributes:
        issuer: The name of the issuer.
        ends: The end of its validity, in seconds since 1970 UTC.
        protocol: The TLS version of the connection, for example `TLSv1.3`.
    """

    issuer: str
    ends: float
    protocol: str


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How one probe transfer went.

    Attributes:
        redirected_to: The origin that carried the bytes; None if it was the door itself.
        seconds: The time until the response.
        digests: The digests of the file in the response, by algorithm.
    """

    redirected_to: str | None
    seconds: float
    digests: dict[str, str]


def fetch_certificate(url: str, ca: Path | None, stop: threading.Event) -> Certificate | None:
    """Return the certificate of the server at `url`; None for an http URL.

    A thread of its own connects, because neither a DNS lookup nor a TLS handshake can be interrupted.

    Args:
        url: Any address of the server.
        ca: The file or directory with CA certificates; None uses the usual ones.
        stop: Once it is set, the call ends with Stopped.

    Raises:
        Unreachable: No connection.
        TimedOut: No connection within `PATIENCE` seconds.
        Untrusted: The certificate is not trusted.
        ConfigError: `ca` cannot be used.
        Stopped: `stop` was set.
    """
    origin = Origin.parse(url)
    if origin.scheme != "https":
        return None
    trust = choose_ca(ca)
    result: Future[Certificate] = Future()
    threading.Thread(target=_set_result, args=(result, origin, trust), name="certificate", daemon=True).start()
    ends = time.monotonic() + PATIENCE
    while not wait([result], timeout=LOOK).done:
        if stop.is_set():
            raise Stopped("stopped")
        if time.monotonic() > ends:
            raise TimedOut(f"no response from {origin} within {PATIENCE:.0f} s", hint=failures.CHECK_NETWORK)
    return result.result()


def _set_result(result: Future[Certificate], origin: Origin, trust: CaCertificates) -> None:
    try:
        result.set_result(_connect(origin, trust))
    except Exception as error:  # noqa: BLE001  (raised again in the waiting thread)
        result.set_exception(error)


def _connect(origin: Origin, trust: CaCertificates) -> Certificate:
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
        what = f"no response from {origin} within {PATIENCE:.0f} s"
        raise TimedOut(what, hint="check the network, or try again later") from error
    except OSError as error:
        what = f"no connection to {origin}: {error.strerror or error}"
        raise Unreachable(what, hint=failures.CHECK_NETWORK) from error


def _certificate(secure: ssl.SSLSocket) -> Certificate:
    certificate = secure.getpeercert() or {}
    names = dict(pair for group in certificate.get("issuer", ()) for pair in group)  # type: ignore[misc]
    issuer = names.get("commonName") or names.get("organizationName") or "an issuer without a name"
    ends = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    return Certificate(str(issuer), float(ends), secure.version() or "")


class Probe:
    """Requests to a door that show how it behaves."""

    def __init__(self, client: Client) -> None:
        """Use the client for all requests; the caller closes it."""
        self._client = client

    def look(self, url: str) -> tuple[str, float | None]:
        """Send OPTIONS.

        Returns:
            The `Server` header, and the seconds by which the server's clock is ahead of ours (None: it sends no date).
        """
        before = time.time()
        response = self._client.send("OPTIONS", url, repeat=False)
        middle = (before + time.time()) / 2
        return response.headers.get("Server") or "a server without a name", _measure_clock_skew(response, middle)

    def read(self, url: str) -> ProbeResult:
        """Read the first byte of a file, and return how it went."""
        began = time.monotonic()
        headers = {"Range": "bytes=0-0", "Want-Digest": "adler32"}

        def accept(_: Response) -> Consumer:
            return lambda _: None

        return _route(self._client.send("GET", url, headers=headers, pool_headers=headers, accept=accept), began)

    def write(self, url: str) -> ProbeResult:
        """Upload a small file, and return how it went. As in every upload, the door is asked before a byte is sent."""
        began = time.monotonic()
        headers = {"Want-Digest": "adler32"}
        response = self._client.send(
            "PUT", url, headers=headers, body=_ProbeBody(), pool_headers=headers, await_redirect=True
        )
        return _route(response, began)


class _ProbeBody:
    """The body of the probe upload."""

    size = len(PROBE)

    def __init__(self) -> None:
        self._sent = 0

    def read(self, limit: int) -> bytes:
        block = PROBE[self._sent : self._sent + limit]
        self._sent += len(block)
        return block

    def rewind(self) -> None:
        self._sent = 0


def _route(response: Response, began: float) -> ProbeResult:
    redirected_to = str(Origin.parse(response.url)) if response.hops else None
    return ProbeResult(redirected_to, time.monotonic() - began, parse_digests(response.headers.get("Digest") or ""))


def _measure_clock_skew(response: Response, now: float) -> float | None:
    """Return the seconds by which the date of a response is ahead of `now`; None if it has no valid date."""
    with contextlib.suppress(TypeError, ValueError):
        return email.utils.parsedate_to_datetime(response.headers.get("Date") or "").timestamp() - now
    return None
