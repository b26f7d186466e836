"""The Multi-Status parser, against the recorded bodies of eight servers and against bodies no server should send."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from memory import stays_below

from ctadata.entries import Entry, Kind
from ctadata.errors import Forbidden, Incomplete, ServerTrouble
from ctadata.paths import RemotePath
from ctadata.stores.webdav.multistatus import Multistatus

FIXTURES = Path(__file__).parent / "fixtures"

LONG = "x" * 255
NAMES = {
    *(" lead", "%41.txt", ".dot", "100%.txt", "C1\x85x", "a b.txt", "a%2Fb", "amp&.txt", "at@.txt", "back\\slash.txt"),
    *("br[a]ck.txt", "bt`.txt", "car^et.txt", "col:on.txt", "com,ma.txt", "cur{ly}.txt", "dol$.txt", 'dq".txt'),
    *("eq=.txt", "ex!c.txt", "e\u0301nfd.txt", "h#sh.txt", "lt<gt>.txt", "nl\nx", "p+lus.txt", "par(en).txt"),
    *("pipe|.txt", "q?m.txt", "quo'te.txt", "semi;c.txt", "st*r.txt", "tab\there", "til~de.txt", "trail "),
    *(LONG, "ünï.txt", "日本.txt", "😀.txt"),
}

# what each server is known to get wrong itself: (names that it does not tell, names that it tells instead)
LOST = {
    "apache-oidc": (set(), set()),
    "wsgidav": (set(), set()),
    "nginx": ({".dot"}, set()),  # hides dot files
    "rclone": ({"tab\there", "nl\nx"}, {"tab\u2409here", "nl\u240ax"}),  # look-alikes of control characters
    "npmdav": ({"back\\slash.txt", "nl\nx"}, set()),  # refused at the upload; a line feed was not tried there
    "asgi": ({"%41.txt", "a%2Fb", "nl\nx"}, {"A.txt"}),  # decodes a path twice
    "xrd-one": ({"q?m.txt", "nl\nx", LONG}, {"q", LONG[:-1]}),  # cuts at `?`; its long name was one shorter
    "xrd-cl": (
        {"q?m.txt", "nl\nx", LONG, "h#sh.txt", "tab\there", "100%.txt", "%41.txt", "a%2Fb"},
        {"100", "a", "A.txt", LONG[:-1]},
    ),  # as its redirects carry the path without encoding
}
RAW = {"xrd-one", "xrd-cl"}


def parse(body: bytes, at: str, *, raw: bool = False, root: str = "", block: int = 1000) -> tuple[list[Entry], Entry]:
    parser = Multistatus(RemotePath.parse(at), root=RemotePath.parse(root), raw=raw)
    entries = [entry for i in range(0, len(body), block) for entry in parser.feed(body[i : i + block])]
    entries += parser.close()
    assert parser.requested is not None
    return entries, parser.requested


def listing(*responses: str, at: str = "/t/n/") -> bytes:
    return multistatus(directory(at), *responses)


def multistatus(*responses: str) -> bytes:
    return f'<x:multistatus xmlns:x="DAV:">{"".join(responses)}</x:multistatus>'.encode()


def directory(href: str) -> str:
    return response(href, "<x:resourcetype><x:collection/></x:resourcetype>")


def response(href: str, props: str = "", status: str = "HTTP/1.1 200 OK") -> str:
    propstat = f"<x:propstat><x:prop>{props}</x:prop><x:status>{status}</x:status></x:propstat>"
    return f"<x:response><x:href>{href}</x:href>{propstat}</x:response>"


def names(entries: list[Entry]) -> list[str]:
    return [entry.path.name for entry in entries]


@pytest.mark.parametrize("server", LOST)
@pytest.mark.parametrize("block", [1, 777, 1 << 20])
def test_the_odd_names_of_every_server(server: str, block: int) -> None:
    lost, instead = LOST[server]
    body = (FIXTURES / f"{server}-names.xml").read_bytes()
    entries, itself = parse(body, "/t/n", raw=server in RAW, block=block)
    assert len(entries) == len(set(names(entries)))
    assert set(names(entries)) == NAMES - lost | instead
    assert itself.path == RemotePath.parse("/t/n")
    assert itself.is_directory
    assert all(entry.path.parent == itself.path for entry in entries)
    folders = {"a"} if server == "xrd-cl" else set()  # `a%2Fb`, decoded once too often, became a file in a folder
    assert {entry.path.name for entry in entries if entry.is_directory} == folders
    assert all(entry.mtime and (entry.size or entry.is_directory) for entry in entries)


@pytest.mark.parametrize("server", sorted(RAW))
def test_unencoded_paths_are_noticed(server: str) -> None:
    body = (FIXTURES / f"{server}-names.xml").read_bytes()
    assert names(parse(body, "/t/n")[0]) == names(parse(body, "/t/n", raw=True)[0])


@pytest.mark.parametrize("at", ["/t/%41 b/", "/t/%2541%20b/"], ids=["as it is", "as it was asked for"])
def test_a_collection_whose_own_path_is_not_encoded(at: str) -> None:
    body = listing(response("/t/%41 b/%42 c"), at=at)
    assert names(parse(body, "/t/%41 b", raw=True)[0]) == ["%42 c"]


@pytest.mark.parametrize("server", LOST)
def test_kind_size_time_and_tag_of_every_server(server: str) -> None:
    entries, itself = parse((FIXTURES / f"{server}-tree.xml").read_bytes(), "/t")
    found = {entry.path.name: entry for entry in entries}
    assert set(found) == {"f.txt", "sub"}
    assert found["sub"].kind is Kind.DIRECTORY
    assert found["sub"].size is None
    assert found["f.txt"].kind is Kind.FILE
    assert found["f.txt"].size == 20
    assert itself.size is None
    for entry in (*entries, itself):
        assert entry.mtime is not None
        assert 1795219200 <= entry.mtime < 1795305600  # the day they were recorded, 2026-11-21
    assert (found["f.txt"].etag is None) == (server in {"nginx", *RAW})
    assert found["f.txt"].etag is None or found["f.txt"].etag.endswith('"')


def test_a_tag_without_quotes_gets_them() -> None:
    entries, _ = parse((FIXTURES / "wsgidav-tree.xml").read_bytes(), "/t")
    (tag,) = (entry.etag for entry in entries if entry.kind is Kind.FILE)
    assert tag is not None
    assert tag.startswith('"')


def test_the_properties_that_dcache_adds() -> None:
    props = (
        "<x:getcontentlength>7</x:getcontentlength>"
        '<a:Checksums xmlns:a="http://www.dcache.org/2013/webdav">md5=1B2M2Y8AsgTpgAmY7PhCfg==,adler32=5AE07809</a:Checksums>'
        '<b:FileLocality xmlns:b="http://srm.lbl.gov/StorageResourceManager">NEARLINE</b:FileLocality>'
    )
    (entry,) = parse(listing(response("/t/n/a", props)), "/t/n")[0]
    assert entry.checksums == {"md5": "d41d8cd98f00b204e9800998ecf8427e", "adler32": "5ae07809"}
    assert entry.locality == "NEARLINE"
    assert entry.size == 7


def test_namespaces_count_and_prefixes_do_not() -> None:
    body = (
        '<multistatus xmlns="DAV:" xmlns:D="urn:other"><response><href>/t/</href></response>'
        "<response><href>/t/a</href><D:href>/t/b</D:href><propstat><prop><D:getcontentlength>1</D:getcontentlength>"
        '<q:getcontentlength xmlns:q="DAV:">2</q:getcontentlength></prop><status>HTTP/1.1 200 OK</status></propstat>'
        "</response><D:response><href>/t/c</href></D:response></multistatus>"
    )
    entries, _ = parse(body.encode(), "/t")
    assert [(entry.path.name, entry.size) for entry in entries] == [("a", 2)]


def test_only_properties_with_a_2xx_status_count() -> None:
    found = (
        "<x:propstat><x:status>HTTP/1.1 200 OK</x:status>"
        "<x:prop><x:getcontentlength>5</x:getcontentlength></x:prop></x:propstat>"
    )
    missing = (
        "<x:propstat><x:prop><x:getcontentlength>9</x:getcontentlength><x:getetag>no</x:getetag><x:resourcetype>"
        "<x:collection/></x:resourcetype></x:prop><x:status>HTTP/1.1 404 Not Found</x:status></x:propstat>"
    )
    for propstats in (found + missing, missing + found):
        (entry,) = parse(listing(f"<x:response><x:href>/t/n/a</x:href>{propstats}</x:response>"), "/t/n")[0]
        assert (entry.kind, entry.size, entry.etag) == (Kind.FILE, 5, None)


def test_a_propstat_without_a_status_counts_for_nothing() -> None:
    body = listing(
        response("/t/n/a", "<x:getcontentlength>5</x:getcontentlength>"),
        "<x:response><x:href>/t/n/b</x:href><x:propstat><x:prop><x:getcontentlength>5</x:getcontentlength></x:prop>"
        "</x:propstat></x:response>",
    )
    assert [entry.size for entry in parse(body, "/t/n")[0]] == [5, None]


def test_elements_of_another_namespace_are_ignored() -> None:
    owner = "<x:lockdiscovery><x:owner><x:href>/t/n/owner</x:href></x:owner><x:getetag>x</x:getetag></x:lockdiscovery>"
    (entry,) = parse(listing(response("/t/n/a", owner)), "/t/n")[0]
    assert (entry.path.name, entry.etag) == ("a", None)


def test_a_response_may_have_a_status_of_its_own() -> None:
    parser = Multistatus(RemotePath.parse("/t/n"))
    body = listing(
        *(
            f"<x:response><x:href>/t/n/{name}</x:href><x:status>HTTP/1.1 {status}</x:status></x:response>"
            for name, status in (("fine", "200 OK"), ("gone", "404 Not Found"), ("secret", "403 Forbidden"))
        )
    )
    assert names(parser.feed(body)) == ["fine"]
    assert parser.close() == []
    with pytest.raises(Incomplete) as caught:
        parser.unlisted.raise_if_any(RemotePath.parse("/t/n"))
    assert [(type(each), each.path) for each in caught.value.failures] == [(Forbidden, "/t/n/secret")]
    assert caught.value.code == 4


def test_one_status_may_be_that_of_several_hrefs() -> None:
    """RFC 4918 section 14.24."""
    parser = Multistatus(RemotePath.parse("/t/n"))
    parts = [
        "<x:response>" + "".join(f"<x:href>/t/n/{name}{i}</x:href>" for i in range(2)) + f"<x:status>HTTP/1.1 {status}"
        "</x:status></x:response>"
        for name, status in (("fine", "200 OK"), ("gone", "404 Not Found"), ("secret", "403 Forbidden"))
    ]
    assert names(parser.feed(listing(*parts))) == ["fine0", "fine1"]
    parser.close()
    assert [path.name for path in parser.ambiguous] == ["gone0", "gone1"]
    with pytest.raises(Incomplete) as caught:
        parser.unlisted.raise_if_any(RemotePath.parse("/t/n"))
    assert [each.path for each in caught.value.failures] == ["/t/n/secret0", "/t/n/secret1"]


def test_a_property_that_is_called_href_is_no_href() -> None:
    (entry,) = parse(listing(response("/t/n/a", "<x:href>/t/n/b</x:href>")), "/t/n")[0]
    assert entry.path.name == "a"


def test_a_file_with_the_href_of_the_collection_makes_the_listing_incomplete() -> None:
    """It may be a member that the server names wrongly."""
    parser = Multistatus(RemotePath.parse("/t/n"))
    file = response("/t/n/", "<x:resourcetype/><x:getcontentlength>5</x:getcontentlength>")
    assert names(parser.feed(listing(response("/t/n/a"), file))) == ["a"]
    parser.close()
    with pytest.raises(Incomplete):
        parser.unlisted.raise_if_any(RemotePath.parse("/t/n"))


def test_the_collection_itself_may_be_refused() -> None:
    parser = Multistatus(RemotePath.parse("/t"))
    body = "<x:response><x:href>/t/</x:href><x:status>HTTP/1.1 403 Forbidden</x:status></x:response>"
    assert parser.feed(multistatus(body)) == []
    parser.close()
    assert (parser.requested, parser.status) == (None, 403)


@pytest.mark.parametrize(
    "href",
    [
        "/t/n/..",
        "/t/n/../x",
        "/t/n/%2e%2e",
        "/t/n/%2E%2E/x",
        "/t/n/a%2Fb",
        "/t/n/..%2f..%2fetc%2fpasswd",
        "/t/n/a%00b",
        "/t/n/sub/deeper",
        "/t",
        "/t/",
        "/",
        "/t/other",
        "/t/nn",
        "/T/n/a",
        "n/a",
        "../n/a",
        "../a",
        "/px/t/n/a",
        "/n/a",
        "a/b",
        "a%2fb",
        "/t/n/a/%2e%2e",
        "/t/n//a//b",
        "http:/t/n/a",
        "",
        "https://elsewhere.example/t/other/a",
        "//t/n",
        "javascript:/t/n/a",
    ],
)
def test_a_href_not_directly_below_is_counted_and_never_listed(href: str) -> None:
    before = listing(response(href), response("/t/n/good"))
    after = multistatus(response("/t/n/good"), response(href), directory("/t/n/"))
    for body in (before, after):
        parser = Multistatus(RemotePath.parse("/t/n"))
        assert names(parser.feed(body) + parser.close()) == ["good"]
        if href == "//t/n":  # doubled slashes: the collection once more
            parser.unlisted.raise_if_any(RemotePath.parse("/t/n"))
        else:
            with pytest.raises(Incomplete, match="not a valid name") as caught:
                parser.unlisted.raise_if_any(RemotePath.parse("/t/n"))
            assert (caught.value.count, caught.value.code) == (1, 5)
        assert names(parse(body, "/t/n")[0]) == ["good"]
        assert all(".." not in entry.path.parts for entry in parse(body, "/t/n", raw=True)[0])


@pytest.mark.parametrize(
    "href",
    [
        "/t/n/b%C3%BC",
        "/t/n/b%c3%bc/",
        "https://other.example:1/t/n/b%C3%BC",
        "http://[::1]:8/%74/n/b%C3%BC",
        "//t//n/b%C3%BC",
        "/t/n//b%C3%BC",
        "/t/./n/b%C3%BC",
        "b%C3%BC",
        "./b%C3%BC/",
        "t/n/b%C3%BC",
        " \n /t/n/b%C3%BC\n ",
    ],
)
@pytest.mark.parametrize("at", ["/t/n", "/t/n/", "https://other.example/t/n/", "/%74/n/"])
def test_the_spellings_of_an_href(href: str, at: str) -> None:
    assert names(parse(listing(response(href), at=at), "/t/n")[0]) == ["bü"]
    assert names(parse(multistatus(response(href), directory(at)), "/t/n")[0]) == ["bü"]


def test_names_that_are_not_utf_8_come_back_as_they_went() -> None:
    (entry,) = parse(listing(response("/t/n/%FF%fe.txt")), "/t/n")[0]
    assert entry.path.encoded == "/t/n/%FF%FE.txt"


def test_the_root_of_the_store_and_the_root_of_the_server() -> None:
    assert names(parse(listing(response("/a"), at="/"), "/")[0]) == ["a"]
    (entry,) = parse(
        listing(response("/pnfs/site/t/a"), response("/t/b"), at="/pnfs/site/t/"), "/t", root="/pnfs/site"
    )[0]
    assert str(entry.path) == "/t/a"


def test_the_resourcetype_and_not_the_slash_makes_a_directory() -> None:
    iscollection = "<x:iscollection>{}</x:iscollection>"
    body = listing(
        response("/t/n/file/"),
        directory("/t/n/one"),
        response("/t/n/two", iscollection.format("TRUE")),
        response("/t/n/three", iscollection.format(1)),
        response("/t/n/four", iscollection.format(0)),
    )
    kinds = {entry.path.name: entry.kind.value for entry in parse(body, "/t/n")[0]}
    assert kinds == {"file": "file", "one": "directory", "two": "directory", "three": "directory", "four": "file"}


@pytest.mark.parametrize("size", ["", "-1", "abc", "1e3", "9" * 40, "²", "1 2"])
def test_an_invalid_size_is_none(size: str) -> None:
    (entry,) = parse(listing(response("/t/n/a", f"<x:getcontentlength>{size}</x:getcontentlength>")), "/t/n")[0]
    assert entry.size is None


DOCTYPE = '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    "body",
    [
        DOCTYPE.encode() + listing(response("/t/n/&b;")),
        b'<!DOCTYPE multistatus SYSTEM "http://127.0.0.1:9/x.dtd">' + listing(),
        listing(response("/t/n/&undeclared;")),
        listing()[:-5],
        b"",
        b"not xml",
        b"<html><body>Index of /t/n</body></html>",
        b'<multistatus xmlns="urn:other"/>',
        multistatus(),
        multistatus(directory("/elsewhere/"), response("/elsewhere/a")),
        listing(response("/t/n/" + "x" * (2 << 20))),
        listing(response("/t/n/a", "<x:deep>" * 300000)),
    ],
    ids=range(12),
)
def test_a_body_without_the_collection_is_an_error(body: bytes) -> None:
    with pytest.raises(ServerTrouble) as caught:
        parse(body, "/t/n", block=1 << 16)
    assert caught.value.path == "/t/n"


def many(count: int) -> Iterator[bytes]:
    """A listing as dCache writes it, in blocks of 100 entries."""
    head = directory("/t/n/")
    yield f'<x:multistatus xmlns:x="DAV:" xmlns:ns1="http://www.dcache.org/2013/webdav">{head}'.encode()
    for i in range(0, count, 100):
        yield "".join(
            response(
                f"/t/n/run{k:08d}.fits.fz",
                f'<x:getcontentlength>{k}</x:getcontentlength><x:getetag>"{k}"</x:getetag><x:getlastmodified>Sat, '
                f"21 Nov 2026 03:36:32 GMT</x:getlastmodified><ns1:Checksums>adler32={k:08x}</ns1:Checksums>",
            )
            for k in range(i, i + 100)
        ).encode()
    yield b"</x:multistatus>"


def test_a_long_listing_needs_no_more_memory_than_a_short_one() -> None:
    def parse() -> None:
        parser = Multistatus(RemotePath.parse("/t/n"))
        count = sum(len(parser.feed(block)) for block in many(20000))
        parser.close()
        assert count == 20000

    assert stays_below(2_000_000, parse)


def test_twenty_thousand_entries_in_well_under_the_time_a_server_needs() -> None:
    blocks = list(many(20000))
    parser, start = Multistatus(RemotePath.parse("/t/n")), time.process_time()
    for block in blocks:
        parser.feed(block)
    parser.close()
    assert time.process_time() - start < 20  # 0.3 s of work here; a quadratic parser needs minutes
