"""The WebDAV store passes the suite at foreign servers."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator

import pytest
from servers.real import RealServer
from stores.clients import opened
from stores.odd_server import Answer, OddServer
from stores.suite import Bytes, StoreSuite

from ctadata.errors import (
    AlreadyExists,
    Busy,
    CtadataError,
    Forbidden,
    LoginNeeded,
    NotFound,
    PartialFailure,
    ServerTrouble,
    Unsupported,
    UsageError,
)
from ctadata.http.client import Client
from ctadata.http.timeouts import Limits
from ctadata.paths import RemotePath
from ctadata.stores.base import Store, Written
from ctadata.stores.late_answers import WAITS
from ctadata.stores.webdav.dialect import Dialect
from ctadata.stores.webdav.store import WebDAVStore

A = RemotePath(("a",))
DIRECTORY = "<D:resourcetype><D:collection/></D:resourcetype>"


def multistatus(href: str, props: str, *below: str) -> Answer:
    """An answer that tells of `href`, with these properties, and of files below it."""
    found = "<D:propstat><D:prop>{}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
    one = "<D:response><D:href>{}</D:href>" + found + "</D:response>"
    rows = [one.format(href, props), *(one.format(child, "") for child in below)]
    return Answer(207, {}, f'<D:multistatus xmlns:D="DAV:">{"".join(rows)}</D:multistatus>'.encode())


@pytest.fixture(scope="module")
def at_wsgidav(wsgidav: RealServer) -> Iterator[Store]:
    with opened("webdav", wsgidav.url, wsgidav.ca, wsgidav.login()["access_token"]) as store:
        yield store


class TestWsgidav(StoreSuite):
    """PyPI's WebDAV server."""

    # it decodes a Destination before it takes it apart with urllib, which passes over tabs and line feeds
    impossible_targets = frozenset({"q?m.txt", "semi;c.txt", "tab\there", "nl\nx"})

    @pytest.fixture
    def store(self, at_wsgidav: Store) -> Store:
        return at_wsgidav


@pytest.fixture(scope="module")
def at_apache(apache: RealServer) -> Iterator[Store]:
    with opened("webdav", apache.url, apache.ca, apache.login()["access_token"]) as store:
        yield store


class TestApache(StoreSuite):
    """Apache mod_dav."""

    @pytest.fixture
    def store(self, at_apache: Store) -> Store:
        return at_apache


# --- what is sent, and how odd answers are understood


def sent(server: OddServer) -> list[str]:
    return [f"{asked.method} {asked.target}" for asked in server.asked]


@pytest.mark.parametrize("status", [200, 201, 204])
def test_every_answer_that_means_uploaded(server: OddServer, store: Store, status: int) -> None:
    server.answers["PUT /a%20b"] = [Answer(status, {"ETag": '"1"', "Digest": "adler32=00000001"})]
    written = store.write(RemotePath(("a b",)), Bytes(b"content", mtime=1e9), new=True)
    (asked,) = server.asked
    assert asked.body == b"content"
    assert asked.headers["If-None-Match"] == "*"
    assert not {"Content-Type", "X-OC-Mtime", "Want-Digest"} & set(asked.headers)
    assert written == Written({}, '"1"')  # a digest that was not asked for says nothing


@pytest.mark.parametrize("status", [202, 206, 207])
def test_a_success_that_does_not_mean_uploaded(server: OddServer, store: Store, status: int) -> None:
    server.answers["PUT /a"] = [Answer(status)]
    with pytest.raises(ServerTrouble, match="did not confirm"):
        store.write(A, Bytes(b"x"))


def test_an_upload_that_replaces_is_sent_without_a_condition(server: OddServer, store: Store) -> None:
    server.answers["PUT /a"] = [Answer(204)]
    store.write(A, Bytes(b"x"))
    assert "If-None-Match" not in server.asked[0].headers


def test_a_conflict_is_a_directory_in_the_way_or_one_that_is_missing(server: OddServer, store: Store) -> None:
    server.answers["PUT /a"] = [Answer(409)]
    server.answers["PROPFIND /a"] = [multistatus("/a/", DIRECTORY), Answer(404)]
    with pytest.raises(AlreadyExists):
        store.write(A, Bytes(b"x"))
    with pytest.raises(NotFound) as caught:
        store.write(A, Bytes(b"x"))
    assert caught.value.path == "/a"


