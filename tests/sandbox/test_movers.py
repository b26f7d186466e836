"""Movers that several connections share: a mover fails for all if one connection breaks off (dCache 11.2.5)."""

import socket
import ssl
from urllib.parse import urlsplit

import pytest

from ctadata.sandbox.faults import Cut, FailedMover, Silence

PATH = "/lst/data/large.dat"
MIB = 1 << 20
SIZE = 32 * MIB
HALF = SIZE // 2
GONE = (307, "Request is no longer valid")


@pytest.fixture(autouse=True)
def large(box):
    box.files.put(PATH, bytes(SIZE))


@pytest.fixture
def ticket(call):
    return call.ticket(PATH)


def uuid_of(ticket):
    return urlsplit(ticket).query.partition("=")[2].partition("&")[0]


def begun(call, ticket, first, last):
    """Return a connection that requested a range and read its first MiB."""
    wire = call.head("GET", ticket, {"Range": f"bytes={first}-{last}"})
    read(wire, MIB)
    return wire


def read(wire, most):
    """Return the number of bytes received until `most` arrived, the connection closed, or nothing more came."""
    got = 0
    while got < most:
        try:
            block = wire.recv(min(1 << 18, most - got))
        except (TimeoutError, ssl.SSLEOFError):
            break
        if not block:
            break
        got += len(block)
    return got


def is_silent(wire):
    """Return whether a connection is open and sends no more bytes before its range is complete."""
    wire.settimeout(0.3)
    assert read(wire, SIZE) < HALF - MIB
    with pytest.raises(TimeoutError):
        wire.recv(1)
    return True


def test_a_connection_that_is_closed_in_mid_body_silences_all_others_of_its_uuid(box, call, ticket):
    one, other = begun(call, ticket, 0, HALF - 1), begun(call, ticket, HALF, SIZE - 1)
    other.close()
    box.transfer_log.wait_for_failure(uuid_of(ticket))
    assert is_silent(one)


def test_a_failed_uuid_goes_back_to_the_door(box, call, ticket):
    one, other = begun(call, ticket, 0, HALF - 1), begun(call, ticket, HALF, SIZE - 1)
    other.close()
    box.transfer_log.wait_for_failure(uuid_of(ticket))
    reply = call.bare("GET", ticket, headers={"Range": "bytes=0-0"})
    assert (reply.status, reply.reason, reply["Location"]) == (*GONE, box.door + PATH)
    assert one.fileno() >= 0


def test_an_idle_connection_is_answered_by_307_after_its_sibling_broke_off(box, call, ticket):
    idle = call.connection(ticket)
    target = ticket.removeprefix(box.pools[0])
    assert call.on(idle, "GET", target, headers={"Range": "bytes=0-9"}).status == 206
    begun(call, ticket, 0, HALF - 1).close()
    box.transfer_log.wait_for_failure(uuid_of(ticket))
    assert call.on(idle, "GET", target, headers={"Range": "bytes=0-9"}).status == 307


def test_a_reset_after_the_last_byte_was_handed_out_fails_the_mover(box, call, ticket):
    """The client closes the connection with the whole response unread."""
    wire = call.head("GET", ticket, {"Range": "bytes=0-9999"})
    socket.socket.recv(wire, 1, socket.MSG_PEEK)
    box.wait_for(lambda seen: seen.server == "pool1" and seen.status == 206)
    wire.close()
    box.transfer_log.wait_for_failure(uuid_of(ticket))


def test_other_uuids_of_the_same_file_go_on(box, call, ticket):
    second = call.ticket(PATH)
    one = begun(call, second, 0, HALF - 1)
    begun(call, ticket, HALF, SIZE - 1).close()
    box.transfer_log.wait_for_failure(uuid_of(ticket))
    assert read(one, HALF - MIB) == HALF - MIB


