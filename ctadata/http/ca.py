"""Whom we trust (the CA certificates, chosen in one place) and how long we wait for them (Limits)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ctadata.errors import ConfigError

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # RHEL, Alma, Fedora
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, Alpine
)

JSON_TOTAL = 300.0
"""Seconds that a call of a JSON interface may take with all of its answer; a dCache door behind it may be silent for
180 s first."""


@dataclass(frozen=True, slots=True)
class CaCertificates:
    """The CA certificates that servers are checked against.

    file:      a PEM bundle, or None.
    directory: a directory with hashed names (`openssl rehash`, grid CA directories), or None.
    """

    file: Path | None
    directory: Path | None

    @property
    def verify(self) -> str:
        """For requests, which takes one place only: the bundle, else the directory."""
        return str(self.file or self.directory)


def choose_trust(ca: Path | None = None, environ: Mapping[str, str] = os.environ) -> CaCertificates:
    """The CA certificates to use: those named, else the environment's, else the system's, else certifi's.

    `ca`, the profile's, is a file or a directory and counts alone; ConfigError where it is neither. In the
    environment SSL_CERT_FILE and SSL_CERT_DIR stand for OpenSSL's; X509_CERT_DIR, a grid's, is trusted beside the
    system's. Names in the environment that do not exist are passed over.
    """
    if ca is not None:
        return _named(ca)
    file, directory = _existing(environ, "SSL_CERT_FILE", "SSL_CERT_DIR")
    if file or directory:
        return CaCertificates(file, directory)
    return CaCertificates(_system_bundle(), _existing(environ, "", "X509_CERT_DIR")[1])


def _named(ca: Path) -> CaCertificates:
    ca = ca.expanduser()
    if ca.is_file():
        return CaCertificates(ca, None)
    if ca.is_dir():
        return CaCertificates(None, ca)
    raise ConfigError(
        f"the CA certificates {str(ca)!r} are neither a file nor a directory", hint="set ca in the profile"
    )


def _existing(environ: Mapping[str, str], file: str, directory: str) -> tuple[Path | None, Path | None]:
    file_path, directory_path = Path(environ.get(file, "")), Path(environ.get(directory, ""))
    return (
        file_path if environ.get(file) and file_path.is_file() else None,
        directory_path if environ.get(directory) and directory_path.is_dir() else None,
    )


def _system_bundle() -> Path:
    found = next((Path(name) for name in _BUNDLES if Path(name).is_file()), None)
    return found or _other_bundle()


def _other_bundle() -> Path:
    import ssl  # both take longer to import than to be needed, nearly everywhere

    import certifi

    default = ssl.get_default_verify_paths().cafile
    return Path(default if default and Path(default).is_file() else certifi.where())


@dataclass(frozen=True, slots=True)
class Limits:
    """How long silence is borne, in seconds.

    connect:        for name look-up, TCP and TLS together.
    first_byte:     from the sent request to the answer's headers; a dCache door may take 180 s.
    stall_seconds, stall_bytes_per_second: a body must move on by their product, in bytes, within these seconds.
    unheard:        a transfer that shares a mover asks after it when so long nothing has come, and waits so long.
    total:          for one request with all of its answer; None for those whose bodies may be large.
    expect:         how long an upload waits for `100 Continue` where nothing is known of the server (as curl does).
    expect_patient: the same at a door that redirects uploads, which it does before the first body byte or never.
    """

    connect: float = 15.0
    first_byte: float = 200.0
    stall_seconds: float = 60.0
    stall_bytes_per_second: float = 1.0
    total: float | None = None
    unheard: float = 5.0
    expect: float = 1.0
    expect_patient: float = 190.0
