"""The S3 store passes the suite at Ceph's object gateway: plain, over TLS, with the bucket in the host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from servers.rgw import Rgw
from servers.s3_client import Keys
from stores.s3.connections import FixedKey, opened_s3
from stores.s3.suite import S3Suite
from stores.suite import get

from ctadata.config.profile import Profile
from ctadata.errors import NotFound
from ctadata.stores.s3.raw_keys import raw_keys
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


@pytest.mark.parametrize("key", ["t/./dot", "t/../up", "../é //+", "..", "t/a/.."])
def test_a_key_with_dots_is_read_as_it_is_written(at_ceph: S3Store, rgw: Rgw, key: str) -> None:
    """Ceph computes the signature from the path that has arrived."""
    raw = raw_keys(at_ceph, Profile(name="test", door="", kind="s3"))
    signing_key = at_ceph.connection.signing_key("")
    assert signing_key
    client = rgw.client(Keys(signing_key.id, signing_key.secret))
    path = raw.path_of(f"s3://{'/'.join(at_ceph.root.parts)}/{key}")
    for each, content in (("a prefix/up", b"another"), ("up", b"another"), (raw.name(path).key, b"meant")):
        client.put_object(Bucket=raw.name(path).bucket, Key=each, Body=content)
    assert (raw.info(path).size, get(raw, path)) == (5, b"meant")
    raw.delete(path)
    with pytest.raises(NotFound):
        raw.info(path)


class TestCeph(S3Suite):
    """Ceph, which checks signatures itself."""

    @pytest.fixture
    def store(self, at_ceph: S3Store) -> S3Store:
        return at_ceph
