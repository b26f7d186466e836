"""Names that dCache stores and cannot return: names that NFC changes, and names with a control character."""

import http.client
import unicodedata
from urllib.parse import quote, urlsplit

import pytest

from ctadata.sandbox.faults import Proxied

MISMATCH = (400, "The file you specified does not match the UUID you specified!")
CHANGED = ["e\u0301.txt", "\u212b.txt", "\u1112\u1161\u11ab.txt", "a/u\u0308/b.txt"]
UNREADABLE = ["two\nlines", "a\rb", "\x01", "tab\there", "\x7f"]
HOME = "/lst/users/ada/"


def listed(call, path):
    return call.door("PROPFIND", path, headers={"Depth": "1"}).body.decode()


@pytest.mark.parametrize("name", CHANGED)
def test_a_name_that_nfc_changes_is_stored_and_listed_as_sent(box, call, name):
    path = HOME + quote(name)
    ticket = call.upload_ticket(path, {"Content-Length": "5"})
    mine = ticket.replace(urlsplit(ticket).path, path)
    assert call.bare("PUT", mine, b"hello").status == 201
    assert box.files.read(HOME + name) == b"hello"
    assert path in listed(call, path.rpartition("/")[0])


@pytest.mark.parametrize("name", CHANGED)
def test_the_location_has_its_nfc_form_where_the_pool_knows_no_such_file(box, call, name):
    box.files.put(HOME + name, b"hello")
    path = HOME + quote(name)
    ticket = call.ticket(path)
    composed = quote(unicodedata.normalize("NFC", HOME + name))
    assert urlsplit(ticket).path == composed != path
    reply = call.bare("GET", ticket)
    assert (reply.status, reply.reason) == MISMATCH
    mine = call.bare("GET", ticket.replace(composed, path))
    assert (mine.status, mine.body) == (200, b"hello")


def test_an_upload_by_the_location_of_such_a_name_is_refused_and_the_old_file_is_gone(box, call):
    box.files.put(HOME + CHANGED[0], b"old")
    ticket = call.upload_ticket(HOME + quote(CHANGED[0]), {"Content-Length": "3"})
    reply = call.bare("PUT", ticket, b"new")
    assert (reply.status, reply.reason) == MISMATCH
    assert box.files.entry(HOME + CHANGED[0]).file_locality == "NONE"


@pytest.mark.parametrize("how", ["option", "fault"])
@pytest.mark.parametrize("name", CHANGED)
def test_a_door_that_carries_the_bytes_itself_gives_no_byte_of_such_a_file(make_box, make_caller, name, how):
    box = make_box(redirect=how == "fault")
    call = make_caller(box)
    box.faults.add("door", "GET", "*", Proxied())
    box.files.put(HOME + name, b"hello")
    with pytest.raises(http.client.IncompleteRead) as caught:
        call.door("GET", HOME + quote(name))
    assert (caught.value.partial, caught.value.expected) == (b"", 5)


def test_a_door_that_takes_the_bytes_itself_refuses_such_a_name_and_leaves_nothing(box, call):
    path = HOME + quote(CHANGED[0])
    assert call.door("PUT", path, b"hello").status == 400
    assert call.door("GET", path).status == 404


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_control_character_is_stored_and_never_given_back(box, call, name):
    path = HOME + quote(name)
    assert call.bare("PUT", call.upload_ticket(path, {"Content-Length": "5"}), b"hello").status == 201
    assert path.replace("%7F", "%7F") in listed(call, HOME)
    for headers in ({}, {"Range": "bytes=0-0"}):
        ticket = call.ticket(path)
        with pytest.raises(http.client.RemoteDisconnected):
            call.bare("GET", ticket, headers=headers)
        assert call.bare("GET", ticket).status in (307, 400)


def test_a_door_that_carries_the_bytes_itself_gives_no_byte_of_a_name_with_a_newline(make_box, make_caller):
    call = make_caller(make_box(redirect=False))
    assert call.door("PUT", HOME + "two%0Alines", b"hello").status == 201
    with pytest.raises(http.client.IncompleteRead):
        call.door("GET", HOME + "two%0Alines")


def test_a_fault_makes_the_door_carry_the_bytes_of_one_request(box, call):
    box.files.put("/lst/a.txt", b"hello")
    box.faults.add("door", "GET", "/lst/a.txt", Proxied(), times=1)
    assert call.door("GET", "/lst/a.txt").body == b"hello"
    assert call.door("GET", "/lst/a.txt").status == 302
    box.faults.add("door", "PUT", HOME + "b.txt", Proxied(), times=1)
    assert call.door("PUT", HOME + "b.txt", b"x", {"Expect": "100-continue"}).status == 201
