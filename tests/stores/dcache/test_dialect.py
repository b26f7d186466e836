"""The WebDAV store with dCache's dialect passes the suite at the sandbox, with and without redirects."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from stores.clients import Holder, opened
from stores.suite import Bytes, StoreSuite

from ctadata.errors import AlreadyExists, Forbidden, IntegrityError, NotFound, StorageFull, TemporaryError, UsageError
from ctadata.http.client import Client
from ctadata.http.messages import Origin
from ctadata.http.timeouts import Limits
from ctadata.paths import RemotePath
from ctadata.sandbox import Sandbox, faults
from ctadata.stores.base import Store
from ctadata.stores.dcache.dialect import dcache
from ctadata.stores.webdav.store import WebDAVStore


@pytest.fixture(scope="module", params=[True, False], ids=["redirects", "proxied"])
def box(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(write_anywhere=True, redirect=request.param, token_lifetime=86400) as box:
        yield box


@pytest.fixture(scope="module")
def at_sandbox(box: Sandbox) -> Iterator[Store]:
    with opened("dcache", box.door, box.ca, box.token(lifetime=3600)) as store:
        yield store


class TestSandbox(StoreSuite):
    """A dCache door, with pools and carrying the bytes itself."""

    impossible_names = frozenset({"nl\nx", "tab\there"})  # a pool repeats the name in a header

    @pytest.fixture
    def store(self, at_sandbox: Store, box: Sandbox, request: pytest.FixtureRequest) -> Store:
        if request.node.callspec.params["box"] is False:  # the door asks its pool for the name in NFC
            self.impossible_names = self.impossible_names | {"e\u0301nfd.txt"}
        return at_sandbox


# --- what a door and its pools are sent


A = RemotePath(("a",))


@pytest.fixture
def own_box() -> Iterator[Sandbox]:
    with Sandbox(write_anywhere=True, token_lifetime=86400) as box:
        yield box


@pytest.fixture
def store(own_box: Sandbox) -> Iterator[Store]:
    with opened("dcache", own_box.door, own_box.ca, own_box.token()) as store:
        yield store


def test_an_upload_goes_to_a_pool_that_sees_no_login(own_box: Sandbox, store: Store) -> None:
    written = store.write(A, Bytes(b"content", mtime=1e9 + 0.9), new=True)
    assert written.digests == {"adler32": "0bcb02fc"}
    door, pool = (seen for seen in own_box.seen if seen.method == "PUT")
    assert (door.server, door.status, door.body_bytes) == ("door", 307, 0)
    assert (door.header("X-OC-Mtime"), door.header("If-None-Match")) == ("1000000000", "*")
    assert (door.header("Want-Digest"), pool.header("Want-Digest")) == ("adler32", "adler32")
    assert (pool.status, pool.body_bytes) == (201, 7)
    assert pool.header("Authorization") is None
    assert {name.lower() for name, _ in pool.headers if name.lower().startswith("content-")} == {"content-length"}


def test_a_door_that_thinks_is_waited_for(own_box: Sandbox) -> None:
    """Sent a byte of the body, a door carries all of it itself."""
    own_box.faults.add("door", "PUT", "/a", faults.Delay(seconds=0.3), times=1)
    limits = Limits(expect=0.01)
    with opened("dcache", own_box.door, own_box.ca, own_box.token(), limits=limits) as store:
        store.write(A, Bytes(b"content"))
    assert [(seen.server[:4], seen.body_bytes) for seen in own_box.seen] == [("door", 0), ("pool", 7)]


def test_a_taken_name_is_known_before_any_byte_is_sent(own_box: Sandbox, store: Store) -> None:
    own_box.files.put("/a", b"old")
    with pytest.raises(AlreadyExists) as caught:
        store.write(A, Bytes(b"new"), new=True)
    assert caught.value.path == "/a"
    assert [seen.body_bytes for seen in own_box.seen if seen.method == "PUT"] == [0]
    assert own_box.files.read("/a") == b"old"


def test_listings_tell_checksum_and_locality(own_box: Sandbox, store: Store) -> None:
    own_box.files.put("/lst/a", b"content", mtime=1e9)
    own_box.files.entry("/lst/a").locality = "NEARLINE"
    (found,) = (entry for entry in store.list(RemotePath(("lst",))) if not entry.is_directory)
    assert (found.size, found.mtime, found.locality) == (7, 1e9, "NEARLINE")
    assert found.checksums == {"adler32": "0bcb02fc"}
    assert found == store.info(RemotePath(("lst", "a")))


@pytest.mark.parametrize("unreadable", [False, True])
def test_a_directory_that_only_looks_empty_is_not_deleted(own_box: Sandbox, store: Store, unreadable: bool) -> None:
    """A door that cannot list says that nothing is there (dcache.md 1.1): once, or for ever to this user."""
    own_box.files.put("/d/kept", b"content")
    times = None if unreadable else 1
    for method in ("PROPFIND", "DELETE") if unreadable else ("PROPFIND",):
        # the first PROPFIND is about the directory itself
        own_box.faults.add("door", method, "/d/*", faults.EmptyListing(), times=times)
    with pytest.raises(UsageError, match="not empty"):
        store.delete(RemotePath(("d",)))
    assert own_box.files.read("/d/kept") == b"content"
    assert ("DELETE" in {seen.method for seen in own_box.seen}) == unreadable


def test_a_file_whose_upload_goes_on_has_no_size(own_box: Sandbox, store: Store) -> None:
    own_box.files.put("/a", b"content")
    own_box.files.entry("/a").size = None
    assert store.info(A).size is None


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def waiting(own_box: Sandbox, waits: list[float]) -> Iterator[WebDAVStore]:
    """The store, which writes down how long it would have waited."""
    client = Client(trusted=[Origin.parse(own_box.door)], credentials=Holder(own_box.token()), ca=own_box.ca)
    store = WebDAVStore(client, own_box.door, root=RemotePath(), dialect=dcache(), wait=waits.append)
    yield store
    store.close()


def test_a_digest_that_is_there_is_not_waited_for(own_box: Sandbox, waiting: WebDAVStore, waits: list[float]) -> None:
    own_box.files.put("/a", b"content")
    assert waiting.digests(A) == {"adler32": "0bcb02fc"}
    assert waits == []


@pytest.mark.parametrize("late", [faults.LateChecksum(), faults.Status(404, "Not Found")])
def test_a_digest_that_is_late_is_waited_for(
    own_box: Sandbox, waiting: WebDAVStore, waits: list[float], late: faults.Fault
) -> None:
    own_box.files.put("/a", b"content")
    own_box.faults.add("door", "HEAD", "/a", late, times=3)
    assert waiting.digests(A) == {"adler32": "0bcb02fc"}
    assert len(waits) == 3
    assert waits == sorted(waits)


def test_a_digest_that_never_comes_is_not_waited_for_long(
    own_box: Sandbox, waiting: WebDAVStore, waits: list[float]
) -> None:
    own_box.files.put("/a", b"content")
    own_box.faults.add("door", "HEAD", "/a", faults.LateChecksum())
    assert waiting.digests(A) == {}
    assert sum(waits) <= 2


def test_a_file_that_is_not_there_has_no_digest(waiting: WebDAVStore, waits: list[float]) -> None:
    with pytest.raises(NotFound) as caught:
        waiting.digests(A)
    assert caught.value.path == "/a"
    assert sum(waits) <= 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (faults.Full(after=10), StorageFull),
        (faults.Status(400, "Checksum mismatch (expected=[1:1], actual=[1:2])"), IntegrityError),
        (faults.Cut(after=10), TemporaryError),
    ],
)
def test_a_refusal_of_a_pool_during_an_upload(own_box: Sandbox, store: Store, fault: faults.Fault, error: type) -> None:
    own_box.faults.add("pool", "PUT", "/a", fault)
    with pytest.raises(error) as caught:
        store.write(A, Bytes(b"x" * 100_000))
    assert caught.value.path == "/a"


def test_an_upload_without_permission_is_forbidden() -> None:
    with Sandbox() as box, opened("dcache", box.door, box.ca, box.token()) as store:
        for act in (
            lambda: store.write(A, Bytes(b"x")),
            lambda: store.mkdir(A),
        ):
            with pytest.raises(Forbidden) as caught:
                act()
            assert caught.value.path == "/a"
        store.mkdir(RemotePath.parse("/lst/users/ada"))
        store.mkdir(RemotePath.parse("/lst/users"))
