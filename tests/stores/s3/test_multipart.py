"""Large files in parts: uploaded several at a time, resumed after a break, aborted if the upload fails."""

from __future__ import annotations

import functools
import hashlib
import random
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from servers import s3_quirks
from servers.moto import MotoS3
from servers.s3_stub import S3Stub, s3_stub
from stores.s3.connections import FixedKey, opened_s3
from stores.suite import Bytes, get

from ctadata.errors import (
    AlreadyExists,
    CtadataError,
    Forbidden,
    IntegrityError,
    LocalError,
    LoginNeeded,
    ServerTrouble,
    Stopped,
)
from ctadata.paths import RemotePath
from ctadata.stores.s3 import multipart
from ctadata.stores.s3.description import UploadDescription
from ctadata.stores.s3.multipart import MAX_PARTS, MAX_SINGLE_REQUEST, part_size
from ctadata.stores.s3.store import S3Store
from ctadata.stores.s3.unfinished_uploads import PARTS_ARE_LOST, PARTS_STAY

MIB = 1 << 20
PART = 64 << 10
A = RemotePath(("a",))
CONTENT = random.Random(1).randbytes(PART * 5 // 2)
PARTS = [CONTENT[start : start + PART] for start in (0, PART, 2 * PART)]
TAG = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in PARTS)).hexdigest() + "-3"


@pytest.fixture(scope="module")
def server(moto_s3: MotoS3) -> Iterator[S3Stub]:
    with s3_stub(moto_s3.url) as stub:
        yield stub


@pytest.fixture
def stub(server: S3Stub) -> Iterator[S3Stub]:
    yield server
    server.faults.clear()
    server.asked.clear()


@pytest.fixture
def root(moto_s3: MotoS3) -> str:
    return f"/{moto_s3.bucket()}"


@pytest.fixture
def store(moto_s3: MotoS3, stub: S3Stub, root: str) -> Iterator[S3Store]:
    with opened_s3(stub.url, FixedKey("AKIA", "secret"), root=root, region=moto_s3.region, part_size=PART) as store:
        yield store


