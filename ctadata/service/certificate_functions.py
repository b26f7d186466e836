"""The functions of `ctadata` for certificates: one call each, with the keyword arguments of earlier versions."""

from __future__ import annotations

from typing import Any

from ctadata.service.client import make_client
from ctadata.service.endpoints import PathText


def upload_personal_certificate(
    certificate_file_path: PathText,
    certificate_key: str,
    user: str | None = None,
    *,
    token: str | None = None,
    downloadservice: str | None = None,
    certificateservice: str | None = None,
    chunk_size: int | None = None,
    dev_instance: bool = False,
) -> dict[str, str]:
    """Send your certificate to the service, which then opens the storage with it.

    Args:
        certificate_file_path: A PEM file: the certificate first, then its private key and, for a proxy, the
            certificates that it was made from. The certificate must expire within seven days.
        certificate_key: The part of the storage that the certificate opens: `cta`, `lst` or `arc`.
        user: The user who owns the certificate, if you are an admin and send it for someone else.
        token: As in `ctadata.list_dir`.
        downloadservice: As in `ctadata.list_dir`.
        certificateservice: As in `ctadata.list_dir`.
        chunk_size: As in `ctadata.list_dir`.
        dev_instance: As in `ctadata.list_dir`.

    Returns:
        The service's `message`, the `validity` (how long it keeps the certificate) and the `certificate_key`.

    Raises:
        FileNotFoundError: The certificate file does not exist.
        UsageError: The service could not use this file. The message says why.
        Forbidden: The service refused the certificate.
        LoginNeeded: There is no token, or the service does not accept it.

    Examples:
        >>> ctadata.upload_personal_certificate("proxy.pem", "lst")["validity"]
    """
    client = make_client(token, downloadservice, certificateservice, chunk_size, dev_instance)
    return client.upload_personal_certificate(certificate_file_path, certificate_key, user)


def upload_certificate(
    certificate_file_path: PathText,
    certificate_key: str | None = None,
    *,
    token: str | None = None,
    downloadservice: str | None = None,
    certificateservice: str | None = None,
    chunk_size: int | None = None,
    dev_instance: bool = False,
) -> dict[str, str]:
    """Do the same as `upload_personal_certificate`, under the name of earlier versions.

    Args:
        certificate_file_path: As in `upload_personal_certificate`.
        certificate_key: As in `upload_personal_certificate`. None takes the first name in CTACS_ALLOWED_CERT_KEYS, or
            `cta`.
        token: As in `ctadata.list_dir`.
        downloadservice: As in `ctadata.list_dir`.
        certificateservice: As in `ctadata.list_dir`.
        chunk_size: As in `ctadata.list_dir`.
        dev_instance: As in `ctadata.list_dir`.

    Returns:
        The result of `upload_personal_certificate`, which names the `certificate_key`.

    Raises:
        CtadataError: Any error that `upload_personal_certificate` raises.

    Examples:
        >>> ctadata.upload_certificate("proxy.pem")["certificate_key"]
        'cta'
    """
    from ctadata.service.certificates import default_key

    client = make_client(token, downloadservice, certificateservice, chunk_size, dev_instance)
    return client.upload_personal_certificate(certificate_file_path, certificate_key or default_key())


def upload_shared_certificate(
    certificate_file_path: PathText,
    *,
    token: str | None = None,
    downloadservice: str | None = None,
    certificateservice: str | None = None,
    chunk_size: int | None = None,
    dev_instance: bool = False,
) -> dict[str, Any]:
    """Send a certificate that the service uses for all users who have none. Only admins of the hub may do this.

    Args:
        certificate_file_path: As in `upload_personal_certificate`.
        token: As in `ctadata.list_dir`.
        downloadservice: As in `ctadata.list_dir`.
        certificateservice: As in `ctadata.list_dir`.
        chunk_size: As in `ctadata.list_dir`.
        dev_instance: As in `ctadata.list_dir`.

    Returns:
        The service's `message`, and `certificateUploaded`.

    Raises:
        Forbidden: You are not an admin, or the service refused the certificate.
        CtadataError: Any error that `upload_personal_certificate` raises.

    Examples:
        >>> ctadata.upload_shared_certificate("robot.pem")["certificateUploaded"]
        True
    """
    client = make_client(token, downloadservice, certificateservice, chunk_size, dev_instance)
    return client.upload_shared_certificate(certificate_file_path)


def certificate_status(
    *,
    token: str | None = None,
    downloadservice: str | None = None,
    certificateservice: str | None = None,
    chunk_size: int | None = None,
    dev_instance: bool = False,
) -> dict[str, Any]:
    """Return what the service says about its certificates.

    Args:
        token: As in `ctadata.list_dir`.
        downloadservice: As in `ctadata.list_dir`.
        certificateservice: As in `ctadata.list_dir`.
        chunk_size: As in `ctadata.list_dir`.
        dev_instance: As in `ctadata.list_dir`.

    Returns:
        `service` and `shared`, in the service's own words, and `keys`: for each key, whether the storage opens with it.

    Raises:
        LoginNeeded: There is no token, or the service does not accept it.

    Examples:
        >>> ctadata.certificate_status()["keys"]["lst"]
        'good: the storage opens with it'
    """
    return make_client(token, downloadservice, certificateservice, chunk_size, dev_instance).certificate_status()
