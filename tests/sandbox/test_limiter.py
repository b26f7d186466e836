"""The rate limiter of doors since 11.2 (dcache.md 4; GitHub 8118)."""

import pytest


@pytest.fixture
def box(make_box, clock):
    return make_box(clock=clock, rate_limit=True)


def status(call):
    return call.door("HEAD", "/lst/").status


def test_two_requests_at_once_from_an_idle_client(call, clock):
    assert [status(call), status(call)] == [200, 429]
    clock.advance(0.005)
    assert status(call) == 200


def test_the_text_of_a_429(call):
    status(call)
    reply = call.door("GET", "/lst/")
    assert (reply.status, reply.body) == (429, b"Server is busy. Please try again later.")
    assert reply["Retry-After"] is None


def test_newer_doors_send_retry_after(make_box, make_caller, clock):
    call = make_caller(make_box(clock=clock, rate_limit="retry-after"))
    status(call)
    assert call.door("HEAD", "/lst/")["Retry-After"] == "1"


def test_a_known_client_that_pauses_gets_credit(call, clock):
    status(call)
    clock.advance(0.1)
    assert [status(call) for _ in range(25)] == [200] * 25


def test_an_idle_client_is_forgotten_with_its_credit(call, clock):
    status(call)
    clock.advance(11)
    assert [status(call), status(call)] == [200, 429]


def test_three_failed_logins_block_the_address(box, call, clock):
    for _ in range(3):
        assert call.bare("HEAD", box.door + "/lst/").status == 401
        clock.advance(1)
    assert status(call) == 429
    clock.advance(9)
    assert status(call) == 200


def test_failed_logins_far_apart_do_not(box, call, clock):
    for _ in range(4):
        assert call.bare("HEAD", box.door + "/lst/").status == 401
        clock.advance(21)
    assert status(call) == 200


def test_each_failed_login_within_the_window_of_the_last_one_counts(box, call, clock):
    for _ in range(3):
        clock.advance(15)
        assert call.bare("HEAD", box.door + "/lst/").status == 401
    assert status(call) == 429


def test_a_blocked_client_is_new_after_the_block(box, call, clock):
    for _ in range(3):
        clock.advance(1)
        call.bare("HEAD", box.door + "/lst/")
    clock.advance(10)
    assert [status(call), status(call)] == [200, 429]


def test_newer_doors_send_retry_after_for_a_block(make_box, make_caller, clock):
    box = make_box(clock=clock, rate_limit="retry-after")
    call = make_caller(box)
    for _ in range(3):
        clock.advance(1)
        call.bare("HEAD", box.door + "/lst/")
    clock.advance(2.5)
    assert call.door("HEAD", "/lst/")["Retry-After"] == "8"


def test_x_forwarded_for_names_the_client(call):
    others = [{"X-Forwarded-For": f"192.0.2.{i}, 192.0.2.99"} for i in range(3)]
    assert [call.door("HEAD", "/lst/", headers=headers).status for headers in others] == [200] * 3
    assert call.door("HEAD", "/lst/", headers=others[0]).status == 429


def test_the_frontend_has_its_own(box, call):
    url = box.frontend + "/api/v1/user"
    assert status(call) == 200
    assert [call.bare("GET", url, headers=call.bearer).status for _ in range(2)] == [200, 429]


def test_pools_are_not_limited(box, call, clock):
    box.files.put("/lst/a", b"x")
    tickets = []
    for _ in range(3):
        tickets.append(call.ticket("/lst/a"))
        clock.advance(1)
    assert [call.bare("GET", ticket).status for ticket in tickets] == [200] * 3


def test_the_limiter_is_off_by_default(make_box, make_caller, clock):
    call = make_caller(make_box(clock=clock))
    assert [status(call) for _ in range(5)] == [200] * 5
