"""Where redirects lead, and which headers are sent along."""

from urllib.parse import unquote_to_bytes

import pytest

from ctadata.errors import Forbidden, LoginNeeded, ServerTrouble, Unreachable, Untrusted
from ctadata.http.client import Client
from ctadata.http.retries import Retries
from ctadata.http.timeouts import Limits


def ok(wire, request):
    wire.answer("200 OK", b"hello")


def to(location, status="302 Found"):
    return lambda wire, request: wire.redirect(status, location)


# --- the token stays home ---


def test_a_pool_gets_neither_token_nor_cookie(answering, client):
    pool = answering(ok)
    door = answering(to(f"{pool.url}/a?dcache-http-uuid=u"))
    response = client(door).send("GET", f"{door.url}/a", headers={"Cookie": "a=b"})
    assert response.body == b"hello"
    assert response.url == f"{pool.url}/a?dcache-http-uuid=u"
    assert response.hops == (f"{door.url}/a",)
    assert door.requests[0].token == "Bearer secret-token"
    assert set(pool.requests[0].headers) == {"host", "user-agent", "accept"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PROPFIND", "MKCOL", "MOVE", "DELETE"])
def test_no_method_sends_the_token_to_another_origin(answering, client, method):
    pool = answering(lambda wire, request: wire.send(b"HTTP/1.1 204 No Content\r\n\r\n"))
    door = answering(to(f"{pool.url}/a", "307 Temporary Redirect"))
    headers = {"Depth": "1", "TransferHeaderAuthorization": "Bearer x", "Cookie": "a=b"}
    client(door).send(method, f"{door.url}/a", headers=headers)
    assert pool.requests[0].method == method
    assert not any(word in name for name in pool.requests[0].headers for word in ("authorization", "cookie"))


def test_the_transfer_headers_of_a_copy_go_to_a_trusted_server(answering, client):
    server = answering(lambda wire, request: wire.send(b"HTTP/1.1 204 No Content\r\n\r\n"))
    door = answering(to(f"{server.url}/a", "307 Temporary Redirect"))
    headers = {"TransferHeaderAuthorization": "Bearer x", "Authorization": "Bearer y", "Cookie": "a=b"}
    client(door, server).send("COPY", f"{door.url}/a", headers=headers)
    sent = server.requests[0].headers
    assert (sent["transferheaderauthorization"], sent["authorization"]) == ("Bearer x", "Bearer secret-token")
    assert "cookie" not in sent


def test_another_host_name_is_another_origin(answering, client):
    door = answering(
        lambda wire, request: wire.redirect("302 Found", elsewhere) if request.token else ok(wire, request)
    )
    elsewhere = f"{door.url.replace('localhost', '127.0.0.1')}/b"
    assert client(door).send("GET", f"{door.url}/a").body == b"hello"
    assert [request.token for request in door.requests] == ["Bearer secret-token", None]


def test_a_trusted_data_server_gets_the_token(answering, client):
    server = answering(ok)
    door = answering(to(f"{server.url}/a"))
    client(door, server).send("GET", f"{door.url}/a")
    assert server.requests[0].token == "Bearer secret-token"


def test_a_redirect_back_to_the_door_gets_the_token_again(answering, client):
    door = answering(
        lambda wire, request: ok(wire, request) if request.target == "/a/" else wire.redirect("301 Moved", "/a/")
    )
    client(door).send("PROPFIND", f"{door.url}/a", headers={"Depth": "1"}, body=b"<x/>")
    assert [(r.target, r.token, r.body) for r in door.requests] == [
        ("/a", "Bearer secret-token", b"<x/>"),
        ("/a/", "Bearer secret-token", b"<x/>"),
    ]
    assert door.requests[1].headers["depth"] == "1"


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_a_server_that_wants_the_token_is_named(answering, client, status):
    server = answering(lambda wire, request: wire.answer(status))
    door = answering(to(f"{server.url}/a"))
    with pytest.raises((LoginNeeded, Forbidden)) as refused:
        client(door, retries=Retries()).send("GET", f"{door.url}/a")
    assert f'token_origins = ["{server.origin}"]' in refused.value.hint
    assert str(server.origin) in refused.value.what
    assert len(door.requests) == 1


# --- https and http ---


def test_from_https_to_http_is_refused(answering, client, tls):
    pool = answering(ok)
    door = answering(to(f"{pool.url}/a?authz=5ecret"), tls)
    with pytest.raises(Untrusted, match="from https to unprotected http") as refused:
        client(door, pool).send("GET", f"{door.url}/a")
    assert "http_pools" in refused.value.hint
    assert "5ecret" not in str(refused.value)
    assert pool.connections == 0


def test_an_allowed_redirect_from_https_to_http_gets_no_token(answering, client, tls):
    pool = answering(ok)
    door = answering(to(f"{pool.url}/a"), tls)
    assert client(door, pool, http_pools=True).send("GET", f"{door.url}/a").body == b"hello"
    assert pool.requests[0].token is None
    assert door.requests[0].token == "Bearer secret-token"


def test_the_token_does_not_go_over_http_to_another_machine(login):
    """The client does not even get the token; the request is sent without one."""
    from ctadata.http.messages import Origin

    door = Origin.parse("http://door.example")
    credentials = login("secret-token")
    client = Client(trusted=[door], credentials=credentials, retries=Retries(attempts=1))
    assert not client._may_have_token(_call(door), door)
    client.close()


def _call(door):
    from ctadata.http.call import Call

    return Call("GET", f"{door}/", door, {}, {}, None, False, None, False, True, None)


# --- the token in the address, as XRootD puts it there ---


@pytest.mark.parametrize("written", ["secret-token", "secret%2Dtoken", "Bearer%20secret-token"])
@pytest.mark.parametrize("method", ["GET", "PUT", "PROPFIND"])
def test_a_redirect_with_the_token_in_its_address_is_refused(answering, client, content, method, written):
    pool = answering(ok)
    door = answering(to(f"{pool.url}/a?authz={written}", "307 Temporary Redirect"))
    body = content(b"ours") if method == "PUT" else None
    with pytest.raises(Untrusted, match="puts our token into the address of") as refused:
        client(door).send(method, f"{door.url}/a", body=body)
    assert f'token_origins = ["{pool.origin}"]' in refused.value.hint
    assert "secret" not in f"{refused.value} {refused.value.hint}"
    assert pool.connections == 0


def test_a_redirect_with_the_token_in_its_address_to_a_trusted_origin(answering, client):
    pool = answering(ok)
    door = answering(to(f"{pool.url}/a?x=1&authz=Bearer%20secret-token"))
    assert client(door, pool).send("GET", f"{door.url}/a").body == b"hello"
    (request,) = pool.requests
    assert (request.target, request.token) == ("/a?x=1", "Bearer secret-token")  # in the header, where no log has it


# --- what a Location may be ---


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("scheme", ["file", "scp", "ftp", "FILE", "gopher"])
def test_a_redirect_out_of_http_is_refused(answering, client, content, tmp_path, method, scheme):
    target = tmp_path / "victim"
    target.write_text("mine")
    door = answering(to(f"{scheme}://{target}", "307 Temporary Redirect"))
    body = content(b"theirs") if method == "PUT" else None
    with pytest.raises(Untrusted, match=f"from {door.url}: '{scheme}:.* is not an address"):
        client(door, limits=Limits(expect=0.01)).send(method, f"{door.url}/a", body=body)
    assert target.read_text() == "mine"


@pytest.mark.parametrize(
    "location", ["https://ada:word@localhost/", "https://localhost\\@evil/", "http://[::1", "https://localhost:0/"]
)
def test_a_location_that_could_be_read_in_two_ways_is_refused(answering, client, location):
    door = answering(to(location))
    with pytest.raises(Untrusted):
        client(door).send("GET", f"{door.url}/a")


def test_the_path_of_a_location_is_asked_for_as_it_is(answering, client):
    """A dCache pool compares the path with that of its mover."""
    pool = answering(ok)
    door = answering(to(f"{pool.url}/a/../b/./c%2E"))
    client(door).send("GET", f"{door.url}/x")
    assert pool.requests[0].target == "/a/../b/./c%2E"


def test_a_raw_location_as_xrootd_sends_it(answering, client):
    pool = answering(ok)
    door = answering(to(f"{pool.url}/gr\xc3\xbcn and blue?authz=Bearer%20x"))  # UTF-8, unescaped
    client(door).send("GET", f"{door.url}/x")
    assert pool.requests[0].target == "/gr%C3%BCn%20and%20blue?authz=Bearer%20x"


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", ["/d/50%25", "/d/%2541", "/d/h%23sh", "/d/q%3Fm", "/d/a%20b%C3%BC/"])
def test_a_location_that_repeats_the_path_decoded_means_that_path(answering, client, path, slash):
    """XRootD's manager sends this. Read as a URL, `#sh` and `?m` are no part of the path, and `%41` is `A`."""
    pool = answering(ok)
    decoded = unquote_to_bytes(path).decode("latin-1")
    door = answering(to(f"{pool.url}{slash}{decoded}?tried=x"))
    client(door).send("GET", door.url + path)
    assert pool.requests[0].target == f"{path}?tried=x"


@pytest.mark.parametrize("location", ["/d/50%25?x=1", "/other/50%25", "/d/50%/deeper"])
def test_any_other_location_is_a_url(answering, client, location):
    pool = answering(ok)
    door = answering(to(pool.url + location))
    client(door).send("GET", f"{door.url}/d/50%25")
    assert pool.requests[0].target == location


MOVER = "?dcache-http-uuid=u-1&dcache-http-ref=https%3A%2F%2Flocalhost%3A1"
NFD, NFC = "/d/e%CC%81/%E2%84%AB%201.txt", "/d/%C3%A9/%C3%85%201.txt"
JAMO, HANGUL = "/%E1%84%92%E1%85%A1%E1%86%AB", "/%ED%95%9C"


@pytest.mark.parametrize(
    ("path", "location", "sent"),
    [
        (NFD, NFC + MOVER, NFD + MOVER),
        (NFD, NFC, NFD),
        (JAMO, HANGUL + MOVER, JAMO + MOVER),
        (NFD, "/d/\xc3\xa9/\xc3\x85 1.txt" + MOVER, NFD + MOVER),  # UTF-8, unescaped
        ("/a;b%CC%81", "/a;b\xcc\x81" + MOVER, "/a;b%CC%81" + MOVER),
        ("/x;e%CC%81", "/x%3B%C3%A9" + MOVER, "/x;e%CC%81" + MOVER),
        (NFD, "/pnfs/lst" + NFC + MOVER, "/pnfs/lst" + NFD + MOVER),  # the door shows a part of the namespace
        # the other way round: nothing that is another path, or spelt as ours is
        (NFC, NFC + MOVER, NFC + MOVER),
        (NFD, "/d/%C3%A9/b" + MOVER, "/d/%C3%A9/b" + MOVER),
        (NFD, "/d/E%CC%81/%E2%84%AB%201.txt" + MOVER, "/d/E%CC%81/%E2%84%AB%201.txt" + MOVER),
        (NFD, "/pnfs" + NFC, "/pnfs" + NFC),
        (NFD, "/%C3%85%201.txt" + MOVER, "/%C3%85%201.txt" + MOVER),
        (NFD, NFC + "/" + MOVER, NFC + "/" + MOVER),
        ("/a%FFe%CC%81", "/a%FE%C3%A9" + MOVER, "/a%FE%C3%A9" + MOVER),
        ("/x", "/%78" + MOVER, "/%78" + MOVER),
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_pool_is_asked_for_the_name_as_we_spell_it(answering, client, content, method, path, location, sent):
    """Java writes a `Location` in NFC, and the pool compares the path with that of its mover; all else stays."""
    pool = answering(ok)
    door = answering(to(pool.url + location, "307 Temporary Redirect"))
    body = content(b"bytes") if method == "PUT" else None
    client(door, limits=Limits(expect=0.01)).send(method, door.url + path, body=body)
    (request,) = pool.requests
    assert (request.target, request.token) == (sent, None)


def test_a_server_that_names_the_file_otherwise_itself_is_followed(answering, client):
    """At its own origin and without a mover, the server's name is used."""
    door = answering(lambda wire, request: ok(wire, request) if request.target == NFC else wire.redirect("301 X", NFC))
    client(door).send("GET", door.url + NFD)
    assert [request.target for request in door.requests] == [NFD, NFC]


@pytest.mark.parametrize("fields", [(), ("Location: ",)])
def test_a_redirect_without_a_location(answering, client, fields):
    door = answering(lambda wire, request: wire.answer("302 Found", b"", *fields))
    with pytest.raises(ServerTrouble, match="cannot be followed: 302 Found"):
        client(door, retries=Retries()).send("GET", f"{door.url}/a")
    assert len(door.requests) == 1


def test_a_303_of_another_method_is_not_followed(answering, client):
    door = answering(to("/b", "303 See Other"))
    with pytest.raises(ServerTrouble):
        client(door).send("MKCOL", f"{door.url}/a")
    assert len(door.requests) == 1


def test_without_follow_the_redirect_is_returned(answering, client):
    pool = answering(ok)
    door = answering(to(f"{pool.url}/a"))
    response = client(door).send("GET", f"{door.url}/a", follow=False)
    assert (response.status, response.headers.get("Location")) == (302, f"{pool.url}/a")
    assert pool.connections == 0


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_every_redirect_of_a_get_is_followed(answering, client, status):
    pool = answering(ok)
    door = answering(to(f"{pool.url}/a", status))
    assert client(door).send("GET", f"{door.url}/a").body == b"hello"


# --- hops ---


def test_at_most_five_redirects_are_followed(answering, client):
    def chain(wire, request):
        left = int(request.target[1:])
        if left:
            wire.redirect("302 Found", f"/{left - 1}")
        else:
            ok(wire, request)

    door = answering(chain)
    assert len(client(door).send("GET", f"{door.url}/5").hops) == 5
    with pytest.raises(ServerTrouble, match="more than 5 redirects"):
        client(door, retries=Retries()).send("GET", f"{door.url}/6")
    assert len(door.requests) == 6 + 6


def test_redirects_in_a_circle_end(answering, client):
    pool = answering(lambda wire, request: wire.redirect("302 Found", f"{pool.url}/b"))
    door = answering(to(f"{pool.url}/a"))
    with pytest.raises(ServerTrouble, match="more than 5 redirects"):
        client(door).send("GET", f"{door.url}/a")
    assert (len(door.requests), len(pool.requests)) == (1, 5)


# --- what goes along ---


def test_range_and_want_digest_are_sent_to_the_pool(answering, client):
    pool = answering(ok)
    door = answering(to(f"{pool.url}/a"))
    headers = {"Range": "bytes=3-9", "Want-Digest": "adler32", "If-None-Match": "x", "X-Own": "y"}
    client(door).send("GET", f"{door.url}/a", headers=headers, pool_headers={"Connection": "close"})
    at_pool = pool.requests[0].headers
    assert (at_pool["range"], at_pool["want-digest"], at_pool["connection"]) == ("bytes=3-9", "adler32", "close")
    assert {"if-none-match", "x-own"}.isdisjoint(at_pool)
    assert set(headers) <= set(door.requests[0].names)
    assert "connection" not in door.requests[0].headers


def test_a_redirected_listing_keeps_headers_and_body(answering, client):
    pool = answering(ok)
    door = answering(to(f"{pool.url}/a", "307 Temporary Redirect"))
    client(door).send("PROPFIND", f"{door.url}/a", headers={"Depth": "1"}, body=b"<x/>")
    assert (pool.requests[0].headers["depth"], pool.requests[0].body) == ("1", b"<x/>")


# --- a pool URL that has been used up ---


def used_up(door_url, *stale):
    """A pool that has forgotten `stale`."""

    def reply(wire, request):
        if any(word in request.target for word in stale):
            wire.redirect("307 Request is no longer valid", f"{door_url()}/a")  # the query is lost, dCache issue 8078
        else:
            ok(wire, request)

    return reply


def test_a_bounce_starts_over_at_the_door_with_token_and_query(answering, client):
    pool = answering(used_up(lambda: door.url, "uuid=1"))
    door = answering(
        lambda wire, request: wire.redirect("302 Found", f"{pool.url}/a?dcache-http-uuid={len(door.requests)}")
    )
    response = client(door).send("GET", f"{door.url}/a?xattr=1", headers={"Range": "bytes=0-1"})
    assert response.body == b"hello"
    assert [(r.target, r.token, r.headers["range"]) for r in door.requests] == [
        ("/a?xattr=1", "Bearer secret-token", "bytes=0-1")
    ] * 2
    assert [(r.token, r.headers["range"]) for r in pool.requests] == [(None, "bytes=0-1")] * 2


def test_a_pool_that_does_not_name_the_door(answering, client):
    def reply(wire, request):
        if "uuid=1" in request.target:
            wire.answer("400 Request is no longer valid. Please resubmit to door.")
        else:
            ok(wire, request)

    pool = answering(reply)
    door = answering(
        lambda wire, request: wire.redirect("302 Found", f"{pool.url}/a?dcache-http-uuid={len(door.requests)}")
    )
    assert client(door).send("GET", f"{door.url}/a").body == b"hello"
    assert len(door.requests) == 2


def test_a_pool_that_was_asked_directly_and_does_not_name_the_door(answering, client):
    pool = answering(lambda wire, request: wire.answer("400 Request is no longer valid. Please resubmit to door."))
    with pytest.raises(ServerTrouble, match="no longer valid"):
        client().send("GET", f"{pool.url}/a?dcache-http-uuid=u")
    assert len(pool.requests) == 1


def test_bounces_between_door_and_pool_end(answering, client):
    pool = answering(used_up(lambda: door.url, "uuid"))
    door = answering(to(f"{pool.url}/a?dcache-http-uuid=u"))
    with pytest.raises(ServerTrouble, match="more than 5 redirects"):
        client(door, retries=Retries()).send("GET", f"{door.url}/a")
    assert (len(door.requests), len(pool.requests)) == (3, 3)


def test_a_kept_pool_url_that_is_used_up_leads_back_to_the_door(answering, client):
    """A reader continues at a known pool, and is redirected to the door: the door gets the token."""
    pool = answering(used_up(lambda: door.url, "uuid=1"))
    door = answering(to(f"{pool.url}/a?dcache-http-uuid=2"))
    url = f"{pool.url}/a?dcache-http-uuid=1"
    response = client(door).send("GET", url, headers={"Range": "bytes=0-1", "Want-Digest": "adler32"})
    assert response.hops == (url, f"{door.url}/a")
    assert (door.requests[0].token, door.requests[0].headers["range"]) == ("Bearer secret-token", "bytes=0-1")


def test_a_pool_that_is_down_means_asking_the_door_again(answering, client, naps, down):
    pool = answering(ok)
    door = answering(
        lambda wire, request: wire.redirect("302 Found", f"{down if len(door.requests) == 1 else pool.url}/a")
    )
    assert client(door, retries=Retries()).send("GET", f"{door.url}/a").body == b"hello"
    assert (len(door.requests), len(naps)) == (2, 1)


def test_a_pool_that_stays_down(answering, client, down):
    door = answering(to(f"{down}/a?dcache-http-uuid=5ecret"))
    with pytest.raises(Unreachable, match=str(down)) as error:
        client(door, retries=Retries(attempts=3)).send("GET", f"{door.url}/a")
    assert "5ecret" not in str(error.value)
    assert len(door.requests) == 3


def test_a_refusal_of_a_pool_names_the_pool(answering, client):
    pool = answering(lambda wire, request: wire.answer("500 Disk on fire"))
    door = answering(to(f"{pool.url}/a?dcache-http-uuid=5ecret"))
    with pytest.raises(ServerTrouble, match=f"500 Disk on fire.*{pool.origin}") as error:
        client(door).send("GET", f"{door.url}/a")
    assert "5ecret" not in str(error.value)
