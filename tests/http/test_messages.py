"""Origins, redirect targets and headers: the accepted forms, which every parser reads alike."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctadata.errors import Untrusted
from ctadata.http.messages import Headers, Origin, Response, resolve_location, split_url


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Door.Example:2880/a", "https://door.example:2880"),
        ("https://door.example", "https://door.example:443"),
        ("HTTP://door.example/", "http://door.example:80"),
        ("https://[2001:DB8::1]:20001/a?b", "https://[2001:db8::1]:20001"),
        ("http://127.0.0.1:1?x", "http://127.0.0.1:1"),
    ],
)
def test_origin_of_a_plain_url(url, origin):
    assert str(Origin.parse(url)) == origin


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "scp://door/a",
        "ftp://door/a",
        "https://user@door/a",
        "https://user:word@door/a",
        "https://door:2880@evil/a",
        "https://door:2880\\@evil/a",
        "https://door\\.evil/a",
        "https://door evil/a",
        "https://door\t/a",
        "https://door/a\r\nX: y",
        "https://door/ü",
        "https://dööf/a",
        "https://door%2eevil/a",
        "https://:80/a",
        "https:///a",
        "https://door:0/a",
        "https://door:65536/a",
        "https://door:+80/a",
        "https://door:٨٠/a",
        "https://[::1/a",
        "//door/a",
        "/a",
        "https:a",
        "",
    ],
)
def test_a_malformed_url_is_refused(url):
    with pytest.raises(Untrusted):
        Origin.parse(url)


def test_a_refused_url_is_shown_without_its_secrets():
    with pytest.raises(Untrusted) as refused:
        Origin.parse("https://ada:hunter2@door/a?authz=secret")
    assert "hunter2" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_split_url_drops_the_fragment_and_keeps_the_query():
    assert split_url("https://door/a%20b?c=d#e")[1] == "/a%20b?c=d"
    assert split_url("https://door?c")[1] == "/?c"
    assert split_url("https://door")[1] == "/"


def test_loopback():
    assert all(Origin.parse(f"http://{host}").is_loopback for host in ("localhost", "127.0.0.1", "127.9.9.9", "[::1]"))
    assert not any(
        Origin.parse(f"http://{host}").is_loopback for host in ("localhost.evil.org", "192.0.2.1", "128.0.0.1")
    )


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("https://pool:20001/a?dcache-http-uuid=u", "https://pool:20001/a?dcache-http-uuid=u"),
        ("/t/", "https://door:1/t/"),
        ("b", "https://door:1/x/b"),
        ("?q", "https://door:1/x/a?q"),
        ("//pool:2/a", "https://pool:2/a"),
        ("https://pool:2/a b?authz=Bearer%20x", "https://pool:2/a%20b?authz=Bearer%20x"),
        ("https://pool:2/gr\xc3\xbcn", "https://pool:2/gr%C3%BCn"),  # UTF-8 seen as latin-1
        ("https://pool:2/100%25", "https://pool:2/100%25"),
    ],
)
def test_where_a_location_leads(location, url):
    assert resolve_location("https://door:1/x/a", location) == url


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "FILE:///x",
        "gopher://x/",
        "javascript:x",
        "https://user:word@pool/",
        "https://pool\\@evil/",
        "http://[::1",
        "data:,x",
    ],
)
def test_a_location_that_is_not_followed(location):
    with pytest.raises(Untrusted):
        resolve_location("https://door:1/x/a", location)


@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_python_and_we_agree_on_the_host_of_any_location(text):
    for location in (text, f"https://door{text}", f"https://{text}@evil/", f"//door:1{text}/a"):
        try:
            url = resolve_location("https://door:1/x/a", location)
        except Untrusted:
            continue
        parts = urlsplit(url)
        assert url.isascii()
        assert url.isprintable()
        assert " " not in url
        assert (parts.scheme, parts.hostname, parts.port, parts.username) == (
            Origin.parse(url).scheme,
            Origin.parse(url).host.strip("[]"),
            Origin.parse(url).port,
            None,
        )


def test_headers_are_found_in_any_case_and_joined():
    headers = Headers.parse(b'ETag: "x"\r\ndigest:adler32=1\r\nDigest: md5=2\r\nno colon\r\nX-Latin: gr\xfcn\r\n')
    assert headers.get("etag") == '"x"'
    assert headers.get("DIGEST") == "adler32=1, md5=2"
    assert headers.get("x-latin") == "grün"
    assert headers.get("absent") is None
    assert headers.items() == [("ETag", '"x"'), ("digest", "adler32=1, md5=2"), ("X-Latin", "grün")]


def test_the_repr_of_headers_and_responses_shows_no_secrets():
    url = "https://pool:1/a?dcache-http-uuid=5ecret&x=y"
    response = Response("GET", url, 200, "OK", Headers([("Location", url)]), b"5ecret", (url,))
    assert "5ecret" not in repr(response)
    assert "5ecret" not in repr(response.headers)
