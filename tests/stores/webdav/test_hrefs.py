"""Hrefs: every way to write one, the collection's own first, last or in between, and hrefs that lie elsewhere."""

from __future__ import annotations

import itertools
import random

import pytest
from stores.odd_server import Answer, OddServer
from stores.suite import Broken, IncompleteSuite

from ctadata.entries import Entry
from ctadata.errors import CtadataError, Forbidden, Incomplete, NotFound, ServerTrouble
from ctadata.paths import RemotePath
from ctadata.stores.base import Store
from ctadata.stores.webdav import multistatus
from ctadata.stores.webdav.hrefs import HrefResolver
from ctadata.stores.webdav.multistatus import Multistatus

T = RemotePath(("t", "n"))
DIRECTORY = "<D:resourcetype><D:collection/></D:resourcetype>"


def response(href: str, props: str = "", status: str = "200 OK") -> str:
    found = f"<D:propstat><D:prop>{props}</D:prop><D:status>HTTP/1.1 {status}</D:status></D:propstat>"
    return f"<D:response><D:href>{href}</D:href>{found}</D:response>"


def body(*responses: str) -> bytes:
    return f'<D:multistatus xmlns:D="DAV:">{"".join(responses)}</D:multistatus>'.encode()


def read(content: bytes, path: RemotePath = T, *, root: str = "", block: int = 100) -> tuple[list[str], Multistatus]:
    parser = Multistatus(path, root=RemotePath.parse(root))
    entries: list[Entry] = []
    for i in range(0, len(content), block):
        entries += parser.feed(content[i : i + block])
    entries += parser.close()
    return [entry.path.name for entry in entries], parser


@pytest.mark.parametrize(
    ("name", "plain"),
    [("a", "a"), ("a/", "a"), ("a.b-~_9", "a.b-~_9"), ("", ""), ("/", ""), (".a", ""), ("..", ""), ("a//", "")]
    + [(name, "") for name in ("a/b", "%41", "a b", "ü", "a\n", "a ", "a|b", "a?")],
)
@pytest.mark.parametrize("raw", [True, False])
def test_a_plain_name_is_what_the_whole_way_finds(name: str, plain: str, raw: bool) -> None:
    hrefs = HrefResolver(RemotePath(), T, raw=raw, alone=False)
    assert not hrefs.plain_name("/t/n/a")  # the collection's own href has not come
    assert hrefs.is_requested("/t/n/")
    assert hrefs.plain_name(f"/t/n/{name}") == plain
    assert not hrefs.plain_name(f"/t/m/{name}")
    if plain:
        assert hrefs.name(hrefs.clean(f"/t/n/{name}")) == plain


