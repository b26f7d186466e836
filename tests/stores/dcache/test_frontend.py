"""dCache's REST interface: a store that lists in pages passes the suite, and each request has the right form."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from stores.clients import Holder
from stores.odd_server import Answer, Asked, OddServer
from stores.suite import Broken, IncompleteSuite, StoreSuite

from ctadata.config.profile import Profile
from ctadata.errors import (
    ConfigError,
    Forbidden,
    Incomplete,
    NotFound,
    ServerTrouble,
    Unsupported,
    Untrusted,
    UsageError,
)
from ctadata.http.client import Client
from ctadata.http.messages import Origin
from ctadata.paths import RemotePath
from ctadata.sandbox import Sandbox, faults
from ctadata.stores.base import Store
from ctadata.stores.dcache.frontend import Frontend
from ctadata.stores.dcache.frontend_listing import PagedStore
from ctadata.stores.dcache.tape import TapeLibrary
from ctadata.stores.factory import open_store
from ctadata.tokens.origins import trusted_origins

HOME = RemotePath(("lst", "users", "ada"))


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(write_anywhere=True, token_lifetime=86400) as box:
        yield box


@pytest.fixture(scope="module")
def client(box: Sandbox) -> Iterator[Client]:
    trusted = [Origin.parse(box.door), Origin.parse(box.frontend)]
    client = Client(trusted=trusted, credentials=Holder(box.token(lifetime=3600)), ca=box.ca)
    yield client
    client.close()


def profile_of(box: Sandbox, **keys: str) -> Profile:
    return replace(Profile("box", box.door), frontend=box.frontend, ca=box.ca, **keys)


EMPTY = Answer(200, {}, b'{"fileType": "DIR", "children": []}')


class TestPages(StoreSuite):
    """Listings from the frontend, all else from the door."""

    impossible_names = frozenset({"nl\nx", "tab\there"})  # a pool repeats the name in a header

    @pytest.fixture
    def store(self, box: Sandbox, client: Client) -> Store:
        return open_store(profile_of(box, listing="frontend"), client)


@pytest.fixture
def frontend(box: Sandbox, client: Client) -> Frontend:
    return Frontend(client, box.frontend, root=RemotePath())


def test_a_page_is_a_request(box: Sandbox, frontend: Frontend) -> None:
    for i in range(25):
        box.files.put(f"/pages/{i:02}", b"x")
    box.forget_seen()
    names = [entry.path.name for entry in frontend.list(RemotePath(("pages",)), page=10)]
    assert names == [f"{i:02}" for i in range(25)]
    assert [parse_qs(urlsplit(seen.target).query)["offset"] for seen in box.seen] == [["0"], ["10"], ["20"], ["25"]]


def test_a_page_tells_checksums_and_localities(box: Sandbox, frontend: Frontend) -> None:
    box.files.put("/told/a", b"content", mtime=1e9)
    box.files.entry("/told/a").locality = "NEARLINE"
    (entry,) = frontend.list(RemotePath(("told",)))
    assert (entry.size, entry.mtime, entry.locality) == (7, 1e9, "NEARLINE")
    assert entry.checksums == {"adler32": "0bcb02fc"}


def test_the_root_of_the_profile_stands_before_every_path(box: Sandbox, client: Client) -> None:
    box.files.put("/below/d/a", b"x")
    frontend = Frontend(client, box.frontend, root=RemotePath(("below",)))
    assert [str(entry.path) for entry in frontend.list(RemotePath(("d",)))] == ["/d/a"]
    assert frontend.to_native(RemotePath(("d", "a"))) == "/below/d/a"
    assert frontend.from_native("/below/d/a") == RemotePath(("d", "a"))
    with pytest.raises(ServerTrouble):
        frontend.from_native("/elsewhere/a")


def test_errors_are_those_of_a_store(box: Sandbox, frontend: Frontend) -> None:
    box.files.put("/file", b"x")
    with pytest.raises(NotFound) as caught:
        list(frontend.list(RemotePath(("nowhere",))))
    assert caught.value.path == "/nowhere"
    with pytest.raises(UsageError):
        list(frontend.list(RemotePath(("file",))))


def test_an_answer_that_is_no_json_is_an_error(box: Sandbox, frontend: Frontend) -> None:
    box.faults.add("frontend", "GET", "/api/v1/user", faults.Status(200, "OK", b"<html>"), times=1)
    with pytest.raises(ServerTrouble, match="no JSON"):
        frontend.user()


class TestIncomplete(IncompleteSuite):
    """At a frontend that tells of names that are none."""

    @pytest.fixture(params=["a/b", "..", "", None, 3])
    def broken(self, request: pytest.FixtureRequest, box: Sandbox, client: Client) -> Iterator[Broken]:
        children = [{"fileName": request.param}, {"fileName": "sub", "fileType": "DIR"}]
        answers = {"d": children, "sub": [{"fileName": "f", "size": 1}]}
        box.files.put("/d/x", b"x")
        box.forget_seen()
        with OddServer() as server:
            server.otherwise = EMPTY
            for name, told in answers.items():
                query = "children=true&locality=true&checksum=true&limit=5000&offset=0"
                path = "/d" if name == "d" else "/d/sub"
                body = json.dumps({"fileType": "DIR", "children": told}).encode()
                server.answers[f"GET /api/v1/namespace{path}?{query}"] = [Answer(200, {}, body)]
            door = open_store(replace(profile_of(box), listing="door"), client)
            store = PagedStore(door, Frontend(client, server.url, root=RemotePath()))
            yield Broken(
                store, RemotePath(("d",)), {"sub"}, 1, lambda: any(seen.method == "DELETE" for seen in box.seen)
            )


class Pages(OddServer):
    """A frontend that gives of `names` at most `most` at a time, whatever the limit.

    repeats: how many names of a page the next one has again.   described: fields of a name, by name and offset.
    """

    def __init__(self, *names: str, most: int, repeats: int = 0) -> None:
        super().__init__()
        self.names, self.most, self.repeats = names, most, repeats
        self.described: dict[tuple[str, int], dict] = {}

    def next_answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        offset = int(parse_qs(urlsplit(asked.target).query)["offset"][0])
        first = max(0, offset - self.repeats) if offset < len(self.names) else offset
        now = self.names[first : first + self.most]
        told = [{"fileName": name, "size": 1, **self.described.get((name, offset), {})} for name in now]
        return Answer(200, {}, json.dumps({"fileType": "DIR", "children": told}).encode())


@pytest.mark.parametrize("most", [1, 3, 4, 7])
def test_a_page_that_is_short_is_not_the_last(client: Client, most: int) -> None:
    """dCache sends what it has read where it cannot read on."""
    with Pages(*"abcdefg", most=most) as server:
        listing = Frontend(client, server.url, root=RemotePath()).list(RemotePath(("d",)))
        assert [entry.path.name for entry in listing] == list("abcdefg")
        assert len(server.asked) == -(-7 // most) + 1
    with Pages(most=1) as server:
        assert list(Frontend(client, server.url, root=RemotePath()).list(RemotePath(("d",)))) == []
        assert len(server.asked) == 1


def test_a_listing_that_breaks_off_after_a_short_page_is_an_error(client: Client) -> None:
    with OddServer() as server:
        server.otherwise = Answer(403)
        query = "children=true&locality=true&checksum=true&limit=5000&offset=0"
        body = json.dumps({"fileType": "DIR", "children": [{"fileName": "a"}]}).encode()
        server.answers[f"GET /api/v1/namespace/d?{query}"] = [Answer(200, {}, body)]
        entries = Frontend(client, server.url, root=RemotePath()).list(RemotePath(("d",)))
        assert next(entries).path.name == "a"
        with pytest.raises(Forbidden):
            next(entries)


@pytest.mark.parametrize("described", [{}, {"size": 2}, {"fileType": "DIR"}, {"mtime": 5000}])
def test_a_name_on_two_pages_is_listed_once(client: Client, described: dict) -> None:
    """Where it is described in another way, the listing is incomplete."""
    with Pages(*"abcdefg", most=4, repeats=1) as server:
        server.described["d", 4] = described
        found: list[str] = []
        listing = Frontend(client, server.url, root=RemotePath()).list(RemotePath(("d",)))
        with pytest.raises(Incomplete, match="differently") if described else contextlib.nullcontext():
            for entry in listing:
                found.append(entry.path.name)
        assert found == list("abcdefg")


@pytest.mark.parametrize("name", ["a", "a/b", None, 3])
def test_a_page_that_is_the_same_at_every_offset_ends_the_listing(client: Client, name: object) -> None:
    with OddServer() as server:
        server.otherwise = Answer(200, {}, json.dumps({"fileType": "DIR", "children": [{"fileName": name}]}).encode())
        with pytest.raises(ServerTrouble, match="same page"):
            list(Frontend(client, server.url, root=RemotePath()).list(RemotePath(("d",))))
        assert len(server.asked) == 2


def test_pages_that_come_again_are_an_error(client: Client) -> None:
    """A, B, A, B: never without end, and never the end."""
    pages = [
        Answer(
            200,
            {},
            json.dumps({"fileType": "DIR", "children": [{"fileName": f"{name}{i}"} for i in range(2)]}).encode(),
        )
        for name in "abab"
    ]
    with OddServer() as server:
        for offset, page in zip(range(0, 8, 2), pages, strict=True):
            query = f"children=true&locality=true&checksum=true&limit=2&offset={offset}"
            server.answers[f"GET /api/v1/namespace/d?{query}"] = [page]
        with pytest.raises(ServerTrouble, match="same page"):
            list(Frontend(client, server.url, root=RemotePath()).list(RemotePath(("d",)), page=2))


@pytest.mark.parametrize(
    "field",
    [
        *(
            {"size": "big"},
            {"size": -1},
            {"size": 10**30},
            {"size": True},
            {"mtime": "x"},
            {"mtime": 10**20},
            {"mtime": 1.5},
        ),
        *({"checksums": 3}, {"checksums": [3]}, {"checksums": [{"type": "ADLER32", "value": "no digits"}]}),
        *({"fileLocality": 3}, {"pnfsId": []}, {"fileType": 3}),
    ],
    ids=str,
)
def test_nonsense_costs_its_own_field(client: Client, field: dict) -> None:
    with Pages("a", "b", most=2) as server:
        server.described = {("a", 0): field, ("b", 0): {"size": 2}}
        a, b = Frontend(client, server.url, root=RemotePath()).list(RemotePath(("d",)))
    assert (a.path.name, b.path.name, b.size) == ("a", "b", 2)
    assert a.size == (None if "size" in field else 1)
    assert (a.mtime, dict(a.checksums), a.locality) == (None, {}, None)


MEANT_OTHERWISE = [
    *(b"null", b"[]", b'"x"', b"3", b"[3]", b'{"children": 3}', b'{"fileType": "DIR", "children": 3}'),
    *(b'{"fileType": "DIR", "children": [3]}', b'{"fileType": "DIR", "children": [{}]}'),
    *(b'{"fileType": "DIR", "children": [{"fileName": "%s"}]}' % name for name in (b"a/b", b"..", b"")),
    b'{"fileType": "DIR", "children": [{"fileName": "a", "size": "big"}]}',
    b'{"fileType": "DIR", "children": [{"fileName": "a", "mtime": true}]}',
    b'{"fileType": "DIR", "children": [{"fileName": "a", "checksums": [3]}]}',
    b'{"fileType": "DIR", "children": [{"fileName": "a", "fileLocality": 3}]}',
    *(b'{"extendedAttributes": [3]}', b'{"labels": 3}', b'{"name": 3}', b'[{"id": "x"}]', b'[{"replica": "x"}]'),
    *(b'{"files": 3}', b'{"files": [3]}', b'{"files": [{"path": "/../x"}]}', b'{"requestId": ["../x"]}'),
    *(b'[{"path": 3}]', b'{"endpoints": [3]}', b'{"endpoints": [{"version": "v1", "uri": "file:///x"}]}'),
]


@pytest.mark.parametrize("answer", MEANT_OTHERWISE)
def test_unexpected_json_is_server_trouble(client: Client, answer: bytes) -> None:
    """Whatever it is asked: no other error comes out."""
    with OddServer() as server:
        server.otherwise = Answer(200, {"Content-Type": "application/json"}, answer)
        frontend = Frontend(client, server.url, root=RemotePath())
        tape = TapeLibrary(frontend, [server.url], frozenset([Origin.parse(server.url)]))
        path = RemotePath(("d",))
        asks: list[Callable[[], object]] = [
            *(lambda: list(frontend.list(path)), lambda: frontend.details(path), frontend.qualities, frontend.quotas),
            *(frontend.user, lambda: tape.base),
        ]
        tape._known = server.url
        asks += [lambda: tape.status("x"), lambda: tape.stage([path]), lambda: list(tape.localities([path]))]
        for ask in asks:
            with contextlib.suppress(ServerTrouble, UsageError, Untrusted, Unsupported, Incomplete):
                ask()


def test_a_page_that_comes_again_and_again_ends_the_listing(client: Client) -> None:
    with OddServer() as server:
        children = [{"fileName": name, "fileType": "REGULAR"} for name in "ab"]
        server.otherwise = Answer(200, {}, json.dumps({"fileType": "DIR", "children": children}).encode())
        listing = Frontend(client, server.url, root=RemotePath()).list(RemotePath(("d",)), page=2)
        with pytest.raises(ServerTrouble, match="same page"):
            list(listing)
        assert len(server.asked) == 2


def test_a_change_without_permission_is_forbidden(box: Sandbox) -> None:
    with Sandbox() as strict:
        strict.files.put("/lst/shared/a", b"x")
        trusted = [Origin.parse(strict.frontend)]
        client = Client(trusted=trusted, credentials=Holder(strict.token()), ca=strict.ca)
        with pytest.raises(Forbidden):
            Frontend(client, strict.frontend, root=RemotePath()).set_label(RemotePath(("lst", "shared", "a")), "l")
        client.close()


def test_a_frontend_that_is_not_named_is_not_asked(box: Sandbox, client: Client) -> None:
    with pytest.raises(ConfigError, match="no REST interface"):
        open_store(replace(Profile("box", box.door), listing="frontend"), client)
    assert Origin.parse(box.frontend) not in trusted_origins(Profile("box", box.door))


def test_a_sync_by_checksum_costs_a_request_for_each_page(box: Sandbox, tmp_path: Path) -> None:
    """10,000 files that are equal: two pages, and a third that is empty."""
    from ctadata.config.resolve import resolve_profile
    from ctadata.session import Session
    from ctadata.transfer.equality import Compare
    from ctadata.transfer.plan import Rules

    files = 10_000
    node = box.files.put("/many/seed", b"content")
    children = box.files.entry("/many").children
    children.clear()
    for i in range(files):
        children[f"{i:05}"] = node
    target = tmp_path / "many"
    target.mkdir()
    for i in range(files):
        (target / f"{i:05}").write_bytes(b"content")
    config, token = tmp_path / "config.toml", tmp_path / "token"
    config.write_text(box.profile_toml() + 'listing = "frontend"\n')
    token.touch(mode=0o600)
    token.write_text(box.token())
    box.forget_seen()
    env = {"CTADATA_CONFIG": str(config)}
    with Session.open(resolve_profile("sandbox", env=env), token_file=token, env=env) as session:
        rules = Rules(compare=Compare.CHECKSUM)
        summary = session.sync_down(RemotePath(("many",)), str(target), rules=rules)
    assert (summary.skipped, summary.done, summary.failed) == (files, 0, [])
    listings = [seen for seen in box.seen if seen.server == "frontend"]
    assert len(listings) == 3
    assert len([seen for seen in box.seen if seen.server == "door"]) == 1  # what is synced: a collection


class _Millions(BaseHTTPRequestHandler):
    """A frontend with a collection of so many entries that only pages of it are ever made."""

    protocol_version = "HTTP/1.1"
    files = 0

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        first, limit = int(query["offset"][0]), int(query["limit"][0])
        children = [
            {"fileName": f"{i:09}", "fileType": "REGULAR", "size": i, "mtime": 10**12, "fileLocality": "ONLINE",
             "checksums": [{"type": "ADLER32", "value": "0bcb02fc"}]}
            for i in range(first, min(first + limit, self.files))
        ]  # fmt: skip
        body = json.dumps({"fileType": "DIR", "children": children}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


LISTING = """
import resource, sys
from ctadata.http.client import Client
from ctadata.paths import RemotePath
from ctadata.stores.dcache.frontend import Frontend
client = Client(trusted=[], credentials=None)
seen, first = 0, 0
for entry in Frontend(client, sys.argv[1], root=RemotePath()).list(RemotePath(("d",))):
    seen += 1
    if seen == 5000:
        first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
client.close()
print(seen, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - first)
"""


def test_memory_does_not_grow_with_the_collection(count) -> None:
    handler = type("Handler", (_Millions,), {"files": count(30_000, 1_000_000)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        done = subprocess.run(
            [sys.executable, "-c", LISTING, url], capture_output=True, text=True, timeout=300, check=True
        )
        server.shutdown()
    seen, grown = map(int, done.stdout.split())
    assert seen == handler.files
    assert grown < 10_000  # KiB beyond the first page
