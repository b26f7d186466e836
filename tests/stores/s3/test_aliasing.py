"""The creation of aliases: existing aliases are recognized, and nothing else loses its name."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from servers import s3_quirks
from stores.s3.connections import StubbedServer

from ctadata.errors import AlreadyExists, Forbidden, NotFound, StorageFull, Unsupported, Untrusted, UsageError
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.alias import REDIRECT, AliasWriter, resolve_alias


@dataclass
class At:
    """A bucket with a file `sequence/a`."""

    served: StubbedServer
    bucket: str
    aliasing: AliasWriter = field(init=False)

    def __post_init__(self) -> None:
        self.client, self.stub, self.connection = self.served.client, self.served.stub, self.served.store.connection
        self.aliasing = AliasWriter(self.connection)
        self.put("sequence/a", b"ACGT")

    def put(self, key: str, body: bytes = b"", location: str | None = None) -> None:
        self.served.put(self.bucket, key, body, location)

    def keys(self) -> list[str]:
        return [each["Key"] for each in self.client.list_objects_v2(Bucket=self.bucket)["Contents"]]

    def make(self, alias: str, primary: str = "sequence/a", **more: bool) -> bool:
        return self.aliasing.create(Name(self.bucket, alias), Name(self.bucket, primary), **more)

    def location(self, key: str) -> str | None:
        found = self.client.head_object(Bucket=self.bucket, Key=key)
        assert found["ContentLength"] == 0
        return found.get("WebsiteRedirectLocation")

    def behind(self, key: str) -> str:
        name, answer = resolve_alias(self.connection, Name(self.bucket, key))
        assert answer.headers.get("Content-Length") == "4"
        return name.key


@pytest.fixture
def at(s3: StubbedServer) -> At:
    return At(s3, s3.bucket())


@pytest.fixture
def at_moto(at_moto: StubbedServer) -> At:
    return At(at_moto, at_moto.bucket())


@pytest.mark.parametrize("name", ["sequence/b", "sequence/ga4gh:SQ.a_b-c", "100% +&=?#;ü 日本"])
def test_an_existing_alias_is_not_written_again(at, name):
    assert at.make(name)
    assert at.location(name) == "/sequence/a"
    puts = len(at.stub.requests("PUT"))
    assert not at.make(name)
    assert len(at.stub.requests("PUT")) == puts
    assert at.behind(name) == "sequence/a"


def test_an_alias_of_a_file_with_an_odd_name(at):
    name = "100% +&=?#;ü 日本"
    at.put(name, b"ACGT")
    assert at.make("b", name)
    assert at.location("b").isascii()
    assert at.behind("b") == name
    assert not at.make("b", name)


def test_an_alias_of_an_alias_points_to_the_file(at):
    at.make("b")
    at.make("c", "b")
    assert at.location("c") == "/sequence/a"


def test_a_file_never_becomes_an_alias(at):
    at.put("b", b"mine")
    at.put("empty")
    for name in ("b", "empty", "sequence/a"):
        for replace in (False, True):
            with pytest.raises((AlreadyExists, UsageError)):
                at.make(name, replace=replace)
    assert at.client.get_object(Bucket=at.bucket, Key="b")["Body"].read() == b"mine"
    assert at.location("empty") is None


def test_an_alias_is_pointed_to_another_file_only_with_replace(at):
    at.put("other", b"TTTT")
    at.make("b", "other")
    with pytest.raises(AlreadyExists, match="an alias of /other"):
        at.make("b")
    assert at.location("b") == "/other"
    assert at.make("b", replace=True)
    assert at.location("b") == "/sequence/a"


def test_an_alias_with_an_unencoded_location_is_recognized(at_moto):
    at_moto.put("x y", b"ACGT")
    at_moto.put("b", b"", "/x y")
    assert not at_moto.make("b", "x y")


def test_no_alias_leads_nowhere_or_to_itself(at_moto):
    with pytest.raises(NotFound):
        at_moto.make("b", "missing")
    at_moto.put("dangling", b"", "/missing")
    with pytest.raises(NotFound, match="an alias of missing, which does not exist"):
        at_moto.make("b", "dangling")
    with pytest.raises(UsageError, match="itself"):
        at_moto.make("sequence/a")
    with pytest.raises(UsageError, match="one bucket"):
        at_moto.aliasing.create(Name("other", "b"), Name(at_moto.bucket, "sequence/a"))
    at_moto.make("c")
    with pytest.raises(UsageError, match="itself"):
        at_moto.make("c", "c")
    assert at_moto.location("c") == "/sequence/a"


def test_circles_and_other_buckets_are_not_followed(at_moto):
    at_moto.put("b", b"", "/c")
    at_moto.put("c", b"", "/b")
    at_moto.put("d", b"", "https://example.org/a")
    with pytest.raises(Untrusted, match="circle"):
        at_moto.make("x", "b")
    with pytest.raises(Untrusted, match="out of its bucket"):
        at_moto.behind("d")
    assert not at_moto.stub.requests("PUT")


def test_a_file_with_bytes_and_the_header_is_a_file(at_moto):
    at_moto.put("b", b"ACGT", "/elsewhere")
    assert at_moto.behind("b") == "b"


def test_a_file_with_many_aliases_is_looked_up_once(at_moto):
    for i in range(5):
        at_moto.make(f"b{i}")
    assert len(at_moto.stub.requests("HEAD", "/sequence/a")) == 1
    assert len(at_moto.stub.requests("PUT")) == 5


# --- servers without aliases


def test_a_server_that_refuses_the_header_is_unsupported(at_moto):
    at_moto.stub.answer("PUT", "/new", 501, "NotImplemented")
    with pytest.raises(Unsupported):
        at_moto.make("new")


def test_an_object_whose_header_was_dropped_is_deleted(at_moto, monkeypatch):
    monkeypatch.setattr(at_moto.stub, "pass_on", at_moto.stub.pass_on)
    s3_quirks.ignore_headers(at_moto.stub, REDIRECT)
    with pytest.raises(Unsupported, match=REDIRECT):
        at_moto.make("new")
    assert at_moto.keys() == ["sequence/a"]


def test_a_file_of_another_client_stays_where_the_header_of_an_alias_is_dropped(at_moto, monkeypatch):
    monkeypatch.setattr(at_moto.stub, "pass_on", at_moto.stub.pass_on)
    s3_quirks.ignore_headers(at_moto.stub, REDIRECT)
    s3_quirks.call_after(at_moto.stub, "PUT", "/new", lambda: at_moto.put("new", b"theirs"))
    with pytest.raises(Unsupported, match=REDIRECT):
        at_moto.make("new")
    assert at_moto.keys() == ["new", "sequence/a"]


@pytest.mark.parametrize(
    ("code", "error"), [("QuotaExceeded", StorageFull), ("AccessDenied", Forbidden)], ids=["full", "read-only"]
)
def test_a_refusal_is_raised_as_its_error(at_moto, code, error):
    at_moto.stub.answer("PUT", "/new", 403, code)
    with pytest.raises(error):
        at_moto.make("new")
