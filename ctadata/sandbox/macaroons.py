"""Macaroons of the door: issued on request, and accepted as credentials (dcache.md 3).

The format is that of libmacaroons version 1, which dCache uses. A packet is its length in four hex digits, a keyword
and a value. The signature is a chain of HMAC-SHA256 over the identifier and each caveat.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ctadata.sandbox.login import UID, Login, LoginFailed
from ctadata.sandbox.permissions import ALL, Grant, Rights, within

Packet = tuple[str, bytes]


def _packet(key: str, value: bytes) -> bytes:
    return f"{len(key) + len(value) + 6:04x}{key} ".encode() + value + b"\n"


def _packets(data: bytes) -> list[Packet]:
    packets = []
    while data:
        size = int(data[:4], 16)
        if size < 6 or size > len(data):
            raise ValueError("not a macaroon")
        key, _, value = data[4 : size - 1].partition(b" ")
        packets.append((key.decode(), value))
        data = data[size:]
    return packets


def _signature(secret: bytes, identifier: bytes, caveats: Sequence[bytes]) -> bytes:
    key = hmac.digest(b"macaroons-key-generator".ljust(32, b"\0"), secret, hashlib.sha256)
    signature = hmac.digest(key, identifier, hashlib.sha256)
    for caveat in caveats:
        signature = hmac.digest(signature, caveat, hashlib.sha256)
    return signature


@dataclass(frozen=True)
class _Issued:
    secret: bytes
    login: Login


class MacaroonIssuer:
    """Issues macaroons, and checks its own."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start without a macaroon; `clock` returns Unix seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._issued: dict[bytes, _Issued] = {}

    def issue(self, login: Login, location: str, caveats: Sequence[str]) -> str:
        """Return a macaroon that carries the login under the caveats.

        The first two caveats are dCache's own: an id of the macaroon, and the user.

        Args:
            login: The login of the request.
            location: The value of the packet `location`.
            caveats: The requested caveats, as `key:value`.
        """
        identifier = secrets.token_urlsafe(6).encode()
        caveats = [f"iid:{secrets.token_urlsafe(6)}", f"id:{UID};{UID};{login.user}", *caveats]
        issued = _Issued(secrets.token_bytes(32), login)
        with self._lock:
            self._issued[identifier] = issued
        raw = [caveat.encode() for caveat in caveats]
        data = b"".join(
            [
                _packet("location", location.encode()),
                _packet("identifier", identifier),
                *(_packet("cid", caveat) for caveat in raw),
                _packet("signature", _signature(issued.secret, identifier, raw)),
            ]
        )
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    def login(self, token: str, peer: str) -> Login:
        """Return the login that a macaroon carries, limited by its caveats.

        Args:
            token: The macaroon in base64.
            peer: The IP address of the client.

        Raises:
            LoginFailed: The text is no macaroon of this issuer, or a caveat forbids its use.
        """
        try:
            packets = _packets(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        except (ValueError, binascii.Error) as error:
            raise LoginFailed("login failed") from error
        fields = dict(packets)
        caveats = [value for key, value in packets if key == "cid"]
        identifier = fields.get("identifier", b"")
        with self._lock:
            issued = self._issued.get(identifier)
        if issued is None or not hmac.compare_digest(
            _signature(issued.secret, identifier, caveats), fields.get("signature", b"")
        ):
            raise LoginFailed("macaroon login denied: Invalid signature")
        rights = self._narrowed(issued.login.rights, [caveat.decode() for caveat in caveats], peer)
        return Login(issued.login.user, issued.login.email, rights)

    def _narrowed(self, rights: Rights, caveats: Sequence[str], peer: str) -> Rights:
        activities, path = frozenset(ALL), "/"
        for caveat in caveats:
            key, _, value = caveat.partition(":")
            if key == "activity":
                activities &= frozenset(value.split(","))
            elif key == "path":
                path = f"{path.rstrip('/')}/{value.strip('/')}"  # relative to those before it
            elif key == "before" and datetime.fromisoformat(value).timestamp() <= self._clock():
                raise LoginFailed("macaroon login denied: expired")
            elif key == "ip":
                _check_address(peer, value)
        narrowed = tuple(
            Grant(grant.activities & activities, path if within(path, grant.path) else grant.path)
            for grant in rights.grants
        )
        return Rights(narrowed)


def _check_address(peer: str, networks: str) -> None:
    """Check the client's address; dCache parses the networks of a caveat only now (ClientIPCaveatVerifier)."""
    try:
        allowed = [ipaddress.ip_network(network.strip(), strict=False) for network in networks.split(",")]
    except ValueError as error:
        raise LoginFailed(f"macaroon login denied: Invalid macaroon: Invalid subnets: [{networks}]") from error
    if not any(ipaddress.ip_address(peer) in network for network in allowed):
        raise LoginFailed("macaroon login denied: Invalid macaroon: Client fails to match IP caveat")


def iso(moment: float) -> str:
    """Return a Unix time in the form of a `before` caveat, with nanoseconds."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