# how a server may write the collection and a member of it, for /t/n
FORMS = {
    "paths": ("/t/n/", "/t/n/{}"),
    "no slash": ("/t/n", "/t/n/{}"),
    "inner host": ("http://inner.example:8080/t/n/", "http://inner.example:8080/t/n/{}"),
    "no scheme": ("//inner.example/t/n/", "//inner.example/t/n/{}"),
    "two hosts": ("http://a.example/t/n/", "https://b.example/t/n/{}"),
    "doubled slash": ("/t/n/", "/t/n//{}"),
    "doubled slashes": ("//t//n//", "//t//n///{}"),
    "relative": ("/t/n/", "{}"),
    "relative with a dot": ("./", "./{}"),
    "relative from its own name": ("n/", "n/{}"),
    "relative from the root": ("t/n/", "t/n/{}"),
    "a proxy's prefix": ("/site/dav/t/n/", "/site/dav/t/n/{}"),
    "a prefix taken away": ("/n/", "/n/{}"),
    "a prefix and a host": ("https://a.example/x/t/n", "https://a.example/x/t/n/{}"),
    "encoded": ("/%74/%6e/", "/t/%6E/{}"),
}
NAMES = ["a", "b%20c", "t", "n", "t%C3%BC", "..a"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", ["first", "last", "between"])
def test_every_way_to_write_them(form: str, place: str) -> None:
    own, member = FORMS[form]
    names = [name for name in NAMES if not (name == "n" and form == "relative from its own name")]
    members = [response(member.format(name)) for name in names]
    at = {"first": 0, "last": len(members), "between": 2}[place]
    found, parser = read(body(*members[:at], response(own, DIRECTORY), *members[at:]))
    assert sorted(found) == sorted(RemotePath.decode(name).name for name in names)
    assert parser.requested is not None
    assert parser.requested.is_directory
    parser.unlisted.raise_if_any(T)


def test_a_member_may_have_the_name_of_its_collection() -> None:
    d = RemotePath(("d",))
    for order in itertools.permutations([response("/d/", DIRECTORY), response("/d/d/", DIRECTORY), response("/d/a")]):
        found, parser = read(body(*order), d)
        assert sorted(found) == ["a", "d"]
        parser.unlisted.raise_if_any(d)


def test_the_root_behind_a_proxy() -> None:
    found, parser = read(body(response("/pnfs/", DIRECTORY), response("/pnfs/a")), RemotePath())
    assert found == ["a"]
    parser.unlisted.raise_if_any(RemotePath())
    found, _ = read(body(response("/", DIRECTORY), response("/a")), RemotePath(), root="/dav")
    assert found == ["a"]


@pytest.mark.parametrize(
    "own", ["/other/", "/", "/t/", "/N/", "/T/N/", "/t/n/a/", "/t/m/", "/n/t/", "../n/", "/t/n%2F"]
)
def test_a_collection_that_is_another_one(own: str) -> None:
    for order in ([own, own + "x"], [own + "x", own]):
        with pytest.raises(ServerTrouble, match="does not describe"):
            read(body(*(response(href, DIRECTORY) for href in order)))


def test_a_listing_of_the_root_without_the_root_is_an_error() -> None:
    with pytest.raises(ServerTrouble, match="does not describe"):
        read(body(response("/a/", DIRECTORY)), RemotePath())


@pytest.mark.parametrize("form", ["paths", "a proxy's prefix"])
@pytest.mark.parametrize("first", [True, False])
def test_members_wait_for_their_collection_in_bounded_memory(
    monkeypatch: pytest.MonkeyPatch, form: str, first: bool
) -> None:
    monkeypatch.setattr(multistatus, "WAITING", 20)
    own, member = FORMS[form]
    parser, found, most = Multistatus(T), 0, 0
    members = [response(member.format(number)) for number in range(100)]
    order = [response(own, DIRECTORY), *members] if first else [*members, response(own, DIRECTORY)]
    content = body(*order)
    try:
        for i in range(0, len(content), 64):
            found += len(parser.feed(content[i : i + 64]))
            most = max(most, len(parser._waiting))
        found += len(parser.close())
    except ServerTrouble:  # so late, a path with a prefix is nobody's
        assert (form, first) == ("a proxy's prefix", False)
    else:
        assert found == 100
        parser.unlisted.raise_if_any(T)
    assert most <= 20


def test_any_order_and_any_rubbish() -> None:
    """2000 random listings: each member is listed once, or the listing is an error."""
    chance = random.Random(13)
    rubbish = [
        "/t/n/..",
        "/t/n/%2e%2e/x",
        "/t/n/a%2Fb",
        "/t/n/a%00",
        "/x/t/n/a",
        "/t/n/a/b",
        "/t",
        "/",
        "",
        "../a",
        "x/y",
    ]
    for _ in range(2000):
        own, member = FORMS[chance.choice(sorted(FORMS))]
        good = chance.sample(["a", "b", "c d".replace(" ", "%20"), "e"], chance.randint(0, 4))
        bad = chance.sample(rubbish, chance.randint(0, 2))
        all_ = [response(own, DIRECTORY), *(response(member.format(name)) for name in good), *map(response, bad)]
        chance.shuffle(all_)
        try:
            found, parser = read(body(*all_))
            assert sorted(found) == sorted(name.replace("%20", " ") for name in good)
            assert parser.unlisted.count == len(bad)
        except ServerTrouble:
            assert bad
        except AssertionError:
            # rubbish that is right for another reading of the listing: nothing may be lost without a word
            assert parser.unlisted.count or set(good) <= {name.replace(" ", "%20") for name in found}


# --- what is told of a member


def propstats(*statuses: str) -> str:
    told = "".join(
        f"<D:propstat><D:prop><D:getcontentlength>{number}</D:getcontentlength></D:prop>"
        f"<D:status>HTTP/1.1 {status}</D:status></D:propstat>"
        for number, status in enumerate(statuses)
    )
    return f"<D:response><D:href>/t/n/a</D:href>{told}</D:response>"


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["404 Not Found"], None),
        (["404 Not Found", "404 Not Found"], None),
        (["410 Gone"], None),
        (["403 Forbidden"], 4),
        (["404 Not Found", "403 Forbidden"], 4),
        (["403 Forbidden", "404 Not Found"], 4),
        (["500 Internal Server Error"], 5),
        (["401 Unauthorized"], 4),
        (["302 Found"], 5),
        (["503 Busy"], 5),
        (["404 Not Found", "200 OK"], 0),
        (["200 OK", "404 Not Found"], 0),
        (["403 Forbidden", "200 OK"], 0),
        (["500 Trouble", "207 Multi", "404 Not Found"], 0),
    ],
)
def test_the_statuses_of_a_member_decide_its_entry(statuses: list[str], code: int | None) -> None:
    found, parser = read(body(response("/t/n/", DIRECTORY), propstats(*statuses)))
    assert found == (["a"] if code == 0 else [])
    if not code:
        parser.unlisted.raise_if_any(T)
        return
    with pytest.raises(Incomplete) as caught:
        parser.unlisted.raise_if_any(T)
    (failure,) = caught.value.failures
    assert (failure.path, failure.exit_code) == ("/t/n/a", code)


