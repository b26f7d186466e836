"""What failed uploads leave behind, as in dCache (dcache.md 1.6; GitHub 6455, 7862)."""

import base64

PATH = "/lst/users/ada/new.dat"
PART = b"0123456789" * 40


def cut_short(box, call, url, headers, body=b""):
    """Send the head of a PUT and a part of its body, close, and wait until the server has noticed."""
    call.head("PUT", url, headers, more=body).close()
    return box.wait_for(lambda seen: seen.method == "PUT" and seen.status is None)


def test_cut_short_with_a_size_known_leaves_a_short_broken_file(box, call):
    ticket = call.upload_ticket(PATH, {"Content-Length": "1000"})
    seen = cut_short(box, call, ticket, {"Content-Length": "1000"}, PART)
    entry = box.files.entry(PATH)
    assert (seen.server, seen.body_bytes) == ("pool1", len(PART))
    assert (entry.size, entry.broken, entry.file_locality) == (len(PART), True, "ONLINE")
    assert call.door("HEAD", PATH)["Content-Length"] == str(len(PART))
    assert call.door("GET", PATH).body == b"Internal problem: File is broken\n"


def test_cut_before_the_first_byte_with_a_size_known_leaves_a_file_without_size(box, call):
    ticket = call.upload_ticket(PATH, {"Content-Length": "1000"})
    cut_short(box, call, ticket, {"Content-Length": "1000"})
    entry = box.files.entry(PATH)
    assert (entry.size, entry.file_locality) == (None, "NONE")


def test_cut_before_the_first_byte_with_no_size_known_leaves_a_valid_empty_file(box, call):
    ticket = call.upload_ticket(PATH)
    cut_short(box, call, ticket, {"Transfer-Encoding": "chunked"})
    entry = box.files.entry(PATH)
    assert (entry.size, entry.broken, entry.file_locality) == (0, False, "ONLINE")


def test_chunks_cut_short_are_accepted_as_a_shorter_file(box, call):
    ticket = call.upload_ticket(PATH)
    cut_short(box, call, ticket, {"Transfer-Encoding": "chunked"}, b"190\r\n" + PART + b"\r\n190\r\n")
    entry = box.files.entry(PATH)
    assert (entry.size, entry.broken) == (len(PART), False)
    assert call.bare("GET", call.ticket(PATH)).body == PART


def test_chunks_cut_short_are_broken_where_the_door_knew_the_size(box, call):
    ticket = call.upload_ticket(PATH, {"Content-Length": "1000"})
    cut_short(box, call, ticket, {"Transfer-Encoding": "chunked"}, b"190\r\n" + PART + b"\r\n190\r\n")
    assert box.files.entry(PATH).broken


def test_a_used_upload_url_is_over_after_a_cut(box, call):
    ticket = call.upload_ticket(PATH, {"Content-Length": "1000"})
    cut_short(box, call, ticket, {"Content-Length": "1000"}, PART)
    assert call.bare("PUT", ticket, b"x" * 1000).status == 307


def test_a_checksum_mismatch_leaves_a_broken_file(box, call):
    ticket = call.upload_ticket(PATH, {"Content-Length": "3"})
    assert call.bare("PUT", ticket, b"abc", {"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}).status == 400
    entry = box.files.entry(PATH)
    assert (entry.size, entry.broken) == (3, True)
    assert entry.checksums == {"md5": base64.b64decode("1B2M2Y8AsgTpgAmY7PhCfg==")}, "the expected one is listed"


def test_a_proxied_upload_cut_short_is_cleaned_up(box, call):
    seen = cut_short(box, call, box.door + PATH, {**call.bearer, "Content-Length": "1000"}, PART)
    assert seen.server == "door"
    assert not box.files.exists(PATH)


def test_an_upload_url_nobody_used_for_300_seconds(make_box, make_caller, clock):
    box = make_box(clock=clock)
    call = make_caller(box)
    known = call.upload_ticket(PATH, {"Content-Length": "1000"})
    unknown = call.upload_ticket(PATH + "2")
    assert box.files.entry(PATH + "2").size is None
    clock.advance(301)
    assert call.bare("PUT", known, b"x" * 1000).status == 307
    assert call.bare("PUT", unknown, b"").status == 307
    assert box.files.entry(PATH).file_locality == "NONE"
    assert box.files.entry(PATH + "2").size == 0


def test_what_is_broken_can_be_deleted_and_put_again(box, call):
    ticket = call.upload_ticket(PATH, {"Content-Length": "1000"})
    cut_short(box, call, ticket, {"Content-Length": "1000"}, PART)
    assert call.door("DELETE", PATH).status == 204
    assert call.door("PUT", PATH, PART).status == 201
    assert box.files.read(PATH) == PART


def test_nothing_of_a_dropped_upload_stays_on_disk(box, call):
    cut_short(box, call, box.door + PATH, {**call.bearer, "Content-Length": "1000"}, PART)
    ticket = call.upload_ticket(PATH, {"Content-Length": "1000"})
    cut_short(box, call, ticket, {"Content-Length": "1000"})
    assert [path.name for path in box.ca.parent.iterdir()] == ["ca.pem"]
