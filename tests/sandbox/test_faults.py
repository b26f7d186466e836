"""Faults: each kind has its effect, at the given place, as often as given, in both directions."""

import http.client
import socket
import threading
import zlib

import pytest

from ctadata.sandbox.faults import (
    Cut,
    Delay,
    Flip,
    Full,
    LateChecksum,
    Long,
    LostAnswer,
    Meanwhile,
    NoAnswer,
    Prealloc,
    Redirect,
    Short,
    Stall,
    Status,
    WholeFile,
    WrongDigest,
    WrongRange,
)

PATH = "/lst/users/ada/file.dat"
CONTENT = bytes(range(251)) * 4000  # 1,004,000 bytes: more than one block
SIZE = len(CONTENT)
WANT = {"Want-Digest": "adler32"}


@pytest.fixture(autouse=True)
def data(box):
    box.files.put(PATH, CONTENT)


def download(call, fault, **options):
    """Return the head and the bytes of the answer to a GET at the pool, under a fault."""
    ticket = call.ticket(PATH, WANT)
    call.box.faults.add("pool", "GET", PATH, fault, **options)
    wire = call.head("GET", ticket, {**WANT, "Connection": "close"})
    response = http.client.HTTPResponse(wire)
    response.begin()
    with response:
        length = int(response.headers["Content-Length"])
        response.length = None  # read what really comes, to the end
        return response, length, to_the_end(response)


def to_the_end(response):
    got = b""
    try:
        while block := response.read(65536):
            got += block
    except OSError:  # ssl calls a reset an end without goodbye
        return got, "reset"
    return got, "closed"


def upload(call, content=CONTENT, headers=WANT):
    ticket = call.upload_ticket(PATH, {"Content-Length": str(len(content))})
    return call.bare("PUT", ticket, content, headers)


# ---- matching


def test_a_fault_applies_until_it_is_removed(box, call):
    rule = box.faults.add("door", "HEAD", PATH, Status(500, "Oh"))
    assert [call.door("HEAD", PATH).status for _ in range(3)] == [500] * 3
    rule.remove()
    assert call.door("HEAD", PATH).status == 200
    assert rule.hits == 3


def test_a_fault_applies_a_number_of_times_after_some_are_skipped(box, call):
    box.faults.add("door", "HEAD", PATH, Status(500, "Oh"), times=2, skip=1)
    assert [call.door("HEAD", PATH).status for _ in range(5)] == [200, 500, 500, 200, 200]


def test_a_fault_applies_to_its_server_method_and_path_only(box, call):
    box.faults.add("frontend", "HEAD", PATH, Status(500, "Oh"))
    box.faults.add("door", "GET", PATH, Status(500, "Oh"))
    box.faults.add("door", "HEAD", PATH + "2", Status(500, "Oh"))
    assert call.door("HEAD", PATH).status == 200


@pytest.mark.parametrize(("server", "method", "path"), [("*", "*", "*"), ("door", "*", "/lst/users/*")])
def test_a_fault_may_apply_to_many_servers_methods_and_paths(box, call, server, method, path):
    box.faults.add(server, method, path, Status(503, "Oh"))
    assert call.door("HEAD", PATH).status == 503
    assert call.door("PROPFIND", "/lst/users/ada/").status == 503


def test_paths_are_decoded_and_without_query(box, call):
    box.files.put("/lst/a b", b"x")
    box.faults.add("pool", "GET", "/lst/a b", Status(503, "Oh"))
    assert call.bare("GET", call.ticket("/lst/a%20b")).status == 503


def test_a_fault_may_apply_to_one_pool(box, call):
    box.faults.add("pool2", "GET", "*", Status(503, "Oh"))
    assert {call.bare("GET", call.ticket(PATH)).status for _ in range(2)} == {200, 503}


def test_all_faults_off(box, call):
    box.faults.add("*", "*", "*", Status(503, "Oh"))
    box.faults.clear()
    assert call.door("HEAD", PATH).status == 200