def test_a_connection_that_is_closed_between_two_ranges_fails_nothing(box, call, ticket):
    target = ticket.removeprefix(box.pools[0])
    one, other = call.connection(ticket), call.connection(ticket)
    for connection in (one, other):
        assert call.on(connection, "GET", target, headers={"Range": "bytes=0-9"}).status == 206
    one.close()
    assert call.on(other, "GET", target, headers={"Range": "bytes=0-9"}).status == 206
    assert box.transfer_log.failed == []


def test_a_mover_ends_with_its_last_connection_at_once(call, ticket):
    for _ in range(20):
        own = call.ticket(PATH)
        assert call.bare("GET", own, headers={"Range": "bytes=0-9"}).status == 206
        assert call.bare("GET", own, headers={"Range": "bytes=0-9"}).status == 307


def test_connection_close_with_the_last_range_ends_the_mover(call, ticket):
    headers = {"Range": "bytes=0-1", "Connection": "close"}
    assert call.bare("GET", ticket, headers=headers)["Connection"] == "close"
    assert call.bare("GET", ticket, headers=headers).status == 307


def test_the_transfer_log_knows_the_requested_ranges(box, call, ticket):
    target = ticket.removeprefix(box.pools[0])
    connection = call.connection(ticket)
    for asked in ("bytes=0-9", "bytes=10-19", "bytes=15-29"):
        call.on(connection, "GET", target, headers={"Range": asked})
    call.bare("GET", ticket)
    ranges = [(entry.first, entry.last) for entry in box.transfer_log.requested(PATH)]
    assert ranges == [(0, 9), (10, 19), (15, 29), (0, SIZE - 1)]
    assert {entry.uuid for entry in box.transfer_log.requested()} == {uuid_of(ticket)}
    assert [(one.last, other.first) for one, other in box.transfer_log.requested_twice(PATH)] == [
        (9, 0), (SIZE - 1, 10), (SIZE - 1, 15)
    ]  # fmt: skip
    box.forget_seen()
    assert box.transfer_log.requested() == []


def test_the_transfer_log_knows_broken_connections_and_their_siblings(box, call, ticket):
    one, other = begun(call, ticket, 0, HALF - 1), begun(call, ticket, HALF, SIZE - 1)
    numbers = {entry.first: entry.connection for entry in box.transfer_log.requested()}
    other.close()
    box.transfer_log.wait_for_failure(uuid_of(ticket))
    [broken] = box.transfer_log.broken(PATH)
    assert (broken.connection, broken.siblings) == (numbers[HALF], {numbers[0]})
    assert one.fileno() >= 0


def test_a_cut_on_the_way_fails_the_mover_too(box, call, ticket):
    one = begun(call, ticket, 0, HALF - 1)
    box.faults.add("pool", "GET", PATH, Cut(after=MIB), times=1)
    cut = call.head("GET", ticket, {"Range": f"bytes={HALF}-{SIZE - 1}"})
    assert read(cut, SIZE) < 2 * MIB
    box.transfer_log.wait_for_failure(uuid_of(ticket))
    assert is_silent(one)


def test_a_pool_can_fall_silent_on_one_connection_only(box, call, ticket):
    box.faults.add("pool", "GET", PATH, Silence(after=2 * MIB), times=1)
    silent, lively = begun(call, ticket, 0, HALF - 1), begun(call, ticket, HALF, SIZE - 1)
    assert read(lively, HALF - MIB) == HALF - MIB
    assert is_silent(silent)
    assert call.bare("GET", ticket, headers={"Range": "bytes=0-0"}).status == 206


def test_a_mover_can_be_failed_by_the_pool_in_mid_file(box, call, ticket):
    one = begun(call, ticket, 0, HALF - 1)
    box.faults.add("pool", "GET", PATH, FailedMover(after=2 * MIB), times=1)
    other = begun(call, ticket, HALF, SIZE - 1)
    assert is_silent(other)
    assert is_silent(one)
    assert call.bare("GET", ticket, headers={"Range": "bytes=0-0"}).status == 307
