"""An S3 store at a server of the tests, as the program opens it, with given keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stores.clients import IMPATIENT

from ctadata.config.profile import Profile
from ctadata.http.credentials import SigningKey
from ctadata.stores.s3 import S3Store
from ctadata.stores.s3_connection import Connection
from ctadata.stores.s3_opening import open_s3


@dataclass(frozen=True)
class Held:
    """One access key, and no other; without an id nobody's."""

    id: str = ""
    secret: str = ""
    token: str | None = None

    def current(self, region: str) -> SigningKey | None:
        return SigningKey(self.id, self.secret, region, self.token or None) if self.id else None


@contextmanager
def opened_s3(
    url: str, key: Held, *, root: str = "/", ca: Path | None = None, region: str = "us-east-1", **settings: object
) -> Iterator[S3Store]:
    """A store that is closed at the end."""
    profile = Profile(name="test", door="", kind="s3", endpoint=url, root=root, ca=ca, region=region, **settings)
    store = open_s3(profile, key, retries=IMPATIENT)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def connected(url: str, key: Held, *, region: str = "us-east-1") -> Iterator[Connection]:
    """The connection of such a store."""
    with opened_s3(url, key, region=region) as store:
        yield store.connection
