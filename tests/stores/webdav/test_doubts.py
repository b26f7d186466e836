"""What a listing says of a name twice, or says to be gone, is looked at by a request of its own, and never guessed."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from stores.clients import opened
from stores.odd_server import Answer, Asked, OddServer
from stores.suite import Broken, IncompleteSuite

from ctadata.entries import Entry, Kind
from ctadata.errors import CtadataError, Incomplete, NotFound, ServerTrouble, UsageError
from ctadata.namespace.du import measure_deletion
from ctadata.paths import RemotePath
from ctadata.stores.base import Store
from ctadata.stores.webdav.multistatus import MAX_AMBIGUOUS
from ctadata.transfer.download_target import DownloadTarget
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import NullReporter
from ctadata.transfer.run import Run
from ctadata.transfer.sync import Deletion, sync_down

T = RemotePath(("t",))
DIRECTORY = "<D:resourcetype><D:collection/></D:resourcetype>"
SUMS = '<x:Checksums xmlns:x="http://www.dcache.org/2013/webdav">adler32={}</x:Checksums>'


def response(href: str, props: str = "", status: str = "200 OK") -> str:
    found = f"<D:propstat><D:prop>{props}</D:prop><D:status>HTTP/1.1 {status}</D:status></D:propstat>"
    return f"<D:response><D:href>{href}</D:href>{found}</D:response>"


def sized(size: int) -> str:
    return f"<D:getcontentlength>{size}</D:getcontentlength>"


def gone(href: str) -> str:
    return f"<D:response><D:href>{href}</D:href><D:status>HTTP/1.1 404 Not Found</D:status></D:response>"


def body(*responses: str) -> Answer:
    return Answer(207, {}, f'<D:multistatus xmlns:D="DAV:">{"".join(responses)}</D:multistatus>'.encode())


class Door(OddServer):
    """Lists `/t/` as `listed` says; `alone` are the answers to requests for one name, none is 404."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: list[str] = []
        self.alone: dict[str, Answer] = {"/t": body(response("/t/", DIRECTORY))}

    def next_answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        if asked.method == "PROPFIND" and asked.headers["Depth"] == "1":
            return body(response("/t/", DIRECTORY), *self.listed)
        if asked.method == "PROPFIND":
            return self.alone.get(asked.target.rstrip("/"), Answer(404))
        return Answer(200, {}, b"content") if asked.method == "GET" else Answer(204)

    @property
    def looks(self) -> list[str]:
        return [asked.target for asked in self.asked if asked.headers.get("Depth") == "0"]


@pytest.fixture
def door() -> Iterator[Door]:
    with Door() as door:
        yield door


@pytest.fixture
def store(door: Door) -> Iterator[Store]:
    with opened("webdav", door.url, None, "token") as store:
        yield store


def found(store: Store) -> list[tuple[str, int | None]]:
    return [(entry.path.name, entry.size) for entry in store.list(T)]


# --- a member that answers 404


GONE = [gone("/t/x"), response("/t/x", "", "404 Not Found"), response("/t/x", sized(1), "410 Gone")]


@pytest.mark.parametrize("member", GONE, ids=range(3))
def test_a_member_with_404_in_both_answers_is_left_out(door, store, member) -> None:
    door.listed = [member, response("/t/a", sized(1))]
    assert found(store) == [("a", 1)]
    assert door.looks == ["/t/x"]


@pytest.mark.parametrize("member", GONE, ids=range(3))
def test_a_member_with_404_that_exists_is_listed(door, store, member) -> None:
    door.listed = [member, response("/t/a", sized(1))]
    door.alone["/t/x"] = body(response("/t/x", sized(7)))
    assert found(store) == [("a", 1), ("x", 7)]
    assert measure_deletion(store, store.info(T)).files == 2


@pytest.mark.parametrize("answer", [Answer(403), Answer(500), body(response("/t/x", "", "403 Forbidden"))])
def test_a_name_that_cannot_be_looked_at_makes_the_listing_incomplete(door, store, answer) -> None:
    door.listed = [gone("/t/x"), response("/t/a", sized(1))]
    door.alone["/t/x"] = answer
    with pytest.raises(Incomplete) as caught:
        found(store)
    assert [failure.path for failure in caught.value.failures] == ["/t/x"]


