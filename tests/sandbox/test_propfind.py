"""PROPFIND as the door's WebDAV library writes it (dcache.md 1.1)."""

import base64
import hashlib
import xml.etree.ElementTree as ET
import zlib

import pytest

from ctadata.sandbox.faults import EmptyListing

DAV = "{DAV:}"
CHECKSUMS = "{http://www.dcache.org/2013/webdav}Checksums"
LOCALITY = "{http://srm.lbl.gov/StorageResourceManager}FileLocality"
ASK = """<?xml version="1.0"?><D:propfind xmlns:D="DAV:" xmlns:a="http://www.dcache.org/2013/webdav"
 xmlns:b="http://srm.lbl.gov/StorageResourceManager"><D:prop>{}</D:prop></D:propfind>"""


@pytest.fixture(autouse=True)
def data(box):
    box.files.put("/lst/d/one.txt", b"one", mtime=1.6e9)
    box.files.mkdir("/lst/d/sub")


def ask(call, path, *names, depth="1", **headers):
    body = ASK.format("".join(f"<{name}/>" for name in names)).encode() if names else None
    sent = {"Depth": depth} if depth else {}
    return call.door("PROPFIND", path, body, {**sent, **headers})


def hrefs(reply):
    return [element.text for element in ET.fromstring(reply.body).iter(DAV + "href")]


def stats(reply, index):
    """Return the properties of one response by status: {"200": {tag: element}, "404": ...}."""
    response = ET.fromstring(reply.body).findall(DAV + "response")[index]
    return {
        stat.findtext(DAV + "status").split()[1]: {element.tag: element for element in stat.find(DAV + "prop")}
        for stat in response.findall(DAV + "propstat")
    }


def test_status_and_headers(call):
    reply = ask(call, "/lst/d/")
    assert (reply.status, reply.reason) == (207, "Multi-status")
    assert reply["DAV"] == "1, 2"
    assert (reply["Content-Length"], reply["Transfer-Encoding"]) == (None, "chunked")
    assert reply["Content-Type"].startswith(("text/xml", "application/xml"))
    assert reply["Date"]


def test_byte_for_byte(box, call):
    """Compare the whole body: one line, prefixes, two propstats, empty elements."""
    box.files.remove("/lst/d/sub")
    reply = ask(call, "/lst/d/", "D:resourcetype", "D:getcontentlength", "a:Checksums")
    assert reply.body.decode() == (
        '<?xml version="1.0" encoding="utf-8" ?>\n'
        '<d:multistatus xmlns:cal="urn:ietf:params:xml:ns:caldav" '
        'xmlns:cs="http://calendarserver.org/ns/" xmlns:card="urn:ietf:params:xml:ns:carddav" '
        'xmlns:d="DAV:" xmlns:ns1="http://www.dcache.org/2013/webdav">'
        "<d:response><d:href>/lst/d/</d:href>"
        "<d:propstat><d:prop><d:resourcetype><d:collection/></d:resourcetype></d:prop>"
        "<d:status>HTTP/1.1 200 OK</d:status></d:propstat>"
        "<d:propstat><d:prop><ns1:Checksums/><d:getcontentlength/></d:prop>"
        "<d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response>"
        "<d:response><d:href>/lst/d/one.txt</d:href>"
        "<d:propstat><d:prop><d:getcontentlength>3</d:getcontentlength>"
        "<ns1:Checksums>adler32=02910143</ns1:Checksums></d:prop>"
        "<d:status>HTTP/1.1 200 OK</d:status></d:propstat>"
        "<d:propstat><d:prop><d:resourcetype/></d:prop>"
        "<d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response>"
        "</d:multistatus>"
    )


def test_hrefs_are_paths_and_directories_end_in_a_slash(call):
    assert hrefs(ask(call, "/lst/d/")) == ["/lst/d/", "/lst/d/one.txt", "/lst/d/sub/"]
    assert hrefs(ask(call, "/lst/d")) == ["/lst/d/", "/lst/d/one.txt", "/lst/d/sub/"]
    assert hrefs(ask(call, "/lst/d/one.txt")) == ["/lst/d/one.txt"]


def test_the_target_keeps_the_clients_encoding(box, call):
    box.files.mkdir("/lst/a&b ü~")
    assert hrefs(ask(call, "/lst/a&b%20%c3%bc~", depth="0")) == ["/lst/a%26b%20%c3%bc~/"]


def test_names_are_percent_encoded_but_for_a_few(box, call):
    box.files.mkdir("/lst/names")
    box.files.put("/lst/names/A-z_0.*", b"")
    box.files.put("/lst/names/ ~+@&'é", b"")
    assert hrefs(ask(call, "/lst/names/"))[1:] == [
        "/lst/names/A-z_0.*",
        "/lst/names/%20%7E%2B%40%26%27%C3%A9",
    ]


def test_names_of_a_hostile_server(box, call):
    for name in ("..", "/etc/passwd", "a\\b", "nul\0", "\udcff"):
        box.files.plant("/lst/evil", name, b"x")
    assert hrefs(ask(call, "/lst/evil", "D:getetag"))[1:] == [
        "/lst/evil/..",
        "/lst/evil/%2Fetc%2Fpasswd",
        "/lst/evil/a%5Cb",
        "/lst/evil/nul%00",
        "/lst/evil/%FF",
    ]
    assert call.bare("GET", call.ticket("/lst/evil/%FF")).body == b"x"


