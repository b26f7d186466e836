"""The download service passes the suite of stores, except for operations that it does not have."""

from __future__ import annotations

import itertools
import json
import random
import uuid
from collections.abc import Iterator
from contextlib import closing, nullcontext

import pytest
from flask import Response, redirect
from servers.platform_door import longer, says, shorter
from servers.platform_site import Platform
from stores.clients import IMPATIENT, Holder
from stores.suite import Basket, Broken, Bytes, IncompleteSuite, StoreSuiteWithoutTreeMoves, digest, get, names, put

from ctadata.errors import (
    CtadataError,
    Forbidden,
    Incomplete,
    IntegrityError,
    LocalError,
    LoginNeeded,
    NotFound,
    ServerTrouble,
    TimedOut,
    Unsupported,
    Untrusted,
)
from ctadata.fibers import Fibers
from ctadata.http.client import Client
from ctadata.http.messages import Origin
from ctadata.paths import RemotePath
from ctadata.stores.base import StopReading
from ctadata.stores.download_service import fetch as service_reading
from ctadata.stores.download_service import store as service_store
from ctadata.stores.download_service.store import DownloadService

LST = RemotePath(("lst",))
HOME = RemotePath(("lst", "users", "volodymyr_savchenko_epfl_ch"))
OUTSIDE = ("/tmp/x", "../x", "lst/d/../x", "lst/d/%2e%2e/x", "lst/other", "lst/d/a/b", "lst/d/a%2Fb", "lst/d/a%00", "")


def opened(platform: Platform, token: str | None = None, **more) -> DownloadService:
    trusted = {Origin.parse(platform.url)}
    client = Client(trusted=trusted, credentials=Holder(token or platform.token), retries=IMPATIENT)
    return DownloadService(client, platform.ds_url, user=lambda: platform.user, wait=lambda _: None, **more)


@pytest.fixture
def store(platform: Platform) -> Iterator[DownloadService]:
    store = opened(platform)
    yield store
    store.close()


class TestDownloadService(StoreSuiteWithoutTreeMoves):
    """The stand-in of the service, over a wsgidav that knows digests as dCache does."""

    looks_before_it_writes = False

    # it cannot delete or rename, and what is asked of it is a test of its own below
    test_a_file_is_deleted = test_an_empty_directory_is_deleted = test_a_directory_with_anything_in_it_is_not = None
    test_a_file_is_no_directory_to_delete = None
    test_a_tree_is_deleted_with_all_it_holds = test_a_tree_may_be_empty_or_a_file = None
    test_a_tree_of_an_odd_name_is_deleted_and_its_neighbours_stay = None
    test_a_file_is_moved_to_a_new_name = test_a_move_to_an_odd_name_is_right_or_an_error = None
    test_a_move_replaces_only_where_it_should = test_a_move_never_replaces_a_directory = None
    test_a_move_may_say_that_it_replaces_where_there_is_nothing = None
    test_many_threads_at_once = None

    @pytest.fixture
    def store(self, _platform: Platform) -> Iterator[DownloadService]:
        """Each test works in its own folder, so that the platform does not have to restart."""
        _platform.door.digests = True
        store = opened(_platform)
        yield store
        store.close()

    @pytest.fixture
    def folder(self, store: DownloadService) -> RemotePath:
        folder = store.home / f"suite-{uuid.uuid4().hex}"
        store.mkdir(folder)
        return folder

    def test_the_root_is_a_directory(self, store, folder):
        assert store.info(RemotePath()).is_directory
        assert {"lst", "cta"} <= names(store, RemotePath())

    @pytest.mark.parametrize("size", [0, 1, 65536, 3_000_001])
    def test_a_file_there_and_back(self, store, folder, size):
        """The store tells a digest when the test asks for it, and not during the read."""
        content = random.Random(size).randbytes(size)
        put(store, folder / "a", content)
        basket = Basket()
        with store.open(folder / "a") as reading:
            delivery = reading.send(basket)
        assert basket.content == content
        assert (delivery.start, delivery.total) == (0, size)
        assert store.digests(folder / "a") == {"adler32": digest(content, "adler32")}


# --- what it asks, and how odd answers are understood


def test_names_are_encoded_twice_and_the_query_holds_no_token(platform: Platform, store: DownloadService) -> None:
    platform.put("lst/d/a b#1+(x.txt")
    assert get(store, RemotePath.parse("lst/d/a b#1+(x.txt")) == b"content"
    assert {one.target.rpartition("/")[2] for one in platform.requests} == {"a%2520b%25231%252B%2528x.txt"}
    assert not any(platform.token in one.target for one in platform.requests)
    assert {one.headers["Authorization"] for one in platform.requests} == {f"Bearer {platform.token}"}


