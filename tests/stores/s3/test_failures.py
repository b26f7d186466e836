"""Errors of an S3 server, and the store's reactions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from servers.moto import MotoS3
from servers.s3_stub import S3Stub, error, s3_stub
from stores.s3.connections import FixedKey, opened_s3
from stores.suite import Bytes, get, names, put

from ctadata.errors import (
    AccessError,
    AlreadyExists,
    Busy,
    CtadataError,
    Forbidden,
    Incomplete,
    IntegrityError,
    LoginNeeded,
    NeedsStaging,
    NotFound,
    PartialFailure,
    ServerTrouble,
    StorageFull,
    TimedOut,
    Unsupported,
)
from ctadata.paths import RemotePath
from ctadata.stores.channel import for_each
from ctadata.stores.s3.store import S3Store

A = RemotePath(("a",))
KEY = FixedKey("AKIAEXAMPLE", "a secret", "a session token")


@pytest.fixture
def stub(moto_s3: MotoS3) -> Iterator[S3Stub]:
    with s3_stub(moto_s3.url) as stub:
        yield stub


@pytest.fixture
def store(moto_s3: MotoS3, stub: S3Stub) -> Iterator[S3Store]:
    with opened_s3(stub.url, KEY, root=f"/{moto_s3.bucket()}", region=moto_s3.region) as store:
        yield store


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", Forbidden),
        (403, "QuotaExceeded", StorageFull),
        (403, "InvalidAccessKeyId", LoginNeeded),
        (403, "SignatureDoesNotMatch", LoginNeeded),
        (403, "RequestTimeTooSkewed", AccessError),
        (403, "InvalidObjectState", NeedsStaging),
        (403, "SomethingElse", Forbidden),
        (400, "ExpiredToken", LoginNeeded),
        (400, "InvalidToken", LoginNeeded),
        (400, "InvalidArgument", LoginNeeded),  # Ceph, of a session token that it cannot read
        (400, "BadDigest", IntegrityError),
        (400, "RequestTimeout", TimedOut),
        (404, "NoSuchBucket", NotFound),
        (409, "SomethingElse", CtadataError),
        (501, "NotImplemented", Unsupported),
        (503, "SlowDown", Busy),
        (500, "InternalError", ServerTrouble),
    ],
)
def test_a_refused_upload_is_a_clear_error_and_leaves_nothing(store, stub, status, code, kind) -> None:
    stub.answer("PUT", "/a", status, code)
    with pytest.raises(CtadataError) as caught:
        put(store, A, b"x")
    assert type(caught.value) is kind
    assert caught.value.path == "/a"
    assert code in caught.value.what
    stub.faults.clear()
    assert names(store, RemotePath()) == set()


@pytest.mark.parametrize(
    ("status", "code"), [(400, "ExpiredToken"), (400, "InvalidToken"), (403, "InvalidAccessKeyId")]
)
def test_expired_credentials_are_not_sent_again(store, stub, status, code) -> None:
    for method in ("GET", "PUT"):
        stub.answer(method, "", status, code)
    for ask in (lambda: put(store, A), lambda: get(store, A), lambda: list(store.list(RemotePath()))):
        stub.asked.clear()
        with pytest.raises(LoginNeeded, match="credentials"):
            ask()
        assert len(stub.asked) == 1


@pytest.mark.parametrize("body", [b"", b"<html/>", b"<DeleteResult/>"])
def test_an_object_that_a_bulk_deletion_does_not_name_is_deleted_by_itself(store, stub, body) -> None:
    """A proxy may answer 200 in the server's place."""
    for name in ("a", "b"):
        put(store, RemotePath(("d", name)))
    stub.answer("POST", "delete", 200, body=body)
    store.delete_tree(RemotePath(("d",)))
    assert names(store, RemotePath()) == set()


def test_a_refused_head_is_repeated_as_get_for_its_code(store, stub) -> None:
    put(store, A)
    stub.answer("HEAD", "/a", 400)
    stub.answer("GET", "/a", 400, "ExpiredToken")
    with pytest.raises(LoginNeeded, match="expired"):
        store.info(A)


def test_an_unreadable_object_is_not_found_if_a_listing_lacks_it(store, stub) -> None:
    """S3 answers 403 for a missing object to a key that may not list the whole bucket."""
    for method in ("HEAD", "GET"):
        stub.answer(method, "/a", 403, "AccessDenied")
    with pytest.raises(NotFound):
        store.info(A)
    store.mkdir(RemotePath(("a", "sub")))
    assert [entry.path.name for entry in store.list(A)] == ["sub"]
    stub.faults.clear()
    put(store, A, b"x")
    for method, part in (("HEAD", "/b"), ("GET", "/b"), ("GET", "list-type")):
        stub.answer(method, part, 403, "AccessDenied")
    with pytest.raises(Forbidden):
        store.info(RemotePath(("b",)))


def test_a_listed_object_that_may_not_be_read_is_forbidden(store, stub) -> None:
    put(store, A, b"x")
    for method in ("HEAD", "GET"):
        stub.answer(method, "/a", 403, "AccessDenied")
    with pytest.raises(Forbidden):
        store.info(A)


