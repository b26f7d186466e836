"""HttpReader checks every response; it asks the same pool again, and the door if the pool refuses."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from stores.clients import opened
from stores.odd_server import Answer, OddServer
from stores.suite import Basket, read

from ctadata.errors import Changed, CtadataError, IntegrityError, Interrupted, NotFound, ServerTrouble, UsageError
from ctadata.paths import RemotePath
from ctadata.sandbox import Sandbox, faults
from ctadata.stores.base import StopReading, Store

A = RemotePath(("a",))
CONTENT = bytes(range(256)) * 100


@pytest.fixture
def at_dcache(server: OddServer) -> Iterator[Store]:
    with opened("dcache", server.url, None, "token") as store:
        yield store


def part(first: int, last: int, total: int | str, body: bytes | None = None, **headers: str) -> Answer:
    said = {"Content-Range": f"bytes {first}-{last}/{total}", **headers}
    return Answer(206, said, b"0123456789"[first : last + 1] if body is None else body)


# --- what a server says is compared with what was asked


@pytest.mark.parametrize(
    "said",
    [
        "bytes 0-4/10",
        "bytes 3-6/10",
        "bytes 2-5/10",
        "bytes 2-7/10",
        "bytes 2--1/10",
        "bytes */10",
        "bytes 2-6",
        "items 2-6/10",
        "bytes 2-6/abc",
        "bytes 2-6/4",
        "",
    ],
)
def test_another_range_than_asked_for(server, store, said) -> None:
    server.answers["GET /a"] = [Answer(206, {"Content-Range": said}, b"23456")]
    basket = Basket()
    with store.open(A) as reading, pytest.raises(IntegrityError) as caught:
        reading.send(basket, 2, 7)
    assert caught.value.path == "/a"
    assert basket.begun == []


@pytest.mark.parametrize("total", [10, "*"])
def test_the_range_that_was_asked_for(server, store, total) -> None:
    server.answers["GET /a"] = [part(2, 6, total)]
    with store.open(A) as reading:
        assert read(reading, 2, 7) == b"23456"
    (asked,) = server.asked
    assert asked.headers["Range"] == "bytes=2-6"


def test_a_range_that_the_end_of_the_file_cuts(server, store) -> None:
    server.answers["GET /a"] = [part(5, 9, 10)]
    with store.open(A) as reading:
        assert read(reading, 5, 100) == b"56789"


def test_a_range_that_is_answered_with_200(server, store) -> None:
    """So answers `rclone serve s3`."""
    server.answers["GET /a"] = [Answer(200, {"Content-Range": "bytes 2-6/10"}, b"23456")]
    with store.open(A) as reading:
        assert read(reading, 2, 7) == b"23456"
        assert read(reading, 2, 7) == b"23456"
        with pytest.raises(IntegrityError, match="instead of the bytes 3-6"):
            read(reading, 3, 7)
        with pytest.raises(IntegrityError, match="instead of the whole file"):
            read(reading, 0, None)


@pytest.mark.parametrize("said", ["bytes 0-9/10", "bytes 2-6/10", "nonsense"])
def test_a_200_with_the_length_of_the_whole_file_is_the_whole_file(server, store, said) -> None:
    server.answers["GET /a"] = [Answer(200, {"Content-Range": said}, b"0123456789")]
    with store.open(A) as reading:
        assert read(reading, 2, 7) == b"23456"
        assert read(reading, 0, None) == b"0123456789"


def test_a_range_shorter_than_it_says(server, store) -> None:
    """XRootD promises a length, and closes early."""
    server.answers["GET /a"] = [Answer(206, {"Content-Range": "bytes 2-6/10"}, b"234", length=5)]
    with store.open(A) as reading, pytest.raises(Interrupted):
        reading.send(Basket(), 2, 7)


def test_a_range_of_another_length_than_its_body_gives_no_byte(server, store) -> None:
    """A proxy that rewrites bodies announces the new length."""
    server.answers["GET /a"] = [part(2, 6, 10, b"234")]
    basket = Basket()
    with store.open(A) as reading, pytest.raises(IntegrityError, match="body of 3 bytes"):
        reading.send(basket, 2, 7)
    assert not basket.content


def test_a_range_longer_than_it_says(server, store) -> None:
    server.answers["GET /a"] = [part(2, 6, 10, b"23456789")]
    basket = Basket()
    with store.open(A) as reading, pytest.raises(IntegrityError):
        reading.send(basket, 2, 7)
    assert len(basket.content) <= 5


def test_the_whole_file_instead_of_a_range(server, store) -> None:
    server.answers["GET /a"] = [Answer(200, {}, b"0123456789")]
    basket = Basket()
    with store.open(A) as reading:
        delivery = reading.send(basket, 2, 7)
    assert (delivery.start, delivery.total) == (0, 10)
    assert basket.content == b"0123456"


def test_a_range_instead_of_the_whole_file(server, store) -> None:
    server.answers["GET /a"] = [part(0, 4, 10)]
    with store.open(A) as reading, pytest.raises(ServerTrouble):
        reading.send(Basket())


@pytest.mark.parametrize("status", [201, 204, 207])
def test_a_success_that_is_no_file(server, store, status) -> None:
    server.answers["GET /a"] = [Answer(status, {}, b"")]
    with store.open(A) as reading, pytest.raises(ServerTrouble):
        reading.send(Basket())


def test_a_short_body(server, store) -> None:
    server.answers["GET /a"] = [Answer(200, {}, b"01234", length=10)]
    basket = Basket()
    with store.open(A) as reading, pytest.raises(Interrupted):
        reading.send(basket)
    assert basket.content == b"01234"


def test_an_open_range_is_never_asked_for(server, store) -> None:
    """XRootD answers it with nothing, older dCaches too."""
    prop = "<D:prop><D:getcontentlength>10</D:getcontentlength></D:prop><D:status>HTTP/1.1 200 OK</D:status>"
    response = f"<D:response><D:href>/a</D:href><D:propstat>{prop}</D:propstat></D:response>"
    body = f'<D:multistatus xmlns:D="DAV:">{response}</D:multistatus>'
    server.answers["PROPFIND /a"] = [Answer(207, {}, body.encode())]
    server.answers["GET /a"] = [part(4, 9, 10)]
    with store.open(A) as reading:
        assert read(reading, 4) == b"456789"
        assert read(reading, 4) == b"456789"
    assert [asked.headers.get("Range") for asked in server.asked] == [None, "bytes=4-9", "bytes=4-9"]
    assert [asked.headers.get("Depth") for asked in server.asked] == ["0", None, None]


# --- one version


def test_a_file_that_changed_its_size(server, store) -> None:
    server.answers["GET /a"] = [part(0, 1, 10), part(2, 3, 11), part(2, 3, 10)]
    with store.open(A) as reading:
        read(reading, 0, 2)
        with pytest.raises(Changed, match="changed while it was read"):
            reading.send(Basket(), 2, 4)
        assert read(reading, 2, 4) == b"23"


def test_a_file_that_changed_its_tag(server, store) -> None:
    server.answers["GET /a"] = [
        part(0, 1, 10, ETag='W/"1"'),
        part(2, 3, 10, ETag='"1"'),  # Apache, a second later
        part(4, 5, 10),
        part(6, 7, 10, ETag='"2"'),
    ]
    with store.open(A) as reading:
        assert [read(reading, i, i + 2) for i in (0, 2, 4)] == [b"01", b"23", b"45"]
        with pytest.raises(Changed, match="changed while it was read"):
            reading.send(Basket(), 6, 8)


def test_without_tags_the_modification_time_tells_versions_apart(server, store) -> None:
    was, now = "Tue, 14 Nov 2023 22:13:20 GMT", "Tue, 14 Nov 2023 22:13:21 GMT"
    server.answers["GET /a"] = [
        part(0, 1, 10, **{"Last-Modified": was}),
        part(2, 3, 10),
        part(4, 5, 10, ETag='"1"', **{"Last-Modified": now}),
        part(6, 7, 10, ETag='"1"', **{"Last-Modified": was}),
    ]
    with store.open(A) as reading:
        assert [read(reading, i, i + 2) for i in (0, 2, 4, 6)] == [b"01", b"23", b"45", b"67"]
    server.answers["GET /a"] = [part(0, 1, 10, **{"Last-Modified": at}) for at in (was, now)]
    with store.open(A) as reading:
        assert read(reading, 0, 2) == b"01"
        with pytest.raises(Changed, match="changed while it was read"):
            reading.send(Basket(), 0, 2)


# --- digests


def test_a_digest_counts_only_if_it_was_requested(server, store, at_dcache) -> None:
    """Without `Want-Digest`, XRootD may send the digest of another file."""
    server.answers["GET /a"] = [Answer(200, {"Digest": "adler32=00000001"}, b"")]
    with store.open(A) as reading:
        assert reading.send(Basket()).digests == {}
    with at_dcache.open(A) as reading:
        assert reading.send(Basket()).digests == {"adler32": "00000001"}
    assert ["Want-Digest" in asked.headers for asked in server.asked] == [False, True]


# --- directories


def test_a_redirect_to_a_slash_is_a_directory(server, store) -> None:
    server.answers["GET /a"] = [Answer(302, {"Location": "/a/"})]
    server.answers["GET /a/"] = [Answer(200, {"Content-Type": "text/html"}, b"<html>Index of /a</html>")]
    with store.open(A) as reading, pytest.raises(UsageError, match="directory"):
        reading.send(Basket())


def test_a_page_with_a_metalink_is_a_directory_and_a_web_page_is_a_file(server, store) -> None:
    page = {"Content-Type": "text/html;charset=utf-8", "Link": "</a?type=metalink>; rel=describedby"}
    server.answers["GET /a"] = [Answer(200, page, lambda: [b"<html>"]), Answer(200, page, b"<html>")]
    with store.open(A) as reading:
        with pytest.raises(UsageError, match="directory"):
            reading.send(Basket())
        assert read(reading) == b"<html>"


# --- the door and its pools


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(write_anywhere=True, token_lifetime=86400) as box:
        box.files.put("/a", CONTENT)
        yield box


@pytest.fixture
def at_box(box: Sandbox) -> Iterator[Store]:
    with opened("dcache", box.door, box.ca, box.token()) as store:
        yield store


def gets(box: Sandbox) -> list[str]:
    """Who was asked for the file, in order."""
    return [seen.server.rstrip("12") for seen in box.seen if seen.method == "GET"]


def test_one_question_at_the_door_serves_many_ranges(box, at_box) -> None:
    with at_box.open(A) as reading:
        for start in range(0, 5000, 500):
            assert read(reading, start, start + 500) == CONTENT[start : start + 500]
        assert gets(box) == ["door", *["pool"] * 10]
    ranges = [seen for seen in box.seen if seen.server.startswith("pool")]
    assert all(seen.header("Authorization") is None for seen in ranges)


def test_a_read_of_the_whole_file_leaves_no_mover_behind(box, at_box) -> None:
    with at_box.open(A) as reading:
        assert read(reading) == CONTENT
        assert read(reading) == CONTENT
    assert gets(box) == ["door", "pool", "door", "pool"]


def test_a_whole_file_between_ranges_has_a_mover_of_its_own(box, at_box) -> None:
    with at_box.open(A) as reading:
        assert read(reading, 0, 5) == CONTENT[:5]
        assert read(reading) == CONTENT
        assert read(reading, 5, 9) == CONTENT[5:9]
    assert gets(box) == ["door", "pool", "door", "pool", "pool"]


def test_a_pool_that_forgot_sends_us_to_the_door(box, at_box) -> None:
    with at_box.open(A) as reading:
        assert read(reading, 0, 5) == CONTENT[:5]
        box.restart_pool(0)
        box.restart_pool(1)
        assert read(reading, 5, 9) == CONTENT[5:9]
        assert gets(box) == ["door", "pool", "pool", "door", "pool"]


def test_a_redirect_of_a_pool_to_the_door_is_not_followed(box, at_box) -> None:
    box.files.put("/other", b"x" * len(CONTENT))
    with at_box.open(A) as reading:
        assert read(reading, 0, 5) == CONTENT[:5]
        box.faults.add("pool", "GET", "/a", faults.Redirect(f"{box.door}/other", 307), times=1)
        assert read(reading, 5, 9) == CONTENT[5:9]


def test_a_pool_that_is_gone_sends_us_to_the_door(box, at_box) -> None:
    with at_box.open(A) as reading:
        assert read(reading, 0, 5) == CONTENT[:5]
        box.stop_pool(next(int(seen.server[-1]) - 1 for seen in box.seen if seen.server.startswith("pool")))
        assert read(reading, 5, 9) == CONTENT[5:9]


@pytest.mark.parametrize("status", [400, 404, 403])
def test_a_pool_that_refuses_sends_us_to_the_door(box, at_box, status) -> None:
    with at_box.open(A) as reading:
        assert read(reading, 0, 5) == CONTENT[:5]
        box.faults.add("pool", "GET", "/a", faults.Status(status, "no"), times=1)
        assert read(reading, 5, 9) == CONTENT[5:9]
        assert gets(box) == ["door", "pool", "pool", "door", "pool"]


def test_a_failure_in_mid_body_is_raised(box, at_box) -> None:
    basket = Basket()
    with at_box.open(A) as reading:
        assert read(reading, 0, 5) == CONTENT[:5]
        box.faults.add("pool", "GET", "/a", faults.Cut(after=1000), times=1)
        with pytest.raises(Interrupted) as caught:
            reading.send(basket, 5, 9000)
        assert caught.value.path == "/a"
        assert basket.content == CONTENT[5:1005]
        assert read(reading, 1005, 9000) == CONTENT[1005:9000]
    assert gets(box) == ["door", "pool", "pool", "door", "pool"]


def test_no_read_waits_for_a_failed_pool(box, at_box) -> None:
    with pytest.raises(Interrupted), at_box.open(A) as reading:
        assert read(reading, 0, 5) == CONTENT[:5]
        box.faults.add("pool", "GET", "/a", faults.Cut(after=10), times=1)
        reading.send(Basket(), 5, 9000)
    assert gets(box) == ["door", "pool", "pool"]


def test_a_file_that_went_while_it_was_read(box, at_box) -> None:
    with at_box.open(A) as reading:
        assert read(reading, 0, 5) == CONTENT[:5]
        box.files.remove("/a")
        box.restart_pool(0)
        box.restart_pool(1)
        with pytest.raises(NotFound):
            reading.send(Basket(), 5, 9)


def test_the_digest_of_the_whole_file_comes_with_its_parts(box, at_box) -> None:
    with at_box.open(A) as reading:
        first = reading.send(Basket(), 0, 5)
        second = reading.send(Basket(), 5, 9)
    assert first.digests == second.digests
    assert set(first.digests) == {"adler32"}


def test_a_directory_at_dcache(box, at_box) -> None:
    box.files.mkdir("/d")
    for start, stop in ((0, None), (0, 5), (3, None)):
        with at_box.open(RemotePath(("d",))) as reading, pytest.raises(CtadataError, match="directory") as caught:
            reading.send(Basket(), start, stop)
        assert isinstance(caught.value, UsageError)


def test_reads_of_several_threads_ask_the_door_once(box, at_box) -> None:
    with at_box.open(A) as reading, ThreadPoolExecutor(8) as threads:
        starts = range(0, len(CONTENT), 800)
        found = list(threads.map(lambda start: read(reading, start, start + 800), starts))
    assert b"".join(found) == CONTENT
    assert gets(box).count("door") == 1
    assert len({seen.target for seen in box.seen if seen.server.startswith("pool")}) == 1


def test_a_read_that_is_ended_early_costs_the_others_a_mover_and_no_byte(box, at_box) -> None:
    """A sink that stops closes a connection in mid-body; the other reads ask the door again."""
    box.files.put("/a", CONTENT * 200)
    size = len(CONTENT) * 200

    class Few(Basket):
        def write(self, block: bytes) -> None:
            raise StopReading

    with at_box.open(A) as reading, ThreadPoolExecutor(2) as threads:
        assert read(reading, 0, 5) == CONTENT[:5]
        early = threads.submit(reading.send, Few(), 0, size)
        early.result()
        assert read(reading, size - 5, size) == CONTENT[-5:]
    assert gets(box).count("door") == 2


def test_nothing_is_read_after_the_end(box, at_box) -> None:
    reading = at_box.open(A)
    assert read(reading, 0, 5) == CONTENT[:5]
    reading.close()
    with pytest.raises(Interrupted, match="closed"):
        read(reading, 0, 5)