@pytest.mark.parametrize(
    "taken", [200, 201, 301, 302, 308, 400, 403, 404, 405, 406, 409, 412, 415, 418, 422, 423, 424, 500, 501, 502, 507]
)
def test_every_answer_that_may_mean_that_a_directory_exists(server: OddServer, store: Store, taken: int) -> None:
    """Two make it at once, and the server refuses the second one in its own way."""
    server.answers |= {f"MKCOL {path}": [Answer(taken)] for path in ("/a/", "/")}
    server.answers |= {f"PROPFIND {path}": [multistatus(path, DIRECTORY)] for path in ("/a", "/")}
    store.mkdir(A)
    assert sent(server)[0] == "MKCOL /a/"
    assert sent(server).count("MKCOL /a/") == (2 if taken in (400, 404, 409) and "MKCOL /" in sent(server) else 1)


@pytest.mark.parametrize("refused", [301, 400, 403, 406, 409, 423, 500, 507])
def test_a_refused_mkcol_of_a_missing_directory_is_an_error(server: OddServer, store: Store, refused: int) -> None:
    server.answers |= {f"MKCOL {path}": [Answer(refused)] for path in ("/a/", "/")}
    server.answers |= {"PROPFIND /": [multistatus("/", DIRECTORY)]}
    with pytest.raises(CtadataError) as caught:
        store.mkdir(A)
    assert caught.value.status == refused
    assert len(server.asked) <= (21 if refused == 423 else 6)


def test_a_redirect_in_a_circle_may_mean_it_too(server: OddServer, store: Store) -> None:
    server.answers["MKCOL /a/"] = [Answer(301, {"Location": "/a/"})]
    server.answers["PROPFIND /a"] = [multistatus("/a/", DIRECTORY)]
    store.mkdir(A)


def test_a_directory_that_is_shown_late(server: OddServer, store: Store) -> None:
    server.answers["MKCOL /a/"] = [Answer(405)]
    server.answers["PROPFIND /a"] = [Answer(404), Answer(404), multistatus("/a/", DIRECTORY)]
    store.mkdir(A)


def test_a_directory_whose_name_is_locked_while_another_one_makes_it(server: OddServer, store: Store) -> None:
    server.answers["MKCOL /a/"] = [Answer(423)]
    server.answers["PROPFIND /a"] = [Answer(404), Answer(404), multistatus("/a/", DIRECTORY)]
    store.mkdir(A)


def test_a_directory_is_made_after_a_lock_of_its_name_that_led_to_nothing(server: OddServer, store: Store) -> None:
    server.answers["MKCOL /a/"] = [Answer(423), Answer(423), Answer(201)]
    store.mkdir(A)
    assert [request for request in sent(server) if request.startswith("MKCOL")] == ["MKCOL /a/"] * 3


def test_a_file_that_is_shown_late_has_its_digests(server: OddServer, store: Store) -> None:
    server.answers["HEAD /a"] = [Answer(404), Answer(404), Answer(200, {"Digest": "adler32=5ae07809"})]
    assert store.digests(A) == {"adler32": "5ae07809"}


def test_a_directory_that_may_not_be_made(server: OddServer, store: Store) -> None:
    server.answers["MKCOL /a/"] = [Answer(403)]
    with pytest.raises(Forbidden):
        store.mkdir(A)


def test_missing_directories_are_made_from_the_top_down(server: OddServer, store: Store) -> None:
    server.answers["MKCOL /a/b/c/"] = [Answer(409), Answer(201)]
    server.answers["MKCOL /a/b/"] = [Answer(409), Answer(201)]
    server.answers["MKCOL /a/"] = [Answer(201)]
    store.mkdir(RemotePath(("a", "b", "c")))
    assert sent(server) == [f"MKCOL /a/{rest}" for rest in ("b/c/", "b/", "", "b/", "b/c/")]


def test_a_conflict_that_stays_is_an_error_and_not_a_loop(server: OddServer, store: Store) -> None:
    for path in ("/a/b/", "/a/", "/"):
        server.answers[f"MKCOL {path}"] = [Answer(409)]
    with pytest.raises(NotFound):
        store.mkdir(RemotePath(("a", "b")))
    assert [asked.method for asked in server.asked] == ["MKCOL", "MKCOL", "MKCOL", "PROPFIND"]


