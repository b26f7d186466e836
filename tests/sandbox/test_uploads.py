"""PUT: redirects of the door, uploads at a pool, and refusals (dcache.md 1.5, 1.6)."""

import base64
import hashlib
import zlib
from urllib.parse import urlsplit

import pytest

HOME = "/lst/users/ada"
PATH = HOME + "/new.dat"
CONTENT = b"event data " * 5000
SIZE = str(len(CONTENT))
EXPECT = {"Expect": "100-continue"}


def md5(data):
    return base64.b64encode(hashlib.md5(data).digest()).decode()


# ---- at the door


def test_a_put_that_waits_is_redirected_and_the_door_closes_the_connection(box, call):
    wire = call.head("PUT", box.door + PATH, {**call.bearer, **EXPECT, "Content-Length": SIZE})
    raw = b""
    while block := wire.recv(65536):
        raw += block
    head = raw.decode().lower().split("\r\n")
    assert head[0] == "http/1.1 307 temporary redirect"
    assert "connection: close" in head
    location = next(line for line in head if line.startswith("location:")).partition(": ")[2]
    assert f"https://{urlsplit(location).netloc}" in box.pools
    assert urlsplit(location).path == PATH


def test_a_put_without_expect_is_carried_by_the_door(box, call):
    reply = call.door("PUT", PATH, CONTENT)
    assert (reply.status, reply.reason) == (201, "Created")
    assert (reply["Transfer-Encoding"], reply.body) == ("chunked", b"")
    assert reply["ETag"] == box.files.entry(PATH).etag
    assert box.files.read(PATH) == CONTENT
    assert {seen.server for seen in box.seen} == {"door"}


def test_a_refused_expectation_ends_the_connection(box, call):
    """Nobody can tell whether a body still comes."""
    box.files.put(PATH, b"old")
    reply = call.patient_put(PATH, {"Content-Length": SIZE, "If-None-Match": "*"})
    assert (reply.status, reply["Connection"]) == (412, "close")


@pytest.mark.parametrize("expect", ["100-Continue", "100-CONTINUE"])
def test_expect_in_other_letters_is_carried_by_the_door(box, call, expect):
    wire = call.head("PUT", box.door + PATH, {**call.bearer, "Expect": expect, "Content-Length": SIZE})
    assert wire.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.sendall(CONTENT)
    assert wire.recv(65536).startswith(b"HTTP/1.1 201 ")
    assert box.files.read(PATH) == CONTENT


def test_a_client_that_does_not_wait_is_carried_by_the_door(box, call):
    headers = {**call.bearer, **EXPECT, "Content-Length": SIZE}
    wire = call.head("PUT", box.door + PATH, headers, more=CONTENT[:10])
    assert wire.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.sendall(CONTENT[10:])
    assert wire.recv(65536).startswith(b"HTTP/1.1 201 ")
    assert box.files.read(PATH) == CONTENT


def test_a_door_without_redirects_receives_a_put_that_waits(make_box, make_caller):
    box = make_box(redirect=False)
    call = make_caller(box)
    wire = call.head("PUT", box.door + PATH, {**call.bearer, **EXPECT, "Content-Length": "3"})
    assert wire.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.sendall(b"abc")
    assert wire.recv(65536).startswith(b"HTTP/1.1 201 ")


def test_missing_parents_are_made(box, call):
    assert call.door("PUT", HOME + "/a/b/c.dat", b"x").status == 201
    assert f"{HOME}/a/b/" in box.files.tree()


def test_a_parent_that_is_a_file(box, call):
    box.files.put(HOME + "/file")
    reply = call.door("PUT", HOME + "/file/below", b"x")
    assert (reply.status, reply.reason, reply.body[:32]) == (500, "Server Error", b"Internal problem: Cannot invoke ")


def test_if_none_match_star_does_not_overwrite(box, call):
    box.files.put(PATH, b"old")
    headers = {"If-None-Match": "*"}
    assert call.door("PUT", PATH, b"new", headers).status == 412
    assert call.patient_put(PATH, {**headers, "Content-Length": "3"}).status == 412
    assert box.files.read(PATH) == b"old"
    assert call.door("PUT", HOME + "/other", b"new", headers).status == 201


