"""An alias is read as the file it stands for, and never as an empty one; what is done to a name is done to itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from servers.s3_stub import S3Stub, s3_stub
from stores.s3_connections import Held, opened_s3
from stores.suite import get, names, put, read

from ctadata.errors import AlreadyExists, IntegrityError, NotFound, Untrusted
from ctadata.paths import RemotePath
from ctadata.stores.s3 import S3Store

FILE, ALIAS = RemotePath(("sequence", "a")), RemotePath(("sequence", "b"))
CONTENT = b"ACGTACGTTT"


@dataclass(frozen=True)
class At:
    """A bucket with the file and an alias of it, seen through a stub."""

    store: S3Store
    bucket: str
    client: Any
    stub: S3Stub

    def alias(self, key: str, location: str) -> RemotePath:
        self.client.put_object(Bucket=self.bucket, Key=key, WebsiteRedirectLocation=location)
        return RemotePath.parse(key)


@pytest.fixture(params=["moto", pytest.param("ceph", marks=pytest.mark.full("rgw"))])
def at(request: pytest.FixtureRequest) -> Iterator[At]:
    if request.param == "moto":
        moto = request.getfixturevalue("moto_s3")
        key, region, url, client = Held(moto.key.id, moto.key.secret), moto.region, moto.url, moto.client()
        bucket = moto.bucket()
    else:
        rgw = request.getfixturevalue("rgw")
        keys = rgw.new_user()
        key, region, url, client = Held(keys.access, keys.secret), "us-east-1", rgw.http, rgw.client(keys)
        bucket = f"bucket-{keys.access.lower()}"
        client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key="sequence/a", Body=CONTENT)
    with s3_stub(url) as stub, opened_s3(stub.url, key, root=f"/{bucket}", region=region) as store:
        at = At(store, bucket, client, stub)
        at.alias("sequence/b", "/sequence/a")
        yield at


def test_the_entry_of_an_alias_is_that_of_its_file(at):
    file, alias = at.store.info(FILE), at.store.info(ALIAS)
    assert (alias.path, alias.size, alias.etag, alias.alias_of) == (ALIAS, len(CONTENT), file.etag, "sequence/a")
    assert file.alias_of is None


@pytest.mark.parametrize(("start", "stop"), [(0, None), (0, 4), (3, 7), (4, None), (len(CONTENT), None)])
def test_any_range_of_an_alias_at_once(at, start, stop):
    assert get(at.store, ALIAS, start, stop) == CONTENT[start:stop]


def test_the_alias_is_asked_once_of_all_ranges(at):
    with at.store.open(ALIAS) as reading:
        assert b"".join(read(reading, i, i + 1) for i in range(5)) == CONTENT[:5]
    assert len(at.stub.requests("GET", "/sequence/b")) == 1


def test_aliases_of_aliases(at):
    third = at.alias("x", "/sequence/b")
    assert get(at.store, third) == CONTENT
    assert at.store.digests(third) == at.store.digests(FILE)


def test_an_empty_file_is_an_empty_file(at):
    put(at.store, RemotePath(("empty",)), b"")
    assert get(at.store, RemotePath(("empty",))) == b""
    assert get(at.store, RemotePath(("empty",)), 0, 5) == b""


def test_an_alias_that_changes_while_it_is_read(at):
    at.client.put_object(Bucket=at.bucket, Key="other", Body=CONTENT[::-1])
    with at.store.open(ALIAS) as reading:
        read(reading, 0, 2)
        at.client.put_object(Bucket=at.bucket, Key="sequence/a", Body=CONTENT[::-1])
        with pytest.raises(IntegrityError, match="changed"):
            read(reading, 2, 4)


@pytest.mark.parametrize("location", ["http://example.org/sequence/a", "//other/a", "relative"])
def test_an_alias_out_of_the_bucket_is_refused_and_nobody_else_is_asked(at, location):
    bad = at.alias("bad", location)
    for ask in (at.store.info, lambda path: get(at.store, path), lambda path: get(at.store, path, 2, 4)):
        with pytest.raises(Untrusted, match="out of its bucket") as refused:
            ask(bad)
        assert refused.value.path == "/bad"


def test_circles_are_refused(at):
    at.alias("c", "/d")
    circle = at.alias("d", "/c")
    with pytest.raises(Untrusted, match="circle"):
        get(at.store, circle)


def test_an_alias_of_nothing(at):
    dangling = at.alias("dangling", "/missing")
    with pytest.raises(NotFound, match="an alias of missing"):
        at.store.info(dangling)
    with pytest.raises(NotFound, match="an alias of missing"):
        get(at.store, dangling)
    at.store.delete(dangling)
    assert "dangling" not in names(at.store, RemotePath())


def test_what_is_done_to_an_alias_is_done_to_its_own_name(at):
    at.store.move(ALIAS, ALIAS.parent / "c", replace=False)
    assert names(at.store, ALIAS.parent) == {"a", "c"}
    assert at.store.info(ALIAS.parent / "c").alias_of == "sequence/a"
    with pytest.raises(AlreadyExists):
        at.store.move(FILE, ALIAS.parent / "c", replace=False)
    at.store.delete(ALIAS.parent / "c")
    assert get(at.store, FILE) == CONTENT