def test_a_refusal_without_a_key_names_the_missing_key(moto_s3, stub) -> None:
    for method in ("GET", "PUT"):
        stub.answer(method, "", 403, "AccessDenied")
    with opened_s3(stub.url, FixedKey(), root="/some-bucket") as store:
        for ask in (lambda: put(store, A), lambda: list(store.list(RemotePath()))):
            with pytest.raises(Forbidden, match="needs an access key") as caught:
                ask()
            assert "credentials" in caught.value.hint


def test_a_request_to_a_busy_server_is_repeated(store, stub) -> None:
    stub.answer("PUT", "/a", 503, "SlowDown", times=2)
    put(store, A, b"x")
    stub.answer("GET", "list-type", 503, "SlowDown", times=1)
    assert names(store, RemotePath()) == {"a"}
    assert len(stub.requests("PUT", "/a")) == 3


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (301, error("PermanentRedirect"), {"x-amz-bucket-region": "ap-southeast-2"}),
        (307, error("TemporaryRedirect"), {"x-amz-bucket-region": "ap-southeast-2", "Location": "https://elsewhere/"}),
        (400, error("AuthorizationHeaderMalformed", more="<Region>ap-southeast-2</Region>"), {}),
    ],
)
def test_a_request_is_repeated_in_the_region_of_the_bucket(store, stub, status, body, headers) -> None:
    for method in ("PUT", "GET"):
        stub.answer(method, "", status, body=body, headers=headers, times=1)
    put(store, A, b"x")
    first, second, *_ = stub.requests("PUT")
    assert "/eu-central-1/s3/" in first.headers["authorization"]
    assert "/ap-southeast-2/s3/" in second.headers["authorization"]
    stub.faults.clear()
    assert names(store, RemotePath()) == {"a"}
    assert all("/ap-southeast-2/s3/" in asked.headers["authorization"] for asked in stub.asked[1:])


def test_a_head_learns_the_region_from_the_header(store, stub) -> None:
    put(store, A, b"x")
    stub.answer("HEAD", "/a", 400, headers={"x-amz-bucket-region": "ap-southeast-2"}, times=1)
    assert store.info(A).size == 1


def test_an_unnamed_region_is_an_error_with_a_hint(store, stub) -> None:
    stub.answer("PUT", "/a", 301, "PermanentRedirect")
    with pytest.raises(AccessError, match="another region") as caught:
        put(store, A)
    assert "region in the profile" in caught.value.hint


@pytest.mark.parametrize("region", ["x/s3/aws4_request", "evil.example/#", "a:b", "a b", ""])
def test_an_invalid_region_is_ignored(store, stub, region) -> None:
    stub.answer("PUT", "/a", 301, "PermanentRedirect", headers={"x-amz-bucket-region": region})
    with pytest.raises(AccessError, match="another region"):
        put(store, A)
    assert len(stub.asked) == 1


def test_a_redirect_is_not_followed_and_gets_no_signature(store, stub, moto_s3) -> None:
    with s3_stub(moto_s3.url) as elsewhere:
        stub.answer("GET", "/a", 307, headers={"Location": f"{elsewhere.url}/bucket/a"})
        with pytest.raises(CtadataError):
            get(store, A)
        assert elsewhere.asked == []


def test_every_request_is_signed_with_its_token_and_the_secret_never_goes_along(store, stub) -> None:
    put(store, A, b"x")
    put(store, RemotePath(("sub", "b")), b"x")
    get(store, A)
    store.info(A)
    list(store.list(RemotePath()))
    store.delete_tree(RemotePath(("sub",)))
    assert {asked.method for asked in stub.asked} >= {"PUT", "GET", "HEAD", "POST"}
    for asked in stub.asked:
        assert asked.headers["x-amz-security-token"] == "a session token"
        assert "x-amz-security-token" in asked.headers["authorization"]
        assert "a secret" not in str(asked)
        assert not any(name.startswith("x-amz-acl") for name in asked.headers)


def test_over_http_the_body_itself_is_signed(store, stub) -> None:
    put(store, A, b"abc")
    (asked,) = stub.requests("PUT")
    assert asked.headers["x-amz-content-sha256"].startswith("ba7816bf")
    assert asked.headers["content-md5"] == "kAFQmDzST7DWlj99KOF/cg=="


def test_all_requests_are_allowed_to_a_key_for_one_directory(store, stub) -> None:
    put(store, RemotePath(("d", "a")), b"x")
    list(store.list(RemotePath(("d",))))
    store.info(RemotePath(("d",)))
    get(store, RemotePath(("d", "a")))
    store.delete(RemotePath(("d", "a")))
    bucket = store.name(A).bucket
    for asked in stub.asked:
        path = asked.target.partition("?")[0]
        assert path.startswith(f"/{bucket}")
        assert path != f"/{bucket}" or "prefix=d%2F" in asked.target
        assert "location" not in asked.target
        assert "acl" not in asked.target


