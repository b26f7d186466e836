"""Sign a request with an access key (AWS Signature Version 4) where libcurl does not do it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctadata.errors import ConfigError
from ctadata.http.credentials import SigningKey
from ctadata.http.messages import NO_HEADERS


def signed_headers(
    method: str, url: str, key: SigningKey, service: str, *, headers: Mapping[str, str] = NO_HEADERS, body: str = ""
) -> dict[str, str]:
    """Return the headers of a request with its signature.

    Args:
        method: The HTTP method.
        url: The URL as it is sent.
        key: The access key.
        service: The service in the signature: `s3` or `sts`.
        headers: The headers that are signed, beside those that the signature adds.
        body: The body.

    Raises:
        ConfigError: boto3 is not installed.
    """
    botocore = _import_botocore()
    request = botocore.awsrequest.AWSRequest(method, url, dict(headers), body)
    # S3 takes the path as it is written
    auth = botocore.auth.S3SigV4Auth if service == "s3" else botocore.auth.SigV4Auth
    auth(_credentials(botocore, key), service, key.region).add_auth(request)
    return dict(request.headers.items())


def signed_url(method: str, url: str, key: SigningKey, *, lifetime: int) -> str:
    """Return the URL of a request to S3 with its signature in the query.

    Args:
        method: The HTTP method.
        url: The URL.
        key: The access key.
        lifetime: Seconds that the URL is valid.

    Raises:
        ConfigError: boto3 is not installed.
    """
    botocore = _import_botocore()
    request = botocore.awsrequest.AWSRequest(method, url)
    botocore.auth.S3SigV4QueryAuth(_credentials(botocore, key), "s3", key.region, expires=lifetime).add_auth(request)
    return str(request.url)


def _import_botocore() -> Any:
    try:
        import botocore.auth
        import botocore.awsrequest
        import botocore.credentials
    except ImportError:
        raise ConfigError("S3 needs the library boto3", hint="pip install boto3") from None
    return botocore


def _credentials(botocore: Any, key: SigningKey) -> Any:
    return botocore.credentials.Credentials(key.id, key.secret, key.token)
