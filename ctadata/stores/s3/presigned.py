"""Presigned URLs: one request to one object that needs no key for a limited time (Signature Version 4 in the query)."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ctadata.entries import Entry
from ctadata.errors import CtadataError, LoginNeeded, Unsupported, UsageError
from ctadata.http.signature import signed_url
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.listing import has_keys
from ctadata.stores.sharing import Link

LONGEST = 7 * 86400
"""The longest lifetime of a link in seconds, Amazon's rule; a link of a temporary access key ends with the key."""

_METHODS = {"download": "GET", "upload": "PUT"}


@dataclass(frozen=True, slots=True)
class PresignRequest:
    """The request that a link allows.

    Attributes:
        method: The HTTP method.
        lifetime: Seconds that the link is valid.
    """

    method: str
    lifetime: int


def check_link_options(*, lifetime: float, activities: Sequence[str], addresses: Sequence[str]) -> PresignRequest:
    """Check the options of a link, and return the request that it allows.

    Args:
        lifetime: Seconds that the link is valid.
        activities: `download` or `upload`; empty means `download`.
        addresses: Has to be empty: S3 cannot limit a link to client addresses.

    Raises:
        UsageError: The lifetime is not between 1 second and 7 days.
        Unsupported: The options ask for more than one request, or for addresses.
    """
    if addresses:
        raise Unsupported("a presigned URL cannot be limited to addresses")
    chosen = tuple(dict.fromkeys(activities)) or ("download",)
    if len(chosen) > 1 or chosen[0] not in _METHODS:
        raise Unsupported("a presigned URL allows one activity: download or upload")
    if not 1 <= lifetime <= LONGEST:
        raise UsageError("a presigned URL is valid for 7 days at most")
    return PresignRequest(_METHODS[chosen[0]], int(lifetime))


def presign_entry(connection: Connection, name: Name, request: PresignRequest, entry: Entry | None) -> Link:
    """Return a link to an object; a link to an alias downloads its file.

    Args:
        connection: The server.
        name: The object.
        request: The request that the link allows.
        entry: The entry of the object; None for an upload.

    Raises:
        Unsupported: The entry is a directory.
        LoginNeeded: There is no access key to sign it with.
    """
    if not name.key or (entry and entry.is_directory):
        raise Unsupported("a presigned URL opens one file, and this is a directory")
    if entry and entry.alias_of is not None:
        name = Name(name.bucket, entry.alias_of)
    return presign(connection, name, request)


def presign(connection: Connection, name: Name, request: PresignRequest) -> Link:
    """Return a link to an object.

    Raises:
        LoginNeeded: There is no access key to sign it with.
        ConfigError: boto3 is not installed.
    """
    key = connection.signing_key(name.bucket)
    if key is None:
        raise LoginNeeded("an access key is needed to sign a link", hint="see: cta-data-direct credentials show")
    if request.method != "GET" and not connection.endpoint.has_region:  # no request has been sent that tells it
        with contextlib.suppress(CtadataError):
            has_keys(connection, name)
        key = connection.signing_key(name.bucket) or key
    now, remark = time.time(), ""
    if key.expires is not None and key.expires < now + request.lifetime:
        request = dataclasses.replace(request, lifetime=max(1, int(key.expires - now)))
        remark = "the link ends early, with the temporary access key"
    elif key.expires is None and key.token is not None:
        remark = "the access key is temporary, and the link ends with it if that is earlier"
    query = "&".join(f"{header}={value}" for header, value in connection.endpoint.payer.items())
    url = connection.endpoint.url(name, query, connection.region_of(name.bucket))
    link = signed_url(request.method, url, key, lifetime=request.lifetime)
    return Link(link, now + request.lifetime, remark=remark)