SABRE = "<D:error xmlns:s='http://sabredav.org/ns'><s:exception>Sabre\\DAV\\Exception\\{}</s:exception><s:message>{}</s:message></D:error>"


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (body(SABRE.format("NotFound", "no such node")), NotFound, "no such node"),
        (body(SABRE.format("Forbidden", "not yours")), Forbidden, "not yours"),
        (body(SABRE.format("Oops", "it broke")), ServerTrouble, "it broke"),
        (body("<D:error><D:need-privileges/></D:error>"), Forbidden, "need-privileges"),
        (body("<D:error/>"), ServerTrouble, "failed"),
        (body(response("/t/n/", DIRECTORY), SABRE.format("NotFound", "x")), ServerTrouble, "broke off its listing: x"),
        (SABRE.format("NotFound", "gone").replace("<D:error", "<D:error xmlns:D='DAV:'").encode(), NotFound, "gone"),
        (body(response("/t/n/", "", "404 Not Found")), NotFound, "no such"),
        (body(response("/t/n/", "", "403 Forbidden")), Forbidden, "not allowed"),
        (body(response("/t/n/", "", "500 Trouble")), ServerTrouble, "failed"),
        (body(), ServerTrouble, "does not describe"),
    ],
)
def test_an_answer_that_refuses(server: OddServer, store: Store, content: bytes, error: type, words: str) -> None:
    server.otherwise = Answer(207, {}, content)
    for ask in (lambda: store.info(T), lambda: list(store.list(T))):
        with pytest.raises(error, match=words) as caught:
            ask()
        assert caught.value.path == "/t/n"


# --- time and nonsense


@pytest.mark.parametrize("encoding", ["nonsense", "utf-7", "ebcdic-cp-us", "shift_jis", "utf-16", "x" * 500])
def test_an_encoding_that_is_not_known_is_the_servers_trouble(encoding: str) -> None:
    content = f'<?xml version="1.0" encoding="{encoding}"?>'.encode() + body(response("/t/n/", DIRECTORY))
    with pytest.raises(ServerTrouble):
        read(content)


@pytest.mark.parametrize(
    "date",
    [
        "Sat, 99 Nov 2026 03:36:32 GMT",
        "9" * 30,
        "0000-00-00T00:00:00Z",
        "\u0660",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "9999-12-31T23:59:59-23:59",
        "é",
    ],
)
def test_nonsense_costs_its_own_field(date: str) -> None:
    props = f"<D:getlastmodified>{date}</D:getlastmodified><D:getcontentlength>{'9' * 5000}</D:getcontentlength>"
    parser = Multistatus(T)
    entries = (
        parser.feed(body(response("/t/n/", DIRECTORY), response("/t/n/a", props), response("/t/n/b"))) + parser.close()
    )
    assert [(entry.path.name, entry.size) for entry in entries] == [("a", None), ("b", None)]


