"""The S3 store passes the suite at a server that checks every signature."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from servers.moto import MotoS3
from stores.s3.connections import FixedKey, opened_s3
from stores.s3.suite import S3Suite
from stores.suite import Basket, Bytes, get, put

from ctadata.errors import CtadataError, Forbidden, LoginNeeded, NotFound
from ctadata.paths import RemotePath
from ctadata.stores.s3.store import S3Store


def fixed_key(key) -> FixedKey:
    return FixedKey(key.id, key.secret, key.token)


@pytest.fixture(scope="module")
def store(moto_s3: MotoS3) -> Iterator[S3Store]:
    root = f"/{moto_s3.bucket()}/a prefix"
    with moto_s3.checked(), opened_s3(moto_s3.url, fixed_key(moto_s3.key), root=root, region=moto_s3.region) as store:
        yield store


class TestS3(S3Suite):
    """moto."""

    impossible_names = frozenset({"nl\nx"})  # Flask finds no route for it


class TestS3Only:
    def test_the_tag_of_an_object_is_its_digest(self, store):
        path = RemotePath(("tagged",))
        written = store.write(path, Bytes(b"abc", mtime=1_000_000_000.75))
        assert written.checked == "md5"
        assert store.digests(path) == {"md5": "900150983cd24fb0d6963f7d28e17f72"}
        basket = Basket()
        with store.open(path) as reading:
            assert reading.send(basket, 1, 2).digests == {"md5": "900150983cd24fb0d6963f7d28e17f72"}

    def test_the_mtime_of_the_file_is_kept_in_the_metadata(self, moto_s3, store):
        path = RemotePath(("timed",))
        store.write(path, Bytes(b"abc", mtime=1_000_000_000.75))
        name = store.name(path)
        head = moto_s3.client().head_object(Bucket=name.bucket, Key=name.key)
        assert head["Metadata"] == {"mtime": "1000000000.75", "md5chksum": "kAFQmDzST7DWlj99KOF/cg=="}

    def test_a_rename_keeps_what_the_object_carries(self, moto_s3, store):
        source, target = RemotePath(("alias",)), RemotePath(("renamed",))
        name, new = store.name(source), store.name(target)
        client = moto_s3.client()
        client.put_object(
            Bucket=name.bucket, Key=name.key, WebsiteRedirectLocation="/x", ContentType="text/x", Metadata={"a": "b"}
        )
        store.move(source, target, replace=False)
        head = client.head_object(Bucket=new.bucket, Key=new.key)
        assert (head["WebsiteRedirectLocation"], head["ContentType"], head["Metadata"]) == ("/x", "text/x", {"a": "b"})

    def test_stored_checksums_are_known(self, moto_s3, store):
        path = RemotePath(("summed",))
        name = store.name(path)
        moto_s3.client().put_object(Bucket=name.bucket, Key=name.key, Body=b"abc", ChecksumAlgorithm="SHA256")
        assert store.digests(path)["sha-256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


READ = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject"], "Resource": "*"}],
}


class TestPermissions:
    def test_a_write_with_a_read_only_key_says_so(self, moto_s3, store):
        put(store, RemotePath(("readable",)), b"x")
        reader = fixed_key(moto_s3.user(READ))
        with opened_s3(moto_s3.url, reader, root=str(store.root), region=moto_s3.region) as read_only:
            assert get(read_only, RemotePath(("readable",))) == b"x"
            for write in (
                lambda path: read_only.write(path, Bytes(b"y")),
                lambda path: read_only.write(path, Bytes(b"y" * 2_000_000)),
                lambda path: read_only.delete(path),
                lambda path: read_only.delete_tree(path),
            ):
                with pytest.raises(CtadataError) as caught:
                    write(RemotePath(("readable",)))
                assert isinstance(caught.value, Forbidden)
                assert "may not write" in caught.value.what
                assert caught.value.path == "/readable"

    def test_a_session_needs_its_token(self, moto_s3, store):
        put(store, RemotePath(("of a session",)), b"x")
        session = fixed_key(moto_s3.session())
        with opened_s3(moto_s3.url, session, root=str(store.root), region=moto_s3.region) as mine:
            assert get(mine, RemotePath(("of a session",))) == b"x"
            assert [entry for entry in mine.list(RemotePath()) if entry.path.name == "of a session"]

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            (lambda key: FixedKey(key.id, "wrong"), "secret does not fit"),
            (lambda key: FixedKey("B" * 20, "wrong"), "does not know this access key"),
        ],
    )
    def test_an_unknown_key_needs_a_login(self, moto_s3, store, wrong, words):
        with opened_s3(moto_s3.url, wrong(moto_s3.key), root=str(store.root), region=moto_s3.region) as stranger:
            for ask in (
                lambda: stranger.info(RemotePath(("x",))),
                lambda: list(stranger.list(RemotePath())),
                lambda: get(stranger, RemotePath(("x",))),
                lambda: stranger.write(RemotePath(("x",)), Bytes(b"y")),
            ):
                with pytest.raises(LoginNeeded, match=words) as caught:
                    ask()
                assert "wrong" not in str(caught.value)

    def test_a_missing_bucket_is_not_found(self, moto_s3, store):
        with opened_s3(moto_s3.url, fixed_key(moto_s3.key), root="/nosuchbucket", region=moto_s3.region) as nowhere:
            for ask in (
                lambda: list(nowhere.list(RemotePath())),
                lambda: nowhere.info(RemotePath(("x",))),
                lambda: nowhere.write(RemotePath(("x",)), Bytes(b"y")),
            ):
                with pytest.raises(NotFound, match="no such bucket"):
                    ask()


class TestAboveTheBuckets:
    def test_buckets_are_directories_and_no_verb_takes_them_away(self, moto_s3):
        bucket = moto_s3.bucket()
        with moto_s3.checked(), opened_s3(moto_s3.url, fixed_key(moto_s3.key), region=moto_s3.region) as store:
            path = RemotePath((bucket,))
            assert path in {entry.path for entry in store.list(RemotePath())}
            assert store.info(path).is_directory
            assert list(store.list(path)) == []
            for remove in (store.delete, store.delete_tree):
                with pytest.raises(CtadataError, match="bucket"):
                    remove(path)
            put(store, path / "a", b"x")
            assert get(store, path / "a") == b"x"
            with pytest.raises(NotFound):
                store.info(RemotePath(("nosuchbucket",)))