@pytest.mark.parametrize("there", [False, True])
def test_a_directory_is_deleted_only_if_each_ambiguous_member_is_gone(door, store, there) -> None:
    door.listed = [gone("/t/x")]
    if there:
        door.alone["/t/x"] = body(response("/t/x", sized(7)))
        with pytest.raises(UsageError, match="not empty"):
            store.delete(T)
    else:
        store.delete(T)
    assert ("DELETE" in [asked.method for asked in door.asked]) != there


def test_a_sync_deletes_no_local_file_whose_ambiguous_counterpart_exists(door, store, tmp_path: Path) -> None:
    door.listed = [gone("/t/x"), gone("/t/y"), response("/t/a", sized(7))]
    door.alone["/t/x"] = body(response("/t/x", sized(7)))
    for name in "xy":
        (tmp_path / name).write_bytes(b"content")
    doomed: list[str] = []

    def confirm(extras: Iterable, _: threading.Event) -> bool:
        doomed.extend(extra.remote.name for extra in extras)
        return False

    run = Run(store, Rules(), NullReporter(), threading.Event())
    sync_down(run, DownloadTarget(Entry(T, Kind.DIRECTORY), tmp_path), Deletion(confirm=confirm))
    assert doomed == ["y"]


def test_only_so_many_names_are_looked_at(door, store) -> None:
    door.listed = [gone(f"/t/{number}") for number in range(MAX_AMBIGUOUS)]
    assert found(store) == []
    assert len(door.looks) == MAX_AMBIGUOUS
    door.listed += [gone("/t/more"), gone("/t/0")]
    with pytest.raises(Incomplete) as caught:
        found(store)
    assert (caught.value.count, caught.value.failures[0].path) == (1, "/t/more")


class TestTooManyDoubts(IncompleteSuite):
    """Of a directory of which so many names are said to be gone that nobody looks at each."""

    @pytest.fixture
    def broken(self, door: Door, store: Store) -> Broken:
        door.listed = [response("/t/sub"), *(gone(f"/t/{number}") for number in range(MAX_AMBIGUOUS + 1))]
        return Broken(store, T, {"sub"}, 1, lambda: any(asked.method == "DELETE" for asked in door.asked))


# --- a name that comes twice


DATE = "<D:getlastmodified>Sat, 21 Nov 2026 03:36:3{} GMT</D:getlastmodified>"
STATEMENTS = {
    "size": (sized(5), sized(6)),
    "no size": (sized(5), ""),
    "kind": (sized(5), DIRECTORY),
    "time": (sized(5) + DATE.format(1), sized(5) + DATE.format(2)),
    "checksum": (SUMS.format("00000001"), SUMS.format("00000002")),
    "tag": ('<D:getetag>"a"</D:getetag>', '<D:getetag>"b"</D:getetag>'),
}


@pytest.mark.parametrize("props", [sized(5) + DATE.format(1) + SUMS.format("00000001"), DIRECTORY, ""])
@pytest.mark.parametrize("between", [0, 1, 3000])
def test_a_name_that_comes_twice_with_equal_properties_is_listed_once(door, store, props, between) -> None:
    others = [response(f"/t/{number}") for number in range(between)]
    door.listed = [response("/t/x", props), *others, response("/t/x/", props), response("//t//x", props)]
    assert [name for name, _ in found(store)] == ["x", *(str(number) for number in range(between))]
    assert door.looks == []


@pytest.mark.parametrize("between", [0, 3000])
@pytest.mark.parametrize("case", STATEMENTS)
def test_a_request_of_its_own_decides_between_two_statements(door, store, case, between) -> None:
    first, second = STATEMENTS[case]
    others = [response(f"/t/{number}") for number in range(between)]
    door.listed = [response("/t/x", first), *others, response("/t/x", second)]
    door.alone["/t/x"] = body(response("/t/x", first))
    assert [name for name, _ in found(store)] == ["x", *(str(number) for number in range(between))]
    assert door.looks == ["/t/x"]