def test_a_listing_in_small_pieces_reads_each_byte_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: what expat and the templates receive is linear in the length."""
    props = "".join(f"<D:p{number}>v</D:p{number}>" for number in range(20_000))
    content = body(response("/t/n/", DIRECTORY), *(response(f"/t/n/{number}", props) for number in range(2)))
    read_of: list[int] = []
    original = multistatus.Responses._read

    def counting(self: multistatus.Responses) -> None:
        read_of.append(len(self._pending))
        original(self)

    monkeypatch.setattr(multistatus.Responses, "_read", counting)
    found, parser = read(content, block=64)
    assert found == ["0", "1"]
    assert sum(read_of) < 3 * len(content)
    assert all(len(template.names) < 100 for template in parser._responses._templates)


@pytest.mark.parametrize(
    "odd", [b"\xff", b"\xc3", b"\x01", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\xef\xbf\xbf", b"\x1f\xfe"]
)
@pytest.mark.parametrize("block", [1, 7, 10_000])
def test_a_name_that_xml_cannot_hold_costs_nothing_else(odd: bytes, block: int) -> None:
    for declaration in (b"", b'<?xml version="1.0" encoding="UTF-8"?>'):
        names = [b"a", b"b" + odd + b"c", "ü".encode(), b"z"]
        hrefs = [response("/t/n/@").encode().replace(b"@", name) for name in names]
        content = declaration + body(response("/t/n/", DIRECTORY), "@").replace(b"@", b"".join(hrefs))
        found, parser = read(content, block=block)
        assert [name for name in found if name.isascii() and name.isprintable()] == ["a", "z"]
        assert len(found) == 4
        parser.unlisted.raise_if_any(T)
        if b"\xbf" not in odd:  # no character at all, which nothing stands for
            assert [name.encode("utf-8", "surrogateescape") for name in found] == names


def test_private_characters_are_names_as_others() -> None:
    assert read(body(response("/t/n/", DIRECTORY), response("/t/n/\U000f0001")))[0] == ["\U000f0001"]


def test_other_encodings_are_read_as_declared() -> None:
    content = (
        '<?xml version="1.0" encoding="iso-8859-1"?>' + body(response("/t/n/", DIRECTORY), response("/t/n/ü")).decode()
    )
    for block in (1, 2, 50, 100_000):
        assert read(content.encode("latin-1"), block=block)[0] == ["ü"]
    content = content.replace("iso-8859-1", "utf-16")
    for block in (1, 2, 50, 100_000):
        assert read(content.encode("utf-16"), block=block)[0] == ["ü"]


# --- the contract


MISSING = {
    "another tree": response("/other/t/n/x"),
    "up": response("/t/n/../x"),
    "a slash in the name": response("/t/n/a%2Fb"),
    "deeper": response("/t/n/a/b"),
    "nothing": response(""),
    "forbidden": response("/t/n/x", "", "403 Forbidden"),
    "broken": response("/t/n/x", "", "500 Internal Server Error"),
}


class TestIncomplete(IncompleteSuite):
    """At a server that lists what has no place, or says of a member that it cannot tell."""

    @pytest.fixture(params=MISSING)
    def broken(self, request: pytest.FixtureRequest, server: OddServer, store: Store) -> Broken:
        itself = response("/t/n/", DIRECTORY)
        empty = body(response("/t/n/sub/", DIRECTORY), response("/t/n/sub/f"))
        answer = Answer(207, {}, body(itself, response("/t/n/sub/", DIRECTORY), MISSING[request.param]))
        server.answers["PROPFIND /t/n/"] = [answer]
        server.answers["PROPFIND /t/n"] = [Answer(207, {}, body(itself))]
        server.answers["PROPFIND /t/n/sub/"] = [Answer(207, {}, empty)]
        return Broken(store, T, {"sub"}, 1, lambda: any(asked.method == "DELETE" for asked in server.asked))


def test_a_member_that_is_unreadable_is_named(server: OddServer, store: Store) -> None:
    server.otherwise = Answer(207, {}, body(response("/t/n/", DIRECTORY), response("/t/n/x", "", "403 Forbidden")))
    with pytest.raises(CtadataError) as caught:
        list(store.list(T))
    assert "/t/n/x" in str(caught.value)


@pytest.mark.parametrize("own_first", [True, False])
def test_a_second_response_with_a_failure_makes_the_listing_incomplete(own_first: bool) -> None:
    cut = "<D:response><D:href>/t/n/</D:href><D:status>HTTP/1.1 507 Insufficient Storage</D:status></D:response>"
    own, member = response("/t/n/", DIRECTORY), response("/t/n/a")
    _, parser = read(body(own, cut, member) if own_first else body(own, member, cut))
    with pytest.raises(Incomplete):
        parser.unlisted.raise_if_any(T)