def test_a_full_directory_is_not_sent_a_delete(server: OddServer, store: Store) -> None:
    """The server would take all that is in it along."""
    server.answers["PROPFIND /a"] = [multistatus("/a/", DIRECTORY)]
    server.answers["PROPFIND /a/"] = [multistatus("/a/", DIRECTORY, "/a/b"), multistatus("/a/", DIRECTORY)]
    server.answers["DELETE /a/"] = [Answer(204)]
    with pytest.raises(UsageError, match="not empty"):
        store.delete(A)
    assert "DELETE" not in " ".join(sent(server))
    store.delete(A)
    assert sent(server)[-1] == "DELETE /a/"


def test_the_root_is_not_deleted_even_where_it_is_empty(server: OddServer, store: Store) -> None:
    server.answers["PROPFIND /"] = [multistatus("/", DIRECTORY)]
    with pytest.raises(UsageError):
        store.delete(RemotePath())
    assert "DELETE" not in " ".join(sent(server))


def test_a_file_is_deleted_without_a_slash(server: OddServer, store: Store) -> None:
    server.answers["PROPFIND /a"] = [multistatus("/a", "")]
    server.answers["DELETE /a"] = [Answer(204)]
    store.delete(A)
    assert sent(server) == ["PROPFIND /a", "DELETE /a"]


@pytest.mark.parametrize("status", [201, 204])
def test_a_move_says_where_to_and_whether_it_replaces(server: OddServer, store: Store, status: int) -> None:
    server.answers["MOVE /a"] = [Answer(status)]
    store.move(A, RemotePath(("b",)), replace=False)
    store.move(A, RemotePath(("b",)), replace=True)
    moves = [asked.headers for asked in server.asked if asked.method == "MOVE"]
    assert [(move["Destination"], move["Overwrite"]) for move in moves] == [
        (f"{server.url}/b", "F"),
        (f"{server.url}/b", "T"),
    ]


def test_a_move_onto_a_directory_is_never_sent(server: OddServer, store: Store) -> None:
    server.answers["PROPFIND /b"] = [multistatus("/b/", DIRECTORY)]
    with pytest.raises(AlreadyExists) as caught:
        store.move(A, RemotePath(("b",)), replace=True)
    assert caught.value.path == "/b"
    assert sent(server) == ["PROPFIND /b"]


KEPT = b"""<?xml version="1.0"?><x:multistatus xmlns:x="DAV:">
<x:response><x:href>/a/</x:href><x:status>HTTP/1.1 424 Failed Dependency</x:status></x:response>
<x:response><x:href>http://somewhere/a/b%20c</x:href><x:status>HTTP/1.1 423 Locked</x:status></x:response>
<x:response><x:href>/a/d</x:href><x:propstat><x:status>HTTP/1.1 403 Forbidden</x:status></x:propstat></x:response>
<x:response><x:href>/a/../e</x:href><x:status>HTTP/1.1 500 Trouble</x:status></x:response>
<x:response><x:href>/a/gone</x:href><x:status>HTTP/1.1 204 No Content</x:status></x:response>
</x:multistatus>"""


@pytest.mark.parametrize("verb", ["delete", "move"])
def test_the_members_that_the_server_kept_are_named(server: OddServer, store: Store, verb: str) -> None:
    """RFC 4918 sections 9.6.1 and 9.9.3: 207 is no success."""
    server.answers["PROPFIND /a"] = [multistatus("/a/", DIRECTORY)]
    server.answers["DELETE /a/"] = server.answers["MOVE /a/"] = [Answer(207, {}, KEPT)]
    with pytest.raises(PartialFailure) as caught:
        store.delete_tree(A) if verb == "delete" else store.move_tree(A, RemotePath(("b",)))
    assert [(type(error), error.path, error.status) for error in caught.value.failures] == [
        (Busy, "/a/b c", 423),
        (Forbidden, "/a/d", 403),
        (ServerTrouble, "/a", 500),
        (CtadataError, "/a", 424),
    ]


@pytest.mark.parametrize("body", [b"", b"<html>", KEPT[:120], b'<x:multistatus xmlns:x="DAV:"/>'])
def test_an_empty_207_counts_as_success_only_if_the_tree_is_gone(server: OddServer, store: Store, body: bytes) -> None:
    server.answers["PROPFIND /a"] = [multistatus("/a/", DIRECTORY)]
    server.answers["DELETE /a/"] = [Answer(207, {}, body)]
    with pytest.raises(PartialFailure):
        store.delete_tree(A)
    server.answers["PROPFIND /a"] = [multistatus("/a/", DIRECTORY), Answer(404)]
    store.delete_tree(A)


