"""A directory is renamed by copies: nothing is deleted before all copies are there, and a second call continues."""

from __future__ import annotations

import functools
import re
from collections import Counter
from email.utils import formatdate
from urllib.parse import unquote

import pytest
from servers import s3_quirks
from stores.s3.connections import StubbedServer

from ctadata.errors import (
    AlreadyExists,
    Forbidden,
    NotDeleted,
    NotFound,
    PartialFailure,
    ServerTrouble,
    Stopped,
    UsageError,
)
from ctadata.paths import RemotePath
from ctadata.stores.s3.alias import resolve_alias
from ctadata.stores.s3.store import S3Store

KEYS = ["x", "y z/ü", "empty/", "a//b", "twin", "twin/d"]


def keys(s3: StubbedServer, bucket: str) -> list[str]:
    return sorted(each["Key"] for each in s3.client.list_objects_v2(Bucket=bucket).get("Contents", ()))


def filled(s3: StubbedServer) -> str:
    bucket = s3.bucket()
    for name in KEYS:
        s3.put(bucket, f"old/{name}", b"" if name.endswith("/") else name.encode())
    s3.put(bucket, "older/x", b"another directory")
    return bucket


def rename(store: S3Store, bucket: str, source: str = "old", target: str = "new/place", jobs: int = 4):
    return store.rename_by_copy(RemotePath((bucket, source)), RemotePath((bucket, *target.split("/"))), jobs=jobs)


def expected(prefix: str) -> list[str]:
    return sorted(["older/x", *(f"{prefix}/{name}" for name in KEYS)])


def test_every_key_gets_its_new_name(s3):
    bucket = filled(s3)
    s3.put(bucket, "old/alias", b"", "/old/x")
    done = rename(s3.store, bucket)
    assert (done.files, done.size, done.late) == (len(KEYS) + 1, sum(len(n.encode()) for n in KEYS) - len("empty/"), ())
    assert keys(s3, bucket) == sorted([*expected("new/place"), "new/place/alias"])
    name, _ = resolve_alias(s3.store.connection, s3.store.name(RemotePath((bucket, "new", "place", "alias"))))
    assert name.key == "new/place/x"  # it points to the file that went along
    assert s3.client.get_object(Bucket=bucket, Key="new/place/y z/ü")["Body"].read() == "y z/ü".encode()


@pytest.mark.parametrize("fault", [("PUT", "new/place/x"), ("POST", "delete")], ids=["copy", "deletion"])
def test_a_rename_that_breaks_off_loses_nothing_and_goes_on(at_moto, fault):
    bucket = filled(at_moto)
    source, target = RemotePath((bucket, "old")), RemotePath((bucket, "new", "place"))
    at_moto.stub.answer(*fault, 403, "AccessDenied")
    if fault[0] == "POST":  # then each key is deleted by a request of its own
        at_moto.stub.answer("DELETE", "/old/x", 403, "AccessDenied")
    with pytest.raises((Forbidden, PartialFailure)) as caught:
        rename(at_moto.store, bucket)
    assert "the same command continues" in str(caught.value)
    assert "old/x" in keys(at_moto, bucket)
    if fault[0] == "PUT":
        assert not at_moto.stub.requests("DELETE")
        assert not at_moto.stub.requests("POST", "delete")
        assert set(expected("old")) <= set(keys(at_moto, bucket))
    assert at_moto.store.has_begun_rename(source, target)
    at_moto.stub.forget()
    rename(at_moto.store, bucket)
    assert keys(at_moto, bucket) == expected("new/place")
    if fault[0] == "POST":
        assert not at_moto.stub.requests("PUT")  # all copies were there
    assert not at_moto.store.has_begun_rename(source, target)


def test_a_taken_name_is_refused_before_anything_is_copied(at_moto):
    bucket = filled(at_moto)
    for key in ("new/place", "new/place/other"):
        at_moto.put(bucket, key, b"mine")
        with pytest.raises(AlreadyExists):
            rename(at_moto.store, bucket)
        at_moto.client.delete_object(Bucket=bucket, Key=key)
    for source, target in (("old", "old/below"), ("old", "old")):
        with pytest.raises(UsageError):
            rename(at_moto.store, bucket, source, target)
    with pytest.raises(NotFound):
        rename(at_moto.store, bucket, "missing")
    at_moto.put(bucket, "odd/./c", b"no URL can carry it")
    at_moto.put(bucket, "odd/a", b"x")
    with pytest.raises(UsageError, match=r"odd/\./c"):
        rename(at_moto.store, bucket, "odd")
    for key in ("odd/./c", "odd/a"):
        at_moto.client.delete_object(Bucket=bucket, Key=key)
    assert keys(at_moto, bucket) == expected("old")


def test_a_file_of_another_writer_is_never_replaced(at_moto):
    bucket = filled(at_moto)
    fault = at_moto.stub.answer("PUT", "new/place/y", 403, "AccessDenied")
    with pytest.raises(Forbidden):
        rename(at_moto.store, bucket)
    fault.times = 0
    at_moto.put(bucket, "new/place/y z/ü", b"theirs")
    with pytest.raises(AlreadyExists, match="another file"):
        rename(at_moto.store, bucket)
    assert at_moto.client.get_object(Bucket=bucket, Key="new/place/y z/ü")["Body"].read() == b"theirs"
    assert set(expected("old")) <= set(keys(at_moto, bucket))


