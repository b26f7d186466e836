"""Open an S3 store at a server of the tests as the program opens it, with a given key."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from servers.s3_stub import S3Stub
from stores.clients import IMPATIENT

from ctadata.config.profile import Profile
from ctadata.http.credentials import SigningKey
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.factory import open_s3
from ctadata.stores.s3.store import S3Store


@dataclass(frozen=True)
class FixedKey:
    """An access key that never changes; without an id, requests are anonymous."""

    id: str = ""
    secret: str = ""
    token: str | None = None

    def current(self, region: str) -> SigningKey | None:
        return SigningKey(self.id, self.secret, region, self.token or None) if self.id else None


@contextmanager
def opened_s3(
    url: str,
    key: FixedKey,
    *,
    root: str = "/",
    ca: Path | None = None,
    region: str = "us-east-1",
    stop: threading.Event | None = None,
    **settings: object,
) -> Iterator[S3Store]:
    """Yield a store, and close it at the end."""
    profile = Profile(name="test", door="", kind="s3", endpoint=url, root=root, ca=ca, region=region, **settings)
    store = open_s3(profile, key, stop=stop, retries=IMPATIENT)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def connected(url: str, key: FixedKey, *, region: str = "us-east-1") -> Iterator[Connection]:
    """Yield the connection of such a store."""
    with opened_s3(url, key, region=region) as store:
        yield store.connection


@dataclass(frozen=True)
class StubbedServer:
    """A server behind a stub that records each request of the store.

    Attributes:
        store: The store, with the root above the buckets.
        client: boto3's client, which does not pass the stub.
        direct: The origin of the server itself.
    """

    store: S3Store
    client: Any
    stub: S3Stub
    direct: str

    def name(self) -> str:
        """Return a bucket name that is not taken."""
        return f"bucket-{uuid4().hex[:12]}"

    def bucket(self) -> str:
        """Create a bucket, and return its name."""
        name, region = self.name(), self.client.meta.region_name
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        self.client.create_bucket(Bucket=name, **place)
        return name

    def put(self, bucket: str, key: str, body: bytes = b"", location: str | None = None) -> None:
        """Create an object by boto3; with a location, an alias."""
        more = {} if location is None else {"WebsiteRedirectLocation": location}
        self.client.put_object(Bucket=bucket, Key=key, Body=body, **more)
