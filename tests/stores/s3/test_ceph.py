"""The S3 store passes the suite at Ceph's object gateway: plain, over TLS, with the bucket in the host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from servers.rgw import Rgw
from servers.s3_client import Keys
from stores.s3.connections import FixedKey, opened_s3
from stores.s3.suite import S3Suite

from ctadata.stores.s3.store import S3Store

WAYS = ["http", "https", "virtual"]


def fixed_key(keys: Keys) -> FixedKey:
    return FixedKey(keys.access, keys.secret, keys.token or None)


@pytest.fixture(scope="module", params=WAYS)
def at_ceph(request: pytest.FixtureRequest, rgw: Rgw) -> Iterator[S3Store]:
    keys = rgw.new_user()
    bucket = f"bucket-{keys.access.lower()}"
    rgw.client(keys).create_bucket(Bucket=bucket)
    url = {"http": rgw.http, "https": rgw.https, "virtual": rgw.named(rgw.https)}[request.param]
    addressing = "virtual" if request.param == "virtual" else "auto"
    with opened_s3(url, fixed_key(keys), root=f"/{bucket}/a prefix", ca=rgw.ca, addressing=addressing) as store:
        yield store


class TestCeph(S3Suite):
    """Ceph, which checks signatures itself."""

    @pytest.fixture
    def store(self, at_ceph: S3Store) -> S3Store:
        return at_ceph
