"""An alias is read as its file, and never as an empty file; a change of a name touches only this name."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass

import pytest
from stores.s3.connections import StubbedServer
from stores.suite import get, names, put, read

from ctadata.errors import AlreadyExists, Changed, IntegrityError, NotFound, Untrusted
from ctadata.paths import RemotePath
from ctadata.stores.s3.store import S3Store
from ctadata.transfer.download_file import download_file
from ctadata.transfer.local_dir import LocalDir
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import NullReporter
from ctadata.transfer.run import Run

FILE, ALIAS = RemotePath(("sequence", "a")), RemotePath(("sequence", "b"))
CONTENT = b"ACGTACGTTT"


@dataclass
class At:
    """A bucket as the root of a store, with a file and an alias of it."""

    served: StubbedServer

    def __post_init__(self) -> None:
        self.bucket, self.client, self.stub = self.served.bucket(), self.served.client, self.served.stub
        self.store = S3Store(self.served.store.connection, RemotePath((self.bucket,)))
        self.served.put(self.bucket, "sequence/a", CONTENT)
        self.alias("sequence/b", "/sequence/a")

    def alias(self, key: str, location: str) -> RemotePath:
        self.served.put(self.bucket, key, b"", location)
        return RemotePath.parse(key)


@pytest.fixture
def at(s3: StubbedServer) -> At:
    return At(s3)


def test_the_entry_of_an_alias_is_that_of_its_file(at):
    file, alias = at.store.info(FILE), at.store.info(ALIAS)
    assert (alias.path, alias.size, alias.etag, alias.alias_of) == (ALIAS, len(CONTENT), file.etag, "sequence/a")
    assert file.alias_of is None


@pytest.mark.parametrize(("start", "stop"), [(0, None), (0, 4), (3, 7), (4, None), (len(CONTENT), None)])
def test_an_alias_is_read_in_ranges(at, start, stop):
    assert get(at.store, ALIAS, start, stop) == CONTENT[start:stop]


def test_an_alias_is_resolved_once_for_all_ranges(at):
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
        with pytest.raises(Changed, match="changed"):
            read(reading, 2, 4)


@pytest.mark.parametrize("location", ["http://example.org/sequence/a", "//other/a", "relative"])
def test_an_alias_out_of_the_bucket_is_refused_without_another_request(at, location):
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


def test_an_alias_of_a_missing_file_is_not_found(at):
    dangling = at.alias("dangling", "/missing")
    with pytest.raises(NotFound, match="an alias of missing"):
        at.store.info(dangling)
    with pytest.raises(NotFound, match="an alias of missing"):
        get(at.store, dangling)
    at.store.delete(dangling)
    assert "dangling" not in names(at.store, RemotePath())


def test_changes_of_an_alias_do_not_touch_its_file(at):
    at.store.move(ALIAS, ALIAS.parent / "c", replace=False)
    assert names(at.store, ALIAS.parent) == {"a", "c"}
    assert at.store.info(ALIAS.parent / "c").alias_of == "sequence/a"
    with pytest.raises(AlreadyExists):
        at.store.move(FILE, ALIAS.parent / "c", replace=False)
    at.store.delete(ALIAS.parent / "c")
    assert get(at.store, FILE) == CONTENT


@pytest.mark.parametrize("replaced", [False, True])
def test_a_tag_of_a_read_does_not_replace_that_of_the_listing(at, tmp_path, replaced):
    """If the object was replaced since the listing, the new version arrives, or nothing."""
    other = bytes(reversed(CONTENT))
    listed, run = (
        at.store.info(FILE),
        Run(at.store, Rules(jobs=1), NullReporter(), threading.Event(), pause=lambda _: None),
    )
    if replaced:
        at.served.put(at.bucket, "sequence/a", other)
    else:
        tag = f'"{hashlib.md5(other).hexdigest()}"'
        at.stub.answer("GET", "sequence/a", 200, body=other, headers={"ETag": tag})
    with LocalDir.open(tmp_path) as folder:
        if replaced:
            download_file(run, listed, folder, "a", tmp_path / "a")
            assert (tmp_path / "a").read_bytes() == other
        else:
            with pytest.raises(IntegrityError, match="its tag is"):
                download_file(run, listed, folder, "a", tmp_path / "a")
            assert list(tmp_path.iterdir()) == []
