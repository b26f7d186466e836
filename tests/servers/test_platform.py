"""The platform of the tests says what the real services say; asked with plain requests, none of it our client."""

from __future__ import annotations

import http.client
import zlib
from collections.abc import Callable, Iterator
from urllib.parse import quote, urlsplit

import pytest
import requests
from servers.platform_door import dying, says, shorter
from servers.platform_site import Platform

Ask = Callable[..., requests.Response]


@pytest.fixture
def ask(platform: Platform) -> Iterator[Ask]:
    """`ask("GET", "list/lst")`: the answer of the download service, redirects not followed."""
    with requests.Session() as session:

        def send(method: str, path: str, *, token: str | None = None, json: bool = True, **more: object):
            headers = {"Authorization": f"Bearer {token or platform.token}"} | more.pop("headers", {})
            headers |= {"Content-Type": "application/json"} if json else {}
            url = path if path.startswith("http") else platform.ds_url + path
            return session.request(method, url, headers=headers, allow_redirects=False, timeout=30, **more)

        yield send


def fails(send: Callable[[], requests.Response]) -> bool:
    """With a 500, or by ending the connection."""
    try:
        return send().status_code == 500
    except requests.ConnectionError:
        return True


def test_a_listing_has_the_directory_first_and_sizes_as_text(platform: Platform, ask: Ask):
    platform.put("lst/d/a b", b"123")
    itself, file = ask("GET", "list/lst/d").json()
    assert (itself["href"], itself["type"], "size" in itself) == ("lst/d/", "directory", False)
    assert (file["href"], file["type"], file["size"]) == ("lst/d/a%20b", "file", "3")
    assert file["mtime"].endswith("GMT")
    assert [row["href"] for row in ask("GET", "list/lst/d/a%20b").json()] == ["lst/d/a%20b"]


def test_the_root_looks_like_a_file_without_name(ask: Ask):
    root, *others = ask("GET", "list").json()
    assert (root["href"], root["type"]) == ("", "file")
    assert {"lst/", "cta/"} == {row["href"] for row in others}
    assert ask("GET", "list/").status_code == 404


def test_what_is_missing_is_told_with_the_page_of_the_storage(ask: Ask):
    answer = ask("GET", "list/lst/missing")
    assert (answer.status_code, answer.text[:10]) == (404, "Error: 404")
    assert "<html>" in answer.text


@pytest.mark.parametrize("method", ["GET", "PROPFIND"])
def test_who_is_not_logged_in_is_sent_to_the_hub_unless_json_is_said(platform: Platform, ask: Ask, method):
    path = "list/lst" if method == "GET" else "webdav/lst"
    assert ask(method, path, token="bad").status_code == 401
    answer = ask(method, path, token="bad", json=False)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/hub/api/oauth2/authorize?client_id=")
    assert requests.get(platform.url + answer.headers["Location"], timeout=60).text.startswith("<!DOCTYPE html>")
    assert ask(method, f"{path}?token=bad").status_code == 401  # it beats the header's


def test_a_token_for_other_services_is_refused(platform: Platform, ask: Ask):
    answer = ask("GET", "list/lst", token=platform.hub.issue("somebody", services=()))
    assert (answer.status_code, "scopes are insufficient" in answer.text) == (403, True)


def test_without_a_certificate_the_storage_is_not_opened(platform: Platform, ask: Ask):
    platform.certificates.shared_users.clear()
    platform.certificates.store(platform.user, "lst", platform.papers.certificate().decode())
    assert ask("GET", "list/lst").status_code == 200
    for path in ("list/cta", "list"):
        answer = ask("GET", path)
        assert answer.status_code == 400
        assert "Error while retrieving certificate: You do not have any certificate configured" in answer.text


def test_a_fetch_is_200_whatever_the_storage_says(platform: Platform, ask: Ask):
    platform.put("lst/f", b"x" * 1000)
    for change in (says("403 Forbidden"), shorter(10)):
        platform.door.fault("GET", "lst/f", change)
        answer = ask("GET", "fetch/lst/f")
        assert (answer.status_code, "Content-Length" in answer.headers) == (200, False)
        assert len(answer.content) != 1000
    assert b"404" in ask("GET", "fetch/lst/missing").content
    assert b"<html>" in ask("GET", "fetch/lst").content
    assert ask("GET", "fetch/lst/f", headers={"Range": "bytes=0-1"}).status_code == 200
    platform.door.fault("GET", "lst/f", dying(10))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        ask("GET", "fetch/lst/f")


def test_a_name_encoded_once_is_another_ones(platform: Platform, ask: Ask):
    for name in ("a", "a#b", "k", "k?v", "x y", "x%20y"):
        platform.put(f"lst/{name}", name.encode())
    for name, other in (("a#b", "a"), ("k?v", "k"), ("x%20y", "x y")):
        assert ask("GET", f"fetch/lst/{quote(name)}").content == other.encode()
        assert ask("GET", f"fetch/lst/{quote(quote(name))}").content == name.encode()


def test_names_that_are_no_regular_expression_or_no_latin_1_fail_when_encoded_once(platform: Platform, ask: Ask):
    for name in ("p(q", "日本"):
        platform.put(f"lst/{name}", b"content")
    assert ask("GET", "list/lst/p(q").status_code == 500
    assert ask("GET", f"list/lst/{quote(quote('p('))}q").status_code == 200
    login = {"Authorization": f"Bearer {platform.token}"}
    assert fails(lambda: requests.get(f"{platform.ds_url}fetch/lst/{quote('日本')}", headers=login, timeout=60))
    assert ask("GET", f"fetch/lst/{quote(quote('日本'))}").text == "content"


