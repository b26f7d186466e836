"""GET and HEAD: the door's redirect, the pool's bytes, ranges, and the life of a UUID (dcache.md 1.2 to 1.4)."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

PATH = "/lst/data/a%20b.dat"
CONTENT = bytes(range(256)) * 40
SIZE = len(CONTENT)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(autouse=True)
def data(box):
    box.files.put("/lst/data/a b.dat", CONTENT, mtime=1.6e9)


def test_the_door_sends_a_get_to_a_pool_with_302(box, call):
    reply = call.door("GET", PATH)
    where = urlsplit(reply["Location"])
    query = parse_qs(where.query)
    assert (reply.status, reply.reason, reply["Content-Length"], reply.body) == (302, "Found", "0", b"")
    assert f"{where.scheme}://{where.netloc}" in box.pools
    assert where.path == PATH
    assert UUID.fullmatch(query["dcache-http-uuid"][0])
    assert query["dcache-http-ref"] == [box.door]


def test_downloads_alternate_between_both_pools(box, call):
    assert {call.ticket(PATH).rpartition("/lst/")[0] for _ in range(4)} == set(box.pools)


def test_the_pool_needs_no_credential(call):
    reply = call.bare("GET", call.ticket(PATH))
    assert (reply.status, reply.body) == (200, CONTENT)


def test_a_pool_sends_the_headers_of_a_file(box, call):
    reply = call.bare("GET", call.ticket(PATH))
    assert reply["Accept-Ranges"] == "bytes"
    assert reply["Content-Length"] == str(SIZE)
    assert reply["Content-Disposition"] == "attachment;filename=a b.dat"
    assert reply["Content-Location"] == box.door + PATH
    assert reply["Server"].startswith("dCache/")
    assert [reply[name] for name in ("Content-Type", "ETag", "Last-Modified", "Digest")] == [None] * 4


def test_disposition_can_be_asked_for_and_names_are_encoded(box, call):
    box.files.put("/lst/data/größe.fits", b"x")
    reply = call.bare("GET", call.ticket("/lst/data/gr%C3%B6%C3%9Fe.fits?action=show"))
    assert reply["Content-Disposition"] == "inline;filename*=UTF-8''gr%C3%B6%C3%9Fe.fits"
    box.files.put("/lst/data/a=b.txt", b"x")
    reply = call.bare("GET", call.ticket("/lst/data/a=b.txt"))
    assert reply["Content-Disposition"] == 'attachment;filename="a=b.txt"'


def test_a_uuid_is_used_up_by_a_full_get(box, call):
    ticket = call.ticket(PATH)
    assert call.bare("GET", ticket).status == 200
    again = call.bare("GET", ticket)
    assert (again.status, again.reason) == (307, "Request is no longer valid")
    assert again["Location"] == box.door + PATH
    assert again.body == b""


def test_the_way_back_to_the_door_loses_the_query(box, call):
    token = call.bearer["Authorization"].removeprefix("Bearer ")
    first = call.bare("GET", f"{box.door}{PATH}?authz={token}")
    call.bare("GET", first["Location"])
    assert call.bare("GET", first["Location"])["Location"] == box.door + PATH


def test_without_a_reference_a_dead_uuid_is_400(call):
    ticket = call.ticket(PATH)
    call.bare("GET", ticket)
    reply = call.bare("GET", ticket.partition("&dcache-http-ref")[0])
    assert (reply.status, reply.reason) == (400, "Request is no longer valid. Please resubmit to door.")


def test_pool_errors_have_only_a_reason_phrase(box, call):
    ticket = call.ticket(PATH)
    cases = [
        call.bare("GET", box.pools[0] + PATH),
        call.bare("GET", ticket.replace("a%20b", "other")),
        call.bare("DELETE", ticket),
        call.bare("PUT", ticket, b"x"),
        call.bare("GET", call.upload_ticket("/lst/users/ada/new", {"Content-Length": "3"})),
    ]
    assert [(reply.status, reply.reason, reply.body) for reply in cases] == [
        (400, "Query string does not include any UUID.", b""),
        (400, "The file you specified does not match the UUID you specified!", b""),
        (501, "The requested operation is not supported by dCache", b""),
        (405, "Resource is not open for writing", b""),
        (405, "Resource is not open for reading", b""),
    ]


def test_a_uuid_waits_300_seconds(make_box, make_caller, clock):
    box = make_box(clock=clock)
    box.files.put("/lst/data/a b.dat", CONTENT)
    call = make_caller(box)
    on_time, late = call.ticket(PATH), call.ticket(PATH)
    clock.advance(299)
    assert call.bare("GET", on_time).status == 200
    clock.advance(2)
    assert call.bare("GET", late).status == 307


def test_connections_to_pools_are_kept(box, call):
    tickets = [call.ticket(PATH) for _ in range(4)]
    one_pool = [ticket for ticket in tickets if ticket.startswith(box.pools[0])]
    connection = call.connection(box.pools[0])
    for ticket in one_pool:
        assert call.on(connection, "GET", ticket.removeprefix(box.pools[0])).body == CONTENT
    assert len({seen.connection for seen in box.seen if seen.server == "pool1"}) == 1


def test_connections_to_the_door_are_kept(box, call):
    connection = call.connection(box.door)
    for _ in range(3):
        assert call.on(connection, "HEAD", PATH, headers=call.bearer).status == 200
    assert len({seen.connection for seen in box.seen}) == 1


@pytest.mark.parametrize(
    ("requested", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=100-199", 100, 199),
        ("bytes=100-", 100, SIZE - 1),
        ("bytes=-7", SIZE - 7, SIZE - 1),
        (f"bytes=5-{SIZE * 2}", 5, SIZE - 1),
    ],
)
def test_one_range(call, requested, first, last):
    reply = call.bare("GET", call.ticket(PATH), headers={"Range": requested})
    assert (reply.status, reply.reason) == (206, "Partial Content")
    assert reply["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert reply.body == CONTENT[first : last + 1]


def test_several_ranges_in_one_answer(call):
    reply = call.bare("GET", call.ticket(PATH), headers={"Range": "bytes=0-2,10-11"})
    mark = b"\r\n--__AAAAAAAAAAAAAAAA__"
    assert reply.status == 206
    assert reply["Content-Type"] == 'multipart/byteranges; boundary="__AAAAAAAAAAAAAAAA__"'
    assert reply["Content-Length"] == str(len(reply.body))
    assert reply.body == (
        mark + b"\r\nContent-Range: bytes 0-2/%d\r\n\r\n" % SIZE + CONTENT[0:3]
        + mark + b"\r\nContent-Range: bytes 10-11/%d\r\n\r\n" % SIZE + CONTENT[10:12]
        + mark + b"--\r\n"
    )  # fmt: skip


def test_a_range_beyond_the_end_is_416_without_content_range(box, call):
    reply = call.bare("GET", call.ticket(PATH), headers={"Range": f"bytes={SIZE}-"})
    assert (reply.status, reply.reason) == (416, "Invalid (empty) list of valid ranges")
    assert reply["Content-Range"] is None
    box.files.put("/lst/empty")
    assert call.bare("GET", call.ticket("/lst/empty"), headers={"Range": "bytes=0-"}).status == 416


def test_if_range_makes_bad_ranges_harmless(call):
    headers = {"Range": f"bytes={SIZE}-", "If-Range": '"anything"'}
    reply = call.bare("GET", call.ticket(PATH), headers=headers)
    assert (reply.status, reply.body) == (200, CONTENT)


def test_ranges_share_a_uuid_until_the_last_connection_closes(box, call):
    ticket = call.ticket(PATH)
    pool, target = box.pools[0], ticket.removeprefix(box.pools[0])
    assert target.startswith("/")
    one, other = call.connection(pool), call.connection(pool)
    ask = {"Range": "bytes=0-9"}
    assert call.on(one, "GET", target, headers=ask).status == 206
    assert call.on(other, "GET", target, headers={"Range": "bytes=10-19"}).body == CONTENT[10:20]
    one.close()
    assert call.on(other, "GET", target, headers=ask).status == 206
    assert call.on(other, "HEAD", target).status == 200
    assert call.on(other, "GET", target, headers={**ask, "Connection": "close"}).status == 206
    assert call.bare("GET", ticket, headers=ask).status == 307


def test_a_closed_connection_ends_the_ranges(box, call):
    ticket = call.ticket(PATH)
    connection = call.connection(ticket)
    assert call.on(connection, "GET", ticket.removeprefix(box.pools[0]), headers={"Range": "bytes=0-9"}).status == 206
    connection.close()
    for _ in range(100):  # the pool learns of the end of a connection in its own time
        if call.bare("HEAD", ticket).status == 307:
            return
    pytest.fail("the UUID outlived its connections")


def test_a_pool_does_not_answer_to_more_than_8_kib_of_headers(box, call):
    ticket = call.ticket(PATH)
    wire = call.head("GET", ticket, {"X-Long": "x" * 8192})
    seen = box.wait_for(lambda seen: seen.server == "pool1")
    assert seen.status is None
    wire.settimeout(0.05)
    with pytest.raises(TimeoutError):
        wire.recv(1)
    assert call.bare("GET", ticket).status == 200


def test_a_pool_does_not_answer_to_more_than_4_kib_of_request_line(box, call):
    wire = call.head("GET", call.ticket(PATH) + "&x=" + "x" * 4096)
    assert box.wait_for(lambda seen: seen.server == "pool1").status is None
    wire.settimeout(0.05)
    with pytest.raises(TimeoutError):
        wire.recv(1)


def test_the_door_answers_431_to_more_than_8_kib_of_headers(call):
    assert call.door("HEAD", PATH, headers={"X-Long": "x" * 8192}).status == 431


def test_head_is_answered_by_the_door(box, call):
    reply = call.door("HEAD", PATH, headers={"Range": "bytes=0-9"})
    assert (reply.status, reply.reason) == (200, "OK")
    assert reply["Content-Length"] == str(SIZE)
    assert reply["Accept-Ranges"] == "bytes"
    assert reply["Last-Modified"] == "Sun, 13 Sep 2020 12:26:40 GMT"
    assert reply["Date"]
    assert reply["Content-Disposition"] is None
    pnfsid = box.files.entry("/lst/data/a b.dat").pnfsid
    assert re.fullmatch(r"[0-9A-F]{36}", pnfsid)
    assert reply["ETag"] == f'"{pnfsid}_{java_date_hash(1.6e9)}"'


def java_date_hash(moment):
    """Return Java's Date.hashCode(): the lower 32 bits of the milliseconds xor the upper ones, as a signed int."""
    ms = int(moment * 1000)
    value = ((ms & 0xFFFFFFFF) ^ (ms >> 32)) & 0xFFFFFFFF
    return value - 2**32 if value >= 2**31 else value