def test_a_file_that_another_client_writes_over_a_copy_stays(at_moto, monkeypatch):
    bucket = filled(at_moto)
    monkeypatch.setattr(at_moto.stub, "pass_on", at_moto.stub.pass_on)
    s3_quirks.call_after(at_moto.stub, "PUT", "new/place/x", lambda: at_moto.put(bucket, "new/place/x", b"theirs"))
    with pytest.raises(ServerTrouble, match="new/place/x may be another client's file, and stays; nothing was deleted"):
        rename(at_moto.store, bucket)
    assert at_moto.client.get_object(Bucket=bucket, Key="new/place/x")["Body"].read() == b"theirs"
    assert set(expected("old")) <= set(keys(at_moto, bucket))
    with pytest.raises(AlreadyExists, match="another file"):
        rename(at_moto.store, bucket)
    assert not at_moto.stub.requests("DELETE")


def test_a_file_that_changes_after_its_copy_stays(at_moto, monkeypatch):
    from ctadata.stores.s3.rename_prefix import _Rename

    bucket, verify_all = filled(at_moto), _Rename.verify_all

    def write_then_verify(self: _Rename) -> None:
        at_moto.put(bucket, "old/x", b"newer bytes")
        verify_all(self)

    monkeypatch.setattr(_Rename, "verify_all", write_then_verify)
    with pytest.raises(NotDeleted, match="it, or its copy, has changed since then") as kept:
        rename(at_moto.store, bucket)
    monkeypatch.undo()
    assert f"delete s3://{bucket}/new/place/x; nothing was deleted" in kept.value.hint
    with pytest.raises(AlreadyExists, match="another file"):
        rename(at_moto.store, bucket)
    at_moto.client.delete_object(Bucket=bucket, Key="new/place/x")
    rename(at_moto.store, bucket)
    assert at_moto.client.get_object(Bucket=bucket, Key="new/place/x")["Body"].read() == b"newer bytes"
    assert keys(at_moto, bucket) == expected("new/place")


def test_a_file_that_comes_meanwhile_stays_and_is_named(at_moto, monkeypatch):
    from ctadata.stores.s3.rename_prefix import _Rename

    bucket, verify_all = filled(at_moto), _Rename.verify_all

    def verify_then_write(self: _Rename) -> None:
        verify_all(self)
        at_moto.put(bucket, "old/late", b"new")

    monkeypatch.setattr(_Rename, "verify_all", verify_then_write)
    assert rename(at_moto.store, bucket).late == ("old/late",)
    assert keys(at_moto, bucket) == sorted([*expected("new/place"), "old/late"])


@pytest.fixture
def at_kms(at_moto: StubbedServer, monkeypatch) -> StubbedServer:
    """moto whose tags are no MD5, and are others for copies than for their sources; a copy changes the time."""
    copies: Counter[str] = Counter()

    def change(asked, answer):
        place = unquote(asked.target)
        if "/new/" not in place and "=new/" not in place:
            return answer
        copies[place] += asked.method == "PUT"
        changed = {"etag": lambda tag: tag[::-1], "last-modified": lambda _: formatdate(copies[place], usegmt=True)}
        headers = [(name, changed.get(name.lower(), str)(value)) for name, value in answer[1]]
        return answer[0], headers, re.sub(b"[0-9a-f]{32}", lambda tag: tag[0][::-1], answer[2])

    monkeypatch.setattr(at_moto.stub, "pass_on", at_moto.stub.pass_on)
    s3_quirks.encrypt_with_kms(at_moto.stub)
    s3_quirks.alter(at_moto.stub, change)
    s3_quirks.drop_headers(at_moto.stub, "x-amz-checksum-crc32", "x-amz-checksum-crc64nvme")
    return at_moto


def test_a_file_of_another_client_is_not_replaced_where_no_digest_can_be_compared(at_kms):
    bucket = filled(at_kms)
    put = functools.partial(at_kms.put, bucket, "new/place/y z/ü", "Y Z/Ü".encode())
    s3_quirks.call_after(at_kms.stub, "PUT", "new/place/x", put)
    for _ in range(2):
        with pytest.raises(AlreadyExists, match="another file"):
            rename(at_kms.store, bucket, jobs=1)
    assert at_kms.client.get_object(Bucket=bucket, Key="new/place/y z/ü")["Body"].read() == "Y Z/Ü".encode()
    assert set(expected("old")) <= set(keys(at_kms, bucket))


@pytest.mark.parametrize("is_killed", [False, True], ids=["failed", "killed"])
def test_a_rename_whose_copies_no_digest_proves_continues(at_kms, monkeypatch, is_killed):
    """The tags of the copies are remembered; a killed run leaves none, and its copies are made again."""
    from ctadata.stores.s3.rename_prefix import _Rename

    def interrupt(self: _Rename) -> None:
        raise KeyboardInterrupt if is_killed else Stopped("stopped")

    bucket = filled(at_kms)
    with monkeypatch.context() as patches:
        patches.setattr(_Rename, "verify_all", interrupt)
        with pytest.raises(KeyboardInterrupt if is_killed else Stopped):
            rename(at_kms.store, bucket)
    at_kms.stub.forget()
    rename(at_kms.store, bucket)
    assert keys(at_kms, bucket) == expected("new/place")
    assert bool(at_kms.stub.requests("PUT")) == is_killed


def test_a_copy_whose_check_broke_off_is_made_again(at_kms):
    bucket = filled(at_kms)
    at_kms.stub.answer("HEAD", "new/place/x", 500, "InternalError", after=1)
    with pytest.raises(ServerTrouble):
        rename(at_kms.store, bucket)
    assert "new/place/x" in keys(at_kms, bucket)
    at_kms.stub.forget()
    rename(at_kms.store, bucket)
    assert keys(at_kms, bucket) == expected("new/place")