def test_a_whole_file_is_fetched_and_a_range_comes_through_webdav(platform: Platform, store: DownloadService) -> None:
    platform.put("lst/f", b"0123456789")
    assert get(store, LST / "f") == b"0123456789"
    assert platform.seen() == ["PROPFIND downloadservice/webdav/lst/f", "GET downloadservice/fetch/lst/f"]
    assert get(store, LST / "f", 2, 5) == b"234"
    assert platform.seen()[2:] == ["PROPFIND downloadservice/webdav/lst/f", "GET downloadservice/webdav/lst/f"]


def test_several_range_requests_are_one_delivery(
    platform: Platform, store: DownloadService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_reading, "RANGE_SIZE", 3)
    platform.put("lst/f", b"0123456789")
    assert get(store, LST / "f", 1, None) == b"123456789"
    ranges = [one.headers["Range"] for one in platform.requests if one.method == "GET"]
    assert ranges == ["bytes=1-3", "bytes=4-6", "bytes=7-9"]


def test_a_sink_can_stop_between_range_requests(
    platform: Platform, store: DownloadService, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Sated(Basket):
        def write(self, block: bytes) -> None:
            super().write(block)
            raise StopReading

    monkeypatch.setattr(service_reading, "RANGE_SIZE", 3)
    platform.put("lst/f", b"0123456789")
    for start in (0, 1):
        with store.open(LST / "f") as reading:
            reading.send(Sated(), start)
    assert sum(one.method == "GET" for one in platform.requests) == 2


@pytest.mark.parametrize("change", [shorter(3), longer(3), says("200 OK")], ids=["shorter", "longer", "page"])
def test_a_wrong_answer_of_fetch_is_refused_and_ranges_are_used(platform: Platform, store, change) -> None:
    platform.put("lst/f", b"0123456789")
    platform.door.fault("GET", "lst/f", change)
    with pytest.raises(IntegrityError, match="error page"):
        get(store, LST / "f")
    assert get(store, LST / "f") == b"0123456789"
    assert platform.seen()[-1] == "GET downloadservice/webdav/lst/f"


def test_an_error_page_of_the_storage_is_raised_as_its_error(platform: Platform, store: DownloadService) -> None:
    platform.put("lst/f", b"0123456789")
    platform.door.fault("GET", "lst/f", says("403 Forbidden"), says("403 Forbidden"))
    with pytest.raises(Forbidden) as caught:
        get(store, LST / "f")
    assert caught.value.path == "/lst/f"


def test_a_file_that_webdav_rewrites_is_fetched_whole(platform: Platform, store: DownloadService) -> None:
    content = platform.put("lst/f", b"x" * 100 + b"<D:href>/pnfs/cta.cscs.ch/a</D:href>" + b"y" * 100)
    basket = Basket()
    with store.open(LST / "f") as reading:
        assert reading.send(basket, 50).start == 0
    assert basket.content == content
    assert {delivery.start for delivery in basket.begun} == {0}


@pytest.mark.parametrize("said", [(200, None), (206, "bytes 2-4/11")], ids=["the whole file", "of another file"])
def test_another_range_than_the_requested_one_is_refused(platform: Platform, store: DownloadService, said) -> None:
    content = platform.put("lst/f", b"0123456789")
    status, span = said
    other = Response(content if span is None else b"xxx", status, {} if span is None else {"Content-Range": span})
    platform.instead("GET", "downloadservice/webdav/lst/f", lambda: other)
    basket = Basket()
    with store.open(LST / "f") as reading:
        reading.send(basket, 2, 5)
    assert basket.content == content  # which /fetch has given
    assert [delivery.start for delivery in basket.begun][-1] == 0


def test_a_name_with_two_dots_is_read_and_written_through_webdav(platform: Platform, store: DownloadService) -> None:
    path = store.home / "a..b"
    for content in (b"dots", b""):
        store.mkdir(store.home)
        put(store, path, content)
        assert platform.read(f"{platform.home}/a..b") == content
        assert get(store, path) == content
    assert {one.method for one in platform.requests if "a..b" in one.target} <= {"PUT", "PROPFIND", "GET"}


def test_digests_are_requested_through_webdav(platform: Platform, store: DownloadService) -> None:
    platform.put("lst/f", b"Wikipedia")
    assert store.digests(LST / "f") == {}
    platform.door.digests = True
    assert store.digests(LST / "f") == {"adler32": "11e60398"}
    platform.door.digests = False
    before = len(platform.requests)
    assert store.digests(LST / "f") == {}
    assert len(platform.requests) - before == 5  # it has told others: this one may come late


def test_uploads_are_chunked_and_counted(platform: Platform, store: DownloadService) -> None:
    put(store, store.home / "new", b"x" * 100)
    sent = platform.requests[-1]
    assert (sent.headers["Transfer-Encoding"], sent.headers.get("Content-Length")) == ("chunked", None)
    put(store, store.home / "new", b"yy")  # 204, and no word
    assert platform.read(f"{platform.home}/new") == b"yy"


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"path": "{home}/f", "total_written": 6}, IntegrityError),
        ({"path": "lst/users/somebody/f", "total_written": 7}, CtadataError),
        ({"path": "{home}/f"}, ServerTrouble),
        ([], ServerTrouble),
        (None, ServerTrouble),
    ],
)
def test_an_upload_that_is_not_confirmed_is_an_error(platform: Platform, store, said, error) -> None:
    if isinstance(said, dict):
        said = {
            key: value.format(home=platform.home) if isinstance(value, str) else value for key, value in said.items()
        }
    platform.after("POST", "downloadservice/upload/f", lambda _: Response(json.dumps(said)))
    with pytest.raises(error) as caught:
        put(store, store.home / "f")
    assert type(caught.value) is error
    assert ("may be broken" in caught.value.hint) == caught.value.retryable


