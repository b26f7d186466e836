"""Addresses of objects: URLs, regions, and the bucket in the path or in the host."""

from __future__ import annotations

import sys

import pytest
from servers.moto import MotoS3
from stores.s3.connections import FixedKey, opened_s3
from stores.suite import get, names, put

from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, LoginNeeded, Unsupported, UsageError
from ctadata.http.credentials import SigningKey
from ctadata.paths import RemotePath
from ctadata.stores.s3.address import Endpoint, Name, parse_s3_url, resolve_name
from ctadata.stores.s3.factory import open_s3

PROFILE = Profile(name="site", door="", kind="s3", endpoint="https://s3.example")
A = RemotePath(("a",))


def endpoint(url: str, addressing: str = "auto", region: str | None = None) -> Endpoint:
    return Endpoint.of(Profile(name="x", door="", kind="s3", endpoint=url, addressing=addressing, region=region))


@pytest.mark.parametrize(
    ("url", "addressing", "address"),
    [
        ("https://s3.example:9021", "auto", "https://s3.example:9021/bucket/a/b%20c%3F"),
        ("http://tenancy-o.s3.example", "auto", "http://tenancy-o.s3.example:80/bucket/a/b%20c%3F"),
        ("https://s3.example", "virtual", "https://bucket.s3.example:443/a/b%20c%3F"),
        ("https://global.datastorage.nrw", "auto", "https://bucket.global.datastorage.nrw:443/a/b%20c%3F"),
        ("https://global.datastorage.nrw", "path", "https://global.datastorage.nrw:443/bucket/a/b%20c%3F"),
        ("https://s3.amazonaws.com", "auto", "https://bucket.s3.amazonaws.com:443/a/b%20c%3F"),
        (
            "https://s3.eu-central-1.amazonaws.com",
            "auto",
            "https://bucket.s3.eu-central-1.amazonaws.com:443/a/b%20c%3F",
        ),
    ],
)
def test_a_url_names_the_bucket_in_its_path_or_in_its_host(url, addressing, address) -> None:
    assert endpoint(url, addressing).url(Name("bucket", "a/b c?")) == address


def test_a_bucket_that_is_no_host_name_stays_in_the_path() -> None:
    assert (
        endpoint("https://s3.amazonaws.com").url(Name("my.bucket", "a")) == "https://s3.amazonaws.com:443/my.bucket/a"
    )


def test_amazon_gets_the_host_of_the_region() -> None:
    there = endpoint("https://s3.amazonaws.com").url(Name("bucket", "a"), "x=1", "ap-southeast-2")
    assert there == "https://bucket.s3.ap-southeast-2.amazonaws.com:443/a?x=1"
    assert endpoint("https://s3.example").url(Name("bucket", ""), region="eu-1") == "https://s3.example:443/bucket"
    assert endpoint("https://s3.eu-west-1.amazonaws.com").region == "eu-west-1"
    assert endpoint("https://s3.example").region == "us-east-1"
    assert endpoint("https://s3.eu-west-1.amazonaws.com", region="other-1").region == "other-1"


def test_a_path_begins_with_the_bucket_or_the_root_of_the_profile() -> None:
    assert resolve_name(RemotePath(), RemotePath()) == Name("", "")
    assert resolve_name(RemotePath(), RemotePath(("b", "c", "d"))) == Name("b", "c/d")
    assert resolve_name(RemotePath(("b", "p")), RemotePath(("c",))) == Name("b", "p/c")
    assert resolve_name(RemotePath(("b", "p")), RemotePath()).prefix == "p/"
    assert Name("b", "").prefix == ""


def test_an_s3_url_is_a_path_below_the_root() -> None:
    from dataclasses import replace

    assert parse_s3_url(PROFILE, "s3://bucket/a/b/") == RemotePath(("bucket", "a", "b"))
    inside = replace(PROFILE, root="/bucket/a")
    assert parse_s3_url(inside, "s3://bucket/a/b") == RemotePath(("b",))
    with pytest.raises(UsageError, match="outside the root"):
        parse_s3_url(inside, "s3://bucket/other")
    with pytest.raises(UsageError, match="no S3 store"):
        parse_s3_url(replace(PROFILE, kind="webdav"), "s3://bucket/a")


@pytest.mark.parametrize("url", [None, "s3.example", "ftp://s3.example", "https://user:secret@s3.example"])
def test_an_invalid_endpoint_is_a_configuration_error(url) -> None:
    with pytest.raises(ConfigError, match="site") as caught:
        Endpoint.of(Profile(name="site", door="", kind="s3", endpoint=url))
    assert "secret" not in str(caught.value)


