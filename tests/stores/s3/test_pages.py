"""The way from one page of a listing to the next, at correct servers, at servers of version 1, and at faulty ones."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, quote, urlsplit
from xml.sax.saxutils import escape

import pytest
from stores.odd_server import Answer, Asked, OddServer
from stores.s3.connections import FixedKey, opened_s3

from ctadata.entries import Entry, Kind
from ctadata.errors import CtadataError, Forbidden, Incomplete, NotFound, ServerTrouble, Unnameable
from ctadata.paths import RemotePath
from ctadata.stores.s3.store import S3Store
from ctadata.transfer.download_target import DownloadTarget
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import NullReporter
from ctadata.transfer.run import Run
from ctadata.transfer.sync import Deletion, sync_down

BUCKET = RemotePath(("bkt",))
T = BUCKET / "t"


def contents(key: str, more: str = "<Size>1</Size>") -> str:
    return f"<Contents><Key>{escape(quote(key))}</Key>{more}</Contents>"


def page(*keys: str, more: str = "", prefixes: tuple[str, ...] = ()) -> Answer:
    common = "".join(f"<CommonPrefixes><Prefix>{quote(each)}</Prefix></CommonPrefixes>" for each in prefixes)
    body = f"{''.join(map(contents, keys))}{common}{more}<EncodingType>url</EncodingType>"
    return Answer(200, {}, f"<ListBucketResult>{body}</ListBucketResult>".encode())


def truncated(token: str = "", marker: str = "") -> str:
    token = token and f"<NextContinuationToken>{token}</NextContinuationToken>"
    marker = marker and f"<NextMarker>{quote(marker)}</NextMarker>"
    return f"<IsTruncated>true</IsTruncated>{token}{marker}"


NEXT = {"token": "<NextContinuationToken>A</NextContinuationToken>", "marker": "<NextMarker>t/b</NextMarker>"}


class S3Server(OddServer):
    """Answers a listing by a function of its query."""

    def next_answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        query = {name: values[0] for name, values in parse_qs(urlsplit(asked.target).query).items()}
        return self.reply(query) if "prefix" in query else Answer(404)

    def reply(self, query: dict[str, str]) -> Answer:
        raise NotImplementedError


@pytest.fixture
def server() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture
def store(server: S3Server) -> Iterator[S3Store]:
    with opened_s3(server.url, FixedKey()) as store:
        yield store


def names(store: S3Store) -> list[str]:
    return [entry.path.name for entry in store.list(T)]


KEYS = [f"t/{number:02}" for number in range(10)] + ["t/a b", "t/dir/x", "t/dir/y", "t/é"]


def listed(query: dict[str, str], *, version: int, names_it: bool) -> Answer:
    """Return a page of few keys, with a token (version 2) or a marker (version 1)."""
    after = query.get("continuation-token" if version == 2 else "marker", "")
    keys = sorted({key if key.count("/") == 1 else "t/dir/" for key in KEYS if key.startswith(query["prefix"])})
    keys = [key for key in keys if key > after]
    now, more = keys[:3], keys[3:]
    token, marker = (now[-1], "") if version == 2 else ("", now[-1] if names_it else "")
    found = [key for key in now if not key.endswith("/")]
    common = tuple(key for key in now if key.endswith("/"))
    return page(*found, more=truncated(token, marker) if more else "", prefixes=common)


@pytest.mark.parametrize(("version", "names_it"), [(2, True), (1, True), (1, False)])
def test_every_way_to_the_next_page(server, store, version, names_it) -> None:
    server.reply = lambda query: listed(query, version=version, names_it=names_it)
    assert sorted(names(store)) == sorted([*(f"{number:02}" for number in range(10)), "a b", "dir", "é"])
    later = parse_qs(urlsplit(server.asked[-1].target).query)
    assert ("list-type" in later) == (version == 2)


@pytest.mark.parametrize(
    ("pages", "words"),
    [
        ([page("t/a", more=truncated("A")), page("t/b", more=truncated("B"))], "repeats a page"),
        ([page("t/a", more=truncated("A"))], "repeats a page"),
        ([page("t/a", more=truncated(str(number))) for number in range(5)], "repeats a page"),
        ([page(more=truncated())], "names no next page"),
        ([page("t/a", more=truncated(marker="t/a"))], "repeats a page"),
        ([page("t/b", more=truncated(marker="t/b")), page("t/a", more=truncated(marker="t/a"))], "begins before"),
        ([page("t/a", "t/b", more=truncated())], "begins before"),
        ([page("t/a", more=NEXT["token"])], "repeats a page"),
        ([page("t/a", more="<MaxKeys>1</MaxKeys>")], "repeats a page"),
        ([page(more=truncated(str(number))) for number in range(1100)], "page after page is empty"),
        ([Answer(200, {}, b"<html/>")], "no listing but <html>"),
        ([Answer(200, {}, b"<ListBucketResult><Contents>")], "no XML"),
        ([Answer(200, {}, b'<?xml version="1.0" encoding="nonsense"?><ListBucketResult/>')], "no XML"),
        ([Answer(200, {}, b"<Error><Code>InternalError</Code><Message>Oops</Message></Error>")], "Oops"),
    ],
    ids=range(14),
)
def test_a_listing_that_does_not_advance_is_an_error(server, store, pages, words) -> None:
    turn = iter(range(10**6))
    server.reply = lambda _: pages[next(turn) % len(pages)]
    with pytest.raises(CtadataError, match=words) as caught:
        names(store)
    assert (caught.value.path, caught.value.exit_code) == ("/bkt/t", ServerTrouble.exit_code)
    assert len(server.asked) < 1100


@pytest.mark.parametrize(
    ("pages", "came"),
    [
        ([page("t/a", more=truncated("A")), page("t/b", more=truncated("B"))], ["a", "b"]),
        ([page("t/a", more=truncated("A")), page("t/b", more=truncated("B")), page("t/c", more=truncated("A"))], "abc"),
        ([page("t/a", more=truncated("A")), page("t/b", more=truncated("A"))], ["a", "b"]),
        ([page("t/a", "t/b", more=truncated())], ["a", "b"]),
        ([page("t/a", more=truncated("A")), page("t/b", more=truncated("B")), Answer(403)], ["a", "b"]),
    ],
)
def test_what_came_before_the_error_is_listed(server, store, pages, came) -> None:
    turn = iter(range(10**6))
    server.reply = lambda _: pages[next(turn) % len(pages)]
    entries = []
    with pytest.raises(CtadataError):
        entries.extend(entry.path.name for entry in store.list(T))
        pytest.fail("the listing ends without an error")
    assert entries == list(came)


@pytest.mark.parametrize("said", ["", *(f"<IsTruncated>{word}</IsTruncated>" for word in ("false", "0", "", "no"))])
@pytest.mark.parametrize("named", NEXT)
def test_a_page_that_names_the_next_one_is_not_the_last(server, store, said, named) -> None:
    """A server may forget `IsTruncated`, or say `false` on every page."""

    def reply(query: dict[str, str]) -> Answer:
        later = query.get("continuation-token") == "A" or query.get("marker") == "t/b"
        return page("t/c", more=said) if later else page("t/a", "t/b", more=said + NEXT[named])

    server.reply = reply
    assert names(store) == ["a", "b", "c"]


def test_an_empty_page_after_a_token_is_the_end(server, store) -> None:
    """A server may name a next page after its last key."""
    server.reply = lambda query: page() if "continuation-token" in query else page("t/a", more=NEXT["token"])
    assert names(store) == ["a"]


@pytest.mark.parametrize("said", ["", "<IsTruncated/>", "<IsTruncated>maybe</IsTruncated>"])
@pytest.mark.parametrize("limit", [2, 3, 1000])
@pytest.mark.parametrize("total", [2, 6, 7])
def test_a_page_without_is_truncated_is_the_last_unless_it_is_full(server, store, said, limit, total) -> None:
    """Old servers leave `IsTruncated` out at the end; if it is always missing, the marker leads to the next page."""
    keys = [f"t/{number}" for number in range(total)]

    def reply(query: dict[str, str]) -> Answer:
        now = [key for key in keys if key > query.get("marker", "")][:limit]
        return page(*now, more=f"{said}<MaxKeys>{limit}</MaxKeys><KeyCount>{len(now)}</KeyCount>")

    server.reply = reply
    assert names(store) == [str(number) for number in range(total)]
    assert len(server.asked) == total // limit + 1


def test_a_full_page_is_known_without_its_limit_and_by_what_the_server_counts(server, store) -> None:
    """A thousand keys are a page, and so is a page whose `KeyCount` is its `MaxKeys`."""
    first = [f"t/{number:04}" for number in range(1000)]
    for full in (page(*first), page("t/0999", more="<MaxKeys>7</MaxKeys><KeyCount>7</KeyCount>")):
        server.reply = lambda query, full=full: page("t/last") if "marker" in query else full
        assert names(store)[-2:] == ["0999", "last"]


@pytest.mark.parametrize("word", ["false", "False", " false ", "0"])
def test_a_full_page_that_says_it_is_the_last_is_the_last(server, store, word) -> None:
    more = f"<MaxKeys>2</MaxKeys><IsTruncated>{word}</IsTruncated><NextMarker/><NextContinuationToken/>"
    server.reply = lambda _: page("t/a", "t/b", more=more)
    assert names(store) == ["a", "b"]
    assert len(server.asked) == 1


def test_an_empty_page_in_between_is_not_the_end(server, store) -> None:
    pages = {"": page("t/a", more=truncated("A")), "A": page(more=truncated("B")), "B": page("t/b")}
    server.reply = lambda query: pages[query.get("continuation-token", "")]
    assert names(store) == ["a", "b"]


@pytest.mark.parametrize("size", ["x", "-1", "", "9" * 5000, "1e3", "²"])
@pytest.mark.parametrize("date", ["x", "9" * 30, "0000-00-00T00:00:00Z"])
def test_an_invalid_field_becomes_none(server, store, size, date) -> None:
    odd = f"<Size>{size}</Size><LastModified>{date}</LastModified>"
    body = f"<ListBucketResult>{contents('t/a', odd)}{contents('t/b')}</ListBucketResult>"
    server.reply = lambda _: Answer(200, {}, body.encode())
    assert [(entry.path.name, entry.size, entry.mtime) for entry in store.list(T)] == [
        ("a", None, None),
        ("b", 1, None),
    ]


def test_twins_are_marked_across_pages(server, store) -> None:
    pages = {
        "": page("t/a", "t/a-1", "t/a-1-2", more=truncated("A")),
        "A": page("t/a-2", "t/a.txt", prefixes=("t/a-1/",), more=truncated("B")),
        "B": page("t/b", prefixes=("t/a/", "t/c/")),
    }
    server.reply = lambda query: pages[query.get("continuation-token", "")]
    found = [(entry.path.name, entry.is_directory, entry.has_twin) for entry in store.list(T)]
    assert sorted(found) == [
        *(("a", False, True), ("a", True, True), ("a-1", False, True), ("a-1", True, True), ("a-1-2", False, False)),
        *(("a-2", False, False), ("a.txt", False, False), ("b", False, False), ("c", True, False)),
    ]


def test_any_keys_in_pages_of_any_size(server, store) -> None:
    """In 300 random buckets, each key is an entry or is reported."""
    chance = random.Random(13)
    parts = ["a", "b", "a-1", "..", ".", "", "c d", "é", "a.b"]
    for _ in range(300):
        keys = {"t/" + "/".join(chance.choices(parts, k=chance.randint(1, 3))) for _ in range(chance.randint(0, 9))}
        most = chance.randint(1, 4)

        def reply(query: dict[str, str], keys: set[str] = keys, most: int = most) -> Answer:
            inside = [key for key in keys if key.startswith(query["prefix"])]
            cut = len(query["prefix"])
            if query.get("delimiter"):
                inside = [query["prefix"] + key[cut:].partition("/")[0] + "/" * ("/" in key[cut:]) for key in inside]
            after = query.get("continuation-token", "")
            order = sorted(set(inside), key=lambda key: key.encode())
            order = [key for key in order if not after or key.encode() > bytes.fromhex(after)]
            now = order[:most]
            more = truncated(now[-1].encode().hex()) if order[most:] else ""
            folders = tuple(
                key for key in now if key.endswith("/") and key != query["prefix"] and query.get("delimiter")
            )
            return page(*(key for key in now if key not in folders), more=more, prefixes=folders)

        server.reply = reply
        good: list[tuple[str, bool]] = []
        bad = 0
        try:
            good = [(entry.path.name, entry.is_directory) for entry in store.list(T)] if keys else []
        except Incomplete as error:
            bad = error.count
        direct = {key[2:].partition("/") for key in keys}
        placed = {(name, bool(slash)) for name, slash, _ in direct if name not in ("", ".", "..")}
        odd = sum(key[2:].partition("/")[0] in ("", ".", "..") for key in keys)
        assert bad == odd
        if not odd:
            assert sorted(good) == sorted(placed)


def test_a_directory_that_may_not_be_listed_is_forbidden(server, store) -> None:
    denied = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    server.reply = lambda _: Answer(403, {}, denied)
    for ask in (lambda: store.info(T), lambda: list(store.list(T)), lambda: store.delete_tree(T)):
        with pytest.raises(Forbidden):
            ask()


def test_entries_have_the_kinds_of_their_keys(server, store) -> None:
    server.reply = lambda query: page("t/a", prefixes=("t/b/",)) if query.get("delimiter") else page()
    assert [(entry.path.name, entry.kind) for entry in store.list(T)] == [("a", Kind.FILE), ("b", Kind.DIRECTORY)]
    server.reply = lambda _: page()
    with pytest.raises(NotFound):
        names(store)


@pytest.mark.parametrize("foreign", ["precious/x", "", "tt", "/t/x"])
def test_a_listed_key_outside_the_directory_is_neither_deleted_nor_counted(server, store, foreign) -> None:
    server.reply = lambda query: page("t/a", foreign)
    with pytest.raises(ServerTrouble, match="does not begin with"):
        store.delete_tree(T)
    assert not [asked for asked in server.asked if asked.method in ("DELETE", "POST")]
    with pytest.raises(ServerTrouble, match="does not begin with"):
        store.count_tree(T)


def test_too_many_unnameable_keys_protect_the_whole_local_directory(server, store, tmp_path) -> None:
    """The listing reads one page of a prefix that no path can name."""

    def reply(query: dict[str, str]) -> Answer:
        return page(prefixes=("t//",)) if query["prefix"] == "t/" else page("t//a", more=truncated("A"))

    server.reply = reply
    with pytest.raises(Unnameable) as caught:
        list(store.list(T))
    assert caught.value.counterparts is None
    for name in ("a", "b", "folder/c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"kept")
    deletion = Deletion(confirm=lambda *_: True, trust_empty=True)
    run = Run(store, Rules(), NullReporter(), threading.Event())
    assert sync_down(run, DownloadTarget(Entry(T, Kind.DIRECTORY), tmp_path), deletion).deleted == 0
    server.reply = lambda query: page(prefixes=("t//",)) if query["prefix"] == "t/" else page("t//a")
    run = Run(store, Rules(), NullReporter(), threading.Event())
    assert sync_down(run, DownloadTarget(Entry(T, Kind.DIRECTORY), tmp_path), deletion).deleted == 3
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
