"""Listings arrive entry by entry, in constant memory, and an incomplete one never looks complete."""

from __future__ import annotations

import itertools
import threading
import tracemalloc
from collections.abc import Iterable

import pytest
from stores.clients import opened
from stores.odd_server import Answer

from ctadata.entries import Kind
from ctadata.errors import CtadataError, Forbidden, NotFound, ServerTrouble, TemporaryError, UsageError
from ctadata.paths import RemotePath
from ctadata.stores.base import Store

T = RemotePath(("t",))


def response(href: str, props: str = "") -> str:
    found = f"<D:propstat><D:prop>{props}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
    return f"<D:response><D:href>{href}</D:href>{found}</D:response>"


DIRECTORY = "<D:resourcetype><D:collection/></D:resourcetype>"
HEAD = '<D:multistatus xmlns:D="DAV:">' + response("/t/", DIRECTORY)
TAIL = "</D:multistatus>"


def listing(*names: str) -> Answer:
    return Answer(207, {}, (HEAD + "".join(response(f"/t/{name}") for name in names) + TAIL).encode())


def names(store: Store, path: RemotePath = T) -> list[str]:
    return [entry.path.name for entry in store.list(path)]


def test_the_request_of_a_listing(server, store) -> None:
    server.answers["PROPFIND /t/"] = [listing("a")]
    assert names(store) == ["a"]
    (asked,) = server.asked
    assert asked.headers["Depth"] == "1"
    assert asked.headers["Content-Type"].startswith("application/xml")
    assert b"getcontentlength" in asked.body
    assert b"allprop" not in asked.body
    assert b"Checksums" not in asked.body
    assert "Brief" not in asked.headers


def test_the_request_of_a_listing_to_a_dcache(server) -> None:
    server.answers["PROPFIND /t/"] = [listing("a")]
    with opened("dcache", server.url, None, "token") as store:
        assert names(store) == ["a"]
    (asked,) = server.asked
    assert b"Checksums" in asked.body
    assert b"FileLocality" in asked.body
    assert asked.headers["Brief"] == "t"


def test_the_root_of_the_profile_is_put_before_every_path(server) -> None:
    inside = (HEAD + response("/t/a") + response("/t/b")).replace("/t/", "/pnfs/the%20site/t/") + TAIL
    server.answers["PROPFIND /pnfs/the%20site/t/"] = [Answer(207, {}, inside.encode())]
    with opened("webdav", server.url, None, "token", root="/pnfs/the site/") as store:
        assert [str(entry.path) for entry in store.list(T)] == ["/t/a", "/t/b"]


def test_a_request_is_sent_when_the_first_entry_is_asked_for(server, store) -> None:
    server.answers["PROPFIND /t/"] = [listing("a")]
    entries = store.list(T)
    assert server.asked == []
    assert next(entries).path == T / "a"


def test_entries_come_while_the_server_is_still_writing(server, store) -> None:
    read = threading.Event()

    def slowly() -> Iterable[bytes]:
        yield (HEAD + response("/t/a")).encode()
        assert read.wait(60)
        yield (response("/t/b") + TAIL).encode()

    server.answers["PROPFIND /t/"] = [Answer(207, {}, slowly)]
    entries = store.list(T)
    assert next(entries).path.name == "a"
    read.set()
    assert [entry.path.name for entry in entries] == ["b"]


def test_a_listing_that_breaks_off_raises_after_its_entries(server, store) -> None:
    server.answers["PROPFIND /t/"] = [Answer(207, {}, (HEAD + response("/t/a")).encode(), length=100_000)]
    entries = store.list(T)
    assert next(entries).path.name == "a"
    with pytest.raises(TemporaryError) as caught:
        next(entries)
    assert caught.value.path == "/t"


def test_a_listing_without_its_end_is_an_error(server, store) -> None:
    server.answers["PROPFIND /t/"] = [Answer(207, {}, (HEAD + response("/t/a")).encode())]
    with pytest.raises(ServerTrouble, match="well-formed"):
        names(store)


def test_a_listing_of_something_else_is_an_error(server, store) -> None:
    """A server behind a proxy that maps paths: taken for an empty listing, a copy of it would look complete."""
    server.answers["PROPFIND /t/"] = [Answer(207, {}, (HEAD.replace("/t/", "/mapped/") + TAIL).encode())]
    with pytest.raises(ServerTrouble, match="does not describe"):
        names(store)


