"""Choose the CA certificates that the client trusts."""

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
    """The CA certificates that verify a server's certificate.

    Attributes:
        file: A PEM bundle, or None.
        directory: A directory with hashed names (`openssl rehash`, or a grid's CA directory), or None.
    """

    file: Path | None
    directory: Path | None

    @property
    def verify(self) -> str:
        """The value of the `verify` argument of requests, which takes one path: the bundle, or else the directory."""
        return str(self.file or self.directory)


def choose_ca(ca: Path | None = None, environ: Mapping[str, str] = os.environ) -> CaCertificates:
    """Return the CA certificates to use.

    The first of these that exists counts: `ca`; the environment's SSL_CERT_FILE and SSL_CERT_DIR, as OpenSSL reads
    them; the system's bundle, or certifi's. Beside the bundle, the directory in X509_CERT_DIR (a grid's) is trusted
    too. A path in the environment that does not exist is ignored.

    Args:
        ca: The profile's file or directory; None if the profile names none.
        environ: The environment variables.

    Raises:
        ConfigError: `ca` is neither a file nor a directory.
    """
    if ca is not None:
        return _from_profile(ca)
    file, directory = _existing_paths(environ, "SSL_CERT_FILE", "SSL_CERT_DIR")
    if file or directory:
        return CaCertificates(file, directory)
    return CaCertificates(_system_bundle(), _existing_paths(environ, "", "X509_CERT_DIR")[1])


def _from_profile(ca: Path) -> CaCertificates:
    ca = ca.expanduser()
    if ca.is_file():
        return CaCertificates(ca, None)
    if ca.is_dir():
        return CaCertificates(None, ca)
    raise ConfigError(
        f"the CA certificates {str(ca)!r} are neither a file nor a directory", hint="set ca in the profile"
    )


def _existing_paths(environ: Mapping[str, str], file: str, directory: str) -> tuple[Path | None, Path | None]:
    file_path, directory_path = Path(environ.get(file, "")), Path(environ.get(directory, ""))
    return (
        file_path if environ.get(file) and file_path.is_file() else None,
        directory_path if environ.get(directory) and directory_path.is_dir() else None,
    )


def _system_bundle() -> Path:
    bundle = next((Path(name) for name in _BUNDLES if Path(name).is_file()), None)
    return bundle or _openssl_bundle()


def _openssl_bundle() -> Path:
    import ssl  # both imports are slow, and nearly no system needs them

    import certifi

    default = ssl.get_default_verify_paths().cafile
    return Path(default if default and Path(default).is_file() else certifi.where())
