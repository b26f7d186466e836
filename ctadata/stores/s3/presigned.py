"""Presigned URLs: one request to one object, good for a while without any key (Signature Version 4 in the query)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from ctadata.errors import ConfigError, LoginNeeded, Unsupported, UsageError
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.connection import Connection
from ctadata.stores.sharing import Link

LONGEST = 7 * 86400
"""Seconds, Amazon's rule; a temporary access key ends its links with itself."""

_METHODS = {"download": "GET", "upload": "PUT"}


@dataclass(frozen=True, slots=True)
class PresignRequest:
    """The one request that a link is for, and the seconds that it is good."""

    method: str
    lifetime: int


def wished(*, lifetime: float, activities: Sequence[str], addresses: Sequence[str]) -> PresignRequest:
    """What is asked of a link; UsageError (too long), Unsupported (more than one request)."""
    if addresses:
        raise Unsupported("a presigned URL opens from everywhere")
    wanted = tuple(dict.fromkeys(activities)) or ("download",)
    if len(wanted) > 1 or wanted[0] not in _METHODS:
        raise Unsupported("a presigned URL is for one thing: download, or upload")
    if not 1 <= lifetime <= LONGEST:
        raise UsageError("a presigned URL lives 7 days at most")
    return PresignRequest(_METHODS[wanted[0]], int(lifetime))


def presigned(connection: Connection, name: Name, wish: PresignRequest) -> Link:
    """A link to an object; LoginNeeded (no key)."""
    return Link(_signed(connection, name, wish), time.time() + wish.lifetime)


def _signed(connection: Connection, name: Name, wish: PresignRequest) -> str:
    key = connection.signing_key(name.bucket)
    if key is None:
        raise LoginNeeded("a link takes an access key to sign it", hint="see: cta-data-direct credentials show")
    try:
        from botocore.auth import S3SigV4QueryAuth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
    except ImportError:
        raise ConfigError("S3 needs the library boto3", hint="pip install boto3") from None
    request = AWSRequest(wish.method, connection.endpoint.url(name, region=connection.region_of(name.bucket)))
    S3SigV4QueryAuth(Credentials(key.id, key.secret, key.token), "s3", key.region, expires=wish.lifetime).add_auth(
        request
    )
    return str(request.url)