def test_a_request_with_the_bucket_in_the_host_is_signed(moto_s3: MotoS3) -> None:
    url, bucket = moto_s3.url.replace("127.0.0.1", "localhost"), moto_s3.bucket()
    key = FixedKey(moto_s3.key.id, moto_s3.key.secret)
    with opened_s3(url, key, root=f"/{bucket}", region=moto_s3.region, addressing="virtual") as store:
        address = store.connection.endpoint.url(store.name(A))
        assert address.startswith(f"http://{bucket}.localhost:")
        assert bucket in store.share(A, lifetime=60, activities=["upload"]).url.partition("?")[0]


def test_a_server_without_tls_is_logged(caplog) -> None:
    for url, told in (("http://s3.example", True), ("https://s3.example", False), ("http://127.0.0.1:1", False)):
        caplog.clear()
        open_s3(Profile(name="x", door="", kind="s3", endpoint=url), FixedKey()).close()
        assert ("has no TLS" in caplog.text) is told


def test_the_configuration_of_aws_changes_nothing(moto_s3: MotoS3, monkeypatch, tmp_path) -> None:
    bucket = moto_s3.bucket()  # boto3 makes it, and reads these variables
    (tmp_path / "config").write_text("[default]\nregion = nowhere-1\ns3 =\n  addressing_style = virtual\n")
    for name, value in {
        "AWS_PROFILE": "nosuch",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_CA_BUNDLE": str(tmp_path / "nowhere"),
        "AWS_USE_FIPS_ENDPOINT": "true",
    }.items():
        monkeypatch.setenv(name, value)
    with opened_s3(moto_s3.url, FixedKey("A", "s"), root=f"/{bucket}", region=moto_s3.region) as store:
        put(store, A, b"x")
        assert names(store, RemotePath()) == {"a"}
        assert get(store, A) == b"x"


def test_without_boto3_the_error_says_how_to_install_it(moto_s3: MotoS3, monkeypatch) -> None:
    url, bucket = moto_s3.url, moto_s3.bucket()
    for name in ("botocore", "botocore.config", "botocore.auth"):
        monkeypatch.setitem(sys.modules, name, None)
    with opened_s3(url, FixedKey("A", "s"), region=moto_s3.region) as store:
        path = RemotePath((bucket, "a"))
        put(store, path, b"x")
        assert names(store, path.parent) == {"a"}  # files alone do without
        for ask in (
            lambda: list(store.list(RemotePath())),
            lambda: store.share(path, lifetime=60),
        ):
            with pytest.raises(ConfigError, match="boto3") as caught:
                ask()
            assert "boto3" in caught.value.hint


class TestLinks:
    def test_a_link_carries_the_token_and_not_the_secret(self, moto_s3: MotoS3) -> None:
        key = FixedKey("AKIA", "a secret", "a token")
        with opened_s3("https://s3.example", key, root="/bucket", region="eu-1") as store:
            link = store.share(RemotePath(("d", "x y")), lifetime=3600, activities=["upload"])
        assert link.url.startswith("https://s3.example:443/bucket/d/x%20y?X-Amz-Algorithm=AWS4-HMAC-SHA256&")
        assert "X-Amz-Security-Token=a%20token" in link.url
        assert "%2Feu-1%2Fs3%2Faws4_request" in link.url
        assert "secret" not in link.url
        assert "X-Amz" not in repr(link)

    @pytest.mark.parametrize(
        ("lifetime", "more", "kind"),
        [
            (8 * 86400, {}, UsageError),
            (0, {}, UsageError),
            (60, {"activities": ["upload", "download"]}, Unsupported),
            (60, {"activities": ["delete"]}, Unsupported),
            (60, {"addresses": ["192.0.2.0/24"]}, Unsupported),
        ],
    )
    def test_a_link_with_impossible_options_is_refused(self, lifetime, more, kind) -> None:
        with opened_s3("https://s3.example", FixedKey("A", "s"), root="/bucket") as store, pytest.raises(kind):
            store.share(A, lifetime=lifetime, **{"activities": ["upload"], **more})

    def test_a_link_without_a_key_is_refused(self) -> None:
        with opened_s3("https://s3.example", FixedKey(), root="/bucket") as store, pytest.raises(LoginNeeded):
            store.share(A, lifetime=60, activities=["upload"])


def test_the_repr_of_a_signing_key_holds_no_secret() -> None:
    assert "secret" not in repr(SigningKey("id", "a secret", "r", "a secret token"))
