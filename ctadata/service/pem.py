"""A user's certificate as a file, looked at before it is sent: what the service takes without a look fails later.

The service checks neither key nor match, and keeps only what ends within seven days, counted by days.
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
"""Bytes of a file at most."""

_KEY = re.compile(rb"-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY-----.*?-----END ([A-Z0-9]+ )*PRIVATE KEY-----", re.DOTALL)
_PROXY = "1.3.6.1.5.5.7.1.14"  # RFC 3820 section 3.8
_SHORT = f"make a short one of it: voms-proxy-init -valid {24 * LONGEST_DAYS}:00"


@dataclass(frozen=True, slots=True, repr=False)
class Pem:
    """A file that was found to be good; it holds a private key, and is never shown.

    subject: whose certificate it is.   until: when it ends, UTC.
    """

    text: str
    subject: str
    until: datetime


def read_pem(file: Path, *, now: datetime | None = None) -> Pem:
    """The file; UsageError where the service could not use it: no certificate, no key or another's, an incomplete
    proxy, one that has ended or ends too late. OSError where it cannot be read.
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
        raise UsageError("it holds no certificate in PEM form", hint="-----BEGIN CERTIFICATE----- begins one") from None
    return leaf, others


def _check_key(leaf: Certificate, content: bytes) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    def spelt(public: Any) -> bytes:
        spelling: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return spelling

    found = _KEY.search(content)
    if not found:
        raise UsageError("the private key is missing, which the service needs too", hint="add it to the same file")
    try:
        key = load_pem_private_key(found[0], password=None)
    except TypeError:
        raise UsageError("its private key is locked with a password, which the service has not", hint=_SHORT) from None
    except ValueError:
        raise UsageError("its private key cannot be read") from None
    if spelt(key.public_key()) != spelt(leaf.public_key()):
        raise UsageError("its private key belongs to another certificate", hint="the first certificate is the key's")


def _check_chain(leaf: Certificate, others: list[Certificate]) -> None:
    """A proxy is nothing without the certificate that has made it."""
    while _is_proxy(leaf):
        above = next((other for other in others if _has_signed(other, leaf)), None)
        if above is None:
            raise UsageError("the certificate that has made this proxy is missing", hint="add it to the same file")
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
        raise UsageError(f"it has ended at {until:%Y-%m-%d %H:%M} UTC", hint="make a new one")
    if leaf.not_valid_before_utc > now:
        raise UsageError(f"it begins at {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC", hint="is the clock right?")
    days = (leaf.not_valid_after_utc.date() - now.date()).days
    if days > LONGEST_DAYS:
        raise UsageError(f"it is good for {days} days, and the service takes {LONGEST_DAYS} at most", hint=_SHORT)