def test_the_content_type_is_guessed_where_none_was_stored(box, call):
    box.files.put("/lst/readme.txt", b"x")
    box.files.put("/lst/noextension", b"x")
    assert call.door("HEAD", "/lst/readme.txt")["Content-Type"] == "text/plain"
    assert call.door("HEAD", "/lst/noextension")["Content-Type"] is None


def test_head_has_no_length_while_the_size_is_unknown(call):
    call.upload_ticket("/lst/users/ada/coming", {"Content-Length": "10"})
    reply = call.door("HEAD", "/lst/users/ada/coming")
    assert (reply.status, reply["Content-Length"]) == (200, None)


def test_get_of_a_directory_is_a_page(box, call):
    reply = call.door("GET", "/lst/data/")
    assert reply.status == 200
    assert reply["Content-Type"] == "text/html;charset=utf-8"
    assert reply["Content-Length"] is None
    assert "metalink" in reply["Link"]
    assert b"a b.dat" in reply.body


def test_get_of_a_directory_without_slash_is_302_to_it(box, call):
    reply = call.door("GET", "/lst/data?x=1")
    assert (reply.status, reply["Location"]) == (302, f"{box.door}/lst/data/?x=1")
    assert call.door("HEAD", "/lst/data").status == 200


def test_conditions_on_get_are_not_honoured(call):
    etag = call.door("HEAD", PATH)["ETag"]
    assert call.door("GET", PATH, headers={"If-None-Match": etag}).status == 302


