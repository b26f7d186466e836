"""Check a user's certificate file before it is sent, because the service accepts files that fail later.

The service does not check whether a key is there and matches. It keeps only a certificate that ends within seven
calendar days.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctadata.errors import UsageError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

LONGEST_DAYS = 7
LONGEST = 1 << 20
"""The largest file, in bytes."""

_KEY = re.compile(rb"-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY-----.*?-----END ([A-Z0-9]+ )*PRIVATE KEY-----", re.DOTALL)
_PROXY = "1.3.6.1.5.5.7.1.14"  # RFC 3820 section 3.8
_SHORT = f"make a short-lived proxy: voms-proxy-init -valid {24 * LONGEST_DAYS}:00"


@dataclass(frozen=True, slots=True, repr=False)
class Pem:
    """A checked certificate file. It holds a private key and is never shown.

    Attributes:
        text: The whole file.
        subject: The owner that the certificate names (RFC 4514).
        until: The end of the certificate, in UTC.
    """

    text: str
    subject: str
    until: datetime


def read_pem(file: Path, *, now: datetime | None = None) -> Pem:
    """Read and check a certificate file.

    Args:
        file: A PEM file.
        now: The present moment, in UTC. None asks the clock.

    Raises:
        UsageError: The service could not use it: there is no certificate, its key is missing or another's, a proxy
            lacks its issuer, or the certificate has ended or ends too late.
        OSError: The file cannot be read.
    """
    with file.open("rb") as opened:
        content = opened.read(LONGEST + 1)
    now = now or datetime.now(UTC)
    try:
        leaf, others = _certificates(content)
        _check_key(leaf, content)
        _check_chain(leaf, others)
        _check_time(leaf, others, now)
    except UsageError as error:
        error.path = str(file)
        raise
    return Pem(content.decode("ascii", "replace"), leaf.subject.rfc4514_string(), leaf.not_valid_after_utc)


def _certificates(content: bytes) -> tuple[Certificate, list[Certificate]]:
    from cryptography.x509 import load_pem_x509_certificates

    try:
        leaf, *others = load_pem_x509_certificates(content[:LONGEST])
    except ValueError:
        raise UsageError(
            "the file holds no PEM certificate", hint="it starts with -----BEGIN CERTIFICATE-----"
        ) from None
    return leaf, others


def _check_key(leaf: Certificate, content: bytes) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    def spelt(public: Any) -> bytes:
        spelling: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return spelling

    found = _KEY.search(content)
    if not found:
        raise UsageError("the private key is missing, and the service needs it", hint="add it to the same file")
    try:
        key = load_pem_private_key(found[0], password=None)
    except TypeError:
        raise UsageError(
            "the private key is protected by a password, which the service does not have", hint=_SHORT
        ) from None
    except ValueError:
        raise UsageError("the private key cannot be read") from None
    if spelt(key.public_key()) != spelt(leaf.public_key()):
        raise UsageError("the private key belongs to another certificate", hint="put the certificate of the key first")


def _check_chain(leaf: Certificate, others: list[Certificate]) -> None:
    """Check that the certificates that signed a proxy are in the file, up to one that is no proxy."""
    while _is_proxy(leaf):
        above = next((other for other in others if _has_signed(other, leaf)), None)
        if above is None:
            raise UsageError("the certificate that signed this proxy is missing", hint="add it to the same file")
        leaf, others = above, [other for other in others if other is not above]


def _is_proxy(certificate: Certificate) -> bool:
    return any(extension.oid.dotted_string == _PROXY for extension in certificate.extensions)


def _has_signed(above: Certificate, certificate: Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(above)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _check_time(leaf: Certificate, others: list[Certificate], now: datetime) -> None:
    until = min(one.not_valid_after_utc for one in (leaf, *others))
    if until <= now:
        raise UsageError(f"the certificate expired at {until:%Y-%m-%d %H:%M} UTC", hint="make a new one")
    if leaf.not_valid_before_utc > now:
        raise UsageError(
            f"the certificate is not valid before {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC",
            hint="is the clock right?",
        )
    days = (leaf.not_valid_after_utc.date() - now.date()).days
    if days > LONGEST_DAYS:
        raise UsageError(
            f"the certificate is valid for {days} days, and the service accepts at most {LONGEST_DAYS}", hint=_SHORT
        )
