"""Certificates for the tests: an authority, a user's certificate, and a proxy that the user has made of it."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PROXY_INFORMATION = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.14")  # RFC 3820 section 3.8
INHERIT_ALL = bytes.fromhex("300c300a06082b06010505071501")  # its policy: whatever the user may
NOW = datetime.datetime.now(datetime.UTC)


def name(*common: str) -> x509.Name:
    """A subject of these common names."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one) for one in common])


def pem(*parts: x509.Certificate | ec.EllipticCurvePrivateKey) -> bytes:
    """The parts as they follow each other in a file."""
    formats = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    texts = [
        one.public_bytes(serialization.Encoding.PEM)
        if isinstance(one, x509.Certificate)
        else one.private_bytes(serialization.Encoding.PEM, *formats)
        for one in parts
    ]
    return b"".join(texts)


class Papers:
    """One authority, and what it signs."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.authority = self._signed(name("CA"), self.key, name("CA"), self.key, days=30, is_authority=True)
        self.bundle = pem(self.authority)

    def certificate(self, days: float = 3, *, proxy: bool = True, key: bool = True, certificates: bool = True) -> bytes:
        """A user's certificate as a file: the certificate, its key, and with `proxy` what it was made of."""
        user_key = ec.generate_private_key(ec.SECP256R1())
        user = self._signed(name("user"), user_key, name("CA"), self.key, days=max(days, 20) if proxy else days)
        if not proxy:
            return pem(*[user] * certificates, *[user_key] * key)
        proxy_key = ec.generate_private_key(ec.SECP256R1())
        made = self._signed(name("user", "1"), proxy_key, name("user"), user_key, days=days, is_proxy=True)
        return pem(*[made] * certificates, *[proxy_key] * key, *[user] * certificates)

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        issuer: x509.Name,
        issuer_key: ec.EllipticCurvePrivateKey,
        *,
        days: float,
        is_authority: bool = False,
        is_proxy: bool = False,
    ) -> x509.Certificate:
        end = NOW + datetime.timedelta(days)
        begun = min(NOW, end) - datetime.timedelta(days=1)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begun).not_valid_after(end)
        if is_proxy:
            builder = builder.add_extension(x509.UnrecognizedExtension(PROXY_INFORMATION, INHERIT_ALL), critical=True)
        else:
            builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        return builder.sign(issuer_key, hashes.SHA256())