def test_an_upload_outside_the_home_is_refused_unsent(platform: Platform, store: DownloadService) -> None:
    for path in (LST / "f", HOME, HOME.parent / "other" / "f"):
        for write in (put, lambda store, path: store.mkdir(path)):
            if path == HOME and write is not put:
                continue
            with pytest.raises(Forbidden, match=str(HOME)):
                write(store, path)
    assert not [one for one in platform.requests if one.method in ("POST", "PUT", "MKCOL")]


def test_the_home_is_below_the_first_directory_that_may_be_listed(platform: Platform) -> None:
    (platform.files / "lst" / "users").rmdir()
    with closing(opened(platform)) as store:
        assert store.home == RemotePath(("cta", "users", HOME.name))
    (platform.files / "cta" / "users").rmdir()
    with closing(opened(platform)) as store, pytest.raises(Forbidden, match="no home"):
        _ = store.home


def test_operations_that_the_service_lacks_are_unsupported(platform: Platform, store: DownloadService) -> None:
    platform.put("lst/f")
    for ask in (
        lambda: store.delete(LST / "f"),
        lambda: store.delete_tree(LST),
        lambda: store.move(LST / "f", LST / "g", replace=True),
        lambda: store.move_tree(LST, RemotePath(("cta",))),
    ):
        with pytest.raises(Unsupported, match="the download service cannot"):
            ask()
    assert not [one for one in platform.requests if one.method in ("DELETE", "MOVE")]


def test_an_invalid_token_needs_a_login(platform: Platform) -> None:
    with closing(opened(platform, "bad")) as store:
        for ask in (lambda: store.info(LST), lambda: get(store, LST / "f"), lambda: store.version(LST)):
            with pytest.raises(LoginNeeded, match="/hub/token"):
                ask()
    assert not [one for one in platform.requests if "/hub/" in one.target]


def test_a_redirect_elsewhere_is_not_followed(platform: Platform, store: DownloadService) -> None:
    platform.instead("GET", "downloadservice/list/lst", lambda: redirect("http://localhost:1/services/x"))
    with pytest.raises(Untrusted, match="localhost:1"):
        store.info(LST)


def test_a_token_for_other_services_has_a_hint(platform: Platform) -> None:
    with closing(opened(platform, platform.hub.issue("somebody", services=()))) as store, pytest.raises(Forbidden) as e:
        store.info(LST)
    assert "scopes are insufficient" in str(e.value)
    assert "the token is not for this service" in e.value.hint


def test_a_refusal_of_the_services_own_token_does_not_advise_an_upload(platform: Platform, store) -> None:
    said = "Error while retrieving certificate: Access denied, service-token scopes are invalid."
    platform.instead("GET", "downloadservice/list/lst", lambda: Response(said, 400))
    with pytest.raises(Forbidden, match=r"scopes are invalid.*administrators of the platform"):
        store.info(LST)


def test_a_certificate_that_is_missing_is_named_with_the_command_that_helps(platform: Platform) -> None:
    with closing(opened(platform, platform.hub.issue("somebody"))) as store:
        for path, key in ((LST, "lst"), (RemotePath(), "arc"), (RemotePath(("xyz",)), "arc")):
            with pytest.raises(Forbidden, match=f"of yours for {key}: You do not have any certificate") as caught:
                store.info(path)
            assert caught.value.hint == f"cta-data upload-personal-certificate FILE {key}"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ([], NotFound),
        ("<html>", ServerTrouble),
        ({}, ServerTrouble),
        ([1], ServerTrouble),
        ([{"href": "lst/d/f"}], ServerTrouble),
        *(([{"href": "lst/d/"}, {"href": href}], Incomplete) for href in OUTSIDE),
    ],
)
def test_an_invalid_listing_is_an_error(platform: Platform, store, answer, error) -> None:
    body = answer if isinstance(answer, str) else json.dumps(answer)
    platform.instead("GET", "downloadservice/list/lst/d", lambda: Response(body, content_type="application/json"))
    with pytest.raises(error) as caught:
        list(store.list(RemotePath(("lst", "d"))))
    assert caught.value.path == "/lst/d"