@pytest.mark.parametrize("case", STATEMENTS)
@pytest.mark.parametrize("own", ["second", "both", "gone", "refused"])
def test_two_statements_that_are_not_settled_make_the_listing_incomplete(door, store, case, own) -> None:
    first, second = (response("/t/x", props) for props in STATEMENTS[case])
    door.listed = [first, response("/t/a", sized(1)), second, second]
    answers = {"second": body(second), "both": body(first, second), "gone": Answer(404), "refused": Answer(403)}
    door.alone["/t/x"] = answers[own]
    with pytest.raises(Incomplete) as caught:
        found(store)
    assert [failure.path for failure in caught.value.failures] == ["/t/x"]


@pytest.mark.parametrize("turn", [1, -1])
def test_a_member_with_404_and_200_is_listed_once(door, store, turn) -> None:
    door.listed = [gone("/t/x"), response("/t/x", sized(5))][::turn]
    door.alone["/t/x"] = body(response("/t/x", sized(5)))
    assert found(store) == [("x", 5)]
    door.alone["/t/x"] = body(response("/t/x", sized(6)))
    with pytest.raises(Incomplete, match="differently"):
        found(store)


class TestTwoStatements(IncompleteSuite):
    """Of a directory with one name that the server describes in two ways."""

    @pytest.fixture
    def broken(self, door: Door, store: Store) -> Broken:
        door.listed = [response("/t/x", sized(5)), response("/t/x", sized(6))]
        door.alone["/t/x"] = body(*door.listed)
        return Broken(store, T, {"x"}, 1, lambda: any(asked.method == "DELETE" for asked in door.asked))


# --- what was asked for, itself


def test_two_equal_responses_for_the_directory_need_no_request(door, store) -> None:
    door.listed = [response("/t/a", sized(1)), response("/t", DIRECTORY)]
    assert found(store) == [("a", 1)]
    assert door.looks == []


@pytest.mark.parametrize("other", [sized(0), DIRECTORY + DATE.format(1), ""])
def test_two_different_responses_for_the_directory_need_a_request(door, store, other) -> None:
    door.listed = [response("/t", other), response("/t/a", sized(1))]
    assert found(store) == [("a", 1)]
    assert door.looks == ["/t"]
    door.alone["/t"] = body(response("/t", sized(1)))
    with pytest.raises(UsageError, match="a file"):
        found(store)
    for answer, error in ((Answer(404), NotFound), (body(response("/t", DIRECTORY), response("/t")), ServerTrouble)):
        door.alone["/t"] = answer
        with pytest.raises(error) as caught:
            found(store)
        assert caught.value.path == "/t"


@pytest.mark.parametrize("case", STATEMENTS)
def test_one_answer_with_two_statements_about_one_file_is_asked_for_again(door, store, case) -> None:
    first, second = (response("/t/x", props) for props in STATEMENTS[case])
    door.alone["/t/x"] = body(first, first)
    assert store.info(T / "x").path == T / "x"
    assert len(door.asked) == 1
    door.alone["/t/x"] = body(first, second)
    with pytest.raises(ServerTrouble, match="differently"):
        store.info(T / "x")
    assert len(door.asked) == 3


# --- any of it


def test_every_listing_is_complete_or_an_error(door, store, rng: random.Random, count: Callable[..., int]) -> None:
    """Random answers to the listing and to each name: no wrong entry and no missing one without an error."""
    for _ in range(count(60, 2000)):
        there = {name: rng.choice([None, 5, 6]) for name in "abcd"}
        said = [(rng.choice("abcd"), rng.choice([None, 5, 6])) for _ in range(rng.randint(0, 7))]
        said += [(name, size) for name, size in there.items() if size and all(name != each for each, _ in said)]
        door.listed = [response(f"/t/{name}", sized(size)) if size else gone(f"/t/{name}") for name, size in said]
        door.alone = {f"/t/{name}": body(response(f"/t/{name}", sized(size))) for name, size in there.items() if size}
        clear = {name for name, size in said if {each for other, each in said if other == name} == {size} and size}
        entries: list[tuple[str, int | None]] = []
        try:
            entries += found(store)
        except Incomplete as error:
            assert not {failure.path for failure in error.failures} & {f"/t/{name}" for name in clear}
        except CtadataError:
            raise
        else:
            wrong = dict(entries).items() ^ {(name, size) for name, size in there.items() if size}
            assert {name for name, _ in wrong} <= clear, (said, there)
        assert len(entries) == len({name for name, _ in entries})