@pytest.mark.parametrize("status", [200, 201])
def test_a_server_that_knows_no_webdav(server, store, status) -> None:
    server.answers["PROPFIND /t/"] = [Answer(status, {"Content-Type": "text/html"}, b"<html></html>")]
    with pytest.raises(ServerTrouble, match="not speak WebDAV"):
        names(store)


def test_a_server_that_refuses_inside_its_answer(server, store) -> None:
    refused = "<D:response><D:href>/t/</D:href><D:status>HTTP/1.1 403 Forbidden</D:status></D:response>"
    answer = Answer(207, {}, f'<D:multistatus xmlns:D="DAV:">{refused}{TAIL}'.encode())
    server.answers["PROPFIND /t/"] = server.answers["PROPFIND /t"] = [answer]
    for ask in (lambda: names(store), lambda: store.info(T)):
        with pytest.raises(Forbidden) as caught:
            ask()
        assert (caught.value.path, caught.value.status) == ("/t", 403)


@pytest.mark.parametrize("status", [400, 404, 405, 409])
def test_a_file_differs_from_a_missing_directory_for_every_server(server, store, status) -> None:
    file = Answer(207, {}, f'<D:multistatus xmlns:D="DAV:">{response("/t")}{TAIL}'.encode())
    server.answers["PROPFIND /t/"] = [Answer(status)]
    server.answers["PROPFIND /t"] = [file, Answer(404)]
    with pytest.raises(UsageError, match="a file"):
        names(store)
    with pytest.raises(NotFound):
        names(store)


def test_a_directory_that_cannot_be_listed_is_no_file(server, store) -> None:
    server.answers["PROPFIND /t/"] = [Answer(405)]
    server.answers["PROPFIND /t"] = [Answer(207, {}, (HEAD + TAIL).encode())]
    with pytest.raises(CtadataError) as caught:
        names(store)
    assert caught.value.status == 405


def test_xrootd_is_known_by_its_name(server, store) -> None:
    body = (HEAD + response("/t/%41.txt") + response("/t/ü b.txt") + TAIL).encode()
    server.answers["PROPFIND /t/"] = [Answer(207, {"Server": "XrootD/v5.5.3"}, body), Answer(207, {}, body)]
    assert names(store) == ["%41.txt", "ü b.txt"]
    assert names(store) == ["A.txt", "ü b.txt"]  # without a name, known from the first href that is no URL


def test_kinds_of_a_directory_and_a_file(server, store) -> None:
    server.answers["PROPFIND /t"] = [Answer(207, {}, (HEAD + TAIL).encode())]
    assert store.info(T).kind is Kind.DIRECTORY


def endless() -> Iterable[bytes]:
    yield HEAD.encode()
    for i in itertools.count():
        yield "".join(
            response(f"/t/{i}-{k}", "<D:getcontentlength>1</D:getcontentlength>") for k in range(100)
        ).encode()


def test_a_listing_may_be_left_however_long_it_is(server, store) -> None:
    server.answers["PROPFIND /t/"] = [Answer(207, {}, endless), listing("a")]
    entries = store.list(T)
    assert len(list(itertools.islice(entries, 5000))) == 5000
    worker = next(thread for thread in threading.enumerate() if thread.name == "ctadata-listing")
    entries.close()  # type: ignore[attr-defined]
    worker.join(60)
    assert not worker.is_alive()
    assert names(store) == ["a"]


def test_a_long_listing_is_never_in_memory(server, store) -> None:
    server.answers["PROPFIND /t/"] = [Answer(207, {}, endless)]
    entries = store.list(T)
    next(entries)
    tracemalloc.start()
    try:
        count = sum(1 for _ in itertools.islice(entries, 30_000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        entries.close()  # type: ignore[attr-defined]
    assert count == 30_000
    # 5 million are pieces of the answer, and Python's table of names may grow by 2; a list would have 20 million
    assert peak < 13_000_000


def test_many_listings_at_once(server, store) -> None:
    for i in range(8):
        body = HEAD.replace("/t/", f"/{i}/") + "".join(response(f"/{i}/{k}") for k in range(500)) + TAIL
        server.answers[f"PROPFIND /{i}/"] = [Answer(207, {}, body.encode())]
    listings = [store.list(RemotePath((f"{i}",))) for i in range(8)]
    for row in zip(*listings, strict=True):
        assert [entry.path.parts[0] for entry in row] == [f"{i}" for i in range(8)]
