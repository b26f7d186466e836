"""Keys that no path can name: in listings, counts and deletions, and addressed by their exact text."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest
from servers.moto import MotoS3
from servers.s3_stub import s3_stub
from stores.s3.connections import FixedKey, StubbedServer, opened_s3
from stores.suite import Broken, UnnameableSuite, get

from ctadata.config.profile import Profile
from ctadata.entries import Entry, Kind
from ctadata.errors import CtadataError, NotFound, Unnameable, UsageError
from ctadata.namespace.du import measure_deletion
from ctadata.paths import RemotePath
from ctadata.stores.s3.raw_keys import RawKeys, raw_keys

ODD = ["t/a//b", "t//lead", "t/./dot", "t/../up", "t/full/", "t/x//", "t///y"]


@pytest.fixture
def s3(moto_s3: MotoS3) -> Iterator[StubbedServer]:
    key = FixedKey(moto_s3.key.id, moto_s3.key.secret)
    with s3_stub(moto_s3.url) as stub, opened_s3(stub.url, key, region=moto_s3.region) as store:
        yield StubbedServer(store, moto_s3.client(), stub, moto_s3.url)


@pytest.fixture
def raw(s3: StubbedServer) -> RawKeys:
    return raw_keys(s3.store, Profile(name="test", door="", kind="s3"))


class TestUnnameable(UnnameableSuite):
    """A bucket whose keys no path can name."""

    @pytest.fixture(params=["t//lead", "t/./dot", "t/../up", "t/"])
    def broken(self, request: pytest.FixtureRequest, s3: StubbedServer) -> Broken:
        bucket = s3.bucket()
        for key in (request.param, "t/sub/f"):
            s3.put(bucket, key, b"bytes")
        path = RemotePath((bucket, "t"))
        counterpart = {"t//lead": "lead", "t/./dot": "dot"}.get(request.param, "")
        touched = lambda: any(asked.method == "DELETE" for asked in s3.stub.asked)  # noqa: E731
        return Broken(s3.store, path, {"sub"}, 1, touched, counterpart)


def test_each_key_is_named_as_it_is_written(s3: StubbedServer) -> None:
    bucket = s3.bucket()
    for key in (*ODD, "t/fine"):
        s3.put(bucket, key, b"1")
    with pytest.raises(Unnameable) as caught:
        list(s3.store.list(RemotePath((bucket, "t"))))
    direct = {"t//lead", "t/./dot", "t/../up", "t///y"}
    assert {failure.path for failure in caught.value.failures} == {f"s3://{bucket}/{key}" for key in direct}
    assert caught.value.code == 6


@pytest.mark.parametrize(
    ("key", "counterpart"),
    [
        *(("t//lead", ("t", "lead")), ("t/./dot", ("t", "dot")), ("t//a/./b//", ("t", "a", "b")), ("t/", ("t",))),
        *(("t/./../up", ("up",)), ("t//../t/x", ("t", "x"))),
    ],
)
def test_a_key_knows_the_path_that_other_clients_make_of_it(
    s3: StubbedServer, key: str, counterpart: tuple[str, ...]
) -> None:
    bucket = s3.bucket()
    for each in (key, "t/f"):
        s3.put(bucket, each, b"1")
    with pytest.raises(Unnameable) as caught:
        list(s3.store.list(RemotePath((bucket, "t"))))
    assert set(caught.value.counterparts or ()) == {(bucket, *counterpart)}
    assert pickle.loads(pickle.dumps(caught.value)).counterparts == caught.value.counterparts


def test_a_deletion_counts_all_that_it_deletes(s3: StubbedServer) -> None:
    bucket = s3.bucket()
    for key in (*ODD, "t/fine", "t/d/e/f", "t/d/g", "t/empty/"):
        s3.put(bucket, key, b"" if key == "t/empty/" else b"12")
    top = Entry(RemotePath((bucket, "t")), Kind.DIRECTORY)
    whole = measure_deletion(s3.store, top)
    assert (whole.files, whole.size) == (10, 20)
    assert set(whole.unnamed) == {f"s3://{bucket}/{key}" for key in ODD}
    s3.store.delete_tree(top.path)
    assert "Contents" not in s3.client.list_objects_v2(Bucket=bucket)


def test_directories_are_counted_once(s3: StubbedServer) -> None:
    bucket = s3.bucket()
    for key in ("t/a/b/c", "t/a/b/d", "t/a/e", "t/a-b/c", "t/f/", "t/g"):
        s3.put(bucket, key)
    assert measure_deletion(s3.store, Entry(RemotePath((bucket, "t")), Kind.DIRECTORY)).directories == 4


def test_a_mark_that_holds_bytes_is_no_empty_directory(s3: StubbedServer) -> None:
    bucket = s3.bucket()
    s3.put(bucket, "t/full/", b"bytes")
    with pytest.raises(UsageError, match="not empty"):
        s3.store.delete(RemotePath((bucket, "t", "full")))
    assert s3.client.get_object(Bucket=bucket, Key="t/full/")["Body"].read() == b"bytes"


@pytest.mark.parametrize(
    "key",
    [
        *("t/a//b", "t//lead", "/lead", "t/full/", "t/*?[x]", "t/plain", "a//", "//", "t/é//ü &+%41"),
        *("t/./dot", "t/../lead", "../é //+", ".", "t/a/.."),
    ],
)
def test_an_object_is_addressed_by_its_exact_key(s3: StubbedServer, raw: RawKeys, key: str) -> None:
    bucket = s3.bucket()
    neighbours = ["t/a/b", "lead", "t/lead", "t/full", "t/b", "a"]
    for each in neighbours:
        s3.put(bucket, each, b"another")
    s3.put(bucket, key, b"meant")
    path = raw.path_of(f"s3://{bucket}/{key}")
    assert (raw.info(path).kind, raw.info(path).size) == (Kind.FILE, 5)
    assert get(raw, path) == b"meant"
    raw.delete(path)
    left = {item["Key"] for item in s3.client.list_objects_v2(Bucket=bucket)["Contents"]}
    assert left == set(neighbours) - {key}
    with pytest.raises(NotFound):
        raw.info(path)
    with pytest.raises(NotFound):
        raw.delete(path)


def test_a_key_with_dots_is_read_with_a_signature_only(s3: StubbedServer) -> None:
    """Without one, a proxy that resolves the dots would give another object."""
    bucket = s3.bucket()
    s3.put(bucket, "t/../up", b"odd")
    s3.put(bucket, "up", b"another")
    with opened_s3(s3.stub.url, FixedKey()) as store:
        raw = raw_keys(store, Profile(name="test", door="", kind="s3"))
        with pytest.raises(UsageError, match="no URL can carry"):
            get(raw, raw.path_of(f"s3://{bucket}/t/../up"))


def test_a_raw_key_names_no_directory(s3: StubbedServer, raw: RawKeys) -> None:
    bucket = s3.bucket()
    s3.put(bucket, "t/a")
    with pytest.raises(NotFound):
        raw.info(raw.path_of(f"s3://{bucket}/t"))
    with pytest.raises(NotFound):
        raw.delete(raw.path_of(f"s3://{bucket}/t/"))


@pytest.mark.parametrize("text", ["", "s3://", "s3://bkt", "s3://bkt/", "/bkt/a", "s3:///a", "https://x/bkt/a"])
def test_an_invalid_raw_address_is_refused(raw: RawKeys, text: str) -> None:
    with pytest.raises(CtadataError, match="s3://bucket/key"):
        raw.path_of(text)