@pytest.mark.parametrize(
    ("more", "whole"),
    [
        ({"href": "lst/d/x", "size": "5"}, True),
        ({"href": "lst/d/"}, True),
        *(({"href": "lst/d/x", **told}, False) for told in ({"size": "6"}, {}, {"size": "5", "type": "directory"})),
    ],
)
def test_a_name_that_is_listed_twice_is_one_entry(platform: Platform, store, more: dict[str, str], whole: bool) -> None:
    body = json.dumps([{"href": "lst/d/"}, {"href": "lst/d/x", "size": "5"}, {"href": "lst/d/y"}, more])
    platform.instead("GET", "downloadservice/list/lst/d", lambda: Response(body, content_type="application/json"))
    found: list[str] = []
    with nullcontext() if whole else pytest.raises(Incomplete, match="/lst/d/x: the server lists this name twice"):
        for entry in store.list(LST / "d"):
            found.append(entry.path.name)
    assert found == ["x", "y"]


class TestIncomplete(IncompleteSuite):
    """A service that lists names outside the directory."""

    @pytest.fixture(params=OUTSIDE)
    def broken(self, request: pytest.FixtureRequest, platform: Platform, store: DownloadService) -> Broken:
        def answer(*hrefs: str) -> Response:
            return Response(json.dumps([{"href": href} for href in hrefs]), content_type="application/json")

        platform.instead(
            "GET", "downloadservice/list/lst/d", lambda: answer("lst/d/", request.param, "lst/d/sub/"), times=9
        )
        platform.instead("GET", "downloadservice/list/lst/d/sub", lambda: answer("lst/d/sub/"), times=9)
        return Broken(store, LST / "d", {"sub"}, 1, lambda: any(line.startswith("DELETE") for line in platform.seen()))


def test_a_listing_that_is_too_long_is_refused(platform: Platform, store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_store, "MAX_LISTING", 100_000)
    platform.instead("GET", "downloadservice/list/lst", lambda: Response(itertools.repeat(b" " * 10_000)))
    with pytest.raises(ServerTrouble, match="the listing is longer than"):
        store.info(LST)


def test_a_slow_listing_times_out(platform: Platform) -> None:
    """A listing has the time limit of all JSON requests."""
    passed = [0.0]

    def slowly() -> Iterator[bytes]:
        for _ in range(1000):
            passed[0] += 3
            yield b" " * 100_000

    trusted = {Origin.parse(platform.url)}
    client = Client(trusted=trusted, credentials=Holder(platform.token), retries=IMPATIENT, clock=lambda: passed[0])
    store = DownloadService(client, platform.ds_url, user=lambda: platform.user)
    platform.instead("GET", "downloadservice/list/lst", lambda: Response(slowly()))
    with closing(store), pytest.raises(TimedOut, match=r"no complete answer in time: .*, 300 s"):
        list(store.list(LST))
    assert passed[0] < 3000


def test_the_size_is_taken_from_the_listing_if_webdav_fails(platform: Platform, store: DownloadService) -> None:
    platform.put("lst/f", b"0123456789")
    platform.instead("PROPFIND", "downloadservice/webdav/lst/f", lambda: Response(status=405))
    assert get(store, LST / "f") == b"0123456789"
    assert platform.seen()[1:] == ["GET downloadservice/list/lst/f", "GET downloadservice/fetch/lst/f"]


def test_the_chunk_size_is_sent_to_the_service(platform: Platform) -> None:
    platform.put("lst/f")
    with closing(opened(platform, chunk_size=1000)) as store:
        get(store, LST / "f")
        put(store, store.home / "f")
    queries = {
        one.target.partition("?")[2] for one in platform.requests if "/fetch/" in one.path or "/upload/" in one.path
    }
    assert queries == {"chunk_size=1000"}


def test_a_failing_source_does_not_become_a_short_file(platform: Platform, store: DownloadService) -> None:
    with pytest.raises(LocalError, match="ended before"):
        store.write(store.home / "f", Bytes(b"x" * 10, size=11))


def test_fibers_that_need_the_home_do_not_block_each_other(store: DownloadService) -> None:
    found: list[RemotePath] = []
    Fibers().run([lambda: found.append(store.home)] * 3)
    assert found == [HOME] * 3