def test_objects_are_deleted_one_by_one_if_the_server_has_no_batches(store, stub) -> None:
    for number in range(5):
        put(store, RemotePath(("d", str(number))))
    stub.answer("POST", "delete", 403, "AccessDenied")
    store.delete_tree(RemotePath(("d",)))
    assert names(store, RemotePath()) == set()
    assert len(stub.requests("POST", "delete")) == 1
    assert len(stub.requests("DELETE")) == 5


def test_objects_that_could_not_be_deleted_are_named(store, stub) -> None:
    for name in ("1", "2"):
        put(store, RemotePath(("d", name)))
    stub.answer("POST", "delete", 501, "NotImplemented")
    stub.answer("DELETE", "/d/2", 403, "AccessDenied")
    with pytest.raises(PartialFailure) as caught:
        store.delete_tree(RemotePath(("d",)))
    assert [failure.path for failure in caught.value.failures] == ["/d/2"]
    assert len(caught.value.done) == 1


def test_a_key_with_dots_never_means_another_key(store, stub) -> None:
    """libcurl would turn `d/../a` in a URL's path into `a`."""
    put(store, A, b"x")
    keys = b"<Contents><Key>d/../a</Key></Contents><Contents><Key>d/b</Key></Contents>"
    body = b"<ListBucketResult>" + keys + b"</ListBucketResult>"
    stub.answer("GET", "list-type", 200, body=body)
    stub.answer("POST", "delete", 501, "NotImplemented")
    stub.answer("HEAD", "/d", 404)
    with pytest.raises(PartialFailure) as caught:
        store.delete_tree(RemotePath(("d",)))
    assert [failure.path for failure in caught.value.failures] == ["/d/../a"]
    assert caught.value.failures[0].exit_code == ServerTrouble.exit_code
    assert [asked.target.rpartition("/")[2] for asked in stub.requests("DELETE")] == ["b"]
    stub.faults.clear()
    assert get(store, A) == b"x"


def test_a_new_upload_checks_by_head_if_the_server_lacks_conditions(store, stub) -> None:
    stub.answer("PUT", "/a", 501, "NotImplemented", times=1)
    store.write(A, Bytes(b"first"), new=True)
    stub.answer("PUT", "/a", 501, "NotImplemented", times=1)
    with pytest.raises(AlreadyExists):
        store.write(A, Bytes(b"second"), new=True)
    assert get(store, A) == b"first"


@pytest.mark.parametrize(("methods", "checked"), [(["PUT", "HEAD"], ""), (["PUT"], "md5")])
def test_a_tag_that_is_no_md5_proves_nothing_and_that_of_the_stored_object_counts(
    store, stub, methods, checked
) -> None:
    for method in methods:
        stub.answer(method, "/a", 200, headers={"ETag": '"0123456789abcdef0123456789abcdef"'}, passed_on=True)
    assert store.write(A, Bytes(b"x")).checked == checked


def test_an_object_encrypted_with_a_key_of_the_server_has_a_tag_that_is_no_digest(store, stub) -> None:
    headers = {"ETag": '"0123456789abcdef0123456789abcdef"', "x-amz-server-side-encryption": "aws:kms"}
    stub.answer("GET", "/a", 200, body=b"x", headers=headers)
    from stores.suite import Basket

    with store.open(A) as reading:
        assert reading.send(Basket()).digests == {}


def test_a_page_that_ends_at_a_control_character_has_a_next_one(store, stub) -> None:
    """Ceph sends the character in a reference that XML does not allow."""
    body = (
        b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>a&#x7;&#x9;&amp;</NextContinuationToken>"
        b"<EncodingType>url</EncodingType><Contents><Key>a%07%09%26</Key></Contents></ListBucketResult>"
    )
    stub.answer("GET", "list-type", 200, body=body, times=1)
    list(store.list(RemotePath()))
    assert "continuation-token=a%07%09%26&" in f"{stub.asked[1].target}&"


def test_a_listing_that_repeats_a_page_is_an_error(store, stub) -> None:
    body = (
        b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
        b"<Contents><Key>a</Key></Contents></ListBucketResult>"
    )
    stub.answer("GET", "list-type", 200, body=body)
    with pytest.raises(ServerTrouble, match="does not advance"):
        list(store.list(RemotePath()))
    assert len(stub.asked) == 2


def test_an_endless_listing_of_hostile_keys_stays_below_the_directory(store, stub) -> None:
    body = (
        b"<ListBucketResult><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType><Contents><Key>%2F..%2Fx</Key>"
        b"<Size>1</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Contents><Contents><Key>..</Key><Size>1</Size>"
        b"<LastModified>2026-01-01T00:00:00Z</LastModified></Contents><Contents><Key>good</Key><Size>1</Size>"
        b"<LastModified>2026-01-01T00:00:00Z</LastModified></Contents></ListBucketResult>"
    )
    stub.answer("GET", "list-type", 200, body=body)
    found: list[str] = []
    with pytest.raises(Incomplete) as caught:
        for_each(store.list(RemotePath()), lambda entry: found.append(entry.path.name))
    assert (found, caught.value.count) == (["good"], 2)