def test_if_match(box, call):
    assert call.door("PUT", PATH, b"new", {"If-Match": '"x"'}).status == 412
    etag = box.files.put(PATH, b"old").etag
    assert call.door("PUT", PATH, b"new", {"If-Match": '"x"'}).status == 412
    assert call.door("PUT", PATH, b"new", {"If-Match": etag}).status == 201


def test_overwriting_is_allowed_and_makes_a_new_file(box, call):
    old = box.files.put(PATH, b"old").pnfsid
    assert call.door("PUT", PATH, b"new").status == 201
    assert box.files.read(PATH) == b"new"
    assert box.files.entry(PATH).pnfsid != old


def test_overwriting_deletes_the_old_file_before_a_byte_of_the_new(box, call):
    box.files.put(PATH, b"old")
    call.upload_ticket(PATH, {"Content-Length": SIZE})
    entry = box.files.entry(PATH)
    assert (entry.size, entry.file_locality) == (None, "NONE")


def test_a_door_that_does_not_overwrite(make_box, make_caller):
    box = make_box(overwrite=False)
    call = make_caller(box)
    box.files.put(PATH, b"old")
    reply = call.door("PUT", PATH, b"new")
    assert (reply.status, reply.body) == (409, b"<html><body><h1>Conflict</h1></body></html>")
    assert call.door("PUT", HOME, b"new").status == 409
    assert box.files.read(PATH) == b"old"


def test_a_target_that_is_a_directory(box, call):
    reply = call.door("PUT", HOME, b"new")
    assert (reply.status, reply.reason) == (405, "Method Not Allowed")


def test_the_modification_time_is_set(box, call):
    assert call.door("PUT", PATH, b"x", {"X-OC-Mtime": "1600000000"})["X-OC-MTime"] == "accepted"
    assert box.files.entry(PATH).mtime == 1.6e9
    ticket = call.upload_ticket(PATH, {"X-OC-Mtime": "1500000000", "Content-Length": "1"})
    assert call.bare("PUT", ticket, b"x")["X-OC-MTime"] == "accepted"
    assert box.files.entry(PATH).mtime == 1.5e9


def test_the_content_type_is_stored(call):
    call.door("PUT", PATH, b"x", {"Content-Type": "application/fits"})
    assert call.door("HEAD", PATH)["Content-Type"] == "application/fits"


# ---- at the pool


def test_the_response_of_a_pool_to_an_upload(box, call):
    ticket = call.upload_ticket(PATH, {"Content-Length": SIZE})
    reply = call.bare("PUT", ticket, CONTENT)
    assert (reply.status, reply.reason) == (201, "Created")
    assert reply.body == f"{SIZE} bytes uploaded\r\n\r\n".encode()
    assert reply["Content-Type"] == "text/plain; charset=UTF-8"
    assert reply["Location"] == box.door + PATH
    assert (reply["Digest"], reply["X-OC-MTime"]) == (None, "accepted")
    assert box.files.read(PATH) == CONTENT
    assert box.files.entry(PATH).file_locality == "ONLINE"


@pytest.mark.parametrize("name", ["Content-Type", "Content-Encoding", "Content-Range", "Content-Disposition"])
def test_a_pool_refuses_other_content_headers(call, name):
    ticket = call.upload_ticket(PATH, {"Content-Length": "1"})
    reply = call.bare("PUT", ticket, b"x", {name: "x"})
    assert (reply.status, reply.reason, reply.body) == (501, f"{name} is not implemented", b"")
    assert call.bare("PUT", ticket, b"x").status == 201


def test_a_pool_answers_expect_at_once(box, call):
    ticket = call.upload_ticket(PATH, {"Content-Length": "3"})
    wire = call.head("PUT", ticket, {**EXPECT, "Content-Length": "3"})
    assert wire.recv(65536) == b"HTTP/1.1 100 Continue\r\nServer: dCache/11.2.5\r\n\r\n"
    wire.sendall(b"abc")
    assert wire.recv(65536).startswith(b"HTTP/1.1 201 ")


def test_an_upload_url_is_good_for_one_put(box, call):
    ticket = call.upload_ticket(PATH, {"Content-Length": "3"})
    assert call.bare("PUT", ticket, b"abc").status == 201
    again = call.bare("PUT", ticket, b"abc")
    assert (again.status, again.reason, again["Location"]) == (
        307,
        "Request is no longer valid",
        box.door + PATH,
    )


