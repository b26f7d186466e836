"""CA certificates: which ones the client trusts; chosen in one place."""

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


def choose_ca(ca: Path | None = None, environ: Mapping[str, str] = os.environ) -> CaCertificates:
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