def test_depth(box, call):
    box.files.put("/lst/d/sub/2/3/4", b"")
    everything = ["/lst/d/", "/lst/d/one.txt", "/lst/d/sub/", "/lst/d/sub/2/", "/lst/d/sub/2/3/"]
    assert hrefs(ask(call, "/lst/d/", depth="0")) == everything[:1]
    assert hrefs(ask(call, "/lst/d/", depth="1")) == everything[:3]
    for three in ("infinity", None, "nonsense"):
        assert hrefs(ask(call, "/lst/d/", depth=three)) == everything


def test_an_empty_body_asks_for_seven_properties(call):
    reply = ask(call, "/lst/d/")
    file, directory = stats(reply, 1), stats(reply, 2)
    names = [
        "creationdate",
        "getlastmodified",
        "displayname",
        "getcontenttype",
        "getcontentlength",
        "getetag",
    ]
    assert list(file["200"]) == [DAV + name for name in names]
    assert list(file["404"]) == [DAV + "resourcetype"]
    assert list(directory["404"]) == [DAV + "getcontentlength"]
    assert directory["200"][DAV + "resourcetype"][0].tag == DAV + "collection"


def test_a_body_that_is_no_xml_counts_as_empty(call):
    whole = call.door("PROPFIND", "/lst/d/one.txt", b"<propfind", {"Depth": "0"})
    assert len(stats(whole, 0)["200"]) == 6


def test_formats(box, call):
    found = stats(ask(call, "/lst/d/one.txt", "D:creationdate", "D:getlastmodified", "D:getetag"), 0)["200"]
    assert found[DAV + "getlastmodified"].text == "Sun, 13 Sep 2020 12:26:40 GMT"
    assert found[DAV + "getetag"].text == box.files.entry("/lst/d/one.txt").etag
    assert len(found[DAV + "creationdate"].text) == len("2020-05-11T12:13:17Z")


def test_unknown_properties_are_404_and_brief_leaves_them_out(call):
    found = stats(ask(call, "/lst/d/one.txt", "D:nonsense", "D:getcontentlength"), 0)
    assert set(found["404"]) == {DAV + "nonsense"}
    brief = stats(ask(call, "/lst/d/one.txt", "D:nonsense", "D:getcontentlength", Brief="t"), 0)
    assert set(brief) == {"200"}


def test_a_namespace_without_any_value_is_not_declared(call):
    reply = ask(call, "/lst/d/sub/", "a:Checksums")
    assert b"<d:prop><Checksums/></d:prop>" in reply.body
    assert b"dcache.org" not in reply.body


def test_prefixes_are_numbered_as_they_appear(call):
    body = ask(call, "/lst/d/one.txt", "b:FileLocality", "a:Checksums").body
    assert b'xmlns:ns1="http://srm.lbl.gov/StorageResourceManager"' in body
    assert b'xmlns:ns2="http://www.dcache.org/2013/webdav"' in body


def test_allprop_shows_the_rest(call):
    body = b'<propfind xmlns="DAV:"><allprop/></propfind>'
    found = stats(call.door("PROPFIND", "/lst/d/one.txt", body, {"Depth": "0"}), 0)["200"]
    assert (found[DAV + "iscollection"].text, found[DAV + "isreadonly"].text) == ("FALSE", "TRUE")
    assert found[DAV + "name"].text == "one.txt"
    assert {CHECKSUMS, LOCALITY} <= set(found)


def test_checksums_lists_all_that_are_known(call):
    call.door("PUT", "/lst/users/ada/f", b"one", {"Want-Digest": "md5"})
    found = stats(ask(call, "/lst/users/ada/f", "a:Checksums"), 0)["200"]
    assert sorted(found[CHECKSUMS].text.split(",")) == [
        f"adler32={zlib.adler32(b'one'):08x}",
        "md5=" + base64.b64encode(hashlib.md5(b"one").digest()).decode(),
    ]


@pytest.mark.parametrize(
    ("change", "locality"),
    [
        ({}, "ONLINE"),
        ({"broken": True}, "ONLINE"),
        ({"size": None}, "NONE"),
        ({"locality": "NEARLINE"}, "NEARLINE"),
    ],
)
def test_file_locality(box, call, change, locality):
    for name, value in change.items():
        setattr(box.files.entry("/lst/d/one.txt"), name, value)
    found = stats(ask(call, "/lst/d/one.txt", "b:FileLocality", "D:getcontentlength"), 0)
    assert found["200"][LOCALITY].text == locality
    assert (DAV + "getcontentlength" in found.get("404", {})) == (locality == "NONE")


def test_text_is_escaped_but_quotes_are_not(box, call):
    box.files.put("""/lst/q/<&>'".txt""", b"")
    body = ask(call, "/lst/q/", "D:displayname").body
    assert b"""<d:displayname>&lt;&amp;&gt;'".txt</d:displayname>""" in body


def test_a_missing_path_is_404(call):
    reply = ask(call, "/lst/nothing")
    assert (reply.status, reply.body) == (404, b"Path not found: /lst/nothing\n")


def test_a_listing_may_be_empty_and_look_like_a_success(box, call):
    box.faults.add("door", "PROPFIND", "/lst/d/", EmptyListing(), times=1)
    assert hrefs(ask(call, "/lst/d/")) == ["/lst/d/"]
    assert len(hrefs(ask(call, "/lst/d/"))) == 3


def test_five_thousand_entries(box, call):
    for number in range(5_000):
        box.files.put(f"/lst/many/{number}")
    reply = ask(call, "/lst/many/", "D:resourcetype", "D:getcontentlength", "D:getlastmodified", "a:Checksums")
    assert len(hrefs(reply)) == 5_001