@pytest.fixture
def over_tls(moto_s3: MotoS3, root: str, tmp_path: Path) -> Iterator[tuple[S3Store, S3Stub]]:
    """Yield a store at a stub that speaks TLS."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    more = {"root": root, "region": moto_s3.region, "part_size": PART, "ca": tmp_path / "ca.pem"}
    with s3_stub(moto_s3.url, context) as stub, opened_s3(stub.url, FixedKey("AKIA", "secret"), **more) as store:
        yield store, stub


def under_way(moto_s3: MotoS3, root: str) -> list[str]:
    told = moto_s3.client().list_multipart_uploads(Bucket=root[1:])
    return [upload["UploadId"] for upload in told.get("Uploads", ())]


def begun(moto_s3: MotoS3, root: str, parts: dict[int, bytes]) -> str:
    """Create an unfinished upload, as a killed run leaves it."""
    client = moto_s3.client()
    upload = client.create_multipart_upload(Bucket=root[1:], Key="a")["UploadId"]
    for number, content in parts.items():
        client.upload_part(Bucket=root[1:], Key="a", UploadId=upload, PartNumber=number, Body=content)
    return upload


def sent(stub: S3Stub) -> list[int]:
    return sorted(int(asked.target.partition("partNumber=")[2].partition("&")[0]) for asked in stub.requests("PUT"))


def test_a_large_file_there_and_back(store, stub, moto_s3, root) -> None:
    written = store.write(A, Bytes(CONTENT, mtime=1e9))
    assert (written.etag, written.checked) == (f'"{TAG}"', f"md5-of-parts/{PART}")
    assert written.sent == f"md5-of-parts/{PART}:{TAG}"
    assert sent(stub) == [1, 2, 3]
    assert get(store, A) == CONTENT
    assert store.digests(A) == {f"md5-of-parts/{PART}": TAG}
    assert moto_s3.client().head_object(Bucket=root[1:], Key="a")["Metadata"]["mtime"] == "1000000000"
    assert under_way(moto_s3, root) == []


def compared_by_server(stub: S3Stub) -> list[bool]:
    asked = sorted(stub.requests("PUT", "partNumber="), key=lambda asked: asked.target.partition("partNumber=")[2])
    return ["content-md5" in one.headers for one in asked]


def test_over_tls_a_part_is_read_once_and_its_tag_compared(over_tls) -> None:
    store, stub = over_tls
    written = store.write(A, Bytes(CONTENT))
    assert (written.checked, written.sent) == (f"md5-of-parts/{PART}", f"md5-of-parts/{PART}:{TAG}")
    assert compared_by_server(stub) == [False] * 3
    assert get(store, A) == CONTENT


def test_a_part_with_another_tag_is_sent_again_for_the_server_to_compare(over_tls, monkeypatch) -> None:
    monkeypatch.setattr(multipart, "PARALLEL_PARTS", 1)
    store, stub = over_tls
    other = {"ETag": f'"{"0" * 32}"'}
    stub.answer("PUT", "partNumber=2", 200, headers=other, times=1, passed_on=True)
    assert store.write(A, Bytes(CONTENT)).checked == f"md5-of-parts/{PART}"
    assert sent(stub) == [1, 2, 2, 3]
    assert compared_by_server(stub) == [False, False, True, True]
    assert get(store, A) == CONTENT


def test_if_tags_are_no_md5_the_server_compares_all_parts(over_tls) -> None:
    store, stub = over_tls
    real = stub.pass_on

    def encrypting(asked):
        status, headers, body = real(asked)
        return status, [*headers, ("x-amz-server-side-encryption", "aws:kms")], body

    stub.pass_on = encrypting
    assert store.write(A, Bytes(CONTENT)).checked == f"md5-of-parts/{PART}"
    assert compared_by_server(stub) == [True] * 3


def test_a_part_that_breaks_off_over_tls_is_sent_again_and_hashed_anew(over_tls) -> None:
    store, stub = over_tls
    stub.answer("PUT", "partNumber=2", 500, "InternalError", times=2)
    assert store.write(A, Bytes(CONTENT)).sent == f"md5-of-parts/{PART}:{TAG}"
    assert sent(stub) == [1, 2, 2, 2, 3]
    assert get(store, A) == CONTENT


@pytest.mark.parametrize(
    ("size", "minimum", "expected"),
    [
        (0, None, 32 * MIB),
        (1 << 30, None, 32 * MIB),
        (40 << 30, None, 205 * MIB),
        (5 << 40, None, MAX_SINGLE_REQUEST),
        (1 << 30, 5 * MIB, 6 * MIB),
        (100 * MIB, 5 * MIB, 5 * MIB),
        (1 << 30, 200 * MIB, 200 * MIB),
    ],
)
def test_parts_grow_with_the_file(size, minimum, expected) -> None:
    assert part_size(size, minimum) == expected


@pytest.mark.parametrize("minimum", [None, 5 * MIB, MAX_SINGLE_REQUEST])
def test_no_object_gets_more_parts_than_s3_allows(minimum):
    for size in (1, 5 << 40, MAX_PARTS * MAX_SINGLE_REQUEST):
        assert -(-size // part_size(size, minimum)) <= MAX_PARTS
        assert part_size(size, minimum) <= MAX_SINGLE_REQUEST
    with pytest.raises(CtadataError, match="10000 parts"):
        part_size(MAX_PARTS * MAX_SINGLE_REQUEST + 1, minimum)


def test_a_part_that_fails_is_sent_again(store, stub) -> None:
    stub.answer("PUT", "partNumber=2", 500, "InternalError", times=2)
    store.write(A, Bytes(CONTENT))
    assert sent(stub) == [1, 2, 2, 2, 3]
    assert get(store, A) == CONTENT


def test_the_parts_of_a_killed_run_are_used(store, stub, moto_s3, root) -> None:
    begun(moto_s3, root, {1: PARTS[0], 3: PARTS[2]})
    written = store.write(A, Bytes(CONTENT))
    assert written.checked == f"md5-of-parts/{PART}"
    assert sent(stub) == [2]
    assert get(store, A) == CONTENT
    assert under_way(moto_s3, root) == []


def test_a_stored_part_with_other_bytes_is_sent_again(store, stub, moto_s3, root) -> None:
    begun(moto_s3, root, {1: PARTS[0], 2: PARTS[0]})
    store.write(A, Bytes(CONTENT))
    assert sent(stub) == [2, 3]
    assert get(store, A) == CONTENT


def test_the_upload_of_another_file_is_left_alone(store, stub, moto_s3, root) -> None:
    other = begun(moto_s3, root, {1: PARTS[1]})
    store.write(A, Bytes(CONTENT))
    assert sent(stub) == [1, 2, 3]
    assert under_way(moto_s3, root) == [other]


def test_an_upload_without_change_for_a_day_is_aborted(store, moto_s3, root, monkeypatch) -> None:
    begun(moto_s3, root, {1: PARTS[1]})
    monkeypatch.setattr(multipart, "STALE_AFTER", -1.0)
    store.write(A, Bytes(CONTENT))
    assert under_way(moto_s3, root) == []


def test_a_key_that_may_not_list_uploads_sends_all_parts(store, stub) -> None:
    stub.answer("GET", "uploads", 403, "AccessDenied")
    store.write(A, Bytes(CONTENT))
    assert sent(stub) == [1, 2, 3]


def test_a_connection_that_breaks_leaves_the_parts_for_the_next_try(store, stub, moto_s3, root) -> None:
    stub.answer("PUT", "partNumber=3", 500, "InternalError")
    with pytest.raises(ServerTrouble):
        store.write(A, Bytes(CONTENT))
    assert len(under_way(moto_s3, root)) == 1
    stub.faults.clear()
    stub.asked.clear()
    store.write(A, Bytes(CONTENT))
    assert 3 in sent(stub)
    assert len(sent(stub)) < 3
    assert get(store, A) == CONTENT


def test_the_parts_of_a_killed_run_are_used_where_tags_are_no_md5(moto_s3, root) -> None:
    """The journal of this machine says which bytes and headers the parts belong to."""
    more = {"root": root, "region": moto_s3.region, "part_size": PART}
    described = UploadDescription({"x-amz-meta-run": "7"})

    def sends(content: bytes, failing: str = "") -> list[int]:
        """The parts that a new run sends."""
        stub.forget()
        if failing:
            stub.answer("PUT", failing, 500, "InternalError")
        with opened_s3(stub.url, FixedKey("AKIA", "secret"), **more) as store:
            store = store.with_uploads(described)
            if failing:
                with pytest.raises(ServerTrouble):
                    store.write(A, Bytes(content))
            else:
                store.write(A, Bytes(content))
        return sent(stub)

    with s3_stub(moto_s3.url) as stub:
        s3_quirks.encrypt_with_kms(stub)
        sends(CONTENT, failing="partNumber=3")
        assert sends(CONTENT) == [3]
        assert moto_s3.client().get_object(Bucket=root[1:], Key="a")["Body"].read() == CONTENT
        sends(CONTENT, failing="partNumber=3")
        assert {1, 2, 3} <= set(sends(CONTENT[::-1]))
        assert moto_s3.client().get_object(Bucket=root[1:], Key="a")["Body"].read() == CONTENT[::-1]
        sends(CONTENT, failing="partNumber=3")
        described = UploadDescription({"x-amz-meta-run": "8"})
        assert {1, 2, 3} <= set(sends(CONTENT))
    assert moto_s3.client().head_object(Bucket=root[1:], Key="a")["Metadata"]["run"] == "8"


@pytest.mark.parametrize(
    ("status", "code", "kind"), [(403, "AccessDenied", Forbidden), (400, "BadDigest", IntegrityError)]
)
def test_a_refusal_leaves_nothing_behind(store, stub, moto_s3, root, status, code, kind) -> None:
    stub.answer("PUT", "partNumber=2", status, code)
    with pytest.raises(kind):
        store.write(A, Bytes(CONTENT))
    assert under_way(moto_s3, root) == []


def test_a_source_that_fails_leaves_nothing_behind(store, moto_s3, root) -> None:
    class Broken(Bytes):
        def part(self, start: int, stop: int) -> Bytes:
            part = super().part(start, stop)
            part.read = self.fail if start else part.read
            return part

        def fail(self, limit: int) -> bytes:
            raise LocalError("the disk is gone")

    with pytest.raises(LocalError, match="the disk is gone"):
        store.write(A, Broken(CONTENT))
    assert under_way(moto_s3, root) == []


@pytest.mark.parametrize("may_list", [True, False])
@pytest.mark.parametrize("described", [{}, {"x-amz-meta-run": "8"}], ids=["plain", "described"])
def test_a_stopped_upload_is_kept_if_the_next_run_can_find_it(
    stub, moto_s3, root, may_list, described, monkeypatch
) -> None:
    monkeypatch.setattr(multipart, "PARALLEL_PARTS", 1)
    stop = threading.Event()

    class Stopping(Bytes):
        def part(self, start: int, stop_: int) -> Bytes:
            part = super().part(start, stop_)
            if start:
                part.read = lambda limit, read=part.read: (stop.set(), read(limit))[1]
            return part

    opened = functools.partial(
        opened_s3, stub.url, FixedKey("AKIA", "secret"), root=root, region=moto_s3.region, part_size=PART
    )
    if not may_list:
        stub.answer("GET", "uploads", 403, "AccessDenied")
    with opened(stop=stop) as store:
        with pytest.raises(Stopped) as stopped:
            store.with_uploads(UploadDescription(described)).write(A, Stopping(CONTENT))
        assert stopped.value.hint == (PARTS_STAY if may_list else PARTS_ARE_LOST)
    assert len(under_way(moto_s3, root)) == may_list
    assert 1 in sent(stub)
    stub.forget()
    with opened() as store:
        store.with_uploads(UploadDescription(described)).write(A, Bytes(CONTENT))
        assert get(store, A) == CONTENT
    assert (1 in sent(stub)) == (not may_list)
    assert under_way(moto_s3, root) == []


def test_an_upload_that_was_stopped_before_its_first_part_leaves_nothing(stub, moto_s3, root) -> None:
    stop = threading.Event()

    class Stopping(Bytes):
        def part(self, start: int, stop_: int) -> Bytes:
            stop.set()
            return super().part(start, stop_)

    with opened_s3(
        stub.url, FixedKey("AKIA", "secret"), root=root, region=moto_s3.region, part_size=PART, stop=stop
    ) as store:
        with pytest.raises(Stopped) as stopped:
            store.write(A, Stopping(CONTENT))
        assert (stopped.value.hint, len(under_way(moto_s3, root))) == ("", 1)
    assert under_way(moto_s3, root) == []


def test_a_login_that_ends_in_the_middle_keeps_the_parts(store, stub, moto_s3, root) -> None:
    stub.answer("PUT", "partNumber=3", 400, "ExpiredToken", times=1)
    with pytest.raises(LoginNeeded):
        store.write(A, Bytes(CONTENT))
    assert len(under_way(moto_s3, root)) == 1
    before = set(sent(stub)) - {3}
    stub.forget()
    store.write(A, Bytes(CONTENT))
    assert not before & set(sent(stub))
    assert get(store, A) == CONTENT


def test_a_new_upload_does_not_replace_a_file(store, moto_s3, root) -> None:
    store.write(A, Bytes(b"first"))
    with pytest.raises(AlreadyExists):
        store.write(A, Bytes(CONTENT), new=True)
    assert get(store, A) == b"first"
    assert under_way(moto_s3, root) == []


def test_a_new_upload_checks_by_head_if_the_server_lacks_conditions(store, stub, moto_s3, root) -> None:
    stub.answer("POST", "uploadId", 501, "NotImplemented", times=1)
    store.write(A, Bytes(CONTENT), new=True)
    stub.answer("POST", "uploadId", 501, "NotImplemented", times=1)
    with pytest.raises(AlreadyExists):
        store.write(A, Bytes(bytes(len(CONTENT))), new=True)
    assert get(store, A) == CONTENT
    assert under_way(moto_s3, root) == []


def test_the_parts_of_a_killed_run_are_not_used_for_another_type(store, stub, moto_s3, root) -> None:
    begun(moto_s3, root, {1: PARTS[0]})
    store.with_uploads(UploadDescription({"Content-Type": "text/x"})).write(A, Bytes(CONTENT))
    assert sent(stub) == [1, 2, 3]
    assert moto_s3.client().head_object(Bucket=root[1:], Key="a")["ContentType"] == "text/x"


def test_a_completion_whose_answer_was_lost_is_recognized_by_the_tag(store, stub) -> None:
    stub.answer("POST", "uploadId", 500, "InternalError", passed_on=True, times=1)
    assert store.write(A, Bytes(CONTENT)).checked == f"md5-of-parts/{PART}"
    assert get(store, A) == CONTENT


@pytest.mark.parametrize("body", [b"", b"<html><body>login</body></html>"], ids=["nothing", "page"])
def test_a_completion_is_believed_only_if_the_answer_names_the_object(store, stub, body: bytes) -> None:
    fault = stub.answer("POST", "uploadId", 200, body=body)
    with pytest.raises(ServerTrouble, match="joined the parts"):
        store.write(A, Bytes(CONTENT))
    fault.passed_on = True
    assert store.write(A, Bytes(CONTENT)).checked == f"md5-of-parts/{PART}"  # the object itself shows that it is there
    assert get(store, A) == CONTENT


PART_1 = f"<Part><PartNumber>1</PartNumber><Size>{PART}</Size><ETag>%s</ETag>%s</Part>"
TAG_1 = hashlib.md5(PARTS[0]).hexdigest()


@pytest.mark.parametrize(
    ("parts", "numbers"),
    [
        pytest.param(PART_1 % (TAG_1, ""), [2, 3], id="without a time"),
        pytest.param(PART_1.replace("<ETag>%s</ETag>%s", ""), [1, 2, 3], id="without a tag"),
        pytest.param(PART_1 % (TAG_1, "<LastModified>soon</LastModified>"), [1, 2, 3], id="no time"),
        pytest.param(PART_1.replace("<PartNumber>1<", "<PartNumber>one<") % (TAG_1, ""), [1, 2, 3], id="no number"),
    ],
)
def test_a_list_of_parts_that_lacks_something(store, stub, moto_s3, root, parts: str, numbers: list[int]) -> None:
    begun(moto_s3, root, {1: PARTS[0]})
    stub.answer("GET", "uploadId", 200, body=f"<ListPartsResult>{parts}</ListPartsResult>".encode())
    store.write(A, Bytes(CONTENT))
    assert sent(stub) == numbers
    assert get(store, A) == CONTENT


def test_an_upload_without_a_time_is_not_stale(store, stub, moto_s3, root, monkeypatch) -> None:
    upload = begun(moto_s3, root, {1: PARTS[1]})
    monkeypatch.setattr(multipart, "STALE_AFTER", -1e9)
    each = f"<Upload><Key>a</Key><UploadId>{upload}</UploadId></Upload>"
    stub.answer("GET", "uploads", 200, body=f"<ListMultipartUploadsResult>{each}</ListMultipartUploadsResult>".encode())
    parts = f"<ListPartsResult>{PART_1 % (TAG_1[::-1], '')}</ListPartsResult>"
    stub.answer("GET", "uploadId", 200, body=parts.encode())
    store.write(A, Bytes(CONTENT))
    assert under_way(moto_s3, root) == [upload]
    assert not stub.requests("DELETE")


def test_an_error_in_the_body_of_a_200_is_raised(store, stub) -> None:
    stub.answer("POST", "uploadId", 200, "InternalError", times=1)
    with pytest.raises(CtadataError, match="InternalError"):
        store.write(A, Bytes(CONTENT))