def test_two_dots_are_refused_in_names_too(ask: Ask):
    for method, path in (("GET", "fetch/lst/a..b"), ("POST", "upload/a..b")):
        assert ask(method, path).status_code == 400


def test_an_upload_goes_below_the_home_and_over_a_file_is_a_bare_204(platform: Platform, ask: Ask):
    path = f"{platform.home}/f"
    assert ask("POST", "upload/f", data=iter([b"ab", b"c"])).json() == {
        "status": "uploaded",
        "path": path,
        "total_written": 3,
    }
    answer = ask("POST", "upload/f", data=iter([b"new"]))
    assert (answer.status_code, answer.content, platform.read(path)) == (204, b"", b"new")
    assert ask("POST", "upload/no/parent", data=b"x").status_code == 409
    assert ask("POST", "upload").status_code == 500
    platform.door.makes_parents = True
    assert ask("POST", "upload/no/parent", data=b"x").status_code == 200


@pytest.mark.parametrize(("header", "stored"), [("Content-Length: 1000", 10), ("Transfer-Encoding: chunked", 0)])
def test_a_cut_upload_with_a_length_looks_whole_and_a_chunked_one_does_not(platform: Platform, header, stored):
    address = urlsplit(platform.ds_url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    connection.putrequest("POST", f"{address.path}upload/f")
    for line in (header, f"Authorization: Bearer {platform.token}"):
        connection.putheader(*line.split(": "))
    connection.endheaders()
    connection.send(b"0123456789" if stored else b"a\r\n0123456789\r\n")
    connection.sock.shutdown(1)
    with connection.getresponse() as answer:
        assert answer.status == (200 if stored else 500)
    connection.close()
    assert len(platform.read(f"{platform.home}/f")) == stored


def test_webdav_is_honest_but_for_the_hrefs_it_finds_in_files(platform: Platform, ask: Ask):
    content = platform.put("lst/f", b"0123456789<d:href>/pnfs/cta.cscs.ch/x")
    assert ask("GET", "webdav/lst/missing").status_code == 404
    part = ask("GET", "webdav/lst/f", headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.headers["Content-Range"], part.text) == (206, f"bytes 2-4/{len(content)}", "234")
    assert ask("GET", "webdav/lst/f").content == b"0123456789<d:href>/services/downloadservice/webdav/x"
    assert ask("HEAD", "webdav/lst/f").headers["Content-Length"] == "0"
    assert b"/services/downloadservice/webdav/lst/f" in ask("PROPFIND", "webdav/lst", headers={"Depth": "1"}).content
    assert ask("GET", "webdav").status_code == 200
    assert ask("GET", "webdav/").status_code == 404


def test_webdav_writes_below_the_home_and_never_deletes(platform: Platform, ask: Ask):
    assert ask("MKCOL", f"webdav/{platform.home}").status_code in (201, 403)
    refused = ask("PUT", "webdav/lst/f", data=b"x")
    assert (refused.status_code, refused.reason.partition(" : ")[0]) == (403, "Missing rights to write in")
    (platform.files / platform.home).mkdir(exist_ok=True)
    assert ask("MKCOL", f"webdav/{platform.home}/sub").status_code == 201
    for method in ("DELETE", "MOVE", "COPY", "LOCK", "UNLOCK", "POST"):
        assert ask(method, f"webdav/{platform.home}/sub").status_code == 405


def test_digests_are_told_where_the_storage_knows_them(platform: Platform, ask: Ask):
    platform.put("lst/f", b"content")
    wanted = {"Want-Digest": "adler32"}
    assert "Digest" not in ask("GET", "webdav/lst/f", headers=wanted).headers
    platform.door.digests = True
    assert ask("GET", "webdav/lst/f", headers=wanted).headers["Digest"] == f"adler32={zlib.adler32(b'content'):08x}"


def test_certificates_are_refused_for_their_age_with_200(platform: Platform, ask: Ask):
    address = f"{platform.cs_url}certificate"

    def sent(days: float = 3, **what: object) -> requests.Response:
        pem = platform.papers.certificate(days, **what).decode()
        return ask("POST", address, json=False, headers={"Content-Type": "application/json"}, data=body(pem))

    def body(pem: str, key: str = "lst") -> bytes:
        return requests.Request("POST", address, json={"certificate": pem, "certificate_key": key}).prepare().body

    stored = platform.certificates.file(platform.user, "lst")
    said = sent(9)
    assert (said.status_code, said.json()["validity"][1], stored.exists()) == (200, 400, False)
    assert (sent(-0.5).status_code, sent(certificates=False).status_code) == (400, 400)
    assert sent(6.5, key=False).json()["validity"].endswith("GMT")
    assert stored.exists()
    assert ask("POST", address, data=body("", "zzz")).status_code == 500
    assert ask("POST", address, token="bad", data=body("")).status_code == 302
    assert ask("GET", f"{platform.cs_url}shared-certificate-status").text.startswith("OK")
    handed = requests.get(address, params={"user": platform.user, "certificate_key": "lst"}, timeout=60).json()
    assert handed["certificate"] == stored.read_text()  # nobody asks who it is