def test_a_missing_path_is_404(call):
    reply = call.door("GET", "/lst/no%20thing")
    assert (reply.status, reply.reason, reply.body) == (
        404,
        "Not Found",
        b"Path not found: /lst/no%20thing\n",
    )
    assert reply["Content-Type"] == "text/plain;charset=utf-8"
    page = call.door("GET", "/lst/nothing", headers={"Accept": "text/html"})
    assert (page.status, page["Content-Type"]) == (404, "text/html")


def test_a_broken_replica_cannot_be_read_but_looked_at(box, call):
    box.files.entry("/lst/data/a b.dat").broken = True
    reply = call.door("GET", PATH)
    assert (reply.status, reply.body[:18]) == (500, b"Internal problem: ")
    assert call.door("HEAD", PATH).status == 200


def test_a_door_that_carries_the_bytes_itself(make_box, make_caller):
    box = make_box(redirect=False)
    box.files.put("/lst/data/a b.dat", CONTENT)
    call = make_caller(box)
    whole = call.door("GET", PATH)
    assert (whole.status, whole.body, whole["Content-Disposition"]) == (200, CONTENT, "attachment")
    assert whole["ETag"]
    part = call.door("GET", PATH, headers={"Range": "bytes=10-19"})
    assert (part.status, part.body, part["Content-Range"]) == (206, CONTENT[10:20], f"bytes 10-19/{SIZE}")
    assert call.door("GET", PATH, headers={"Range": f"bytes={SIZE}-"}).status == 500
    assert {seen.server for seen in box.seen} == {"door"}