def test_chunked_uploads_are_taken(box, call):
    ticket = call.upload_ticket(PATH, {"Transfer-Encoding": "chunked"})
    wire = call.head("PUT", ticket, {"Transfer-Encoding": "chunked"})
    wire.sendall(b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n")
    assert wire.recv(65536).startswith(b"HTTP/1.1 201 ")
    assert box.files.read(PATH) == b"abcdefg"


def test_a_size_other_than_announced_at_the_door(call):
    ticket = call.upload_ticket(PATH, {"Content-Length": "10"})
    reply = call.bare("PUT", ticket, b"abc")
    assert (reply.status, reply.reason) == (400, "File size mismatch (expected=10, actual=3)")
    ticket = call.upload_ticket(PATH, {"X-Expected-Entity-Length": "11"})
    assert call.bare("PUT", ticket, b"abc").reason == "File size mismatch (expected=11, actual=3)"


def test_a_size_of_zero_announced_at_the_door_is_not_checked(call):
    ticket = call.upload_ticket(PATH, {"Content-Length": "0"})
    assert call.bare("PUT", ticket, b"abc").status == 201


@pytest.mark.parametrize("where", ["door", "pool"])
def test_content_md5_is_verified(box, call, where):
    expected, actual = b"what was meant", b"what came"
    headers = {"Content-MD5": md5(expected)}
    at_door, at_pool = (headers, {}) if where == "door" else ({}, headers)
    ticket = call.upload_ticket(PATH, {**at_door, "Content-Length": str(len(actual))})
    reply = call.bare("PUT", ticket, actual, at_pool)
    adler = f"{zlib.adler32(actual):08x}"
    assert reply.status == 400
    assert reply.reason == (
        f"Checksum mismatch (expected=[2:{hashlib.md5(expected).hexdigest()}],"
        f" actual=[1:{adler}, 2:{hashlib.md5(actual).hexdigest()}])"
    )
    assert (box.files.entry(PATH).file_locality, box.files.entry(PATH).broken) == ("ONLINE", True)
    assert call.bare("PUT", call.upload_ticket(PATH, {"Content-Length": "9"}), actual).status == 201


def test_content_md5_that_matches_is_kept(box, call):
    ticket = call.upload_ticket(PATH, {"Content-Length": SIZE})
    assert call.bare("PUT", ticket, CONTENT, {"Content-MD5": md5(CONTENT)}).status == 201
    assert call.door("HEAD", PATH, headers={"Want-Digest": "md5"})["Digest"] == f"md5={md5(CONTENT)}"


def test_a_proxied_upload_is_verified_too(box, call):
    reply = call.door("PUT", PATH, b"what came", {"Content-MD5": md5(b"what was meant")})
    assert (reply.status, reply.reason) == (400, "Bad Request")
    assert not box.files.exists(PATH)


def test_pools_keep_their_connection_over_uploads(box, call):
    tickets = [call.upload_ticket(f"{PATH}{i}", {"Content-Length": "3"}) for i in range(4)]
    mine = [ticket for ticket in tickets if ticket.startswith(box.pools[0])]
    connection = call.connection(box.pools[0])
    for ticket in mine:
        assert call.on(connection, "PUT", ticket.removeprefix(box.pools[0]), b"abc").status == 201
    assert len({seen.connection for seen in box.seen if seen.server == "pool1"}) == 1


def test_a_refused_body_does_not_spoil_the_connection(box, call):
    """The body of a refused PUT is read and dropped; the next request is understood."""
    ticket = call.upload_ticket(PATH, {"Content-Length": SIZE})
    connection = call.connection(ticket)
    target = "/" + ticket.split("/", 3)[3]
    assert call.on(connection, "PUT", target, CONTENT, {"Content-Type": "x/y"}).status == 501
    assert call.on(connection, "PUT", target, CONTENT).status == 201


def test_no_authorization_is_seen_at_pools_by_these_tests(box, call):
    call.bare("PUT", call.upload_ticket(PATH, {"Content-Length": SIZE}), CONTENT)
    pool = [seen for seen in box.seen if seen.server.startswith("pool")]
    assert [seen.header("authorization") for seen in pool] == [None]
    assert [seen.body_bytes for seen in pool] == [int(SIZE)]