# ---- something else happens


def test_something_happens_before_the_server_sees_the_request(box, call):
    box.faults.add("door", "HEAD", PATH, Meanwhile(lambda: box.files.put(PATH, b"other")), times=1)
    assert call.door("HEAD", PATH)["Content-Length"] == "5"


def test_something_happens_in_the_middle_of_a_body(box, call):
    gate = threading.Event()
    ticket = call.ticket(PATH)
    rule = box.faults.add("pool", "GET", PATH, Meanwhile(gate.wait, after=1000))
    with http.client.HTTPResponse(call.head("GET", ticket)) as response:
        response.begin()
        assert response.read(1000) == CONTENT[:1000]
        assert rule.reached.wait(60)
        gate.set()
        assert response.read() == CONTENT[1000:]


# ---- ranges


def test_a_range_can_be_ignored(box, call):
    box.faults.add("pool", "GET", PATH, WholeFile())
    reply = call.bare("GET", call.ticket(PATH), headers={"Range": "bytes=5-9"})
    assert (reply.status, reply["Content-Range"], reply.body) == (200, None, CONTENT)


def test_a_content_range_can_be_wrong(box, call):
    box.faults.add("pool", "GET", PATH, WrongRange(by=3))
    reply = call.bare("GET", call.ticket(PATH), headers={"Range": "bytes=5-9"})
    assert (reply.status, reply["Content-Range"], reply.body) == (206, f"bytes 8-12/{SIZE}", CONTENT[5:10])


# ---- instead of an answer


def test_another_status(box, call):
    fault = Status(429, "Too Many Requests", b"Server is busy. Please try again later.", (("Retry-After", "3"),))
    box.faults.add("door", "GET", PATH, fault)
    reply = call.door("GET", PATH)
    assert (reply.status, reply.reason, reply.body) == (429, "Too Many Requests", fault.body)
    assert reply["Retry-After"] == "3"
    assert box.seen[-1].status == 429


def test_another_status_for_an_upload_whose_body_is_read_and_dropped(box, call):
    ticket = call.upload_ticket(PATH, {"Content-Length": "3"})
    rule = box.faults.add("pool", "PUT", PATH, Status(500, "Oh"), times=1)
    assert call.bare("PUT", ticket, b"abc").status == 500
    assert call.bare("PUT", ticket, b"abc").status == 201
    assert rule.reached.is_set()


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/x", "file:///etc/passwd", "https://evil.example/"])
def test_a_hostile_redirect(box, call, location):
    box.faults.add("door", "GET", PATH, Redirect(location))
    reply = call.door("GET", PATH)
    assert (reply.status, reply["Location"]) == (302, location)
    box.faults.add("door", "PUT", PATH, Redirect(location, 307))
    assert call.patient_put(PATH, {"Content-Length": "3"})["Location"] == location


def test_no_answer(box, call):
    rule = box.faults.add("door", "HEAD", PATH, NoAnswer())
    wire = call.head("HEAD", box.door + PATH, call.bearer)
    assert rule.reached.wait(60)
    wire.settimeout(0.05)
    with pytest.raises(TimeoutError):
        wire.recv(1)
    assert box.seen[-1].status is None


@pytest.mark.parametrize("reset", [False, True])
def test_a_lost_answer_after_the_work(box, call, reset):
    ticket = call.upload_ticket(PATH, {"Content-Length": "3"})
    box.faults.add("pool", "PUT", PATH, LostAnswer(reset))
    wire = call.head("PUT", ticket, {"Content-Length": "3"}, more=b"new")
    if reset:
        with pytest.raises(OSError):
            wire.recv(1)
    else:
        assert wire.recv(1) == b""
    assert box.files.read(PATH) == b"new"
    assert box.seen[-1].status == 201


# ---- in time