def test_a_tree_that_could_not_be_deleted_may_be_gone_in_part(server: OddServer, store: Store) -> None:
    """dCache stops at the first child that it may not delete (dcache.md 1.7)."""
    server.answers["PROPFIND /a"] = [multistatus("/a/", DIRECTORY)]
    server.answers["DELETE /a/"] = [Answer(500), Answer(403), Answer(401)]
    for kind, said in ((ServerTrouble, True), (Forbidden, True), (LoginNeeded, False)):
        with pytest.raises(kind) as caught:
            store.delete_tree(A)
        assert ("part of the tree may be gone" in caught.value.hint) == said
    assert sent(server).count("DELETE /a/") == 3


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def patient(server: OddServer, waits: list[float]) -> Iterator[WebDAVStore]:
    """The store, which gives up a request soon, and writes down how long it would have waited in between."""
    client = Client(trusted=[], credentials=None, limits=Limits(first_byte=1))
    store = WebDAVStore(client, server.url, root=RemotePath(), dialect=Dialect(), wait=waits.append)
    yield store
    store.close()


@pytest.mark.parametrize(("answer", "looks"), [(None, []), (504, []), (202, list(WAITS))])
def test_a_tree_that_takes_long_is_looked_for_until_it_is_gone(
    server: OddServer, patient: WebDAVStore, waits: list[float], answer: int | None, looks: list[float]
) -> None:
    """The server goes on when nobody waits for its answer; a proxy before it gives up with 504."""
    there, over = multistatus("/a/", DIRECTORY), threading.Event()
    server.answers["PROPFIND /a"] = [there] * (3 + len(looks) + bool(looks)) + [Answer(404)]
    server.answers["DELETE /a/"] = [Answer(answer) if answer else Answer(204, until=over)]
    patient.delete_tree(A)
    over.set()
    assert waits == [*looks, *[5.0] * 3]


REFUSED = b"""<x:multistatus xmlns:x="DAV:"><x:response><x:href>/a</x:href>
<x:status>HTTP/1.1 423 Locked</x:status></x:response></x:multistatus>"""
UNCONFIRMED = [Answer(200, {"Content-Type": "text/html"}, b"<html>"), Answer(202), Answer(207)]
B = RemotePath(("b",))


@pytest.mark.parametrize("answer", UNCONFIRMED, ids=lambda answer: str(answer.status))
def test_a_change_counts_as_done_only_if_it_is_seen(
    server: OddServer, patient: WebDAVStore, waits: list[float], answer: Answer
) -> None:
    """RFC 4918 names 201 and 204; 202 is a promise, and a 200 may come from a proxy."""
    file = multistatus("/a", "")
    server.answers |= {"PROPFIND /a": [file], "PROPFIND /c": [Answer(404)]}
    server.answers |= {f"{request}": [answer] for request in ("MOVE /a", "DELETE /a", "MKCOL /c/")}
    for change in (
        lambda: patient.move(A, B, replace=True),
        lambda: patient.delete_file(A),
        lambda: patient.mkdir(RemotePath(("c",))),
    ):
        with pytest.raises(ServerTrouble, match=f"did not confirm .*: {answer.status}"):
            change()
    assert waits == list(WAITS) * 3


@pytest.mark.parametrize("answer", UNCONFIRMED, ids=lambda answer: str(answer.status))
def test_a_change_that_is_seen_a_moment_later_is_done(server: OddServer, patient: WebDAVStore, answer: Answer) -> None:
    late = [multistatus("/a", ""), Answer(404)]
    server.answers |= {"PROPFIND /a": list(late), "PROPFIND /b": [Answer(404), Answer(404), multistatus("/b", "")]}
    server.answers |= {f"{request}": [answer] for request in ("MOVE /a", "DELETE /a", "MKCOL /c/")}
    server.answers["PROPFIND /c"] = [Answer(404), multistatus("/c/", DIRECTORY)]
    patient.move(A, B, replace=True)
    server.answers["PROPFIND /a"] = list(late)
    patient.delete_file(A)
    assert not patient.mkdir(RemotePath(("c",)))  # perhaps somebody else made it


def test_a_207_with_a_refusal_inside_is_that_refusal(server: OddServer, store: Store) -> None:
    """RFC 4918 section 9.9.4."""
    server.answers["MOVE /a"] = server.answers["DELETE /a"] = [Answer(207, {}, REFUSED)]
    server.answers["PROPFIND /a"] = [multistatus("/a", "")]
    for change in (lambda: store.move(A, B, replace=False), lambda: store.delete(A)):
        with pytest.raises(Busy) as caught:
            change()
        assert (caught.value.path, caught.value.status) == ("/a", 423)