def test_a_delay_lasts_until_its_event(box, call):
    gate = threading.Event()
    rule = box.faults.add("door", "HEAD", PATH, Delay(until=gate))
    wire = call.head("HEAD", box.door + PATH, call.bearer)
    assert rule.reached.wait(60)
    assert box.seen == []
    gate.set()
    assert wire.recv(100).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("end", ["release", "remove"])
def test_a_delay_lasts_until_its_handle_is_released(box, call, end):
    rule = box.faults.add("door", "HEAD", PATH, Delay())
    wire = call.head("HEAD", box.door + PATH, call.bearer)
    assert rule.reached.wait(60)
    getattr(rule, end)()
    assert wire.recv(100).startswith(b"HTTP/1.1 200")


def test_a_delay_of_some_seconds(box, call):
    box.faults.add("door", "HEAD", PATH, Delay(0.05))
    before = box.wait_for  # the answer comes by itself
    assert call.door("HEAD", PATH).status == 200
    assert before(lambda seen: seen.method == "HEAD").status == 200


def test_a_body_that_arrives_during_a_delay_is_received_by_the_door(box, call):
    """If body bytes arrive before the door's decision, the door receives the upload itself (dcache.md 1.5)."""
    rule = box.faults.add("door", "PUT", PATH, Delay())
    wire = call.head("PUT", box.door + PATH, {**call.bearer, "Expect": "100-continue", "Content-Length": "3"})
    assert rule.reached.wait(60)
    wire.sendall(b"abc")
    rule.release()
    assert wire.recv(100).startswith(b"HTTP/1.1 100 ")


def test_a_late_answer_after_the_work(box, call):
    ticket = call.upload_ticket(PATH, {"Content-Length": "3"})
    rule = box.faults.add("pool", "PUT", PATH, Delay(late=True))
    wire = call.head("PUT", ticket, {"Content-Length": "3"}, more=b"new")
    assert rule.reached.wait(60)
    assert box.files.read(PATH) == b"new"
    rule.release()
    assert wire.recv(100).startswith(b"HTTP/1.1 201 ")


@pytest.mark.parametrize("after", [0, 1000, SIZE - 1])
def test_a_stalled_download(box, call, after):
    ticket = call.ticket(PATH)
    rule = box.faults.add("pool", "GET", PATH, Stall(after))
    response = http.client.HTTPResponse(call.head("GET", ticket))
    response.begin()
    with response:
        assert response.read(after) == CONTENT[:after]
        assert rule.reached.wait(60)
        rule.release()
        assert response.read() == CONTENT[after:]


def test_a_stalled_upload(box, call):
    ticket = call.upload_ticket(PATH, {"Content-Length": "10"})
    rule = box.faults.add("pool", "PUT", PATH, Stall(4))
    wire = call.head("PUT", ticket, {"Content-Length": "10"}, more=b"0123456789")
    assert rule.reached.wait(60)
    rule.release()
    assert wire.recv(100).startswith(b"HTTP/1.1 201 ")
    assert box.files.read(PATH) == b"0123456789"


def test_a_slow_handshake(box, call):
    rule = box.faults.add("door", "HANDSHAKE", "", Delay(), times=1)
    held = threading.Thread(daemon=True, target=call.socket, args=(box.door,))
    held.start()
    assert rule.reached.wait(60)
    assert call.door("HEAD", PATH).status == 200, "one slow client holds nobody up"
    rule.release()
    held.join(60)
    assert not held.is_alive()


def test_a_handshake_never_answered(box, call):
    rule = box.faults.add("door", "HANDSHAKE", "", NoAnswer(), times=1)
    host, port = box.door.removeprefix("https://").split(":")
    with socket.create_connection((host, int(port)), 60) as wire:
        assert rule.reached.wait(60)
        wire.sendall(b"hello")
        wire.settimeout(0.05)
        with pytest.raises(TimeoutError):
            wire.recv(1)