def test_a_tree_that_stays_is_not_waited_for_for_ever(
    server: OddServer, patient: WebDAVStore, waits: list[float]
) -> None:
    server.answers["PROPFIND /a"] = [multistatus("/a/", DIRECTORY)]
    server.answers["DELETE /a/"] = [Answer(504)]
    with pytest.raises(ServerTrouble) as caught:
        patient.delete_tree(A)
    assert "list it first" in caught.value.hint
    assert sum(waits) == 1800
    assert sent(server).count("DELETE /a/") == 1


def test_a_directory_that_was_kept_after_all_is_not_deleted(server: OddServer, store: Store) -> None:
    server.answers["PROPFIND /a"] = server.answers["PROPFIND /a/"] = [multistatus("/a/", DIRECTORY)]
    server.answers["DELETE /a/"] = [Answer(207, {}, KEPT)]
    with pytest.raises(PartialFailure):
        store.delete(A)


def test_the_first_request_to_a_server_with_quirks_may_be_a_move(server: OddServer, store: Store) -> None:
    """XRootD reads a `Destination` without decoding; the listing of the collection shows that it is XRootD."""
    told = multistatus("/d/", DIRECTORY)
    server.answers["PROPFIND /d"] = [dataclasses.replace(told, headers={**told.headers, "Server": "XrootD/v5.5.3"})]
    server.answers["MOVE /a"] = [Answer(201)]
    store.move(A, RemotePath(("d", "x y")), replace=False)
    (move,) = [asked.headers for asked in server.asked if asked.method == "MOVE"]
    assert move["Destination"] == f"{server.url}/d/x y?"


def test_a_tree_is_never_moved_onto_anything(server: OddServer, store: Store) -> None:
    """XRootD replaces whatever `Overwrite` says."""
    server.answers["PROPFIND /a"] = [multistatus("/a/", DIRECTORY)]
    server.answers["PROPFIND /b"] = [multistatus("/b", "")]
    with pytest.raises(AlreadyExists):
        store.move_tree(A, RemotePath(("b",)))
    assert "MOVE" not in " ".join(sent(server))


def test_a_move_to_an_odd_name_is_looked_for(server: OddServer, store: Store) -> None:
    server.answers["MOVE /a"] = [Answer(201)]
    server.answers["PROPFIND /"] = [multistatus("/", DIRECTORY)]
    server.answers["PROPFIND /b%25"] = [multistatus("/b%25", ""), Answer(404)]
    store.move(A, RemotePath(("b%",)), replace=False)
    with pytest.raises(CtadataError, match="another name") as caught:
        store.move(A, RemotePath(("b%",)), replace=False)
    assert (caught.value.path, caught.value.retryable) == ("/b%", False)


def test_a_target_that_is_unchanged_was_not_replaced(server: OddServer, store: Store) -> None:
    server.answers["MOVE /a"] = [Answer(201)]
    server.answers["PROPFIND /b%25"] = [multistatus("/b%25", "")]
    with pytest.raises(CtadataError, match="another name"):
        store.move(A, RemotePath(("b%",)), replace=True)


@pytest.mark.parametrize("server_name", [None, "Cheroot/11.1.2"])
def test_an_unknown_server_is_not_asked_for_a_name_that_it_may_cut(
    server: OddServer, store: Store, server_name: str | None
) -> None:
    """Else `q;x` could take the place of `q`."""
    said = {"Server": server_name} if server_name else {}
    server.answers["PROPFIND /q%3Bx"] = [Answer(404, said)]
    with pytest.raises(Unsupported, match="a name that holds ; for another name"):
        store.move(A, RemotePath(("q;x",)), replace=True)
    assert "MOVE" not in " ".join(sent(server))


def test_a_server_that_tells_no_digest_is_asked_once(server: OddServer, store: Store) -> None:
    server.answers["HEAD /a"] = [Answer(200, {"Digest": "adler32=00000001"}), Answer(200)]
    assert store.digests(A) == {"adler32": "00000001"}
    assert store.digests(A) == {}
    assert store.digests(A) == {}
    assert [asked.headers["Want-Digest"][:8] for asked in server.asked] == ["adler32,"] * 2