# if the reset comes before the handshake begins, the `ssl` of Python 3.11 leaves its socket to the garbage collector
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_a_handshake_cut_short(box, call):
    box.faults.add("door", "HANDSHAKE", "", Cut(reset=True), times=1)
    with pytest.raises(OSError):
        call.socket(box.door)
    assert call.door("HEAD", PATH).status == 200


# ---- bytes of downloads


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("after", [0, 1, 1000, SIZE // 2, SIZE - 1])
def test_a_download_cut_short(call, after, reset):
    _, length, (got, end) = download(call, Cut(after, reset))
    assert length == SIZE
    assert CONTENT.startswith(got)
    if reset:
        assert (len(got) <= after, end) == (True, "reset")
    else:
        assert (len(got), end) == (after, "closed")


def test_a_cut_beyond_the_end_changes_nothing(box, call):
    box.faults.add("pool", "GET", PATH, Cut(SIZE + 1))
    assert call.bare("GET", call.ticket(PATH)).body == CONTENT


@pytest.mark.parametrize("at", [0, 12345, SIZE - 1])
def test_a_flipped_byte_under_a_true_digest(call, at):
    response, _, (got, _) = download(call, Flip(at), times=1)
    assert [i for i in range(SIZE) if got[i] != CONTENT[i]] == [at]
    assert response.headers["Digest"] == f"adler32={zlib.adler32(CONTENT):08x}"


def test_flipped_bytes_of_many_pieces_never_cancel_out(box, call):
    """Changed bits would cancel out here: four up and four down, in an order that keeps the sum of their positions."""
    content = b"".join(bytes(100) + bytes([bit]) + bytes(899) for bit in (0, 1, 1, 0, 1, 0, 0, 1))
    box.files.put(PATH, content)
    box.faults.add("pool", "GET", PATH, Flip(100))
    ranges = [{"Range": f"bytes={start}-{start + 999}"} for start in range(0, 8000, 1000)]
    got = b"".join(call.bare("GET", call.ticket(PATH), headers=one).body for one in ranges)
    assert [i for i in range(8000) if got[i] != content[i]] == list(range(100, 8000, 1000))
    assert zlib.adler32(got) != zlib.adler32(content)


def test_a_short_body(call):
    _, length, (got, end) = download(call, Short(10))
    assert (length, got, end) == (SIZE, CONTENT[:-10], "closed")


@pytest.mark.parametrize("announced", [True, False])
def test_a_long_body(call, announced):
    _, length, (got, _) = download(call, Long(7, announced), times=1)
    assert length == SIZE + (7 if announced else 0)
    assert got == CONTENT + bytes(7)


def test_a_listing_cut_short(box, call):
    box.faults.add("door", "PROPFIND", "/lst/users/ada/", Cut(100))
    with pytest.raises(http.client.IncompleteRead):
        call.door("PROPFIND", "/lst/users/ada/")


def test_a_wrong_digest(box, call):
    box.faults.add("pool", "GET", PATH, WrongDigest())
    box.faults.add("door", "HEAD", PATH, WrongDigest())
    true = f"adler32={zlib.adler32(CONTENT):08x}"
    wrong = {
        call.bare("GET", call.ticket(PATH, WANT), headers=WANT)["Digest"],
        call.door("HEAD", PATH, headers=WANT)["Digest"],
    }
    assert true not in wrong
    assert {len(value) for value in wrong} == {len(true)}


def test_a_late_checksum(box, call):
    box.faults.add("door", "HEAD", PATH, LateChecksum(), times=2)
    found = [call.door("HEAD", PATH, headers=WANT)["Digest"] for _ in range(3)]
    assert found == [None, None, f"adler32={zlib.adler32(CONTENT):08x}"]
    box.faults.add("door", "PROPFIND", PATH, LateChecksum(), times=1)
    body = b'<propfind xmlns="DAV:"><allprop/></propfind>'
    assert [b":Checksums>adler32=" in call.door("PROPFIND", PATH, body).body for _ in range(2)] == [False, True]


# ---- bytes of uploads


@pytest.mark.parametrize("reset", [False, True])
def test_an_upload_cut_by_the_pool(box, call, reset):
    ticket = call.upload_ticket(PATH, {"Content-Length": str(SIZE)})
    box.faults.add("pool", "PUT", PATH, Cut(1000, reset))
    with pytest.raises(OSError):
        call.bare("PUT", ticket, CONTENT)
    box.wait_for(lambda seen: seen.method == "PUT" and seen.status is None)
    entry = box.files.entry(PATH)
    assert (entry.size, entry.broken) == (1000, True)


def test_an_upload_cut_by_the_door(box, call):
    box.faults.add("door", "PUT", PATH, Cut(1000, reset=True))
    with pytest.raises(OSError):
        call.door("PUT", PATH, CONTENT)
    box.wait_for(lambda seen: seen.method == "PUT" and seen.status is None)
    assert not box.files.exists(PATH)


def test_an_upload_cut_at_once_never_reaches_the_server(box, call):
    box.faults.add("door", "PUT", PATH, Cut(reset=True))
    with pytest.raises(OSError):
        call.patient_put(PATH, {"Content-Length": "3"})
    assert box.files.read(PATH) == CONTENT


def test_a_byte_flipped_on_the_way_in(box, call):
    box.faults.add("pool", "PUT", PATH, Flip(5))
    reply = upload(call, b"0123456789")
    assert box.files.read(PATH) == b"012346" + b"6789"
    assert reply["Digest"] == f"adler32={zlib.adler32(b'0123466789'):08x}"


def test_a_pool_that_is_full(box, call):
    """The pool answers 507 while the client may still send, and the connection stays open."""
    ticket = call.upload_ticket(PATH, {"Content-Length": str(SIZE)})
    box.faults.add("pool", "PUT", PATH, Full(after=1000))
    wire = call.head("PUT", ticket, {"Content-Length": str(SIZE)}, more=CONTENT[:5000])
    assert wire.recv(100).startswith(b"HTTP/1.1 507 No space left on device\r\n")
    entry = box.files.entry(PATH)
    assert (entry.size, entry.broken) == (1000, True)
    wire.sendall(CONTENT[5000:] + b"HEAD / HTTP/1.1\r\n\r\n")
    assert wire.recv(100).startswith(b"HTTP/1.1 400 Query string does not include any UUID.")


def test_a_full_pool_behind_the_door(box, call):
    box.faults.add("door", "PUT", PATH, Full())
    reply = call.door("PUT", PATH, b"abc")
    assert (reply.status, reply.body) == (507, b"Insufficient storage: SER_DISK_FULL\n")
    assert not box.files.exists(PATH)


def test_space_that_cannot_be_reserved(box, call):
    ticket = call.upload_ticket(PATH, {"Content-Length": "3"})
    box.faults.add("pool", "PUT", PATH, Prealloc("No space"))
    reply = call.bare("PUT", ticket, b"abc")
    assert (reply.status, reply.reason) == (500, "No space")
    assert box.files.entry(PATH).file_locality == "NONE"


def test_a_wrong_and_a_late_digest_of_an_upload(box, call):
    box.faults.add("pool", "PUT", PATH, WrongDigest(), times=1)
    assert upload(call)["Digest"] != f"adler32={zlib.adler32(CONTENT):08x}"
    box.faults.add("pool", "PUT", PATH, LateChecksum(), times=1)
    assert upload(call)["Digest"] is None


def test_the_bytes_that_were_sent_are_counted_also_of_a_body_that_was_cut(box, call):
    download(call, Cut(after=1000), times=1)
    box.wait_until_served(1000)
    assert box.served() == 1000
    call.bare("GET", call.ticket(PATH))
    box.wait_until_served(1000 + SIZE)
    assert box.served() == box.served("pool1") + box.served("pool2") == 1000 + SIZE
    box.forget_seen()
    assert box.served() == 0
